"""Classes with few examples: synthetic ones between neighbours, so that all classes have as many.

N. Chawla et al., "SMOTE: Synthetic Minority Over-sampling Technique", JAIR 16, 2002. In the space of a network's
features a point between two pictures of a class is likely to belong to that class too, which is not so between their
pixels. Only training samples are made; what is measured stays as it is. The other way is to weigh each class in the
loss by how rare it is.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
import torch
from sklearn.neighbors import NearestNeighbors
from torch import Tensor

from train.data.splits import Labels, class_weights

Balance = Literal["none", "weights", "smote"]

NEIGHBOURS = 5  # as in the paper


def smote(
    values: Tensor, labels: Tensor, generator: torch.Generator, neighbours: int = NEIGHBOURS
) -> tuple[Tensor, Tensor]:
    """Features and labels with synthetic ones after them, so that every class has as many as the largest.

    Each synthetic sample lies on the line from a sample to one of its nearest neighbours of the same class, at a random
    place. (The paper's listing draws a place for each feature; its text and figures, and other programs, one for all.)
    The samples that lines begin at come in turn, so each is used as often as the others, to within once.

    Args:
        values: (N, V, D), V views of each sample; neighbours are those of the first view, and all views of a synthetic
            sample are made of the same two samples.
        labels: (N,).
        neighbours: how many of the nearest may be the other end; fewer where a class has not so many.

    Raises:
        ValueError: a class has one sample alone, and others have more.
    """
    made, made_labels = [values], [labels]
    counts = labels.bincount()
    for label in counts.nonzero().flatten().tolist():
        wanted = int(counts.max() - counts[label])
        if wanted:
            own = values[labels == label]
            made.append(_between_neighbours(own, wanted, neighbours, generator))
            made_labels.append(torch.full((wanted,), label, dtype=labels.dtype))
    return torch.cat(made), torch.cat(made_labels)


def balanced(
    balance: Balance, values: Tensor, labels: Tensor, num_classes: int, generator: torch.Generator
) -> tuple[Tensor, Tensor, Tensor]:
    """Features and labels to train on, and a weight in the loss for each class, (num_classes,)."""
    if balance == "smote":
        values, labels = smote(values, labels, generator)
    weights = class_weights(labels.numpy(), num_classes) if balance == "weights" else np.ones(num_classes, np.float32)
    return values, labels, torch.from_numpy(weights)


def samples_of(balance: Balance, labels: Labels) -> int:
    """How many samples `balanced` gives for so many labels."""
    counts = np.bincount(labels)
    return int(counts.max() * np.count_nonzero(counts)) if balance == "smote" else len(labels)


def _between_neighbours(own: Tensor, wanted: int, neighbours: int, generator: torch.Generator) -> Tensor:
    """(wanted, V, D) synthetic samples of one class."""
    if len(own) < 2:
        raise ValueError("SMOTE needs two samples or more of each class: one alone has no neighbour")
    nearest = _nearest(own[:, 0], min(neighbours, len(own) - 1))
    turns = [torch.randperm(len(own), generator=generator) for _ in range(-(-wanted // len(own)))]
    first = torch.cat(turns)[:wanted]
    second = nearest[first, torch.randint(nearest.shape[1], (wanted,), generator=generator)]
    place = torch.rand(wanted, 1, 1, generator=generator)
    return (own[first].float().lerp(own[second].float(), place)).to(own.dtype)


def _nearest(points: Tensor, count: int) -> Tensor:
    """(n, count): indices of the nearest other points of each, by Euclid's distance."""
    search = NearestNeighbors(n_neighbors=count).fit(points.float().numpy())
    return torch.from_numpy(search.kneighbors(return_distance=False))  # without points: of each one, itself left out
