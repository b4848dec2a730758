"""What a classifier is worth: rank-1 and rank-5 accuracy, loss, recall by class, confusion matrix and its drawing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

_NAMED_CLASSES = 20  # more than this are drawn as a map of single points, without names and numbers
_CELL_PX, _MARGIN_PX = 52, 16


def measure(logits: Tensor, labels: Tensor) -> dict[str, float]:
    """Rank-1 and rank-5 accuracy in per cent, and the mean cross-entropy.

    Args:
        logits: (N, K), N > 0. labels: (N,) int64.

    Raises:
        ValueError: no pictures, or not one label for each.
    """
    if logits.ndim != 2 or len(logits) == 0 or labels.shape != logits.shape[:1]:
        raise ValueError(f"need (N, K) logits and (N,) labels, N > 0; got {tuple(logits.shape)}, {tuple(labels.shape)}")
    order = logits.topk(min(5, logits.shape[1]), dim=1).indices
    hit = order == labels[:, None]
    return {
        "rank1": 100 * hit[:, 0].double().mean().item(),
        "rank5": 100 * hit.any(dim=1).double().mean().item(),
        "loss": F.cross_entropy(logits.double(), labels).item(),
    }


def timed_result(logits: Tensor, labels: Tensor, seconds: float) -> dict[str, Any]:
    """`measure` with n, the seconds that the logits took, and pictures per second; JSON-ready, rounded."""
    scores = measure(logits, labels)
    return {
        "rank1": round(scores["rank1"], 2),
        "rank5": round(scores["rank5"], 2),
        "loss": round(scores["loss"], 4),
        "n": len(labels),
        "seconds": round(seconds, 1),
        "pictures_per_second": round(len(labels) / max(seconds, 1e-9)),
    }


def confusion_matrix(logits: Tensor, labels: Tensor) -> npt.NDArray[np.int64]:
    """(K, K) counts: row the true class, column the answer."""
    classes = logits.shape[1]
    cells = torch.bincount(labels * classes + logits.argmax(dim=1), minlength=classes**2)
    counts: npt.NDArray[np.int64] = cells.view(classes, classes).numpy()
    return counts


def recalls(logits: Tensor, labels: Tensor) -> npt.NDArray[np.float64]:
    """(K,): the share of each class's pictures that are answered rightly; NaN for a class without pictures."""
    counts = confusion_matrix(logits, labels)
    pictures = counts.sum(axis=1)
    shares: npt.NDArray[np.float64] = np.where(pictures > 0, counts.diagonal() / np.maximum(pictures, 1), np.nan)
    return shares


def balanced_accuracy(logits: Tensor, labels: Tensor) -> float:
    """The mean recall of the classes in per cent: each counts the same, however few pictures it has."""
    return 100 * float(np.nanmean(recalls(logits, labels)))


def measure_balanced(logits: Tensor, labels: Tensor) -> dict[str, float]:
    """`balanced_accuracy`, and as "loss" the mean over classes of their mean cross-entropy."""
    losses = F.cross_entropy(logits.double(), labels, reduction="none")
    sums, counts = labels.bincount(losses), labels.bincount()
    loss = (sums[counts > 0] / counts[counts > 0]).mean().item()
    return {"balanced_accuracy": balanced_accuracy(logits, labels), "loss": loss}


def draw_confusion(counts: npt.NDArray[np.int64], class_names: Sequence[str]) -> Image.Image:
    """The matrix as a picture: each row in shares of its class, blue where right and orange where wrong.

    Up to twenty classes get their names and the per cent in each cell; more are drawn as a map of one cell each.

    Raises:
        ValueError: not one name for each class.
    """
    if counts.shape != (len(class_names), len(class_names)):
        raise ValueError(f"need one name for each class: {counts.shape}, {len(class_names)} names")
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    colours = _cell_colours(shares)
    if len(counts) > _NAMED_CLASSES:
        side = max(1, 800 // len(counts)) * len(counts)
        return Image.fromarray(cv2.resize(colours, (side, side), interpolation=cv2.INTER_NEAREST))
    return _named_matrix(shares, colours, class_names)


def _cell_colours(shares: npt.NDArray[np.float64]) -> npt.NDArray[np.uint8]:
    """(K, K, 3): white for nothing; wrong answers are stretched by the square root, or they would not be seen."""
    white, blue, orange = (np.array(c, float) for c in ((255, 255, 255), (37, 99, 235), (234, 88, 12)))
    right = np.eye(len(shares), dtype=bool)
    strength = np.where(right, shares, np.sqrt(shares))[..., None]
    colours: npt.NDArray[np.uint8] = (
        (white + strength * (np.where(right[..., None], blue, orange) - white)).round().astype(np.uint8)
    )
    return colours


def _named_matrix(
    shares: npt.NDArray[np.float64], colours: npt.NDArray[np.uint8], class_names: Sequence[str]
) -> Image.Image:
    font = ImageFont.load_default(15)
    left = _MARGIN_PX + 10 + int(max(font.getlength(name) for name in class_names))
    top = left
    side = _CELL_PX * len(class_names)
    picture = Image.new("RGB", (left + side + _MARGIN_PX, top + side + 2 * _MARGIN_PX), "white")
    grid = cv2.resize(colours, (side, side), interpolation=cv2.INTER_NEAREST)
    picture.paste(Image.fromarray(grid), (left, top))
    draw = ImageDraw.Draw(picture)
    for i, name in enumerate(class_names):
        centre = _CELL_PX * i + _CELL_PX // 2
        draw.text((left - 8, top + centre), name, "black", font, anchor="rm")
        upright_text(picture, name, (left + centre, top - 8), font)
        for j, share in enumerate(shares[i]):
            if share >= 0.0005:
                colour = "white" if i == j and share > 0.5 else "black"
                text = f"{100 * share:.1f}"
                draw.text((left + _CELL_PX * j + _CELL_PX // 2, top + centre), text, colour, font, anchor="mm")
    caption = "rows: true class; columns: answer, % of the row"
    draw.text((left + side, top + side + _MARGIN_PX), caption, "#666666", ImageFont.load_default(13), anchor="rm")
    return picture


def upright_text(picture: Image.Image, text: str, foot_xy: tuple[int, int], font: Any) -> None:
    """Text that runs upwards from `foot_xy`."""
    width, height = int(font.getlength(text)) + 2, 20
    line = Image.new("RGB", (width, height), "white")
    ImageDraw.Draw(line).text((0, height // 2), text, "black", font, anchor="lm")
    turned = line.rotate(90, expand=True)
    picture.paste(turned, (foot_xy[0] - height // 2, foot_xy[1] - width))
