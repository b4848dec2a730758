"""Training on random patches of pictures that stay in an HDF5 file: the pipeline of `train.data.preprocess`."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from cvdemo.config import setting
from train.classify.classifier_task import ClassifierConfig, ClassifierTask, predict, side_px
from train.data.preprocess import central_logits, random_patches, shrunk
from train.data.splits import PictureSet

SMALLEST_PX = 32


@dataclass(frozen=True, kw_only=True)
class PatchConfig(ClassifierConfig):
    """Hyper-parameters of a classifier that learns from patches."""

    stored_px: int = setting(
        256, help="side of the squares in the HDF5 file, to which pictures are resized", unit="px", minimum=SMALLEST_PX
    )
    input_px: int = setting(
        227, help="side of the random patches of these, and of the central one measured", unit="px", minimum=SMALLEST_PX
    )
    validation: int = setting(
        1,
        help="1: the validation pictures choose the checkpoint; 0: train on them too, and the last one counts",
        minimum=0,
        maximum=1,
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.input_px > self.stored_px:
            raise ValueError(f"patches of {self.input_px} px do not fit in pictures of {self.stored_px}")
        side_px(0, self.first_px, self.input_px)


class PatchTask(ClassifierTask):
    """A classifier's task on random patches; measured on central ones."""

    config: PatchConfig

    def pictures(self, step: int, indices: npt.NDArray[np.int64], generator: torch.Generator) -> npt.NDArray[np.uint8]:
        """Random patches at the side of this step: what is small is cheap to augment."""
        patches = random_patches(self.data.read(indices), self.config.input_px, generator)
        return shrunk(patches, self.side_px(step, self.config.input_px))

    def grown(self, pixels: Tensor, step: int) -> Tensor:
        """The pixels: they have their side."""
        return pixels

    def predicted(self, network: nn.Module, pictures: PictureSet) -> Tensor:
        centre = central_logits(network, self.config.input_px)
        return predict(network, pictures, self.normalisation, self.device, self.amp, views=centre)
