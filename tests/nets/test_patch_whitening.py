"""The whitening layer: what comes out of it, that it is not trained, and that it travels with the network."""

import pytest
import torch
from torch import Tensor

from cvdemo.nets import patch_whitening
from cvdemo.nets.build import build_network
from cvdemo.nets.forward import OnnxEngine
from cvdemo.nets.onnx_trace import onnx_model
from cvdemo.nets.patch_whitening import PatchWhitening, patch_statistics
from cvdemo.ops.whitening import WhiteningKind


def pictures(count: int = 64, side_px: int = 14) -> Tensor:
    """Neighbours and colours that vary together, around a mean that is not zero."""
    noise = torch.randn(count, 3, side_px + 1, side_px + 1, generator=torch.Generator().manual_seed(0))
    smooth = torch.nn.functional.avg_pool2d(noise, 2, 1)
    return 0.7 * smooth + 0.3 * smooth.mean(dim=1, keepdim=True) + torch.tensor([0.5, -0.2, 0.1])[:, None, None]


def inside(maps: Tensor) -> Tensor:
    """(C, places): the values of patches that lie inside the pictures."""
    return maps[..., 1:-1, 1:-1].transpose(0, 1).flatten(1)


@pytest.mark.parametrize(("kind", "channels"), [("pca", 27), ("zca", 3)])
def test_its_channels_are_uncorrelated_and_of_unit_variance(kind: WhiteningKind, channels: int) -> None:
    layer = PatchWhitening(kind)
    layer.fit(pictures(), eps=0.0)
    maps = layer(pictures())
    assert maps.shape == (64, channels, 14, 14)
    assert torch.allclose(torch.cov(inside(maps)), torch.eye(channels), atol=1e-3)
    assert inside(maps).mean(dim=1).abs().max() < 1e-3


def test_zca_gives_a_picture_near_the_original() -> None:
    layer = PatchWhitening("zca")
    layer.fit(pictures(), eps=0.0)
    given, found = inside(pictures()), inside(layer(pictures()))
    alike = torch.corrcoef(torch.cat([given, found]))[:3, 3:]
    assert (alike.argmax(dim=1) == torch.arange(3)).all() and alike.diagonal().min() > 0.4


def test_statistics_are_those_of_all_patches_however_many_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    patches = torch.nn.functional.unfold(pictures(7, 8), 3).transpose(1, 2).flatten(0, 1).double()
    monkeypatch.setattr(patch_whitening, "_CHUNK", 3)
    mean, covariance = patch_statistics(pictures(7, 8), 3)
    assert torch.allclose(mean, patches.mean(dim=0)) and torch.allclose(covariance, torch.cov(patches.T))


def test_a_network_has_it_as_a_layer_that_no_optimiser_trains() -> None:
    network = build_network({"name": "mini_googlenet", "num_classes": 3, "whitening": "zca"})
    whiten = network.whiten
    assert isinstance(whiten, PatchWhitening)
    whiten.fit(pictures())
    before = whiten.weight.clone()
    assert not any(weight.requires_grad for weight in whiten.parameters())
    network.train()
    network(pictures(4, 32)).sum().backward()
    assert torch.equal(whiten.weight, before)
    again = build_network({"name": "mini_googlenet", "num_classes": 3, "whitening": "zca"})
    again.load_state_dict(network.state_dict())
    assert torch.equal(again.whiten.weight, before)


def test_without_whitening_the_network_is_what_it_was() -> None:
    plain = build_network({"name": "mini_googlenet", "num_classes": 3})
    assert not any("whiten" in key for key in plain.state_dict())


@pytest.mark.parametrize("kind", ["pca", "zca"])
@torch.inference_mode()
def test_it_runs_in_onnx_runtime_too(kind: str) -> None:
    network = build_network({"name": "mini_googlenet", "num_classes": 3, "whitening": kind}).eval()
    assert isinstance(network.whiten, PatchWhitening)
    network.whiten.fit(pictures())
    model = onnx_model(network)
    pixels = pictures(2, 32)
    torch.testing.assert_close(OnnxEngine(lambda: model, 1)(pixels), network(pixels), atol=1e-4, rtol=1e-4)


def test_what_cannot_be_is_refused() -> None:
    with pytest.raises(ValueError, match="patch_px must be odd, got 2"):
        PatchWhitening("pca", 2)
    with pytest.raises(ValueError, match="whitening must be one of"):
        build_network({"name": "mini_googlenet", "whitening": "yes"})
    with pytest.raises(ValueError, match="need 27 patches or more, got 4"):
        PatchWhitening("pca").fit(pictures(1, 4))
