"""The settings of a style transfer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from cvdemo.config import SEED_MAX, Config, setting
from cvdemo.style.losses import STYLE_DISTANCES

KEPT_COLOURS = ("no", "luminance", "statistics")
COLOUR_WORDS = {
    "no": "of the style",
    "luminance": "of your picture: only light and dark are painted",
    "statistics": "of your picture, in the brush strokes too",
}
INSTANT_START = "instant"  # the picture that one pass of a network gives; see `cvdemo.style.instant`
STARTS = ("content", "style", "noise", INSTANT_START)
SHORTEST_S, LONGEST_S = 1.0, 600.0  # one second gives a recognisable picture on two cores


def stroke_size() -> Any:
    """The setting `style_scale`, which a painting and the instant network both have."""
    return setting(
        1.0,
        "Stroke size",
        minimum=0.5,
        maximum=2,
        step=0.1,
        help="Higher: larger strokes. The style picture is made larger by this factor.",
    )


@dataclass(frozen=True, kw_only=True)
class StyleConfig(Config):
    """How a picture is repainted. Weights count against each other: only their ratios matter.

    Attributes:
        seconds: None: as many steps as `steps` says. Else sizes, scales and steps are planned by the speed that is
            measured, up to `size`; so the same seed may give another picture next time.
        keep_colours: True stands for "statistics" and False for "no", as before there was a choice.
    """

    content_weight: float = setting(
        2.0,
        "Likeness to your picture",
        minimum=0,
        maximum=10,
        step=0.1,
        help="Higher keeps more of its shapes. (Content weight)",
    )
    style_weight: float = setting(
        10.0,
        "Boldness of the style",
        minimum=0.1,
        maximum=100,
        step=0.1,
        help="Higher gives bolder strokes. (Style weight)",
    )
    tv_weight: float = setting(
        40.0,
        "Smoothness",
        minimum=0,
        maximum=300,
        step=1,
        help="Higher removes fine noise. (Total variation weight)",
    )
    size: int = setting(
        384,
        "Size",
        unit="px, longer side",
        minimum=128,
        maximum=2048,
        step=32,
        help="Twice the size takes four times as long. If you choose a time, the result may be smaller than this.",
    )
    style_scale: float = stroke_size()
    scales: int = setting(
        4,
        "Rounds from coarse to fine",
        minimum=1,
        maximum=8,
        step=1,
        help="It paints a small copy first. In each round the painting is 1.41 times larger. (Scales)",
    )
    steps: int = setting(
        100,
        "Steps a round",
        minimum=1,
        maximum=400,
        step=1,
        help="More steps come closer to the style and take longer. This is the average: coarse rounds get more steps, "
        "fine rounds fewer.",
    )
    step_size: float = setting(
        0.015,
        "Strength of a step",
        minimum=0.005,
        maximum=0.1,
        step=0.005,
        help="Higher changes the picture faster and more roughly. (Learning rate at the finest scale)",
    )
    keep_colours: str = setting(
        "no",
        "Colours",
        choices=KEPT_COLOURS,
        choice_words=COLOUR_WORDS,
        help="Which colours the painting has.",
    )
    start: str = setting(
        "content",
        "Start from",
        choices=STARTS,
        choice_words={
            "content": "your picture",
            "style": "the style picture",
            "noise": "random dots",
            INSTANT_START: "the instant style of your picture",
        },
        help="Random dots and a likeness of 0 give pure texture.",
    )
    seed: int = setting(
        0, "Seed", minimum=0, maximum=SEED_MAX, step=1, help="Another number gives a slightly different painting."
    )
    seconds: float | None = setting(
        None,
        "Time",
        unit="s",
        minimum=SHORTEST_S,
        maximum=LONGEST_S,
        help="The best picture in this time, instead of a number of steps.",
    )
    strength: float = setting(
        1.0, "Strength", minimum=0.1, maximum=1, step=0.05, help="Lower stays nearer to your picture's own look."
    )
    detail: float = setting(
        0.3,
        "Likeness of small shapes",
        minimum=0,
        maximum=1,
        step=0.05,
        help="Higher keeps hair and other small shapes. (Their share of the content weight)",
    )
    flat_smoothing: float = setting(
        0.0,
        "Smoothness of flat areas",
        minimum=0,
        maximum=1,
        step=0.05,
        help="Higher smooths skies and walls more than edges.",
    )
    style_loss: str = setting(
        "gram",
        "Closeness to the style",
        choices=tuple(STYLE_DISTANCES),
        choice_words={"gram": "full", "wasserstein": "gentler, keeps more of your picture"},
        help="How the style is compared. (Style loss: Gram matrices, or the Wasserstein distance of means and "
        "covariances)",
    )

    def __post_init__(self) -> None:
        kept: Any = self.keep_colours
        if isinstance(kept, bool):
            object.__setattr__(self, "keep_colours", "statistics" if kept else "no")
        super().__post_init__()
