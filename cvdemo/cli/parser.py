"""The options of the command line, made from the configs: the same settings, ranges and help as on the page."""

import argparse
import re
import typing
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeVar

from cvdemo.cli.dream_film import add_dream_film_options
from cvdemo.cli.output import SUFFIXES
from cvdemo.cli.recipe import RECIPE_HELP
from cvdemo.cli.sample import add_sample_options
from cvdemo.cli.sources import STDIO
from cvdemo.cli.stylize import add_stylize_options, with_value
from cvdemo.cli.targets import either
from cvdemo.cli.teach import add_teach_options
from cvdemo.cli.verbs import PICTURE_VERBS, PictureVerb
from cvdemo.config import SEED_MAX, Config, Setting, default_of, settings_of
from cvdemo.dream.deepdream import DreamConfig
from cvdemo.dream.presets import with_objective
from cvdemo.dream.zoom_film import ZoomFilmConfig
from cvdemo.sample.generate import SampleConfig, generators_or_default
from cvdemo.sample.latent_walk import WalkConfig

C = TypeVar("C", bound=Config)
DEVICE_HELP = "auto, cpu or cuda (default: auto)"
PRESET_HELP = "settings to start from (default: %(default)s); options given take precedence"
FORMAT_HELP = "of pictures in a folder or on standard output (default: png); a single file has it from its ending"
SAMPLE, TEACH, DREAM_FILM = "sample", "teach", "dream-film"
HEAD_HELP = "name the picture by a head of `teach`, in its own classes, instead of a network's"


def make_parser() -> argparse.ArgumentParser:
    """The parser with one sub-command a verb."""
    parser = argparse.ArgumentParser(prog="python -m cvdemo", description="Six classic computer-vision demos.")
    verbs = parser.add_subparsers(dest="verb", metavar="VERB", required=True)
    for name, verb in PICTURE_VERBS.items():
        sub = verbs.add_parser(name, help=verb.help, description=f"{verb.help[0].upper()}{verb.help[1:]}.")
        sub.add_argument("input", metavar="IN", help=_input_help(name))
        sub.add_argument("output", metavar="OUT", nargs="?", help=_output_help(verb))
        for option, what in verb.others.items():
            sub.add_argument(f"--{option}", metavar="PICTURE", help=what)
        if name == "stylize":
            add_stylize_options(sub)
        if name == "classify":
            sub.add_argument("--head", metavar="FILE", help=HEAD_HELP)
        if verb.presets:
            names = list(verb.presets)
            kind = one_of(names, verb.former_presets)
            presets = sub.add_mutually_exclusive_group()
            presets.add_argument("--preset", type=kind, choices=names, default=verb.default_preset, help=PRESET_HELP)
            if name == "dream":
                presets.add_argument("--recipe", metavar="FILE", help=RECIPE_HELP)
        sub.add_argument("--recursive", action="store_true", help="go into sub-folders too, and keep them in OUT")
        for option, summary in verb.summaries.items():
            sub.add_argument(f"--{option}", metavar="FILE", help=summary.help)
        _add_common(sub, pictures=verb.makes_pictures)
        _add_settings(sub, verb.config)
    sub = verbs.add_parser(SAMPLE, help="draw new pictures with a DCGAN", description="Draw pictures with a DCGAN.")
    add_sample_options(sub)
    _add_common(sub, pictures=True)
    _add_settings(sub, SampleConfig, types={"generator": one_of(generators_or_default())})
    _add_settings(sub, WalkConfig, "of a film")
    _add_dream_film(verbs)
    teach = "teach a network classes of your own, from a few pictures of each"
    sub = verbs.add_parser(TEACH, help=teach, description=f"{teach[0].upper()}{teach[1:]}.")
    add_teach_options(sub)
    _add_common(sub, pictures=False)
    return parser


def _add_dream_film(verbs: Any) -> None:
    """The verb that makes a film of a dream; `verbs` is what argparse adds verbs to, whose type it keeps private."""
    film = "dive into a dream: a film, each frame a dream of the last one enlarged"
    sub = verbs.add_parser(DREAM_FILM, help=film, description=f"{film[0].upper()}{film[1:]}.")
    dreams = PICTURE_VERBS["dream"]
    add_dream_film_options(sub, one_of(dreams.presets, dreams.former_presets))
    _add_common(sub, pictures=False)
    _add_settings(sub, ZoomFilmConfig, "of the film")
    _add_settings(sub, DreamConfig, "of the dream")


def parse(parser: argparse.ArgumentParser, argv: Sequence[str]) -> argparse.Namespace:
    """The parsed arguments; the verb may be written with any capitals, as its choices may."""
    named = (
        [argv[0].lower(), *argv[1:]]
        if argv and argv[0].lower() in {*PICTURE_VERBS, SAMPLE, TEACH, DREAM_FILM}
        else list(argv)
    )
    return parser.parse_args(with_value(named))


def one_of(choices: Iterable[str], former: Mapping[str, str] | None = None) -> Callable[[str], str]:
    """What a text means among the choices: capitals do not count, and spaces, _ and - are one.

    A text that is none of them comes back as it is, for argparse to refuse.

    Args:
        former: names that choices had before, to those of today.
    """
    by_key = {_key(name): choice for name, choice in (former or {}).items()}
    by_key |= {_key(choice): choice for choice in choices}
    return lambda text: by_key.get(_key(text), text)


def _key(text: str) -> str:
    return re.sub(r"[\s_-]+", "-", text.strip().casefold())


def _input_help(name: str) -> str:
    videos = {"detect": ", a video (OUT is an .mp4 file then)", "stylize": ", with --instant a video"}
    return f"a picture, a folder of pictures{videos.get(name, '')}, or {STDIO} for standard input"


def _output_help(verb: PictureVerb) -> str:
    folder = "or a folder (when IN is one, it is made; a new one for a single picture ends in /)"
    if not verb.makes_pictures:
        return f"a {either(verb.suffixes)} file, {folder}; without it the result is only printed"
    return f"a {either(verb.suffixes)} file, {folder}, or {STDIO} for standard output"


def _add_common(parser: argparse.ArgumentParser, *, pictures: bool) -> None:
    if pictures:
        names = [suffix.lstrip(".") for suffix in SUFFIXES]
        parser.add_argument("--format", type=one_of(names), choices=names, help=FORMAT_HELP)
    parser.add_argument("--overwrite", action="store_true", help="replace results that exist; pictures read never are")
    json_help = "print nothing but JSON: one object on one line for each picture that succeeds"
    parser.add_argument("--json", action="store_true", help=json_help)
    parser.add_argument("--device", type=str.lower, default="auto", help=DEVICE_HELP)


def _add_settings(
    parser: argparse.ArgumentParser,
    config: type[Config],
    title: str = "settings",
    types: dict[str, Callable[[str], Any]] | None = None,
) -> None:
    """One option for each setting, absent from the parsed arguments unless it is given."""
    group = parser.add_argument_group(title)
    hints = {**typing.get_type_hints(config), **(types or {})}
    for name, described in settings_of(config).items():
        options: dict[str, Any] = {"default": argparse.SUPPRESS, "help": _help(described, default_of(config, name))}
        if hints[name] is bool:
            options["action"] = argparse.BooleanOptionalAction
        elif described.choices is not None:
            options |= {"type": _type_of(described.choices), "choices": described.choices}
        else:
            kind = _without_none(hints[name])
            options |= {"type": kind, "metavar": "N" if kind in (int, float) else "NAME"}
        group.add_argument("--" + name.replace("_", "-"), **options)


def _without_none(hint: Any) -> Any:
    """The type of a setting that may be left open: float of `float | None`."""
    kinds = [kind for kind in typing.get_args(hint) if kind is not type(None)]
    return kinds[0] if kinds else hint


def _type_of(choices: tuple[Any, ...]) -> Callable[[str], Any]:
    return one_of(choices) if isinstance(choices[0], str) else type(choices[0])


def _help(described: Setting, default: Any) -> str:
    unit = f" in {described.unit}" if described.unit else ""
    limits = f", {described.minimum:g} to {described.maximum:g}" if _has_useful_range(described) else ""
    shown = {True: "on", False: "off"}.get(default, default) if isinstance(default, bool) else default
    told = "" if default is None else f" (default: {shown})"
    text = f"{described.label}{unit}{limits}{told}. {described.help_on_choices}"
    return text.strip().replace("%", "%%")


def _has_useful_range(described: Setting) -> bool:
    return described.minimum is not None and described.maximum is not None and described.maximum < SEED_MAX


def config_from(args: argparse.Namespace, base: C) -> C:
    """`base` with every setting that was given on the command line.

    Raises:
        ValueError: a value is out of range.
    """
    given = {name: value for name, value in vars(args).items() if name in settings_of(base)}
    return replace(base, **(with_objective(given) if isinstance(base, DreamConfig) else given))
