"""A network of 1.1 million parameters that repaints any picture in any style in a fraction of a second.

`--data DIR` holds the folders `photographs` and `paintings`. For the weight in the manifest: ImageNette, ImageWoof and
PASCAL VOC 2007 as photographs, and the paintings of github.com/JohnMcCarroll/GAN_Gallery. The losses are those that the
page's optimiser lowers; `train.style.instant_task` says what else a step does.

On a GPU: `--batch-size 16 --crop-px 256 --steps 40000 --lr 2e-3 --warmup-steps 1000`; it has not been run.
"""

from __future__ import annotations

from dataclasses import dataclass

from train.style.instant_recipe import InstantStyleRecipe
from train.style.instant_task import InstantTrainingConfig

_NOTES = """
Repaints any picture in the manner of any other, in one pass; the Style tab shows it first. It carries over colours,
contrast and the grain of strokes. Large shapes of a style, swirls or whole figures, are beyond it: optimising draws
those. Lines of text and small faces may suffer.
"""


@dataclass(frozen=True, kw_only=True)
class InstantStyleConfig(InstantTrainingConfig):
    """Hyper-parameters; each is an option on the command line."""

    steps: int = 24_000
    log_every: int = 100
    evaluate_every: int = 1000
    preview_every: int = 1000


RECIPE = InstantStyleRecipe(
    name="instant-style",
    weight="instant_style",
    goal="a loss on held-out pairs nearer to that of optimised pictures than to that of untouched ones",
    dataset="ImageNette, ImageWoof and PASCAL VOC 2007; paintings of github.com/JohnMcCarroll/GAN_Gallery",
    licence="Apache-2.0 for the weights; the training pictures are collected from the web, many without a licence",
    config=InstantStyleConfig,
    dry_run={"width": 10, "blocks": 1, "code_dim": 4, "hidden": 8, "crop_px": 64, "batch_size": 2},
    notes=_NOTES,
)
