"""In which line of the queue a call waits: that of its lane, or at none of them where it is light.

The queue holds paths of pictures, the backend's lanes hold the pictures themselves; so jobs wait in the queue, as many
lines as there are lanes, and as many jobs of a line run as of the lane. Where the lane depends on a picture's size, the
size in the file's header decides.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from anyio.to_thread import run_sync
from gradio.block_function import BlockFunction
from gradio.exceptions import Error
from PIL import Image

from cvdemo.backends import backend
from cvdemo.demo import Lane, lane_by_pixels
from cvdemo.limits import FIELD_SCALE
from cvdemo.picture_files.decoding import FORMATS
from cvdemo.ui.serving.call_values import with_defaults
from cvdemo.ui.serving.uploads import open_regular, uploaded_path

LaneOf = Lane | Callable[[Sequence[Any]], Lane]  # a function of the values as the client sends them, unchecked
_LANE_OF = "lane_of"  # set on a handler whose lane depends on its values


def line_options(lane: LaneOf, function: Callable[..., Any]) -> dict[str, Any]:
    """Options of gradio's event for a handler of a lane; call it with the very function that gradio gets."""
    usual = lane if isinstance(lane, Lane) else Lane.QUICK
    if not isinstance(lane, Lane):
        setattr(function, _LANE_OF, lane)
    return {"concurrency_id": usual.value, "concurrency_limit": backend().at_once(usual)}


async def lane_of_call(function: BlockFunction, values: Sequence[Any] | None) -> Lane | None:
    """The lane of a call, whose missing values are filled in; None of a light handler.

    It may read a picture's header, in a thread.
    """
    if function.concurrency_id not in {lane.value for lane in Lane}:
        return None
    lane_of = getattr(function.fn, _LANE_OF, None)
    if lane_of is None:
        return Lane(function.concurrency_id)
    return await run_sync(lane_of, with_defaults(function, values or ()))


def by_result_size(picture: int = 0, scale: int = 1, shrunk: int | None = None) -> Callable[[Sequence[Any]], Lane]:
    """A `LaneOf` for upscalings: the lane by the pixels of the result.

    Args:
        picture, scale: which of the handler's values they are.
        shrunk: which says whether the picture is made smaller first, so that the result is as large as it.
    """

    def lane(values: Sequence[Any]) -> Lane:
        if max(picture, scale) >= len(values):
            return Lane.QUICK  # it is refused at once, as is the next one
        factor = values[scale]
        if isinstance(factor, bool) or not isinstance(factor, int | float) or not 0 < factor <= FIELD_SCALE:
            return Lane.QUICK
        pixels = pixels_of_upload(values[picture])
        same_size = shrunk is not None and shrunk < len(values) and values[shrunk] is True
        return lane_by_pixels(pixels if same_size else pixels * factor**2)

    return lane


def pixels_of_upload(payload: Any) -> float:
    """Width times height of a picture that a field holds, by its header.

    0 for what is refused at once: no picture, or one that was not uploaded. Infinite where Pillow cannot tell.
    """
    if payload is None:
        return 0.0
    try:
        pixels = _pixels_in_header(uploaded_path(payload))
    except Error:
        return 0.0
    return math.inf if pixels is None else pixels


def _pixels_in_header(path: str) -> int | None:
    """Width times height; None where Pillow cannot tell, as of HEIC."""
    try:
        with open_regular(path) as file, Image.open(file, formats=FORMATS) as picture:
            return picture.width * picture.height
    except Exception:  # whatever a decoder makes of a stranger's file; the handler says what is wrong with it
        return None
