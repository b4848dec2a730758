"""Pictures as files to read."""

import os
from pathlib import Path

from cvdemo.images import ImageArray, png_bytes


def save_png(image: ImageArray, path: str | os.PathLike[str]) -> Path:
    """Writes the picture as a PNG file and returns the path."""
    Path(path).write_bytes(png_bytes(image))
    return Path(path)
