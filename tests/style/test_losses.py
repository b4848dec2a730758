"""Gram matrices and losses: known answers, properties, errors."""

import pytest
import torch

from cvdemo.style.losses import content_loss, gram_matrix, relative_error, style_loss, total_variation


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
