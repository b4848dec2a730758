"""The network that repaints: what its codes say, and that it draws no frame and no checkerboard."""

import pytest
import torch

from cvdemo.nets.efficientnet_lite import EfficientNetLite
from cvdemo.nets.style_net import (
    STATISTICS_DIM,
    STATISTICS_LAYERS,
    STRIDE,
    StyledConv,
    StyleEncoder,
    StyleNet,
    style_statistics,
)
from tests.helpers.painters import loud_style_net

CODE = torch.tensor([[0.5, -1.0, 2.0, 0.1]])


def maps_of(pixels: torch.Tensor) -> dict[str, torch.Tensor]:
    torch.manual_seed(1)
    return EfficientNetLite(num_classes=2).eval().features(pixels, STATISTICS_LAYERS)


def test_statistics_are_means_and_deviations_of_colours_and_channels() -> None:
    pixels = torch.rand(2, 3, 32, 40)
    maps = {name: 5 + 2 * torch.randn_like(found) for name, found in maps_of(pixels).items()}
    statistics = style_statistics(pixels, maps)
    assert statistics.shape == (2, STATISTICS_DIM)
    colours = pixels[1].flatten(1)
    torch.testing.assert_close(statistics[1, :3], colours.mean(dim=1))
    covariance = torch.cov(colours, correction=0)
    torch.testing.assert_close(statistics[1, 3:9], covariance[tuple(torch.triu_indices(3, 3))], atol=1e-6, rtol=1e-4)
    stem = maps["stem"][1].flatten(1)
    torch.testing.assert_close(statistics[1, 9:41], stem.mean(dim=1))
    torch.testing.assert_close(statistics[1, 41:73], stem.std(dim=1, correction=0))
    deepest = maps["block8"][1].flatten(1)
    torch.testing.assert_close(statistics[1, -112:], deepest.std(dim=1, correction=0))


def test_statistics_do_not_say_where_things_are() -> None:
    pixels = torch.rand(1, 3, 32, 32)
    maps = maps_of(pixels)
    turned = style_statistics(pixels.flip(3), {name: found.flip(2) for name, found in maps.items()})
    torch.testing.assert_close(turned, style_statistics(pixels, maps))


def test_the_encoder_takes_its_scale_from_paintings_and_cuts_off_what_is_far_from_them() -> None:
    encoder = StyleEncoder(code_dim=4, hidden=8)
    seen = torch.randn(50, STATISTICS_DIM) * 3 + 7
    encoder.standardise(seen)
    torch.testing.assert_close(encoder.mean, seen.mean(dim=0))
    torch.testing.assert_close(encoder.deviation, seen.std(dim=0))
    far, farther = encoder.mean + 5 * encoder.deviation, encoder.mean + 500 * encoder.deviation
    assert torch.equal(encoder(far[None]), encoder(farther[None]))
    assert not torch.equal(encoder(far[None]), encoder(encoder.mean[None]))
    with pytest.raises(ValueError, match="two pictures or more, got 1"):
        encoder.standardise(seen[:1])


@pytest.mark.parametrize("stride", [1, 2])
def test_gain_and_shift_of_a_channel_come_from_the_code(stride: int) -> None:
    styled, x = StyledConv(3, 2, code_dim=1, stride=stride), torch.rand(1, 3, 8, 8)
    plain = styled(x, torch.ones(1, 1))
    torch.testing.assert_close(plain, styled.convolved(x))
    with torch.no_grad():
        styled.modulation.weight.copy_(torch.tensor([[100.0], [0.0], [0.0], [0.5]]))
        styled.weight *= 7  # its length does not count
    changed = styled(x, torch.ones(1, 1))
    assert changed.shape == (1, 2, 8 // stride, 8 // stride)
    torch.testing.assert_close(changed[:, 0], 3 * plain[:, 0])  # the largest gain
    torch.testing.assert_close(changed[:, 1], plain[:, 1] + 0.5)


@pytest.mark.parametrize("code", [0.0, 1000.0, -1000.0])
def test_activations_stay_of_the_size_of_their_input_whatever_the_code(code: float) -> None:
    """Without a bound a run diverged: each block multiplied the last one's activations by ten."""
    torch.manual_seed(0)
    network = StyleNet(width=20, blocks=8, code_dim=4, hidden=8)
    for layer in network.modules():
        if isinstance(layer, StyledConv):
            layer.modulation.weight.data[: layer.modulation.out_features // 2].normal_()  # gains, not shifts
    sizes = []
    for block in network.blocks:
        block.register_forward_hook(lambda module, given, out: sizes.append(out.square().mean().sqrt().item()))
    network(torch.rand(1, 3, 32, 32), torch.full((1, 4), code))
    assert min(sizes) > 0 and max(sizes) < 40 * sizes[0]


def test_each_picture_of_a_batch_gets_its_own_style() -> None:
    network, pixels = loud_style_net(), torch.rand(2, 3, 24, 32)
    codes = torch.cat([CODE, -CODE])
    both = network(pixels, codes)
    for i in range(2):
        torch.testing.assert_close(both[i : i + 1], network(pixels[i : i + 1], codes[i : i + 1]))
    assert (network(pixels[:1], CODE) - network(pixels[:1], -CODE)).abs().mean() > 0.01
    assert both.shape == pixels.shape and both.min() > 0 and both.max() < 1


@pytest.mark.parametrize("grey", [0.0, 0.3, 1.0])
def test_a_flat_picture_stays_flat_without_frame_or_checkerboard(grey: float) -> None:
    painted = loud_style_net(blocks=2)(torch.full((1, 3, 32, 40), grey), CODE)
    assert painted.flatten(2).std(dim=2).max() < 1e-5


def test_nothing_farther_away_than_the_halo_is_seen() -> None:
    network = loud_style_net(blocks=2)
    pixels = torch.rand(1, 3, 160, 160).requires_grad_()
    network(pixels, CODE)[0, :, 80, 80].sum().backward()
    assert pixels.grad is not None
    (seen,) = (pixels.grad[0].abs().sum(dim=(0, 1)) > 0).nonzero(as_tuple=True)
    reach = max(80 - seen.min().item(), seen.max().item() - 80)
    assert reach <= network.halo_px < reach + 3 * STRIDE
    assert network.halo_px % STRIDE == 0


def test_training_begins_near_the_coarse_colours() -> None:
    torch.manual_seed(0)
    pixels = torch.nn.functional.interpolate(torch.rand(1, 3, 4, 4), scale_factor=16, mode="bilinear") * 0.8 + 0.1
    painted = StyleNet(width=10, blocks=1, code_dim=4, hidden=8)(pixels, CODE)
    assert (painted - pixels).abs().mean() < 0.03


def test_the_default_is_small_enough_to_ship() -> None:
    parameters = sum(parameter.numel() for parameter in StyleNet().parameters())
    assert 0.9e6 < parameters < 1.2e6  # 2.5 MB in float16


def test_wrong_sizes_are_refused() -> None:
    with pytest.raises(ValueError, match="a multiple of 4 px, got"):
        loud_style_net()(torch.rand(1, 3, 30, 32), CODE)
    with pytest.raises(ValueError, match=r"at least 1, got .*blocks=0"):
        StyleNet(blocks=0)


@pytest.mark.parametrize("stride", [1, 2])
def test_kernels_begin_at_length_1(stride: int) -> None:
    """Longer ones hardly turn: a run whose kernels began 27 times as long still copied its pictures at step 500."""
    lengths = StyledConv(64, 32, code_dim=1, stride=stride).weight.flatten(1).norm(dim=1)
    torch.testing.assert_close(lengths, torch.ones(32), atol=0.15, rtol=0)
