"""The Upscale tab's handlers with a stand-in for the network, and what they make of a pair of pictures."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gradio as gr
import numpy as np
import pytest
from PIL import Image

from cvdemo import demos
from cvdemo.demo import Run, Step
from cvdemo.images import ImageArray, read_image
from cvdemo.limits import UPSCALE_S
from cvdemo.ui import upscale as tab
from cvdemo.ui.upscale import (
    CLOSEUP_HW,
    CLOSEUP_ZOOM,
    Pair,
    busiest_place,
    closeup,
    preview,
    quality_report,
    quality_table,
)
from cvdemo.upscale.catalogue import AUTO, FAST
from cvdemo.upscale.quality import Comparison, Quality
from cvdemo.upscale.run import UpscaleRequest, UpscaleResult
from cvdemo.upscale.upscale import UpscaleConfig
from tests.helpers.png_files import save_png

MEASURED = Comparison(bicubic=Quality(psnr=30.0, ssim=0.9), network=Quality(psnr=31.5, ssim=0.95))
PAIR, CLOSEUP, TABLE, DOWNLOAD, STATUS = range(5)  # places among a handler's outputs


def difference_of_two() -> Pair:
    """Two flat pictures that differ in one patch at (700, 1500)."""
    bicubic = np.full((900, 2000, 3), 90, np.uint8)
    restored = bicubic.copy()
    restored[690:710, 1480:1520] = 200
    return bicubic, restored


def stand_in(seen: list[UpscaleRequest], done: int = 2, quality: Comparison | None = MEASURED) -> Run:
    """Two tiles that take no time; bicubic is grey, the network's picture a little lighter."""

    def run(request: UpscaleRequest) -> Iterator[Step[Any]]:
        seen.append(request)
        scale = request.config.scale
        bicubic = request.image.repeat(scale, axis=0).repeat(scale, axis=1)
        image = bicubic.copy()
        image[..., :3] += 5
        for tile in range(1, done):
            yield Step(done=tile, total=2)
        measured = quality if request.config.shrink_first and done == 2 else None
        if request.config.shrink_first and done == 2:
            yield Step(done=2, total=2)
        original = bicubic if request.config.shrink_first else None
        result = UpscaleResult(
            image=image,
            bicubic=bicubic,
            original=original,
            quality=measured,
            network_title="Network",
            network_kind="Quick",
        )
        complete = done == 2 and (not request.config.shrink_first or measured is not None)
        yield Step(done=done, total=2, result=result, complete=complete)

    return run


@pytest.fixture
def picture(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Half transparent, (20, 30, 4)."""
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path / "files"))
    grey = np.full((20, 30, 4), 100, np.uint8)
    grey[:, :15, 3] = 255
    return str(save_png(grey, tmp_path / "photo.png"))


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """How often what takes time was called, by name."""
    counted: Counter[str] = Counter()

    def count(name: str) -> None:
        function = getattr(tab, name)

        def wrapper(*args: Any, **kwargs: Any) -> Any:
            counted[name] += 1
            return function(*args, **kwargs)

        monkeypatch.setattr(tab, name, wrapper)

    for name in ("load_picture", "on_white", "resize_to_fit", "busiest_place", "png_bytes"):
        count(name)
    return counted


def on_page(run: Run, picture: str, shrink_first: bool = False, scale: int = 2) -> list[tuple[Any, ...]]:
    return list(tab._upscale_on_page(run, picture, scale, "auto", shrink_first, 384))


def test_the_page_asks_for_what_it_was_given(picture: str) -> None:
    seen: list[UpscaleRequest] = []
    list(tab._upscale_on_page(stand_in(seen), picture, 3, "9-5-5", True, 128))
    list(tab._upscale_on_page(stand_in(seen), picture, 2, "auto", False, 384))
    first, second = seen
    assert first.config == UpscaleConfig(scale=3, network="9-5-5", shrink_first=True, tile_px=128)
    assert second.config == UpscaleConfig() and first.time_limit_s == UPSCALE_S
    assert first.image.shape == (20, 30, 3) and second.image.shape == (20, 30, 4) and second.with_bicubic


@pytest.mark.parametrize(
    ("name", "shrink_first", "quality", "words"),
    [
        ("a.jpg", False, 60, "Quick, because your file is a JPEG of quality 60: 60 × 50 →"),
        ("a.jpg", False, 97, "Quick, because your file is a JPEG of quality 97, hardly damaged: 60 × 50 →"),
        ("a.png", False, None, "Quick, because your file is not a JPEG: 60 × 50 →"),
        ("a.jpg", True, 60, "Quick, because shrinking removes damage by JPEG:"),
    ],
)
def test_automatic_says_what_it_went_by(
    tmp_path: Path, name: str, shrink_first: bool, quality: int | None, words: str, picture: str
) -> None:
    options = {"quality": quality} if name.endswith("jpg") else {}
    Image.new("RGB", (60, 50)).save(tmp_path / name, **options)
    seen: list[UpscaleRequest] = []
    *_, last = tab._upscale_on_page(stand_in(seen), str(tmp_path / name), 2, AUTO, shrink_first, 128)
    assert seen[0].jpeg_quality == quality and last[STATUS].startswith(words)


def test_a_network_that_was_chosen_needs_no_reason(picture: str) -> None:
    *_, last = tab._upscale_on_page(stand_in([]), picture, 2, FAST, False, 128)
    assert last[STATUS].startswith("Quick: ")


def test_only_the_status_moves_until_the_result_is_there(picture: str) -> None:
    *earlier, last = on_page(stand_in([]), picture, shrink_first=True)
    assert [output[STATUS] for output in earlier] == ["Piece 1 of 2", "Measuring", "Saving the PNG"]
    assert all(value == gr.skip() for output in earlier for value in output[:STATUS])
    assert last[STATUS].startswith("Quick: 30 × 20 → 60 × 40 pixels in ")
    assert "| **Network** | **31.50** | **0.9500** |" in last[TABLE]["value"] and last[TABLE]["visible"]


def test_each_thing_is_made_once(picture: str, calls: Counter[str]) -> None:
    on_page(stand_in([]), picture)
    assert calls == {"load_picture": 1, "on_white": 2, "resize_to_fit": 2, "busiest_place": 1, "png_bytes": 1}
    calls.clear()
    tab.upscale_endpoint(stand_in([]), picture)
    assert calls == {"load_picture": 1, "on_white": 2, "resize_to_fit": 2, "png_bytes": 1}  # no close-up


def test_the_png_keeps_alpha_and_the_pair_lies_on_white(picture: str) -> None:
    last = on_page(stand_in([]), picture)[-1]
    saved = Path(last[DOWNLOAD]["value"])
    assert saved.name == "upscaled-x2-photo.png" and read_image(saved, keep_alpha=True).shape == (40, 60, 4)
    bicubic, restored = last[PAIR]
    assert bicubic.shape == restored.shape == (40, 60, 3)
    assert (bicubic[0, 0] == 100).all() and (restored[0, 0] == 105).all() and restored[0, -1].min() > 150
    assert not last[TABLE]["visible"]


def test_the_page_shows_what_there_is_when_time_ran_out(picture: str) -> None:
    last = on_page(stand_in([], done=1), picture)[-1]
    words = "The rest is enlarged plainly. Time ran out after 1 of 2 pieces: choose a smaller enlargement or picture."
    assert last[STATUS].endswith(f" ms. {words}") and last[DOWNLOAD]["visible"]
    last = on_page(stand_in([], quality=None), picture, shrink_first=True)[-1]
    assert last[STATUS].endswith(". Time ran out while it was measured: choose a smaller picture.")
    assert not last[TABLE]["visible"]


def test_the_endpoint_gives_what_there_is_and_says_that_it_is_not_whole(
    picture: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
    monkeypatch.setattr(gr, "Warning", said.append)
    _, path = tab.upscale_endpoint(stand_in([], done=1), picture)
    assert Path(path).name == "upscaled-x2-photo_incomplete.png"
    assert said == [
        "The rest is enlarged plainly. Time ran out after 1 of 2 pieces: choose a smaller enlargement or picture."
    ]
    assert Path(tab.upscale_endpoint(stand_in([]), picture)[1]).name == "upscaled-x2-photo.png" and len(said) == 1


def test_the_endpoint_asks_for_what_it_was_given(picture: str) -> None:
    seen: list[UpscaleRequest] = []
    (before, after), path = tab.upscale_endpoint(stand_in(seen), picture, 4, "9-5-5")
    (request,) = seen
    assert request.config == UpscaleConfig(scale=4, network="9-5-5") and request.time_limit_s == UPSCALE_S
    assert before.shape == after.shape == (80, 120, 3) and Path(path).name == "upscaled-x4-photo.png"


def test_the_real_network_on_the_page(picture: str) -> None:
    last = on_page(demos.run, picture, shrink_first=True)[-1]
    assert "15 × 10 → 30 × 20 pixels" in last[STATUS] and "| bicubic |" in last[TABLE]["value"]


def test_the_close_up_finds_the_difference() -> None:
    rows, columns = busiest_place(difference_of_two(), (120, 180))
    assert rows.start <= 690 and rows.stop >= 710 and rows.stop - rows.start == 120
    assert columns.start <= 1480 and columns.stop >= 1520 and columns.stop - columns.start == 180


def test_the_pairs_are_of_one_size() -> None:
    pair = difference_of_two()
    for shown in (preview(pair), closeup(pair)):
        assert shown[0].shape == shown[1].shape
    assert preview(pair)[0].shape == (720, 1600, 3)
    assert closeup(pair)[1].shape == (CLOSEUP_HW[0] * CLOSEUP_ZOOM, CLOSEUP_HW[1] * CLOSEUP_ZOOM, 3)


@pytest.mark.parametrize("size_hw", [(1, 1), (1, 3000), (60, 500)])
def test_the_close_up_of_a_small_or_narrow_result(size_hw: tuple[int, int]) -> None:
    flat: ImageArray = np.zeros((*size_hw, 3), np.uint8)
    shown = closeup((flat, flat))[0]
    expected = min(size_hw[0], CLOSEUP_HW[0]) * CLOSEUP_ZOOM, min(size_hw[1], CLOSEUP_HW[1]) * CLOSEUP_ZOOM
    assert shown.shape[:2] == expected


def test_a_flat_picture_comes_back_identical_and_the_table_says_so() -> None:
    perfect = Quality(psnr=float("inf"), ssim=1.0)
    table = quality_table(Comparison(bicubic=perfect, network=perfect), "Fast, ours")
    assert table.count("identical") == 2 and "| **Fast, ours** |" in table
    assert "nan" not in table and "inf" not in table
    assert quality_report(Comparison(bicubic=perfect, network=perfect), "Fast, ours").startswith("The picture comes")


@pytest.mark.parametrize(
    ("psnr", "words"), [(33.01, "50 % less error"), (30, "0 % less error"), (27, "100 % more error")]
)
def test_what_the_network_gains_is_told_in_words(psnr: float, words: str) -> None:
    measured = Comparison(bicubic=Quality(psnr=30, ssim=0.9), network=Quality(psnr=psnr, ssim=0.9))
    assert quality_report(measured, "Fast, ours").startswith(f"**{words}** than plain enlargement")
