"""Anime faces of 64 px from Gaussian latents, by Radford's rules with what was found to help since.

`--data DIR` is a folder of pictures, github.com/xiaohuiduan/cgan_anime_face's `faces` for the weight in the manifest.
The defaults are what that was trained with: width 32, batch 64, 0.33 s a step of one CPU core. DiffAugment, label
smoothing, an average of G, real and generated pictures in one batch of D, rates twice those of the paper and their fall
to zero at the end go together here; what options gave at equal steps is in `docs/experiments`. Plain DCGAN drifts when
trained on (StudioGAN: CIFAR-10 FID 49 at 42k steps, 137 at 200k; here it collapsed within 30k), so the best checkpoint
by FD-Lite0 is kept.

On a GPU, the full recipe: `--width 64 --batch-size 128 --steps 60000 --decay-steps 20000 --evaluate-every 2000
--preview-every 500 --fd-pictures 5000 --ema-decay 0.9995`; it has not been run.

The losses, norms and rates of the paper, and nothing else: `--no-mixed-batches --label-smoothing 0
--diff-augment --ema-decay 0 --decay-steps 0 --lr-generator 2e-4 --lr-discriminator 2e-4` (its G was four times as wide:
`--width 128`).
"""

from __future__ import annotations

from dataclasses import dataclass

from train.sample.sample_recipe import SampleRecipe
from train.sample.sample_task import SampleTrainingConfig

_NOTES = """
Draws 64-px anime faces from Gaussian latents of length 128, for the Sample tab. Two in a batch are rarely alike, but
eyes differ in size and colour within a face, hair dissolves at the picture's edge, and nothing can be asked for but a
seed. The kernels are stored in eight bits and run in float32.
"""


@dataclass(frozen=True, kw_only=True)
class DcganConfig(SampleTrainingConfig):
    """Hyper-parameters; each is an option on the command line."""

    steps: int = 27_000  # 2.5 h of one CPU thread
    evaluate_every: int = 3000
    preview_every: int = 500
    fd_pictures: int = 2500
    mixed_batches: bool = True
    label_smoothing: float = 0.1
    diff_augment: tuple[str, ...] = ("color", "translation", "cutout")
    lr_generator: float = 4e-4  # Radford: 2e-4, of batches of 128
    lr_discriminator: float = 4e-4
    decay_steps: int = 9_000


RECIPE = SampleRecipe(
    name="dcgan",
    weight="dcgan_anime",
    dataset="70,171 anime faces of 96 px (github.com/xiaohuiduan/cgan_anime_face), 68,891 distinct, shrunk to 64 px",
    count=68_891,
    licence="Apache-2.0 for the weights; the training pictures are fan art collected without a licence",
    config=DcganConfig,
    notes=_NOTES,
    goal="faces at 64 px; FD-Lite0 at most 40 % of the plain DCGAN recipe's at equal steps",
    dry_run={"size": 16, "width": 8, "latent_dim": 8, "batch_size": 8, "fd_pictures": 16, "decay_steps": 0},
)
