"""Stores a published classifier or detector of float16 in eight bits, half the file, if it stays right as often.

    python -m scripts.store_in_eight_bits NAME --data DIR

Both files are measured on the test pictures of the weight's recipe. If rank-1, or a detector's mAP@0.5, falls by more
than `--most-lost` points, nothing is written. What is published is what was measured. The entry of the manifest keeps
the run that made it.
"""

from __future__ import annotations

import argparse
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np
import torch
from safetensors.torch import save as to_safetensors
from torch import Tensor, nn

from cvdemo.eight_bits import SMALLEST, from_eight_bits, in_eight_bits
from cvdemo.weights import BASELINE, WEIGHTS_DIR, WeightEntry, entry_of, load_labels, load_state_dict
from train.classify.classifier_recipe import publish_classifier
from train.classify.members import ClassifierMaker
from train.classify.patch_recipe import Prepared
from train.classify.transfer_recipe import Sized
from train.data.datasets import LabelledPictures
from train.detect.place_recipe import PlaceRecipe, precision_table
from train.engine.device import pick_device
from train.publishing.publish import publish
from train.publishing.recipe import Context, PublishOptions
from train.recipes import RECIPES

MOST_LOST = 0.1  # points of rank-1, in per cent of the test pictures, or of mAP@0.5
_KEPT = (  # of the entry; the rest is of the file
    "network", "preprocessing", "recipe", "command", "settings", "dataset", "licence", "seed", "hardware", "hours",
    "earlier",
)  # fmt: skip
_NOTES = re.compile(r"^\|[^\n]*\|\n\n(?P<notes>[^|].*?)\n\nMeasured in ", re.MULTILINE | re.DOTALL)
_DETECTORS_NOTES = re.compile(
    r"^\| Measured by [^\n]*\|\n\n(?P<notes>.*?)\n\n!\[Architecture", re.MULTILINE | re.DOTALL
)
_TABLE = re.compile(r"^\| class \|.*?(?=\n\n)", re.MULTILINE | re.DOTALL)  # of each class's precision


@runtime_checkable
class Measuring(ClassifierMaker, Protocol):
    """A recipe of classifiers that measures a network which is not published yet."""

    def measured(self, network: nn.Module, test: Any, context: Context) -> tuple[dict[str, Any], Tensor]:
        """JSON-ready accuracy on the test split, and logits (N, K)."""


def store(
    name: str,
    data: Path,
    device: str = "cpu",
    most_lost: float = MOST_LOST,
    smallest: int = SMALLEST,
    *,
    recorded: bool = False,
) -> tuple[float, float]:
    """Rank-1 or mAP@0.5 in per cent before and after; the smaller file is published in place of the former one.

    Args:
        smallest: kernels and matrices of fewer weights stay in float16.
        recorded: what the former file reaches is taken from the manifest.

    Raises:
        ValueError: no recipe measures the weight, its file would not shrink, or too much would be lost.
    """
    entry = entry_of(name)
    recipe = RECIPES.get(entry.recipe)
    if not isinstance(recipe, Measuring | PlaceRecipe):
        raise ValueError(f"{name} is no classifier or detector that a recipe measures")
    stored = in_eight_bits(load_state_dict(name), smallest)
    size = len(to_safetensors(stored))
    if size >= entry.bytes:
        raise ValueError(f"{name} has {entry.bytes:,} bytes and would have {size:,}")
    context = Context(data=data, device=pick_device(device), amp=False)
    former = _recorded(entry) if recorded else None
    attempt = Attempt(name, entry, stored, context, most_lost, former)
    return attempt.of_detector(recipe) if isinstance(recipe, PlaceRecipe) else attempt.of_classifier(recipe)


def _recorded(entry: WeightEntry) -> float:
    """Rank-1 or mAP@0.5 in per cent, as the manifest tells it."""
    value = entry.metric["value"]
    return float(value["rank1"]) if "rank1" in value else 100 * float(value["map50"])


@dataclass(frozen=True)
class Attempt:
    """A published weight and the tensors that shall take the place of its file's.

    Attributes:
        stored: as the smaller file has them.
        former: what the larger file reaches, in per cent; None: it is measured.
    """

    name: str
    entry: WeightEntry
    stored: dict[str, Tensor]
    context: Context
    most_lost: float
    former: float | None

    def of_detector(self, recipe: PlaceRecipe) -> tuple[float, float]:
        """mAP@0.5 in per cent before and after; card and entry tell what the smaller file reaches.

        Raises:
            ValueError: too much would be lost, or the card has not the form in which detectors are published.
        """
        name, entry, before = self.name, self.entry, self.former
        if before is None:
            before = 100 * recipe.measured_with(name, load_state_dict(name), self.context)["map50"]
        result = recipe.measured_with(name, self.stored, self.context)
        after = 100 * result["map50"]
        self._refuse(before, after)
        notes = _TABLE.sub(precision_table(result["ap50"]), _found(_DETECTORS_NOTES, name, entry))
        metric = recipe.metric_of(name, result, "") | {"split": entry.metric["split"]}
        about: dict[str, Any] = {"task": entry.task, "labels": entry.labels, "metric": metric, "notes": notes}
        publish(name, self.stored, weights_dir=WEIGHTS_DIR, **about, **self._kept())
        return round(before, 2), round(after, 2)

    def of_classifier(self, recipe: Measuring) -> tuple[float, float]:
        """Rank-1 in per cent before and after; card and entry tell what the smaller file reaches.

        Raises:
            ValueError: too much would be lost, or the card has not the form in which classifiers are published.
        """
        name, entry, before, device = self.name, self.entry, self.former, self.context.device
        test = recipe.test(self.context).in_order(load_labels(name), name)
        if before is None:
            before = recipe.measured(recipe.load_weight(name).to(device), test, self.context)[0]["rank1"]
        smaller = _holding(recipe.load_weight(name), self.stored).to(device)
        result, logits = recipe.measured(smaller, test, self.context)
        self._refuse(before, result["rank1"])
        labelled = LabelledPictures(
            np.empty((len(logits), 0, 0, 3), np.uint8), np.asarray(test.labels), test.class_names
        )
        options = PublishOptions(name=name, baseline=entry.task == BASELINE, weights_dir=WEIGHTS_DIR)
        notes = _found(_NOTES, name, entry).replace("in float16", "in eight bits")
        result["split"] = entry.metric["split"]  # which tells how the checkpoint was chosen too
        labels = str(entry.labels)
        publish_classifier(name, self.stored, self._kept(), result, logits, labelled, labels, notes, options)
        return before, result["rank1"]

    def _refuse(self, before: float, after: float) -> None:
        if before - after > self.most_lost:
            raise ValueError(f"{self.name} had {round(before, 2)} % and would have {round(after, 2)} %: not stored")

    def _kept(self) -> dict[str, Any]:
        return {key: getattr(self.entry, key) for key in _KEPT}


def _holding(network: nn.Module, stored: dict[str, Tensor]) -> nn.Module:
    """The network with the tensors that a file stores; others, which are its base's, stay."""
    inner = network.network if isinstance(network, Sized | Prepared) else network
    lost = inner.load_state_dict(from_eight_bits(stored), strict=False).unexpected_keys
    if lost:
        raise ValueError(f"the network has no {', '.join(lost)}")
    return network


def _found(form: re.Pattern[str], name: str, entry: WeightEntry) -> str:
    """What the weight's card says of it, but for how it was measured.

    Raises:
        ValueError: the card has not the form in which weights of its kind are published.
    """
    card = (WEIGHTS_DIR / entry.file).with_suffix(".md")
    found = form.search(card.read_text(encoding="utf-8"))
    if found is None:
        raise ValueError(f"{card} has no notes where they are published: the card of {name} was changed")
    return found["notes"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("name", help="of a classifier or detector in the manifest")
    parser.add_argument("--data", type=Path, required=True, help="folder of its recipe, with the test pictures")
    parser.add_argument("--device", default="auto", help="cpu, cuda or auto")
    parser.add_argument(
        "--most-lost", type=float, default=MOST_LOST, help="points of rank-1 or mAP; default %(default)s"
    )
    words = "kernels of fewer weights stay in float16; default %(default)s"
    parser.add_argument("--smallest", type=int, default=SMALLEST, metavar="WEIGHTS", help=words)
    words = "what the former file reaches is taken from the manifest, not measured again"
    parser.add_argument("--recorded", action="store_true", help=words)
    args = parser.parse_args()
    torch.manual_seed(0)
    former = entry_of(args.name).bytes
    before, after = store(args.name, args.data, args.device, args.most_lost, args.smallest, recorded=args.recorded)
    print(f"{args.name}: {before} % -> {after} %, {former:,} bytes -> {entry_of(args.name).bytes:,}")


if __name__ == "__main__":
    main()
