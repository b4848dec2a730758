"""SRCNN 9-1-5, the paper's smallest: a seventh of the parameters of 9-5-5 (Dong et al. 2016, section 4.3.2)."""

from __future__ import annotations

from dataclasses import dataclass

from train.recipes.srcnn import DRY_RUN, NOTES, SrcnnConfig
from train.upscale.upscale_recipe import UpscaleRecipe
from train.upscale.upscale_task import Scale


@dataclass(frozen=True, kw_only=True)
class Srcnn915Config(SrcnnConfig):
    """As 9-5-5 but for the second layer, and at x3, where the paper gives its figures."""

    scale: Scale = 3
    kernels: tuple[int, ...] = (9, 1, 5)


RECIPE = UpscaleRecipe(
    name="srcnn-9-1-5",
    goal="Set5 PSNR 32.52 dB at x3 (Dong et al. 2016)",
    config=Srcnn915Config,
    dry_run=DRY_RUN,
    notes=NOTES,
)
