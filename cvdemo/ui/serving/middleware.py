"""What stands between the network and the page: limits of a request, which addresses there are, what errors say.

Gradio's own `max_file_size` bounds uploads but not a `data:` URL inside a JSON payload; its file route streams any
public URL that it is given; and its answers to a wrong request hold the whole of that request.
"""

import logging
import time
from collections import Counter, defaultdict, deque
from typing import Any
from urllib.parse import unquote

import anyio.to_thread
from fastapi.exceptions import RequestValidationError
from gradio import Error
from gradio.brotli_middleware import BrotliResponder, Mode
from gradio.route_utils import API_PREFIX, FnIndexInferError
from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipResponder
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from cvdemo.errors import RoomError
from cvdemo.incidents import report_unexpected
from cvdemo.limits import (
    CALL_BYTES,
    FILES_BYTES,
    KEEP_FILES_S,
    STREAMS_PER_ADDRESS,
    UPLOAD_BYTES,
    UPLOAD_SHARE,
    UPLOAD_WRAPPING_BYTES,
)
from cvdemo.ui.serving.clients import address_of
from cvdemo.ui.serving.fair_queue import NO_FUNCTION
from cvdemo.ui.serving.page_folder import ROOM
from cvdemo.ui.serving.previews import DrawPictures
from cvdemo.ui.serving.uploads import uploaded_path

PACKED_FROM_BYTES = 400  # smaller answers are as large packed
BROTLI_QUALITY = 5  # packs the page in 7 ms to 69 KB; gzip takes 12 ms, and 9 takes 28 ms to 65 KB
BROTLI_WINDOW = 22  # bits of an offset: the whole page is in sight
MAX_BODY_BYTES = UPLOAD_BYTES + UPLOAD_WRAPPING_BYTES
SHARE_TAKEN = "Your address has uploaded as much as is allowed in an hour. Please try again later."
TOO_LARGE = "The request is larger than {} MB."
NOT_SERVED = "Only files of this page are served."
NOT_USED_HERE = "There is nothing at this address."
TOO_MANY_STREAMS = "Too many tabs of this page are open at your address."
WRONG_CALL = "The call does not have the form that this address expects."
# Parts of gradio that this page does not use, and which write files, read them, or run functions of fields.
NOT_USED = (
    "mcp/sse",
    "mcp/messages",
    "deep_link",
    "process_recording",
    "component_server",
    "proxy=",
    "vibe-",
    "undo-vibe",
    "dev/",
)
STREAMS = ("mcp", "heartbeat/", "queue/data", "call/", "upload_progress")

log = logging.getLogger(__name__)


def middleware() -> list[Middleware]:
    """The middleware for `launch(app_kwargs=...)`, the outermost first."""
    kinds = (CatchErrors, PackPage, LimitStreams, OnlyUsedRoutes, LimitBody, RoomForUploads, DrawPictures)
    return [Middleware(kind) for kind in kinds]


def error_handlers() -> dict[type[Exception], Any]:
    """What replaces the answers of FastAPI and gradio that hold the request itself."""

    async def wrong_call(request: Request, error: Exception) -> JSONResponse:
        return JSONResponse({"detail": WRONG_CALL}, 422)

    async def no_function(request: Request, error: Exception) -> JSONResponse:
        return JSONResponse({"detail": NO_FUNCTION}, 404)

    return {RequestValidationError: wrong_call, FnIndexInferError: no_function}


class CatchErrors:
    """Anything unexpected on the way to a handler: logged with its trace and a number, told in a sentence with it."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        started = False

        async def sending(message: Message) -> None:
            nonlocal started
            started = started or message["type"] == "http.response.start"
            await send(message)

        try:
            await self.app(scope, receive, sending)
        except ClientDisconnect:
            return
        except Exception as error:  # the last place before uvicorn, which would log the request's values in full
            sentence = report_unexpected(error)
            log.error("It was the request %s.", _route(scope)[:80])
            if not started and scope["type"] == "http":
                await _answer(send, 500, sentence)


class LimitBody:
    """Answers 413 once a request's body passes its limit, counted as it arrives: `max_bytes` for an upload."""

    def __init__(self, app: ASGIApp, max_bytes: int = MAX_BODY_BYTES) -> None:
        self.app = app
        self.max_bytes = max_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        limit = self.max_bytes if _is_upload(scope) else min(self.max_bytes, CALL_BYTES)
        declared = dict(scope["headers"]).get(b"content-length", b"0")
        if not declared.isdigit() or len(declared) > 15 or int(declared) > limit:
            await _answer(send, 413, TOO_LARGE.format(limit >> 20))
            return
        try:
            await self.app(scope, self._counting(receive, limit), send)
        except ClientDisconnect:
            await _answer(send, 413, TOO_LARGE.format(limit >> 20))  # goes nowhere where the client has really left

    def _counting(self, receive: Receive, limit: int) -> Receive:
        received = 0

        async def counted() -> Message:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            if received > limit:  # a chunked body that declared no length
                return {"type": "http.disconnect"}
            return message

        return counted


class OnlyUsedRoutes:
    """Answers 404 for the parts of gradio that the page does not use, 403 for files that are not the page's."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        route = _route(scope)
        if route.startswith(NOT_USED) or scope.get("path", "").startswith("/monitoring") or _is_other_stream(scope):
            await _answer(send, 404, NOT_USED_HERE)
        elif route.startswith(("file=", "file/")) and not await anyio.to_thread.run_sync(_is_of_the_page, route[5:]):
            await _answer(send, 403, NOT_SERVED)
        else:
            await self.app(scope, receive, send)


def _is_other_stream(scope: Scope) -> bool:
    """Whether it asks for a stream, but not to send a frame of a camera that is on, or its end.

    The route would put other values into any job that has not begun, whatever its lane.
    """
    route = _route(scope)
    if not route.startswith("stream/"):
        return False
    event_id, _, rest = route.removeprefix("stream/").rstrip("/").partition("/")
    event = scope["app"].get_blocks()._queue.event_ids_to_events.get(event_id)
    return scope.get("method") != "POST" or rest not in ("", "close") or event is None or not event.streaming


def _is_of_the_page(path: str) -> bool:
    try:
        uploaded_path({"path": unquote(path)})
    except Error:
        return False
    return True


class PackPage:
    """Sends the page itself packed; gradio packs files by their ending, and the page has none."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        is_page = scope["type"] == "http" and scope["path"] == "/"
        accepted = dict(scope["headers"]).get(b"accept-encoding", b"") if is_page else b""
        app = self.app
        if b"br" in accepted:
            app = BrotliResponder(app, BROTLI_QUALITY, Mode.text, BROTLI_WINDOW, 0, PACKED_FROM_BYTES)
        elif b"gzip" in accepted:
            app = GZipResponder(app, PACKED_FROM_BYTES)
        await app(scope, receive, send)


class LimitStreams:
    """Answers 429 where one address holds `per_address` streams of messages open."""

    def __init__(self, app: ASGIApp, per_address: int = STREAMS_PER_ADDRESS) -> None:
        self.app = app
        self.per_address = per_address
        self.open: Counter[str] = Counter()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] != "GET" or not _route(scope).startswith(STREAMS):
            await self.app(scope, receive, send)
            return
        address = address_of(scope)
        if self.open[address] >= self.per_address:
            await _answer(send, 429, TOO_MANY_STREAMS)
            return
        self.open[address] += 1
        try:
            await self.app(scope, receive, send)
        finally:
            self.open[address] -= 1
            if not self.open[address]:
                del self.open[address]


class RoomForUploads:
    """Answers 507 to an upload for which the page's folder, or the share of its address, has no room."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app
        self.uploaded: defaultdict[str, deque[tuple[float, int]]] = defaultdict(deque)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not _is_upload(scope):
            await self.app(scope, receive, send)
            return
        size = int(dict(scope["headers"]).get(b"content-length", UPLOAD_BYTES))
        try:
            await self._take_room(address_of(scope), size)
        except RoomError as error:
            await _drain(receive)  # a browser that is answered while it sends shows an error of its own
            await _answer(send, 507, str(error))
            return
        await self.app(scope, receive, send)

    async def _take_room(self, address: str, size: int) -> None:
        """Counts an upload; the address gets its share back where the folder has no room after all."""
        share = (time.monotonic(), size)
        self._take_share(address, share)
        try:
            await anyio.to_thread.run_sync(ROOM.check, size)
        except RoomError:
            self.uploaded[address].remove(share)
            raise
        finally:
            self._forget_old()

    def _take_share(self, address: str, share: tuple[float, int]) -> None:
        """Before anything is awaited, so that uploads at the same moment do not take one share twice."""
        self._forget_old()
        taken = sum(size for _, size in self.uploaded.get(address, ()))
        if taken + share[1] > FILES_BYTES // UPLOAD_SHARE:
            raise RoomError(SHARE_TAKEN)
        self.uploaded[address].append(share)

    def _forget_old(self) -> None:
        """Drops what was uploaded before `KEEP_FILES_S`, and the addresses of which nothing is left."""
        now = time.monotonic()
        for address, recent in list(self.uploaded.items()):
            while recent and now - recent[0][0] > KEEP_FILES_S:
                recent.popleft()
            if not recent:
                del self.uploaded[address]


def _route(scope: Scope) -> str:
    """What is asked of gradio, without its prefix."""
    path = str(scope.get("path", ""))
    _, prefix, route = path.partition(f"{API_PREFIX}/")
    return route if prefix else path.lstrip("/")


def _is_upload(scope: Scope) -> bool:
    return _route(scope).rstrip("/") == "upload"


async def _drain(receive: Receive) -> None:
    while (await receive()).get("more_body"):
        pass


async def _answer(send: Send, status: int, sentence: str) -> None:
    text = sentence.encode()
    headers: list[Any] = [(b"content-type", b"text/plain; charset=utf-8"), (b"content-length", str(len(text)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": text})
