"""EfficientNet-Lite: the backbone of classification, detection, DeepDream and style transfer is the smallest, Lite0.

M. Tan and Q. Le, "EfficientNet: Rethinking Model Scaling for Convolutional Neural Networks", ICML 2019; the Lite
variants (TensorFlow TPU repository, 2020) drop squeeze-and-excitation and use ReLU6, and keep stem and head unscaled.
Lite0: 4.65 M parameters, 0.39 GMAC at 224 px; ImageNet top-1 75.1 % as published. Lite1 and Lite2 are deeper and wider.

Padding is TensorFlow's "SAME": what is needed for ceil(size / stride) outputs, the odd pixel at the bottom right. A
stride-2 layer of PyTorch with symmetric padding would shift every feature map by a pixel and cost accuracy.
"""

import copy
import math
from collections.abc import Collection
from dataclasses import dataclass, replace

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
TOTAL_STRIDE = 32
CHANNELS_STEP = 8  # channels are multiples of it


@dataclass(frozen=True)
class Variant:
    """How a network of the family is scaled: channels and repeats of Lite0's stages, and the side it was trained at."""

    width: float
    depth: float
    input_px: int


VARIANTS = {"lite0": Variant(1.0, 1.0, 224), "lite1": Variant(1.0, 1.1, 240), "lite2": Variant(1.1, 1.2, 260)}


def stages_of(variant: str = "lite0") -> tuple[Stage, ...]:
    """The stages of a network of the family; the first and the last keep their repeats, as the Lite release has it.

    Raises:
        ValueError: there is no such variant.
    """
    if variant not in VARIANTS:
        raise ValueError(f"variant must be one of {', '.join(VARIANTS)}, got {variant!r}")
    width, depth = VARIANTS[variant].width, VARIANTS[variant].depth
    ends = (STAGES[0], STAGES[-1])
    return tuple(
        replace(
            stage,
            channels=_scaled_channels(stage.channels, width),
            repeats=stage.repeats if stage in ends else math.ceil(stage.repeats * depth),
        )
        for stage in STAGES
    )


def _scaled_channels(channels: int, width: float) -> int:
    """The nearest multiple of `CHANNELS_STEP`, which loses a tenth at most."""
    scaled = channels * width
    rounded = max(CHANNELS_STEP, int(scaled + CHANNELS_STEP / 2) // CHANNELS_STEP * CHANNELS_STEP)
    return rounded if rounded >= 0.9 * scaled else rounded + CHANNELS_STEP


def layer_names(variant: str = "lite0") -> tuple[str, ...]:
    """Names of the layers, in order: "stem", "block0" and so on, "head"."""
    return ("stem", *(f"block{i}" for i in range(sum(stage.repeats for stage in stages_of(variant)))), "head")


LAYER_NAMES = layer_names()  # of Lite0


def layer_channels(variant: str = "lite0") -> dict[str, int]:
    """Channels of each layer's activations, by name."""
    blocks = [stage.channels for stage in stages_of(variant) for _ in range(stage.repeats)]
    return dict(zip(layer_names(variant), (STEM_CHANNELS, *blocks, HEAD_CHANNELS), strict=True))


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
    """MobileNetV2's block: expand 1x1, depthwise kxk, project 1x1; a shortcut where the shape stays.

    ReLU6 works in place: no convolution or norm needs its own output for a gradient, and half of the maps need not be
    kept.
    """

    def __init__(self, c_in: int, c_out: int, kernel: int, stride: int, expand: int) -> None:
        super().__init__()
        hidden = c_in * expand
        self.expand = conv_bn(c_in, hidden, 1) if expand != 1 else None
        self.depthwise = conv_bn(hidden, hidden, kernel, stride, groups=hidden)
        self.project = conv_bn(hidden, c_out, 1)
        self.has_shortcut = stride == 1 and c_in == c_out

    def forward(self, x: Tensor) -> Tensor:
        hidden = x if self.expand is None else F.relu6(self.expand(x), inplace=True)
        out: Tensor = self.project(F.relu6(self.depthwise(hidden), inplace=True))
        return x + out if self.has_shortcut else out


class EfficientNetLite(nn.Module):
    """(B, 3, H, W) normalised pixels -> (B, num_classes) logits; any size from 32 px up.

    Layers by name, for `features`: "stem" (stride 2), "block0" .. "block15" (strides 2, 4, 4, 8, 8, 16 x 6, 32 x 5;
    larger variants have more) and "head" (1280 channels, stride 32). Block activations are the linear outputs of the
    projection; stem and head are taken after ReLU6.

    Args:
        num_classes: K.
        dropout: before the classifier, [0, 1).
        layer: whose activations, averaged over the picture, are classified; those behind it are then of no use.
        variant: of `VARIANTS`.

    Raises:
        ValueError: there is no layer or no variant of that name.
    """

    def __init__(
        self, num_classes: int = 1000, dropout: float = 0.2, layer: str = "head", variant: str = "lite0"
    ) -> None:
        super().__init__()
        self.layer_names = layer_names(variant)
        if layer not in self.layer_names:
            raise ValueError(f"layer must be one of {', '.join(self.layer_names)}, got {layer!r}")
        self.layer = layer
        self.stem = conv_bn(3, STEM_CHANNELS, 3, 2)
        blocks: list[nn.Module] = []
        channels = STEM_CHANNELS
        for stage in stages_of(variant):
            for i in range(stage.repeats):
                stride = stage.stride if i == 0 else 1
                blocks.append(InvertedResidual(channels, stage.channels, stage.kernel, stride, stage.expand))
                channels = stage.channels
        self.blocks = nn.ModuleList(blocks)
        self.head = conv_bn(channels, HEAD_CHANNELS, 1)
        self.dropout = nn.Dropout(dropout)
        self.classifier = nn.Linear(layer_channels(variant)[layer], num_classes)

    def features(self, x: Tensor, names: Collection[str]) -> dict[str, Tensor]:
        """Activations (B, C, h, w) of the named layers; the network runs no further than the last one asked for.

        Raises:
            ValueError: a name is not a layer.
        """
        unknown = set(names) - set(self.layer_names)
        if unknown or not names:
            raise ValueError(f"unknown layers {sorted(unknown)}; choose from {', '.join(self.layer_names)}")
        found: dict[str, Tensor] = {}
        for name, layer in zip(self.layer_names, (self.stem, *self.blocks, self.head), strict=True):
            x = layer(x) if name.startswith("block") else F.relu6(layer(x), inplace=True)
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
