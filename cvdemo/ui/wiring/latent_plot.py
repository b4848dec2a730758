"""The numbers of a latent as bars: one a number, up where it is positive; an SVG drawing in the page's text colour."""

from collections.abc import Sequence

WIDTH, HEIGHT = 384, 72  # of the drawing's own coordinates; on the page it fills the column
REACH = 3.0  # standard deviations that fit; the few numbers beyond are cut at the edge
UP, DOWN = "#3b82f6", "#f97316"  # readable on white and on near-black


def latent_plot(values: Sequence[float], reach: float = REACH) -> str:
    """An `<svg>` with one bar for each number, its axis in the middle and `reach` at the edges.

    Raises:
        ValueError: there are no numbers.
    """
    if not values:
        raise ValueError("need at least one number")
    slot, middle = WIDTH / len(values), HEIGHT / 2
    bars = "".join(_bar(i * slot, 0.75 * slot, value / reach * middle, middle) for i, value in enumerate(values))
    label = f"{len(values)} numbers, from {min(values):.2f} to {max(values):.2f}"
    axis = f'<path d="M0 {middle}H{WIDTH}" stroke="currentColor" stroke-opacity="0.35"/>'
    return (
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" width="100%" role="img" aria-label="{label}">'
        f"<title>{label}</title>{bars}{axis}</svg>"
    )


def _bar(left: float, width: float, signed: float, middle: float) -> str:
    height = min(abs(signed), middle)
    top = middle - height if signed > 0 else middle
    colour = UP if signed > 0 else DOWN
    return f'<rect x="{left:.2f}" y="{top:.2f}" width="{width:.2f}" height="{height:.2f}" fill="{colour}"/>'
