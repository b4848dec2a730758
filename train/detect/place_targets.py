"""What a PlaceNet has to learn: which places answer for which box, and the losses of their answers.

Places are given to boxes by the network's own answers: those inside a box whose score and overlap are best, so that
scores learn the overlap and no stride is bound to a size (C. Feng et al., "TOOD: Task-aligned One-stage Object
Detection", ICCV 2021, section 3.3). Class scores learn with the varifocal loss (H. Zhang et al., "VarifocalNet", CVPR
2021), distances with the generalised IoU (H. Rezatofighi et al., CVPR 2019). Places inside difficult boxes that answer
for nothing are left out of the loss.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from cvdemo.ops.place_boxes import place_centres, place_strides
from train.detect.annotations import Truth

BEST_PLACES = 10  # that answer for one box
SCORE_POWER, IOU_POWER = 1.0, 6.0  # TOOD's alpha and beta
FOCAL_WEIGHT, FOCAL_POWER = 0.75, 2.0  # VarifocalNet's alpha and gamma, of places without a box


@dataclass(frozen=True)
class Targets:
    """What the places of one picture should say.

    Attributes:
        scores: (K, P), overlap reached, of the place's class; 0 elsewhere. counted: (P,) bool, places in the loss.
        positive: (P,) bool. xyxy: (P, 4), the box of each positive place.
    """

    scores: Tensor
    counted: Tensor
    positive: Tensor
    xyxy: Tensor


def boxes_from(distances: Tensor, centres: Tensor) -> Tensor:
    """(..., 4, P) distances from (P, 2) centres -> (..., P, 4) xyxy."""
    distances = distances.transpose(-1, -2)
    return torch.cat([centres - distances[..., :2], centres + distances[..., 2:]], -1)


def distances_to(xyxy: Tensor, centres: Tensor) -> Tensor:
    """The inverse of `boxes_from`: (P, 4) xyxy -> (4, P)."""
    return torch.cat([centres - xyxy[:, :2], xyxy[:, 2:] - centres], -1).T


def assign(logits: Tensor, boxes: Tensor, truth: Truth, centres: Tensor, strides: Tensor) -> Targets:
    """The targets of one picture.

    Args:
        logits: (K, P). boxes: (P, 4) as predicted; neither gets a gradient.
        truth: on the canvas. centres: (P, 2), px. strides: (P,), px.
    """
    count, places = logits.shape
    scores = torch.zeros(count, places)
    all_xyxy, hard = torch.from_numpy(truth.xyxy), torch.from_numpy(truth.difficult)
    counted = ~_inside(centres, all_xyxy[hard]).any(0)
    xyxy, classes = all_xyxy[~hard], torch.from_numpy(truth.classes)[~hard]
    if not len(xyxy):
        return Targets(scores, counted, torch.zeros(places, dtype=torch.bool), torch.zeros(places, 4))
    overlap = _iou_matrix(xyxy, boxes)  # (n, P)
    allowed = _inside(centres, _at_least(xyxy, 2 * strides.min()))
    metric = logits.sigmoid()[classes] ** SCORE_POWER * overlap**IOU_POWER
    metric = torch.where(allowed, metric + 1e-12 * (1 + overlap), -1.0)  # where all are 0 still the best overlap
    best = metric.topk(min(BEST_PLACES, places), 1).indices
    mine = torch.zeros_like(allowed).scatter_(1, best, True) & allowed
    owner = torch.where(mine, overlap, -1.0).argmax(0)  # a place answers for the box that it overlaps most
    mine &= F.one_hot(owner, len(xyxy)).bool().T
    positive = mine.any(0)
    metric = torch.where(mine, metric, 0.0)
    best_metric = metric.amax(1, keepdim=True).clamp(min=1e-20)
    best_overlap = torch.where(mine, overlap, 0.0).amax(1, keepdim=True)
    quality = (metric / best_metric * best_overlap).amax(0)
    scores[classes[owner[positive]], positive.nonzero()[:, 0]] = quality[positive]
    return Targets(scores, counted | positive, positive, xyxy[owner])


def place_loss(
    output: Tensor, truths: Sequence[Truth], size_hw: tuple[int, int], strides: Sequence[int]
) -> tuple[Tensor, Tensor]:
    """Losses of classes and of boxes, each a sum over places divided by the sum of all targets.

    Args:
        output: (B, K + 4, P) of a network with these strides on pictures of `size_hw` px.
        truths: one for each picture, on it.
    """
    centres = torch.from_numpy(place_centres(size_hw, strides))
    of_place = torch.from_numpy(place_strides(size_hw, strides))
    logits, distances = output[:, :-4].float(), output[:, -4:].float()
    boxes = boxes_from(distances, centres)
    with torch.no_grad():
        targets = [assign(logits[i], boxes[i], truth, centres, of_place) for i, truth in enumerate(truths)]
    scores = torch.stack([target.scores for target in targets])
    counted = torch.stack([target.counted for target in targets])
    positive = torch.stack([target.positive for target in targets])
    weight = scores.amax(1)[positive]
    total = scores.sum().clamp(min=1.0)
    class_loss = (varifocal(logits, scores) * counted[:, None]).sum() / total
    wanted = torch.stack([target.xyxy for target in targets])[positive]
    box_loss = ((1 - generalised_iou(boxes[positive], wanted)) * weight).sum() / total
    return class_loss, box_loss


def varifocal(logits: Tensor, scores: Tensor) -> Tensor:
    """Cross-entropy with the target scores, weighted by the target or, where it is 0, by how wrong the answer is."""
    weight = FOCAL_WEIGHT * logits.detach().sigmoid() ** FOCAL_POWER * (scores == 0) + scores
    return F.binary_cross_entropy_with_logits(logits, scores, reduction="none") * weight


def generalised_iou(a: Tensor, b: Tensor) -> Tensor:
    """Generalised IoU of boxes pair by pair, (N, 4) xyxy -> (N,) in [-1, 1]."""
    common = (torch.minimum(a[:, 2:], b[:, 2:]) - torch.maximum(a[:, :2], b[:, :2])).clamp(min=0).prod(1)
    union = (a[:, 2:] - a[:, :2]).prod(1) + (b[:, 2:] - b[:, :2]).prod(1) - common
    hull = (torch.maximum(a[:, 2:], b[:, 2:]) - torch.minimum(a[:, :2], b[:, :2])).prod(1)
    return common / union.clamp(min=1e-6) - (hull - union) / hull.clamp(min=1e-6)


def _iou_matrix(a: Tensor, b: Tensor) -> Tensor:
    """IoU of each box of `a` with each of `b`, (len(a), len(b))."""
    common = (torch.minimum(a[:, None, 2:], b[None, :, 2:]) - torch.maximum(a[:, None, :2], b[None, :, :2])).clamp(
        min=0
    )
    overlap = common.prod(2)
    area_a, area_b = ((x[:, 2:] - x[:, :2]).prod(1) for x in (a, b))
    return overlap / (area_a[:, None] + area_b[None] - overlap).clamp(min=1e-6)


def _at_least(xyxy: Tensor, side: Tensor) -> Tensor:
    """Boxes with sides shorter than `side` widened to it around their centres, so that a place lies in each."""
    centre, half = (xyxy[:, :2] + xyxy[:, 2:]) / 2, (xyxy[:, 2:] - xyxy[:, :2]).clamp(min=float(side)) / 2
    return torch.cat([centre - half, centre + half], 1)


def _inside(centres: Tensor, xyxy: Tensor) -> Tensor:
    """Whether each centre lies in each box, (boxes, P)."""
    after = (centres[None] > xyxy[:, None, :2]).all(2)
    return after & (centres[None] < xyxy[:, None, 2:]).all(2)
