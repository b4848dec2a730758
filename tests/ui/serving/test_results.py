"""Results are whole at every moment: written under another name, renamed, never written again."""

import inspect
import threading
from collections.abc import Iterator
from pathlib import Path

import gradio as gr
import numpy as np
import pytest
from gradio import processing_utils
from PIL import Image

from cvdemo.errors import RoomError
from cvdemo.ui.serving import gradio_parts, results
from cvdemo.ui.serving import page_folder as files
from cvdemo.ui.serving.gradio_parts import adapt_gradio, check_gradio
from tests.ui.api_caller import Caller
from tests.ui.api_caller import results as data_of
from tests.ui.page_server import serve


@pytest.fixture
def noise_png() -> Image.Image:
    return Image.fromarray(np.random.default_rng(0).integers(0, 256, (600, 600, 3), dtype=np.uint8))


def test_nobody_ever_sees_a_part_of_a_file(tmp_path: Path) -> None:
    data, path, seen = b"x" * 20_000_000, tmp_path / "a" / "file.bin", set[int]()
    writers = [threading.Thread(target=results.write_whole, args=(path, data)) for _ in range(4)]
    for writer in writers:
        writer.start()
    while any(writer.is_alive() for writer in writers):
        if path.exists():
            seen.add(path.stat().st_size)
    assert seen <= {len(data)} and path.read_bytes() == data
    assert [file.name for file in path.parent.iterdir()] == ["file.bin"]


def test_a_write_that_fails_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(self: Path, target: Path) -> Path:
        raise OSError("No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(OSError, match="No space"):
        results.write_whole(tmp_path / "a" / "file.bin", b"x")
    assert not list((tmp_path / "a").iterdir())


def test_the_same_picture_is_written_once(tmp_path: Path, noise_png: Image.Image) -> None:
    path = Path(results.save_pil_to_cache(noise_png, str(tmp_path), format="png"))
    before = path.stat()
    assert results.save_pil_to_cache(noise_png, str(tmp_path), format="png") == str(path)
    after = path.stat()
    assert (before.st_ino, before.st_size) == (after.st_ino, after.st_size)
    assert after.st_mtime_ns >= before.st_mtime_ns  # its time of removal starts anew
    assert np.array_equal(np.asarray(Image.open(path)), np.asarray(noise_png))


def test_every_field_with_pictures_writes_through_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, noise_png: Image.Image
) -> None:
    """Image, Gallery and ImageSlider, from arrays and from Pillow pictures."""
    adapt_gradio()
    written: list[Path] = []
    monkeypatch.setattr(results, "write_whole", lambda path, data: (written.append(path), _plain_write(path, data)))
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path))
    array = np.asarray(noise_png)
    for count, field in enumerate([gr.Image(format="png"), gr.Gallery(format="png"), gr.ImageSlider(format="png")]):
        shade = np.clip(array.astype(int) - count - 1, 0, 255).astype(np.uint8)
        field.postprocess(shade if count == 0 else [shade, 255 - shade] if count == 1 else (shade, 255 - shade))
    assert len(written) == 5 and all(tmp_path in path.parents for path in written)


def _plain_write(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)


def test_a_full_folder_refuses_results(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, noise_png: Image.Image) -> None:
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path))
    monkeypatch.setattr(files, "FILES_BYTES", 1000)
    monkeypatch.setattr(results, "ROOM", files.Room())
    with pytest.raises(gr.Error, match="holds as many pictures as it can"):
        results.save_pil_to_cache(noise_png, str(tmp_path), format="png")
    (tmp_path / "there").write_bytes(b"x" * 1001)
    monkeypatch.setattr(results, "ROOM", files.Room())
    with pytest.raises(RoomError, match="Please try again in a few minutes"):
        results.download_path("a.png")


def test_gradio_is_as_expected() -> None:
    check_gradio()
    for name in ("save_pil_to_cache", "save_bytes_to_cache"):
        ours, theirs = getattr(results, name), gradio_parts.EXPECTED[name][0]
        assert list(inspect.signature(ours).parameters) == list(inspect.signature(theirs).parameters)


def test_another_gradio_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    changed = {"Queue.push": (lambda self, body: None, gradio_parts.EXPECTED["Queue.push"][1])}
    monkeypatch.setattr(gradio_parts, "EXPECTED", changed)
    with pytest.raises(RuntimeError, match=r"Queue\.push takes \(self body\), not \(self body request username\)"):
        check_gradio()


def test_adapting_replaces_what_gradio_calls() -> None:
    adapt_gradio()
    assert processing_utils.save_pil_to_cache is results.save_pil_to_cache
    assert processing_utils.save_bytes_to_cache is results.save_bytes_to_cache


@pytest.fixture(scope="module")
def caller(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Caller]:
    with serve(tmp_path_factory.mktemp("results")) as server, Caller(server.url) as caller:
        yield caller


def test_downloads_are_whole_while_the_same_result_is_made_again(caller: Caller) -> None:
    picture = caller.upload()
    paths = [file["path"] for file in data_of(caller.call("upscale", [picture, 4, "auto"]))[0]]
    ended, whole, parts = threading.Event(), [0], list[str]()

    def read() -> None:
        with Caller(caller.url) as reader:
            while not ended.is_set():
                for path in paths:
                    content = reader.http.get(f"/file={path}").content
                    if content[-8:-4] == b"IEND":
                        whole[0] += 1
                    else:
                        parts.append(f"{len(content)} bytes")

    readers = [threading.Thread(target=read) for _ in range(3)]
    for reader in readers:
        reader.start()
    for _ in range(2):
        assert [file["path"] for file in data_of(caller.call("upscale", [picture, 4, "auto"]))[0]] == paths
    ended.set()
    for reader in readers:
        reader.join()
    assert whole[0] > 20 and not parts
