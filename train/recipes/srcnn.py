"""SRCNN 9-5-5 for one scale (Dong et al. 2016), luminance only; x3 and x4 may start from x2.

`train.upscale.upscale_recipe` has the data and what differs from the paper, `upscale_task` the other hyper-parameters
and their defaults.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from cvdemo.config import setting
from train.upscale.upscale_recipe import UpscaleRecipe
from train.upscale.upscale_task import UpscaleTrainingConfig

NOTES = """
Restores the luminance of a picture that bicubic has enlarged, for the Upscale tab; colour stays bicubic. It sharpens
edges that shrinking has blurred. It does not undo JPEG artefacts or noise, and it invents no texture: for photographs
from phones and the web, use Real-ESRGAN.
"""
DRY_RUN: dict[str, Any] = {
    "channels": (8, 4),
    "batch_size": 4,
    "float32_steps": 1,
    "crop_px": 24,
    "patch_px": 84,
}


@dataclass(frozen=True, kw_only=True)
class SrcnnConfig(UpscaleTrainingConfig):
    """SRCNN's layers; the published names tell kernels other than 9-5-5."""

    steps: int = 20_000  # 40 minutes of one AMX core at x2
    evaluate_every: int = 2000
    crop_px: int = 60
    lr: float = 1e-3
    kernels: tuple[int, ...] = setting(
        (9, 5, 5), help="sides of the kernels, first layer to last", unit="px", minimum=1, min_count=1
    )
    channels: tuple[int, ...] = setting((64, 32), help="of every layer but the last", minimum=1)

    @property
    def network(self) -> dict[str, Any]:
        return {"name": "srcnn", "kernels": list(self.kernels), "channels": list(self.channels)}

    @property
    def weight(self) -> str:
        kind = "" if self.kernels == (9, 5, 5) else "_" + "".join(map(str, self.kernels))
        return f"srcnn{kind}_x{self.scale}"


RECIPE = UpscaleRecipe(
    name="srcnn",
    goal="Set5 PSNR 36.66 / 32.75 / 30.48 dB, Set14 32.42 / 29.28 / 27.49 dB at x2 / x3 / x4 (Dong et al. 2016)",
    config=SrcnnConfig,
    dry_run=DRY_RUN,
    notes=NOTES,
)
