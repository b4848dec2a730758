"""Runs one command line: pictures and targets are found and checked, then networks loaded, then each picture done.

A picture that fails is one line on standard error, and the others go on.
"""

import argparse
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from tqdm import tqdm

from cvdemo import limits
from cvdemo.cli.console import FAILED, printable, say, tell, tell_bytes
from cvdemo.cli.dream_film import run_dream_film
from cvdemo.cli.output import encoded, json_bytes, write_files
from cvdemo.cli.parser import DREAM_FILM, TEACH, config_from, make_parser, parse
from cvdemo.cli.recipe import recipe_of
from cvdemo.cli.sample import run_sample
from cvdemo.cli.sources import STDIO, Found, Source, find_pictures, read_sent
from cvdemo.cli.stylize import base_of, check_standard_input, pictures_beside
from cvdemo.cli.targets import check_targets, targets_for
from cvdemo.cli.teach import run_teach_folder
from cvdemo.cli.verbs import PICTURE_VERBS, PictureVerb, Report, Result, Work
from cvdemo.cli.video import is_video, run_video
from cvdemo.config import Config
from cvdemo.detect.selection import DetectConfig
from cvdemo.dream.zoom_film import ZoomFilmConfig
from cvdemo.errors import DemoError, InputError
from cvdemo.incidents import report_unexpected
from cvdemo.runtime import resolve_device
from cvdemo.sample.generate import SampleConfig
from cvdemo.sample.latent_walk import WalkConfig
from cvdemo.style.config import StyleConfig
from cvdemo.style.video import StyleVideoConfig

STOPPED = 130  # what a shell reports of a program that SIGINT, 2, has ended: 128 + 2


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command line; returns the exit code: 0, 2 where something was refused or failed, 130 after Ctrl-C."""
    parser = make_parser()
    args = parse(parser, sys.argv[1:] if argv is None else argv)
    try:
        resolve_device(args.device)
        work = _work_of(args, parser)
    except (ValueError, RuntimeError) as error:  # torch.device raises RuntimeError for a name it does not know
        parser.error(str(error))
    except DemoError as error:  # the file of a recipe
        say(str(error))
        return FAILED
    try:
        limits.check()
        return work()
    except DemoError as error:
        say(str(error))
        return FAILED


def _work_of(args: argparse.Namespace, parser: argparse.ArgumentParser) -> Callable[[], int]:
    """What a command line asks for, ready to run; `ValueError` where a setting is out of range."""
    if args.verb == TEACH:
        return partial(run_teach_folder, args)
    if args.verb == DREAM_FILM:
        return partial(run_dream_film, config_from(args, ZoomFilmConfig()), partial(config_from, args), args)
    if args.verb not in PICTURE_VERBS:
        return partial(run_sample, config_from(args, SampleConfig()), config_from(args, WalkConfig()), args)
    verb = PICTURE_VERBS[args.verb]
    config = config_from(args, _base(verb, args))
    told_otherwise = args.json or any(getattr(args, name) is not None for name in verb.summaries)
    if isinstance(config, DetectConfig | StyleVideoConfig) and is_video(args.input):
        return partial(run_video, config, args)
    if args.output is None and verb.makes_pictures and not (told_otherwise and verb.has_data(config)):
        parser.error("the following arguments are required: OUT")
    return partial(run_pictures, verb, config, args)


def _base(verb: PictureVerb, args: argparse.Namespace) -> Config:
    """The config that options start from: that of a recipe or of the preset, if the verb has any."""
    if getattr(args, "recipe", None) is not None:
        return recipe_of(args.recipe)
    base = verb.presets[args.preset] if verb.presets else verb.config()
    return base_of(base, args, video=is_video(args.input)) if isinstance(base, StyleConfig) else base


@dataclass
class Tally:
    """How far a run has come."""

    total: int
    done: int = 0
    failed: int = 0


@dataclass(frozen=True)
class Delivery:
    """How results leave: files beside one another, a picture on standard output, a line or JSON of each."""

    data_too: bool  # a .json file beside each picture
    overwrite: bool
    json: bool
    stream_suffix: str | None  # of the picture on standard output
    summaries: Mapping[str, Path]  # files about all pictures, by option
    told: list[tuple[str, Mapping[str, Any]]]  # of each picture that is done, for them

    def files(self, target: Path) -> list[Path]:
        """Every file that a result is going to be."""
        return [target, target.with_suffix(".json")] if self.data_too else [target]

    def write(self, result: Result, target: Path) -> None:
        """Raises `InputError` where that cannot be done."""
        contents = {file: _content(result, file.suffix.lower()) for file in self.files(target)}
        write_files(contents, overwrite=self.overwrite)

    def tell(self, source: Source, target: Path | None, result: Result, stream: bytes | None) -> None:
        """Says that a picture is done; on standard error where standard output holds the picture itself."""
        if self.summaries:
            self.told.append((source.place.as_posix(), result.data))
        if stream is not None:
            tell_bytes(stream)
        if self.json:
            tell(json.dumps(_for_programs(source, target, result), allow_nan=False))
        else:
            arrow = f" -> {target}" if target is not None else ""
            (tell if stream is None else say)(f"{source.label}{arrow}: {result.line}")


def _content(result: Result, suffix: str) -> bytes:
    if suffix == ".json":
        return json_bytes(result.data)
    if result.image is None:
        raise ValueError(f"need a result with a picture for {suffix}, got {result.line!r}")
    return encoded(result.image, suffix, result.texts)


def run_pictures(verb: PictureVerb, config: Config, args: argparse.Namespace) -> int:
    """Works through IN. Returns the exit code."""
    delivery = _delivery(verb, config, args)
    found = find_pictures(args.input, args.output, recursive=args.recursive)
    targets = _targets(verb, found, delivery, args)
    for line in (*found.notes, *found.failures):
        say(line)
    tally = Tally(len(found.sources), failed=len(found.failures))
    try:
        _work_through(found.sources, targets, verb, verb.prepare(config, args), delivery, tally)
    except KeyboardInterrupt:
        say(f"Stopped; {tally.done} of {tally.total} pictures are done." if tally.total > 1 else "Stopped.")
        return STOPPED
    for option, file in delivery.summaries.items():
        content = verb.summaries[option].make(config, args.device, delivery.told)
        write_files({file: content}, overwrite=args.overwrite)
    return FAILED if tally.failed else 0


def _delivery(verb: PictureVerb, config: Config, args: argparse.Namespace) -> Delivery:
    """How the results leave. Raises `InputError` where two things would be on one stream."""
    to_stream = args.output == STDIO
    if sys.stdout is None and (to_stream or args.json):
        raise InputError("There is no standard output.")
    if to_stream and args.json and verb.makes_pictures:
        raise InputError(f"Standard output holds a picture or --json, not both: give another OUT than {STDIO}.")
    check_standard_input(args)
    suffix = _given_suffix(args) or verb.suffixes[0]
    return Delivery(
        data_too=verb.makes_pictures and verb.has_data(config),
        overwrite=args.overwrite,
        json=args.json or (to_stream and not verb.makes_pictures),
        stream_suffix=suffix if to_stream and verb.makes_pictures else None,
        summaries={name: Path(file) for name in verb.summaries if (file := getattr(args, name, None)) is not None},
        told=[],
    )


def _given_suffix(args: argparse.Namespace) -> str | None:
    given = getattr(args, "format", None)
    return f".{given}" if given else None


def _targets(verb: PictureVerb, found: Found, delivery: Delivery, args: argparse.Namespace) -> Sequence[Path | None]:
    """The main file of each result, checked; None for what is only printed or streamed."""
    if args.output == STDIO and found.in_folder and verb.makes_pictures:
        raise InputError("Standard output is one picture, and IN a folder: give a folder as OUT.")
    inputs = [source.path for source in found.sources if source.path is not None]
    summaries = list(delivery.summaries.values())
    if args.output in (None, STDIO):
        check_targets(summaries, inputs, overwrite=args.overwrite)
        return [None] * len(found.sources)
    targets = targets_for(found, args.output, verb.suffixes, _given_suffix(args))
    inputs += [Path(picture) for _, picture in pictures_beside(args) if picture != STDIO]
    files = [*summaries, *(file for target in targets for file in delivery.files(target))]
    check_targets(files, inputs, overwrite=args.overwrite)
    return targets


def _work_through(
    sources: Sequence[Source],
    targets: Sequence[Path | None],
    verb: PictureVerb,
    work: Work,
    delivery: Delivery,
    tally: Tally,
) -> None:
    """One picture after the other; one bar over pictures, on a terminal only."""
    with tqdm(total=len(sources), unit="picture", disable=None, leave=False) as bar:
        for number, (source, target) in enumerate(zip(sources, targets, strict=True)):
            bar.set_description(printable(source.label))
            report = partial(_show, bar, number)
            succeeded = _attempt(source, target, verb, work, delivery, report)
            tally.done += succeeded
            tally.failed += not succeeded
            report(1, 1)


def _show(bar: Any, number: int, done: int, total: int) -> None:
    bar.n = round(number + done / total, 2)
    bar.refresh()


def _attempt(
    source: Source, target: Path | None, verb: PictureVerb, work: Work, delivery: Delivery, report: Report
) -> bool:
    """Whether the picture is done; if not, one line says why."""
    stream = None
    try:
        result = work(read_sent(source.path, keep_alpha=verb.keep_alpha), report)
        if target is not None:
            delivery.write(result, target)
        elif delivery.stream_suffix:
            stream = _content(result, delivery.stream_suffix)
    except DemoError as error:
        sentence = str(error)
    except Exception as error:  # nobody foresaw it, and it must not stop the other pictures: it is logged
        sentence = report_unexpected(error)
    else:
        delivery.tell(source, target, result, stream)
        return True
    say(f"{source.label}: {sentence}")
    return False


def _for_programs(source: Source, target: Path | None, result: Result) -> Mapping[str, Any]:
    """What `--json` tells of a picture."""
    facts: dict[str, Any] = {"file": STDIO if source.path is None else str(source.path)}
    if target is not None:
        facts["output"] = str(target)
    if result.image is not None:
        facts["size_wh"] = [result.image.shape[1], result.image.shape[0]]
    return facts | result.data
