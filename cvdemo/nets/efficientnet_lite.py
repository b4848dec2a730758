"""EfficientNet-Lite0: the backbone of classification, detection, DeepDream and style transfer.

M. Tan and Q. Le, "EfficientNet: Rethinking Model Scaling for Convolutional Neural Networks", ICML 2019; the Lite
variants (TensorFlow TPU repository, 2020) drop squeeze-and-excitation and use ReLU6, and keep stem and head unscaled.
4.65 M parameters, 0.39 GMAC at 224 px; ImageNet top-1 75.1 % as published.

Padding is TensorFlow's "SAME": what is needed for ceil(size / stride) outputs, the odd pixel at the bottom right. A
stride-2 layer of PyTorch with symmetric padding would shift every feature map by a pixel and cost accuracy.
"""

import copy
from collections.abc import Collection
from dataclasses import dataclass

import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval
from torch.overrides import handle_torch_function, has_torch_function_unary

BN_EPS = 1e-3  # TensorFlow's default for this family; PyTorch's is 1e-5
BN_MOMENTUM = 0.01


@dataclass(frozen=True)
class Stage:
    """`repeats` inverted residual blocks; only the first one strides and changes the channels."""

    repeats: int
    kernel: int
    stride: int
    expand: int
    channels: int


# Table 1 of the EfficientNet paper (B0)
STAGES = (
    Stage(1, 3, 1, 1, 16),
    Stage(2, 3, 2, 6, 24),
    Stage(2, 5, 2, 6, 40),
    Stage(3, 3, 2, 6, 80),
    Stage(3, 5, 1, 6, 112),
    Stage(4, 5, 2, 6, 192),
    Stage(1, 3, 1, 6, 320),
)
STEM_CHANNELS = 32
HEAD_CHANNELS = 1280
LAYER_NAMES = ("stem", *(f"block{i}" for i in range(sum(stage.repeats for stage in STAGES))), "head")
TOTAL_STRIDE = 32


def layer_channels() -> dict[str, int]:
    """Channels of each layer's activations, by name."""
    blocks = [stage.channels for stage in STAGES for _ in range(stage.repeats)]
    return dict(zip(LAYER_NAMES, (STEM_CHANNELS, *blocks, HEAD_CHANNELS), strict=True))


def same_padding(size: int, kernel: int, stride: int) -> tuple[int, int]:
    """Zeros before and after one axis of `size` so that a convolution gives ceil(size / stride) outputs."""
    total = max((-(-size // stride) - 1) * stride + kernel - size, 0)
    return total // 2, total - total // 2


def same_conv2d(
    x: Tensor, weight: Tensor, bias: Tensor | None, stride: tuple[int, ...], dilation: tuple[int, ...], groups: int
) -> Tensor:
    """`F.conv2d` with TensorFlow's SAME padding: (B, C, H, W) -> (B, C', ceil(H / s), ceil(W / s)).

    Its padding hangs on the size of `x`, so it is a function of its own for who writes down what the network does.
    """
    if has_torch_function_unary(x):
        result: Tensor = handle_torch_function(same_conv2d, (x,), x, weight, bias, stride, dilation, groups)
        return result
    top, bottom = same_padding(x.shape[-2], weight.shape[-2], stride[0])
    left, right = same_padding(x.shape[-1], weight.shape[-1], stride[1])
    if top == bottom and left == right:  # symmetric: the convolution pads by itself, without a copy
        return F.conv2d(x, weight, bias, stride, (top, left), dilation, groups)
    return F.conv2d(F.pad(x, (left, right, top, bottom)), weight, bias, stride, 0, dilation, groups)


class SameConv2d(nn.Conv2d):
    """A convolution with TensorFlow's SAME padding: (B, C, H, W) -> (B, C', ceil(H / s), ceil(W / s))."""

    def forward(self, x: Tensor) -> Tensor:
        return same_conv2d(x, self.weight, self.bias, self.stride, self.dilation, self.groups)


def conv_bn(c_in: int, c_out: int, kernel: int, stride: int = 1, groups: int = 1) -> nn.Sequential:
    """SAME convolution without bias, then BatchNorm with this family's epsilon."""
    conv = SameConv2d(c_in, c_out, kernel, stride, groups=groups, bias=False)
    return nn.Sequential(conv, nn.BatchNorm2d(c_out, eps=BN_EPS, momentum=BN_MOMENTUM))


class InvertedResidual(nn.Module):
    """MobileNetV2's block: expand 1x1, depthwise kxk, project 1x1; a shortcut where the shape stays."""

    def __init__(self, c_in: int, c_out: int, kernel: int, stride: int, expand: int) -> None:
        super().__init__()
        hidden = c_in * expand
        self.expand = conv_bn(c_in, hidden, 1) if expand != 1 else None
        self.depthwise = conv_bn(hidden, hidden, kernel, stride, groups=hidden)
        self.project = conv_bn(hidden, c_out, 1)
        self.has_shortcut = stride == 1 and c_in == c_out

    def forward(self, x: Tensor) -> Tensor:
        hidden = x if self.expand is None else F.relu6(self.expand(x))
        out: Tensor = self.project(F.relu6(self.depthwise(hidden)))
        return x + out if self.has_shortcut else out


class EfficientNetLite(nn.Module):
    """(B, 3, H, W) normalised pixels -> (B, num_classes) logits; any size from 32 px up.

    Layers by name, for `features`: "stem" (stride 2), "block0" .. "block15" (strides 2, 4, 4, 8, 8, 16 x 6, 32 x 5)
    and "head" (1280 channels, stride 32). Block activations are the linear outputs of the projection; stem and head
    are taken after ReLU6.

    Args:
        num_classes: K.
        dropout: before the classifier, [0, 1).
        layer: whose activations, averaged over the picture, are classified; those behind it are then of no use.

    Raises:
        ValueError: there is no layer of that name.
    """

    def __init__(self, num_classes: int = 1000, dropout: float = 0.2, layer: str = "head") -> None:
        super().__init__()
        if layer not in LAYER_NAMES:
            raise ValueError(f"layer must be one of {', '.join(LAYER_NAMES)}, got {layer!r}")
        self.layer = layer
        self.stem = conv_bn(3, STEM_CHANNELS, 3, 2)
        blocks: list[nn.Module] = []
        channels = STEM_CHANNELS
        for stage in STAGES:
            for i in range(stage.repeats):
                stride = stage.stride if i == 0 else 1
                blocks.append(InvertedResidual(channels, stage.channels, stage.kernel, stride, stage.expand))
                channels = stage.channels
        self.blocks = nn.ModuleList(blocks)
        self.head = conv_bn(channels, HEAD_CHANNELS, 1)
        self.dropout = nn.Dropout(dropout)
        self.classifier = nn.Linear(layer_channels()[layer], num_classes)

    def features(self, x: Tensor, names: Collection[str]) -> dict[str, Tensor]:
        """Activations (B, C, h, w) of the named layers; the network runs no further than the last one asked for.

        Raises:
            ValueError: a name is not a layer.
        """
        unknown = set(names) - set(LAYER_NAMES)
        if unknown or not names:
            raise ValueError(f"unknown layers {sorted(unknown)}; choose from {', '.join(LAYER_NAMES)}")
        found: dict[str, Tensor] = {}
        for name, layer in zip(LAYER_NAMES, (self.stem, *self.blocks, self.head), strict=True):
            x = layer(x) if name.startswith("block") else F.relu6(layer(x))
            if name in names:
                found[name] = x
                if len(found) == len(set(names)):
                    break
        return found

    def pooled(self, x: Tensor) -> Tensor:
        """(B, C): the activations of `layer` averaged over the picture; 1280 of the head."""
        return self.maps(x).mean(dim=(2, 3))

    def maps(self, pixels: Tensor) -> Tensor:
        """(B, C, h, w): the activations of `layer`; of the head 1280, at stride 32."""
        return self.features(pixels, [self.layer])[self.layer]

    def logits(self, maps: Tensor) -> Tensor:
        """(B, num_classes)."""
        logits: Tensor = self.classifier(self.dropout(maps.mean(dim=(2, 3))))
        return logits

    def forward(self, x: Tensor) -> Tensor:
        return self.logits(self.maps(x))

    def with_classifier(self, classifier: nn.Linear) -> "EfficientNetLite":
        """A network that shares all layers of this one but the classifier."""
        twin = copy.copy(self)
        twin._modules = self._modules | {"classifier": classifier}
        return twin


def fold_batch_norm(network: EfficientNetLite) -> EfficientNetLite:
    """A copy in eval mode with each BatchNorm folded into its convolution: the same activations, a fifth faster."""
    folded = copy.deepcopy(network).eval()
    for module in list(folded.modules()):
        if isinstance(module, nn.Sequential):
            conv, norm = module
            if isinstance(conv, SameConv2d) and isinstance(norm, nn.BatchNorm2d):
                module[0], module[1] = fuse_conv_bn_eval(conv, norm), nn.Identity()
    return folded
