"""The six demos from a shell, on files and folders: `python -m cvdemo TASK IN OUT [options]`.

The same functions as on the page; the options of a task are the settings of its config. A folder as IN runs every
picture in it. What cannot be done is said in one sentence on stderr, with exit code 2.
"""

import argparse
import sys
import typing
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from tqdm import tqdm

from cvdemo.config import SEED_MAX, Config, Setting, default_of, settings_of
from cvdemo.dcgan import SampleConfig
from cvdemo.errors import DemoError, InputError
from cvdemo.runtime import resolve_device
from cvdemo.verb_sample import add_sample_options, run_sample
from cvdemo.verbs import TASKS, Report, Task, read_picture, write_result
from cvdemo.walk import WalkConfig

SUFFIXES = {".jpg", ".jpeg", ".png", ".webp", ".gif", ".bmp", ".tif", ".tiff", ".ppm", ".pgm", ".avif", ".mpo"}
USAGE_ERROR = 2
C = TypeVar("C", bound=Config)
DEVICE_HELP = "auto, cpu or cuda (default: auto)"
PRESET_HELP = "settings to start from (default: %(default)s); options given take precedence"


def make_parser() -> argparse.ArgumentParser:
    """The parser with one sub-command a task."""
    parser = argparse.ArgumentParser(prog="python -m cvdemo", description="Six classic computer-vision demos.")
    tasks = parser.add_subparsers(dest="task", metavar="TASK", required=True)
    for name, task in TASKS.items():
        sub = tasks.add_parser(name, help=task.help, description=f"{task.help[0].upper()}{task.help[1:]}.")
        sub.add_argument("input", metavar="IN", type=Path, help="a picture, or a folder of pictures")
        _add_output(sub, task)
        if name == "stylize":
            sub.add_argument("--style", metavar="PICTURE", required=True, help="the picture whose style is taken")
        if task.presets:
            sub.add_argument("--preset", choices=list(task.presets), default=task.default_preset, help=PRESET_HELP)
        _add_settings(sub, task.config)
        sub.add_argument("--device", default="auto", help=DEVICE_HELP)
    sub = tasks.add_parser("sample", help="draw new pictures with a DCGAN", description="Draw pictures with a DCGAN.")
    add_sample_options(sub)
    _add_settings(sub, SampleConfig)
    _add_settings(sub, WalkConfig, "of a film")
    sub.add_argument("--device", default="auto", help=DEVICE_HELP)
    return parser


def _add_output(parser: argparse.ArgumentParser, task: Task) -> None:
    folder = "or a folder (when IN is one, it is made)"
    if task.suffix == ".json":
        text = f"a {task.suffix} file, {folder}; without it the result is only printed"
        parser.add_argument("output", metavar="OUT", type=Path, nargs="?", help=text)
    else:
        parser.add_argument("output", metavar="OUT", type=Path, help=f"a {task.suffix} file, {folder}")


def _add_settings(parser: argparse.ArgumentParser, config: type[Config], title: str = "settings") -> None:
    """One option for each setting, absent from the parsed arguments unless it is given."""
    group = parser.add_argument_group(title)
    hints = typing.get_type_hints(config)
    for name, described in settings_of(config).items():
        options: dict[str, Any] = {"default": argparse.SUPPRESS, "help": _help(described, default_of(config, name))}
        if hints[name] is bool:
            options["action"] = argparse.BooleanOptionalAction
        elif described.choices is not None:
            options |= {"type": type(described.choices[0]), "choices": described.choices}
        else:
            options |= {"type": hints[name], "metavar": "N" if hints[name] in (int, float) else "NAME"}
        group.add_argument("--" + name.replace("_", "-"), **options)


def _help(described: Setting, default: Any) -> str:
    unit = f" in {described.unit}" if described.unit else ""
    limits = f", {described.minimum:g} to {described.maximum:g}" if _has_useful_range(described) else ""
    shown = {True: "on", False: "off"}.get(default, default) if isinstance(default, bool) else default
    text = f"{described.label}{unit}{limits} (default: {shown}). {described.help}"
    return text.strip().replace("%", "%%")


def _has_useful_range(described: Setting) -> bool:
    return described.minimum is not None and described.maximum is not None and described.maximum < SEED_MAX


def config_from(args: argparse.Namespace, base: C) -> C:
    """`base` with every setting that was given on the command line.

    Raises:
        ValueError: a value is out of range.
    """
    given = vars(args)
    return replace(base, **{name: given[name] for name in settings_of(base) if name in given})


def pictures_in(source: Path) -> list[Path]:
    """The picture itself, or the pictures of a folder in the order of their names.

    Raises:
        InputError: there is no such file, or the folder holds no picture.
    """
    if source.is_dir():
        found = sorted(path for path in source.iterdir() if path.suffix.lower() in SUFFIXES and path.is_file())
        if not found:
            raise InputError(f"There is no picture in the folder {source}.")
        return found
    if not source.is_file():
        raise InputError(f"There is no file or folder {source}.")
    return [source]


def targets_for(pictures: Sequence[Path], source: Path, output: Path, suffix: str) -> list[Path]:
    """Where each picture's result goes; pictures that differ only in their suffix keep it: a.jpg -> a.jpg.png.

    Raises:
        InputError: the suffix is wrong, or a result would overwrite one of the pictures.
    """
    if source.is_dir() or output.is_dir():
        stems = [path.stem for path in pictures]
        names = [path.name if stems.count(path.stem) > 1 else path.stem for path in pictures]
        targets = [output / f"{name}{suffix}" for name in names]
    elif output.suffix.lower() == suffix:
        targets = [output]
    else:
        raise InputError(f"OUT has to end in {suffix}, or be a folder that exists; it is {output}.")
    for target in targets:
        if target.exists() and any(target.samefile(path) for path in pictures):
            raise InputError(f"The result would overwrite {target}: give another OUT.")
    return targets


def run_pictures(task: Task, config: Config, args: argparse.Namespace) -> int:
    """Works through IN; a picture that cannot be used is named on stderr and the others go on.

    Returns:
        How many pictures failed.
    """
    pictures = pictures_in(args.input)
    targets = targets_for(pictures, args.input, args.output, task.suffix) if args.output else [None] * len(pictures)
    work = task.prepare(config, args)
    failed = 0
    for path, target, report in _with_progress(pictures, targets):
        try:
            result = work(read_picture(path, keep_alpha=task.keep_alpha), report)
            if target is not None:
                write_result(result, target)
        except DemoError as error:
            tqdm.write(f"{path.name}: {error}", file=sys.stderr)
            failed += 1
        else:
            arrow = f" -> {target}" if target is not None else ""
            tqdm.write(f"{path.name}{arrow}: {result.line}", file=sys.stdout)
    return failed


def _with_progress(
    pictures: Sequence[Path], targets: Sequence[Path | None]
) -> Iterator[tuple[Path, Path | None, Report]]:
    """Each picture with its target and where to report steps; one bar over pictures, on a terminal only."""
    with tqdm(total=len(pictures), unit="picture", disable=None, leave=False) as bar:
        for path, target in zip(pictures, targets, strict=True):
            bar.set_description(path.name)
            start = bar.n

            def report(done: int, total: int, start: float = start) -> None:
                bar.n = round(start + done / total, 2)
                bar.refresh()

            yield path, target, report
            bar.n = start + 1
            bar.refresh()


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command line; returns the exit code: 0, or 2 where something was refused."""
    parser = make_parser()
    args = parser.parse_args(argv)
    try:
        resolve_device(args.device)
        work = _work_of(args)
    except (ValueError, RuntimeError) as error:  # torch.device raises RuntimeError for a name it does not know
        parser.error(str(error))
    try:
        failed = work()
    except DemoError as error:
        print(error, file=sys.stderr)
        return USAGE_ERROR
    return USAGE_ERROR if failed else 0


def _work_of(args: argparse.Namespace) -> Callable[[], int]:
    """What a command line asks for, ready to run; `ValueError` where a setting is out of range."""
    if args.task not in TASKS:
        return partial(run_sample, config_from(args, SampleConfig()), config_from(args, WalkConfig()), args)
    task = TASKS[args.task]
    base = task.presets[args.preset] if task.presets else task.config()
    return partial(run_pictures, task, config_from(args, base), args)


if __name__ == "__main__":
    sys.exit(main())
