"""The smallest change to a picture that turns a network's answer.

DeepFool's idea (S. Moosavi-Dezfooli et al., "DeepFool: A Simple and Accurate Method to Fool Deep Neural Networks", CVPR
2016, section 2): take the network as linear where the picture stands, go to the border between two classes by the
shortest way, and repeat. Departures: each step starts again from the picture itself, so that the change stays the
shortest to the latest estimate of the border (as in F. Croce and M. Hein, "Minimally Distorted Adversarial Examples
with a Fast Adaptive Boundary Attack", ICML 2020); the estimate is averaged over steps, as one gradient is noisy; and
the change is taken in whole grey levels within 0 to 255, because the shortest real-valued one lies mostly below half a
level and would be lost in any picture file. What counts as turned is the answer to that 8-bit picture.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from cvdemo.classify.classifier import NETWORKS, Classifier, Prediction, top_k
from cvdemo.classify.explain import crop_of
from cvdemo.config import Config, setting
from cvdemo.demo import Step, seconds_left
from cvdemo.errors import InputError
from cvdemo.images import ImageArray, to_image
from cvdemo.runtime import Deadline

LEVELS = 255
RIVALS = 4  # so many classes after the best are tried where none is named
MOMENTUM = 0.8  # of the averaged gradient; 0 never turns some answers of EfficientNet-Lite0, 0.9 takes more steps
FEEDBACK = 0.3  # share of the last step's shortfall that is aimed beyond the border from now on
PATIENCE = 5  # steps without an improvement, after which the change counts as the smallest
IMPROVEMENT = 0.99  # a smaller gain than one per cent is none
AMPLIFICATIONS = (1, 2, 5, 10, 20, 50, 100)
GREY = 128  # of an unchanged pixel in the picture of the difference


@dataclass(frozen=True, kw_only=True)
class FoolConfig(Config):
    """How the smallest change is sought."""

    model: str = setting("imagenet", "Network", choices=tuple(NETWORKS), help="What the picture may be called.")
    class_name: str = setting("", "Turn into", help="The class to turn the answer into; empty: the nearest.")
    steps: int = setting(
        25, "Steps", minimum=1, maximum=200, step=1, help="At most; it stops when nothing smaller is found."
    )


@dataclass(frozen=True)
class Fooled:
    """A changed picture that gets another answer.

    Attributes:
        crop: what the network saw, uint8 (input_px, input_px, 3).
        changed: the same, changed; grey networks have both in grey.
        before, after: the five best classes of each.
    """

    crop: ImageArray
    changed: ImageArray
    before: Prediction
    after: Prediction

    @property
    def difference(self) -> npt.NDArray[np.int16]:
        """Changed minus crop, in grey levels of 255."""
        return self.changed.astype(np.int16) - self.crop

    @property
    def largest(self) -> int:
        """L-infinity norm of the difference, in grey levels of 255."""
        return int(np.abs(self.difference).max())

    @property
    def l2(self) -> float:
        """Euclidean norm of the difference over all pixels and the three channels, in grey levels of 255."""
        return float(np.sqrt(np.square(self.difference.astype(np.float64)).sum()))

    @property
    def rms(self) -> float:
        """Root of the mean square of the difference, in grey levels of 255."""
        return self.l2 / float(np.sqrt(self.difference.size))

    @property
    def amplification(self) -> int:
        """The largest of `AMPLIFICATIONS` by which no difference leaves the range of `difference_picture`."""
        fitting = [times for times in AMPLIFICATIONS if times * self.largest < GREY]
        return fitting[-1] if fitting else 1

    def difference_picture(self) -> ImageArray:
        """The difference times `amplification` around middle grey, uint8 (input_px, input_px, 3)."""
        shifted = GREY + self.amplification * self.difference.astype(np.int32)
        picture: ImageArray = shifted.clip(0, LEVELS).astype(np.uint8)
        return picture


def fool_steps(
    image: ImageArray,
    classifier: Classifier,
    config: FoolConfig | None = None,
    *,
    target: int | None = None,
    deadline: Deadline | None = None,
) -> Iterator[Step[Fooled]]:
    """Searches for the smallest change that turns the answer; the last step has the best one, `partial` that so far.

    A step's `preview` is the changed crop where it is a new best one. Its one measure is the probability of the target,
    by the target's name, for the picture as it is changed in this step.

    Args:
        image: uint8 (H, W, 3); its centre crop, as the network sees it, is changed.
        config: its `model` and `class_name` are the caller's concern.
        target: the class to turn the answer into; None: of the next best ones the nearest to a linear estimate.

    Raises:
        InputError: the target is the answer already, or nothing found turns the answer.
    """
    config, deadline = config or FoolConfig(), deadline or Deadline()
    search = Search((crop_of(image, classifier) * LEVELS).round(), classifier, target)
    for number in range(1, config.steps + 1):
        found = search.attempt()
        settled = number == config.steps or search.is_settled
        ended = settled or deadline.expired
        if ended and search.best is None:
            raise InputError(_not_turned(search.target_name, number, None if settled else deadline))
        step = Step(
            done=number,
            total=number if settled else config.steps,
            seconds_left=seconds_left(deadline, number, number if ended else config.steps),
            preview=search.best.changed if found and search.best else None,
            partial=search.best,
            measures={search.target_name: search.probability},
        )
        yield replace(step, result=search.best, complete=settled) if ended else step
        if ended:
            return


def _not_turned(name: str, steps: int, deadline: Deadline | None) -> str:
    """What is said where nothing was found: after all steps, or before because of the deadline."""
    limit = f"{steps} steps" if deadline is None or deadline.seconds is None else f"{deadline.seconds:g} s"
    return f"The answer did not turn into {name} within {limit}; choose another answer or picture."


class Search:
    """The search for the smallest change: what is tried next, and the best so far.

    Args:
        levels: (1, C, h, w), the unchanged crop in grey levels.
        target: the class to turn the answer into; None: the nearest of the next best ones.

    Raises:
        InputError: the target is the answer already.
    """

    def __init__(self, levels: Tensor, classifier: Classifier, target: int | None) -> None:
        self._levels, self._classifier = levels, classifier
        self._scores = Scores(levels, classifier)
        self._before = top_k(self._scores.probabilities(), classifier.labels)
        if target == self._before.classes[0]:
            answer = self._before.labels[0]
            raise InputError(f"The answer is {answer} already; choose another one to turn it into.")
        self._target = self._scores.nearest_rival(self._before) if target is None else target
        self.target_name, self.probability = classifier.labels[self._target], 0.0
        self.best: Fooled | None = None
        self._change = torch.zeros_like(levels)
        self._border: tuple[float, Tensor] | None = None  # of the last attempt
        self._average: Tensor | None = None  # of the gradients so far
        self._aim = 0.0  # log-probability beyond the border
        self._smallest, self._without_gain = float("inf"), 0

    def attempt(self) -> bool:
        """Tries the next change, first none at all; returns whether it is the smallest so far that turns the answer."""
        if self._border is not None:
            self._change = self._change_after(*self._border)
            self._scores = Scores(self._levels + self._change, self._classifier)
        probabilities = self._scores.probabilities()
        self.probability = float(probabilities[self._target])
        self._border = self._scores.border(self._target)
        found = self._is_smaller(self._border[0])
        if found:
            after = top_k(probabilities, self._classifier.labels)
            self.best = _fooled(self._levels, self._change, self._before, after)
        return found

    @property
    def is_settled(self) -> bool:
        """Whether the best change counts as the smallest there is."""
        return self.best is not None and self._without_gain >= PATIENCE

    def _is_smaller(self, margin: float) -> bool:
        """Whether the change turns the answer and is smaller than all before; counts those in a row without a gain."""
        size = float(self._change.norm())
        gain = margin > 0 and size < IMPROVEMENT * self._smallest
        self._without_gain = 0 if gain else self._without_gain + 1
        found = margin > 0 and size < self._smallest
        self._smallest = size if found else self._smallest
        return found

    def _change_after(self, margin: float, gradient: Tensor) -> Tensor:
        """The least change that reaches the border by the average of the gradients so far."""
        if self._average is None:
            self._average = gradient
        else:
            self._aim = max(0.0, self._aim - FEEDBACK * margin)
            self._average = MOMENTUM * self._average + (1 - MOMENTUM) * gradient
        needed = float((self._average * self._change).sum()) - margin + self._aim
        return least_change(self._average, needed, self._levels)


class Scores:
    """One pass of a picture in grey levels (1, C, h, w) through the network, from which gradients are taken."""

    def __init__(self, levels: Tensor, classifier: Classifier) -> None:
        with torch.enable_grad():
            self._levels = levels.detach().requires_grad_()
            self._log = _log_probabilities(self._levels, classifier)  # (num_classes,)

    def probabilities(self) -> Tensor:
        """(num_classes,)."""
        return self._log.detach().exp()

    def border(self, target: int) -> tuple[float, Tensor]:
        """By how much log-probability the target leads the best other class, and its gradient by grey levels."""
        rest = torch.arange(len(self._log), device=self._log.device) != target
        with torch.enable_grad():
            margin = self._log[target] - self._log[rest].max()
            (gradient,) = torch.autograd.grad(margin, self._levels, retain_graph=True)
        return float(margin.detach()), gradient

    def nearest_rival(self, before: Prediction) -> int:
        """Of the next best classes the one whose border a linear estimate puts nearest (DeepFool, equation 8)."""
        distances = {}
        for rival in before.classes[1 : 1 + RIVALS]:
            with torch.enable_grad():
                lead = self._log[before.classes[0]] - self._log[rival]
                (gradient,) = torch.autograd.grad(lead, self._levels, retain_graph=True)
            distances[rival] = float(lead.detach()) / max(float(gradient.norm()), 1e-12)
        return min(distances, key=lambda rival: distances[rival])


def least_change(gradient: Tensor, needed: float, levels: Tensor) -> Tensor:
    """The change in whole grey levels of least norm whose product with `gradient` reaches `needed`.

    `levels` plus the change stays within 0 to 255. By Lagrange's rule the change is the gradient times some factor,
    rounded; the factor is found by bisection. Where `needed` is out of reach, everything possible is changed.
    """

    def change(factor: float) -> Tensor:
        return (gradient * factor).round().clamp(min=-levels, max=LEVELS - levels)

    peak = float(gradient.abs().max())
    if needed <= 0 or peak == 0:
        return torch.zeros_like(levels)
    low, high = 0.0, 0.5 / peak  # the first factor at which anything rounds to a level
    for _ in range(60):
        if float((gradient * change(high)).sum()) >= needed:
            break
        low, high = high, 2 * high
    for _ in range(30):
        middle = (low + high) / 2
        low, high = (low, middle) if float((gradient * change(middle)).sum()) >= needed else (middle, high)
    return change(high)


def _log_probabilities(levels: Tensor, classifier: Classifier) -> Tensor:
    """(num_classes,) of one picture in grey levels; for an ensemble the logarithm of the mean probability."""
    members = classifier.logits(levels / LEVELS).log_softmax(dim=-1)  # (members, 1, num_classes)
    return members.logsumexp(dim=0)[0] - float(np.log(len(members)))


def _fooled(levels: Tensor, change: Tensor, before: Prediction, after: Prediction) -> Fooled:
    return Fooled(to_image(levels / LEVELS), to_image((levels + change) / LEVELS), before, after)
