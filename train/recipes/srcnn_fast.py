"""FastSRCNN for one scale: better than SRCNN and several times cheaper, since it works on the low-resolution picture.

x3 and x4 may start from x2, of which all layers fit but the last. Data and training:
`train.upscale.upscale_recipe`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from cvdemo.config import setting
from train.upscale.upscale_recipe import UpscaleRecipe
from train.upscale.upscale_task import UpscaleTrainingConfig

NOTES = """
Adds to a picture that bicubic has enlarged the detail that the network sees in the small one; luminance only, colour
stays bicubic. It sharpens edges that shrinking has blurred. It does not undo JPEG artefacts or noise, and it invents no
texture: for photographs from phones and the web, use Real-ESRGAN.
"""


@dataclass(frozen=True, kw_only=True)
class FastSrcnnConfig(UpscaleTrainingConfig):
    """FastSRCNN's layers."""

    steps: int = 14_000  # a quarter of an hour of one AMX core at x2
    evaluate_every: int = 1000
    crop_px: int = 96
    width: int = setting(32, help="channels of the hidden layers", minimum=1)
    depth: int = setting(5, help="hidden layers between the first and the last", minimum=0)

    @property
    def network(self) -> dict[str, Any]:
        return {"name": "fast_srcnn", "scale": self.scale, "width": self.width, "depth": self.depth}

    @property
    def weight(self) -> str:
        return f"srcnn_fast_x{self.scale}"


RECIPE = UpscaleRecipe(
    name="srcnn-fast",
    goal="Set5 PSNR 37.10 / 33.20 / 30.75 dB, Set14 32.65 / 29.45 / 27.60 dB at x2 / x3 / x4",
    config=FastSrcnnConfig,
    dry_run={"width": 8, "depth": 2, "batch_size": 4, "float32_steps": 1, "crop_px": 24, "patch_px": 84},
    notes=NOTES,
)
