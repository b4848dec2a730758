"""The Sample tab for programs: `/interpolate`, `/arithmetic` and `/walk`, with pictures named by seed and index."""

from collections.abc import Sequence
from typing import Any

from torch import Tensor

from cvdemo.errors import InputError
from cvdemo.images import ImageArray
from cvdemo.runtime import Deadline
from cvdemo.sample.generate import (
    Pick,
    PictureNetwork,
    combine,
    generator_of,
    interpolate,
    latents,
    load_generator,
    stops_of,
)
from cvdemo.sample.latent_walk import WalkConfig, film_steps
from cvdemo.ui.wiring.controls import growing_download, whole_number

BETWEEN = 8  # pictures of an interpolation
TIME_LIMIT_S = 60.0
THROUGH_MAX = 16


def interpolate_endpoint(
    generator: str = "dcgan_anime",
    seed_a: int = 0,
    index_a: int = 0,
    seed_b: int = 0,
    index_b: int = 1,
    count: int = BETWEEN,
    truncation: float = 1.0,
) -> Any:
    """`count` pictures from A to B, both included, on the arc between their latents, as PNG.

    A picture is named by its seed and its index, counted from 0, among the pictures of that seed: what `/sample` gives
    at that place of its list.
    """
    a, b = (
        Pick(generator=generator, seed=seed, index=index, truncation=truncation)
        for seed, index in ((seed_a, index_a), (seed_b, index_b))
    )
    return interpolate(load_generator(generator), [a, b], whole_number(count, "The count"))


def arithmetic_endpoint(
    generator: str = "dcgan_anime",
    seed_a: int = 0,
    index_a: int = 0,
    seed_b: int = 0,
    index_b: int = 1,
    seed_c: int = 0,
    index_c: int = 2,
    truncation: float = 1.0,
) -> ImageArray:
    """The picture at A - B + C of three latents, as PNG; pictures are named by seed and index as in `/interpolate`.

    The length of the result is put back to |A| - |B| + |C|, within the range of the three.
    """
    a, b, c = (
        Pick(generator=generator, seed=seed, index=index, truncation=truncation)
        for seed, index in ((seed_a, index_a), (seed_b, index_b), (seed_c, index_c))
    )
    return combine(load_generator(generator), a, b, c)


def walk_endpoint(
    generator: str = "dcgan_anime",
    seed: int = 0,
    truncation: float = 1.0,
    through: Any = None,
    seconds: float = 8.0,
    fps: int = 24,
    stops: int = 6,
    enlarge: int = 4,
) -> str:
    """A film (mp4, H.264) that walks through latents and back to where it began, at constant speed.

    `through` is a list of [seed, index] pairs, such as [[12, 6], [12, 0], [99, 3]]: the pictures that it passes, named
    as in `/interpolate`. Without it the film passes `stops` random points: the first pictures of `seed`.
    """
    config = WalkConfig(seconds=seconds, fps=fps, stops=stops, enlarge=enlarge)
    picks = _pairs(generator, through, truncation)
    network, points, _ = walk_stops(picks, Pick(generator=generator, seed=seed, truncation=truncation), config)
    with growing_download(f"{generator}_walk.mp4") as target:
        for _step in film_steps(target, network, points, config, Deadline(TIME_LIMIT_S)):
            pass
    return str(target)


def _pairs(generator: str, through: Any, truncation: float) -> list[Pick]:
    """The picks that a client named by [seed, index]."""
    if not through:
        return []
    whole = isinstance(through, list) and len(through) <= THROUGH_MAX
    if not whole or not all(isinstance(pair, list) and len(pair) == 2 for pair in through):
        raise InputError(f"through must be a list of at most {THROUGH_MAX} pairs such as [[12, 6], [99, 0]].")
    return [Pick(generator=generator, seed=seed, index=index, truncation=truncation) for seed, index in through]


def walk_stops(picks: Sequence[Pick], source: Pick, config: WalkConfig) -> tuple[PictureNetwork, Tensor, str]:
    """Generator, latents and, in words, where the walk goes: through the picks, else through latents of a seed."""
    if len(picks) == 1:
        raise InputError("A walk needs two picks or more, or none: use another picture as A, B or C, or clear them.")
    name = generator_of(picks) if picks else source.generator
    generator = load_generator(name)
    if picks:
        return generator, stops_of(picks, generator.latent_dim), f"through {len(picks)} picks"
    points = latents(config.stops, generator.latent_dim, source.seed, source.truncation)
    return generator, points, f"through {config.stops} random points of seed {source.seed}"
