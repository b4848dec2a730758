"""A contact sheet of augmentation: pictures down, what is done to them across; `python -m train show-augment`."""

from __future__ import annotations

import argparse
import dataclasses
import io
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont

from cvdemo.data_folders import data_folder
from cvdemo.images import to_batch, to_images
from train.data.augment import AugmentConfig, augment_batch, jitter_colours, mix_batch
from train.data.read_pictures import Pictures, each_read, picture_files, read_resized
from train.engine.config_options import add_config_options, config_of
from train.engine.writing import write_whole

EXAMPLES = data_folder("examples")

_CELL, _GAP, _MARGIN = 120, 8, 20  # px
_TITLE_HEIGHT, _CAPTION_HEIGHT, _NAME_WIDTH = 46, 18, 104
_INK, _FAINT = "#1f2328", "#6a737d"
_NAME, _SMALL = 14, 12  # px of type


@dataclass(frozen=True)
class Column:
    """What one column of the sheet shows."""

    title: str
    strength: str
    config: AugmentConfig


def showcase(side_px: int) -> AugmentConfig:
    """Every augmentation, strong enough to be seen in pictures of `side_px`."""
    return AugmentConfig(
        flip=True,
        translate_px=side_px // 6,
        rotate_deg=25,
        shear_deg=20,
        rescale=(0.7, 1.5),
        stretch=1.4,
        brightness=0.4,
        contrast=0.5,
        saturation=0.8,
        hue=0.15,
        cutout_px=side_px * 3 // 8,
        mixup_alpha=1.0,
        cutmix_alpha=1.0,
    )


def columns_of(config: AugmentConfig) -> list[Column]:
    """The pictures as they are, each augmentation that the config switches on by itself, and all but the mixing."""
    low, high = config.rescale
    strengths = {
        "flip": ("Flip", "1 in 2"),
        "translate_px": ("Translation", f"up to {config.translate_px} px"),
        "rotate_deg": ("Rotation", f"up to {config.rotate_deg:g}°"),
        "shear_deg": ("Shear", f"up to {config.shear_deg:g}°"),
        "rescale": ("Rescale", f"{low:g} to {high:g}"),
        "stretch": ("Stretch", f"up to {config.stretch:g}"),
        "brightness": ("Brightness", f"± {config.brightness:.0%}"),
        "contrast": ("Contrast", f"± {config.contrast:.0%}"),
        "saturation": ("Saturation", f"± {config.saturation:.0%}"),
        "hue": ("Hue", f"± {360 * config.hue:.0f}°"),
        "cutout_px": ("Cutout", f"{config.cutout_px} px"),
        "mixup_alpha": ("MixUp", f"Beta({config.mixup_alpha:g})"),
        "cutmix_alpha": ("CutMix", f"Beta({config.cutmix_alpha:g})"),
    }
    plain = AugmentConfig(edge=config.edge)
    used = [name for name in strengths if getattr(config, name) != getattr(plain, name)]
    single = [Column(*strengths[name], replace(plain, **{name: getattr(config, name)})) for name in used]
    unmixed = replace(config, mixup_alpha=0.0, cutmix_alpha=0.0)
    together = [Column("Together", "all but mixing", unmixed)] if len(single) > 1 else []
    return [Column("As it is", "", plain), *single, *together]


def contact_sheet(
    pictures: Pictures, config: AugmentConfig, seed: int = 0, names: Sequence[str] | None = None
) -> Pictures:
    """The sheet as uint8 (H, W, 3): a row for each picture, a column for each augmentation in `columns_of(config)`.

    Under what was mixed stand the shares of the two pictures; the second is the row above, of the first the last.

    Args:
        pictures: (N, H, W, 3) uint8.
        seed: each column starts from it.
        names: of the pictures, set before the rows.
    """
    columns = columns_of(config)
    names = [f"picture {row + 1}" for row in range(len(pictures))] if names is None else names
    width = 2 * _MARGIN + _NAME_WIDTH + len(columns) * (_CELL + _GAP) - _GAP
    height = 2 * _MARGIN + _TITLE_HEIGHT + len(pictures) * (_CELL + _CAPTION_HEIGHT)
    sheet = Image.new("RGB", (width, height), "white")
    pen = ImageDraw.Draw(sheet)
    for row, name in enumerate(names):
        middle = _MARGIN + _TITLE_HEIGHT + row * (_CELL + _CAPTION_HEIGHT) + _CELL // 2
        pen.text((_MARGIN, middle), _shortened(pen, name), _INK, font_of(_NAME), anchor="lm")
    for index, column in enumerate(columns):
        _draw_column(sheet, _MARGIN + _NAME_WIDTH + index * (_CELL + _GAP), column, pictures, seed)
    return np.asarray(sheet)


def _draw_column(sheet: Image.Image, left: int, column: Column, pictures: Pictures, seed: int) -> None:
    pen = ImageDraw.Draw(sheet)
    pen.text((left, _MARGIN), column.title, _INK, font_of(_NAME))
    pen.text((left, _MARGIN + 21), column.strength, _FAINT, font_of(_SMALL))
    shown, shares = augmented(pictures, column.config, seed)
    for row, (picture, share) in enumerate(zip(shown, shares, strict=True)):
        top = _MARGIN + _TITLE_HEIGHT + row * (_CELL + _CAPTION_HEIGHT)
        kernel = Image.Resampling.NEAREST if picture.shape[1] < _CELL else Image.Resampling.LANCZOS
        sheet.paste(Image.fromarray(picture).resize((_CELL, _CELL), kernel), (left, top))
        if column.config.mixup_alpha or column.config.cutmix_alpha:
            text = f"{share:.0%} + {1 - share:.0%}"
            pen.text((left, top + _CELL + 2), text, _FAINT, font_of(_SMALL))


def augmented(pictures: Pictures, config: AugmentConfig, seed: int) -> tuple[Pictures, list[float]]:
    """Pictures (N, H, W, 3) uint8 as training would see them, and the share of each in its mixture."""
    generator = torch.Generator().manual_seed(seed)
    pixels = to_batch(pictures)
    mean = pixels.mean(dim=(0, 2, 3), keepdim=True)
    changed = augment_batch(jitter_colours(pixels, config, generator) - mean, config, generator)
    mixed, targets = mix_batch(changed, torch.arange(len(pixels)), len(pixels), config, generator)
    return to_images(mixed + mean), targets.diagonal().tolist()


def _shortened(pen: ImageDraw.ImageDraw, name: str) -> str:
    width = _NAME_WIDTH - _GAP
    if pen.textlength(name, font_of(_NAME)) <= width:
        return name
    while pen.textlength(name + "…", font_of(_NAME)) > width:
        name = name[:-1]
    return name + "…"


@lru_cache
def font_of(size_px: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size_px)


def chosen_files(folder: Path, count: int) -> tuple[list[Path], list[str]]:
    """`count` files spread evenly, and their names: files of the folder itself, else of its class folders."""
    below = picture_files(folder)
    files = [path for path in below if path.parent == folder] or below
    if count < 1:
        raise ValueError(f"need at least one picture, got {count}")
    places = (
        np.linspace(0, len(files) - 1, min(count, len(files)) + 1)[:-1] if count < len(files) else range(len(files))
    )
    chosen = [files[int(place)] for place in places]
    inside = [path.relative_to(folder).parts for path in chosen]
    return chosen, [parts[0] if len(parts) > 1 else Path(parts[0]).stem for parts in inside]


def main(argv: list[str]) -> None:
    """Writes the sheet; without options for the augmentation it shows every one."""
    parser = argparse.ArgumentParser(prog="python -m train show-augment", description=__doc__)
    parser.add_argument("--data", type=Path, default=EXAMPLES, help="folder of pictures or of class folders")
    parser.add_argument("--out", type=Path, default=Path("augment.png"), help="the PNG to write")
    parser.add_argument("--pictures", type=int, default=6, help="rows")
    parser.add_argument("--size", type=int, default=128, help="side in px that pictures are brought to first")
    parser.add_argument("--seed", type=int, default=0)
    options: Any = AugmentConfig
    add_config_options(parser, options)
    args = parser.parse_args(argv)
    values = {field.name: getattr(args, field.name) for field in dataclasses.fields(AugmentConfig)}
    given: Any = config_of(values, options)
    config = given if given != AugmentConfig(edge=given.edge) else replace(showcase(args.size), edge=given.edge)
    files, names = chosen_files(args.data, args.pictures)
    pictures = np.stack(list(each_read(files, lambda path: read_resized(path, args.size))))
    stream = io.BytesIO()
    Image.fromarray(contact_sheet(pictures, config, args.seed, names)).save(stream, "PNG")
    write_whole(args.out, stream.getvalue())
    print(f"wrote {args.out}: {len(files)} pictures, {len(columns_of(config))} columns")
