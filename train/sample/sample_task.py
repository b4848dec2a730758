"""Training of a DCGAN: its hyper-parameters, and a step of both networks on pictures held in memory.

Radford et al. 2016 is what remains with every option off; what each adds stands beside it. A step holds its whole
batch, there are no micro-batches: BatchNorm would see other statistics. Several processes share a batch out
(`train.engine.distributed`), with that same reservation.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn

from cvdemo.config import setting
from cvdemo.images import to_batch, to_images
from cvdemo.nets.dcgan import Discriminator, Generator, Norm
from cvdemo.weights import load_state_dict
from train.data.hdf5 import Pictures
from train.engine.device import autocast, channels_last
from train.engine.distributed import shard
from train.engine.loop import LoopConfig, Task, epoch_indices, with_steps
from train.publishing.lineage import file_to_start_from, read_start, runs_before
from train.sample.diff_augment import POLICIES, diff_augment, draw
from train.sample.lite0_features import RealFeatures
from train.sample.losses import Loss, discriminator_bce, discriminator_hinge, generator_loss, r1_penalty
from train.sample.measures import SampleQuality

PREVIEW_SIDE = 8  # pictures a row and column of a preview

_PREVIEW_SEED = 1
_BATCH = 64  # pictures generated at once


@dataclass(frozen=True, kw_only=True)
class SampleTrainingConfig(LoopConfig):
    """Hyper-parameters; sizes in px, learning rates of Adam."""

    size: int = setting(64, help="side of the pictures, 4 times a power of two", unit="px", minimum=4)
    width: int = setting(
        32, help="channels of G before its last layer, and of D after its first unless that is given apart", minimum=1
    )
    width_discriminator: int = setting(0, help="channels of D after its first layer; 0: those of G", minimum=0)
    latent_dim: int = setting(128, help="length of the latents", minimum=1)
    loss: Loss = setting("bce", help="cross-entropy, or the hinge loss", choices=get_args(Loss))
    norm: Norm = setting("batch", help="of D", choices=get_args(Norm))
    mixed_batches: bool = setting(
        False, help="D's BatchNorm sees real and generated pictures as one batch, not each kind apart"
    )
    dropout: float = setting(0.0, help="in D (Chollet)", minimum=0, below=1)
    label_smoothing: float = setting(0.0, help="real targets become 1 - this; bce only", minimum=0, maximum=0.5)
    label_noise: float = setting(
        0.0, help="targets move inward by up to this, at random; bce only (Chollet: 0.05)", minimum=0, maximum=0.5
    )
    r1_gamma: float = setting(0.0, help="weight of the gradient penalty R1 (Mescheder et al.: 10); 0: none", minimum=0)
    r1_every: int = setting(
        16,
        help="from one R1 to the next; it then weighs so many times as much (StyleGAN2: 16)",
        unit="steps",
        minimum=1,
    )
    diff_augment: tuple[str, ...] = setting(
        (), help="what D sees is changed so; nothing given: not at all", choices=tuple(POLICIES)
    )
    lr_generator: float = setting(2e-4, help="learning rate of G", minimum=0)
    lr_discriminator: float = setting(2e-4, help="learning rate of D", minimum=0)
    beta1: float = setting(0.5, help="of Adam: decay of the mean gradient", minimum=0, below=1)
    decay_steps: int = setting(
        0,
        help="the last ones, at most all, over which both learning rates fall linearly to 0",
        unit="steps",
        minimum=0,
    )
    flips: bool = setting(True, help="show half of the real pictures mirrored")
    fd_pictures: int = setting(  # of which the kernel distance takes two subsets
        1000, help="generated for each measure during training", unit="pictures", minimum=4
    )
    start: str = setting(
        "", help="weight of the manifest, or checkpoint file of a run, to start from; empty: random weights"
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.decay_steps > self.steps and not self.epochs:
            raise ValueError(f"need decay_steps from 0 to the {self.steps} steps, got {self.decay_steps}")
        if self.loss == "hinge" and (self.label_smoothing or self.label_noise):
            raise ValueError(
                "label smoothing and noise need --loss bce: the hinge loss has no labels; give --label-smoothing 0"
            )
        if self.mixed_batches and self.norm != "batch":
            raise ValueError(f"mixed_batches needs --norm batch: with {self.norm!r} no picture sees another")
        if self.r1_gamma and self.mixed_batches:  # R1 is taken at real pictures by themselves
            raise ValueError("R1 and mixed_batches do not go together: give --no-mixed-batches or --r1-gamma 0")
        if self.label_smoothing + 2 * self.label_noise >= 1:
            raise ValueError(
                "need label_smoothing + 2 * label_noise < 1, or the targets of real and generated pictures meet: got "
                f"{self.label_smoothing}, {self.label_noise}"
            )


class SampleTask(Task):
    """Alternating steps of D and G.

    Args:
        config: hyper-parameters; its epochs become steps here.
        pictures: (N, size, size, C) uint8, C = 3 or 1.
        device, amp: where, and whether convolutions run in 16 bits.
        feature_cache: file for the features of real pictures, see `RealFeatures`.

    Raises:
        ValueError: pictures of another size, or more `decay_steps` than the epochs have steps.
    """

    product = "generator"
    metric = "fd_lite0"
    higher_is_better = False

    def __init__(
        self,
        config: SampleTrainingConfig,
        pictures: Pictures,
        device: torch.device,
        amp: bool,
        feature_cache: Path | None = None,
    ) -> None:
        if pictures.shape[1:3] != (config.size, config.size) or pictures.shape[3] not in (1, 3):
            raise ValueError(f"need pictures of {config.size} px with 3 channels or 1, got {pictures.shape[1:]}")
        self.config: SampleTrainingConfig = check_steps(config, len(pictures))
        self.pictures, self.device, self.amp = pictures, device, amp
        self.feature_cache = feature_cache
        self.generator, self.discriminator = new_networks(config, pictures.shape[3], device)
        self.networks = {"generator": self.generator, "discriminator": self.discriminator}
        betas = (config.beta1, 0.999)
        self.optimizers = {
            "generator": torch.optim.Adam(self.generator.parameters(), config.lr_generator, betas),
            "discriminator": torch.optim.Adam(self.discriminator.parameters(), config.lr_discriminator, betas),
        }
        self.earlier = runs_before(config.start)
        self._quality: SampleQuality | None = None
        self._r1: Tensor | None = None  # the last one, for the log

    def lr_factor(self, step: int) -> float:
        left = self.config.steps - step
        return min(1.0, left / self.config.decay_steps) if self.config.decay_steps else 1.0

    def step(self, step: int, generator: torch.Generator) -> dict[str, Tensor]:
        """One step of D on a real and a generated batch, then one of G against the new D."""
        config = self.config
        real = shard(self._real_batch(step, generator))
        latents = shard(torch.randn(config.batch_size, config.latent_dim, generator=generator)).to(self.device)
        with autocast(self.device, self.amp):
            fake = self.generator(latents)
        fake = fake.float()
        real, fake_for_d, fake_for_g = (self._augmented(x, generator) for x in (real, fake.detach(), fake))

        self.discriminator.requires_grad_(True)
        logits_real, logits_fake = self._judge(real, fake_for_d)
        loss_d = self._discriminator_loss(logits_real, logits_fake, generator)
        penalty = self._penalty(step, real)
        self._update("discriminator", loss_d if penalty is None else loss_d + penalty)

        self.discriminator.requires_grad_(False)
        if config.mixed_batches:
            _, logits = self._judge(real, fake_for_g)
        else:
            with autocast(self.device, self.amp):
                logits = self.discriminator(fake_for_g).float()
        loss_g = generator_loss(logits, config.loss)
        self._update("generator", loss_g)
        return {
            "loss_d": loss_d.detach(),
            "loss_g": loss_g.detach(),
            "logit_real": logits_real.detach().mean(),
            "logit_fake": logits_fake.detach().mean(),
            **({} if self._r1 is None else {"r1": self._r1}),
        }

    def _real_batch(self, step: int, generator: torch.Generator) -> Tensor:
        """(B, C, size, size) in [-1, 1], half of them mirrored."""
        config = self.config
        indices = epoch_indices(step, config.batch_size, len(self.pictures), config.seed)
        batch = to_signed(self.pictures[indices.numpy()])
        if config.flips:
            mirror = torch.rand(config.batch_size, generator=generator) < 0.5
            batch = torch.where(mirror[:, None, None, None], batch.flip(3), batch)
        return batch.to(self.device, memory_format=torch.channels_last)

    def _augmented(self, pictures: Tensor, generator: torch.Generator) -> Tensor:
        """This process's pictures as D sees them."""
        if not self.config.diff_augment:
            return pictures
        return diff_augment(pictures, self.config.diff_augment, shard(draw(self.config.batch_size, generator)))

    def _judge(self, real: Tensor, fake: Tensor) -> tuple[Tensor, Tensor]:
        """Logits (B,) of both, in one pass unless BatchNorm shall see each kind apart.

        Apart, it shifts and scales each kind to the same mean and spread, and D cannot tell that the generated ones are
        darker or less varied than the real ones; together, it can.
        """
        with autocast(self.device, self.amp):
            if self.config.norm == "batch" and not self.config.mixed_batches:
                return self.discriminator(real).float(), self.discriminator(fake).float()
            logits_real, logits_fake = self.discriminator(torch.cat([real, fake])).float().chunk(2)
        return logits_real, logits_fake

    def _discriminator_loss(self, real: Tensor, fake: Tensor, generator: torch.Generator) -> Tensor:
        config = self.config
        if config.loss == "hinge":
            return discriminator_hinge(real, fake)
        noise_real, noise_fake = config.label_noise * torch.rand(2, config.batch_size, generator=generator)
        target_real = 1 - config.label_smoothing - shard(noise_real)
        return discriminator_bce(real, fake, target_real.to(self.device), shard(noise_fake).to(self.device))

    def _penalty(self, step: int, real: Tensor) -> Tensor | None:
        """R1 at every `r1_every`-th step, so many times as heavy; None at the others."""
        config = self.config
        if not config.r1_gamma or step % config.r1_every:
            return None
        penalty = r1_penalty(self.discriminator, real, config.r1_gamma)
        self._r1 = penalty.detach()
        return config.r1_every * penalty

    def _update(self, name: str, loss: Tensor) -> None:
        self.optimizers[name].zero_grad(set_to_none=True)
        self.backward(loss)
        self.update(name)

    @torch.no_grad()
    def preview(self, network: nn.Module, path_without_suffix: Path) -> None:
        """Writes a PNG grid of fixed latents."""
        random = torch.Generator().manual_seed(_PREVIEW_SEED)
        latents = torch.randn(PREVIEW_SIDE**2, self.config.latent_dim, generator=random)
        pictures = from_signed(network(latents.to(self.device)))
        Image.fromarray(square_grid(pictures)).save(path_without_suffix.with_suffix(".png"))

    def evaluate(self, network: nn.Module) -> dict[str, float]:
        """FD-Lite0 and KID-Lite0 of `fd_pictures` generated pictures with their floors, in this run's precision."""
        if self._quality is None:
            real = RealFeatures(self.pictures, self.device, self.amp, self.feature_cache)
            self._quality = SampleQuality(real, self.config.fd_pictures)
        assert isinstance(network, Generator)
        return self._quality.of(generated(network, self._quality.samples, self.config.seed, self.device))


def check_steps(config: SampleTrainingConfig, pictures: int) -> SampleTrainingConfig:
    """The config with its epochs as steps over that many pictures.

    Raises:
        ValueError: fewer pictures than one batch, or more `decay_steps` than the epochs have steps.
    """
    if pictures < config.batch_size:
        raise ValueError(
            f"need at least one batch of {config.batch_size} pictures, got {pictures}: give a smaller --batch-size"
        )
    stepped: SampleTrainingConfig = with_steps(config, pictures)
    if stepped.decay_steps > stepped.steps:
        words = f"{stepped.steps} steps of {config.epochs} epochs"
        raise ValueError(f"need decay_steps up to the {words}, got {config.decay_steps}")
    return stepped


def new_networks(config: SampleTrainingConfig, channels: int, device: torch.device) -> tuple[Generator, Discriminator]:
    """Both networks on the device, channels last: random, or from where `config.start` says."""
    torch.manual_seed(config.seed)
    generator = Generator(config.latent_dim, config.width, channels, config.size)
    width = config.width_discriminator or config.width
    discriminator = Discriminator(width, channels, config.size, config.norm, config.dropout)
    if config.start:
        load_start(config.start, generator, discriminator)
    return channels_last(generator.to(device)), channels_last(discriminator.to(device))


def load_start(start: str, generator: Generator, discriminator: Discriminator) -> None:
    """Fills G from a weight of the manifest, or both networks from a checkpoint file.

    Raises:
        ValueError: neither of them has that name, or it holds networks of another shape.
    """
    path = file_to_start_from(start)
    try:
        if path is None:
            generator.load_state_dict(load_state_dict(start))
        else:
            networks = read_start(path)["networks"]
            generator.load_state_dict(networks["generator"])
            discriminator.load_state_dict(networks["discriminator"])
    except (KeyError, RuntimeError) as error:  # load_state_dict's answer to other names or shapes
        raise ValueError(
            f"{start} does not fit this configuration (size, widths, latent_dim, norm): {error}"
        ) from error


def to_signed(pictures: Pictures) -> Tensor:
    """(B, H, W, C) uint8 -> (B, C, H, W) float in [-1, 1], which G's tanh ends in; channels last in memory."""
    return to_batch(pictures) * 2 - 1


def from_signed(pictures: Tensor) -> Pictures:
    """(B, C, H, W) in [-1, 1] -> (B, H, W, C) uint8, rounded."""
    return to_images((pictures.float() + 1) / 2)


@torch.no_grad()
def generated(network: Generator, count: int, seed: int, device: torch.device) -> Iterator[Pictures]:
    """`count` pictures of seeded latents, in batches of up to 64 x (size, size, C) uint8."""
    random = torch.Generator().manual_seed(seed)
    for start in range(0, count, _BATCH):
        latents = torch.randn(min(_BATCH, count - start), network.latent_dim, generator=random)
        yield from_signed(network(latents.to(device)))


def square_grid(pictures: Pictures) -> Pictures:
    """A square number of pictures (N, H, W, C) row by row, as one (.., .., 3) RGB picture."""
    side = round(len(pictures) ** 0.5)
    height, width, channels = pictures.shape[1:]
    rows = pictures.reshape(side, side, height, width, channels).transpose(0, 2, 1, 3, 4)
    grid: Pictures = np.repeat(rows.reshape(side * height, side * width, channels), 3 // channels, axis=2)
    return grid
