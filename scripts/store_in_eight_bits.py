"""Stores a published classifier of float16 in eight bits, which halves its file, if it stays right as often.

    python -m scripts.store_in_eight_bits NAME --data DIR

Both files are measured on the test pictures of the weight's recipe. If rank-1 falls by more than `--most-lost` points,
nothing is written. What is published is what was measured. The entry of the manifest keeps the run that made it.
"""

from __future__ import annotations

import argparse
import re
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np
import torch
from safetensors.torch import save as to_safetensors
from torch import Tensor, nn

from cvdemo.eight_bits import from_eight_bits, in_eight_bits
from cvdemo.weights import BASELINE, WEIGHTS_DIR, WeightEntry, entry_of, load_labels, load_state_dict
from train.classify.classifier_recipe import publish_classifier
from train.classify.members import ClassifierMaker
from train.classify.patch_recipe import Prepared
from train.classify.transfer_recipe import Sized
from train.data.datasets import LabelledPictures
from train.engine.device import pick_device
from train.publishing.recipe import Context, PublishOptions
from train.recipes import RECIPES

MOST_LOST = 0.1  # points of rank-1, in per cent of the test pictures
_KEPT = (  # of the entry; the rest is of the file
    "network", "preprocessing", "recipe", "command", "settings", "dataset", "licence", "seed", "hardware", "hours",
    "earlier",
)  # fmt: skip
_NOTES = re.compile(r"^\|[^\n]*\|\n\n(?P<notes>[^|].*?)\n\nMeasured in ", re.MULTILINE | re.DOTALL)


@runtime_checkable
class Measuring(ClassifierMaker, Protocol):
    """A recipe of classifiers that measures a network which is not published yet."""

    def measured(self, network: nn.Module, test: Any, context: Context) -> tuple[dict[str, Any], Tensor]:
        """JSON-ready accuracy on the test split, and logits (N, K)."""


def store(name: str, data: Path, device: str = "cpu", most_lost: float = MOST_LOST) -> tuple[float, float]:
    """Rank-1 in per cent before and after; the smaller file is published in place of the former one.

    Raises:
        ValueError: the weight is no classifier of a recipe, its file would not shrink, or too much would be lost.
    """
    entry = entry_of(name)
    recipe = RECIPES.get(entry.recipe)
    if not isinstance(recipe, Measuring):
        raise ValueError(f"{name} is no classifier that a recipe measures")
    stored = in_eight_bits(load_state_dict(name))
    size = len(to_safetensors(stored))
    if size >= entry.bytes:
        raise ValueError(f"{name} has {entry.bytes:,} bytes and would have {size:,}")
    context = Context(data=data, device=pick_device(device), amp=False)
    test = recipe.test(context).in_order(load_labels(name), name)
    before = recipe.measured(recipe.load_weight(name).to(context.device), test, context)[0]["rank1"]
    smaller = _holding(recipe.load_weight(name), stored).to(context.device)
    result, logits = recipe.measured(smaller, test, context)
    if before - result["rank1"] > most_lost:
        raise ValueError(f"{name} had {before} % and would have {result['rank1']} %: not stored")
    labelled = LabelledPictures(np.empty((len(logits), 0, 0, 3), np.uint8), np.asarray(test.labels), test.class_names)
    options = PublishOptions(name=name, baseline=entry.task == BASELINE, weights_dir=WEIGHTS_DIR)
    fields = {key: getattr(entry, key) for key in _KEPT}
    result["split"] = entry.metric["split"]  # which tells how the checkpoint was chosen too
    publish_classifier(name, stored, fields, result, logits, labelled, str(entry.labels), _notes(name, entry), options)
    return before, result["rank1"]


def _holding(network: nn.Module, stored: dict[str, Tensor]) -> nn.Module:
    """The network with the tensors that a file stores; others, which are its base's, stay."""
    inner = network.network if isinstance(network, Sized | Prepared) else network
    lost = inner.load_state_dict(from_eight_bits(stored), strict=False).unexpected_keys
    if lost:
        raise ValueError(f"the network has no {', '.join(lost)}")
    return network


def _notes(name: str, entry: WeightEntry) -> str:
    """What the weight's card says of it, but for how it was measured.

    Raises:
        ValueError: the card has not the form in which classifiers are published.
    """
    card = (WEIGHTS_DIR / entry.file).with_suffix(".md")
    found = _NOTES.search(card.read_text(encoding="utf-8"))
    if found is None:
        raise ValueError(f"{card} does not end in notes and how long measuring took: the card of {name} was changed")
    return found["notes"].replace("in float16", "in eight bits")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("name", help="of a classifier in the manifest")
    parser.add_argument("--data", type=Path, required=True, help="folder of its recipe, with the test pictures")
    parser.add_argument("--device", default="auto", help="cpu, cuda or auto")
    parser.add_argument("--most-lost", type=float, default=MOST_LOST, help="points of rank-1; default %(default)s")
    args = parser.parse_args()
    torch.manual_seed(0)
    former = entry_of(args.name).bytes
    before, after = store(args.name, args.data, args.device, args.most_lost)
    print(f"{args.name}: rank-1 {before} % -> {after} %, {former:,} bytes -> {entry_of(args.name).bytes:,}")


if __name__ == "__main__":
    main()
