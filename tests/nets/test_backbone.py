"""The backbone: loaded once for all, and folded without a change of what it sees."""

import pytest
import torch

from cvdemo.classify.classifier import load_classifier
from cvdemo.errors import WeightsError
from cvdemo.images import normalise
from cvdemo.nets import backbone
from cvdemo.nets.backbone import load_backbone
from cvdemo.nets.efficientnet_lite import EfficientNetLite, fold_batch_norm


def test_it_is_loaded_once_however_the_device_is_written() -> None:
    assert load_backbone("cpu") is load_backbone(torch.device("cpu")) is load_backbone(device="cpu", weights_dir=None)


def test_the_classifier_shares_it() -> None:
    """A copy of its own would take 20 MB."""
    assert load_classifier("imagenet", "cpu").network is load_backbone("cpu").network


def test_it_is_ready_for_use() -> None:
    loaded = load_backbone("cpu")
    assert not any(isinstance(module, torch.nn.BatchNorm2d) for module in loaded.network.modules())
    assert not loaded.network.training and loaded.device.type == "cpu"
    assert not any(parameter.requires_grad for parameter in loaded.network.parameters())


def test_its_pixels_are_normalised() -> None:
    loaded, pixels = load_backbone("cpu"), torch.rand(1, 3, 64, 64)
    with torch.inference_mode():
        found = loaded.features(pixels, ["block1"])["block1"]
        expected = loaded.network.features(normalise(pixels, loaded.preprocessing), ["block1"])["block1"]
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)  # its memory lies in another order


def test_a_missing_weight_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backbone, "BACKBONE", "gone")
    with pytest.raises(WeightsError, match="gone"):
        vars(backbone._load_backbone)["__wrapped__"]("cpu", None)


def test_folding_batch_norm_leaves_activations_as_they_were() -> None:
    network = EfficientNetLite(num_classes=2)
    network(torch.randn(4, 3, 64, 64))  # in training mode: gives each BatchNorm statistics of its own
    network.eval()
    pixels = torch.randn(1, 3, 64, 64)
    names = ["stem", "block1", "block8", "head"]
    with torch.inference_mode():
        found, folded = network.features(pixels, names), fold_batch_norm(network).features(pixels, names)
    assert not any(isinstance(m, torch.nn.BatchNorm2d) for m in fold_batch_norm(network).modules())
    for name in names:
        torch.testing.assert_close(folded[name], found[name], atol=1e-4, rtol=1e-3)
