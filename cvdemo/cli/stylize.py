"""What the verb `stylize` takes beside its settings: style pictures, a mask, a start picture, and `--instant`."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

import numpy as np

from cvdemo.cli.sources import STDIO, read_other
from cvdemo.config import Config, default_of, settings_of
from cvdemo.errors import InputError
from cvdemo.images import ImageArray
from cvdemo.style.config import KEPT_COLOURS, StyleConfig
from cvdemo.style.feed_forward import InstantConfig
from cvdemo.style.pictures import mask_of
from cvdemo.style.run import InstantRequest, StyleRequest
from cvdemo.style.video import StyleVideoConfig

KEEP_COLOURS = "--keep-colours"


def add_stylize_options(parser: argparse.ArgumentParser) -> None:
    """`--style`, `--also`, `--mask`, `--start-image`, `--instant` and `--steadiness`."""
    parser.add_argument("--style", metavar="PICTURE", required=True, help="the picture whose style is taken")
    parser.add_argument(
        "--also",
        nargs=2,
        action="append",
        default=[],
        metavar=("PICTURE", "WEIGHT"),
        help="another style picture, and its weight beside the 1 of --style; can be given more than once",
    )
    mask = "black and white, in the shape of IN: what is white is painted like --also, what is black like --style"
    parser.add_argument("--mask", metavar="PICTURE", help=mask)
    start = "a picture in the shape of IN to begin with, for example an earlier result"
    parser.add_argument("--start-image", metavar="PICTURE", help=start)
    instant = "paint in one pass of a network, in a second, instead of optimising; IN may then be a video, and OUT an "
    instant += f".mp4 file; --size is {default_of(InstantConfig, 'size')} where it is not given"
    parser.add_argument("--instant", action="store_true", help=instant)
    steadiness, usual = settings_of(StyleVideoConfig)["steadiness"], default_of(StyleVideoConfig, "steadiness")
    words = f"of a video: {steadiness.range_words}. {steadiness.help} (default: {usual:g})"
    parser.add_argument("--steadiness", type=float, default=argparse.SUPPRESS, metavar="N", help=words)


def with_value(argv: Sequence[str]) -> list[str]:
    """The words with `--keep-colours` and `--no-keep-colours` as they are written today.

    Before there was a choice of ways, they were switches.
    """
    words: list[str] = []
    for index, word in enumerate(argv):
        if word == "--no-keep-colours":
            words += [KEEP_COLOURS, "no"]
        elif word == KEEP_COLOURS and (index + 1 == len(argv) or argv[index + 1].lower() not in KEPT_COLOURS):
            words += [KEEP_COLOURS, "statistics"]
        else:
            words.append(word)
    return words


def pictures_beside(args: argparse.Namespace) -> list[tuple[str, str]]:
    """The options of a command line that name pictures beside IN, and what they name."""
    options = ("style", "mask", "start_image", "guide", "recipe")
    named = [(f"--{name.replace('_', '-')}", getattr(args, name, None)) for name in options]
    also = [("--also", picture) for picture, _ in getattr(args, "also", [])]
    return [*((option, picture) for option, picture in named if picture is not None), *also]


def check_standard_input(args: argparse.Namespace) -> None:
    """Raises `InputError` where more than one picture would be on standard input."""
    named = [("IN", args.input), *pictures_beside(args)]
    from_stdin = [option for option, picture in named if picture == STDIO]
    if len(from_stdin) > 1:
        raise InputError(f"Standard input is one picture: {' or '.join(from_stdin)}, not both.")


def base_of(preset: StyleConfig, args: argparse.Namespace, *, video: bool) -> StyleConfig | InstantConfig:
    """The settings that options of a command line start from: the preset, or what it says of the instant style.

    Raises:
        InputError: IN is a video and `--instant` is missing, or an option changes nothing.
    """
    base: StyleConfig | InstantConfig = preset
    if args.instant:
        kind = StyleVideoConfig if video else InstantConfig
        shared = {name: getattr(preset, name) for name in ("strength", "style_scale", "keep_colours")}
        base = kind(**shared)
    elif video:
        raise InputError("A video can be painted with --instant alone: please give it too.")
    known = settings_of(StyleConfig) | settings_of(StyleVideoConfig)
    given = [name for name in known if name in vars(args) and name not in settings_of(base)]
    given += ["start_image"] if args.instant and args.start_image is not None else []
    for name in given:
        where = "in a picture" if name == "steadiness" else "with --instant"
        raise InputError(f"--{name.replace('_', '-')} changes nothing {where}: please leave it out.")
    return base


def instant_request(args: argparse.Namespace, config: InstantConfig) -> InstantRequest:
    """The request of a command line with `--instant`, whose content is filled in for each picture.

    Raises:
        InputError: a picture cannot be read, or a weight is no number; the sentence says which.
    """
    style, *others = styles_of(args)
    return InstantRequest(
        content=np.zeros((1, 1, 3), np.uint8),
        style=style[0],
        config=config,
        device=args.device,
        styles=tuple(others),
        mask=_mask(args),
    )


def styles_of(args: argparse.Namespace) -> list[tuple[ImageArray, float]]:
    """The style pictures with their weights, that of `--style` first.

    Raises:
        InputError: one cannot be read, or a weight is no number.
    """
    first = (read_other("style picture", args.style), 1.0)
    return [first, *((read_other("style picture", picture), _weight(weight)) for picture, weight in args.also)]


def _mask(args: argparse.Namespace) -> ImageArray | None:
    return None if args.mask is None else mask_of(read_other("mask", args.mask))


def request_without_content(args: argparse.Namespace, config: Config) -> StyleRequest:
    """The request of a command line, whose content is filled in for each picture.

    Raises:
        InputError: a picture cannot be read, or a weight is no number; the sentence says which.
    """
    assert isinstance(config, StyleConfig)  # the verb's own
    style, *others = styles_of(args)
    start = None if args.start_image is None else read_other("start picture", args.start_image)
    return StyleRequest(
        content=np.zeros((1, 1, 3), np.uint8),
        style=style[0],
        config=config,
        device=args.device,
        styles=tuple(others),
        mask=_mask(args),
        start_image=start,
    )


def _weight(text: str) -> float:
    try:
        return float(text)
    except ValueError as error:
        raise InputError(f"The weight of --also must be a number, got {text}.") from error
