"""What both ways of upscaling share on the page: the choice of scale and network, and how a PNG is packed."""

from typing import Any

import gradio as gr

from cvdemo.config import default_of
from cvdemo.images import ImageArray
from cvdemo.ui.wiring.controls import light
from cvdemo.upscale.catalogue import AUTO, PHOTO, SCALES, networks_or_default
from cvdemo.upscale.upscale import UpscaleConfig

AUTOMATIC = "Automatic: for photographs if JPEG has damaged your file, else quick"
QUICK_PNG_PIXELS = 10_000_000  # larger results are packed less: at level 6 they would take longer than the network


def packed_level(image: ImageArray) -> int:
    """The level at which a result is compressed as PNG."""
    return 1 if image[..., 0].size > QUICK_PNG_PIXELS else 6


def scale_and_network(scale_id: str, network_id: str) -> tuple[gr.Radio, gr.Radio, Any]:
    """The two choices, and the event that the networks are those of a newly chosen scale."""
    start = default_of(UpscaleConfig, "scale")
    scale = gr.Radio(
        [(f"×{scale}", scale) for scale in SCALES], value=start, label="How many times larger", elem_id=scale_id
    )
    network = gr.Radio(**offer(start), label="How", elem_id=network_id)
    offered = light([scale.change], lambda scale, chosen: gr.Radio(**offer(scale, chosen)), [scale, network], [network])
    return scale, network, offered


def offer(scale: int, chosen: str | None = None) -> dict[str, Any]:
    """The networks for a scale by how much nearer they come, or for what they are.

    What is chosen is left alone where the scale has it, not set again: a link sets scale and network together, and
    `chosen` may still be the one before.
    """
    networks = networks_or_default(scale)
    bicubic = next(iter(networks.values())).bicubic_psnr
    offered = {AUTO: AUTOMATIC} if PHOTO in networks else {}
    offered |= {choice.value: choice.words for choice in networks.values()}
    return {
        "choices": [(words, value) for value, words in offered.items()],
        **({} if chosen in offered else {"value": next(iter(offered))}),
        "info": None
        if bicubic is None
        else f"The error is compared with plain enlargement, on five test pictures at ×{scale}.",
    }
