"""FastSRCNN: sizes, its halo, its start at bicubic, and what it may weigh."""

import numpy as np
import pytest
import torch

from cvdemo.nets.fast_srcnn import FastSRCNN


@pytest.fixture
def network() -> FastSRCNN:
    small = FastSRCNN(3, width=5, depth=2).eval().requires_grad_(False)
    torch.nn.init.normal_(small.last.weight, std=0.1)
    return small


@pytest.mark.parametrize("scale", [2, 3, 4])
@pytest.mark.parametrize("size_hw", [(1, 1), (9, 4), (20, 31)])
def test_sizes_are_multiplied(scale: int, size_hw: tuple[int, int]) -> None:
    detail = FastSRCNN(scale, width=4, depth=1)(torch.rand(2, 1, *size_hw))
    assert detail.shape == (2, 1, size_hw[0] * scale, size_hw[1] * scale)


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_it_is_small(scale: int) -> None:
    assert sum(parameter.numel() for parameter in FastSRCNN(scale).parameters()) <= 60_000


@pytest.mark.parametrize("depth", [1, 2, 5])
def test_the_halo_is_the_reach_of_a_pixel(depth: int) -> None:
    network = FastSRCNN(2, width=4, depth=depth).eval()
    for parameter in network.parameters():
        torch.nn.init.constant_(parameter, 0.1)  # nothing cancels
    image = torch.zeros(1, 1, 41, 41)
    image[..., 20, 20] = 1.0
    touched = (network(image) - network(torch.zeros_like(image))).abs()[0, 0] > 0
    rows = touched.any(dim=1).nonzero().flatten()
    assert network.halo_px == 3 + depth
    assert (int(rows.min()), int(rows.max())) == (2 * (20 - network.halo_px), 2 * (20 + network.halo_px) + 1)


def test_the_padded_form_is_the_unpadded_one_of_the_mirrored_picture(network: FastSRCNN) -> None:
    image = torch.rand(1, 1, 12, 15)
    padded = torch.from_numpy(np.pad(image[0, 0], network.halo_px, mode="symmetric"))[None, None]
    torch.testing.assert_close(network(image), network.detail_inner(padded))
    inner = slice(network.halo_px, -network.halo_px)
    whole = torch.rand(1, 1, 30, 31)
    large = slice(3 * network.halo_px, -3 * network.halo_px)
    torch.testing.assert_close(network(whole)[..., large, large], network.detail_inner(whole))
    assert network.detail_inner(whole).shape[-1] == 3 * whole[..., inner].shape[-1]


def test_training_starts_near_bicubic() -> None:
    image = torch.rand(1, 1, 24, 24)
    assert FastSRCNN(2)(image).abs().max().item() < 0.1


def test_the_pixels_of_a_block_are_side_by_side() -> None:
    network = FastSRCNN(2, width=3, depth=1).requires_grad_(False)
    network.last.weight.zero_()
    network.last.bias.copy_(torch.tensor([1.0, 2.0, 3.0, 4.0]))  # type: ignore[union-attr]  # it has a bias
    assert network(torch.zeros(1, 1, 1, 1))[0, 0].tolist() == [[1.0, 2.0], [3.0, 4.0]]


@pytest.mark.parametrize("sizes", [{"scale": 0}, {"scale": 2, "width": 0}, {"scale": 2, "depth": 0}])
def test_sizes_below_one_are_refused(sizes: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="need sizes of at least 1"):
        FastSRCNN(**sizes)
