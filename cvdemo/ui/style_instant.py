"""The instant style on the page and for programs: what is asked for, and the endpoint `/style_instant`."""

from collections.abc import Sequence
from typing import Any

import gradio as gr
from gradio.components import Component

from cvdemo.demo import Lane, Run, lane_by_pixels, result_of
from cvdemo.images import ImageArray
from cvdemo.limits import STYLE_S
from cvdemo.style.feed_forward import InstantConfig
from cvdemo.style.pictures import mask_of
from cvdemo.style.run import InstantRequest, Stylized
from cvdemo.ui.serving.lines import LaneOf
from cvdemo.ui.serving.result_names import call_results
from cvdemo.ui.style_examples import painted_stem
from cvdemo.ui.wiring.controls import control, endpoint, given, load_picture

AT_ONCE = "instant"  # as a time: in one pass of a network
FIELDS = ("strength", "size", "style_scale", "keep_colours")  # of the config, in the order of the endpoint
NOTE = (
    " The instant style takes one pass of a small network instead. The style picture scales and shifts the channels of "
    "that network ([Ghiasi et al. 2017](https://arxiv.org/abs/1705.06830))."
)


def instant_request(
    content: str | None,
    style: str | None,
    second: str | None,
    second_weight: float,
    mask: str | None,
    config: InstantConfig,
) -> InstantRequest:
    """What is asked for with pictures that are given as paths; `InputError` where one is missing or cannot be used."""
    pictures = load_picture(content), load_picture(style, "a style picture")
    others = () if second is None else ((load_picture(second, "a second style picture"), second_weight),)
    return InstantRequest(
        content=pictures[0],
        style=pictures[1],
        config=config,
        time_limit_s=STYLE_S,
        styles=others,
        mask=None if mask is None else mask_of(load_picture(mask, "a mask")),
    )


def instant_endpoint(
    run: Run,
    content: str | None,
    style: str | None,
    strength: float = InstantConfig.strength,
    size: int = InstantConfig.size,
    style_scale: float = InstantConfig.style_scale,
    keep_colours: str = InstantConfig.keep_colours,
    second_style: str | None = None,
    second_weight: float = 1.0,
    mask: str | None = None,
) -> ImageArray:
    """The content picture in the manner of the style picture, at once, with `size` px on its longer side.

    It takes one pass of a network. White parts of `mask` are painted like `second_style`; without a mask both
    styles are mixed by their weights. Where the network is not installed, the answer says so.
    """
    call_results(painted_stem(content, style))
    config = InstantConfig(strength=strength, size=int(size), style_scale=style_scale, keep_colours=keep_colours)
    painted: Stylized = result_of(run(instant_request(content, style, second_style, second_weight, mask, config)))
    return painted.image


def add_endpoint(
    run: Run, pictures: Sequence[Component], second: tuple[gr.Image, gr.Image, Component], result: Component
) -> None:
    """Registers `/style_instant`."""
    fields = [control(InstantConfig, name, visible=False) for name in FIELDS]
    style, mask, weight = second
    inputs = [*pictures, *fields, style, weight, mask]
    endpoint("style_instant", given(run, instant_endpoint), inputs, [result], lane_by_size(inputs.index(fields[1])))


def lane_by_size(size: int, seconds: int | None = None) -> LaneOf:
    """The lane of a call, by the longer side of its result.

    Args:
        size, seconds: which of the values they are; with `seconds`, any time but `AT_ONCE` is slow.
    """

    def lane(values: Sequence[Any]) -> Lane:
        if max(size, seconds or 0) >= len(values):
            return Lane.QUICK  # it is refused at once
        if seconds is not None and values[seconds] != AT_ONCE:
            return Lane.SLOW
        side = values[size]
        is_number = isinstance(side, int | float) and not isinstance(side, bool)
        return lane_by_pixels(float(side) ** 2) if is_number else Lane.QUICK

    return lane
