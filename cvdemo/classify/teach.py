"""Teaching: a few pictures of each of a few classes become a head on the backbone's features.

The network itself stays as it is. It has learnt on ImageNet what tells things apart; only the linear layer behind it is
new ("networks as feature extractors": A. Razavian et al., "CNN Features off-the-shelf", CVPR workshops 2014). How the
layer is found, and why so, stands in `cvdemo.classify.few_pictures`. Each picture is then judged by a head that was
taught without it, which tells how good the head is and which pictures stand in a class that they do not look like.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import zip_longest
from typing import Any

import numpy as np

from cvdemo.classify.classifier import Prediction
from cvdemo.classify.few_pictures import Span, fit, left_out, load_regression
from cvdemo.classify.taught_head import (
    Features,
    TaughtHead,
    backbone_in_use,
    check_labels,
    classify_taught,
    features_of,
)
from cvdemo.demo import Request, Step, seconds_left
from cvdemo.errors import InputError
from cvdemo.images import ImageArray, read_image, resize_to_fit
from cvdemo.limits import TEACH_PICTURES, TEACH_PICTURES_PER_CLASS
from cvdemo.nets.backbone import load_trunk
from cvdemo.runtime import Deadline

LEAST_PICTURES = 2  # of a class: with one, nothing of the class is left when it is left out
KEPT_SIDE_PX = 640  # the network looks at 224 px of 256 on the shorter side
LEFT_OUT_LOOKS = 0.14  # to leave one out, for each class, in looks of 8 ms: 3 ms of two classes, 6 of five, 12 of ten
SURE = 0.5  # a picture that gets less for its own class is doubtful


@dataclass(frozen=True, kw_only=True, eq=False)
class TeachRequest(Request):
    """Pictures of some classes.

    Attributes:
        labels: names of the classes.
        pictures: of each class, in the order of `labels`, uint8 (H, W, 3) RGB.
    """

    labels: tuple[str, ...]
    pictures: tuple[tuple[ImageArray, ...], ...]


@dataclass(frozen=True, kw_only=True, eq=False)
class ClassifyTaughtRequest(Request):
    """The five best classes of a picture, uint8 (H, W, 3) RGB, by a taught head."""

    image: ImageArray
    head: TaughtHead


@dataclass(frozen=True)
class Verdict:
    """What a head that was taught without a picture says of it.

    Attributes:
        label: the picture's own class. index: its place among the pictures of the class, from 0.
        answer: the best class. probability: of the picture's own class.
        answer_probability: of the best class.
    """

    label: str
    index: int
    answer: str
    probability: float
    answer_probability: float

    @property
    def right(self) -> bool:
        return self.answer == self.label

    @property
    def doubtful(self) -> bool:
        """Whether the picture looks like another class, or hardly more like its own than like the others."""
        return not self.right or self.probability < SURE

    @property
    def in_words(self) -> str:
        """The picture's class, and what it looks like."""
        if self.right:
            return f"{self.label} ({self.probability:.0%})"
        return f"{self.label}? It looks like {self.answer} ({self.answer_probability:.0%})"


@dataclass(frozen=True)
class Taught:
    """A head and how good it is.

    Attributes:
        head: taught on all pictures.
        counts: pictures that it was taught on, of each class.
        verdicts: on each picture, by class and place; fewer where time ran out.
        elapsed_ms: of everything.
    """

    head: TaughtHead
    counts: tuple[int, ...]
    verdicts: tuple[Verdict, ...]
    elapsed_ms: float

    @property
    def right(self) -> int:
        """How many pictures are named rightly when they are left out."""
        return sum(verdict.right for verdict in self.verdicts)

    @property
    def judged(self) -> bool:
        """Whether time was enough to leave out half of the pictures or more: fewer do not say how good the head is."""
        return 2 * len(self.verdicts) >= sum(self.counts)

    @property
    def in_words(self) -> str:
        """How good the head is, or that too few pictures were left out to say so."""
        count, total = len(self.verdicts), sum(self.counts)
        if count == total:
            return f"{self.right} of {count} right when tested on its own pictures"
        if self.judged:
            return f"{self.right} of {count} right when tested on its own pictures, {total - count} not tested"
        were = "was" if count == 1 else "were"
        return f"Only {count} of {total} pictures {were} tested: too few to say how good it is"

    @property
    def doubtful(self) -> tuple[Verdict, ...]:
        """The most doubtful first."""
        return tuple(sorted((v for v in self.verdicts if v.doubtful), key=lambda verdict: verdict.probability))

    def with_labels(self, labels: Sequence[str]) -> "Taught":
        """The same with other names for its classes. Raises `InputError` unless a head can have them."""
        check_labels(tuple(labels))
        names = dict(zip(self.head.labels, (label.strip() for label in labels), strict=True))
        verdicts = tuple(replace(each, label=names[each.label], answer=names[each.answer]) for each in self.verdicts)
        return replace(self, head=replace(self.head, labels=tuple(names.values())), verdicts=verdicts)

    def as_dict(self) -> dict[str, Any]:
        """For programs; pictures of a class are numbered from 0."""
        verdicts = [
            {
                "label": verdict.label,
                "index": verdict.index,
                "answer": verdict.answer,
                "probability": round(verdict.probability, 4),
                "doubtful": verdict.doubtful,
            }
            for verdict in self.verdicts
        ]
        return {
            "labels": list(self.head.labels),
            "pictures": list(self.counts),
            "left_out": len(self.verdicts),
            "right": self.right,
            "verdicts": verdicts,
            "elapsed_ms": round(self.elapsed_ms, 1),
        }


def read_reduced(data: bytes) -> ImageArray:
    """A picture file as it waits for the others: `KEPT_SIDE_PX` at most, so that a hundred take little memory and time.

    Raises:
        InputError: it cannot be read; see `cvdemo.images.read_image`.
    """
    return resize_to_fit(read_image(data, enough_px=KEPT_SIDE_PX), KEPT_SIDE_PX)


def check_classes(labels: Sequence[str], counts: Sequence[int]) -> None:
    """Raises `InputError` unless a head can be taught on so many pictures of classes of these names."""
    if len(labels) != len(counts):
        raise ValueError(f"need as many counts as labels, got {len(labels)} labels and {len(counts)} counts")
    check_labels(tuple(labels))
    for label, count in zip(labels, counts, strict=True):
        if count < LEAST_PICTURES:
            raise InputError(f"The class {label} needs {LEAST_PICTURES} pictures or more; it has {count}.")
        if count > TEACH_PICTURES_PER_CLASS:
            raise InputError(f"The class {label} has {count} pictures; the limit is {TEACH_PICTURES_PER_CLASS}.")
    if sum(counts) > TEACH_PICTURES:
        raise InputError(f"These are {sum(counts)} pictures; the limit is {TEACH_PICTURES} in all.")


def run_teach(request: TeachRequest) -> Iterator[Step[Taught]]:
    """A step for each picture that is looked at, then one for each that is left out; the last has the result.

    Where time runs out, the head is taught on the pictures so far, of which there are as many of each class as can be.

    Raises:
        InputError: there are too few or too many classes or pictures, all pictures are one, or time ran out before
            there were two of each class.
    """
    counts = [len(pictures) for pictures in request.pictures]
    check_classes(request.labels, counts)
    deadline, total = Deadline(request.time_limit_s), sum(counts)
    load_trunk(request.device)  # before the first picture: what a picture takes tells of the others
    load_regression()
    seen: list[tuple[int, int]] = []
    features: list[Features] = []
    for place in in_turns(counts):
        if deadline.expired:
            break
        features.append(features_of(request.pictures[place[0]][place[1]], request.device))
        seen.append(place)
        if len(seen) == 1:  # in it the network's memory was prepared
            began_ms = deadline.elapsed_ms
        left_s = seconds_left(deadline, len(seen) - 1, lesson_looks(counts) - 1, began_ms)
        yield Step(done=len(seen), total=2 * total, seconds_left=left_s)
    _check_seen(seen, len(counts), deadline)
    for step in _taught(np.stack(features), seen, request.labels, deadline):
        complete = step.complete and len(seen) == total
        yield replace(step, done=len(seen) + step.done, total=len(seen) + step.total, complete=complete)


def lesson_looks(counts: Sequence[int]) -> float:
    """What a lesson takes, in pictures that are looked at: all of them, and each left out once.

    Args:
        counts: pictures of each class.
    """
    return sum(counts) * (1 + LEFT_OUT_LOOKS * len(counts))


def in_turns(counts: Sequence[int]) -> list[tuple[int, int]]:
    """Class and place of every picture: the first of each class, then the second of each, and so on."""
    rows = zip_longest(*([(k, i) for i in range(count)] for k, count in enumerate(counts)))
    return [place for row in rows for place in row if place is not None]


def _check_seen(seen: Sequence[tuple[int, int]], count: int, deadline: Deadline) -> None:
    """Raises `InputError` where time ran out before there were enough pictures of each class."""
    of_class = Counter(k for k, _ in seen)
    if any(of_class[k] < LEAST_PICTURES for k in range(count)):
        limit = "" if deadline.seconds is None else f" of {deadline.seconds:g} s"
        raise InputError(f"The time{limit} ran out after {len(seen)} pictures; please try again, or with fewer.")


def _taught(
    features: Features, seen: Sequence[tuple[int, int]], labels: tuple[str, ...], deadline: Deadline
) -> Iterator[Step[Taught]]:
    """The head, then a step for each picture that is left out; the last of them has the result."""
    classes = np.array([k for k, _ in seen])
    span = Span.of(features)
    if not span.coordinates.shape[1]:
        raise InputError("All pictures look the same to the network; please choose others.")
    linear = span.unfold(fit(span.coordinates, classes, len(labels)))
    names = tuple(label.strip() for label in labels)
    weight, bias = linear.weight.astype(np.float32), linear.bias.astype(np.float32)
    head = TaughtHead(weight, bias, names, *backbone_in_use())
    verdicts: list[Verdict] = []
    began_ms = deadline.elapsed_ms  # to leave one out takes another time than to look at one
    for (k, index), shares in zip(seen, left_out(span, classes, len(labels)), strict=True):
        best = int(shares.argmax())
        verdicts.append(Verdict(names[k], index, names[best], float(shares[k]), float(shares[best])))
        ended = len(verdicts) == len(seen) or deadline.expired
        left_s = seconds_left(deadline, len(verdicts), len(seen), began_ms)
        step: Step[Taught] = Step(done=len(verdicts), total=len(seen), seconds_left=left_s)
        if not ended:
            yield step
            continue
        verdicts.sort(key=lambda verdict: (names.index(verdict.label), verdict.index))
        counts = tuple(np.bincount(classes, minlength=len(names)).tolist())
        result = Taught(head, counts, tuple(verdicts), deadline.elapsed_ms)
        yield replace(step, result=result, complete=step.done == step.total)
        return


def run_classify_taught(request: ClassifyTaughtRequest) -> Iterator[Step[Prediction]]:
    """The answer, in one step."""
    yield Step(done=1, total=1, result=classify_taught(request.image, request.head, request.device))
