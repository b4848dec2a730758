"""A contact sheet of whitening: pictures down, what is done to them across; `python -m train show-whitening`.

Below stand the first principal components: what the pictures differ in most.
"""

from __future__ import annotations

import argparse
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageDraw
from torch import Tensor

from cvdemo.config import Config, setting
from cvdemo.images import to_batch, to_images
from cvdemo.nets.patch_whitening import EPS, PatchWhitening
from train.data.read_pictures import Pictures, each_read, picture_files, read_resized
from train.data.show_augment import chosen_files, font_of
from train.data.whitening import first_components, fit_whitening
from train.engine.config_options import add_config_options, config_from
from train.engine.writing import write_whole

COMPONENTS = 5  # as many as columns

_CELL, _GAP, _MARGIN = 120, 8, 20  # px
_TITLE_HEIGHT, _CAPTION_HEIGHT = 46, 24
_INK, _FAINT = "#1f2328", "#6a737d"
_NAME, _SMALL = 14, 12  # px of type
_PERCENTILE = 99.0  # of absolute values, shown as black or white: a few extreme ones would make the rest grey


@dataclass(frozen=True, kw_only=True)
class WhiteningConfig(Config):
    """What is shown."""

    pictures: int = setting(6, help="rows", minimum=1)
    fit: int = setting(2000, help="pictures of the folder that the whitening is fitted to", minimum=2)
    size: int = setting(24, help="side that pictures are brought to first", unit="px", minimum=4, maximum=48)
    eps: float = setting(EPS, help="added to the variances, which are about 1", minimum=0)


@dataclass(frozen=True)
class Column:
    """One column of the sheet: (N, H, W, 3) uint8 under a title and a line in small type."""

    title: str
    note: str
    pictures: Pictures


def columns_of(pictures: Pictures, training: Pictures, eps: float) -> list[Column]:
    """The pictures as they are and after each step, all fitted to the training pictures.

    Args:
        pictures, training: (N, H, W, 3) uint8.
    """
    shown, fitted = to_batch(pictures), to_batch(training)
    mean, deviation = fitted.mean(dim=0), fitted.std()
    shown, fitted = (shown - mean) / deviation, (fitted - mean) / deviation
    size = shown.shape[-1]
    pca, zca = (fit_whitening(fitted, kind, eps)(shown).view(-1, 3, size, size) for kind in ("pca", "zca"))
    patches = PatchWhitening("zca")
    patches.fit(fitted, eps)
    return [
        Column("As it is", "", pictures),
        Column("Mean removed", "of each pixel", as_pictures(shown)),
        Column("PCA-whitened", "components in order", as_pictures(pca)),
        Column("ZCA-whitened", "turned back", as_pictures(zca)),
        Column("ZCA of patches", "3 x 3 px, a layer", as_pictures(patches(shown))),
    ]


def as_pictures(values: Tensor) -> Pictures:
    """(N, 3, H, W) around 0 -> (N, H, W, 3) uint8 around grey; all on one scale, by a percentile of their size."""
    most = max(float(np.percentile(values.abs().numpy(), _PERCENTILE)), 1e-9)
    return to_images((0.5 + values.float() / (2 * most)).clamp(0, 1))


def contact_sheet(columns: Sequence[Column], components: Pictures, shares: Sequence[float]) -> Pictures:
    """The sheet as uint8 (H, W, 3): a row for each picture, and one of components with their shares of the variance."""
    rows = len(columns[0].pictures)
    width = 2 * _MARGIN + max(len(columns), len(components)) * (_CELL + _GAP) - _GAP
    below = _MARGIN + _TITLE_HEIGHT + rows * (_CELL + _GAP)
    sheet = Image.new("RGB", (width, below + _TITLE_HEIGHT + _CELL + _CAPTION_HEIGHT + _MARGIN), "white")
    pen = ImageDraw.Draw(sheet)
    for index, column in enumerate(columns):
        left = _MARGIN + index * (_CELL + _GAP)
        pen.text((left, _MARGIN), column.title, _INK, font_of(_NAME))
        pen.text((left, _MARGIN + 21), column.note, _FAINT, font_of(_SMALL))
        for row, picture in enumerate(column.pictures):
            _paste(sheet, picture, left, _MARGIN + _TITLE_HEIGHT + row * (_CELL + _GAP))
    pen.text(
        (_MARGIN, below + 18), "First principal components, and their shares of the variance", _INK, font_of(_NAME)
    )
    for index, (picture, share) in enumerate(zip(components, shares, strict=True)):
        left, top = _MARGIN + index * (_CELL + _GAP), below + _TITLE_HEIGHT
        _paste(sheet, picture, left, top)
        pen.text((left, top + _CELL + 4), f"{share:.1%}", _FAINT, font_of(_SMALL))
    return np.asarray(sheet)


def _paste(sheet: Image.Image, picture: Pictures, left: int, top: int) -> None:
    sheet.paste(Image.fromarray(picture).resize((_CELL, _CELL), Image.Resampling.NEAREST), (left, top))


def sheet_of(pictures: Pictures, training: Pictures, eps: float) -> Pictures:
    """The contact sheet of pictures whose whitening is fitted to `training`, both (N, H, W, 3) uint8."""
    components, shares = first_components(to_batch(training), COMPONENTS)
    drawn = np.concatenate([as_pictures(component[None]) for component in components])  # each on a scale of its own
    return contact_sheet(columns_of(pictures, training, eps), drawn, shares.tolist())


def make_parser() -> argparse.ArgumentParser:
    """The options of the command."""
    parser = argparse.ArgumentParser(prog="python -m train show-whitening", description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder of pictures or of class folders")
    parser.add_argument("--out", type=Path, default=Path("whitening.png"), help="the PNG to write")
    add_config_options(parser, WhiteningConfig)
    return parser


def main(argv: list[str]) -> None:
    """Writes the sheet."""
    args = make_parser().parse_args(argv)
    config = config_from(args, WhiteningConfig)
    files, _ = chosen_files(args.data, config.pictures)
    to_fit, _ = chosen_files(args.data, min(config.fit, len(picture_files(args.data))))
    pictures, training = (
        np.stack(list(each_read(some, lambda path: read_resized(path, config.size)))) for some in (files, to_fit)
    )
    with torch.inference_mode():
        sheet = sheet_of(pictures, training, config.eps)
    stream = io.BytesIO()
    Image.fromarray(sheet).save(stream, "PNG")
    write_whole(args.out, stream.getvalue())
    values = 3 * config.size**2
    rank = "" if len(training) > values else f"; fewer pictures than the {values} values of each: whitened within them"
    print(f"wrote {args.out}: {len(files)} pictures, fitted to {len(training)}{rank}")
