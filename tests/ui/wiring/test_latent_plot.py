"""The bars of a latent: one a number, up and down from the axis, cut at the edge."""

import re

import pytest

from cvdemo.ui.wiring.latent_plot import DOWN, HEIGHT, UP, WIDTH, latent_plot

RECT = re.compile(r'<rect x="([\d.]+)" y="([\d.]+)" width="([\d.]+)" height="([\d.]+)" fill="(#\w+)"/>')


def bars(values: list[float]) -> list[tuple[float, float, float, float, str]]:
    return [
        (float(bar[0]), float(bar[1]), float(bar[2]), float(bar[3]), bar[4])
        for bar in RECT.findall(latent_plot(values))
    ]


def test_a_bar_for_each_number() -> None:
    up, down = bars([1.5, -3.0])
    assert up == (0, HEIGHT / 4, 0.75 * WIDTH / 2, HEIGHT / 4, UP)
    assert down == (WIDTH / 2, HEIGHT / 2, 0.75 * WIDTH / 2, HEIGHT / 2, DOWN)
    assert len(bars([0.1] * 128)) == 128


def test_what_is_beyond_the_edge_is_cut_there() -> None:
    ((_, top, _, height, _),) = bars([9.0])
    assert (top, height) == (0, HEIGHT / 2)


def test_it_tells_its_range_to_those_who_do_not_see_it() -> None:
    assert 'aria-label="3 numbers, from -1.25 to 2.00"' in latent_plot([-1.25, 0, 2])


def test_no_numbers_no_drawing() -> None:
    with pytest.raises(ValueError, match="at least one number"):
        latent_plot([])
