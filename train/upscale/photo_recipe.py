"""The recipe of super-resolution for damaged photographs: `UpscaleRecipe` with other damage and another measure."""

from __future__ import annotations

from typing import Any

from train.publishing.recipe import Context
from train.upscale.degradation import read_colour, read_folder
from train.upscale.photo_damage import MEASURED, measure_photos
from train.upscale.photo_task import PhotoTask
from train.upscale.upscale_recipe import UpscaleRecipe, build, folder_of, published
from train.upscale.upscale_task import Network, UpscaleTrainingConfig, restorer

_PROTOCOL = (
    "; `_jpegQ`: the small picture in colour, rounded to 8 bits, saved as JPEG of quality Q with 4:2:0 by Pillow, and "
    "its decoded Y enlarged; `clean`: srcnn_fast of that scale on the same input"
)


class PhotoRecipe(UpscaleRecipe):
    """`UpscaleRecipe` on damaged pictures."""

    def build(self, config: UpscaleTrainingConfig, context: Context) -> PhotoTask:
        """See `train.upscale.upscale_recipe.build`."""
        task = build(config, context, PhotoTask)
        assert isinstance(task, PhotoTask)  # it was asked for
        return task

    def preprocessing(self, config: UpscaleTrainingConfig) -> dict[str, Any]:
        """The manifest's `preprocessing`, which says that the network was made for JPEG pictures."""
        return {**super().preprocessing(config), "made_for": "jpeg"}

    def measured(self, network: Network, scale: int, context: Context) -> dict[str, Any]:
        """Undamaged Set5 and Set14 as for all networks; then Set14 as JPEG, beside bicubic and the clean network.

        Raises:
            FileNotFoundError: no folder `set14`.
        """
        result = super().measured(network, scale, context)
        assert context.data is not None  # else the line above has refused
        pictures = read_folder(folder_of(context.data, "set14"), read_colour)
        clean, _ = published(f"srcnn_fast_x{scale}")
        restorers = {
            "": restorer(network.eval(), context.device),
            "clean_": restorer(clean.eval().to(context.device), context.device),
        }
        for quality in MEASURED:
            scores = measure_photos(pictures, scale, quality, restorers)
            result[f"set14_jpeg{quality}"] = {"n": len(pictures), **scores}
        return {**result, "protocol": result["protocol"] + _PROTOCOL}
