"""Axes, ticks and pictures of line charts."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from train.engine.curves import HEIGHT, WIDTH, Axis, Curve, Panel, axis_of, draw, tick_label


def picture_of(panels: list[Panel], folder: Path, heading: str = "") -> np.ndarray:
    draw(panels, folder / "chart.png", heading)
    with Image.open(folder / "chart.png") as picture:
        return np.asarray(picture).astype(int)


def bluish(picture: np.ndarray) -> np.ndarray:
    """Where the first curve's blue is, (H, W) bool."""
    return (picture[..., 2] - picture[..., 0]) > 100


def test_places_on_both_kinds_of_axis() -> None:
    assert [Axis(0.0, 4.0, False).place(v) for v in (0, 1, 4)] == [0, 0.25, 1]
    assert [Axis(0.01, 100.0, True).place(v) for v in (0.01, 1, 100)] == pytest.approx([0, 0.5, 1])


@pytest.mark.parametrize(
    ("axis", "ticks"),
    [
        (Axis(0, 10, False), [0, 2, 4, 6, 8, 10]),
        (Axis(-0.3, 0.3, False), [-0.2, 0, 0.2]),
        (Axis(0.01, 10, True), [0.01, 0.1, 1, 10]),
        (Axis(0.4, 6, True), [0.5, 1, 2, 5]),
        (Axis(20, 41, True), [20, 30, 40]),
        (Axis(40, 45, True), [40, 41, 42, 43, 44, 45]),
    ],
)
def test_ticks_are_round_and_inside(axis: Axis, ticks: list[float]) -> None:
    assert axis.ticks() == pytest.approx(ticks)


def test_an_axis_is_logarithmic_where_that_helps() -> None:
    assert axis_of([1.0, 100.0], None, 0.0).log
    assert not axis_of([1.0, 2.0], None, 0.0).log
    assert not axis_of([0.0, 100.0], None, 0.0).log
    assert not axis_of([1.0, 100.0], False, 0.0).log


@pytest.mark.parametrize("value", [0.0, 3.0, -2.0])
def test_a_single_value_lies_in_the_middle(value: float) -> None:
    assert axis_of([value], None, 0.0).place(value) == pytest.approx(0.5)


def test_what_cannot_be_drawn_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="positive values, got 0"):
        axis_of([0.0, 1.0], True, 0.0)
    with pytest.raises(ValueError, match="no panels"):
        draw([], tmp_path / "chart.png")
    with pytest.raises(ValueError, match="no finite values"):
        draw([Panel(title="a", curves=[Curve(name="a", x=[1], y=[float("nan")])])], tmp_path / "chart.png")
    assert not list(tmp_path.iterdir())


def test_a_rising_curve_rises(tmp_path: Path) -> None:
    picture = picture_of([Panel(title="a", curves=[Curve(name="a", x=[0, 1], y=[0.0, 1.0])])], tmp_path)
    assert picture.shape == (HEIGHT, WIDTH, 3)
    rows, columns = np.nonzero(bluish(picture)[70:])
    assert np.corrcoef(rows, columns)[0, 1] < -0.95  # rows count downwards


def test_points_that_are_not_finite_are_left_out(tmp_path: Path) -> None:
    with_gap = Curve(name="a", x=[0, 1, 2], y=[0.0, float("inf"), 1.0])
    without = Curve(name="a", x=[0, 2], y=[0.0, 1.0])
    pictures = [picture_of([Panel(title="a", curves=[curve])], tmp_path) for curve in (with_gap, without)]
    assert np.array_equal(*pictures)


def test_panels_stand_two_in_a_row_under_a_heading(tmp_path: Path) -> None:
    panel = Panel(title="a", curves=[Curve(name="a", x=[0, 1], y=[0.0, 1.0])], marks={1.0: "here"})
    assert picture_of([panel] * 3, tmp_path, "Three").shape == (2 * HEIGHT + 36, 2 * WIDTH, 3)


def test_a_long_legend_takes_more_rows(tmp_path: Path) -> None:
    curves = [Curve(name=f"a rather long name {i}", x=[0, 1], y=[0.0, 1.0 + i]) for i in range(8)]
    picture = picture_of([Panel(title="a", curves=curves)], tmp_path)
    assert (picture[:, -6:] > 250).all()  # nothing runs out of the picture


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"),
        (0.5, "0.5"),
        (20000, "20k"),
        (2500, "2.5k"),
        (3e6, "3M"),
        (1e-5, "1e-5"),
        (0.001, "0.001"),
        (-4.0, "-4"),
    ],
)
def test_tick_labels_are_short(value: float, text: str) -> None:
    assert tick_label(value) == text


@pytest.mark.parametrize("style", ["line", "noisy", "dots", "pale"])
def test_every_style_is_drawn(style: str, tmp_path: Path) -> None:
    y = np.sin(np.arange(100) / 9).tolist()
    curve = Curve(name="a", x=list(range(100)), y=y, style=style)  # type: ignore[arg-type]  # any word
    picture = picture_of([Panel(title="a", curves=[curve])], tmp_path)
    assert ((picture[70:-50, 70:-20] < 250).any(axis=2)).mean() > 0.01
