"""Super-resolution by ONNX Runtime: equal to torch, for any size, in bands of bounded size."""

from typing import TypeVar

import pytest
import torch

from cvdemo.nets.fast_srcnn import FastSRCNN
from cvdemo.nets.srcnn import SRCNN
from cvdemo.upscale import bands as bands_module
from cvdemo.upscale.bands import bands, onnx_engine
from cvdemo.upscale.network import Net, torch_engine

AnyNet = TypeVar("AnyNet", SRCNN, FastSRCNN)
SIZES = [(1, 1), (7, 40), (33, 20)]


def srcnn(kernels: tuple[int, int, int]) -> SRCNN:
    """Random in every layer; that of the paper starts as the identity."""
    return randomised(SRCNN(kernels=kernels, channels=(16, 8)))


def fast(scale: int, depth: int = 3) -> FastSRCNN:
    return randomised(FastSRCNN(scale, width=12, depth=depth))


def randomised(network: AnyNet) -> AnyNet:
    generator = torch.Generator().manual_seed(0)
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=0.2, generator=generator)
    return network.eval().requires_grad_(False)


NETWORKS: dict[str, Net] = {
    "9-5-5": srcnn((9, 5, 5)),
    "9-1-5": srcnn((9, 1, 5)),
    "fast x2": fast(2),
    "fast x3": fast(3, depth=1),
    "fast x4": fast(4, depth=5),
}


@pytest.mark.parametrize("size_hw", SIZES)
@pytest.mark.parametrize("name", NETWORKS)
def test_it_equals_torch(name: str, size_hw: tuple[int, int]) -> None:
    network = NETWORKS[name]
    x = torch.rand(1, 1, *(side + 2 * network.halo_px for side in size_hw))
    expected = torch_engine(network)(x)
    scale = network.scale if isinstance(network, FastSRCNN) else 1
    assert expected.shape[-2:] == (size_hw[0] * scale, size_hw[1] * scale)
    torch.testing.assert_close(onnx_engine(network)(x), expected, atol=1e-4, rtol=0)
    assert expected.abs().max().item() > 0.01  # a network of zeros would prove nothing


@pytest.mark.parametrize("name", ["9-5-5", "fast x3"])
def test_large_tiles_go_through_in_bands(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    network = NETWORKS[name]
    x = torch.rand(1, 1, 61, 50)
    whole = onnx_engine(network)(x)
    monkeypatch.setattr(bands_module, "BAND_PX", 50 * 30)
    parts = bands(x, network.halo_px)
    assert len(parts) > 2 and max(part.shape[2] for part in parts) == 30
    torch.testing.assert_close(onnx_engine(network)(x), whole, atol=1e-5, rtol=0)


def test_bands_narrower_than_the_halo_have_one_row_each() -> None:
    parts = bands(torch.zeros(1, 1, 12, bands_module.BAND_PX), halo_px=4)
    assert [part.shape[2] for part in parts] == [9] * 4
