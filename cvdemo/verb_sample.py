"""The verb `sample` of the command line: pictures of a seed, between picks, A - B + C, or a film of a walk."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from tqdm import tqdm

from cvdemo.config import settings_of
from cvdemo.dcgan import (
    COUNT_MAX,
    Pick,
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
from cvdemo.errors import InputError
from cvdemo.images import ImageArray
from cvdemo.nets.dcgan import Generator
from cvdemo.verbs import Result, write_result
from cvdemo.walk import WalkConfig, film_steps

FILM = ".mp4"
PICK = "SEED:NUMBER"


def add_sample_options(parser: argparse.ArgumentParser) -> None:
    """OUT, whose suffix says what is made, and the picks."""
    out = f"a .png for one grid, a folder for single pictures, or a {FILM} for a film that walks and loops"
    parser.add_argument("output", metavar="OUT", type=Path, help=out)
    picks = parser.add_mutually_exclusive_group()
    through = f"pictures to go through, named as in the files of a folder: 12:7 is dcgan_anime_seed12_07.png; a {FILM} "
    through += "without them goes through random ones of the seed"
    picks.add_argument("--through", metavar=PICK, nargs="+", help=through)
    picks.add_argument("--arithmetic", metavar=PICK, nargs=3, help="A B C: draw A - B + C of three pictures")


def run_sample(config: SampleConfig, walk: WalkConfig, args: argparse.Namespace) -> int:
    """Makes what OUT and the options ask for. Returns 0: no picture can fail.

    Raises:
        InputError: a pick is no pick, picks or options do not fit OUT, or OUT cannot be written or has a suffix that
            says nothing.
    """
    if args.output.suffix.lower() not in ("", ".png", FILM):
        raise InputError(f"OUT must end in .png or {FILM}, or be a folder without a suffix; it is {args.output}.")
    _refuse_what_does_not_fit(args)
    generator = load_generator(config.generator, args.device)
    if args.output.suffix.lower() == FILM:
        line = _write_walk(generator, config, walk, args)
    else:
        pictures, name, line = _pictures(generator, config, args)
        _write_pictures(pictures, name, args.output)
    print(f"{args.output}: {line}")
    return 0


def _refuse_what_does_not_fit(args: argparse.Namespace) -> None:
    """Raises `InputError` where the picks, or options that are given, have nothing to do with what OUT asks for."""
    film = args.output.suffix.lower() == FILM
    if args.arithmetic and film:
        raise InputError(f"A - B + C is one picture: OUT has to end in .png, or be a folder; it is {args.output}.")
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


def _pictures(
    generator: Generator, config: SampleConfig, args: argparse.Namespace
) -> tuple[list[ImageArray], str, str]:
    """The pictures, the stem of their names, and what to say of them."""
    if args.arithmetic:
        a, b, c = (pick_from(text, config) for text in args.arithmetic)
        line = "{} - {} + {}".format(*args.arithmetic)
        return [combine(generator, a, b, c)], f"{config.generator}_a-b+c", line
    if args.through:
        picks = [pick_from(text, config) for text in args.through]
        pictures = interpolate(generator, picks, config.count)
        return pictures, f"{config.generator}_through", f"{len(pictures)} pictures through {', '.join(args.through)}"
    pictures = sample(generator, config)
    return pictures, f"{config.generator}_seed{config.seed}", f"{len(pictures)} pictures of seed {config.seed}"


def _write_pictures(pictures: Sequence[ImageArray], name: str, output: Path) -> None:
    if output.suffix.lower() == ".png":
        write_result(Result("", grid(pictures, columns_for(len(pictures)))), output)
        return
    for number, picture in enumerate(pictures, start=1):
        write_result(Result("", picture), output / f"{name}_{number:02d}.png")


def _write_walk(generator: Generator, config: SampleConfig, walk: WalkConfig, args: argparse.Namespace) -> str:
    """Writes the film, with a bar on a terminal; returns what to say of it."""
    if args.through:
        stops = stops_of([pick_from(text, config) for text in args.through], generator.latent_dim)
        words = f"through {', '.join(args.through)}"
    else:
        stops = latents(walk.stops, generator.latent_dim, config.seed, config.truncation)
        words = f"through {walk.stops} random points of seed {config.seed}"
    try:
        args.output.parent.mkdir(parents=True, exist_ok=True)
        with tqdm(total=walk.frames, unit="frame", disable=None, leave=False) as bar:
            for step in film_steps(args.output, generator, stops, walk):
                bar.update(len(step.frames))
    except OSError as error:
        raise InputError(f"{args.output} cannot be written: {error.strerror}.") from error
    return f"{walk.frames} frames {words}"
