"""Generator of 64x64 pictures by Radford's rules, with Chollet's label tricks and an average of G's weights.

The defaults made the published weight on about one shared CPU core. Plain DCGAN drifts when trained on
(StudioGAN: CIFAR-10 FID 49 at 42k steps, 137 at 200k), so the best checkpoint is chosen by FD-Lite0, and
`--loss hinge --label-smoothing 0 --norm spectral` (Miyato et al. 2018) is there for long runs; what was seen
of either is in `train/LOG.md`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor, nn

from cvdemo.nets.dcgan import Discriminator, Generator, Norm
from cvdemo.weights import load_manifest, load_state_dict
from train.checkpoint import load
from train.device import autocast, channels_last
from train.distributed import shard
from train.engine import LoopConfig, Task, epoch_indices
from train.frechet import PROTOCOL, Statistics, frechet_distance, in_batches, lite0_statistics
from train.hdf5 import Pictures, packed_folder, read_pictures
from train.publish import publish as publish_weight
from train.recipe import Context, PublishOptions, Recipe, command_of

WEIGHT = "dcgan_anime"
DATASET = "70,171 anime faces of 96 px (github.com/xiaohuiduan/cgan_anime_face), 68,891 distinct, shrunk to 64 px"

_PREVIEW_SIDE = 8  # pictures a row and column
_BATCH = 64  # pictures generated at once
_NOTES = """
Draws 64-px anime faces from Gaussian latents of length 128, for the Sample tab. Two in a batch are rarely alike, but
eyes differ in size and colour within a face, hair dissolves at the picture's edge, and nothing can be asked for but a
seed. The convolutions are stored in float16 and run in float32.
"""


@dataclass(frozen=True, kw_only=True)
class DcganConfig(LoopConfig):
    """Hyper-parameters; sizes in px, learning rates of Adam."""

    steps: int = 5500
    evaluate_every: int = 500
    preview_every: int = 250
    size: int = 64  # px, 4 times a power of two
    width: int = 32  # channels of G before its last layer and of D after its first
    latent_dim: int = 128
    loss: Literal["bce", "hinge"] = "bce"
    norm: Norm = "batch"  # of D
    dropout: float = 0.0  # [0, 1), in D (Chollet)
    label_smoothing: float = 0.1  # [0, 0.5], real targets become 1 - this; bce only
    label_noise: float = 0.0  # [0, 0.5], targets move inward by up to this, at random; bce only (Chollet: 0.05)
    lr_generator: float = 3e-4
    lr_discriminator: float = 2e-4
    beta1: float = 0.5
    decay_steps: int = 2500  # the last ones, over which both learning rates fall linearly to 0
    flips: bool = True
    fd_pictures: int = 1000  # generated for each FD-Lite0 during training

    def __post_init__(self) -> None:
        if self.loss == "hinge" and (self.label_smoothing or self.label_noise):
            raise ValueError(
                "label smoothing and noise need --loss bce: the hinge loss has no labels; give --label-smoothing 0"
            )


class DcganTask(Task):
    """Alternating steps of D and G on pictures held in memory.

    Args:
        config: hyper-parameters.
        pictures: (N, size, size, 3) uint8.
        device, amp: where, and whether convolutions run in bfloat16.
    """

    config: DcganConfig
    product = "generator"
    metric = "fd_lite0"
    higher_is_better = False

    def __init__(self, config: DcganConfig, pictures: Pictures, device: torch.device, amp: bool) -> None:
        if pictures.shape[1:] != (config.size, config.size, 3):
            raise ValueError(f"need pictures of {config.size} px, got {pictures.shape[1:]}")
        self.config = config
        self.pictures = pictures
        self.device = device
        self.amp = amp
        torch.manual_seed(config.seed)
        generator = Generator(config.latent_dim, config.width, 3, config.size)
        discriminator = Discriminator(config.width, 3, config.size, config.norm, config.dropout)
        self.generator = channels_last(generator.to(device))
        self.discriminator = channels_last(discriminator.to(device))
        self.networks = {"generator": self.generator, "discriminator": self.discriminator}
        betas = (config.beta1, 0.999)
        self.optimizers = {
            "generator": torch.optim.Adam(self.generator.parameters(), config.lr_generator, betas),
            "discriminator": torch.optim.Adam(self.discriminator.parameters(), config.lr_discriminator, betas),
        }
        self.real_statistics: Statistics | None = None

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

        self.discriminator.requires_grad_(True)
        logits_real, logits_fake = self._judge(real, fake.detach())
        loss_d = self._discriminator_loss(logits_real, logits_fake, generator)
        self._update("discriminator", loss_d)

        self.discriminator.requires_grad_(False)
        with autocast(self.device, self.amp):
            logits = self.discriminator(fake)
        loss_g = self._generator_loss(logits.float())
        self._update("generator", loss_g)
        return {
            "loss_d": loss_d.detach(),
            "loss_g": loss_g.detach(),
            "logit_real": logits_real.detach().mean(),
            "logit_fake": logits_fake.detach().mean(),
        }

    def _real_batch(self, step: int, generator: torch.Generator) -> Tensor:
        """(B, 3, size, size) in [-1, 1], half of them mirrored."""
        config = self.config
        indices = epoch_indices(step, config.batch_size, len(self.pictures), config.seed)
        batch = to_signed(self.pictures[indices.numpy()])
        if config.flips:
            mirror = torch.rand(config.batch_size, generator=generator) < 0.5
            batch = torch.where(mirror[:, None, None, None], batch.flip(3), batch)
        return batch.to(self.device, memory_format=torch.channels_last)

    def _judge(self, real: Tensor, fake: Tensor) -> tuple[Tensor, Tensor]:
        """Logits (B,) of both; batch norm must see them apart, else one pass is cheaper."""
        with autocast(self.device, self.amp):
            if self.config.norm == "batch":
                return self.discriminator(real).float(), self.discriminator(fake).float()
            logits_real, logits_fake = self.discriminator(torch.cat([real, fake])).float().chunk(2)
        return logits_real, logits_fake

    def _discriminator_loss(self, real: Tensor, fake: Tensor, generator: torch.Generator) -> Tensor:
        config = self.config
        if config.loss == "hinge":
            return F.relu(1 - real).mean() + F.relu(1 + fake).mean()
        noise_real, noise_fake = config.label_noise * torch.rand(2, config.batch_size, generator=generator)
        target = 1 - config.label_smoothing - shard(noise_real).to(self.device)
        loss_real = F.binary_cross_entropy_with_logits(real, target)
        return loss_real + F.binary_cross_entropy_with_logits(fake, shard(noise_fake).to(self.device))

    def _generator_loss(self, logits: Tensor) -> Tensor:
        """The non-saturating loss, or minus the mean logit for the hinge game."""
        return -logits.mean() if self.config.loss == "hinge" else F.softplus(-logits).mean()

    def _update(self, name: str, loss: Tensor) -> None:
        self.optimizers[name].zero_grad(set_to_none=True)
        self.backward(loss)
        self.update(name)

    @torch.no_grad()
    def preview(self, network: nn.Module, path_without_suffix: Path) -> None:
        """Writes a PNG grid of fixed latents."""
        latents = torch.randn(_PREVIEW_SIDE**2, self.config.latent_dim, generator=torch.Generator().manual_seed(1))
        pictures = to_uint8(network(latents.to(self.device)))
        save_grid(pictures, path_without_suffix.with_suffix(".png"))

    def evaluate(self, network: nn.Module) -> dict[str, float]:
        """FD-Lite0 of `fd_pictures` generated pictures against as many of the training set, in this run's precision."""
        config = self.config
        count = min(config.fd_pictures, len(self.pictures))
        if self.real_statistics is None:
            order = np.random.default_rng(config.seed).permutation(len(self.pictures))
            real = self.pictures[np.sort(order[:count])]
            self.real_statistics = lite0_statistics(in_batches(real), self.device, self.amp)
        assert isinstance(network, Generator)
        fakes = generated(network, count, config.seed, self.device)
        return {"fd_lite0": frechet_distance(lite0_statistics(fakes, self.device, self.amp), self.real_statistics)}


def to_signed(pictures: Pictures) -> Tensor:
    """(B, H, W, 3) uint8 -> (B, 3, H, W) float in [-1, 1], channels last in memory."""
    return torch.from_numpy(pictures).permute(0, 3, 1, 2).float() / 127.5 - 1


def to_uint8(pictures: Tensor) -> Pictures:
    """(B, 3, H, W) in [-1, 1] -> (B, H, W, 3) uint8, rounded."""
    scaled = ((pictures.float() + 1) * 127.5).round().clamp(0, 255)
    array: Pictures = scaled.permute(0, 2, 3, 1).to(torch.uint8).cpu().numpy()
    return array


@torch.no_grad()
def generated(network: Generator, count: int, seed: int, device: torch.device) -> Iterator[Pictures]:
    """`count` pictures of seeded latents, in batches of up to 64 x (size, size, 3) uint8."""
    random = torch.Generator().manual_seed(seed)
    latent_dim = network.latent_dim
    for start in range(0, count, _BATCH):
        latents = torch.randn(min(_BATCH, count - start), latent_dim, generator=random)
        yield to_uint8(network(latents.to(device)))


def save_grid(pictures: Pictures, path: Path) -> None:
    """Writes a square number of pictures, row by row, as one PNG."""
    side = round(len(pictures) ** 0.5)
    rows = [np.concatenate(list(pictures[row * side : (row + 1) * side]), axis=1) for row in range(side)]
    Image.fromarray(np.concatenate(rows)).save(path)


def load_pictures(data: Path, size: int) -> Pictures:
    """Pictures of an HDF5 file, or of a folder, which is packed into `FOLDER_SIZE.h5` beside it when it has changed."""
    return read_pictures(packed_folder(data, data.with_name(f"{data.name}_{size}.h5"), size) if data.is_dir() else data)


def build(config: DcganConfig, context: Context) -> DcganTask:
    """The task on the context's data; noise pictures without data."""
    if context.data is None:
        rng = np.random.default_rng(config.seed)
        pictures = rng.integers(0, 256, (4 * config.batch_size, config.size, config.size, 3), dtype=np.uint8)
    else:
        pictures = load_pictures(context.data, config.size)
    return DcganTask(config, pictures, context.device, context.amp)


def evaluate(name: str, context: Context) -> dict[str, Any]:
    """FD-Lite0 of a published generator: generated against real, and real against other real (the floor).

    Args:
        name: in the manifest.
        context: its data are the real pictures, its `pictures` the n of each of the three sets; half of the data
            where they are fewer than 2 n.

    Raises:
        ValueError: no data.
    """
    generator = Generator(**{key: value for key, value in load_manifest()[name].network.items() if key != "name"})
    generator.load_state_dict(load_state_dict(name))
    return measure(generator.eval().to(context.device), context)


def measure(generator: Generator, context: Context, seed: int = 2026) -> dict[str, Any]:
    """FD-Lite0 and its floor in float32, with the n of each; see `evaluate`."""
    if context.data is None:
        raise ValueError("FD-Lite0 needs real pictures: give --data")
    real = load_pictures(context.data, generator.size)
    count = min(context.pictures, len(real) // 2)
    chosen = real[np.random.default_rng(seed).permutation(len(real))[: 2 * count]]
    real_statistics = lite0_statistics(in_batches(chosen[:count]), context.device)
    other_statistics = lite0_statistics(in_batches(chosen[count:]), context.device)
    fakes = generated(generator, count, seed, context.device)
    return {
        "fd_lite0": frechet_distance(lite0_statistics(fakes, context.device), real_statistics),
        "floor_real_real": frechet_distance(other_statistics, real_statistics),
        "n": count,
        "seed": seed,
        "protocol": PROTOCOL,
        "split": "training pictures",
    }


def publish(config: DcganConfig, out: Path, context: Context, options: PublishOptions) -> str:
    """Stores the averaged generator, its convolutions in float16, measured as stored."""
    state = load(out / options.checkpoint)
    shape = {"latent_dim": config.latent_dim, "width": config.width, "channels": 3, "size": config.size}
    generator = Generator(**shape)
    generator.load_state_dict(state["ema"])
    generator.eval().to(context.device)
    stored = {key: t.half() if t.ndim == 4 else t for key, t in generator.state_dict().items()}
    generator.load_state_dict(stored)  # what is measured is what is stored
    result = measure(generator, context)
    publish_weight(
        options.name or WEIGHT,
        stored,
        task="sample",
        network={"name": "dcgan", **shape},
        preprocessing={"latents": "N(0, 1)", "range": [-1, 1], "colour": "RGB"},
        labels=None,
        recipe=RECIPE.name,
        command=command_of(RECIPE.name, config),
        dataset=DATASET,
        licence="Apache-2.0 for the weights; the training pictures are fan art collected without a licence",
        seed=config.seed,
        hardware=state["hardware"],
        hours=round(state["seconds"] / 3600, 2),
        metric={
            "name": "FD-Lite0",
            "value": {"fd_lite0": round(result["fd_lite0"], 2), "floor": round(result["floor_real_real"], 2)},
            "protocol": f"{PROTOCOL}; generated against real, floor: real against other real",
            "split": f"training pictures, after {state['step']} steps of {config.batch_size}",
            "n": result["n"],
            "command": f"python -m train evaluate {options.name or WEIGHT} --data DIR --pictures {result['n']} --json",
        },
        notes=_NOTES,
        weights_dir=options.weights_dir,
    )
    return options.name or WEIGHT


RECIPE = Recipe(
    name="dcgan",
    dataset=DATASET,
    goal="faces at 64 px; FD-Lite0 as low as the hours allow",
    weights=(WEIGHT,),
    config=DcganConfig,
    dry_run={"size": 16, "width": 8, "latent_dim": 8, "batch_size": 8, "fd_pictures": 16},
    build=build,
    publish=publish,
    evaluate=evaluate,
)
