"""Losses and gradients by tiles: those of one pass, for any size, with masks and several styles."""

from typing import Any

import pytest
import torch

from cvdemo.example_pictures import example_picture
from cvdemo.images import read_image, resize, to_tensor
from cvdemo.nets.backbone import Backbone, load_backbone
from cvdemo.style import tiled
from cvdemo.style.config import StyleConfig
from cvdemo.style.optimise import whole_gradient
from cvdemo.style.targets import Strokes, make_region, make_targets
from cvdemo.style.tiled import HALO_PX, STRIDE, even_tiles, tiled_gradient, tiled_statistics, tiled_targets
from tests.helpers.painters import random_backbone

HEIGHT, WIDTH = 119, 183  # views of 128 x 192, so that one pass sees no other padding
FAR_PX = 112  # as far as block8 sees


@pytest.fixture(scope="module")
def network() -> Backbone:
    return random_backbone()


def generator() -> torch.Generator:
    return torch.Generator().manual_seed(5)


def far_sighted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tiles that carry all that the network sees of their surroundings."""
    monkeypatch.setattr(tiled, "even_tiles", lambda height, width, side: even_tiles(height, width, side, FAR_PX))


@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("distance", ["gram", "wasserstein"])
def test_tiles_give_the_gradient_and_the_losses_of_one_pass(
    network: Backbone, monkeypatch: pytest.MonkeyPatch, distance: str, masked: bool
) -> None:
    far_sighted(monkeypatch)
    torch.manual_seed(0)
    content, pixels, style = (torch.rand(1, 3, *size) for size in ((HEIGHT, WIDTH), (HEIGHT, WIDTH), (96, 112)))
    mask = torch.rand(1, 1, HEIGHT, WIDTH)
    two = [Strokes([(style, 1.0)], mask), Strokes([(style.flip(1), 2.0), (style * 0.5, 1.0)], 1 - mask)]
    strokes = two if masked else [Strokes([(style, 1.0)])]
    config = StyleConfig(style_loss=distance, detail=0.4, flat_smoothing=0.5)
    targets = make_targets(content, strokes, network, generator(), 2, config=config)
    whole, wanted = whole_gradient(pixels, targets, 1, network, config)
    targets = tiled_targets(content, strokes, network, generator(), 2, config=config, side=64)
    gradient, found = tiled_gradient(pixels, targets, 1, network, config, side=64)
    assert (gradient - whole).norm() < 1e-3 * whole.norm()
    for loss, expected in zip(found, wanted, strict=True):
        torch.testing.assert_close(loss, expected, rtol=1e-4, atol=2e-5)  # 1 is as far away as nothing at all


def test_with_the_usual_surroundings_the_gradient_is_nearly_that_of_one_pass() -> None:
    """On the real network, whose block8 sees 105 px far; a seam would show as a difference along the tiles' edges."""
    network, config = load_backbone("cpu"), StyleConfig()
    content = resize(to_tensor(read_image(example_picture("chelsea"))), (119, 375))
    style = resize(to_tensor(read_image(example_picture("styles/mosaic"))), (160, 160))
    whole, _ = whole_gradient(content, make_targets(content, style, network, generator(), 1), 0, network, config)
    targets = tiled_targets(content, [Strokes([(style, 1.0)])], network, generator(), 1, side=128)
    gradient, _ = tiled_gradient(content, targets, 0, network, config, side=128)
    missed = gradient - whole
    assert missed.norm() < 0.03 * whole.norm()
    edge = 128 - 8  # where the first tile ends, with the border and shift of the view
    near, everywhere = (part.square().mean() for part in (missed[..., edge - 12 : edge + 12], whole))
    assert near < 0.01 * everywhere


def test_a_size_that_fills_no_stride_is_tiled_without_loss(network: Backbone, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its view is filled up to the next stride; tiles of any size then give the same."""
    far_sighted(monkeypatch)
    torch.manual_seed(0)
    content, pixels, style = torch.rand(1, 3, 99, 141), torch.rand(1, 3, 99, 141), torch.rand(1, 3, 70, 90)
    found = []
    for side in (64, 1024):
        targets = tiled_targets(content, [Strokes([(style, 1.0)])], network, generator(), 1, side=side)
        found.append(tiled_gradient(pixels, targets, 0, network, StyleConfig(), side=side)[0])
    assert found[0].shape == (1, 3, 99, 141)
    assert (found[0] - found[1]).norm() < 1e-3 * found[1].norm()


def test_statistics_of_a_style_by_tiles_are_those_of_the_whole(
    network: Backbone, monkeypatch: pytest.MonkeyPatch
) -> None:
    far_sighted(monkeypatch)
    style = torch.rand(1, 3, 130, 97)
    whole = make_region(Strokes([(style[..., :128, :96], 1.0)]), network).layers
    for name, found in tiled_statistics(style, network, 48).items():
        torch.testing.assert_close(found.moment, whole[name].moment, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(("height", "width", "side"), [(64, 64, 64), (2064, 1392, 704), (80, 272, 96)])
def test_tiles_cover_the_view_once_and_are_of_about_one_size(height: int, width: int, side: int) -> None:
    seen = torch.zeros(height, width)
    places = even_tiles(height, width, side)
    for tile in places:
        seen[tile.place] += 1
        for own, near, length in zip(tile.place, tile.near, (height, width), strict=True):
            assert near == slice(max(0, own.start - HALO_PX), min(length, own.stop + HALO_PX))
            assert own.start % STRIDE == 0 and own.stop - own.start <= side
    assert (seen == 1).all()


@pytest.mark.parametrize(
    "sizes", [(60, 64, 64, 64), (64, 70, 64, 64), (64, 64, 60, 64), (64, 64, 64, 9), (64, 64, 0, 0)]
)
def test_tiles_off_the_strides_are_refused(sizes: tuple[int, int, int, int]) -> None:
    with pytest.raises(ValueError, match="need multiples of 16"):
        even_tiles(*sizes)


def test_only_a_tile_goes_through_the_network_at_once(network: Backbone, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[int] = []
    features = type(network).features

    def watched(own: Backbone, pixels: torch.Tensor, names: Any) -> Any:
        seen.append(pixels.shape[-2] * pixels.shape[-1])
        return features(own, pixels, names)

    monkeypatch.setattr(type(network), "features", watched)
    content = torch.rand(1, 3, 244, 308)
    targets = tiled_targets(content, [Strokes([(content, 1.0)])], network, generator(), 1, side=32)
    tiled_gradient(content, targets, 0, network, StyleConfig(), side=32)
    assert max(seen) <= (32 + 2 * HALO_PX) ** 2


def test_a_visitor_who_leaves_ends_the_preparation(network: Backbone) -> None:
    from cvdemo.runtime import Deadline, stopping_when

    content = torch.rand(1, 3, 40, 40)
    with stopping_when(lambda: True):
        deadline = Deadline(60)
    targets = tiled_targets(content, [Strokes([(content, 1.0)])], network, generator(), 12, deadline)
    assert len(targets.shifts) == len(targets.content) == 1
