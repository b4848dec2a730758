"""FastSRCNN for photographs from phones and the web: trained on small pictures that noise and JPEG have damaged.

It is as large as `srcnn_fast`'s network and starts from it best: `--start srcnn_fast_x2`. The data are the same, in
colour, because JPEG works on colours; the checkpoint is chosen on held-out pictures of T91 as JPEGs. Measured on Set14
as JPEGs of quality 40 and 70, beside bicubic and the clean network.
"""

from __future__ import annotations

from dataclasses import dataclass

from train.recipes.srcnn_fast import RECIPE as FAST
from train.recipes.srcnn_fast import FastSrcnnConfig
from train.upscale.photo_recipe import PhotoRecipe
from train.upscale.photo_task import PhotoTrainingConfig

NOTES = """
Enlarges JPEG pictures. It adds to what bicubic gives the detail that the network sees in the small picture, and takes
away the blocks and the grain that JPEG and the sensor left there; luminance only, colour stays bicubic. It invents no
texture. For a picture without damage take `srcnn_fast`, which is sharper there.
"""


@dataclass(frozen=True, kw_only=True)
class PhotoSrcnnConfig(PhotoTrainingConfig, FastSrcnnConfig):
    """FastSRCNN's layers, and the damage."""

    steps: int = 3000  # from the clean network; a step takes as long as the clean network's and 10 ms for JPEG
    evaluate_every: int = 500
    float32_steps: int = 200  # the gain is some tenths of a dB: the hundredths that bfloat16 costs matter less
    shrink: tuple[float, ...] = (1.0, 0.8, 0.6)  # colour takes three times the room

    @property
    def weight(self) -> str:
        return f"srcnn_photo_x{self.scale}"


RECIPE = PhotoRecipe(
    name="srcnn-photo",
    goal="Set14 as JPEG of quality 40 and 70: better than bicubic and than srcnn-fast at x2, x3 and x4",
    config=PhotoSrcnnConfig,
    dry_run=FAST.dry_run,
    notes=NOTES,
)
