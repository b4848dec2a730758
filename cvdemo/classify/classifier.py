"""Classification: the five best classes of a picture, by one network or several, with ten-crop oversampling.

Ten crops (four corners, centre, and their mirror images, averaged) are those of A. Krizhevsky et al., "ImageNet
Classification with Deep Convolutional Neural Networks", NeurIPS 2012, section 4.1. An ensemble is the mean of its
members' probabilities, as there. Why a network answered as it did is the business of `cvdemo.classify.explain`.
"""

from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from cvdemo.classify.catalogue import list_networks, networks_or_default
from cvdemo.config import Config, setting
from cvdemo.errors import InputError, WeightsError, brief
from cvdemo.images import (
    ImageArray,
    Preprocessing,
    center_crop,
    luminance,
    normalise,
    on_dark_ground,
    resize_short_side,
    resize_to_fit,
    to_tensor,
)
from cvdemo.nets.backbone import BACKBONE, load_backbone, load_trunk
from cvdemo.nets.build import ClassifierNetwork, build_network
from cvdemo.nets.efficientnet_lite import HEAD_CHANNELS, EfficientNetLite, fold_batch_norm
from cvdemo.nets.forward import Engine, forward_engine
from cvdemo.nets.onnx_trace import MAPS
from cvdemo.runtime import load_once, resolve_device
from cvdemo.weights import entry_of, load_labels, load_state_dict

NETWORKS = networks_or_default()
DECODE_SIDE_PX = 1024  # more pixels than this cannot change a 224-px crop, but cost time
HEAD_TENSORS = {"classifier.weight", "classifier.bias"}
MUST_AGREE = ("input_px", "resize_px", "interpolation", "colour", "ground")  # among the members of an ensemble


@dataclass(frozen=True, kw_only=True)
class ClassifyConfig(Config):
    """How a picture is classified."""

    model: str = setting("imagenet", "Network", choices=tuple(NETWORKS), help="What the picture may be called.")
    ten_crop: bool = setting(
        False,
        "Look ten times",
        help="At the corners and the middle, and at mirror images. Slower, and right a little more often.",
    )


@dataclass(frozen=True)
class Member:
    """A network in eval mode, its parameters without gradients, and how it wants its pictures.

    Attributes:
        forward: normalised pixels -> what `network` gives, without gradients; None: the network itself.
    """

    network: ClassifierNetwork
    preprocessing: Preprocessing
    forward: Engine | None = None


@dataclass(frozen=True)
class Classifier:
    """One network, or several that see the same pixels and whose probabilities are averaged.

    Attributes:
        members: one or more; their preprocessing differs in mean and std at most.
        labels: class names in the order of the logits.
    """

    members: tuple[Member, ...]
    labels: list[str]
    device: torch.device

    @property
    def preprocessing(self) -> Preprocessing:
        """Size and colour of the pixels, which all members share; mean and std are the first member's."""
        return self.members[0].preprocessing

    @property
    def network(self) -> Any:
        """The first member's network."""
        return self.members[0].network

    def index_of(self, label: str) -> int:
        """The class of that name, however capitalised.

        Raises:
            InputError: there is none; the sentence names similar ones.
        """
        lower = [name.lower() for name in self.labels]
        wanted = label.strip().lower()
        if wanted in lower:
            return lower.index(wanted)
        similar = get_close_matches(wanted[:80], lower, n=3, cutoff=0.5) or lower[:3]
        named = brief(label.strip())
        raise InputError(f"This network has no class named {named}; it has {', '.join(similar)} and others.")

    def logits(self, crops: Tensor) -> Tensor:
        """(B, C, input_px, input_px) in [0, 1] -> (members, B, num_classes), through which gradients flow."""
        return torch.stack([m.network(normalise(crops, m.preprocessing)) for m in self.members])

    def probabilities(self, crops: Tensor) -> Tensor:
        """(B, C, input_px, input_px) in [0, 1] -> (B, num_classes), rows that sum to 1, without gradients."""
        logits = [(m.forward or m.network)(normalise(crops, m.preprocessing)) for m in self.members]
        return torch.stack(logits).softmax(dim=-1).mean(dim=0)


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

    @property
    def by_label(self) -> dict[str, float]:
        """The probabilities by class name, best first."""
        return dict(zip(self.labels, self.probabilities, strict=True))


def load_network(name: str, weights_dir: Path | None = None) -> nn.Module:
    """The network of weight `name` in eval mode, on the CPU, its parameters without gradients.

    A file whose entry names a base in `network["base"]` holds only what differs: the base's tensors, but for its
    classifier, are laid under it. Tensors of half precision become float32.

    Raises:
        WeightsError: there is no such weight, or its file or its base's is missing or altered.
    """
    return _network_of(entry_of(name, weights_dir).network, load_state_dict(name, weights_dir), weights_dir)


def _network_of(spec: dict[str, Any], state: dict[str, Tensor], weights_dir: Path | None) -> nn.Module:
    if base := spec.get("base"):
        lent = load_state_dict(base, weights_dir)
        state = {key: tensor for key, tensor in lent.items() if not key.startswith("classifier.")} | state
    network = build_network(spec)
    network.load_state_dict(state)
    return network.eval().requires_grad_(False)


@load_once
def load_classifier(model: str = "imagenet", device: str = "auto", weights_dir: Path | None = None) -> Classifier:
    """The classifier of a public name, see `NETWORKS`, loaded on first use and shared.

    Raises:
        ValueError: no such name.
        WeightsError: a file is missing or altered, or the members of an ensemble do not go together.
    """
    networks = NETWORKS if weights_dir is None else list_networks(weights_dir)
    if model not in networks:
        raise ValueError(f"model must be one of {list(networks)}, got {brief(model)}")
    names = networks[model].members
    target = resolve_device(device)
    labels = load_labels(names[0], weights_dir)
    members = tuple(_load_member(name, target, weights_dir) for name in names)
    for name, member in zip(names, members, strict=True):
        same_input = all(
            getattr(member.preprocessing, field) == getattr(members[0].preprocessing, field) for field in MUST_AGREE
        )
        if not same_input or load_labels(name, weights_dir) != labels:
            raise WeightsError(f"{names[0]} and {name} differ in classes or input: they make no ensemble.")
    return Classifier(members, labels, target)


def _load_member(name: str, device: torch.device, weights_dir: Path | None) -> Member:
    network, trunk = _load_folded(name, str(device), weights_dir)
    preprocessing = Preprocessing.from_manifest(entry_of(name, weights_dir).preprocessing)
    return Member(network, preprocessing, _forward(network, preprocessing, device, trunk))


def _load_folded(name: str, device: str, weights_dir: Path | None) -> tuple[Any, Engine | None]:
    """The network of a weight, and the engine of its trunk where that is the backbone's, which is then shared."""
    if name == BACKBONE:
        return load_backbone(device, weights_dir).network, load_trunk(device, weights_dir)
    spec, state = entry_of(name, weights_dir).network, load_state_dict(name, weights_dir)
    if spec.get("base") == BACKBONE and set(state) == HEAD_TENSORS and "layer" not in spec:
        head = nn.Linear(HEAD_CHANNELS, len(state["classifier.bias"])).requires_grad_(False)
        head.load_state_dict({key.removeprefix("classifier."): tensor for key, tensor in state.items()})
        backbone = load_backbone(device, weights_dir).network
        return backbone.with_classifier(head.to(device)), load_trunk(device, weights_dir)
    network = _network_of(spec, state, weights_dir)
    return (fold_batch_norm(network) if isinstance(network, EfficientNetLite) else network).to(device), None


def _forward(network: nn.Module, preprocessing: Preprocessing, device: torch.device, trunk: Engine | None) -> Engine:
    """Normalised pixels -> logits; a shared trunk is an engine of its own."""
    if trunk is None:
        pixels = ("batch", len(preprocessing.mean), "height", "width")
        return forward_engine(network, device=device, shape=pixels)
    head = forward_engine(network, "logits", device=device, shape=MAPS)
    return lambda crops: head(trunk(crops))


def prepare(image: ImageArray, preprocessing: Preprocessing, device: torch.device | str = "cpu") -> Tensor:
    """uint8 (H, W, 3) -> (1, C, h, w) in [0, 1] whose shorter side is the network's `resize_px`; not normalised.

    A long strip is first cropped to 4:1 around its centre: nothing further out reaches any crop that is used. Grey
    networks get the luminance, C = 1, and those that know things on dark ground only get a light ground inverted.
    """
    height, width = image.shape[:2]
    limit = 4 * min(height, width)
    top, left = max(0, (height - limit) // 2), max(0, (width - limit) // 2)
    strip = image[top : top + limit, left : left + limit]
    pixels = to_tensor(resize_to_fit(strip, DECODE_SIDE_PX), device)
    pixels = resize_short_side(pixels, preprocessing.resize_px, preprocessing.interpolation)
    if preprocessing.colour == "grey":
        pixels = luminance(pixels)
    return on_dark_ground(pixels) if preprocessing.ground == "dark" else pixels


def ten_crops(pixels: Tensor, side_px: int) -> Tensor:
    """(B, C, H, W) -> (10 B, C, side_px, side_px): four corners and the centre of the central square, then mirrored.

    Of several pictures the first crop of each comes first, then the second of each, and so on.

    The corners are those of the central square, as in the paper, which resizes and crops to a square first. Where the
    square leaves no room to move, as with networks trained on whole small pictures, the five are one and the same:
    it and its mirror image are returned once, (2 B, C, side_px, side_px), whose mean is that of the ten.
    """
    square = center_crop(pixels, min(pixels.shape[-2:]))
    far = square.shape[-1] - side_px
    if far < 0:
        raise ValueError(f"cannot crop {side_px} px from {tuple(pixels.shape)}")
    corners = [(0, 0), (0, far), (far, 0), (far, far), (far // 2, far // 2)] if far else [(0, 0)]
    crops = torch.cat([square[..., y : y + side_px, x : x + side_px] for y, x in corners])
    return torch.cat([crops, crops.flip(-1)])


def top_k(probabilities: Tensor, labels: list[str], k: int = 5) -> Prediction:
    """The k best of (num_classes,) probabilities."""
    best = probabilities.topk(min(k, len(labels)))
    classes = best.indices.tolist()
    return Prediction([labels[c] for c in classes], best.values.tolist(), classes)


@torch.inference_mode()
def classify_pixels(pixels: Tensor, classifier: Classifier, *, ten_crop: bool = False, k: int = 5) -> Prediction:
    """The k best classes of what `prepare` has made of a picture.

    Args:
        ten_crop: mean probability over ten crops instead of the centre crop alone.
    """
    side_px = classifier.preprocessing.input_px
    crops = ten_crops(pixels, side_px) if ten_crop else center_crop(pixels, side_px)
    return top_k(classifier.probabilities(crops).mean(dim=0), classifier.labels, k)
