"""How a taught head's settings were chosen: accuracy by classes and pictures: `python -m bench.few_pictures FOLDER`.

FOLDER has a sub-folder of pictures for each class. Each line is a lesson of some classes with a few pictures of each,
drawn anew `--draws` times; all other pictures of the classes are tested. Cells are rank-1 in per cent and log loss.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from cvdemo.classify.few_pictures import Classes, Floats, Span, fit
from cvdemo.classify.taught_head import features_of
from cvdemo.images import PICTURE_SUFFIXES, read_image

LESSONS = ((2, 2), (2, 5), (3, 5), (5, 5), (10, 5), (5, 10))  # classes, pictures of each
STRENGTHS = (1.0, 10.0, 30.0, 100.0, 1000.0)
OWN_DEVIATION = 30.0  # the strength at which each feature is divided by its own deviation
SEED = 0


def features_in(folder: Path, most: int) -> tuple[Floats, Classes]:
    """The features of at most so many pictures of each class, drawn at random, and their classes."""
    rng = np.random.default_rng(SEED)
    features: list[npt.NDArray[np.float32]] = []
    classes: list[int] = []
    for k, place in enumerate(sorted(path for path in folder.iterdir() if path.is_dir())):
        files = sorted(path for path in place.iterdir() if path.suffix.lower() in PICTURE_SUFFIXES)
        for index in rng.permutation(len(files))[:most]:
            features.append(features_of(read_image(files[index])))
            classes.append(k)
    return np.stack(features).astype(np.float64), np.array(classes)


def draw(classes: Classes, count: int, each: int, seed: int) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
    """Places of the pictures of a lesson, and of all others of its classes."""
    rng = np.random.default_rng(seed)
    shuffled = [rng.permutation(np.flatnonzero(classes == k)) for k in rng.permutation(classes.max() + 1)[:count]]
    return np.concatenate([of[:each] for of in shuffled]), np.concatenate([of[each:] for of in shuffled])


def measured(taught: Floats, new: Floats, own: Classes, truth: Classes, c: float) -> tuple[float, float]:
    """Rank-1 in per cent and log loss of a head on new pictures."""
    names, places = np.unique(own, return_inverse=True)
    span = Span.of(taught)
    shares = span.unfold(fit(span.coordinates, places, len(names), c)).probabilities(new)
    wanted = np.searchsorted(names, truth)
    right = 100 * (shares.argmax(axis=1) == wanted).mean()
    return float(right), float(-np.log(shares[np.arange(len(wanted)), wanted] + 1e-9).mean())


def line(features: Floats, classes: Classes, count: int, each: int, draws: int) -> str:
    """A row of the table."""
    found: list[list[tuple[float, float]]] = []
    for seed in range(draws):
        taught, new = draw(classes, count, each, seed)
        a, b, own, truth = features[taught], features[new], classes[taught], classes[new]
        deviation = a.std(axis=0)
        deviation[deviation < 1e-6] = 1
        cells = [measured(a, b, own, truth, c) for c in STRENGTHS]
        found.append([*cells, measured(a / deviation, b / deviation, own, truth, OWN_DEVIATION)])
    means = np.array(found).mean(axis=0)
    return f"| {count}, {each} | " + " | ".join(f"{right:.1f}, {loss:.2f}" for right, loss in means) + " |"


def main(argv: Sequence[str] | None = None) -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(prog="python -m bench.few_pictures", description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--most", type=int, default=16, help="pictures of a class")
    parser.add_argument("--draws", type=int, default=10)
    args = parser.parse_args(argv)
    features, classes = features_in(args.folder, args.most)
    heads = [*(f"one number, C = {c:g}" for c in STRENGTHS), f"a number for each feature, C = {OWN_DEVIATION:g}"]
    print("| classes, pictures of each | " + " | ".join(heads) + " |\n|---|" + "---:|" * len(heads))
    for count, each in LESSONS:
        if count <= classes.max() + 1:
            print(line(features, classes, count, each, args.draws), flush=True)


if __name__ == "__main__":
    main()
