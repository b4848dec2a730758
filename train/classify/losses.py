"""The loss of a classifier, by its number of classes."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor


def classification_loss(
    logits: Tensor, targets: Tensor, *, label_smoothing: float = 0.0, class_weights: Tensor | None = None
) -> Tensor:
    """Binary cross-entropy for two classes, categorical cross-entropy for more; the mean over a batch.

    The book tells Keras `binary_crossentropy` for two classes, with one sigmoid or two softmax outputs, and
    `categorical_crossentropy` for more. Both are computed from logits here. Of two outputs the binary loss takes the
    difference, the logit of the second class, so that it equals the categorical one of the same two outputs.

    Args:
        logits: (B, K); of two classes also (B, 1), the logit of the second one.
        targets: (B, K), the share of each class; rows sum to 1.
        label_smoothing: share of each target that is spread over all classes.
        class_weights: (K,), by which each class's share of the loss is multiplied.

    Raises:
        ValueError: the outputs do not fit the classes.
    """
    classes = targets.shape[1]
    if logits.shape[1] != classes and (classes, logits.shape[1]) != (2, 1):
        raise ValueError(f"{logits.shape[1]} outputs for {classes} classes")
    if classes != 2:
        return F.cross_entropy(logits, targets, weight=class_weights, label_smoothing=label_smoothing)
    second = logits[:, 0] if logits.shape[1] == 1 else logits[:, 1] - logits[:, 0]
    wanted = (1 - label_smoothing) * targets[:, 1] + label_smoothing / 2
    if class_weights is None:
        return F.binary_cross_entropy_with_logits(second, wanted)
    first_weight, second_weight = class_weights[0], class_weights[1]
    return first_weight * F.binary_cross_entropy_with_logits(second, wanted, pos_weight=second_weight / first_weight)
