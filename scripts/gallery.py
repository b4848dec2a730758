"""Makes the gallery of dreams and paintings, and its page: `python -m scripts.gallery [NAME ...]`.

Each picture is a command line, in `scripts.gallery_pictures`. The script runs the same words that the page shows.
`--inputs` only lays the pictures and masks that they name into `runs/gallery`. Without a name, all pictures are made.
To be run again when dreams or styles have changed.
"""

from __future__ import annotations

import argparse
import json
import os
import shlex
import shutil
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from cvdemo.cli.parser import DREAM_FILM, config_from, make_parser, parse
from cvdemo.cli.run import main as run_command
from cvdemo.cli.verbs import PICTURE_VERBS
from cvdemo.config import Config
from cvdemo.dream.deepdream import DreamConfig
from cvdemo.dream.network import load_dream_network
from cvdemo.dream.zoom_film import ZoomFilmConfig
from cvdemo.example_pictures import example_picture
from cvdemo.images import ImageArray, read_image, resize_to_fit
from cvdemo.nets.backbone import load_backbone
from cvdemo.ops.read_video import Video
from cvdemo.style.config import StyleConfig
from cvdemo.whole_files import write_whole
from scripts.dream_channels import webp_bytes
from scripts.gallery_pictures import DREAMS, MASKS, PAINTINGS, PHOTOGRAPHS, STYLES, Picture

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "gallery.md"
FOLDER = PAGE.with_suffix("")  # of the same name
MADE = FOLDER / "made.json"  # of each picture: CPU seconds, and the commit that it was made with
WORK = Path("runs") / "gallery"  # as the commands name it, from the top of the project
SIDE_PX = 640
PICTURE_BYTES = 82_000  # at most; so all of them stay below 2 MB
FRAMES_SHOWN = 4  # of a film
PICTURES = DREAMS | PAINTINGS
INTRODUCTION = """\
# Gallery

<!-- Made by `python -m scripts.gallery`; do not edit. -->

Twelve dreams and twelve paintings. Each stands with the command that made it.

- The photographs and the style pictures are licensed; `examples/README.md` tells where each comes from.
- This lays them, and the masks, into `runs/gallery`, where the commands look for them:

  ```sh
  python -m scripts.gallery --inputs
  ```

- "Seconds" are CPU seconds of one core that did other work too.
- `docs/gallery/made.json` tells with which commit each picture was made. Of six older paintings it is the commit
  that put them here.
- The pictures here are at most 640 px wide or high, and packed small. The commands write PNG files.
"""


def lay_inputs(folder: Path) -> None:
    """Puts the photographs, style pictures and masks that the commands name into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in PHOTOGRAPHS:
        shutil.copy(example_picture(name), folder)
    for name in STYLES:
        shutil.copy(example_picture(f"styles/{name}"), folder)
    for name, mask in MASKS.items():
        with Image.open(example_picture(mask.photograph)) as photograph:
            mask.drawn(photograph.size).save(folder / f"{name}.png")


def command_of(name: str) -> list[str]:
    """The words of a picture's command, behind `python -m cvdemo`."""
    verb, source, *options = shlex.split(PICTURES[name].words)
    words = [verb, source, f"{name}.mp4" if verb == DREAM_FILM else f"{name}.png", *options]
    return [(WORK / word).as_posix() if word.endswith((".jpg", ".png", ".mp4")) else word for word in words]


def make(name: str) -> float:
    """Makes one picture and writes it, small, into the documentation. Returns the seconds of CPU time that it took.

    Raises:
        RuntimeError: the command failed, and has said why.
    """
    words = command_of(name)
    target = Path(words[2])
    target.unlink(missing_ok=True)
    began = time.process_time()
    if run_command(words) != 0:
        raise RuntimeError(f"{name} was not made")
    seconds = time.process_time() - began
    picture = Image.fromarray(resize_to_fit(shown_of(target), SIDE_PX))
    write_whole(FOLDER / f"{name}.webp", webp_bytes(picture, PICTURE_BYTES))
    return seconds


def shown_of(path: Path) -> ImageArray:
    """A picture itself; of a film `FRAMES_SHOWN` frames from the first to the last, in two rows."""
    if path.suffix != ".mp4":
        return read_image(path)
    with Video(path.read_bytes()) as film:
        frames = list(film.frames())
    chosen = [frames[number - 1] for number in shown_frames(len(frames))]
    half = len(chosen) // 2
    return np.vstack([np.hstack(chosen[:half]), np.hstack(chosen[half:])])


def shown_frames(count: int) -> list[int]:
    """The numbers, from 1, of the frames of a film of so many that are shown."""
    return [1 + round(index * (count - 1) / (FRAMES_SHOWN - 1)) for index in range(FRAMES_SHOWN)]


def facts_of(name: str) -> dict[str, str]:
    """What was asked for, by the heading of its column."""
    args = parse(make_parser(), command_of(name))
    if args.verb == DREAM_FILM:
        film = config_from(args, ZoomFilmConfig())
        base = PICTURE_VERBS["dream"].presets[args.preset] if args.preset else DreamConfig()
        *first, last = shown_frames(film.frames)
        shown = f"{', '.join(map(str, first))} and {last}"
        frames = f"{shown}, each enlarged {film.zoom:g} times and turned by {film.turn_deg:g}° over the one before"
        return _dream_facts(args, config_from(args, base)) | {"Frames": frames}
    config: Config = config_from(args, PICTURE_VERBS[args.verb].presets[args.preset])
    if isinstance(config, StyleConfig):
        return _style_facts(args, config)
    return _dream_facts(args, config)


def _dream_facts(args: argparse.Namespace, config: Config) -> dict[str, str]:
    assert isinstance(config, DreamConfig)  # both verbs that dream have it
    facts = {"Objective": f"`{config.goal}`", "Colour": f"{config.colour:g}"}
    if args.preset and "objective" not in vars(args):
        facts = {"Preset": args.preset.replace("-", " ")} | facts
    if args.guide:
        facts["Guide"] = Path(args.guide).stem.replace("_", " ")
    if getattr(args, "mask", None):
        facts["Only in"] = MASKS[Path(args.mask).stem].what
    if config.parameterisation != DreamConfig.parameterisation:
        facts["Parameterisation"] = config.parameterisation
    return facts


def _style_facts(args: argparse.Namespace, config: StyleConfig) -> dict[str, str]:
    styles = [Path(args.style).stem.replace("_", " ")]
    for picture, weight in args.also:
        where = f"in {MASKS[Path(args.mask).stem].what}" if args.mask else f"with weight {weight}"
        styles.append(f"{Path(picture).stem.replace('_', ' ')} {where}")
    facts = {"Style": ", ".join(styles), "Preset": args.preset.replace("-", " ")}
    kept = {"no": "the style's", "statistics": "the picture's, by statistics", "luminance": "the picture's, exactly"}
    facts["Colours"] = kept[config.keep_colours]
    if config.strength < 1:
        facts["Strength"] = f"{config.strength:g}"
    if config.style_loss != StyleConfig.style_loss:
        facts["Loss"] = config.style_loss
    if config.start != StyleConfig.start:
        facts["Start"] = config.start
    facts["Size"] = f"{config.size} px"
    return facts


def _entry(name: str, picture: Picture, seconds: float) -> list[str]:
    """A picture's part of the page."""
    facts = facts_of(name) | {"Seconds": f"{seconds:.0f}" if seconds >= 10 else f"{seconds:.1f}"}
    return [
        f"### {picture.title}",
        "",
        f"![{picture.title}]({FOLDER.name}/{name}.webp)",
        "",
        f"| {' | '.join(facts)} |",
        "|" + "---|" * (len(facts) - 1) + "---:|",
        f"| {' | '.join(facts.values())} |",
        "",
        "```sh",
        f"python -m cvdemo {shlex.join(command_of(name))}",
        "```",
        "",
    ]


def page(seconds: Mapping[str, float]) -> str:
    """The page of the documentation, with the pictures whose seconds are known."""
    lines = [INTRODUCTION]
    for heading, pictures in (("Dreams", DREAMS), ("Paintings", PAINTINGS)):
        lines += [f"## {heading}", ""]
        for name, picture in pictures.items():
            if name in seconds:
                lines += _entry(name, picture, seconds[name])
    return "\n".join(lines).rstrip() + "\n"


def known() -> dict[str, dict[str, Any]]:
    """Of the pictures that are made: their CPU seconds and the commit they were made with."""
    if not MADE.is_file():
        return {}
    found: dict[str, dict[str, Any]] = json.loads(MADE.read_text(encoding="utf-8"))
    return {name: found[name] for name in PICTURES if name in found}


def known_seconds() -> dict[str, float]:
    """Of the pictures that are made."""
    return {name: facts["seconds"] for name, facts in known().items()}


def commit() -> str:
    """The commit that is checked out."""
    words = ["git", "rev-parse", "--short=8", "HEAD"]
    return subprocess.run(words, cwd=ROOT, check=True, capture_output=True, text=True).stdout.strip()


def main() -> None:
    """Makes the pictures that are asked for, then the page."""
    parser = argparse.ArgumentParser(description="Makes the gallery of dreams and paintings.")
    parser.add_argument("names", nargs="*", choices=[*PICTURES, []], help="default: all")
    parser.add_argument("--inputs", action="store_true", help="only lay out what the commands name")
    args = parser.parse_args()
    os.chdir(ROOT)  # the commands name their files from here
    lay_inputs(WORK)
    if args.inputs:
        return
    load_dream_network("auto")  # what is read once does not count as any picture's seconds
    load_backbone("auto")
    for name in args.names or PICTURES:
        made = known() | {name: {"seconds": round(make(name), 1), "commit": commit()}}
        write_whole(MADE, (json.dumps(made, indent=1) + "\n").encode())
    write_whole(PAGE, page(known_seconds()).encode())


if __name__ == "__main__":
    main()
