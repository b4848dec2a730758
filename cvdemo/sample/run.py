"""One way to run what the Sample demo does, by its requests: pictures of a seed, of picks, between them, and films.

Pictures are named by `Pick`, from which they are drawn again wherever they are needed.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from math import degrees
from typing import ClassVar

import numpy as np
import numpy.typing as npt
from torch import Tensor

from cvdemo.demo import Lane, Request, Step, seconds_left
from cvdemo.errors import InputError
from cvdemo.images import ImageArray
from cvdemo.runtime import Deadline
from cvdemo.sample.generate import (
    BATCH,
    Pick,
    PictureNetwork,
    SampleConfig,
    combine,
    generate,
    generator_of,
    latents,
    latents_between,
    load_generator,
    sample_latents,
    stops_of,
)
from cvdemo.sample.latent_walk import WalkConfig, film_steps
from cvdemo.sample.latents import angle

ANGLE = "angle_deg"  # the measure of an interpolation: the angles from pick to pick, added up


@dataclass(frozen=True, kw_only=True, eq=False)
class SampleRequest(Request):
    """The pictures of a seed."""

    config: SampleConfig = field(default_factory=SampleConfig)


@dataclass(frozen=True, kw_only=True, eq=False)
class PicksRequest(Request):
    """Single pictures, each with its latent; they may be of several generators."""

    picks: tuple[Pick, ...]


@dataclass(frozen=True)
class PickedPicture:
    """One picture, uint8 (size, size, 3), and the latent that it is drawn from, float32 (latent_dim,)."""

    image: ImageArray
    latent: npt.NDArray[np.float32]


@dataclass(frozen=True, kw_only=True, eq=False)
class InterpolateRequest(Request):
    """`count` pictures on the way from pick to pick, first and last included."""

    picks: tuple[Pick, ...]
    count: int


@dataclass(frozen=True, kw_only=True, eq=False)
class ArithmeticRequest(Request):
    """The picture of A - B + C."""

    a: Pick
    b: Pick
    c: Pick


@dataclass(frozen=True, kw_only=True, eq=False)
class WalkRequest(Request):
    """A film that goes through latents and back to the first.

    Attributes:
        picks: the pictures that it passes, two or more; without any it passes the first `config.stops` of `source`.
        source: generator, seed and truncation where nothing is picked; its index is not read.
    """

    usual_lane: ClassVar[Lane] = Lane.SLOW

    config: WalkConfig = field(default_factory=WalkConfig)
    picks: tuple[Pick, ...] = ()
    source: Pick = field(default_factory=Pick)

    @property
    def generator(self) -> str:
        """The name of the generator that draws it. Raises `InputError` where the picks belong to several."""
        return generator_of(self.picks) if self.picks else self.source.generator


def run_sample(request: SampleRequest) -> Iterator[Step[list[ImageArray]]]:
    """The pictures, some a step; number i of a seed is the same whatever the count."""
    deadline = Deadline(request.time_limit_s)
    generator = load_generator(request.config.generator, request.device)
    yield from _drawn(generator, sample_latents(request.config, generator.latent_dim), deadline)


def run_picks(request: PicksRequest) -> Iterator[Step[list[PickedPicture]]]:
    """One step: each pick drawn."""
    drawn = []
    for pick in request.picks:
        generator = load_generator(pick.generator, request.device)
        latent = pick.latent(generator.latent_dim)
        drawn.append(PickedPicture(generate(generator, latent[None])[0], latent.numpy()))
    yield Step(done=1, total=1, result=drawn)


def run_interpolate(request: InterpolateRequest) -> Iterator[Step[list[ImageArray]]]:
    """The pictures, some a step. The steps measure `ANGLE`.

    Raises:
        InputError: the picks belong to several generators or are one and the same, or the count is below 2.
    """
    deadline = Deadline(request.time_limit_s)
    generator = load_generator(generator_of(request.picks), request.device)
    stops = stops_of(request.picks, generator.latent_dim)
    measures = {ANGLE: degrees(sum(angle(a, b) for a, b in pairwise(stops)))}
    yield from _drawn(generator, latents_between(stops, request.count), deadline, measures)


def run_arithmetic(request: ArithmeticRequest) -> Iterator[Step[ImageArray]]:
    """One step: the picture.

    Raises:
        InputError: the picks belong to several generators.
    """
    picks = (request.a, request.b, request.c)
    generator = load_generator(generator_of(picks), request.device)
    yield Step(done=1, total=1, result=combine(generator, *picks))


def run_walk(request: WalkRequest) -> Iterator[Step[bytes]]:
    """The steps of `film_steps`: an mp4 file; where the time limit came first, of the frames so far.

    Raises:
        InputError: there is one pick alone, the picks are one and the same, or belong to several generators.
    """
    deadline = Deadline(request.time_limit_s)
    if len(request.picks) == 1:
        raise InputError("A walk needs two picks or more, or none: use another picture as A, B or C, or clear them.")
    generator = load_generator(request.generator, request.device)
    yield from film_steps(generator, _walk_stops(request, generator.latent_dim), request.config, deadline)


def _walk_stops(request: WalkRequest, dim: int) -> Tensor:
    """The latents (K, dim) that a walk passes."""
    if request.picks:
        return stops_of(request.picks, dim)
    return latents(request.config.stops, dim, request.source.seed, request.source.truncation)


def _drawn(
    generator: PictureNetwork, points: Tensor, deadline: Deadline, measures: dict[str, float] | None = None
) -> Iterator[Step[list[ImageArray]]]:
    """The pictures at latents (N, latent_dim), some a step, until the deadline."""
    pictures: list[ImageArray] = []
    for start in range(0, len(points), BATCH):
        pictures = pictures + generate(generator, points[start : start + BATCH])
        done, total = len(pictures), len(points)
        ended = done == total or deadline.expired
        yield Step(
            done=done,
            total=total,
            seconds_left=seconds_left(deadline, done, total),
            partial=pictures,
            measures=measures or {},
            result=pictures if ended else None,
            complete=done == total or not ended,
        )
        if ended:
            return
