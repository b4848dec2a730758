"""A folder as the recipe face-detector reads it, made of drawn faces."""

from pathlib import Path

import numpy as np
from PIL import Image

WIDTH, HEIGHT = 80, 60
BOX = (20.0, 10.0, 40.0, 40.0)


def write_face_folder(folder: Path, scenes: int = 10) -> None:
    """FDDB's folds 1, 7, 8 and 9 with a picture each, two of CMU+MIT, crops, and pictures without faces."""
    rng = np.random.default_rng(0)
    for name in ("JPEGImages", "crops", "scenes_without_faces", "val"):
        (folder / name).mkdir(parents=True)
    rows = ["file,fold,width,height,x1,y1,x2,y2"]
    for fold in (1, 7, 8, 9):
        _face(rng).save(folder / "JPEGImages" / f"{fold}.jpg")
        rows.append(f"{fold}.jpg,{fold},{WIDTH},{HEIGHT},{','.join(map(str, BOX))}")
    rows.append(f"10.jpg,10,{WIDTH},{HEIGHT},{','.join(map(str, BOX))}")  # its picture is not there
    (folder / "fddb_boxes.csv").write_text("\n".join(rows))
    for name in ("a", "b"):
        _face(rng).save(folder / "val" / f"{name}.jpg")
    (folder / "val_boxes.csv").write_text("image,x1,y1,x2,y2\na.jpg,16,15,44,41\n")
    for number in range(3):
        _noise(rng, 36, 36).convert("L").save(folder / "crops" / f"{number}.jpg")
    for number in range(scenes):
        _noise(rng, WIDTH, HEIGHT).save(folder / "scenes_without_faces" / f"{number:02d}.jpg")


def _noise(rng: np.random.Generator, width: int, height: int) -> Image.Image:
    return Image.fromarray(rng.integers(0, 256, (height, width, 3), dtype=np.uint8))


def _face(rng: np.random.Generator) -> Image.Image:
    picture = _noise(rng, WIDTH, HEIGHT)
    picture.paste((250, 200, 180), tuple(int(v) for v in BOX))
    return picture
