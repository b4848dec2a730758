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
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from cvdemo.classify.classifier import CHOICES, Classifier, Prediction, top_k
from cvdemo.classify.explain import crop_of
from cvdemo.config import Config, setting
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

    model: str = setting("imagenet", "Network", choices=tuple(CHOICES), help="What the picture may be called.")
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


@dataclass(frozen=True)
class FoolStep:
    """How far the search is.

    Attributes:
        done, total: steps; the search may end early.
        target: index of the class that the answer is turned into.
        probability: of that class, for the picture as changed so far.
        best: the smallest change found that turns the answer, or None.
    """

    done: int
    total: int
    target: int
    probability: float
    best: Fooled | None


def fool_steps(
    image: ImageArray,
    classifier: Classifier,
    config: FoolConfig | None = None,
    *,
    target: int | None = None,
    deadline: Deadline | None = None,
) -> Iterator[FoolStep]:
    """Searches for the smallest change that turns the answer; the last step has the best one.

    Args:
        image: uint8 (H, W, 3); its centre crop, as the network sees it, is changed.
        config: its `model` and `class_name` are the caller's concern.
        target: the class to turn the answer into; None: of the next best ones the nearest to a linear estimate.

    Raises:
        InputError: the target is the answer already.
    """
    config, deadline = config or FoolConfig(), deadline or Deadline()
    levels = (crop_of(image, classifier) * LEVELS).round()
    before = _prediction(levels, classifier)
    if target == before.classes[0]:
        raise InputError(f"The answer is {before.labels[0]} already; choose another class to turn it into.")
    if target is None:
        target = nearest_rival(levels, classifier, before)
    change, average = torch.zeros_like(levels), None
    aim, best, smallest, stale = 0.0, None, float("inf"), 0
    for step in range(config.steps):
        margin, gradient, shares = border(levels + change, classifier, target)
        size = float(change.norm())
        stale = 0 if margin > 0 and size < IMPROVEMENT * smallest else stale + 1
        if margin > 0 and size < smallest:
            best, smallest = _fooled(levels, change, before, top_k(shares, classifier.labels)), size
        yield FoolStep(step + 1, config.steps, target, float(shares[target]), best)
        if deadline.expired or (best is not None and stale >= PATIENCE):
            return
        aim = max(0.0, aim - FEEDBACK * margin) if step else aim
        average = gradient if average is None else MOMENTUM * average + (1 - MOMENTUM) * gradient
        change = least_change(average, float((average * change).sum()) - margin + aim, levels)


def fool(
    image: ImageArray,
    classifier: Classifier,
    config: FoolConfig | None = None,
    *,
    target: int | None = None,
    deadline: Deadline | None = None,
) -> Fooled:
    """The smallest change found; arguments as in `fool_steps`.

    Raises:
        InputError: none was found, or the target is the answer already.
    """
    *_, last = fool_steps(image, classifier, config, target=target, deadline=deadline)
    return succeeded(last, classifier, deadline)


def succeeded(step: FoolStep, classifier: Classifier, deadline: Deadline | None = None) -> Fooled:
    """The result of the last step of a search that had this deadline.

    Raises:
        InputError: the answer did not turn.
    """
    if step.best is None:
        limit = f"{step.done} steps"
        if deadline is not None and deadline.expired and step.done < step.total:
            limit = f"{deadline.seconds:g} s"
        name = classifier.labels[step.target]
        raise InputError(f"The answer did not turn into {name} within {limit}; choose another class or picture.")
    return step.best


def border(levels: Tensor, classifier: Classifier, target: int) -> tuple[float, Tensor, Tensor]:
    """By how much log-probability the target leads the best other class, its gradient, all probabilities.

    The gradient is by grey levels and has the shape of `levels`; the probabilities are (num_classes,).
    """
    with torch.enable_grad():
        variable = levels.detach().requires_grad_()
        scores = _log_probabilities(variable, classifier)
        rest = torch.arange(len(scores), device=scores.device) != target
        margin = scores[target] - scores[rest].max()
        (gradient,) = torch.autograd.grad(margin, variable)
    return float(margin.detach()), gradient, scores.detach().exp()


def nearest_rival(levels: Tensor, classifier: Classifier, before: Prediction) -> int:
    """Of the next best classes the one whose border a linear estimate puts nearest (DeepFool, equation 8)."""
    with torch.enable_grad():
        variable = levels.detach().requires_grad_()
        scores = _log_probabilities(variable, classifier)
        distances = {}
        for rival in before.classes[1 : 1 + RIVALS]:
            lead = scores[before.classes[0]] - scores[rival]
            (gradient,) = torch.autograd.grad(lead, variable, retain_graph=True)
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


@torch.inference_mode()
def _probabilities(levels: Tensor, classifier: Classifier) -> Tensor:
    return classifier.probabilities(levels / LEVELS)[0]


def _prediction(levels: Tensor, classifier: Classifier) -> Prediction:
    return top_k(_probabilities(levels, classifier), classifier.labels)


def _fooled(levels: Tensor, change: Tensor, before: Prediction, after: Prediction) -> Fooled:
    return Fooled(to_image(levels / LEVELS), to_image((levels + change) / LEVELS), before, after)
