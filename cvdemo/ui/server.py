"""What stands between the network and the page: a cap on request bodies, and no fetching of other sites' files.

Gradio's own `max_file_size` bounds uploads but not a `data:` URL inside a JSON payload; its file route streams any
public URL that it is given, and a file field given as a URL is downloaded whole, whatever its size.
"""

from typing import Any
from urllib.parse import unquote

import gradio as gr
from gradio import processing_utils
from starlette.middleware import Middleware
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from cvdemo.ui.shown import DrawPictures

MAX_UPLOAD = "40mb"
MAX_BODY_BYTES = 48 * 2**20  # an upload of MAX_UPLOAD with its multipart wrapping
TOO_LARGE = b"The request is larger than 48 MB."
NOT_SERVED = b"Only files of this page are served."


def middleware() -> list[Middleware]:
    """The middleware for `launch(app_kwargs=...)`."""
    return [Middleware(LimitBody), Middleware(BlockRemoteFiles), Middleware(DrawPictures)]


class LimitBody:
    """Answers 413 once a request's body passes `max_bytes`, counted as it arrives."""

    def __init__(self, app: ASGIApp, max_bytes: int = MAX_BODY_BYTES) -> None:
        self.app = app
        self.max_bytes = max_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        declared = dict(scope["headers"]).get(b"content-length", b"0")
        if not declared.isdigit() or int(declared) > self.max_bytes:
            await _answer(send, 413, TOO_LARGE)
            return
        await self.app(scope, self._counting(receive), send)

    def _counting(self, receive: Receive) -> Receive:
        received = 0

        async def counted() -> Message:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            if received > self.max_bytes:  # a chunked body that declared no length
                return {"type": "http.disconnect"}
            return message

        return counted


class BlockRemoteFiles:
    """Answers 403 where the file route is asked for a URL of another host."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = unquote(scope.get("path", "")).lower()
        _, route, target = path.partition("file=")
        if scope["type"] == "http" and route and target.lstrip("/").startswith(("http:", "https:")):
            await _answer(send, 403, NOT_SERVED)
            return
        await self.app(scope, receive, send)


def refuse_urls_as_files() -> None:
    """Makes gradio, in this process, refuse a file that is given as a URL instead of downloading it."""
    processing_utils.async_ssrf_protected_download = _refuse_download


async def _refuse_download(url: str, cache_dir: str) -> str:
    raise gr.Error("The picture has to be uploaded as a file.", print_exception=False)


async def _answer(send: Send, status: int, text: bytes) -> None:
    headers: list[Any] = [(b"content-type", b"text/plain; charset=utf-8"), (b"content-length", str(len(text)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": text})
