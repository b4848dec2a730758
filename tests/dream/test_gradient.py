"""Gradients: shifts, frequency bands, and tiles that give what the whole picture gives."""

from collections.abc import Sequence

import pytest
import torch
from torch import Tensor

from cvdemo.dream import gradient as gradients
from cvdemo.dream.gradient import Frame, framed, gradient_of, jitter, laplacian_normalise, mean_size, tiles_of
from cvdemo.dream.objectives import DreamNetwork, LayerStrength, Objective
from cvdemo.images import ImageArray
from cvdemo.nets.backbone import load_backbone
from cvdemo.ops.tiles import Place
from tests.dream.tiny_network import TinyNetwork

TOLERANCE = 0.95  # cosine of two gradients


def test_one_laplacian_band_only_scales() -> None:
    gradient = torch.randn(1, 3, 33, 20)
    torch.testing.assert_close(laplacian_normalise(gradient, 1), gradient / gradient.square().mean().sqrt())


def test_laplacian_bands_lift_a_weak_low_frequency() -> None:
    x = torch.arange(64.0)
    coarse, fine = torch.sin(x * 2 * torch.pi / 64), torch.cos(x * torch.pi)  # periods of 64 px and 2 px
    gradient = (0.01 * coarse + fine).expand(1, 3, 64, 64)

    def share(g: Tensor) -> float:
        return float((g[0, 0, 0] @ coarse).abs() / (g[0, 0, 0] @ fine).abs())

    assert share(laplacian_normalise(gradient, 5)) > 20 * share(gradient)


def test_laplacian_of_a_dead_gradient_is_zero() -> None:
    assert laplacian_normalise(torch.zeros(1, 3, 5, 1), 6).abs().max() == 0


def test_jitter_moves_the_picture_inside_a_wider_frame() -> None:
    pixels = torch.rand(1, 3, 20, 30)
    generator = torch.Generator().manual_seed(0)
    places = set()
    for _ in range(20):
        wider = jitter(pixels, 8, generator)
        assert wider.shape == (1, 3, 28, 38)
        found = [(y, x) for y in range(9) for x in range(9) if torch.equal(wider[..., y : y + 20, x : x + 30], pixels)]
        assert len(found) == 1
        places.add(found[0])
    assert len(places) > 10


def test_jitter_fits_pictures_narrower_than_itself() -> None:
    wider = jitter(torch.full((1, 3, 1, 50), 0.3), 32, torch.Generator())
    assert torch.equal(wider, torch.full((1, 3, 33, 82), 0.3))


def test_the_frame_takes_no_gradient() -> None:
    pixels = torch.rand(1, 3, 20, 30, requires_grad=True)
    jitter(pixels, 8, torch.Generator()).sum().backward()
    assert torch.equal(pixels.grad, torch.ones(1, 3, 20, 30))


def test_no_jitter_leaves_the_picture() -> None:
    pixels = torch.rand(1, 3, 20, 30)
    assert torch.equal(jitter(pixels, 0, torch.Generator()), pixels)


def test_the_frame_repeats_the_border_and_may_lie_within() -> None:
    pixels = torch.arange(12.0).view(1, 1, 3, 4)
    assert torch.equal(framed(pixels, Frame(slice(1, 3), slice(0, 2))), pixels[..., 1:3, :2])
    beyond = framed(pixels, Frame(slice(-2, 2), slice(3, 6)))
    assert beyond[0, 0].tolist() == [[3, 3, 3]] * 3 + [[7, 7, 7]]


def test_tiles_cover_the_picture_once_and_lie_elsewhere_each_time() -> None:
    generator = torch.Generator().manual_seed(0)
    frame = Frame.drawn((300, 450), 32, generator)
    grids = set()
    for _ in range(6):
        covered = torch.zeros(300, 450)
        for (rows, cols), seen in tiles_of((300, 450), frame, 128, generator):
            covered[rows, cols] += 1
            assert (seen.rows.start - frame.rows.start) % 32 == (seen.cols.start - frame.cols.start) % 32 == 0
            assert seen.rows.start <= rows.start and rows.stop <= seen.rows.stop
        assert (covered == 1).all()
        grids.add(tuple(str(place) for place, _ in tiles_of((300, 450), frame, 128, generator)))
    assert len(grids) > 3


def test_tiles_are_multiples_of_the_stride() -> None:
    with pytest.raises(ValueError, match="multiple of 32 px, got 100"):
        tiles_of((300, 300), Frame(slice(0, 300), slice(0, 300)), 100, torch.Generator())


def both_ways(pixels: Tensor, network: DreamNetwork, objective: Objective, tile_px: int) -> list[tuple[Tensor, float]]:
    """The gradient and the objective of the whole picture, and by tiles, with the same shift."""
    return [
        gradient_of(pixels, network, objective, 32, torch.Generator().manual_seed(3), size) for size in (None, tile_px)
    ]


def test_where_the_overlap_holds_the_receptive_field_tiles_change_nothing() -> None:
    pixels = torch.rand(1, 3, 288, 352)
    (whole, value), (tiled, tiled_value) = both_ways(pixels, TinyNetwork(), LayerStrength("block1"), 96)
    torch.testing.assert_close(tiled, whole, rtol=1e-3, atol=1e-3 * float(whole.abs().mean()))
    assert tiled_value == pytest.approx(value, rel=0.05)


@pytest.mark.slow
def test_tiles_give_the_real_network_almost_the_same_gradient_without_a_seam(
    cheetah: ImageArray, monkeypatch: pytest.MonkeyPatch
) -> None:
    pixels = torch.from_numpy(cheetah[:288, :480].copy()).permute(2, 0, 1)[None] / 255
    cores: list[Place] = []
    monkeypatch.setattr(gradients, "tiles_of", lambda *given: kept(tiles_of(*given), cores))
    (whole, _), (tiled, _) = both_ways(pixels, load_backbone("cpu"), LayerStrength("block8"), 192)
    strip = beside_seams(cores, (288, 480))
    assert 0.03 < float(strip.float().mean()) < 0.3
    alike = [torch.cosine_similarity(whole[..., p].flatten(), tiled[..., p].flatten(), dim=0) for p in (strip, ~strip)]
    assert alike[0] > 0.98  # 0.994 were measured; with half of the overlap 0.922, without one 0.171
    assert alike[1] > TOLERANCE


def kept(tiles: list[tuple[Place, Frame]], cores: list[Place]) -> list[tuple[Place, Frame]]:
    """The tiles; their places are added to `cores`."""
    cores.extend(place for place, _ in tiles)
    return tiles


def beside_seams(cores: Sequence[Place], size_hw: tuple[int, int]) -> Tensor:
    """Where a place is at most 4 px from an edge of a tile inside the picture: bool (H, W)."""
    strip = torch.zeros(size_hw, dtype=torch.bool)
    for rows, cols in cores:
        if rows.start:
            strip[rows.start - 4 : rows.start + 4] = True
        if cols.start:
            strip[:, cols.start - 4 : cols.start + 4] = True
    return strip


def test_the_mean_size_is_that_of_absolute_values_and_never_zero() -> None:
    assert mean_size(torch.tensor([[1.0, -3.0]])) == pytest.approx(2)
    assert mean_size(torch.zeros(1, 3, 9, 9)) > 0
