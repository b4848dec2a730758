"""Draws the style pictures of the style transfer tab: `python examples/make_styles.py [FOLDER]`.

Seven pictures of 768 px, each with texture from a few pixels to a third of the side: a style picture without fine
strokes leaves a transfer flat, one without large shapes leaves it busy. Everything is drawn from a seeded generator
at twice the size and shrunk, so the same machine gives the same bytes; no picture of anybody else is used.
"""

import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image

Array = npt.NDArray[np.float32]  # (H, W) fields and (H, W, 3) RGB pictures in [0, 1]
Rng = np.random.Generator

SIDE_PX = 768
CANVAS_PX = 2 * SIDE_PX
MAX_BYTES = 200_000
SUNS = (  # x, y and radius as shares of the side; sense of turning
    (0.3, 0.28, 0.17, 1),
    (0.75, 0.2, 0.11, -1),
    (0.66, 0.62, 0.2, 1),
    (0.2, 0.78, 0.13, -1),
    (0.93, 0.9, 0.11, 1),
)
FOLDER = Path(__file__).parent / "styles"


def palette(*colours: str) -> Array:
    """(n, 3) RGB in [0, 1] of hex colours such as "1d3557"."""
    return np.array([[int(c[i : i + 2], 16) / 255 for i in (0, 2, 4)] for c in colours], np.float32)


def blend(colours: Array, position: Array) -> Array:
    """Colours between those of a palette; `position` in [0, 1] runs from its first to its last."""
    x = np.clip(position, 0, 1) * (len(colours) - 1)
    low = np.minimum(x.astype(int), len(colours) - 2)
    mix = (x - low)[..., None]
    blended: Array = (colours[low] * (1 - mix) + colours[low + 1] * mix).astype(np.float32)
    return blended


def fractal_noise(rng: Rng, cells: int, octaves: int, size_hw: tuple[int, int] = (CANVAS_PX, CANVAS_PX)) -> Array:
    """Smooth noise in [0, 1], `size_hw`: octave i has `cells` * 2^i random values along a side at half the weight."""
    total = np.zeros(size_hw, np.float32)
    for i in range(octaves):
        grid = rng.random((cells * 2**i + 1, cells * 2**i + 1), dtype=np.float32)
        total += cv2.resize(grid, size_hw[::-1], interpolation=cv2.INTER_CUBIC) / 2**i
    span = total.max() - total.min()
    return (total - total.min()) / span


def coordinates() -> tuple[Array, Array]:
    """x and y of every canvas pixel, in [0, 1]."""
    axis = np.linspace(0, 1, CANVAS_PX, dtype=np.float32)
    x, y = np.meshgrid(axis, axis)
    return x, y


def relief(picture: Array, strength: float, blur_px: float = 1.5) -> Array:
    """The picture as thick paint lit from the upper left: lightness is taken for height."""
    height = cv2.GaussianBlur(picture.mean(axis=2), (0, 0), blur_px)
    slope = cv2.Sobel(height, cv2.CV_32F, 1, 0, ksize=3) + cv2.Sobel(height, cv2.CV_32F, 0, 1, ksize=3)
    lit: Array = np.clip(picture - strength * slope[..., None], 0, 1)
    return lit


def flow_of(stream: Array) -> tuple[Array, Array]:
    """Unit vectors (x, y) along the contour lines of a stream function."""
    down, right = np.gradient(stream)
    length = np.hypot(down, right) + 1e-9
    return down / length, -right / length


def trace(starts: Array, flow: tuple[Array, Array], steps: int, step_px: float) -> Array:
    """Paths (n, steps, 2), x and y in px, that follow the flow from each of (n, 2) starts."""
    paths = [starts]
    for _ in range(steps - 1):
        x, y = np.clip(paths[-1], 0, CANVAS_PX - 1).astype(int).T
        paths.append(paths[-1] + step_px * np.stack([flow[0][y, x], flow[1][y, x]], axis=1))
    return np.stack(paths, axis=1).astype(np.float32)


def brush(canvas: Array, path: Array, colour: Array, width_px: float, rng: Rng) -> None:
    """Paints one stroke onto the canvas: parallel bristles, each a shade of its own, some shorter than others."""
    tangent = np.gradient(path, axis=0)
    normal = np.stack([-tangent[:, 1], tangent[:, 0]], axis=1)
    normal /= np.linalg.norm(normal, axis=1, keepdims=True) + 1e-9
    bristles = max(3, int(width_px / 3))
    for offset in np.linspace(-0.5, 0.5, bristles):
        taper = 1 - 0.6 * np.linspace(-1, 1, len(path)) ** 2
        line = path + normal * (offset * width_px * taper)[:, None]
        first, last = rng.integers(0, 2), len(path) - rng.integers(0, 3)
        shade = np.clip(colour * (1 + rng.normal(0, 0.13)) + rng.normal(0, 0.02), 0, 1)
        points = [(line[first:last] * 8).round().astype(np.int32)]
        thickness = max(1, round(1.5 * width_px / bristles))
        cv2.polylines(canvas, points, False, shade.tolist(), thickness, cv2.LINE_AA, shift=3)


def paint(field: Array, flow: tuple[Array, Array], widths_px: Sequence[float], rng: Rng) -> Array:
    """The colour field (H, W, 3) painted in strokes along the flow, the broadest first, so that none of it is bare."""
    canvas = field.copy()
    for width in widths_px:
        count = int(1.6 * CANVAS_PX**2 / (width * width * 7))
        starts = (rng.random((count, 2)) * CANVAS_PX).astype(np.float32)
        for path in trace(starts, flow, steps=9, step_px=width):
            x, y = np.clip(path[4], 0, CANVAS_PX - 1).astype(int)
            brush(canvas, path, field[y, x], width, rng)
    return canvas


def night_swirls(rng: Rng) -> Array:
    """A sky of whirling brush strokes: ultramarine and turquoise, with golden suns."""
    x, y = coordinates()
    stream = 0.9 * (fractal_noise(rng, 3, 2) - 0.5)
    glow = np.zeros_like(x)
    for cx, cy, radius, spin in SUNS:
        distance = np.hypot(x - cx, y - cy) / radius
        stream += spin * 1.3 * np.exp(-(distance**2) / 1.6)
        glow += np.exp(-(distance**2) * 1.7) + 0.3 * np.exp(-distance) * np.sin(distance * 9)
    night = palette("0b1b4d", "14317f", "1f57b5", "2f8fc9", "7cc6c4", "dfe7b0", "ffd447", "ff9f1c")
    tone = 0.05 + 0.5 * fractal_noise(rng, 4, 4) + 0.62 * glow
    picture = paint(blend(night, tone), flow_of(stream), [34, 22, 14, 9], rng)
    return relief(picture, 0.35)


def autumn_strokes(rng: Rng) -> Array:
    """Broad palette-knife strokes in the colours of a wood in autumn."""
    stream = fractal_noise(rng, 2, 3)
    wood = palette("231942", "5e2a5f", "9c2c4a", "d1495b", "ee7b30", "f6ae2d", "f9e7b2", "7fb7a3", "1d6f78", "12355b")
    tone = np.clip(1.5 * fractal_noise(rng, 5, 3) - 0.25, 0, 1)
    picture = paint(blend(wood, tone), flow_of(stream), [70, 44, 26, 15], rng)
    return relief(picture, 0.5, 2.0)


def nearest_cells(points: Array, size_px: int) -> tuple[npt.NDArray[np.intp], Array, Array]:
    """For every pixel the index of the nearest point (n, 2) in px, and the distances to the nearest two."""
    index = np.zeros((size_px, size_px), np.intp)
    near, second = np.full((size_px, size_px), np.inf, np.float32), np.full((size_px, size_px), np.inf, np.float32)
    axis = np.arange(size_px, dtype=np.float32)
    for i, (x, y) in enumerate(points):
        distance = np.hypot(axis[None, :] - x, axis[:, None] - y)
        closer = distance < near
        second = np.where(closer, near, np.minimum(second, distance))
        index, near = np.where(closer, i, index), np.where(closer, distance, near)
    return index, near, second


def spread_points(rng: Rng, count: int, size_px: int) -> Array:
    """(count, 2) random points, each the farthest of a dozen candidates from those before it (Mitchell 1991)."""
    points = [rng.random(2) * size_px]
    for _ in range(count - 1):
        candidates = rng.random((12, 2)) * size_px
        distances = np.linalg.norm(candidates[:, None] - np.array(points)[None], axis=2).min(axis=1)
        points.append(candidates[distances.argmax()])
    return np.array(points, np.float32)


def stained_glass(rng: Rng) -> Array:
    """A window of coloured glass: leaded cells that glow from within, around a rose."""
    x, y = coordinates()
    points = spread_points(rng, 110, CANVAS_PX)
    index, near, second = nearest_cells(points, CANVAS_PX)
    glass = palette("9d0208", "dc2f02", "f48c06", "ffd166", "2a9d8f", "0077b6", "023e8a", "5a189a", "c9184a", "80b918")
    radius = np.hypot(points[:, 0] / CANVAS_PX - 0.5, points[:, 1] / CANVAS_PX - 0.5)
    ring = (radius * 9 + rng.random(len(points)) * 2.2).astype(int) % len(glass)
    colour = glass[ring][index]
    edge = np.clip((second - near) / 90, 0, 1)
    ripple = fractal_noise(rng, 40, 3) * 0.25 + 0.12 * np.sin(60 * (fractal_noise(rng, 6, 2) + 0.4 * y))
    light = 0.45 + 0.75 * edge + ripple * 0.6 - 0.15 * np.hypot(x - 0.5, y - 0.5)
    picture = colour * light[..., None] + 0.22 * (edge**3)[..., None] * np.array([1, 0.95, 0.75], np.float32)
    picture = np.clip(picture, 0, 1).astype(np.float32)
    lead = np.clip((second - near - 9) / 5, 0, 1)[..., None]
    shine = 0.09 + 0.2 * np.exp(-(((second - near - 3) / 3) ** 2))[..., None]
    solder: Array = (picture * lead + (1 - lead) * shine * np.array([0.9, 0.95, 1.1], np.float32)).astype(np.float32)
    return np.clip(solder, 0, 1)


def mosaic(rng: Rng) -> Array:
    """Byzantine tesserae: some three thousand small stones in bands that wind around three centres."""
    half = SIDE_PX
    index, near, second = nearest_cells(spread_points(rng, 2600, half), half)
    small = (half, half)
    bands = fractal_noise(rng, 3, 2, small) * 2.6
    stones = palette("14213d", "1f6f8b", "99c1b9", "f2e9d8", "e9b44c", "c8553d", "7a1f2b", "e9b44c", "f2e9d8", "2d6a4f")
    counts = np.bincount(index.ravel(), minlength=2600)
    mean_band = np.bincount(index.ravel(), bands.ravel(), 2600) / np.maximum(counts, 1)
    tone = np.floor((mean_band % 1) * len(stones)) / (len(stones) - 1)
    colour = np.clip(blend(stones, tone.astype(np.float32)) * rng.normal(1, 0.14, (2600, 1)), 0, 1)
    tilt = rng.normal(0, 1, (2, 2600))[:, index]
    grid = np.arange(half, dtype=np.float32) / 40
    facet = 0.035 * (tilt[0] * np.sin(grid)[None, :] + tilt[1] * np.cos(grid)[:, None])
    stone = colour[index] * (0.86 + 0.2 * np.clip((second - near) / 9, 0, 1) + facet)[..., None]
    grout = np.clip((second - near - 1.6) / 1.6, 0, 1)[..., None]
    mortar = np.array([0.17, 0.14, 0.13]) * (0.7 + 0.6 * fractal_noise(rng, 90, 2, small))[..., None]
    picture = stone * grout + mortar * (1 - grout)
    return cv2.resize(np.clip(picture, 0, 1).astype(np.float32), (CANVAS_PX, CANVAS_PX), interpolation=cv2.INTER_CUBIC)


def crest(x: Array, rng: Rng, amplitude_px: float, waves: float) -> Array:
    """The height (px) of a sharp-crested wave along x in [0, 1]: a folded sine on a slow swell."""
    phase = rng.random(3)
    wander = x + 0.03 * np.sin(2 * np.pi * (1.3 * x + phase[0]))
    folded = np.abs(np.sin(np.pi * (waves * wander + phase[1]))) ** 0.8
    swell = 0.5 * np.sin(2 * np.pi * (0.8 * x + phase[2]))
    return (amplitude_px * (0.75 - folded + swell)).astype(np.float32)


def woodcut_waves(rng: Rng) -> Array:
    """A sea cut in wood: rows of waves in Prussian blue and cream, engraved line by line, foam on every crest."""
    x, y = coordinates()
    paper = palette("f3e3c3", "efd3a0", "e8b78a")
    picture = blend(paper, (1 - y) * 1.6 - 0.3)
    sun = np.hypot(x - 0.72, y - 0.17)
    picture[sun < 0.105] = palette("d1412f")[0]
    blues = palette("8fb3c4", "4f86a8", "265d8c", "143c6b", "0d2748")
    axis = np.arange(CANVAS_PX, dtype=np.float32)
    rows = 9
    for i in range(rows):
        top = CANVAS_PX * (0.24 + 0.78 * (i / rows) ** 1.1) + crest(x[0], rng, 60 + 9 * i, 2.6 - 0.12 * i)
        depth = axis[:, None] - top[None, :]
        inside = depth > 0
        spacing = 15 + 1.6 * i
        cut = np.sin(2 * np.pi * (depth + 7 * fractal_noise(rng, 12, 2)) / spacing)
        width = np.clip(0.75 - depth / 330, -0.8, 0.9)
        tone = np.clip(0.15 + 0.1 * i + depth / 420, 0, 1)
        water = np.where((cut < -width)[..., None], blend(blues, tone), palette("f3ead6")[0])
        water[(depth < 9) & inside] = palette("0d2748")[0]
        picture = np.where(inside[..., None], water, picture).astype(np.float32)
        scatter_foam(picture, top, rng, i)
    grain = fractal_noise(rng, 6, 3) * 30 + y * 90
    fibre = 0.05 * np.sin(2 * np.pi * grain) + 0.09 * (fractal_noise(rng, 160, 2) - 0.5)
    return np.clip(picture + fibre[..., None], 0, 1)


def scatter_foam(picture: Array, top: Array, rng: Rng, row: int) -> None:
    """Draws drops of foam with dark outlines along and above a crest, more of them where it stands high."""
    for _ in range(60 + 14 * row):
        column = int(rng.integers(0, CANVAS_PX))
        high = np.clip((top.mean() - top[column]) / 60, 0, 1.5)
        centre = (column, int(top[column] - rng.exponential(6 + 22 * high)))
        radius = int(rng.integers(3, 7 + int(10 * high)))
        cv2.circle(picture, centre, radius + 3, palette("0d2748")[0].tolist(), -1, cv2.LINE_AA)
        cv2.circle(picture, centre, radius, palette("f8f1e0")[0].tolist(), -1, cv2.LINE_AA)


def halftone(rng: Rng) -> Array:
    """Pop art on newsprint: shapes with black outlines in dots of cyan, magenta and yellow at three angles."""
    x, y = coordinates()
    fields = [fractal_noise(rng, 2, 2) for _ in range(2)]
    bands = np.floor(fields[0] * 7)
    shapes = palette("ffe14d", "ff6f91", "21b6d7", "fff6e0", "f9423a", "2d46b9", "ffb000")[bands.astype(int).clip(0, 6)]
    burst = np.sin(26 * np.arctan2(y - 0.42, x - 0.55)) > 0
    shapes = np.where((burst & (fields[1] > 0.55))[..., None], palette("fff9e6")[0], shapes)
    shapes = shapes * (1 - 0.35 * np.clip(fields[1] - 0.3, 0, 1))[..., None]
    ink = np.clip(1 - cv2.GaussianBlur(shapes.astype(np.float32), (0, 0), 6), 0, 1)
    paper = np.ones_like(ink) * palette("fdf6e3")[0]
    for channel, (angle, pitch) in enumerate([(15, 26), (75, 26), (0, 26)]):
        u = np.cos(np.deg2rad(angle)) * x + np.sin(np.deg2rad(angle)) * y
        v = np.cos(np.deg2rad(angle)) * y - np.sin(np.deg2rad(angle)) * x
        scale = np.pi * CANVAS_PX / pitch
        screen = 0.5 + 0.25 * (np.cos(2 * scale * u) + np.cos(2 * scale * v))
        dot = np.clip((ink[..., channel] * 1.05 - screen) * 6 + 0.5, 0, 1)
        pigment = palette("00a6d6", "e6006f", "ffd400")[channel]
        paper = paper * (1 - dot[..., None] * (1 - pigment))
    edges = cv2.morphologyEx(bands.astype(np.float32), cv2.MORPH_GRADIENT, np.ones((13, 13))) > 0
    outline = cv2.GaussianBlur(edges.astype(np.float32), (0, 0), 2.5)[..., None]
    printed: Array = np.clip(paper * (1 - outline) + 0.07 * outline, 0, 1).astype(np.float32)
    return printed


def ink_wash(rng: Rng) -> Array:
    """Mountains in mist in black ink on rice paper: dry brush, wet edges, splashes, a red seal."""
    x, y = coordinates()
    ink = np.zeros_like(x)
    for i in range(6):
        ridge = 0.16 + 0.14 * i + 0.34 * (fractal_noise(rng, 3 + i, 6)[0] - 0.5)
        depth = (y - ridge[None, :]) / 0.2
        rough = fractal_noise(rng, 6, 6)
        wash = np.exp(-np.clip(depth, 0, None) * (2.6 - rough)) * (depth > 0)
        wet_edge = 0.35 * np.exp(-((depth / 0.025) ** 2)) * (depth > 0)
        bare = fractal_noise(rng, 70, 3) > 0.52 + 0.22 * np.clip(depth, 0, 2)
        dry = 1.1 * bare * np.exp(-np.clip(depth, 0, None) * 1.7) * (depth > 0)
        mist = np.where(depth > 0, 0.25 + 0.3 * np.clip(depth, 0, 1), 1)
        ink = ink * mist + (0.16 + 0.13 * i) * (0.7 * wash + wet_edge + 0.55 * dry * rough)
    canvas = np.repeat(np.clip(1 - ink, 0.03, 1)[..., None], 3, axis=2).astype(np.float32)
    angle = fractal_noise(rng, 4, 2) * 3 - 2.2
    flow = (np.cos(angle), np.sin(angle))
    starts = np.stack([rng.random(240), 0.25 + 0.75 * rng.random(240)], axis=1).astype(np.float32) * CANVAS_PX
    for path in trace(starts, flow, steps=10, step_px=16):
        dark = np.full(3, rng.uniform(0.03, 0.4), np.float32)
        brush(canvas, path, dark, rng.uniform(4, 17), rng)
    splash(canvas, rng)
    tint = palette("f5ecd7")[0] * (0.94 + 0.1 * fractal_noise(rng, 120, 3))[..., None]
    picture = canvas * tint + (1 - canvas) * palette("16181d")[0]
    picture = np.clip(picture, 0, 1).astype(np.float32)
    seal = (slice(int(0.06 * CANVAS_PX), int(0.13 * CANVAS_PX)), slice(int(0.85 * CANVAS_PX), int(0.92 * CANVAS_PX)))
    worn = (fractal_noise(rng, 60, 2)[seal] > 0.42)[..., None]
    picture[seal] = np.where(worn, palette("b3261e")[0], picture[seal])
    return picture


def splash(canvas: Array, rng: Rng) -> None:
    """Flicks drops of ink onto the canvas, small ones around each large one."""
    for _ in range(26):
        centre = rng.random(2) * CANVAS_PX
        for _ in range(int(rng.integers(6, 26))):
            at = (centre + rng.normal(0, 40, 2)).astype(int).tolist()
            shade = rng.uniform(0.05, 0.6)
            cv2.circle(canvas, at, int(rng.exponential(3.5)) + 1, (shade, shade, shade), -1, cv2.LINE_AA)


DRAWINGS: dict[str, Callable[[Rng], Array]] = {
    "night_swirls": night_swirls,
    "autumn_strokes": autumn_strokes,
    "stained_glass": stained_glass,
    "mosaic": mosaic,
    "woodcut_waves": woodcut_waves,
    "halftone": halftone,
    "ink_wash": ink_wash,
}


def draw(name: str, seed: int = 7) -> Image.Image:
    """One of `DRAWINGS` at `SIDE_PX`."""
    canvas = DRAWINGS[name](np.random.default_rng(seed))
    picture = cv2.resize(canvas, (SIDE_PX, SIDE_PX), interpolation=cv2.INTER_AREA)
    return Image.fromarray((picture.clip(0, 1) * 255).round().astype(np.uint8))


def save_jpeg(picture: Image.Image, path: Path) -> None:
    """Writes the picture at the best quality that keeps the file within `MAX_BYTES`."""
    for quality in range(90, 40, -4):
        picture.save(path, quality=quality, optimize=True)
        if path.stat().st_size <= MAX_BYTES:
            return


def main() -> None:
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    for name in DRAWINGS:
        path = folder / f"{name}.jpg"
        save_jpeg(draw(name), path)
        print(f"{path}: {path.stat().st_size // 1000} kB")


if __name__ == "__main__":
    main()
