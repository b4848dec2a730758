"""Linear support vector machines on features, in place of logistic regression; the book offers both.

C. Cortes and V. Vapnik, "Support-Vector Networks", Machine Learning 1995; solved by scikit-learn's `LinearSVC`, one
class against the others, with the squared hinge loss. A strength of L2 takes one step of the training loop, so that a
run is resumed, measured and published as any other.
"""

from __future__ import annotations

from dataclasses import replace

import torch
from sklearn.svm import LinearSVC
from torch import Tensor

from train.classify.features import FeatureConfig, Features, FeatureTask

_MOST_ITERATIONS = 10_000  # of the solver; features that are standardised need some hundred


class SvmTask(FeatureTask):
    """A support vector machine for each strength; validation chooses the one that is right most often.

    The strength means what it does for the regression: half the penalty on squared weights, beside the mean loss.
    Margins are no logits: their softmax is no probability that one could bet on.
    """

    metric = "rank1"
    higher_is_better = True
    gap = ("", "")

    def __init__(
        self, config: FeatureConfig, data: Features, validation: Features, device: torch.device, amp: bool
    ) -> None:
        fits = len(config.l2)
        measured = fits if config.evaluate_every else 0
        config = replace(config, epochs=0, steps=fits, evaluate_every=measured)
        super().__init__(config, data, validation, device, amp)

    def lr_factor(self, step: int) -> float:
        """0: the solver has no learning rate, and the optimiser of the regression is idle."""
        return 0.0

    def step(self, step: int, generator: torch.Generator) -> dict[str, Tensor]:
        """Solves for one strength, on all views of all pictures."""
        features = (self.values.flatten(0, 1).float() - self.heads.mean.cpu()) * self.heads.scale.cpu()
        labels = self.labels.repeat_interleave(self.values.shape[1])
        solver = LinearSVC(
            C=1 / (self.config.l2[step] * len(labels)),
            dual="auto",
            class_weight=dict(enumerate(self.class_weights.tolist())),
            random_state=self.config.seed,
            max_iter=_MOST_ITERATIONS,
        )
        solver.fit(features.numpy(), labels.numpy())
        weight, bias = rows_of(solver, len(self.data.class_names))
        with torch.no_grad():
            self.heads.weight[step], self.heads.bias[step] = weight.to(self.heads.weight), bias.to(self.heads.bias)
        margins = features @ weight.T + bias
        loss = _squared_hinge(margins, labels)
        return {"loss": loss, "rank1": 100 * (margins.argmax(dim=1) == labels).float().mean()}

    def best_of(self, scores: list[dict[str, float]]) -> int:
        """The one that is right most often; where classes are balanced, by the mean over the classes."""
        measure = "rank1" if self.config.balance == "none" else "balanced_accuracy"
        return max(range(len(scores)), key=lambda index: scores[index][measure])


def rows_of(solver: LinearSVC, classes: int) -> tuple[Tensor, Tensor]:
    """Weight (K, D) and bias (K,) of a solved machine; a class that it saw no picture of has the margin -1.

    Of two classes the solver gives the second's row alone, which is shared out evenly.
    """
    rows, offsets = torch.from_numpy(solver.coef_).float(), torch.from_numpy(solver.intercept_).float()
    if len(offsets) == 1:
        rows, offsets = torch.cat([-rows, rows]) / 2, torch.cat([-offsets, offsets]) / 2
    weight, bias = torch.zeros(classes, rows.shape[1]), torch.full((classes,), -1.0)
    seen = torch.from_numpy(solver.classes_)
    weight[seen], bias[seen] = rows, offsets
    return weight, bias


def _squared_hinge(margins: Tensor, labels: Tensor) -> Tensor:
    """The mean over pictures and classes of max(0, 1 - margin)^2, with the sign of the class."""
    sign = 2 * torch.nn.functional.one_hot(labels, margins.shape[1]) - 1
    return (1 - sign * margins).clamp_min(0).square().mean()
