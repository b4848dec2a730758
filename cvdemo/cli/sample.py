"""The verb `sample` of the command line: pictures of a seed, between picks, A - B + C, or a film of a walk."""

import argparse
import json
import os
from collections.abc import Sequence
from pathlib import Path

from tqdm import tqdm

from cvdemo.cli.console import say, tell, tell_bytes
from cvdemo.cli.output import SUFFIXES, encoded, write_files
from cvdemo.cli.sources import STDIO
from cvdemo.cli.targets import check_targets, either, is_folder
from cvdemo.config import settings_of
from cvdemo.errors import InputError
from cvdemo.images import ImageArray
from cvdemo.sample.generate import (
    COUNT_MAX,
    Pick,
    PictureNetwork,
    SampleConfig,
    columns_for,
    combine,
    grid,
    interpolate,
    latents,
    load_generator,
    sample,
    stops_of,
)
from cvdemo.sample.latent_walk import WalkConfig, film_steps

FILM = ".mp4"
GRID, FOLDER = "grid", "folder"
PICK = "SEED:NUMBER"


def add_sample_options(parser: argparse.ArgumentParser) -> None:
    """OUT, whose ending says what is made, and the picks."""
    out = f"a {either(SUFFIXES)} file for one grid, a folder for single pictures, a {FILM} file for a film that walks "
    out += f"and loops, or {STDIO} for one grid on standard output"
    parser.add_argument("output", metavar="OUT", help=out)
    picks = parser.add_mutually_exclusive_group()
    through = f"pictures to go through, named as in the files of a folder: 12:7 is dcgan_anime_seed12_07.png; a {FILM} "
    through += "without them goes through random ones of the seed"
    picks.add_argument("--through", metavar=PICK, nargs="+", help=through)
    picks.add_argument("--arithmetic", metavar=PICK, nargs=3, help="A B C: draw A - B + C of three pictures")


def run_sample(config: SampleConfig, walk: WalkConfig, args: argparse.Namespace) -> int:
    """Makes what OUT and the options ask for. Returns 0: no picture can fail.

    Raises:
        InputError: a pick is no pick, picks or options do not fit OUT, or OUT exists, cannot be written or has an
            ending that says nothing.
    """
    kind = _kind_of(args)
    _refuse_what_does_not_fit(args, kind)
    targets = _targets(kind, config, args)
    check_targets(targets, (), overwrite=args.overwrite)
    generator = load_generator(config.generator, args.device)
    if kind == FILM:
        line, facts = _write_walk(generator, config, walk, args)
    else:
        pictures, line = _pictures(generator, config, args)
        facts = {"pictures": len(pictures)}
        _write_pictures(pictures, kind, targets, args)
    if args.json:
        tell(json.dumps({"output": args.output, "files": [str(target) for target in targets], **facts}))
    else:
        (say if args.output == STDIO else tell)(f"{args.output}: {line}")
    return 0


def _kind_of(args: argparse.Namespace) -> str:
    """What OUT asks for: `FILM`, `GRID` or `FOLDER`."""
    output, suffix = args.output, Path(args.output).suffix.lower()
    if not output:
        raise InputError("OUT is empty.")
    if output == STDIO:
        if args.json:
            raise InputError(f"Standard output holds a picture or --json, not both: give another OUT than {STDIO}.")
        return GRID
    if is_folder(output) or not suffix:
        return FOLDER
    if suffix not in (*SUFFIXES, FILM):
        raise InputError(
            f"OUT must end in {either((*SUFFIXES, FILM))}, or be a folder without a suffix; it is {output}."
        )
    return FILM if suffix == FILM else GRID


def _refuse_what_does_not_fit(args: argparse.Namespace, kind: str) -> None:
    """Raises `InputError` where the picks, or options that are given, have nothing to do with what OUT asks for."""
    film = kind == FILM
    if args.arithmetic and film:
        endings = either(SUFFIXES)
        raise InputError(f"A - B + C is one picture: OUT has to end in {endings}, or be a folder; it is {args.output}.")
    if args.format and kind != FOLDER and args.output != STDIO:
        raise InputError(f"--format is for folders; {args.output} says its format by its ending: please leave it out.")
    if args.through and len(args.through) < 2:
        raise InputError(f"--through needs two pictures or more; got {args.through[0]}.")
    idle = {"a film": {"count"}} if film else {"pictures": set(settings_of(WalkConfig))}
    if args.arithmetic:
        idle["A - B + C"] = {"count", "seed"}
    if args.through:
        idle["what goes through picks"] = {"seed", "stops"}
    for made, names in idle.items():
        for name in sorted(names & vars(args).keys()):
            raise InputError(f"--{name.replace('_', '-')} changes nothing in {made}: please leave it out.")


def pick_from(text: str, config: SampleConfig) -> Pick:
    """The picture that SEED:NUMBER names, counted from 1, of the config's generator and truncation.

    Raises:
        InputError: the text is none, or names a picture that no drawing holds.
    """
    seed, _, number = text.partition(":")
    if not (seed.isdecimal() and number.isdecimal()):
        raise InputError(f"A picture is named {PICK}, such as 12:7; got {text!r}.")
    if not 1 <= int(number) <= COUNT_MAX:
        raise InputError(f"The pictures of a seed are numbered from 1 to {COUNT_MAX}; got {text!r}.")
    return Pick(generator=config.generator, seed=int(seed), index=int(number) - 1, truncation=config.truncation)


def _targets(kind: str, config: SampleConfig, args: argparse.Namespace) -> list[Path]:
    """The files that will be written, in order; none for standard output."""
    if args.output == STDIO:
        return []
    if kind != FOLDER:
        return [Path(args.output)]
    if args.arithmetic:
        stem, count = f"{config.generator}_a-b+c", 1
    else:
        stem, count = f"{config.generator}_{'through' if args.through else f'seed{config.seed}'}", config.count
    return [Path(args.output) / f"{stem}_{number:02d}{_suffix(args)}" for number in range(1, count + 1)]


def _suffix(args: argparse.Namespace) -> str:
    """Of pictures in a folder or on standard output."""
    return f".{args.format}" if args.format else SUFFIXES[0]


def _pictures(
    generator: PictureNetwork, config: SampleConfig, args: argparse.Namespace
) -> tuple[list[ImageArray], str]:
    """The pictures, and what to say of them."""
    if args.arithmetic:
        a, b, c = (pick_from(text, config) for text in args.arithmetic)
        line = "{} - {} + {}".format(*args.arithmetic)
        return [combine(generator, a, b, c)], line
    if args.through:
        picks = [pick_from(text, config) for text in args.through]
        pictures = interpolate(generator, picks, config.count)
        return pictures, f"{len(pictures)} pictures through {', '.join(args.through)}"
    pictures = sample(generator, config)
    return pictures, f"{len(pictures)} pictures of seed {config.seed}"


def _write_pictures(
    pictures: Sequence[ImageArray], kind: str, targets: Sequence[Path], args: argparse.Namespace
) -> None:
    if kind == GRID:
        pictures = [grid(pictures, columns_for(len(pictures)))]
    if args.output == STDIO:
        tell_bytes(encoded(pictures[0], _suffix(args)))
        return
    files = {target: encoded(picture, target.suffix) for target, picture in zip(targets, pictures, strict=True)}
    write_files(files, overwrite=args.overwrite)


def _write_walk(
    generator: PictureNetwork, config: SampleConfig, walk: WalkConfig, args: argparse.Namespace
) -> tuple[str, dict[str, int]]:
    """Writes the film, with a bar on a terminal; returns what to say of it, and what to tell programs."""
    if args.through:
        stops = stops_of([pick_from(text, config) for text in args.through], generator.latent_dim)
        words = f"through {', '.join(args.through)}"
    else:
        stops = latents(walk.stops, generator.latent_dim, config.seed, config.truncation)
        words = f"through {walk.stops} random points of seed {config.seed}"
    target = Path(os.path.realpath(args.output))
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with tqdm(total=walk.frames, unit="frame", disable=None, leave=False) as bar:
            for step in film_steps(target, generator, stops, walk):
                bar.update(len(step.frames))
    except OSError as error:
        raise InputError(f"{args.output} cannot be written: {error.strerror}.") from error
    return f"{walk.frames} frames {words}", {"frames": walk.frames}
