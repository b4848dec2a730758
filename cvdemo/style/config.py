"""The settings of a style transfer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from cvdemo.config import SEED_MAX, Config, setting
from cvdemo.style.losses import STYLE_DISTANCES

KEPT_COLOURS = ("no", "luminance", "statistics")
INSTANT_START = "instant"  # the picture that one pass of a network gives; see `cvdemo.style.instant`
STARTS = ("content", "style", "noise", INSTANT_START)
SHORTEST_S, LONGEST_S = 1.0, 600.0  # one second gives a recognisable picture on two cores


@dataclass(frozen=True, kw_only=True)
class StyleConfig(Config):
    """How a picture is repainted. Weights count against each other: only their ratios matter.

    Attributes:
        seconds: None: as many steps as `steps` says. Else sizes, scales and steps are planned by the speed that is
            measured, up to `size`; so the same seed may give another picture next time.
        keep_colours: True stands for "statistics" and False for "no", as before there was a choice.
    """

    content_weight: float = setting(
        2.0, "Content weight", minimum=0, maximum=10, step=0.1, help="Higher keeps more of the picture's shapes."
    )
    style_weight: float = setting(
        10.0, "Style weight", minimum=0.1, maximum=100, step=0.1, help="Higher gives bolder strokes."
    )
    tv_weight: float = setting(
        40.0, "Smoothness (total variation)", minimum=0, maximum=300, step=1, help="Higher removes fine noise."
    )
    size: int = setting(
        384,
        "Size",
        unit="px, longer side",
        minimum=128,
        maximum=2048,
        step=32,
        help="Twice the size takes four times as long. With a time, this is the largest size that is painted.",
    )
    style_scale: float = setting(
        1.0, "Stroke size", minimum=0.5, maximum=2, step=0.1, help="Size of the style picture beside yours."
    )
    scales: int = setting(
        4, "Scales", minimum=1, maximum=8, step=1, help="From coarse to fine, each 1.41 times larger."
    )
    steps: int = setting(
        100,
        "Steps a scale",
        minimum=1,
        maximum=400,
        step=1,
        help="On average: coarse scales get more, fine ones fewer.",
    )
    step_size: float = setting(
        0.015, "Step size", minimum=0.005, maximum=0.1, step=0.005, help="Adam's learning rate at the finest scale."
    )
    keep_colours: str = setting(
        "no",
        "Keep the picture's colours",
        choices=KEPT_COLOURS,
        help="luminance: only light and dark are painted. statistics: the style is painted in the picture's colours.",
    )
    start: str = setting(
        "content",
        "Start from",
        choices=STARTS,
        help="Noise with content weight 0 gives pure texture. instant refines the instant style.",
    )
    seed: int = setting(0, "Seed", minimum=0, maximum=SEED_MAX, step=1)
    seconds: float | None = setting(
        None,
        "Time",
        unit="s",
        minimum=SHORTEST_S,
        maximum=LONGEST_S,
        help="The best picture in this time, instead of a number of steps.",
    )
    strength: float = setting(
        1.0, "Strength", minimum=0.1, maximum=1, step=0.05, help="Lower stays nearer to your picture's own style."
    )
    detail: float = setting(
        0.3, "Fine structure", minimum=0, maximum=1, step=0.05, help="Share of the content weight for small shapes."
    )
    flat_smoothing: float = setting(
        0.0, "Smooth flat areas", minimum=0, maximum=1, step=0.05, help="1 smooths skies most and edges hardly."
    )
    style_loss: str = setting(
        "gram", "Style loss", choices=tuple(STYLE_DISTANCES), help="wasserstein compares means and covariances."
    )

    def __post_init__(self) -> None:
        kept: Any = self.keep_colours
        if isinstance(kept, bool):
            object.__setattr__(self, "keep_colours", "statistics" if kept else "no")
        super().__post_init__()
