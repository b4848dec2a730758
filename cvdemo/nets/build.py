"""Networks by the name they have in the manifest."""

from collections.abc import Callable, Mapping
from typing import Any, Protocol

from torch import Tensor, nn

from cvdemo.nets.alexnet import AlexNet
from cvdemo.nets.efficientnet_lite import EfficientNetLite
from cvdemo.nets.fast_resnet import FastResNet
from cvdemo.nets.googlenet import DeeperGoogLeNet, MiniGoogLeNet
from cvdemo.nets.lenet import LeNet5
from cvdemo.nets.preact_resnet import PreActResNet

CLASSIFIERS: dict[str, Callable[..., nn.Module]] = {
    "efficientnet_lite": EfficientNetLite,
    "alexnet": AlexNet,
    "fast_resnet": FastResNet,
    "mini_googlenet": MiniGoogLeNet,
    "deeper_googlenet": DeeperGoogLeNet,
    "preact_resnet": PreActResNet,
    "lenet5": LeNet5,
}
TITLES = {
    "efficientnet_lite": "EfficientNet-Lite0",
    "alexnet": "AlexNet",
    "fast_resnet": "FastResNet",
    "mini_googlenet": "MiniGoogLeNet",
    "deeper_googlenet": "DeeperGoogLeNet",
    "preact_resnet": "pre-activation ResNet",
    "lenet5": "LeNet-5",
}
LITES = {"lite1": "EfficientNet-Lite1", "lite2": "EfficientNet-Lite2"}  # by variant; Lite0 names none
NOT_ARGUMENTS = ("name", "base")


class ClassifierNetwork(Protocol):
    """What every classifier offers: normalised pixels (B, C, H, W) -> maps -> logits, in two halves or at once."""

    def maps(self, pixels: Tensor) -> Tensor:
        """(B, C, h, w): the last convolution's output after its activation."""

    def logits(self, maps: Tensor) -> Tensor:
        """(B, num_classes)."""

    def __call__(self, pixels: Tensor) -> Tensor:
        """`logits(maps(pixels))`."""


def title_of(spec: Mapping[str, Any]) -> str:
    """The network of a manifest entry for people of the field; of an unknown one its name."""
    name = str(spec["name"])
    return LITES.get(str(spec.get("variant")), TITLES.get(name, name))


def build_network(spec: Mapping[str, Any]) -> nn.Module:
    """The network of a manifest entry, `{"name": ..., **constructor arguments}`, with fresh random weights.

    A `base`, the weight that lends its tensors, is the loader's business and is passed over.

    Raises:
        ValueError: there is no network of that name.
    """
    name = spec.get("name")
    if name not in CLASSIFIERS:
        raise ValueError(f"network must be one of {list(CLASSIFIERS)}, got {name!r}")
    return CLASSIFIERS[name](**{key: value for key, value in spec.items() if key not in NOT_ARGUMENTS})
