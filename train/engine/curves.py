"""Line charts as PNG, drawn with Pillow at twice their size and shrunk: smooth lines, no plotting library."""

from __future__ import annotations

import io
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Literal

from PIL import Image, ImageDraw, ImageFont
from PIL.PngImagePlugin import PngInfo

from train.engine.writing import write_whole

WIDTH, HEIGHT = 620, 350  # of a panel, px
LEFT, RIGHT, TOP, BOTTOM = 62, 20, 66, 46  # margins of a panel, px
COLUMNS = 2
COLOURS = ("#2563eb", "#ea580c", "#059669", "#9333ea", "#dc2626", "#0891b2", "#a16207", "#4b5563")
INK, FAINT, GRID = "#1f2937", "#6b7280", "#e5e7eb"

_DESCRIPTION = "Description"  # keyword of the PNG specification
_OVER = 2  # drawn this much larger
_LEGEND_ROW = 18  # px
_LOG_FROM = 8.0  # a positive quantity gets a logarithmic axis when its largest value is this many times its smallest

Font = ImageFont.FreeTypeFont | ImageFont.ImageFont
Style = Literal["line", "noisy", "dots", "pale", "points"]


@dataclass(frozen=True, kw_only=True)
class Curve:
    """Points in drawing order; "noisy" draws them pale under their moving average, "dots" marks each.

    "points" marks each and joins none, so that their order does not matter.
    """

    name: str
    x: Sequence[float]
    y: Sequence[float]
    style: Style = "line"


@dataclass(frozen=True, kw_only=True)
class Panel:
    """One chart.

    Attributes:
        title, x_label: words above and below.
        curves: at least one point altogether; values that are not finite are left out.
        log_x: logarithmic horizontal axis.
        log_y: logarithmic vertical axis; None: where the values are positive and span a factor of eight.
        marks: text of dashed vertical lines by their x.
    """

    title: str
    curves: Sequence[Curve]
    x_label: str = "step"
    log_x: bool = False
    log_y: bool | None = None
    marks: Mapping[float, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Axis:
    """Values from `low` to `high` along one side of a chart."""

    low: float
    high: float
    log: bool

    def place(self, value: float) -> float:
        """Where a value lies, 0 at `low` and 1 at `high`."""
        if self.log:
            return math.log(value / self.low) / math.log(self.high / self.low)
        return (value - self.low) / (self.high - self.low)

    def ticks(self) -> list[float]:
        """Round values inside the axis: about five, or the powers of ten."""
        if self.log:
            powers = range(math.floor(math.log10(self.low)), math.ceil(math.log10(self.high)) + 1)
            for digits in ((1,), (1, 2, 5), (1, 2, 3, 4, 5, 6, 7, 8, 9)):
                inside = [d * 10.0**p for p in powers for d in digits if self.low <= d * 10.0**p <= self.high]
                if len(inside) >= 3:
                    return inside[:: math.ceil(len(inside) / 8)]
        rough = (self.high - self.low) / 5
        unit = 10.0 ** math.floor(math.log10(rough))
        step = next(unit * digit for digit in (1, 2, 5, 10) if unit * digit >= rough)
        first, last = math.ceil(self.low / step - 1e-9), math.floor(self.high / step + 1e-9)
        return [number * step for number in range(first, last + 1)]


def axis_of(values: Sequence[float], log: bool | None, margin: float) -> Axis:
    """An axis that holds the values with a margin (fraction of its length) on both sides.

    Raises:
        ValueError: no values, or one that is not positive on a logarithmic axis.
    """
    if not values:
        raise ValueError("nothing to draw: no finite values")
    low, high = min(values), max(values)
    if log is None:
        log = low > 0 and high / low >= _LOG_FROM
    if log and low <= 0:
        raise ValueError(f"a logarithmic axis needs positive values, got {low}")
    if low == high:
        low, high = (low / 1.5, high * 1.5) if log else (low - 0.5 * (abs(low) or 1), high + 0.5 * (abs(high) or 1))
    if log:
        pad = (high / low) ** margin
        return Axis(low / pad, high * pad, True)
    return Axis(low - margin * (high - low), high + margin * (high - low), False)


def draw(panels: Sequence[Panel], path: Path, heading: str = "", description: str = "") -> None:
    """Writes the panels as one PNG, two in a row, so that `path` is at every moment a whole picture.

    Args:
        description: goes into the file as text; `description_of` reads it.

    Raises:
        ValueError: there is no panel, or one of them has nothing to draw.
    """
    if not panels:
        raise ValueError("nothing to draw: no panels")
    columns = min(COLUMNS, len(panels))
    rows = math.ceil(len(panels) / columns)
    top = 36 if heading else 0
    size = (columns * WIDTH, rows * HEIGHT + top)
    canvas = Image.new("RGB", (size[0] * _OVER, size[1] * _OVER), "white")
    pen = ImageDraw.Draw(canvas)
    if heading:
        pen.text((LEFT * _OVER, 22 * _OVER), heading, INK, _font(15), anchor="lm")
    for index, panel in enumerate(panels):
        row, column = divmod(index, columns)
        _draw_panel(pen, panel, column * WIDTH, row * HEIGHT + top)
    stream = io.BytesIO()
    text = PngInfo()
    if description:
        text.add_text(_DESCRIPTION, description)
    canvas.reduce(_OVER).save(stream, format="PNG", compress_level=1, pnginfo=text)
    write_whole(path, stream.getvalue())


def description_of(png: bytes) -> str:
    """The text that `draw` put into a picture; "" where there is none."""
    with Image.open(io.BytesIO(png)) as picture:
        return str(picture.info.get(_DESCRIPTION, ""))


@lru_cache(maxsize=4)
def _font(size_px: int) -> Font:
    return ImageFont.load_default(size_px * _OVER)


def _draw_panel(pen: ImageDraw.ImageDraw, panel: Panel, left: int, top: int) -> None:
    curves = [_finite(curve) for curve in panel.curves]
    x_axis = axis_of([*(x for curve in curves for x in curve.x), *panel.marks], panel.log_x, 0.0)
    y_axis = axis_of([y for curve in curves for y in curve.y], panel.log_y, 0.06)
    legend = _legend(pen, curves)
    x0, x1, y0 = left + LEFT, left + WIDTH - RIGHT, top + HEIGHT - BOTTOM
    y1 = top + TOP + (len(legend) - 1) * _LEGEND_ROW

    def point(x: float, y: float) -> tuple[float, float]:
        return ((x0 + x_axis.place(x) * (x1 - x0)) * _OVER, (y0 + y_axis.place(y) * (y1 - y0)) * _OVER)

    for tick in y_axis.ticks():
        y = point(x_axis.low, tick)[1]
        pen.line([(x0 * _OVER, y), (x1 * _OVER, y)], GRID, _OVER)
        pen.text(((x0 - 8) * _OVER, y), tick_label(tick), FAINT, _font(12), anchor="rm")
    for tick in x_axis.ticks():
        x = point(tick, y_axis.low)[0]
        pen.line([(x, y0 * _OVER), (x, (y0 + 5) * _OVER)], FAINT, _OVER)
        pen.text((x, (y0 + 9) * _OVER), tick_label(tick), FAINT, _font(12), anchor="mt")
    pen.line([(x0 * _OVER, y0 * _OVER), (x1 * _OVER, y0 * _OVER)], FAINT, _OVER)
    pen.text(((x0 + x1) / 2 * _OVER, (top + HEIGHT - 8) * _OVER), panel.x_label, FAINT, _font(12), anchor="mb")
    title = panel.title + (" (log scale)" if y_axis.log else "")
    pen.text((x0 * _OVER, (top + 18) * _OVER), title, INK, _font(15), anchor="lm")
    for index, curve in enumerate(curves):
        _draw_curve(
            pen, curve, [point(x, y) for x, y in zip(curve.x, curve.y, strict=True)], COLOURS[index % len(COLOURS)]
        )
    for row, (position, text) in enumerate(panel.marks.items()):
        right_half = x_axis.place(position) > 0.5
        _draw_mark(pen, point(position, y_axis.low)[0], y1, y0, text, right_half=right_half, row=row)
    _draw_legend(pen, legend, x0, top + 40)


def _draw_curve(pen: ImageDraw.ImageDraw, curve: Curve, points: list[tuple[float, float]], colour: str) -> None:
    if curve.style == "noisy" and len(points) > 8:
        pen.line(points, _pale(colour), _OVER, joint="curve")
        points = _moving_average(points)
    if len(points) > 1 and curve.style != "points":
        pale = curve.style == "pale"
        pen.line(points, _pale(colour) if pale else colour, (1 if pale else 2) * _OVER, joint="curve")
    radius = (3.2 if curve.style in ("dots", "points") else 2.0) * _OVER
    marked = curve.style == "points" or (curve.style == "dots" and len(points) <= 60)
    for x, y in points if marked else points[-1:]:
        pen.ellipse((x - radius, y - radius, x + radius, y + radius), colour)


def _draw_mark(
    pen: ImageDraw.ImageDraw, x: float, top: float, bottom: float, text: str, *, right_half: bool, row: int = 0
) -> None:
    """A dashed vertical line; its text stands above the chart, towards the side where there is room.

    That of a second mark, in row 1, stands below the first one's, beside its line.
    """
    y = top * _OVER
    while y < bottom * _OVER:
        pen.line([(x, y), (x, min(y + 4 * _OVER, bottom * _OVER))], INK, _OVER)
        y += 8 * _OVER
    beside = 4 * _OVER * (row > 0) * (-1 if right_half else 1)
    height = (top - 3 + 15 * row) * _OVER
    anchor = "rb" if right_half else "lb"
    pen.text((x + beside, height), text, INK, _font(12), anchor=anchor, stroke_width=2 * _OVER, stroke_fill="white")


def _legend(pen: ImageDraw.ImageDraw, curves: Sequence[Curve]) -> list[list[tuple[float, str, str]]]:
    """Rows of (offset from the left, name and last value, colour), as many as fit beside one another."""
    rows: list[list[tuple[float, str, str]]] = [[]]
    x = 0.0
    for index, curve in enumerate(curves):
        text = f"{curve.name}  {curve.y[-1]:.4g}" if curve.y and curve.style != "points" else curve.name
        width = 42 * _OVER + pen.textlength(text, _font(12))
        if rows[-1] and x + width > (WIDTH - LEFT) * _OVER:
            rows.append([])
            x = 0.0
        rows[-1].append((x, text, COLOURS[index % len(COLOURS)]))
        x += width
    return rows


def _draw_legend(pen: ImageDraw.ImageDraw, rows: list[list[tuple[float, str, str]]], left: int, middle: int) -> None:
    for number, row in enumerate(rows):
        y = (middle + number * _LEGEND_ROW) * _OVER
        for offset, text, colour in row:
            x = left * _OVER + offset
            pen.rounded_rectangle((x, y - 2 * _OVER, x + 16 * _OVER, y + 2 * _OVER), 2 * _OVER, colour)
            pen.text((x + 22 * _OVER, y), text, INK, _font(12), anchor="lm")


def tick_label(value: float) -> str:
    """A short way to write a round number: 20k, 0.5, 1e-5."""
    if abs(value) >= 1e6:
        return f"{value / 1e6:.4g}M"
    if abs(value) >= 1e3:
        return f"{value / 1e3:.4g}k"
    if 0 < abs(value) < 1e-3:
        mantissa, power = f"{value:.0e}".split("e")
        return f"{mantissa}e{int(power)}"
    return f"{round(value, 10):g}"


def _finite(curve: Curve) -> Curve:
    kept = [(x, y) for x, y in zip(curve.x, curve.y, strict=True) if math.isfinite(x) and math.isfinite(y)]
    return Curve(name=curve.name, x=[x for x, _ in kept], y=[y for _, y in kept], style=curve.style)


def _moving_average(points: list[tuple[float, float]]) -> list[tuple[float, float]]:
    """Each height replaced by the mean of those around it, a twentieth of the curve in all."""
    reach = max(1, len(points) // 40)
    heights = [y for _, y in points]
    averaged = []
    for index, (x, _) in enumerate(points):
        near = heights[max(0, index - reach) : index + reach + 1]
        averaged.append((x, sum(near) / len(near)))
    return averaged


def _pale(colour: str) -> str:
    """The colour mixed with two thirds of white."""
    channels = (int(colour[i : i + 2], 16) for i in (1, 3, 5))
    return "#" + "".join(f"{round(c + (255 - c) * 0.68):02x}" for c in channels)
