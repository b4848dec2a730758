"""Gradio's scripts and styles, as small as they go: packed well, once, and kept by browsers.

Gradio packs each of them anew for every visitor, and so in haste. The better packing here makes them an eighth smaller.
It takes about half a second of CPU time for all that a visit loads, once for each start of the page. Their names change
with their contents, so a browser that has one need not ask for it again; only the script that
`cvdemo.ui.serving.on_opening` changes keeps its name.
"""

from functools import cache
from pathlib import Path
from typing import Any

import anyio.to_thread
import brotli
from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

from cvdemo.ui.serving.on_opening import ASSETS, changed_script

MEDIA_TYPES = {".js": "text/javascript", ".css": "text/css"}  # of what is packed
QUALITY = 10  # of 11, which takes three times as long
KEPT = "public, max-age=31536000, immutable"
CHANGED_KEPT = "public, max-age=3600"


class Assets(StaticFiles):
    """Gradio's folder of scripts, styles and fonts."""

    def __init__(self) -> None:
        super().__init__(directory=ASSETS)
        self.names = {path.name for path in ASSETS.iterdir() if path.suffix in MEDIA_TYPES}
        self.changed = {changed_script().name}

    async def get_response(self, path: str, scope: Scope) -> Response:
        """The file, packed where that is of use."""
        kept = {"cache-control": CHANGED_KEPT if path in self.changed else KEPT}
        if path not in self.names or scope["method"] not in ("GET", "HEAD"):
            return await super().get_response(path, scope)
        kind = MEDIA_TYPES[Path(path).suffix]
        if "br" not in Headers(scope=scope).get("accept-encoding", ""):
            return Response(content(path), media_type=kind, headers=kept)  # which gradio packs in another way
        body = await anyio.to_thread.run_sync(packed, path)
        return Response(body, media_type=kind, headers={**kept, "content-encoding": "br", "vary": "Accept-Encoding"})

    def file_response(self, *args: Any, **kwargs: Any) -> Response:
        """The others, which are packed in themselves."""
        response = super().file_response(*args, **kwargs)
        response.headers["cache-control"] = KEPT
        return response


def content(name: str) -> bytes:
    """The bytes of a script or style."""
    script = changed_script()
    return script.text if name == script.name else (ASSETS / name).read_bytes()


@cache
def packed(name: str) -> bytes:
    """The same, packed by Brotli."""
    return bytes(brotli.compress(content(name), mode=brotli.MODE_TEXT, quality=QUALITY))
