"""Ways between latents: arcs, open paths and closed loops at constant speed, and A - B + C.

Gaussian latents of D numbers lie near a sphere of radius sqrt(D), 11.3 for 128, and a generator has seen nothing else:
the straight line between two of them passes through the empty inside. So the way is an arc: K. Shoemake, "Animating
Rotation with Quaternion Curves", SIGGRAPH 1985, taken to latents by T. White, "Sampling Generative Networks", 2016.
Departure: they combine the two vectors as they are; here the direction turns at a constant angle and the length
changes evenly, which is the same for vectors of one length and stays in order for others.

The arithmetic is that of A. Radford, L. Metz and S. Chintala, ICLR 2016, section 6.3.2. Departure: they average three
latents for each of A, B and C, and leave the length of the result, here sqrt(3) times a latent's, as it is.
"""

from itertools import pairwise

import torch
from torch import Tensor

_PARALLEL = 1e-9  # sine of the angle below which two directions span no plane


def angle(a: Tensor, b: Tensor) -> float:
    """The angle between two latents (D,) in radians, 0 to pi; 0 where one of them is zero."""
    start, end = _checked(a, b)
    if not (start.any() and end.any()):
        return 0.0
    return _turn(start / start.norm(), end / end.norm())[1]


def slerp(a: Tensor, b: Tensor, shares: Tensor) -> Tensor:
    """Latents (N, D) at `shares` (N,) in [0, 1] of the arc from `a` to `b`, both (D,): 0 gives a, 1 gives b.

    Opposite latents are joined by one of the half circles between them, always the same one. Zero has no direction:
    from and to it the way is straight.

    Raises:
        ValueError: a and b are no vectors of one length, or of less than two numbers.
    """
    start, end = _checked(a, b)
    steps = shares.to(start)[:, None]  # (N, 1)
    if not (start.any() and end.any()):
        return torch.lerp(start, end, steps).to(a.dtype)
    along = start / start.norm()
    across, turn = _turn(along, end / end.norm())
    direction = (steps * turn).cos() * along + (steps * turn).sin() * across  # (N, D)
    points: Tensor = torch.lerp(start.norm(), end.norm(), steps) * direction
    return points.to(a.dtype)


def path(stops: Tensor, count: int) -> Tensor:
    """`count` latents (count, D) evenly along the arcs from stop to stop (K, D), first and last stop included.

    Raises:
        ValueError: fewer than two stops or two latents, or all stops are one point.
    """
    return _walk(stops, torch.linspace(0, 1, max(count, 0), dtype=torch.float64), count)


def loop(stops: Tensor, count: int) -> Tensor:
    """`count` latents (count, D) evenly round the arcs through the stops (K, D) and back; the first is the first stop.

    The step from the last latent to the first is as long as all others, so a film of them repeats without a jerk.

    Raises:
        ValueError: fewer than two stops or two latents, or all stops are one point.
    """
    return _walk(torch.cat([stops, stops[:1]]), torch.arange(count, dtype=torch.float64) / max(count, 1), count)


def arithmetic(a: Tensor, b: Tensor, c: Tensor) -> Tensor:
    """A - B + C (D,): what C becomes when it gets what A has over B.

    The length is put back to |A| - |B| + |C|, within the range of the three: where A is B the result is C itself, and
    where C is B it is A.
    """
    total = a.double() - b.double() + c.double()
    lengths = torch.stack([vector.double().norm() for vector in (a, b, c)])
    length = (lengths[0] - lengths[1] + lengths[2]).clamp(lengths.min(), lengths.max())
    return (total * (length / total.norm()) if total.any() else total).to(a.dtype)


def _checked(a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
    """Both as float64, in which nearly opposite directions still span a plane."""
    if a.shape != b.shape or a.ndim != 1 or len(a) < 2:
        raise ValueError(f"need two vectors of one length, 2 or more, got {tuple(a.shape)}, {tuple(b.shape)}")
    return a.double(), b.double()


def _turn(along: Tensor, towards: Tensor) -> tuple[Tensor, float]:
    """The unit vector at right angles to `along` on the side of `towards`, and the angle between the two."""
    cosine = along @ towards
    across = towards - cosine * along
    sine = across.norm()
    turn = float(torch.atan2(sine, cosine))
    return (across / sine if sine > _PARALLEL else _perpendicular(along)), turn


def _perpendicular(along: Tensor) -> Tensor:
    """A unit vector at right angles: the axis that is furthest from `along`, without its part in that direction."""
    axis = torch.zeros_like(along)
    axis[along.abs().argmin()] = 1
    axis -= axis @ along * along
    unit: Tensor = axis / axis.norm()
    return unit


def _distance(a: Tensor, b: Tensor) -> float:
    """Length of the arc from a to b, its radius taken as the mean of the two; exactly 0 between equal ones."""
    if torch.equal(a, b):
        return 0.0
    start, end = float(a.double().norm()), float(b.double().norm())
    return float(((end - start) ** 2 + ((start + end) / 2 * angle(a, b)) ** 2) ** 0.5)


def _walk(corners: Tensor, shares: Tensor, count: int) -> Tensor:
    """Latents (N, D) at ascending `shares` (N,) of the whole way from corner to corner."""
    if len(corners) < 2 or count < 2:
        raise ValueError(f"need two stops and two latents or more, got {len(corners)} corners, {count=}")
    arcs = [(a, b, length) for a, b in pairwise(corners) if (length := _distance(a, b)) > 0]
    if not arcs:
        raise ValueError(f"the {len(corners)} corners are one point")
    lengths = torch.tensor([length for _, _, length in arcs], dtype=torch.float64)
    ends = lengths.cumsum(0)
    distances = shares * ends[-1]
    arc = torch.searchsorted(ends, distances, right=True).clamp(max=len(arcs) - 1)  # (N,)
    share_of_arc = ((distances - ends[arc] + lengths[arc]) / lengths[arc]).clamp(0, 1)
    return torch.cat([slerp(a, b, share_of_arc[arc == i]) for i, (a, b, _) in enumerate(arcs)])
