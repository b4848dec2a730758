"""Pictures that browsers cannot draw, shown all the same: TIFF, HEIC and PPM among the uploads.

The value of a picture field stays the visitor's file, so no event of the field fires twice and the demos get its own
pixels. Only where the browser asks for that file in order to draw it (`Accept: image/...`), it gets a JPEG instead.
The JPEG is made once and kept beside the upload, counted and swept like it.
"""

import contextlib
import hashlib
import io
from collections import Counter
from pathlib import Path
from urllib.parse import unquote

import anyio
import anyio.to_thread
from gradio.utils import get_upload_folder
from PIL import Image
from starlette.types import ASGIApp, Receive, Scope, Send

from cvdemo.errors import InputError, RoomError
from cvdemo.images import PICTURE_SUFFIXES, read_image, resize_to_fit
from cvdemo.limits import PREVIEWS_AT_ONCE, PREVIEWS_PER_ADDRESS
from cvdemo.picture_files.decoding import AVIF_BRANDS
from cvdemo.ui.serving.clients import address_of
from cvdemo.ui.serving.page_folder import ROOM
from cvdemo.ui.serving.results import write_whole

SHOWN_SIDE_PX = 2048  # more than a field has, for the full-screen view
SHOWN_QUALITY = 90
TOO_MANY = "Your address has {count} previews to wait for already. Please try again in a few seconds."
JPEG_START = b"\xff\xd8\xff"
# Many browsers know no type for HEIC or PPM, and gradio's field refuses a file without one before it is sent.
TYPE_BY_NAME = """<script>
(() => {
  const known = Object.getOwnPropertyDescriptor(Blob.prototype, "type").get;
  const picture = /\\.(SUFFIXES)$/i;
  Object.defineProperty(File.prototype, "type", {
    configurable: true,
    get() { return known.call(this) || (picture.test(this.name) ? "image/x-by-name" : ""); },
  });
})();
</script>""".replace("SUFFIXES", "|".join(sorted(suffix[1:] for suffix in PICTURE_SUFFIXES)))
DRAWN_BY_BROWSERS = (b"\x89PNG", JPEG_START, b"GIF8", b"BM", b"RIFF", b"<")  # the last: SVG and HTML, no pixels


class DrawPictures:
    """Answers with a JPEG where a browser wants to draw an uploaded picture of a format that it cannot draw."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app
        self.lane: anyio.CapacityLimiter | None = None  # belongs to the event loop of the first request
        self.waiting: Counter[str] = Counter()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = asked_for(scope)
        if path is None:
            await self.app(scope, receive, send)
            return
        jpeg, address = await anyio.to_thread.run_sync(kept_jpeg, path), address_of(scope)
        if jpeg is None:
            lane = self.lane = self.lane or anyio.CapacityLimiter(PREVIEWS_AT_ONCE)
            if not await self._has_turn(lane, address):
                text = TOO_MANY.format(count=PREVIEWS_PER_ADDRESS).encode()
                await _answer(send, 429, b"text/plain; charset=utf-8", b"no-store", text)
                return
            try:
                jpeg = await anyio.to_thread.run_sync(made_jpeg, path)  # another request may have made it meanwhile
            finally:
                lane.release()
        if jpeg is None:
            await self.app(scope, receive, send)
        else:
            await _answer(send, 200, b"image/jpeg", b"private, max-age=3600", jpeg)

    async def _has_turn(self, lane: anyio.CapacityLimiter, address: str) -> bool:
        """Waits for this request's turn in the lane; False where the address has enough that wait."""
        with contextlib.suppress(anyio.WouldBlock):
            lane.acquire_nowait()
            return True
        if self.waiting[address] >= PREVIEWS_PER_ADDRESS:
            return False
        self.waiting[address] += 1
        try:
            await lane.acquire()
        finally:
            self.waiting[address] -= 1
            if not self.waiting[address]:
                del self.waiting[address]
        return True


async def _answer(send: Send, status: int, kind: bytes, cached: bytes, body: bytes) -> None:
    headers = [
        (b"content-type", kind),
        (b"content-length", str(len(body)).encode()),
        (b"cache-control", cached),
        (b"x-content-type-options", b"nosniff"),
    ]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def asked_for(scope: Scope) -> Path | None:
    """The uploaded file that an `<img>` asks for, if browsers cannot draw it; any other request gives None."""
    if scope["type"] != "http" or scope.get("method") != "GET":
        return None
    _, route, target = unquote(scope.get("path", "")).partition("/file=")
    if not route or not dict(scope["headers"]).get(b"accept", b"").lstrip().startswith(b"image/"):
        return None
    try:
        path = Path(target).resolve()
        if not path.is_relative_to(Path(get_upload_folder()).resolve()) or not path.is_file():
            return None
        with path.open("rb") as file:
            head = file.read(32)
    except (OSError, ValueError):  # a name that is too long, or holds a zero byte
        return None
    return None if head.startswith(DRAWN_BY_BROWSERS) or head[8:12] in AVIF_BRANDS else path


def _place(path: Path) -> Path:
    """Where the preview of an upload is kept: in its folder, under a name that is never too long."""
    return path.with_name(f".shown-{hashlib.sha256(path.name.encode()).hexdigest()[:32]}.jpg")


def kept_jpeg(path: Path) -> bytes | None:
    """The preview that was made before; None where there is none, or a visitor's upload has its name."""
    try:
        data = _place(path).read_bytes()
    except OSError:
        return None
    return data if data.startswith(JPEG_START) else None


def made_jpeg(path: Path) -> bytes | None:
    """The preview, kept where the page's folder has room for it; None where the picture cannot be read."""
    jpeg = kept_jpeg(path)
    if jpeg is None and (jpeg := as_jpeg(path)) is not None:
        with contextlib.suppress(RoomError, OSError):  # full: the visitor sees the picture all the same
            ROOM.check(len(jpeg))
            write_whole(_place(path), jpeg)
    return jpeg


def as_jpeg(path: Path) -> bytes | None:
    """The picture for the eye, `SHOWN_SIDE_PX` at most; None where it cannot be read: the demo says why."""
    try:
        image = resize_to_fit(read_image(path), SHOWN_SIDE_PX)
    except (InputError, OSError):
        return None
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "JPEG", quality=SHOWN_QUALITY)
    return buffer.getvalue()
