"""A taught head: a linear layer on the backbone's features, with names of its own for its classes, and its file.

The file is one .safetensors: `weight` (K, 1280) and `bias` (K,) in float32; its metadata has the labels and says which
backbone the features come from, by name and sha256. Nothing in it is unpickled or run, so a stranger's file is data.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from safetensors import SafetensorError
from safetensors.numpy import load as parse_safetensors
from safetensors.numpy import save as safetensors_bytes

from cvdemo.classify.classifier import Prediction, prepare, top_k
from cvdemo.errors import InputError, brief
from cvdemo.images import ImageArray, center_crop, normalise
from cvdemo.limits import HEAD_BYTES, TEACH_CLASSES, TEACH_LABEL_LENGTH
from cvdemo.nets.backbone import BACKBONE, load_backbone, load_trunk
from cvdemo.nets.efficientnet_lite import HEAD_CHANNELS
from cvdemo.weights import entry_of

FORMAT = "cvdemo taught head 1"
SUFFIX = ".safetensors"
LEAST_CLASSES = 2
LENGTH_BYTES = 8  # of the number before the header of a safetensors file, little-endian

Features = npt.NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class TaughtHead:
    """What tells a visitor's classes apart by the backbone's features.

    Attributes:
        weight: (K, 1280) float32. bias: (K,) float32.
        labels: names of the K classes.
        backbone, backbone_sha256: the weight that the features come from.
    """

    weight: Features
    bias: Features
    labels: tuple[str, ...]
    backbone: str
    backbone_sha256: str

    def probabilities(self, features: Features) -> Features:
        """(n, 1280) -> (n, K), rows that sum to 1."""
        logits = torch.from_numpy(features @ self.weight.T + self.bias)
        shares: Features = logits.softmax(dim=1).numpy()
        return shares


def features_of(image: ImageArray, device: str = "auto") -> Features:
    """The 1,280 channels of the backbone for the centre crop of a picture, averaged over it: (1280,) float32.

    They are what the page's own classifiers lay their linear layers on.

    Args:
        image: uint8 (H, W, 3) RGB.
    """
    backbone, trunk = load_backbone(device), load_trunk(device)
    pixels = prepare(image, backbone.preprocessing, backbone.device)
    crop = normalise(center_crop(pixels, backbone.preprocessing.input_px), backbone.preprocessing)
    with torch.inference_mode():
        pooled: Features = trunk(crop).mean(dim=(2, 3))[0].cpu().numpy()
    return pooled


def classify_taught(image: ImageArray, head: TaughtHead, device: str = "auto") -> Prediction:
    """The five best classes of a picture, uint8 (H, W, 3) RGB, by a taught head."""
    shares = head.probabilities(features_of(image, device)[None])[0]
    return top_k(torch.from_numpy(shares), list(head.labels))


def check_labels(labels: tuple[str, ...]) -> None:
    """Raises `InputError` unless these are names for the classes of a head: few, short, and different."""
    if not LEAST_CLASSES <= len(labels) <= TEACH_CLASSES:
        raise InputError(f"A head needs {LEAST_CLASSES} to {TEACH_CLASSES} classes; these are {len(labels)}.")
    for label in labels:
        if not label.strip():
            raise InputError("A class has no name; please give each class a name.")
        if len(label) > TEACH_LABEL_LENGTH:
            raise InputError(f"The name {brief(label)} is too long; the limit is {TEACH_LABEL_LENGTH} characters.")
    lower = [label.strip().casefold() for label in labels]
    if twice := [label for label in labels if lower.count(label.strip().casefold()) > 1]:
        raise InputError(f"Two classes are named {twice[0].strip()}; please give them different names.")


def save_head(head: TaughtHead) -> bytes:
    """The head as a .safetensors file, which `load_head` reads."""
    told = {
        "format": FORMAT,
        "labels": json.dumps(head.labels),
        "backbone": head.backbone,
        "backbone_sha256": head.backbone_sha256,
    }
    tensors = {"weight": np.ascontiguousarray(head.weight), "bias": np.ascontiguousarray(head.bias)}
    return safetensors_bytes(tensors, metadata=told)


def load_head(data: bytes) -> TaughtHead:
    """The head in a file's bytes.

    Raises:
        InputError: the file is too large, no head, damaged, or made for another backbone.
    """
    if len(data) > HEAD_BYTES:
        raise InputError(f"The file is larger than {HEAD_BYTES / 2**20:g} MB: it is not a taught head.")
    try:
        tensors = parse_safetensors(data)
        told = _metadata(data)
        head = TaughtHead(
            weight=tensors["weight"],
            bias=tensors["bias"],
            labels=tuple(str(label) for label in json.loads(told["labels"])),
            backbone=told["backbone"],
            backbone_sha256=told["backbone_sha256"],
        )
    except (SafetensorError, KeyError, TypeError, ValueError, RecursionError) as error:
        raise InputError("The file is not a taught head; choose one that this page or `cvdemo teach` made.") from error
    _check(head, told)
    return head


def _metadata(data: bytes) -> dict[str, Any]:
    """What a safetensors file tells beside its tensors; empty where it tells nothing."""
    length = int.from_bytes(data[:LENGTH_BYTES], "little")
    told: dict[str, Any] = json.loads(data[LENGTH_BYTES : LENGTH_BYTES + length]).get("__metadata__", {})
    return told


def _check(head: TaughtHead, told: dict[str, Any]) -> None:
    """Raises `InputError` where a file's content fits no head of this page."""
    if told.get("format") != FORMAT:
        raise InputError(f"The file is of the format {brief(told.get('format'))}; this page reads {FORMAT!r}.")
    check_labels(head.labels)
    count = len(head.labels)
    shapes = (head.weight.shape, head.bias.shape)
    if shapes != ((count, HEAD_CHANNELS), (count,)) or {head.weight.dtype, head.bias.dtype} != {np.dtype(np.float32)}:
        raise InputError(f"The file holds weights of another shape than {count} x {HEAD_CHANNELS}; it is damaged.")
    if not (np.isfinite(head.weight).all() and np.isfinite(head.bias).all()):
        raise InputError("The file holds weights that are not numbers; it is damaged.")
    if (head.backbone, head.backbone_sha256) != backbone_in_use():
        raise InputError(
            f"The head was taught on features of {brief(head.backbone)} in another version than the one here; "
            "please teach it again."
        )


def backbone_in_use() -> tuple[str, str]:
    """Name and sha256 of the weight whose features heads are taught on."""
    return BACKBONE, entry_of(BACKBONE).sha256
