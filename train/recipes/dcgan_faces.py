"""Photographed faces of 64 px from Gaussian latents: the middle of 13,233 aligned pictures (LFW deep-funneled).

`--data DIR` is the folder `lfw-deepfunneled`. Of each 250-px picture the central 150 px are taken, the head with its
hair, and shrunk to 64 px. DiffAugment, as in `train.recipes.dcgan`: D would learn so few pictures by heart. A person
occurs up to 530 times, so the sheet of nearest training pictures matters more here. It stays in the run's folder.

The settings are for a GPU: 13,500 steps took 9.7 minutes on an H200, beside five other trainings.
"""

from __future__ import annotations

from dataclasses import dataclass

from train.recipes.dcgan import DcganConfig
from train.sample.sample_recipe import SampleRecipe

_NOTES = """
Draws faces as photographs show them, at 64 px, from Gaussian latents of length 128, for the Sample tab. Nothing can be
asked for but a seed. It learned from people in the news about 2002, most of them men; children, old people and
many peoples are rare there, and so they are here. No picture is meant to be anybody; below stands how near to training
pictures they come. The kernels are stored in eight bits and run in float32.
"""


@dataclass(frozen=True, kw_only=True)
class DcganFacesConfig(DcganConfig):
    """Hyper-parameters; each is an option on the command line."""

    steps: int = 13_500
    batch_size: int = 128
    width: int = 64
    ema_decay: float = 0.9995
    evaluate_every: int = 2500
    decay_steps: int = 5000


RECIPE = SampleRecipe(
    name="dcgan-faces",
    weight="dcgan_faces",
    dataset="13,233 aligned photographs of 5,749 people (LFW deep-funneled, Huang et al. 2012), central 150 of 250 px",
    count=13_233,
    licence="Apache-2.0 for the weights; the training pictures are press photographs, given out for research",
    where="DIR is the folder lfw-deepfunneled of vis-www.cs.umass.edu/lfw, or an HDF5 file that it was packed into",
    config=DcganFacesConfig,
    notes=_NOTES,
    centre=0.6,
    shows_real=False,  # they are photographs of people, who were not asked
    goal="faces at 64 px; of 16 that nobody picked, 14 that a person takes for faces",
    dry_run={"size": 16, "width": 8, "latent_dim": 8, "batch_size": 8, "fd_pictures": 16, "decay_steps": 0},
)
