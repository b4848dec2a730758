"""Cars of 64 px from Gaussian latents: central squares of 16,178 pictures of 180 x 100 px.

`--data DIR` is a folder of JPEGs, github.com/matan-chan/cars_DCGAN's `data`; the central 100 px of each are taken and
shrunk, so a car seen from its side loses both ends. With a quarter of the pictures that the faces have D learns them by
heart sooner, hence DiffAugment. It has not been run yet.
"""

from __future__ import annotations

from dataclasses import dataclass

from train.sample.sample_recipe import SampleRecipe
from train.sample.sample_task import SampleTrainingConfig

_NOTES = """
Draws the middles of cars at 64 px from Gaussian latents of length 128, for the Sample tab. Nothing can be asked for but
a seed. The kernels are stored in eight bits and run in float32.
"""


@dataclass(frozen=True, kw_only=True)
class DcganCarsConfig(SampleTrainingConfig):
    """Hyper-parameters; each is an option on the command line."""

    steps: int = 10_000
    evaluate_every: int = 1000
    preview_every: int = 250
    label_smoothing: float = 0.1
    lr_generator: float = 3e-4
    decay_steps: int = 5000
    diff_augment: tuple[str, ...] = ("color", "translation", "cutout")


RECIPE = SampleRecipe(
    name="dcgan-cars",
    weight="dcgan_cars",
    dataset="16,178 pictures of cars, 180 x 100 px (github.com/matan-chan/cars_DCGAN), central squares at 64 px",
    count=16_178,
    licence="Apache-2.0 for the weights; the training pictures come without a licence",
    config=DcganCarsConfig,
    notes=_NOTES,
    goal="cars at 64 px; FD-Lite0 as low as the hours allow",
    dry_run={"size": 16, "width": 8, "latent_dim": 8, "batch_size": 8, "fd_pictures": 16, "decay_steps": 0},
)
