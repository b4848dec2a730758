"""Results as files: encoded by the ending of their name, written under a temporary name, renamed when whole."""

import contextlib
import io
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from PIL import Image

from cvdemo.errors import InputError
from cvdemo.images import ImageArray, on_white, png_bytes
from cvdemo.whole_files import written_beside

FORMATS = {".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG", ".webp": "WEBP"}
SUFFIXES = tuple(FORMATS)
QUALITY: dict[str, dict[str, Any]] = {  # high: results have fine texture, and are small beside a camera's pictures
    "JPEG": {"quality": 92, "subsampling": "4:4:4"},  # full colour: strokes and boxes have coloured edges
    "WEBP": {"quality": 92},
}
MAX_SIDE_PX = {"JPEG": 65500, "WEBP": 16383}  # of libjpeg and of the WebP container


def encoded(image: ImageArray, suffix: str, texts: Mapping[str, str] | None = None) -> bytes:
    """The picture, uint8 (H, W, 3) or (H, W, 4), as a file that ends in `suffix`; JPEG has its alpha laid on white.

    Args:
        texts: written into a PNG, see `cvdemo.images.png_bytes`; other formats go without.

    Raises:
        InputError: the format cannot hold a picture so large.
    """
    name = FORMATS[suffix.lower()]
    height, width = image.shape[:2]
    limit = MAX_SIDE_PX.get(name, max(height, width))
    if max(height, width) > limit:
        raise InputError(f"The result is {width} x {height} pixels; {name} ends at {limit} a side: choose PNG.")
    if name == "PNG":
        return png_bytes(image, texts=texts)
    file = io.BytesIO()
    Image.fromarray(on_white(image) if name == "JPEG" else image).save(file, format=name, **QUALITY[name])
    return file.getvalue()


def json_bytes(data: Mapping[str, Any]) -> bytes:
    """A JSON file for people and programs."""
    return (json.dumps(data, indent=2, ensure_ascii=False, allow_nan=False) + "\n").encode("utf-8")


def write_files(files: Mapping[Path, bytes], *, overwrite: bool) -> None:
    """Writes all files under temporary names, and renames them once all of them are whole; folders are made.

    So where the disk is full none is there. Where a rename is refused, the files before it have their names already.
    Links are followed, not replaced.

    Raises:
        InputError: one cannot be written, or exists and `overwrite` does not hold.
    """
    path = Path()
    try:
        with contextlib.ExitStack() as stack:
            renames: list[tuple[Path, Path]] = []
            for path, data in files.items():
                final = Path(os.path.realpath(path))
                renames.append((stack.enter_context(written_beside(final, data)), final))
            for path in files:
                if not overwrite and os.path.lexists(path):  # made by another program since `check_targets` looked
                    raise InputError(f"There is already {path}: give another OUT, or --overwrite.")
            for path, (unfinished, final) in zip(files, renames, strict=True):  # noqa: B007  # told below
                unfinished.replace(final)
    except OSError as error:
        raise InputError(f"{path} cannot be written: {error.strerror or error}.") from error
