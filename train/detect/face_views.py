"""Random views for the face detector: tiles of turned and scaled pictures, and scenes with faces pasted into them.

A picture about fills its tile, and a canvas has one tile or up to 16: so small faces are learnt as well as large ones,
and a canvas of small ones holds as many as it can. Boxes turn as the ellipses do that they enclose.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import pairwise

import cv2
import numpy as np
import numpy.typing as npt

from cvdemo.ops.boxes import FloatArray
from train.data.read_pictures import Pictures
from train.detect.annotations import Truth, truth_of
from train.detect.face_data import CROP_FACE_XYXY, CROP_PX

SMALLEST_PX = 22.0  # height of the drawn face, px, unless `LARGEST_SCALE` makes it less
LARGEST_SHARE = 1.1  # height of the drawn face over its tile's side, at most
TILES_SHARES = (0.35, 0.33, 0.22, 0.1)  # of canvases with 1, 2 x 2, 3 x 3 and 4 x 4 tiles
ZOOM = (0.85, 2.4)  # longer side of a picture to its tile's
LARGEST_SCALE = 2.0  # of a picture: more shows no face that a camera sees
TURN_DEG, FAR_TURN_DEG, FAR_TURN_SHARE = 8.0, 30.0, 0.15  # spread of small turns, bound of those that are large
LEAST_SHOWN = 0.4  # of a box inside its tile; what shows less is left out of the loss
LEAST_PX = 10.0  # faces lower than this are left out of the loss
PASTED_PX = (24.0, 96.0)  # side of a pasted crop
MOST_PASTED = 6

Affine = npt.NDArray[np.float64]  # (2, 3)
Point = Sequence[float] | npt.NDArray[np.float64]
Source = Callable[[], tuple[Pictures, Truth]]


def turned(xyxy: FloatArray, affine: Affine) -> FloatArray:
    """Extents, (N, 4), of the ellipses inside boxes after an affine map, exact also where it turns and shears."""
    centres = (xyxy[:, :2] + xyxy[:, 2:]) / 2 @ affine[:, :2].T + affine[:, 2]
    half = (xyxy[:, 2:] - xyxy[:, :2]) / 2
    reach = np.sqrt((half**2) @ (affine[:, :2] ** 2).T)
    return np.concatenate([centres - reach, centres + reach], axis=1).astype(np.float32)


def random_turn(rng: np.random.Generator) -> float:
    """Degrees: mostly small, now and then far."""
    if rng.random() < FAR_TURN_SHARE:
        return float(rng.uniform(-FAR_TURN_DEG, FAR_TURN_DEG))
    return float(rng.normal(0, TURN_DEG))


def affine_about(
    centre: Point, to: Point, scale: float, degrees: float, *, mirrored: bool, aspect: float = 1.0
) -> Affine:
    """The map that brings `centre` to `to`, scaled, turned, mirrored left to right, wider by `aspect`."""
    cosine, sine = scale * math.cos(math.radians(degrees)), scale * math.sin(math.radians(degrees))
    linear = np.array([[cosine, -sine], [sine, cosine]]) @ np.diag([-aspect if mirrored else aspect, 1 / aspect])
    return np.concatenate([linear, (np.array(to) - linear @ np.array(centre))[:, None]], axis=1)


def warped(picture: Pictures, affine: Affine, side_px: int, background: int | None) -> Pictures:
    """uint8 (side_px, side_px, C): the picture under the map, without aliasing.

    Args:
        background: grey level of what is around it; None: the picture again and again, mirrored at its edges.
    """
    scale = math.sqrt(abs(np.linalg.det(affine[:, :2])))
    if scale < 0.8:
        height, width = picture.shape[:2]
        size = max(1, round(width * scale)), max(1, round(height * scale))
        picture = np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), np.uint8)
        shrunk = np.array([width / size[0], height / size[1]])
        affine = np.concatenate([affine[:, :2] * shrunk, affine[:, 2:]], axis=1)
    half = affine[:, :2] @ [0.5, 0.5] - 0.5  # OpenCV counts from the centre of the first pixel
    at_centres = np.concatenate([affine[:, :2], affine[:, 2:] + half[:, None]], axis=1)
    canvas = cv2.warpAffine(
        picture,
        at_centres,
        (side_px, side_px),
        flags=cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_REFLECT if background is None else cv2.BORDER_CONSTANT,
        borderValue=(background or 0,) * 3,
    )
    return np.asarray(canvas, np.uint8)


def tile_view(picture: Pictures, truth: Truth, side_px: int, rng: np.random.Generator) -> tuple[Pictures, Truth]:
    """A square of `side_px` that shows all or a part of the picture, with one of its faces at a random place."""
    height, width = picture.shape[:2]
    scale = side_px / max(height, width) * ZOOM[0] * (ZOOM[1] / ZOOM[0]) ** rng.random()
    centre = rng.random(2) * [width, height]
    if len(truth.xyxy):
        box = truth.xyxy[rng.integers(len(truth.xyxy))]
        centre, face_px = (box[:2] + box[2:]) / 2, float(box[3] - box[1])
        scale = min(max(scale, SMALLEST_PX / face_px), LARGEST_SHARE * side_px / face_px)
    scale = min(scale, LARGEST_SCALE)
    linear = affine_about(
        centre,
        rng.uniform(0.15, 0.85, 2) * side_px,
        scale,
        random_turn(rng),
        mirrored=rng.random() < 0.5,
        aspect=math.exp(rng.uniform(-0.08, 0.08)),
    )
    affine = _filling(linear, (width * scale, height * scale), (width / 2, height / 2), side_px)
    canvas = warped(picture, affine, side_px, int(rng.integers(256)))
    return canvas, _on_tile(turned(truth.xyxy, affine), truth, side_px)


def _filling(affine: Affine, size_wh: Sequence[float], middle: Sequence[float], side_px: int) -> Affine:
    """The map moved so that a picture larger than the tile leaves no gap, and a smaller one lies on it, but for turns.

    Args:
        size_wh: of the picture on the tile, px. middle: of the picture, in its own px.
    """
    slack = np.abs(np.array(size_wh) - side_px) / 2
    offset = affine[:, :2] @ np.array(middle) + affine[:, 2] - side_px / 2
    moved = offset.clip(-slack, slack) - offset
    return np.concatenate([affine[:, :2], affine[:, 2:] + moved[:, None]], axis=1)


def _on_tile(boxes: FloatArray, truth: Truth, side_px: int) -> Truth:
    """Boxes clipped to the tile; those outside go, those that show little or are tiny are difficult."""
    clipped = boxes.clip(0, side_px)
    sides, whole = clipped[:, 2:] - clipped[:, :2], boxes[:, 2:] - boxes[:, :2]
    inside = (sides > 1).all(axis=1)
    little = (sides.prod(axis=1) < LEAST_SHOWN * whole.prod(axis=1)) | (whole[:, 1] < LEAST_PX)
    return Truth(clipped[inside], truth.classes[inside], (truth.difficult | little)[inside])


def tiled_view(source: Source, side_px: int, rng: np.random.Generator) -> tuple[Pictures, Truth]:
    """A canvas of 1, 4, 9 or 16 tiles, each of another picture of `source`, and all their boxes."""
    tiles = 1 + int(rng.choice(len(TILES_SHARES), p=TILES_SHARES))
    edges = [round(side_px * i / tiles) for i in range(tiles + 1)]
    canvas = np.empty((side_px, side_px, 3), np.uint8)
    parts = []
    for top, bottom in pairwise(edges):
        for left, right in pairwise(edges):
            side = max(bottom - top, right - left)
            tile, truth = tile_view(*source(), side, rng)
            canvas[top:bottom, left:right] = tile[: bottom - top, : right - left]
            moved = (truth.xyxy + np.array([left, top] * 2, np.float32)).clip(0, [right, bottom, right, bottom])
            parts.append(Truth(moved.astype(np.float32), truth.classes, truth.difficult))
    return canvas, joined(parts)


def joined(parts: Sequence[Truth]) -> Truth:
    """All boxes of several truths."""
    if not parts:
        return truth_of([])
    return Truth(
        *(np.concatenate([getattr(part, name) for part in parts]) for name in ("xyxy", "classes", "difficult"))
    )


def scene_view(
    scene: Pictures,
    side_px: int,
    rng: np.random.Generator,
    centre: tuple[float, float] | None = None,
    scale: float = 1.0,
) -> Pictures:
    """A part of a picture without faces, at any scale from 0.4 to 1.8; with a `centre` (px) what is around it.

    Args:
        scale: at which the centre's surroundings were taken for a face. That of the view differs from it by about a
            third at most, since what looks like a face at one size need not at another.
    """
    height, width = scene.shape[:2]
    if centre is None:
        centre = (rng.random() * width, rng.random() * height)
        scale = math.exp(rng.uniform(math.log(0.4), math.log(1.8)))
    else:
        scale *= math.exp(rng.uniform(-0.3, 0.3))
    to = rng.uniform(0.15, 0.85, 2) * side_px
    affine = affine_about(centre, to, scale, float(rng.normal(0, 4)), mirrored=rng.random() < 0.5)
    return warped(scene, affine, side_px, None)  # there is no face that mirroring could double


def paste_faces(canvas: Pictures, crops: Pictures, rng: np.random.Generator) -> tuple[Pictures, Truth]:
    """Grey crops (N, 36, 36) blended into a scene, which turns grey, and the boxes of their faces."""
    grey = cv2.cvtColor(canvas, cv2.COLOR_RGB2GRAY).astype(np.float32)
    side_px, taken = canvas.shape[0], np.empty((0, 4), np.float32)
    faces = []
    for _ in range(int(rng.integers(1, MOST_PASTED + 1))):
        size = min(PASTED_PX[0] * (PASTED_PX[1] / PASTED_PX[0]) ** rng.random(), side_px / 2)
        centre = rng.uniform(size / 2, side_px - size / 2, 2)
        reach = 0.75 * size
        square = np.array([*(centre - reach), *(centre + reach)], np.float32)
        if _touches(square, taken):
            continue
        taken = np.concatenate([taken, square[None]])
        affine = affine_about([CROP_PX / 2] * 2, centre, size / CROP_PX, random_turn(rng), mirrored=rng.random() < 0.5)
        _blend(grey, crops[rng.integers(len(crops))], affine, rng)
        faces.append(turned(np.array([CROP_FACE_XYXY], np.float32), affine)[0].clip(0, side_px))
    pixels = np.repeat(grey.clip(0, 255).astype(np.uint8)[..., None], 3, axis=2)
    return pixels, truth_of([face.tolist() for face in faces])


def _touches(square: FloatArray, taken: FloatArray) -> bool:
    return bool(((square[:2] < taken[:, 2:]) & (square[2:] > taken[:, :2])).all(axis=1).any())


def _blend(grey: npt.NDArray[np.float32], crop: Pictures, affine: Affine, rng: np.random.Generator) -> None:
    """Draws a crop into a grey canvas, in place: in the light of where it lands, its rim fading out."""
    side_px = grey.shape[0]
    face = warped(crop, affine, side_px, 0).astype(np.float32)
    rim = rng.uniform(0.02, 0.12) * CROP_PX
    mask = np.zeros((CROP_PX, CROP_PX), np.uint8)
    inset = round(rim)
    if rng.random() < 0.5:
        cv2.ellipse(mask, (CROP_PX // 2,) * 2, (CROP_PX // 2 - inset,) * 2, 0, 0, 360, 255, -1)
    else:
        mask[inset : CROP_PX - inset, inset : CROP_PX - inset] = 255
    soft = np.asarray(cv2.GaussianBlur(mask, (0, 0), max(rim / 2, 0.3)), np.uint8)
    share = warped(soft, affine, side_px, 0).astype(np.float32) / 255
    inside = share > 0.5
    if inside.any():
        toward = rng.random() * (float(grey[inside].mean()) - float(face[inside].mean()))
        face = (face + 0.7 * toward) if abs(toward) < 120 else face
    grey[:] = grey * (1 - share) + face * share
