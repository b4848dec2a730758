"""Sampling: small pictures that a DCGAN generator makes of Gaussian latents.

A. Radford, L. Metz and S. Chintala, "Unsupervised Representation Learning with Deep Convolutional Generative
Adversarial Networks", ICLR 2016. Truncation is that of T. Karras et al., "A Style-Based Generator Architecture", CVPR
2019, appendix B: latents are pulled towards their mean, here zero, by a factor, so a sample keeps its identity while
the factor changes. (Brock et al., "Large Scale GAN Training", ICLR 2019, resample large values instead.) In a DCGAN it
costs contrast: the first layer is linear and the norms after it have fixed statistics, so smaller latents are smaller
activations, and pictures fade towards the average one.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from cvdemo.config import SEED_MAX, Config, setting
from cvdemo.errors import InputError, WeightsError, brief
from cvdemo.images import ImageArray, to_image
from cvdemo.nets.dcgan import Generator
from cvdemo.nets.forward import Engine, forward_engine
from cvdemo.runtime import load_once, resolve_device
from cvdemo.sample.latents import arithmetic, path
from cvdemo.weights import BASELINE, WeightEntry, entry_of, load_manifest, load_state_dict

DEFAULT_GENERATOR = "dcgan_anime"
LABELS = {  # others are called after their weight
    "dcgan_anime": "Anime faces",
    "dcgan_faces": "Faces as in photographs",
    "dcgan_fashion": "Clothes",
    "dcgan_plain": "Anime faces, by the recipe of 2016",
}
TASK = "sample"  # of generators, in the manifest
TRUNCATION = 0.7  # more of the pictures are whole, and those that nobody picked are shown
BATCH = 16
COUNT_MAX = 64  # pictures of one seed
GRID_GAP_PX = 2


@dataclass(frozen=True, kw_only=True)
class SampleConfig(Config):
    """What is drawn."""

    generator: str = setting(DEFAULT_GENERATOR, "Generator", help="What it learned to draw.")
    count: int = setting(16, "Pictures", minimum=1, maximum=COUNT_MAX, step=1)
    seed: int = setting(0, "Seed", minimum=0, maximum=SEED_MAX, step=1, help="The same seed gives the same pictures.")
    truncation: float = setting(
        TRUNCATION,
        "Variety",
        minimum=0.1,
        maximum=1.0,
        step=0.05,
        help="1: as varied as possible. Lower: the pictures are more alike and paler, and fewer go wrong.",
    )


@dataclass(frozen=True, kw_only=True)
class Pick(Config):
    """One picture of a seed: the latent in row `index`, counted from 0, of `latents`."""

    generator: str = setting(DEFAULT_GENERATOR, "Generator")
    seed: int = setting(0, "Seed", minimum=0, maximum=SEED_MAX, step=1)
    index: int = setting(0, "Index", minimum=0, maximum=COUNT_MAX - 1, step=1)
    truncation: float = setting(TRUNCATION, "Variety", minimum=0.1, maximum=1.0, step=0.05)

    @property
    def number(self) -> int:
        """As pictures are counted on the page and in the names of files: from 1."""
        return self.index + 1

    def latent(self, dim: int) -> Tensor:
        """Its `dim` numbers, (dim,)."""
        return latents(self.index + 1, dim, self.seed, self.truncation)[self.index]


def generators(weights_dir: Path | None = None) -> dict[str, str]:
    """The label of each generator in the manifest, by name: the default one first, those to compare with last."""
    entries = load_manifest(weights_dir)
    names = [name for name, entry in entries.items() if entry.task == TASK or _is_baseline(entry)]
    names.sort(key=lambda name: (_is_baseline(entries[name]), name != DEFAULT_GENERATOR, name))
    return {name: _label(name) + (", to compare" if _is_baseline(entries[name]) else "") for name in names}


def _is_baseline(entry: WeightEntry) -> bool:
    return entry.task == BASELINE and entry.network["name"] == "dcgan"


def _label(name: str) -> str:
    return LABELS.get(name, name.removeprefix("dcgan_").replace("_", " ").capitalize())


def generators_or_default() -> dict[str, str]:
    """`generators`, or the default one alone where there are none or the manifest cannot be read: using it says why."""
    default = {DEFAULT_GENERATOR: LABELS[DEFAULT_GENERATOR]}
    try:
        return generators() or default
    except WeightsError:
        return default


class PictureNetwork(Protocol):
    """What is needed of a generator: latents (B, latent_dim) -> pictures (B, 1 or 3, size, size) in [-1, 1]."""

    @property
    def latent_dim(self) -> int: ...

    def __call__(self, latents: Tensor) -> Tensor: ...


@dataclass(frozen=True)
class ForwardGenerator:
    """A generator that only runs forward; latents and pictures are on the CPU, wherever it runs.

    Attributes:
        layers: latents (B, latent_dim, 1, 1) on `device` -> pictures there.
    """

    layers: Engine
    latent_dim: int
    device: torch.device

    def __call__(self, latents: Tensor) -> Tensor:
        return self.layers(latents[:, :, None, None].to(self.device)).cpu()


@load_once
def load_generator(name: str = DEFAULT_GENERATOR, device: str = "auto") -> ForwardGenerator:
    """The generator of that name in the manifest, loaded on first use and shared.

    Raises:
        WeightsError: there is no such generator, or its file is missing or altered.
    """
    if name not in generators():
        there_is = ", ".join(generators()) or "none yet"
        raise WeightsError(f"There is no generator named {brief(name)}; there is {there_is}.")
    target = resolve_device(device)
    generator = read_generator(name).requires_grad_(False).to(target)
    shape = ("batch", generator.latent_dim, 1, 1)
    return ForwardGenerator(forward_engine(generator.layers, device=target, shape=shape), generator.latent_dim, target)


def read_generator(name: str, weights_dir: Path | None = None) -> Generator:
    """A generator of a manifest by name, baselines included: in eval mode, on the CPU, not shared.

    Raises:
        WeightsError: there is no such weight, it is no generator, or its file is missing or altered.
    """
    shape = dict(entry_of(name, weights_dir).network)
    if shape.pop("name") != "dcgan":
        raise WeightsError(f"{brief(name)} is not a generator.")
    generator = Generator(**shape)
    generator.load_state_dict(load_state_dict(name, weights_dir))
    return generator.eval()


def latents(count: int, dim: int, seed: int, truncation: float = 1.0) -> Tensor:
    """(count, dim) latents from N(0, truncation^2); row i is the same whatever the count.

    Args:
        truncation: factor in (0, 1]; 1 leaves the Gaussian as it is.

    Raises:
        ValueError: a count or dim below 1, or a truncation out of range.
    """
    if count < 1 or dim < 1 or not 0 < truncation <= 1:
        raise ValueError(f"need count, dim >= 1 and truncation in (0, 1], got {count=}, {dim=}, {truncation=}")
    rng = torch.Generator().manual_seed(seed)
    rows = [torch.randn(dim, generator=rng) for _ in range(count)]  # one by one: the order of draws is then fixed
    return truncation * torch.stack(rows)


@torch.inference_mode()
def generate(generator: PictureNetwork, points: Tensor) -> list[ImageArray]:
    """The pictures, uint8 (size, size, 3) RGB, at latents (N, latent_dim), on the CPU as the generator is."""
    pictures: list[ImageArray] = []
    for start in range(0, len(points), BATCH):
        signed = generator(points[start : start + BATCH])  # (B, 3, size, size) in [-1, 1]
        pictures += [to_image(picture) for picture in (signed + 1) / 2]
    return pictures


def sample_latents(config: SampleConfig, dim: int) -> Tensor:
    """The latents (config.count, dim) of the pictures of a seed."""
    return latents(config.count, dim, config.seed, config.truncation)


def generator_of(picks: Sequence[Pick]) -> str:
    """The name of the generator that all picks belong to.

    Raises:
        InputError: they belong to several, so their latents have nothing in common.
    """
    names = sorted({pick.generator for pick in picks})
    if len(names) > 1:
        known = generators()
        labels = " and ".join(known.get(name, name) for name in names)
        raise InputError(f"The picks come from different generators, {labels}: pick all from one.")
    return names[0]


def stops_of(picks: Sequence[Pick], dim: int) -> Tensor:
    """The latents (K, dim) of picks between which there is a way.

    Raises:
        InputError: all picks are one and the same picture.
    """
    if len(set(picks)) < 2:
        raise InputError("There is no way from a picture to itself: pick two different ones.")
    return torch.stack([pick.latent(dim) for pick in picks])


def latents_between(stops: Tensor, count: int) -> Tensor:
    """`count` latents evenly along the arcs from stop to stop (K, dim), first and last included; see `latents.path`.

    Raises:
        InputError: the count is below 2.
    """
    if count < 2:
        raise InputError(f"The count includes both ends, so it is at least 2; {count} was asked for.")
    return path(stops, count)


def combine(generator: PictureNetwork, a: Pick, b: Pick, c: Pick) -> ImageArray:
    """The picture of A - B + C; see `cvdemo.sample.latents.arithmetic`."""
    point = arithmetic(*(pick.latent(generator.latent_dim) for pick in (a, b, c)))
    return generate(generator, point[None])[0]


def columns_for(count: int) -> int:
    """Columns of a grid as near to a square as can be, wider rather than higher."""
    return max(1, int(np.ceil(np.sqrt(count))))


def grid(images: Sequence[ImageArray], columns: int, gap_px: int = GRID_GAP_PX) -> ImageArray:
    """The pictures row by row on white, `gap_px` apart; the last row may be shorter.

    Raises:
        ValueError: no pictures, pictures of different sizes, or no column.
    """
    if not images or columns < 1 or len({image.shape for image in images}) != 1:
        raise ValueError(f"need pictures of one size and columns >= 1, got {len(images)} pictures, {columns=}")
    height, width = images[0].shape[:2]
    rows = -(-len(images) // columns)
    sheet_hw = rows * (height + gap_px) - gap_px, min(columns, len(images)) * (width + gap_px) - gap_px
    sheet = np.full((*sheet_hw, 3), 255, np.uint8)
    for index, image in enumerate(images):
        top, left = index // columns * (height + gap_px), index % columns * (width + gap_px)
        sheet[top : top + height, left : left + width] = image
    return sheet
