"""Classification: the five best classes of a picture, ten-crop oversampling, and where the network looked.

Ten crops (four corners, centre, and their mirror images, averaged) are those of A. Krizhevsky et al., "ImageNet
Classification with Deep Convolutional Neural Networks", NeurIPS 2012, section 4.1. The overlay is Grad-CAM:
R. Selvaraju et al., "Grad-CAM: Visual Explanations from Deep Networks via Gradient-based Localization", ICCV 2017.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from cvdemo.config import Config, setting
from cvdemo.images import (
    ImageArray,
    Preprocessing,
    center_crop,
    normalise,
    resize_short_side,
    resize_to_fit,
    to_tensor,
)
from cvdemo.nets.build import build_network
from cvdemo.runtime import load_once, resolve_device
from cvdemo.weights import entry_of, load_labels, load_state_dict

MODELS = {"imagenet": "efficientnet_lite0"}  # choice on the page -> name in the manifest
CAM_LAYER = "head"  # the last convolution, as the paper advises
DECODE_SIDE_PX = 1024  # more pixels than this cannot change a 224-px crop, but cost time


@dataclass(frozen=True, kw_only=True)
class ClassifyConfig(Config):
    """How a picture is classified."""

    model: str = setting("imagenet", "Network", choices=tuple(MODELS), help="What the picture may be called.")
    ten_crop: bool = setting(
        False, "Ten crops", help="Averages corners, centre and their mirror images: slower, a little surer."
    )


@dataclass(frozen=True)
class Classifier:
    """A network in eval mode, with what it needs to be used: preprocessing, class names, device."""

    network: Any
    preprocessing: Preprocessing
    labels: list[str]
    device: torch.device


@dataclass(frozen=True)
class Prediction:
    """The k best classes, best first.

    Attributes:
        labels: class names.
        probabilities: in [0, 1], falling; of all classes together they sum to 1.
        classes: indices into the network's logits.
    """

    labels: list[str]
    probabilities: list[float]
    classes: list[int]


def load_network(name: str, weights_dir: Path | None = None) -> nn.Module:
    """The network of weight `name` in eval mode, on the CPU, its parameters without gradients.

    A file whose entry names a base in `network["base"]` holds only what differs: the base's tensors, but for its
    classifier, are laid under it. Tensors of half precision become float32.

    Raises:
        WeightsError: there is no such weight, or its file or its base's is missing or altered.
    """
    spec = entry_of(name, weights_dir).network
    state = load_state_dict(name, weights_dir)
    if base := spec.get("base"):
        lent = load_state_dict(base, weights_dir)
        state = {key: tensor for key, tensor in lent.items() if not key.startswith("classifier.")} | state
    network = build_network(spec)
    network.load_state_dict(state)
    return network.eval().requires_grad_(False)


@load_once
def load_classifier(model: str = "imagenet", device: str = "auto") -> Classifier:
    """The classifier behind a choice of `MODELS`, loaded on first use and shared.

    Raises:
        ValueError: no such choice.
        WeightsError: its file is missing or altered.
    """
    if model not in MODELS:
        raise ValueError(f"model must be one of {list(MODELS)}, got {model!r}")
    name = MODELS[model]
    entry = entry_of(name)
    target = resolve_device(device)
    network = load_network(name).to(target)
    return Classifier(network, Preprocessing.from_manifest(entry.preprocessing), load_labels(name), target)


def prepare(image: ImageArray, preprocessing: Preprocessing, device: torch.device | str = "cpu") -> Tensor:
    """uint8 (H, W, 3) -> (1, 3, h, w) in [0, 1] whose shorter side is the network's `resize_px`; not normalised.

    A long strip is first cropped to 4:1 around its centre: nothing further out reaches any crop that is used.
    """
    height, width = image.shape[:2]
    limit = 4 * min(height, width)
    top, left = max(0, (height - limit) // 2), max(0, (width - limit) // 2)
    strip = image[top : top + limit, left : left + limit]
    pixels = to_tensor(resize_to_fit(strip, DECODE_SIDE_PX), device)
    return resize_short_side(pixels, preprocessing.resize_px, preprocessing.interpolation)


def ten_crops(pixels: Tensor, side_px: int) -> Tensor:
    """(1, 3, H, W) -> (10, 3, side_px, side_px): four corners and the centre of the central square, then mirrored.

    The corners are those of the central square, as in the paper, which resizes and crops to a square first.
    """
    square = center_crop(pixels, min(pixels.shape[-2:]))
    far = square.shape[-1] - side_px
    if far < 0:
        raise ValueError(f"cannot crop {side_px} px from {tuple(pixels.shape)}")
    corners = [(0, 0), (0, far), (far, 0), (far, far), (far // 2, far // 2)]
    crops = torch.cat([square[..., y : y + side_px, x : x + side_px] for y, x in corners])
    return torch.cat([crops, crops.flip(-1)])


def top_k(probabilities: Tensor, labels: list[str], k: int = 5) -> Prediction:
    """The k best of (num_classes,) probabilities."""
    best = probabilities.topk(min(k, len(labels)))
    classes = best.indices.tolist()
    return Prediction([labels[c] for c in classes], best.values.tolist(), classes)


@torch.inference_mode()
def classify(image: ImageArray, classifier: Classifier, *, ten_crop: bool = False, k: int = 5) -> Prediction:
    """The k best classes of a picture, uint8 (H, W, 3) RGB.

    Args:
        ten_crop: mean probability over ten crops instead of the centre crop alone.
    """
    preprocessing = classifier.preprocessing
    pixels = prepare(image, preprocessing, classifier.device)
    side_px = preprocessing.input_px
    crops = ten_crops(pixels, side_px) if ten_crop else center_crop(pixels, side_px)
    logits = classifier.network(normalise(crops, preprocessing))
    return top_k(logits.softmax(dim=1).mean(dim=0), classifier.labels, k)


def grad_cam(image: ImageArray, classifier: Classifier, class_index: int) -> tuple[ImageArray, npt.NDArray[np.float32]]:
    """The network's centre crop and how much each part of it spoke for `class_index`.

    Returns:
        The crop, uint8 (input_px, input_px, 3); the map, float32 (input_px, input_px) in [0, 1].

    Equations 1 and 2 of the paper: activations of the last convolution, weighted by the mean gradient of the logit,
    summed over channels, negative parts dropped. The map is enlarged bicubically and its maximum set to 1.
    """
    preprocessing = classifier.preprocessing
    crop = center_crop(prepare(image, preprocessing, classifier.device), preprocessing.input_px)
    with torch.enable_grad():
        normalised = normalise(crop, preprocessing).requires_grad_()
        activations = classifier.network.features(normalised, [CAM_LAYER])[CAM_LAYER]  # (1, 1280, 7, 7)
        logit = classifier.network.classifier(activations.mean(dim=(2, 3)))[0, class_index]
        (gradient,) = torch.autograd.grad(logit, activations)
    cam = (gradient.mean(dim=(2, 3), keepdim=True) * activations.detach()).sum(dim=1, keepdim=True).relu()
    size = (preprocessing.input_px, preprocessing.input_px)
    cam = nn.functional.interpolate(cam, size, mode="bicubic", align_corners=False).clamp(min=0)[0, 0]
    peak = cam.max()
    cam = cam / peak if peak > 0 else cam
    shown = (crop[0].permute(1, 2, 0) * 255).round().to(torch.uint8)
    return shown.cpu().numpy(), cam.cpu().numpy().astype(np.float32)


def overlay_heatmap(image: ImageArray, heat: npt.NDArray[np.float32], strength: float = 0.6) -> ImageArray:
    """The picture with `heat` in [0, 1], (H, W), laid over it in the turbo colour map; cold parts stay as they are.

    Raises:
        ValueError: the sizes differ.
    """
    if heat.shape != image.shape[:2]:
        raise ValueError(f"sizes differ: picture {image.shape[:2]}, map {heat.shape}")
    colours = cv2.cvtColor(
        cv2.applyColorMap((heat * 255).round().astype(np.uint8), cv2.COLORMAP_TURBO), cv2.COLOR_BGR2RGB
    )
    alpha = (strength * heat)[..., None]
    blended = image * (1 - alpha) + colours * alpha
    result: ImageArray = blended.round().astype(np.uint8)
    return result
