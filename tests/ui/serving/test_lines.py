"""The lane of an upscaling by what the client sends, whatever that is."""

import io
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from cvdemo.demo import Lane
from cvdemo.ui.serving.lines import by_result_size


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path))
    return tmp_path


def sent(path: Path) -> dict[str, Any]:
    return {"path": str(path), "meta": {"_type": "gradio.FileData"}}


@pytest.mark.parametrize(
    ("size", "scale", "shrunk", "lane"),
    [
        ((640, 480), 4, False, Lane.SLOW),
        ((640, 480), 3, False, Lane.QUICK),
        ((1500, 1500), 2, False, Lane.SLOW),
        ((1500, 1500), 2, True, Lane.QUICK),
        ((4000, 3000), 2, True, Lane.SLOW),
        ((1500, 1500), 2.0, None, Lane.SLOW),
    ],
)
def test_the_size_of_the_result_decides(
    folder: Path, size: tuple[int, int], scale: float, shrunk: bool | None, lane: Lane
) -> None:
    Image.new("L", size).save(folder / "a.png")
    assert by_result_size(shrunk=2)([sent(folder / "a.png"), scale, shrunk]) is lane


def test_a_picture_of_unknown_size_waits_with_the_slow_ones(folder: Path) -> None:
    whole = io.BytesIO()
    Image.new("L", (50, 50)).save(whole, "PNG")
    for name, content in {
        "heic": b"\0\0\0\x18ftypheic" + b"\0" * 50,
        "cut": whole.getvalue()[:20],
        "empty": b"",
    }.items():
        (folder / name).write_bytes(content)
        assert by_result_size()([sent(folder / name), 2]) is Lane.SLOW


@pytest.mark.parametrize("scale", [None, True, "2", 0, -1, 10**30, float("nan"), [], {}])
def test_what_is_refused_anyway_does_not_wait(folder: Path, scale: Any) -> None:
    Image.new("L", (3000, 3000)).save(folder / "a.png")
    lane_of = by_result_size()
    assert lane_of([sent(folder / "a.png"), scale]) is Lane.QUICK
    pictures: list[Any] = [None, "a.png", {"path": "/etc/passwd"}, {"path": 3}, [], {}]
    for picture in pictures:
        assert lane_of([picture, 2]) is Lane.QUICK
    for values in ([], [sent(folder / "a.png")]):
        assert lane_of(values) is Lane.QUICK
