"""A camera whose frames are worked on one after the other: the field, what its frames are, and how fast they come.

The browser sends small JPEG frames through gradio's streaming. One of a visitor is worked on at a time, one is on its
way, and of those that wait the newest replaces the others, so that nothing stale piles up. `static/camera.js` is the
browser's side of it.
"""

import base64
import binascii
import io
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import gradio as gr
from gradio.components import Component
from gradio.data_classes import Base64ImageData, ImageData
from PIL import Image

from cvdemo.images import ImageArray
from cvdemo.limits import LIVE_AT_ONCE, LIVE_S
from cvdemo.ui.serving.field_values import FRAME_PREFIX, wrong
from cvdemo.ui.wiring.guard import guarded

FRAME_EVERY_S = 0.08  # between frames that the browser offers; most are dropped while one is worked on
RATE_OF = 8  # last frames whose number a second is told
GONE_S = 3.0  # without a frame, after which a camera counts as begun anew
ASKED_WH = (640, 480)  # of the camera; small frames arrive sooner
FRAME_QUALITY = 80  # of the JPEG that goes back
NOT_A_FRAME = "The camera's frame cannot be read."


@dataclass(frozen=True)
class Rate:
    """When the last frames were answered, by the monotonic clock, and which of the last results a deadline has cut."""

    answered_at: tuple[float, ...] = ()
    cut: tuple[bool, ...] = ()

    def after(self, now: float) -> "Rate":
        """With one more frame; a camera that was off begins anew."""
        before = self if self.answered_at and now - self.answered_at[-1] < GONE_S else Rate()
        return Rate((*before.answered_at, now)[-RATE_OF:], before.cut)

    def noting(self, *, complete: bool) -> "Rate":
        """With the result of that frame."""
        return replace(self, cut=(*self.cut, not complete)[-RATE_OF:])

    def in_words(self) -> str:
        """Frames a second, once there are two."""
        if len(self.answered_at) < 2:
            return ""
        seconds = self.answered_at[-1] - self.answered_at[0]
        return f"{(len(self.answered_at) - 1) / max(seconds, 1e-3):.1f} frames a second"


def bytes_of_frame(payload: ImageData | None) -> bytes | None:
    """What the camera's field gives the handler: the JPEG of the frame."""
    if payload is None or payload.url is None:
        return None
    try:
        return base64.b64decode(payload.url.removeprefix(FRAME_PREFIX), validate=True)
    except binascii.Error as error:
        raise wrong(NOT_A_FRAME) from error


def frame_of(picture: ImageArray | None) -> Base64ImageData | None:
    """What a camera's field shows: the picture within the answer, so that no frame becomes a file."""
    if picture is None:
        return None
    data = io.BytesIO()
    Image.fromarray(picture).save(data, format="JPEG", quality=FRAME_QUALITY)
    return Base64ImageData(url=FRAME_PREFIX + base64.b64encode(data.getvalue()).decode())


def show_frames(camera: gr.Image) -> None:
    """Lets a handler answer with pictures, which take the place of the camera's own; see `frame_of`."""
    setattr(camera, "postprocess", frame_of)  # noqa: B010  # a subclass would make gradio write a .pyi here


def webcam(of_things: bool = False) -> gr.WebcamOptions:
    """Which camera a field asks for, and how its frames are.

    Args:
        of_things: the camera at the back of a phone, and frames as it sees them, as in a burst (`static/burst.js`).
            Otherwise frames are mirrored, as who looks at themself expects.
    """
    width, height = ASKED_WH
    video: dict[str, Any] = {"width": {"ideal": width}, "height": {"ideal": height}}
    if of_things:
        video["facingMode"] = {"ideal": "environment"}
    return gr.WebcamOptions(mirror=not of_things, constraints={"video": video})


def camera_field(elem_id: str, *, of_things: bool = False, **overrides: Any) -> gr.Image:
    """The camera, whose frames reach the handler as bytes; see `webcam`."""
    options: dict[str, Any] = {"label": "Your camera", "height": 420} | overrides
    camera = gr.Image(
        sources=["webcam"],
        streaming=True,
        type="filepath",
        buttons=[],
        webcam_options=webcam(of_things),
        elem_id=elem_id,
        elem_classes="live-camera",
        **options,
    )
    setattr(camera, "preprocess", bytes_of_frame)  # noqa: B010  # a subclass would make gradio write a .pyi here
    return camera


def stream(
    camera: gr.Image, function: Callable[..., Any], inputs: Sequence[Component], outputs: Sequence[Component]
) -> None:
    """Wires a handler that works on each frame. A handler that raised would end the stream, and begin it again."""
    frames = camera.stream(
        guarded(function),
        list(inputs),
        list(outputs),
        time_limit=int(LIVE_S),
        stream_every=FRAME_EVERY_S,
        concurrency_id="live",
        concurrency_limit=LIVE_AT_ONCE,
        api_visibility="private",
        show_progress="hidden",
    )
    ended = f"() => window.cvdemo.cameraEnded({json.dumps(camera.elem_id)})"
    frames.then(None, None, None, js=ended, api_visibility="private")
