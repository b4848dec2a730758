"""SRCNN: identity at the start, the receptive field it claims, tiles equal to the whole."""

import numpy as np
import pytest
import torch

from cvdemo.nets.srcnn import SRCNN


@pytest.mark.parametrize(("kernels", "halo_px"), [((9, 5, 5), 8), ((9, 1, 5), 6), ((3, 1, 1), 1)])
def test_keeps_the_size_and_knows_its_halo(kernels: tuple[int, ...], halo_px: int) -> None:
    network = SRCNN(kernels, (4, 3))
    assert network.halo_px == halo_px
    assert network(torch.rand(2, 1, 21, 30)).shape == (2, 1, 21, 30)


def test_starts_near_the_identity() -> None:
    torch.manual_seed(0)
    x = torch.rand(1, 1, 24, 24)
    assert (SRCNN()(x) - x).abs().max() < 0.1


def test_parameters_are_those_of_the_paper() -> None:
    assert sum(p.numel() for p in SRCNN((9, 1, 5)).parameters()) == 8032 + 64 + 32 + 1
    assert sum(p.numel() for p in SRCNN((9, 5, 5)).parameters()) == 57184 + 64 + 32 + 1


def test_receptive_field_ends_at_the_halo() -> None:
    torch.manual_seed(0)
    network = SRCNN((5, 1, 3), (4, 3))
    x = torch.rand(1, 1, 15, 15, requires_grad=True)
    network(x)[0, 0, 7, 7].backward()
    assert x.grad is not None
    reached = x.grad[0, 0].nonzero()
    assert reached.min() >= 7 - network.halo_px
    assert reached.max() <= 7 + network.halo_px


def test_a_tile_with_its_halo_equals_the_whole() -> None:
    torch.manual_seed(0)
    network = SRCNN((5, 3, 3), (4, 3)).double()
    x = torch.rand(1, 1, 30, 30, dtype=torch.float64)
    halo = network.halo_px
    whole = network(x)
    padded = torch.from_numpy(np.pad(x[0, 0], halo, mode="symmetric"))[None, None]
    tile = network.restore_inner(padded[..., 10 : 20 + 2 * halo, 5 : 15 + 2 * halo])
    torch.testing.assert_close(tile, whole[..., 10:20, 5:15])


@pytest.mark.parametrize(("kernels", "channels"), [((9, 4, 5), (64, 32)), ((9, 5, 5), (64,)), ((9,), (64,))])
def test_refuses_what_does_not_fit(kernels: tuple[int, ...], channels: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="odd kernels"):
        SRCNN(kernels, channels)
