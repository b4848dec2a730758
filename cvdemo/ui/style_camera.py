"""The camera of the Style tab: its moving picture in the manner of another one, frame by frame.

Each frame is a request of its own, so that cameras wait in the same line as pictures do. What keeps frames steady goes
along from one to the next in the session; a new style or setting begins anew.
"""

import time
from dataclasses import dataclass, field, replace
from typing import Any

import gradio as gr

from cvdemo.demo import Run, result_of
from cvdemo.errors import DemoError
from cvdemo.images import ImageArray, read_image, resize_to_fit
from cvdemo.limits import LIVE_AT_ONCE, LIVE_FRAME_S, LIVE_MEGAPIXELS, LIVE_S, LIVE_SIDE_PX
from cvdemo.style.feed_forward import STYLE_PX, InstantConfig
from cvdemo.style.run import InstantFrameRequest
from cvdemo.style.steady import Before
from cvdemo.style.video import StyleVideoConfig
from cvdemo.ui.style_examples import style_input, styles_gallery
from cvdemo.ui.wiring.controls import control, given, load_picture
from cvdemo.ui.wiring.live_camera import Rate, camera_field, show_frames, stream

NOTE = (
    f"Press the camera, allow it, and press Record. The server paints every frame and keeps none. It stops after "
    f"{LIVE_S:g} seconds. Press Record to start again. At most {LIVE_AT_ONCE} cameras run at once; other visitors wait."
)
SETTINGS = ("strength", "keep_colours")  # of `InstantConfig`
LEAST_PX = 128  # longer side at which a frame is painted: the least that `InstantConfig` takes


@dataclass(frozen=True, eq=False)
class Live:
    """What a camera's stream keeps from frame to frame.

    Attributes:
        rate: of its frames.
        path, style: of the style picture, and the picture, small.
        asked: the settings of the frame before. before: what that left behind.
    """

    rate: Rate = field(default_factory=Rate)
    path: str | None = None
    style: ImageArray | None = None
    asked: tuple[Any, ...] = ()
    before: Before | None = None


def frame_on_page(
    run: Run,
    frame: bytes | None,
    style: str | None,
    strength: float,
    keep_colours: str,
    steadiness: float,
    live: Live | None,
) -> tuple[Any, str, Live]:
    """The painted frame, how long it took and how fast they come, and what the next one needs.

    A failure is told in the status alone. A stream that raised would end, begin again with the next frame, and raise
    again.
    """
    live, started = live or Live(), time.monotonic()
    now = replace(live, rate=live.rate.after(started))
    if frame is None:
        return gr.skip(), gr.skip(), now
    try:
        now = _with_style(now, style)
        asked = (now.path, strength, keep_colours, steadiness)
        goes_on = asked == live.asked and len(now.rate.answered_at) > 1
        now = replace(now, asked=asked)
        now = replace(now, before=_painted(run, frame, now, live.before if goes_on else None))
    except DemoError as error:
        return gr.skip(), str(error), replace(now, before=None)
    assert now.before is not None  # it has just been painted
    took_ms = (time.monotonic() - started) * 1000
    return now.before.painted, f"{took_ms:.0f} ms a frame, {now.rate.in_words()}".rstrip(", "), now


def _with_style(live: Live, path: str | None) -> Live:
    """With the style picture of a path, which is read once."""
    if path is not None and path == live.path:
        return live
    picture = resize_to_fit(load_picture(path, "a style picture"), 2 * STYLE_PX)
    return replace(live, path=path, style=picture)


def _painted(run: Run, frame: bytes, live: Live, before: Before | None) -> Before:
    read = read_image(frame, "The camera's frame", max_megapixels=LIVE_MEGAPIXELS)
    picture = resize_to_fit(read, LIVE_SIDE_PX)
    assert live.style is not None  # `_with_style` has read it
    _, strength, keep_colours, steadiness = live.asked
    config = InstantConfig(strength=strength, keep_colours=keep_colours, size=max(LEAST_PX, *picture.shape[:2]))
    request = InstantFrameRequest(
        frame=picture,
        style=live.style,
        config=config,
        before=before,
        steadiness=steadiness,
        time_limit_s=LIVE_FRAME_S,
    )
    painted: Before = result_of(run(request))
    return painted


def build_camera(run: Run) -> None:
    """Draws the way for the camera."""
    with gr.Row():
        with gr.Column(min_width=300, scale=2):
            camera = camera_field("style-camera")
            show_frames(camera)
            status = gr.Markdown(NOTE, elem_id="style-live-status", elem_classes="status")
        with gr.Column(min_width=280):
            style = style_input("style-live-style")
            styles_gallery(style, "style-live-styles")
            fields = [control(InstantConfig, name, elem_id=f"style-live-{name}") for name in SETTINGS]
            fields.append(control(StyleVideoConfig, "steadiness", elem_id="style-live-steadiness"))
    live = gr.State(Live())
    stream(camera, given(run, frame_on_page), [camera, style, *fields, live], [camera, status, live])
