"""Which layer of the backbone gives the best features, by size and likeness of data: docs/how-to/choose-features.md.

    python -m scripts.feature_blocks --cats-dogs DIR --clothing DIR --bccd DIR --flowers17 DIR --out DIR

Each data set is learned twice: from 10 pictures of each class, the mean of three draws, and from 100 of each at most.
Features are a layer's activations averaged over the picture, standardised. A quarter of the training pictures chooses
the strength of L2, by whole steps of ten; then all of them are learned from. Tested are 100 pictures of each class at
most, half of them where there are few; none is in both. Digits are those that scikit-learn brings, 8 px wide. The 17
flowers are of M.-E. Nilsback and A. Zisserman, "A visual vocabulary for flower classification", CVPR 2006.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import LinearSVC
from torch import Tensor

from cvdemo.nets.efficientnet_lite import fold_batch_norm, layer_channels
from train.classify.features import backbone, outputs, preprocessing_at
from train.data.datasets import class_files, read_cats_dogs
from train.data.read_pictures import Pictures, read_rgb
from train.engine.device import amp_is_fast, channels_last
from train.engine.writing import write_whole
from train.recipes.bccd_detector import read_split

LAYERS = ("block2", "block4", "block7", "block10", "block14", "head")
CLASSIFIERS = ("logistic", "svm")
INPUT_PX = 224
FEW, MANY, TESTED = 10, 100, 100  # pictures of each class
DRAWS = 3  # of the few
STRENGTHS = (1e-4, 1e-3, 1e-2, 1e-1)  # scikit-learn's C: one over the L2
FLOWERS, OF_EACH_FLOWER = 17, 80  # kinds, and pictures of each in the order of their numbers
_MARGIN = 0.3  # of a cell's longer side, which its crop shows on each side of it

Values = npt.NDArray[np.float32]
Labels = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Subject:
    """A data set: its pictures, (N,) labels of K classes, and whether it is like what the backbone knows."""

    name: str
    alike: bool
    pictures: Iterable[Pictures]
    labels: Labels

    @property
    def classes(self) -> int:
        return int(self.labels.max()) + 1


def chosen(labels: Labels, most: int, seed: int = 0) -> Labels:
    """Indices of at most so many samples of each class, in random order within it."""
    random = np.random.default_rng(seed)
    parts = [random.permutation(np.flatnonzero(labels == label))[:most] for label in np.unique(labels)]
    return np.concatenate(parts)


def files_of(name: str, files: Sequence[Path], labels: Labels) -> Subject:
    """A subject of picture files that is like ImageNet, no more of it than is used."""
    kept = chosen(labels, MANY + TESTED)
    return Subject(name, True, (read_rgb(files[index]) for index in kept), labels[kept])


def flowers17(data: Path) -> Subject:
    """The 1,360 files image_0001.jpg to image_1360.jpg of a folder: 17 kinds of flowers, 80 in a row.

    Raises:
        ValueError: they are not these.
    """
    files = sorted(data.glob("image_*.jpg"))
    wanted = [f"image_{number:04d}.jpg" for number in range(1, FLOWERS * OF_EACH_FLOWER + 1)]
    if [file.name for file in files] != wanted:
        raise ValueError(f"need {wanted[0]} to {wanted[-1]} in {data}, got {len(files)} files of such names")
    return files_of("17 flowers", files, np.arange(len(files), dtype=np.int64) // OF_EACH_FLOWER)


def cells(data: Path) -> Subject:
    """Crops around the cells of BCCD, no more than is used."""
    annotated = [one for split in ("train", "validation", "test") for one in read_split(data, split)]
    boxes = [(one.path, box) for one in annotated for box in one.truth.xyxy]
    labels = np.concatenate([one.truth.classes for one in annotated])
    kept = chosen(labels, MANY + TESTED)
    return Subject("blood cells", False, (_cropped(*boxes[index]) for index in kept), labels[kept])


def _cropped(path: Path, xyxy: npt.NDArray[np.float32]) -> Pictures:
    x1, y1, x2, y2 = xyxy
    half = (0.5 + _MARGIN) * max(x2 - x1, y2 - y1)
    x, y = (x1 + x2) / 2, (y1 + y2) / 2
    box = (round(x - half), round(y - half), round(x + half), round(y + half))
    return np.asarray(Image.fromarray(read_rgb(path)).crop(box))


def digits() -> Subject:
    """scikit-learn's handwritten digits, 8 px, as RGB pictures, no more than is used."""
    found = load_digits()
    labels = found.target.astype(np.int64)
    kept = chosen(labels, MANY + TESTED)
    grey = (255 * found.images[kept] / 16).round().astype(np.uint8)
    return Subject("digits", False, np.repeat(grey[..., None], 3, axis=3), labels[kept])


def features_of(subject: Subject, input_px: int = INPUT_PX) -> dict[str, Values]:
    """(N, C) of every layer, from one pass through the backbone at that size."""
    device = torch.device("cpu")
    network = channels_last(fold_batch_norm(backbone()))

    def pooled(pixels: Tensor) -> Tensor:
        found = network.features(pixels, LAYERS)
        return torch.cat([found[layer].float().mean(dim=(2, 3)) for layer in LAYERS], dim=1)

    batches = outputs(pooled, subject.pictures, preprocessing_at(input_px), device, amp=amp_is_fast(device))
    together = torch.cat([batch[:, 0] for batch in batches])
    sizes = [layer_channels()[layer] for layer in LAYERS]
    return {layer: part.numpy() for layer, part in zip(LAYERS, torch.split(together, sizes, dim=1), strict=True)}


def accuracy(values: Values, labels: Labels, train: Labels, test: Labels, classifier: str) -> float:
    """Per cent of the test pictures that are right, after the strength of L2 was chosen on a part of the others."""
    fit, choose = train_test_split(train, test_size=0.25, random_state=0, stratify=labels[train])
    scores = [
        _made(classifier, c).fit(values[fit], labels[fit]).score(values[choose], labels[choose]) for c in STRENGTHS
    ]
    best = STRENGTHS[int(np.argmax(scores))]
    model = _made(classifier, best).fit(values[train], labels[train])
    return 100 * float(model.score(values[test], labels[test]))


def _made(classifier: str, c: float) -> Any:
    model = LogisticRegression(C=c, max_iter=1000) if classifier == "logistic" else LinearSVC(C=c, max_iter=20_000)
    return make_pipeline(StandardScaler(), model)


def splits(labels: Labels) -> tuple[Labels, Labels]:
    """Indices to train on and to test: of each class at most a half is tested."""
    members = [np.random.default_rng(0).permutation(np.flatnonzero(labels == label)) for label in np.unique(labels)]
    test = np.concatenate([each[: min(TESTED, len(each) // 2)] for each in members])
    return np.setdiff1d(np.arange(len(labels)), test), test


def measured(subject: Subject, found: dict[str, Values]) -> list[dict[str, Any]]:
    """One row for each number of training pictures and classifier: accuracy by layer."""
    labels = subject.labels
    rest, test = splits(labels)
    many = rest[chosen(labels[rest], MANY)]
    few = [rest[chosen(labels[rest], FEW, seed)] for seed in range(DRAWS)]
    rows = []
    for size, draws in (("few", few), ("more", [many])):
        for classifier in CLASSIFIERS:
            by_layer = {
                layer: [accuracy(values, labels, train, test, classifier) for train in draws]
                for layer, values in found.items()
            }
            rows.append(
                {
                    "data": subject.name, "alike": subject.alike, "classes": subject.classes, "size": size,
                    "train": len(draws[0]), "test": len(test), "classifier": classifier,
                    "accuracy": {layer: round(float(np.mean(each)), 1) for layer, each in by_layer.items()},
                }
            )  # fmt: skip
    return rows


def markdown(rows: Sequence[dict[str, Any]]) -> str:
    """The rows as a table; the best layer of each is bold."""
    lines = ["| Data | Like ImageNet | Train | Test | Classifier | " + " | ".join(LAYERS) + " |"]
    lines.append("|" + "---|" * (5 + len(LAYERS)))
    for row in rows:
        best = max(row["accuracy"].values())
        cells = [f"**{value}**" if value == best else str(value) for value in row["accuracy"].values()]
        head = [
            row["data"],
            "yes" if row["alike"] else "no",
            f"{row['train']:,}",
            f"{row['test']:,}",
            row["classifier"],
        ]
        lines.append("| " + " | ".join([*head, *cells]) + " |")
    return "\n".join(lines)


def subjects(args: argparse.Namespace) -> Iterator[Subject]:
    """The data sets that are given, and the digits unless they are not wanted."""
    if args.cats_dogs:
        files, labels, _ = read_cats_dogs(args.cats_dogs)
        yield files_of("cats and dogs", files, labels)
    if args.clothing:
        files, labels, _ = class_files(args.clothing / "train")
        yield files_of("clothing", files, labels)
    if args.bccd:
        yield cells(args.bccd)
    if args.flowers17:
        yield flowers17(args.flowers17)
    if args.digits:
        yield digits()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--cats-dogs", type=Path, help="folder of cat.N.jpg and dog.N.jpg")
    parser.add_argument("--clothing", type=Path, help="clothing-dataset-small")
    parser.add_argument("--bccd", type=Path, help="the folder BCCD")
    parser.add_argument("--flowers17", type=Path, help="folder of image_0001.jpg to image_1360.jpg, 17 flowers")
    parser.add_argument("--digits", action=argparse.BooleanOptionalAction, default=True, help="measure the digits too")
    parser.add_argument("--out", type=Path, required=True, help="folder for feature_blocks.json")
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    rows: list[dict[str, Any]] = []
    for subject in subjects(args):
        rows += measured(subject, features_of(subject))
        write_whole(args.out / "feature_blocks.json", json.dumps(rows, indent=2).encode())
        print(markdown(rows[-2 * len(CLASSIFIERS) :]), flush=True)
    print(markdown(rows))


if __name__ == "__main__":
    main()
