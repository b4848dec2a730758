"""Which layer of the backbone tells garments of Fashion-MNIST apart best: docs/how-to/choose-features.md.

    python -m scripts.fashion_features --data DIR --out DIR

Fashion-MNIST is unlike ImageNet: grey, 28 px wide, bright on black. Features are a layer's activations at 96 px,
averaged over the picture and standardised. The classifier is logistic regression, solved by L-BFGS. The last pictures
of each class choose the strength of L2, which means what it does in the recipes: half the penalty on squared weights,
beside the mean loss. All 10,000 test pictures are measured. Nothing is drawn at random.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from scripts.feature_blocks import LAYERS, Labels, Subject, Values, features_of
from train.data.datasets import read_fashion_mnist
from train.data.splits import LabelledPictures, hold_out_last
from train.engine.writing import write_whole

INPUT_PX = 96
PICTURES, HELD_OUT = 10_000, 100  # the first training pictures; of each class, so many of them choose
STRENGTHS = (1.0, 1e-1, 1e-2, 1e-3, 1e-4, 1e-5)  # of L2, strongest first


def read(data: Path, count: int) -> tuple[LabelledPictures, LabelledPictures]:
    """The first training pictures, and all test pictures.

    Raises:
        ValueError: there are fewer.
    """
    full, test = read_fashion_mnist(data, "train"), read_fashion_mnist(data, "test")
    if not 0 < count <= len(full):
        raise ValueError(f"need 1 to {len(full):,} training pictures, got {count:,}")
    return full.take(np.arange(count)), test


def features(data: LabelledPictures) -> dict[str, Values]:
    """(N, C) of every layer."""
    pictures = (np.repeat(picture, 3, axis=2) for picture in data.pictures)
    return features_of(Subject("Fashion-MNIST", False, pictures, data.labels), INPUT_PX)


def by_strength(values: Values, labels: Labels, kept: Labels, held_out: Labels, test: Values, truth: Labels) -> Any:
    """Of each strength of L2, per cent right of the held-out pictures and of the test pictures.

    Args:
        values: (N, C) of training pictures, of which `kept` are learned from. labels: (N,).
        test: (M, C). truth: (M,).
    """
    rows = []
    for strength in STRENGTHS:
        solver = LogisticRegression(C=1 / (strength * len(kept)), solver="lbfgs", max_iter=1000)
        model = make_pipeline(StandardScaler(), solver).fit(values[kept], labels[kept])
        chosen_by = 100 * float(model.score(values[held_out], labels[held_out]))
        rows.append({"l2": strength, "validation": chosen_by, "test": 100 * float(model.score(test, truth))})
    return rows


def best(rows: Sequence[Mapping[str, float]]) -> Mapping[str, float]:
    """The strength that validation chooses; of equals the strongest."""
    return max(rows, key=lambda row: row["validation"])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--data", type=Path, required=True, help="folder of the four files *-ubyte.gz")
    parser.add_argument("--out", type=Path, required=True, help="folder for fashion_features.json")
    parser.add_argument(
        "--pictures", type=int, default=PICTURES, help="the first training pictures; default %(default)s"
    )
    parser.add_argument(
        "--held-out", type=int, default=HELD_OUT, help="of each class, to choose by; default %(default)s"
    )
    parser.add_argument("--layers", nargs="+", default=LAYERS, choices=LAYERS, help="default: all of these")
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    known, test = read(args.data, args.pictures)
    kept, held_out = hold_out_last(known.labels, args.held_out)
    found, tested = features(known), features(test)
    result: dict[str, Any] = {"learned_from": len(kept), "chosen_by": len(held_out), "test": len(test), "layers": {}}
    print(f"{len(kept):,} pictures to learn from, {len(held_out):,} to choose by, {len(test):,} to test", flush=True)
    for layer in args.layers:
        rows = by_strength(found[layer], known.labels, kept, held_out, tested[layer], test.labels)
        result["layers"][layer] = rows
        write_whole(args.out / "fashion_features.json", json.dumps(result, indent=2).encode())
        row = best(rows)
        words = f"{layer}: {row['test']:.1f} % of the test pictures"
        print(f"{words}, {row['validation']:.1f} % of those that chose; L2 {row['l2']:g}", flush=True)


if __name__ == "__main__":
    main()
