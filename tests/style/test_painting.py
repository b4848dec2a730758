"""The picture under way: its average, and what goes along to the next scale."""

from itertools import pairwise

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from cvdemo.style.painting import (
    AVERAGE_DECAY,
    LEVEL_SHARE,
    LEVELS,
    IterateAverage,
    Painting,
    add_doubled,
    average_decay,
    carried,
    halved,
)
from cvdemo.style.targets import Losses

NONE = Losses(*torch.zeros(3))


def test_the_average_of_equal_values_is_that_value_from_the_start() -> None:
    average = IterateAverage(0.9)
    for _ in range(3):
        average.update(torch.full((2,), 5.0))
        torch.testing.assert_close(average.value, torch.full((2,), 5.0))


def test_the_average_weighs_later_values_more() -> None:
    average = IterateAverage(0.5)
    average.update(torch.tensor(0.0))
    average.update(torch.tensor(3.0))
    torch.testing.assert_close(average.value, torch.tensor(2.0))  # (0.25 * 0 + 0.5 * 3) / 0.75


def test_the_average_leaves_what_it_was_given() -> None:
    average, value = IterateAverage(0.5), torch.ones(3)
    average.update(value)
    average.update(torch.zeros(3))
    assert (value == 1).all()


def test_an_average_of_nothing_is_an_error() -> None:
    with pytest.raises(ValueError, match="nothing was averaged"):
        _ = IterateAverage(0.9).value


@pytest.mark.parametrize(("steps", "decay"), [(1, 2 / 3), (50, 0.9), (400, AVERAGE_DECAY)])
def test_few_steps_are_averaged_over_fewer(steps: int, decay: float) -> None:
    assert average_decay(steps) == pytest.approx(decay)


def towards(target: Tensor) -> object:
    """The gradient of the mean squared distance."""
    return lambda pixels, step: (2 * (pixels - target) / target.numel(), NONE)


def test_steps_lead_down_the_gradient_and_stay_within_black_and_white() -> None:
    target = torch.tensor([2.0, -1.0, 0.5]).view(1, 3, 1, 1).expand(1, 3, 4, 4)
    painting = Painting(torch.full((1, 3, 4, 4), 0.4), 0.05)
    for _ in range(40):
        painting.step(towards(target))  # type: ignore[arg-type]  # a gradient
    expected = target.clamp(0, 1)
    torch.testing.assert_close(painting.pixels.detach(), expected, atol=0.06, rtol=0)
    assert painting.steps == 40


def test_moments_go_along_at_the_size_of_the_next_scale() -> None:
    """A pixel's gradient shrinks as pixels grow in number: the first is a quarter at twice the sides, the second that
    squared."""
    painting = Painting(torch.rand(1, 3, 6, 8), 0.05)
    painting.step(towards(torch.zeros(1, 3, 6, 8)))  # type: ignore[arg-type]  # a gradient
    before = painting.adam.state[painting.pixels]
    larger = painting.at_scale((12, 16), 0.02)
    state = larger.adam.state[larger.pixels]
    assert state["exp_avg"].shape == state["exp_avg_sq"].shape == (1, 3, 12, 16)
    torch.testing.assert_close(state["exp_avg"].mean(), before["exp_avg"].mean() / 4)
    torch.testing.assert_close(state["exp_avg_sq"].mean(), before["exp_avg_sq"].mean() / 16)
    assert state["step"] == before["step"] == 1 and larger.steps == 0
    assert larger.adam.param_groups[0]["lr"] == LEVEL_SHARE * 0.02


def test_the_second_moment_stays_above_zero() -> None:
    state = {"step": torch.tensor(3.0), "exp_avg": torch.randn(1, 3, 5, 5), "exp_avg_sq": torch.zeros(1, 3, 5, 5)}
    state["exp_avg_sq"][..., 2, 2] = 1
    found = carried(state, (9, 13))
    assert found["exp_avg_sq"].min() >= 0 and found["exp_avg"].min() < 0


def test_carried_moments_go_on_where_fresh_ones_begin_anew() -> None:
    """Without a gradient the one moves on as before, and the other stays."""
    painting = Painting(torch.full((1, 3, 4, 4), 0.5), 0.01)
    for _ in range(5):
        painting.step(towards(torch.ones(1, 3, 4, 4)))  # type: ignore[arg-type]  # a gradient
    for at, moves in ((painting.at_scale((8, 8), 0.01), True), (Painting(painting.average.value, 0.01), False)):
        before = at.pixels.detach().clone()
        at.step(lambda pixels, step: (torch.zeros_like(pixels), NONE))
        assert ((at.pixels.detach() - before) > 1e-3).all() == moves


def test_an_area_moves_by_what_its_pixels_agree_on() -> None:
    """Noise has no say in it: of a faint common pull under strong noise, a step at all levels keeps more than one by
    pixels."""
    noise = torch.randn(1, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    painting = Painting(torch.full((1, 3, 64, 64), 0.5), 0.01)
    painting.step(lambda pixels, step: (noise + 0.3, NONE))
    moved = painting.pixels - 0.5
    by_pixels = -0.01 * (noise + 0.3).sign()  # Adam's first step
    assert moved.mean() < 0
    assert moved.mean().abs() / moved.std() > 2 * by_pixels.mean().abs() / by_pixels.std()


@pytest.mark.parametrize("size_hw", [(1, 1), (7, 13), (64, 65)])
def test_each_level_is_half_as_fine_and_leaves_nothing_behind(size_hw: tuple[int, int]) -> None:
    painting = Painting(torch.full((1, 3, *size_hw), 0.5), 0.01)
    sizes = [level.shape[-2:] for level in painting.levels]
    assert len(sizes) == LEVELS and sizes[0] == size_hw
    assert all(fine[i] == 2 * coarse[i] - fine[i] % 2 for fine, coarse in pairwise(sizes) for i in (0, 1))
    painting.step(lambda pixels, step: (torch.ones_like(pixels), NONE))
    expected = torch.full_like(painting.pixels, 0.5 - LEVELS * LEVEL_SHARE * 0.01)  # all levels agree
    torch.testing.assert_close(painting.pixels, expected)
    assert not any(level.any() for level in painting.levels[1:])


@pytest.mark.parametrize("size_hw", [(1, 1), (2, 3), (7, 10), (16, 33)])
def test_halving_and_doubling_are_those_of_torch(size_hw: tuple[int, int]) -> None:
    pixels = torch.rand(2, 3, *size_hw)
    half = F.avg_pool2d(pixels, 2, ceil_mode=True)
    torch.testing.assert_close(halved(pixels), half)
    twice = F.interpolate(half, scale_factor=2.0, mode="bilinear")[..., : size_hw[0], : size_hw[1]]
    expected = pixels + twice
    add_doubled(half, pixels)
    torch.testing.assert_close(pixels, expected)


def test_nothing_is_more_than_doubled() -> None:
    with pytest.raises(ValueError, match="at most 4 x 6"):
        add_doubled(torch.rand(1, 3, 2, 3), torch.rand(1, 3, 4, 7))
