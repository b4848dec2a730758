"""The Sample tab for programs: `/interpolate`, `/arithmetic` and `/walk`, with pictures named by seed and index."""

from pathlib import Path
from typing import Any

from cvdemo.demo import Run, Step, last_step, result_of
from cvdemo.errors import InputError
from cvdemo.images import ImageArray
from cvdemo.limits import WALK_S, WALK_STOPS
from cvdemo.sample.generate import TRUNCATION, Pick
from cvdemo.sample.latent_walk import WalkConfig
from cvdemo.sample.run import ArithmeticRequest, InterpolateRequest, WalkRequest
from cvdemo.ui.sample_names import sum_stem, walk_stem, way_stem
from cvdemo.ui.serving.result_names import call_results
from cvdemo.ui.wiring.controls import named, save_download, warn_if_incomplete, whole_number

BETWEEN = 8  # pictures of an interpolation


def interpolate_endpoint(
    run: Run,
    generator: str = "dcgan_anime",
    seed_a: int = 0,
    index_a: int = 0,
    seed_b: int = 0,
    index_b: int = 1,
    count: int = BETWEEN,
    truncation: float = TRUNCATION,
) -> Any:
    """`count` pictures from A to B, both included, on the arc between their latents, as PNG.

    A picture is named by its seed and its index, counted from 0, among the pictures of that seed: what `/sample` gives
    at that place of its list.
    """
    a, b = (
        Pick(generator=generator, seed=seed, index=index, truncation=truncation)
        for seed, index in ((seed_a, index_a), (seed_b, index_b))
    )
    call_results(way_stem(a, b))
    return result_of(run(InterpolateRequest(picks=(a, b), count=whole_number(count, "The count"))))


def arithmetic_endpoint(
    run: Run,
    generator: str = "dcgan_anime",
    seed_a: int = 0,
    index_a: int = 0,
    seed_b: int = 0,
    index_b: int = 1,
    seed_c: int = 0,
    index_c: int = 2,
    truncation: float = TRUNCATION,
) -> ImageArray:
    """The picture at A - B + C of three latents, as PNG; pictures are named by seed and index as in `/interpolate`.

    The length of the result is put back to |A| - |B| + |C|, within the range of the three.
    """
    a, b, c = (
        Pick(generator=generator, seed=seed, index=index, truncation=truncation)
        for seed, index in ((seed_a, index_a), (seed_b, index_b), (seed_c, index_c))
    )
    call_results(sum_stem(a, b, c))
    result: ImageArray = result_of(run(ArithmeticRequest(a=a, b=b, c=c)))
    return result


def walk_endpoint(
    run: Run,
    generator: str = "dcgan_anime",
    seed: int = 0,
    truncation: float = TRUNCATION,
    through: Any = None,
    seconds: float = 8.0,
    fps: int = 24,
    stops: int = 6,
    enlarge: int = 4,
) -> str:
    """A film (mp4, H.264) that walks through latents and back to where it began, at constant speed.

    `through` is a list of [seed, index] pairs, such as [[12, 6], [12, 0], [99, 3]]: the pictures that it passes, named
    as in `/interpolate`. Without it the film passes `stops` random points: the first pictures of `seed`. Where time
    runs out, a warning says so, the film ends where it is, and its name ends in "_incomplete".
    """
    request = WalkRequest(
        config=WalkConfig(seconds=seconds, fps=fps, stops=stops, enlarge=enlarge),
        picks=_pairs(generator, through, truncation),
        source=Pick(generator=generator, seed=seed, truncation=truncation),
        time_limit_s=WALK_S,
    )
    last = last_step(run(request))
    warn_if_incomplete(last, cut_short(last))
    return str(save_film(request, last))


def cut_short(last: Step[bytes]) -> str:
    """What is said of a film that the time limit has ended, without a stop."""
    return (
        f"Time ran out after {last.done} of {last.total} frames: the film ends there and does not loop; "
        "choose a shorter one."
    )


def save_film(request: WalkRequest, last: Step[bytes]) -> Path:
    """The film of the last step as a file to download. Raises `RoomError` where there is no room for it."""
    assert last.result is not None  # the last step has it
    return save_download(named(walk_stem(request), "mp4", last), last.result)


def _pairs(generator: str, through: Any, truncation: float) -> tuple[Pick, ...]:
    """The picks that a client named by [seed, index]."""
    if not through:
        return ()
    whole = isinstance(through, list) and len(through) <= WALK_STOPS
    if not whole or not all(isinstance(pair, list) and len(pair) == 2 for pair in through):
        raise InputError(f"through must be a list of at most {WALK_STOPS} pairs such as [[12, 6], [99, 0]].")
    return tuple(Pick(generator=generator, seed=seed, index=index, truncation=truncation) for seed, index in through)
