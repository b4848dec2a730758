"""Pictures that browsers cannot draw, shown all the same: TIFF, HEIC and PPM among the uploads.

The value of a picture field stays the visitor's file, so no event of the field fires twice and the demos get its own
pixels. Only where the browser asks for that file in order to draw it (`Accept: image/...`), it gets a JPEG instead.
"""

import io
from pathlib import Path
from urllib.parse import unquote

import anyio
import anyio.to_thread
from gradio.utils import get_upload_folder
from PIL import Image
from starlette.types import ASGIApp, Receive, Scope, Send

from cvdemo.decoding import AVIF_BRANDS
from cvdemo.errors import InputError
from cvdemo.images import PICTURE_SUFFIXES, read_image, resize_to_fit

SHOWN_SIDE_PX = 2048  # more than a field has, for the full-screen view
SHOWN_QUALITY = 90
AT_ONCE = 1  # a preview of 40 megapixels takes some 200 MB for a second; others wait
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
DRAWN_BY_BROWSERS = (b"\x89PNG", b"\xff\xd8\xff", b"GIF8", b"BM", b"RIFF", b"<")  # the last: SVG and HTML, no pixels


class DrawPictures:
    """Answers with a JPEG where a browser wants to draw an uploaded picture of a format that it cannot draw."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app
        self.lane: anyio.CapacityLimiter | None = None  # belongs to the event loop of the first request

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = asked_for(scope)
        if self.lane is None:
            self.lane = anyio.CapacityLimiter(AT_ONCE)
        jpeg = None if path is None else await anyio.to_thread.run_sync(as_jpeg, path, limiter=self.lane)
        if jpeg is None:
            await self.app(scope, receive, send)
            return
        headers = [
            (b"content-type", b"image/jpeg"),
            (b"content-length", str(len(jpeg)).encode()),
            (b"cache-control", b"private, max-age=3600"),
            (b"x-content-type-options", b"nosniff"),
        ]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": jpeg})


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


def as_jpeg(path: Path) -> bytes | None:
    """The picture for the eye, `SHOWN_SIDE_PX` at most; None where it cannot be read: the demo says why."""
    try:
        image = resize_to_fit(read_image(path), SHOWN_SIDE_PX)
    except (InputError, OSError):
        return None
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "JPEG", quality=SHOWN_QUALITY)
    return buffer.getvalue()
