"""The classifiers to choose from: every weight of the manifest whose task is "classify", and every ensemble.

Read from the manifest and the label files alone; no network is loaded for it.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from cvdemo.errors import WeightsError, brief
from cvdemo.nets.backbone import BACKBONE
from cvdemo.nets.build import title_of
from cvdemo.weights import WeightEntry, load_ensembles, load_labels, load_manifest

DEFAULT = "imagenet"  # the public name of EfficientNet-Lite0 on the page and in the API
FEW_CLASSES = 20  # so many are named one by one
SAMPLES = 6  # of more classes, so many are named
BEST_FEW = 5  # the rank told beside rank-1
HOW_MADE = {"features": "features only", "finetune": "trained further"}  # by the end of the recipe's name
KNOWS = {  # what a network has learnt of a data set, in a visitor's words; others are called by their name
    "ImageNet-1k": "1,000 kinds of animals and things",
    "Caltech-101": "101 kinds of animals and things",
    "CIFAR-10": "10 kinds of animals and vehicles",
    "Tiny ImageNet": "200 kinds of animals and things",
    "Dogs vs. Cats": "Cats and dogs",
    "Fashion-MNIST": "10 kinds of clothes",
    "Imagenette": "10 kinds of things, such as churches, chain saws and parachutes",
}
LARGER = {"efficientnet_lite2": "1,000 kinds, in twice the time"}  # in place of that, of weights beside a quicker one


@dataclass(frozen=True, kw_only=True)
class Choice:
    """One classifier on offer.

    Attributes:
        value: short and stable, for links, the API and the command line: the weight's or the ensemble's name.
        title: for people of the field: data set, network and accuracy.
        words: for anybody: what it knows and how often it is right.
        members: names of weights; more than one in an ensemble.
        metric: of the manifest entry.
    """

    value: str
    title: str
    words: str
    members: tuple[str, ...]
    metric: Mapping[str, Any]


def list_networks(weights_dir: Path | None = None) -> dict[str, Choice]:
    """All networks by their public name: ImageNet's first, the default before all, then by name.

    Raises:
        WeightsError: the manifest is missing or damaged, or an ensemble has a member of another task.
    """
    entries = {name: entry for name, entry in load_manifest(weights_dir).items() if entry.task == "classify"}
    titles = {name: f"{_dataset(entry)}, {title_of(entry.network)}" for name, entry in entries.items()}
    twice = {title for title, count in Counter(titles.values()).items() if count > 1}
    found = [
        _choice(
            DEFAULT if name == BACKBONE else name,
            f"{titles[name]} ({entry.recipe})" if titles[name] in twice else titles[name],
            LARGER.get(name) or _knows(entry),
            (name,),
            entry.metric,
        )
        for name, entry in entries.items()
    ]
    for name, ensemble in load_ensembles(weights_dir).items():
        others = [member for member in ensemble.members if member not in entries]
        if others:
            raise WeightsError(f"The ensemble {brief(name)} has members that do not classify: {others}.")
        first, count = entries[ensemble.members[0]], len(ensemble.members)
        measured = all(ensemble.sha256.get(member) == entries[member].sha256 for member in ensemble.members)
        found.append(
            _choice(
                name,
                f"{_dataset(first)}, ensemble of {count}",
                f"{_knows(first)}, {count} networks together",
                ensemble.members,
                ensemble.metric if measured else {},
            )
        )
    return {choice.value: choice for choice in _in_order(_told_apart(found, entries), entries)}


def _in_order(choices: list[Choice], entries: Mapping[str, WeightEntry]) -> list[Choice]:
    """The default, then what knows the same, then the others; each by name."""
    known = _dataset(entries[BACKBONE]) if BACKBONE in entries else ""
    others = {choice.value for choice in choices if _dataset(entries[choice.members[0]]) != known}
    return sorted(choices, key=lambda choice: (choice.value != DEFAULT, choice.value in others, choice.value))


def networks_or_default() -> dict[str, Choice]:
    """`list_networks`, or ImageNet alone where the manifest cannot be read: using it then says why."""
    try:
        return list_networks()
    except WeightsError:
        return {DEFAULT: _choice(DEFAULT, "ImageNet-1k, EfficientNet-Lite0", KNOWS["ImageNet-1k"], (BACKBONE,), {})}


def accuracy(metric: Mapping[str, Any], rank: int = 1) -> float | None:
    """Rank-1 or rank-5 accuracy in per cent, or None where it was not measured; a bare number is rank-1."""
    value = metric.get("value")
    if isinstance(value, Mapping):
        value = value.get(f"rank{rank}")
    elif rank != 1:
        value = None
    return float(value) if isinstance(value, int | float) else None


def class_names(choice: Choice, weights_dir: Path | None = None) -> list[str]:
    """The names of its classes, in the order of the logits.

    Raises:
        WeightsError: the manifest or the class names cannot be read.
    """
    return load_labels(choice.members[0], weights_dir)


def describe(choice: Choice, weights_dir: Path | None = None) -> str:
    """What the classifier may answer and how often it is right, in a few sentences for anybody.

    Raises:
        WeightsError: the manifest or the class names cannot be read.
    """
    labels = class_names(choice, weights_dir)
    best_five = accuracy(choice.metric, BEST_FEW) if len(labels) > BEST_FEW else None
    sentences = [
        _classes(labels),
        "Whatever the picture shows, it answers with one of them.",
        f"{_of_100(choice.metric).capitalize()}." if accuracy(choice.metric) is not None else "",
        "Takes twice as long as the first network of the list." if choice.value in LARGER else "",
        "" if best_five is None else f"The right one is among its five best {_times(best_five)} times out of 100.",
    ]
    return " ".join(sentence for sentence in sentences if sentence)


def figures(choice: Choice, weights_dir: Path | None = None) -> str:
    """Data set, network, accuracy with its protocol, and input, in a few sentences for people of the field.

    Raises:
        WeightsError: the manifest or the class names cannot be read.
    """
    entry = load_manifest(weights_dir)[choice.members[0]]
    num_classes = len(class_names(choice, weights_dir))
    sentences = [f"{choice.title}.", _measured(choice.metric, num_classes), _input(entry.preprocessing)]
    if len(choice.members) > 1:
        sentences.append(f"Averages the probabilities of {', '.join(choice.members)}.")
    return " ".join(sentence for sentence in sentences if sentence)


def _choice(value: str, title: str, knows: str, members: tuple[str, ...], metric: Mapping[str, Any]) -> Choice:
    share = accuracy(metric)
    shown = "" if share is None else f": {share:.1f}\N{NO-BREAK SPACE}%"
    words = knows if share is None else f"{knows}: {_of_100(metric)}"
    return Choice(value=value, title=title + shown, words=words, members=members, metric=metric)


def _told_apart(choices: list[Choice], entries: Mapping[str, WeightEntry]) -> list[Choice]:
    """The choices, the better ones first; of several with the same words each tells how it was made.

    Where that is not known or the same too, all but the first are numbered.
    """
    alike, seen = Counter(choice.words for choice in choices), Counter[str]()
    choices = [_with_how_made(choice, entries) if alike[choice.words] > 1 else choice for choice in choices]
    told = []
    for choice in sorted(choices, key=lambda choice: -(accuracy(choice.metric) or 0)):
        seen[choice.words] += 1
        number = seen[choice.words]
        told.append(choice if number == 1 else replace(choice, words=f"{choice.words} (network {number})"))
    return told


def _with_how_made(choice: Choice, entries: Mapping[str, WeightEntry]) -> Choice:
    made = {HOW_MADE.get(entries[member].recipe.rpartition("-")[2], "") for member in choice.members}
    how = made.pop() if len(made) == 1 else ""
    return replace(choice, words=f"{choice.words} ({how})") if how else choice


def _of_100(metric: Mapping[str, Any]) -> str:
    """The accuracy, which there has to be, in words."""
    return f"right {_times(accuracy(metric) or 0)} times out of 100"


def _times(per_cent: float) -> int:
    """Of 100; never all of them unless that was measured."""
    return 100 if per_cent == 100 else min(99, round(per_cent))


def _knows(entry: WeightEntry) -> str:
    """What a network has learnt, in words."""
    return KNOWS.get(_dataset(entry), _dataset(entry))


def _dataset(entry: WeightEntry) -> str:
    """The data set's name, with which its description in the manifest begins."""
    name = entry.dataset
    for stop in (",", "(", ";", ":"):
        name = name.partition(stop)[0]
    return name.strip()


def _classes(labels: list[str]) -> str:
    if len(labels) <= FEW_CLASSES:
        return f"Knows {', '.join(labels[:-1])} and {labels[-1]}."
    samples = [labels[i * len(labels) // SAMPLES] for i in range(SAMPLES)]
    return f"Knows {len(labels):,} kinds, such as {', '.join(samples)}."


def _measured(metric: Mapping[str, Any], num_classes: int) -> str:
    first, best_five = accuracy(metric), accuracy(metric, BEST_FEW)
    if first is None:
        return ""
    five = (
        ""
        if best_five is None or num_classes <= BEST_FEW
        else f" ({best_five:.1f}\N{NO-BREAK SPACE}% among its best five)"
    )
    published = "" if metric.get("command") else ", as published"
    of = f"{metric['n']:,} pictures" if isinstance(metric.get("n"), int) else "pictures"
    split = str(metric.get("split")).partition(";")[0]  # how the checkpoint was chosen is for the card
    return f"Right on {first:.1f}\N{NO-BREAK SPACE}%{five} of {of} ({split}{published})."


def _input(preprocessing: Mapping[str, Any]) -> str:
    side_px = preprocessing["input_px"]
    grey = " in grey" if preprocessing.get("colour") == "grey" else ""
    return f"Sees the middle of the picture at {side_px}\N{NO-BREAK SPACE}×\N{NO-BREAK SPACE}{side_px} pixels{grey}."
