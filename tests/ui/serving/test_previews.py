"""Pictures that browsers cannot draw are shown in the field, and the demo gets the visitor's own file."""

import asyncio
import io
import os
import re
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pillow_heif
import pytest
from PIL import Image
from playwright.sync_api import Page, expect

from cvdemo.limits import KEEP_FILES_S
from cvdemo.ui.serving import page_folder as files
from cvdemo.ui.serving import previews as shown
from cvdemo.ui.serving.previews import DrawPictures, as_jpeg, asked_for
from cvdemo.ui.wiring.controls import example_picture

IMG = b"image/avif,image/webp,*/*;q=0.8"  # what browsers accept for an <img>


@pytest.fixture
def uploads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The upload folder, with a TIFF, a PNG and a text in it."""
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path / "uploads"))
    monkeypatch.setattr(shown, "ROOM", files.Room())
    folder = tmp_path / "uploads"
    folder.mkdir()
    picture = Image.new("RGB", (60, 40), (200, 100, 50))
    for path in (folder / "a.tif", folder / "a.png", tmp_path / "outside.tif"):
        picture.save(path)
    (folder / "words.tif").write_bytes(b"II*\0 and no more")
    (folder / "link.tif").symlink_to(tmp_path / "outside.tif")
    return folder


def scope_of(path: object, accept: bytes = IMG, method: str = "GET") -> dict[str, Any]:
    return {
        "type": "http",
        "method": method,
        "path": f"/gradio_api/file={path}",
        "headers": [(b"accept", accept)],
    }


def answer(scope: dict[str, Any]) -> tuple[bool, dict[bytes, bytes], bytes]:
    """Whether gradio was asked, and the headers and the body that were sent instead."""
    asked, sent = [], []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        asked.append(scope)

    async def send(message: Any) -> None:
        sent.append(message)

    with ThreadPoolExecutor() as pool:  # a thread of its own: the browser's event loop runs in this one
        pool.submit(lambda: asyncio.run(DrawPictures(app)(scope, send, send))).result()  # type: ignore[arg-type]  # nothing is received
    if not sent:
        return bool(asked), {}, b""
    return bool(asked), dict(sent[0]["headers"]), sent[1]["body"]


def test_a_browser_that_draws_gets_a_jpeg(uploads: Path) -> None:
    asked, headers, body = answer(scope_of(uploads / "a.tif"))
    assert not asked and headers[b"content-type"] == b"image/jpeg"
    pixels = np.asarray(Image.open(io.BytesIO(body)))
    assert pixels.shape == (40, 60, 3) and np.abs(pixels.astype(int) - (200, 100, 50)).max() <= 4


@pytest.mark.parametrize(
    ("name", "accept", "method"),
    [
        ("a.tif", b"*/*", "GET"),  # a download, and what an API client asks for
        ("a.tif", b"text/html,image/webp", "GET"),
        ("a.tif", IMG, "HEAD"),
        ("a.png", IMG, "GET"),
        ("words.tif", IMG, "GET"),
        ("missing.tif", IMG, "GET"),
        ("../outside.tif", IMG, "GET"),
        ("link.tif", IMG, "GET"),
        ("a.tif%00", IMG, "GET"),
        ("x" * 5000, IMG, "GET"),
        ("", IMG, "GET"),
    ],
)
def test_everything_else_is_left_to_gradio(uploads: Path, name: str, accept: bytes, method: str) -> None:
    assert answer(scope_of(uploads / name, accept, method)) == (True, {}, b"")


def test_a_preview_is_bounded_and_its_limits_are_those_of_pictures(uploads: Path) -> None:
    Image.new("L", (5000, 3000), 90).save(uploads / "large.tif", compression="tiff_lzw")
    Image.new("1", (9500, 9500)).save(uploads / "huge.tif", compression="group4")
    jpeg = as_jpeg(uploads / "large.tif")
    assert jpeg is not None and Image.open(io.BytesIO(jpeg)).size == (2048, 1229)
    path = asked_for(scope_of(uploads / "huge.tif"))
    assert path is not None and as_jpeg(path) is None


def test_a_preview_is_made_once_and_kept_beside_the_upload(uploads: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[Path] = []
    monkeypatch.setattr(shown, "as_jpeg", lambda path: (made.append(path), as_jpeg(path))[1])
    answers = [answer(scope_of(uploads / "a.tif")) for _ in range(3)]
    assert len(made) == 1 and answers[0] == answers[1] == answers[2]
    (kept,) = uploads.glob(".shown-*")
    assert kept.read_bytes() == answers[0][2] and vars(shown)["ROOM"]._used >= kept.stat().st_size
    then = time.time() - KEEP_FILES_S - 60
    for path in uploads.iterdir():
        if not path.is_symlink():
            os.utime(path, (then, then))
    files._remove_old(uploads, set())
    assert not kept.exists()


def test_a_full_folder_keeps_no_preview(uploads: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "FILES_BYTES", 1)
    monkeypatch.setattr(shown, "ROOM", files.Room())
    assert answer(scope_of(uploads / "a.tif"))[1][b"content-type"] == b"image/jpeg"
    assert not list(uploads.glob(".shown-*"))


def test_a_file_under_the_name_of_a_preview_is_not_taken_for_one(uploads: Path) -> None:
    first = answer(scope_of(uploads / "a.tif"))
    (kept,) = uploads.glob(".shown-*")
    kept.write_bytes(b"<script>")
    assert answer(scope_of(uploads / "a.tif")) == first


def test_an_address_waits_for_two_previews_at_most(uploads: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that is being made and two that wait; the next of this address is refused, another address's is not."""
    go, sent = threading.Event(), list[tuple[str, int]]()

    def slow(path: Path) -> bytes:
        assert go.wait(20)
        return shown.JPEG_START

    monkeypatch.setattr(shown, "as_jpeg", slow)

    async def ask(draw: DrawPictures, address: str) -> None:
        async def send(message: Any) -> None:
            if message["type"] == "http.response.start":
                sent.append((address, message["status"]))

        await draw(scope_of(uploads / "a.tif") | {"client": (address, 1)}, None, send)  # type: ignore[arg-type]

    async def run() -> None:
        draw = DrawPictures(None)  # type: ignore[arg-type]  # gradio is not asked
        asked = [asyncio.create_task(ask(draw, "192.0.2.1")) for _ in range(5)]
        asked.append(asyncio.create_task(ask(draw, "192.0.2.2")))
        while len(sent) < 2 or sum(draw.waiting.values()) < 3:
            await asyncio.sleep(0.01)
        assert sent == [("192.0.2.1", 429)] * 2
        go.set()
        await asyncio.gather(*asked)
        assert not draw.waiting

    thread = threading.Thread(target=lambda: asyncio.run(asyncio.wait_for(run(), 15)))
    thread.start()  # the browser's event loop runs in this one
    thread.join()
    assert sorted(sent[2:]) == [("192.0.2.1", 200)] * 3 + [("192.0.2.2", 200)]


@pytest.mark.parametrize("name", ["photo.TIF", "IMG_0001.HEIC", "photo.ppm", "photo.jfif"])
def test_the_field_shows_what_a_browser_cannot_draw(page: Page, tmp_path: Path, name: str) -> None:
    pillow_heif.register_heif_opener()
    kind = {".TIF": "TIFF", ".HEIC": "HEIF", ".ppm": "PPM", ".jfif": "JPEG"}[Path(name).suffix]
    Image.open(example_picture("coffee")).save(tmp_path / name, kind)
    jobs: list[str] = []
    page.on("request", lambda request: jobs.append(request.post_data or "") if "/queue/join" in request.url else None)
    page.set_input_files("#classify-image input[type=file]", tmp_path / name)
    expect(page.locator("#classify-result")).to_contain_text("espresso")
    picture = page.locator("#classify-image img")
    expect(picture).to_have_js_property("naturalWidth", 600)
    page.wait_for_timeout(1000)  # nothing that is shown may start a second job
    assert len([job for job in jobs if name in job]) == 1
    expect(picture).to_have_attribute("src", re.compile(re.escape(name) + "$"))
