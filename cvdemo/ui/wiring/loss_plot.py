"""Loss curves as an SVG drawing: sharp at any width, in the page's own text colour, redrawn at every preview."""

import math
from collections.abc import Mapping, Sequence

WIDTH, HEIGHT = 440, 190  # of the drawing's own coordinates; on the page it fills the column
LEFT, RIGHT, TOP, BOTTOM = 44, 8, 28, 24  # margins
COLOURS = ("#3b82f6", "#f97316", "#10b981")  # readable on white and on near-black
BELOW = "how far it still is, step by step: lower is nearer"
SMALLEST = 1e-6  # what a loss of 0 is drawn as
MAX_POINTS = 240  # of each curve


def loss_plot(
    curves: Mapping[str, Sequence[float]], total: int, marks: Sequence[int] = (), terms: Mapping[str, str] | None = None
) -> str:
    """An `<svg>` of up to three loss curves on a logarithmic axis.

    Args:
        curves: by name; one value for each step so far, at least 0.
        total: how many steps the whole horizontal axis stands for.
        marks: steps at which a dashed line says that a new scale began.
        terms: what the papers call the curves, by name; told where the pointer rests on the name.

    Raises:
        ValueError: there are more curves than colours.
    """
    if len(curves) > len(COLOURS):
        raise ValueError(f"there are {len(COLOURS)} colours, got {len(curves)} curves")
    values = [max(value, SMALLEST) for curve in curves.values() for value in curve]
    low = math.floor(math.log10(min(values, default=0.1)))
    high = max(math.ceil(math.log10(max(values, default=1.0))), low + 1)
    parts = [_grid(low, high), *(_mark(step, total) for step in marks)]
    for i, (name, curve) in enumerate(curves.items()):
        parts.append(_line(curve, COLOURS[i], total, low, high))
        parts.append(_legend(i, name, curve, (terms or {}).get(name, name)))
    label = "How far it is, by step: " + ", ".join(f"{name} {curve[-1]:.3g}" for name, curve in curves.items() if curve)
    return (
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" width="100%" role="img" aria-label="{label}" '
        f'font-family="inherit" font-size="12" fill="currentColor">{"".join(parts)}</svg>'
    )


def _x(step: int, total: int) -> float:
    return LEFT + (WIDTH - LEFT - RIGHT) * step / max(total, 1)


def _y(value: float, low: int, high: int) -> float:
    share = (math.log10(max(value, SMALLEST)) - low) / (high - low)
    return TOP + (HEIGHT - TOP - BOTTOM) * (1 - share)


def _grid(low: int, high: int) -> str:
    """A line and a number for each power of ten, and the name of the horizontal axis."""
    rows = []
    for power in range(low, high + 1):
        y = _y(10.0**power, low, high)
        rows.append(
            f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}" stroke="currentColor" opacity="0.15"/>'
            f'<text x="{LEFT - 6}" y="{y + 4:.1f}" text-anchor="end" opacity="0.7">{10.0**power:g}</text>'
        )
    middle = (LEFT + WIDTH - RIGHT) / 2
    rows.append(f'<text x="{middle}" y="{HEIGHT - 6}" text-anchor="middle" opacity="0.7">{BELOW}</text>')
    return "".join(rows)


def _mark(step: int, total: int) -> str:
    x = _x(step, total)
    return (
        f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{TOP}" y2="{HEIGHT - BOTTOM}" stroke="currentColor" '
        'stroke-dasharray="3 4" opacity="0.35"/>'
    )


def _line(curve: Sequence[float], colour: str, total: int, low: int, high: int) -> str:
    stride = max(1, len(curve) // MAX_POINTS)
    kept = sorted({*range(0, len(curve), stride), len(curve) - 1} - {-1})
    points = " ".join(f"{_x(i + 1, total):.1f},{_y(curve[i], low, high):.1f}" for i in kept)
    return f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="2" stroke-linejoin="round"/>'


def _legend(index: int, name: str, curve: Sequence[float], term: str) -> str:
    x = LEFT + index * (WIDTH - LEFT - RIGHT) / len(COLOURS)
    value = f" {curve[-1]:.3g}" if curve else ""
    return (
        f'<g><title>{term}</title><rect x="{x:.0f}" y="8" width="14" height="5" rx="2" fill="{COLOURS[index]}"/>'
        f'<text x="{x + 20:.0f}" y="15">{name}{value}</text></g>'
    )
