"""Gram matrices and losses: known answers, properties, errors."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from cvdemo.style.losses import (
    STYLE_DISTANCES,
    Statistics,
    content_loss,
    flatness_of,
    gram_error,
    gram_matrix,
    mixed,
    relative_error,
    statistic_sums,
    style_loss,
    total_variation,
    wasserstein2,
)


def test_gram_matrix_of_two_channels_by_hand() -> None:
    features = torch.tensor([[1.0, 2.0, 3.0, 4.0], [0.0, 1.0, 0.0, -1.0]]).view(1, 2, 2, 2)
    expected = torch.tensor([[[7.5, -0.5], [-0.5, 0.5]]])  # (1+4+9+16)/4, (2-4)/4, (1+1)/4
    torch.testing.assert_close(gram_matrix(features), expected)


def test_gram_matrix_ignores_where_things_are_and_how_large_the_picture_is() -> None:
    features = torch.randn(2, 5, 6, 4)
    shuffled = features.flatten(2)[..., torch.randperm(24)].view(2, 5, 4, 6)
    torch.testing.assert_close(gram_matrix(shuffled), gram_matrix(features))
    torch.testing.assert_close(gram_matrix(features.repeat(1, 1, 3, 2)), gram_matrix(features))


def test_gram_matrix_is_symmetric_and_never_negative() -> None:
    gram = gram_matrix(torch.randn(1, 6, 3, 3))
    torch.testing.assert_close(gram, gram.transpose(1, 2))
    assert torch.linalg.eigvalsh(gram[0]).min() > -1e-5


@pytest.mark.parametrize("shape", [(3, 4, 4), (1, 3, 0, 4)])
def test_gram_matrix_wants_four_axes_with_positions(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="need \\(B, C, H, W\\) activations"):
        gram_matrix(torch.zeros(shape))


def test_relative_error_is_one_for_nothing_and_does_not_depend_on_units() -> None:
    value, target = torch.randn(4, 4), torch.randn(4, 4)
    assert relative_error(target, target) == 0
    torch.testing.assert_close(relative_error(torch.zeros(4, 4), target), torch.tensor(1.0))
    torch.testing.assert_close(relative_error(value * 7, target * 7), relative_error(value, target))


def test_relative_error_to_a_target_of_zeros_is_finite() -> None:
    assert torch.isfinite(relative_error(torch.ones(2), torch.zeros(2)))


def test_relative_error_refuses_shapes_that_would_broadcast() -> None:
    with pytest.raises(ValueError, match="shapes differ: \\(1, 2\\), \\(2, 2\\)"):
        relative_error(torch.ones(1, 2), torch.ones(2, 2))


def test_style_loss_is_the_weighted_mean_over_layers() -> None:
    features = {"same": torch.ones(1, 1, 2, 2), "none": torch.zeros(1, 1, 4, 4)}
    grams = {"same": torch.ones(1, 1, 1), "none": torch.ones(1, 1, 1)}
    torch.testing.assert_close(style_loss(features, grams, {"same": 3.0, "none": 1.0}), torch.tensor(0.25))


@pytest.mark.parametrize("weights", [{}, {"a": 0.0}, {"a": -1.0, "b": 3.0}])
def test_style_loss_wants_sensible_weights(weights: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="need weights of at least 0, not all 0"):
        style_loss({}, {}, weights)


def test_content_loss_falls_on_the_way_to_the_target() -> None:
    start, target = torch.randn(1, 3, 4, 4), torch.randn(1, 3, 4, 4)
    found = [float(content_loss(start.lerp(target, share), target)) for share in (0.0, 0.5, 1.0)]
    assert found[0] > found[1] > found[2] == 0


def test_total_variation_by_hand() -> None:
    pixels = torch.tensor([[0.0, 1.0], [0.0, 3.0]]).view(1, 1, 2, 2)
    assert total_variation(pixels) == (0 + 4) / 2 + (1 + 9) / 2
    assert total_variation(torch.full((1, 3, 5, 7), 0.4)) == 0


def test_total_variation_wants_neighbours() -> None:
    with pytest.raises(ValueError, match="at least 2 x 2"):
        total_variation(torch.zeros(1, 3, 1, 9))


def gaussian(mean: list[float], covariance: list[list[float]]) -> Statistics:
    own = torch.tensor(mean)
    return Statistics(own, torch.tensor(covariance) + own[:, None] * own[None, :])


def test_statistics_are_mean_and_gram_matrix() -> None:
    features = torch.randn(1, 3, 5, 4)
    found = Statistics.of(features)
    torch.testing.assert_close(found.mean, features.mean(dim=(0, 2, 3)))
    torch.testing.assert_close(found.moment, gram_matrix(features)[0])
    torch.testing.assert_close(found.covariance, torch.cov(features[0].flatten(1), correction=0), atol=1e-5, rtol=1e-4)


def test_weighted_statistics_leave_out_what_weighs_nothing() -> None:
    features, weights = torch.randn(1, 3, 4, 4), torch.zeros(4, 4)
    weights[:, :2] = 1
    left = Statistics.of(features[..., :2])
    torch.testing.assert_close(Statistics.of(features, weights).moment, left.moment)
    torch.testing.assert_close(Statistics.of(features, weights).mean, left.mean)


def test_sums_of_parts_are_those_of_the_whole() -> None:
    features = torch.randn(1, 3, 6, 4)
    parts = zip(statistic_sums(features[..., :2, :]), statistic_sums(features[..., 2:, :]), strict=True)
    for (part, rest), whole in zip(parts, statistic_sums(features), strict=True):
        torch.testing.assert_close(part + rest, whole)


@pytest.mark.parametrize("shape", [(3, 4, 4), (2, 3, 4, 4), (1, 3, 0, 4)])
def test_statistics_want_one_picture_with_positions(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="need \\(1, C, H, W\\) activations"):
        Statistics.of(torch.zeros(shape))


def test_pictures_mix_as_if_they_were_one() -> None:
    one, other = torch.randn(1, 3, 4, 4), torch.randn(1, 3, 4, 12) + 1
    together = Statistics.of(torch.cat([one, other], dim=3))
    found = mixed([(Statistics.of(one), 1.0), (Statistics.of(other), 3.0)])
    torch.testing.assert_close(found.moment, together.moment)
    torch.testing.assert_close(found.mean, together.mean)


@pytest.mark.parametrize("shares", [[], [0.0], [-1.0, 3.0]])
def test_shares_are_sensible(shares: list[float]) -> None:
    with pytest.raises(ValueError, match="need shares of at least 0, not all 0"):
        mixed([(gaussian([0.0], [[1.0]]), share) for share in shares])


def test_the_wasserstein_distance_of_two_known_gaussians() -> None:
    """Where covariances commute it is |m - n|^2 + sum (sqrt a - sqrt b)^2; here (9 + (2 - 1)^2 + (3 - 4)^2) / 26."""
    one, other = gaussian([3.0, 0.0], [[4.0, 0.0], [0.0, 9.0]]), gaussian([0.0, 3.0], [[1.0, 0.0], [0.0, 16.0]])
    torch.testing.assert_close(wasserstein2(one, other), torch.tensor((9 + 9 + 1 + 1) / 26), atol=2e-3, rtol=0)


def test_the_wasserstein_distance_is_that_of_the_definition() -> None:
    torch.manual_seed(0)
    one, other = (Statistics.of(torch.randn(1, 4, 8, 8) * scale + scale) for scale in (0.5, 2.0))
    inner = other.covariance @ one.covariance
    root = torch.linalg.eigvals(inner).real.sqrt().sum()  # the trace of the root, of similar matrices
    traces = one.covariance.trace() + other.covariance.trace()
    expected = ((one.mean - other.mean).square().sum() + traces - 2 * root) / other.moment.trace()
    torch.testing.assert_close(wasserstein2(one, other), expected, atol=1e-3, rtol=1e-3)


@pytest.mark.parametrize("name", STYLE_DISTANCES)
def test_distances_of_equal_statistics_are_zero_and_of_nothing_one(name: str) -> None:
    torch.manual_seed(0)
    found = Statistics.of(torch.randn(1, 6, 8, 8) + 0.5)
    nothing = Statistics(torch.zeros(6), torch.zeros(6, 6))
    assert STYLE_DISTANCES[name](found, found).abs() < 1e-5
    torch.testing.assert_close(STYLE_DISTANCES[name](nothing, found), torch.tensor(1.0), atol=0.02, rtol=0)


@pytest.mark.parametrize("distance", [wasserstein2, gram_error])
def test_a_step_down_the_gradient_brings_statistics_nearer(
    distance: Callable[[Statistics, Statistics], Tensor],
) -> None:
    """Also where channels are alike or dead, whose covariance has no root that can be differentiated."""
    torch.manual_seed(0)
    maps = torch.randn(1, 4, 6, 6)
    maps[:, 1], maps[:, 2] = maps[:, 0], 0
    target = Statistics.of(torch.randn(1, 4, 6, 6) * 2 + 1)
    maps.requires_grad_()
    before = distance(Statistics.of(maps), target)
    (gradient,) = torch.autograd.grad(before, maps)
    after = distance(Statistics.of(maps - 0.05 * gradient / gradient.norm()), target)
    assert torch.isfinite(gradient).all() and after < before


def test_the_wasserstein_distance_refuses_other_shapes() -> None:
    with pytest.raises(ValueError, match="shapes differ: \\(1, 1\\), \\(2, 2\\)"):
        wasserstein2(gaussian([0.0], [[1.0]]), gaussian([0.0, 0.0], [[1.0, 0.0], [0.0, 1.0]]))


def test_flat_areas_count_more_than_edges() -> None:
    content = torch.full((1, 3, 16, 32), 0.3)
    content[..., 16:] = 0.8
    flat = flatness_of(content)
    assert flat.shape == (1, 1, 16, 32) and flat.mean() == pytest.approx(1)
    assert flat[..., :12].min() == flat[..., 22:].max() > 20 * flat[..., 15:17].max()


def test_smoothness_counts_by_flatness() -> None:
    pixels, flat = torch.rand(1, 3, 6, 8), torch.ones(1, 1, 6, 8)
    torch.testing.assert_close(total_variation(pixels, flat), total_variation(pixels))
    torch.testing.assert_close(total_variation(pixels, 2 * flat), 2 * total_variation(pixels))
    flat[..., 4:] = 0
    only_left = pixels.clone()
    only_left[..., 4:] = only_left[..., 3:4]
    assert total_variation(only_left, flat) == pytest.approx(float(total_variation(pixels, flat)), rel=1e-5)


@pytest.mark.parametrize("weighted", [False, True])
def test_the_gradient_of_sums_is_that_of_their_definition(weighted: bool) -> None:
    torch.manual_seed(0)
    features = torch.randn(1, 3, 4, 5, dtype=torch.double, requires_grad=True)
    weights = torch.rand(4, 5, dtype=torch.double) if weighted else None
    assert torch.autograd.gradcheck(lambda maps: statistic_sums(maps, weights)[:2], features)


def test_the_gradient_of_sums_lies_in_memory_as_the_maps_do() -> None:
    """Else adding it to the network's own, with channels last, would take longer than the product."""
    maps = torch.randn(1, 8, 6, 6).contiguous(memory_format=torch.channels_last).requires_grad_()
    (gradient,) = torch.autograd.grad(statistic_sums(maps)[0].sum(), maps)
    assert gradient.is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize("weighted", [False, True])
def test_the_gradient_of_smoothness_is_that_of_its_definition(weighted: bool) -> None:
    torch.manual_seed(0)
    pixels = torch.randn(1, 3, 4, 5, dtype=torch.double, requires_grad=True)
    flatness = torch.rand(1, 1, 4, 5, dtype=torch.double) if weighted else None
    assert torch.autograd.gradcheck(lambda at: total_variation(at, flatness), pixels)
