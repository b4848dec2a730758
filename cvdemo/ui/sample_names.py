"""What files of the Sample tab are called: what was drawn, of which seed, and which of its pictures.

"anime-faces-seed-7-no-03" is the third picture of seed 7, wherever it comes from: the gallery, the ZIP, a pick.
"""

from collections.abc import Sequence

from cvdemo.sample.generate import Pick, generators_or_default
from cvdemo.sample.run import WalkRequest
from cvdemo.ui.serving.result_names import file_stem, in_file_name, numbered, shortened


def seed_stem(generator: str, seed: int) -> str:
    """Of the pictures of a seed."""
    return file_stem(_drawn(generator), f"seed-{seed}")


def pick_stem(pick: Pick) -> str:
    """Of one picture."""
    return file_stem(_drawn(pick.generator), _place(pick))


def way_stem(a: Pick, b: Pick) -> str:
    """Of the pictures on the way from one to another."""
    return file_stem(pick_stem(a), "to", _place(b))


def sum_stem(a: Pick, b: Pick, c: Pick) -> str:
    """Of A − B + C."""
    return file_stem(pick_stem(a), "minus", _place(b), "plus", _place(c))


def walk_stem(request: WalkRequest) -> str:
    """Of a film: the pictures that it goes through, or the seed of its random ones."""
    return file_stem(_drawn(request.generator), "film", _through(request.picks) or f"seed-{request.source.seed}")


def _drawn(generator: str) -> str:
    """What a generator draws, in the words of the page."""
    return in_file_name(generators_or_default().get(generator, generator))


def _place(pick: Pick) -> str:
    return numbered(f"seed-{pick.seed}", pick.number)


def _through(picks: Sequence[Pick]) -> str:
    return shortened(file_stem(*(_place(pick) for pick in picks)))
