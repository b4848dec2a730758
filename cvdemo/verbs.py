"""The verbs of the command line: what each does to one picture, and the settings it takes.

`TASKS` lists them; `sample`, which takes no picture, stands in `cvdemo.verb_sample`.
"""

import argparse
import json
import math
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from cvdemo import deepdream, style
from cvdemo.annotate import draw_detections
from cvdemo.classify import ClassifyConfig, classify, load_classifier
from cvdemo.config import Config
from cvdemo.detect import DetectConfig, load_detector, select
from cvdemo.errors import InputError
from cvdemo.images import ImageArray, on_white, read_image, save_png
from cvdemo.scan import scan_steps
from cvdemo.srcnn import Quality, UpscaleConfig, finished, load_srcnn, luma_quality, shrink, upscale_steps

Report = Callable[[int, int], None]  # steps done, of how many


@dataclass(frozen=True)
class Result:
    """What a task made of one picture: a line to print, and what is written beside it."""

    line: str
    image: ImageArray | None = None
    data: dict[str, Any] | None = None


Work = Callable[[ImageArray, Report], Result]


@dataclass(frozen=True)
class Task:
    """A verb that turns a picture into a result.

    Attributes:
        help: one line for the list of tasks.
        config: its settings.
        prepare: loads the networks; returns what is done to each picture.
        suffix: of the main file that it writes.
        presets: configs by the name on the command line; options given take precedence.
        default_preset: the one taken when none is named.
        keep_alpha: whether pictures reach it with their alpha, see `cvdemo.images.read_image`.
    """

    help: str
    config: type[Config]
    prepare: Callable[[Any, argparse.Namespace], Work]
    suffix: str = ".png"
    presets: Mapping[str, Config] = field(default_factory=dict)
    default_preset: str | None = None
    keep_alpha: bool = False


def prepare_classify(config: ClassifyConfig, args: argparse.Namespace) -> Work:
    """Top five of each picture."""
    classifier = load_classifier(config.model, args.device)

    def work(image: ImageArray, report: Report) -> Result:
        prediction = classify(image, classifier, ten_crop=config.ten_crop)
        pairs = list(zip(prediction.labels, prediction.probabilities, strict=True))
        line = ", ".join(f"{label} {100 * probability:.1f} %" for label, probability in pairs)
        return Result(line, data={"classes": [{"label": label, "probability": round(p, 4)} for label, p in pairs]})

    return work


def prepare_detect(config: DetectConfig, args: argparse.Namespace) -> Work:
    """Boxes on each picture, and the JSON of the page's API."""
    detector = load_detector(config.detector, args.device)

    def work(image: ImageArray, report: Report) -> Result:
        for step in scan_steps(image, detector, config):
            report(step.done, step.total)
        found = select(step.scan, config)
        return Result(", ".join(found.labels) or "nothing found", draw_detections(image, found), found.as_dict())

    return work


def prepare_dream(config: deepdream.DreamConfig, args: argparse.Namespace) -> Work:
    """DeepDream of each picture."""
    classifier = load_classifier(device=args.device)
    network, preprocessing = classifier.network, classifier.preprocessing

    def work(image: ImageArray, report: Report) -> Result:
        for step in deepdream.dream(image, network, preprocessing, config, device=classifier.device):
            report(step.done, step.total)
        return Result(_size(step.image), step.image)

    return work


def prepare_stylize(config: style.StyleConfig, args: argparse.Namespace) -> Work:
    """Each picture in the manner of `--style`."""
    reference = read_picture(Path(args.style))
    network = style.load_style_network(args.device)

    def work(image: ImageArray, report: Report) -> Result:
        for step in style.stylize(image, reference, network, config):
            report(step.done, step.total)
        return Result(_size(step.image), step.image)

    return work


def prepare_upscale(config: UpscaleConfig, args: argparse.Namespace) -> Work:
    """Each picture enlarged, with its alpha; with `--shrink-first` laid on white, and also measured."""
    network = load_srcnn(config.scale, args.device, config.network)

    def work(image: ImageArray, report: Report) -> Result:
        low_res, original = shrink(on_white(image), config.scale) if config.shrink_first else (image, None)
        for step in upscale_steps(low_res, network, config):
            report(step.done, step.total)
        result = finished(step)
        if original is None:
            return Result(_size(result.image), result.image)
        quality = {
            name: luma_quality(picture, original, config.scale)
            for name, picture in (("bicubic", result.bicubic), ("network", result.image))
        }
        line = ", ".join(f"{name} {value.psnr:.2f} dB, SSIM {value.ssim:.4f}" for name, value in quality.items())
        return Result(line, result.image, {name: _as_json(value) for name, value in quality.items()})

    return work


def _as_json(quality: Quality) -> dict[str, float | None]:
    """PSNR and SSIM; the infinite PSNR of identical pictures, which JSON cannot say, is null."""
    return {name: value if math.isfinite(value) else None for name, value in asdict(quality).items()}


def read_picture(path: Path, *, keep_alpha: bool = False) -> ImageArray:
    """`read_image`, with one sentence where there is no such file.

    Raises:
        InputError: there is no file, or it cannot be used.
    """
    if not path.is_file():
        raise InputError(f"There is no file {path}.")
    return read_image(path, keep_alpha=keep_alpha)


def write_result(result: Result, target: Path) -> None:
    """Writes the picture as PNG and the data as JSON beside it.

    Raises:
        InputError: that cannot be done.
    """
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        if result.image is not None:
            save_png(result.image, target)
        if result.data is not None:
            text = json.dumps(result.data, indent=2, ensure_ascii=False, allow_nan=False)
            target.with_suffix(".json").write_text(text + "\n", encoding="utf-8")
    except OSError as error:
        raise InputError(f"{target} cannot be written: {error.strerror}.") from error


def _size(image: ImageArray) -> str:
    return f"{image.shape[1]} x {image.shape[0]} px"


def _by_slug(presets: Mapping[str, Config]) -> dict[str, Config]:
    return {_slug(name): config for name, config in presets.items()}


def _slug(name: str) -> str:
    return name.lower().replace(" ", "-")


TASKS = {
    "classify": Task("name what a picture shows", ClassifyConfig, prepare_classify, suffix=".json"),
    "detect": Task("draw a box round each object", DetectConfig, prepare_detect),
    "dream": Task(
        "let a network draw what it looks for (DeepDream)",
        deepdream.DreamConfig,
        prepare_dream,
        presets=_by_slug(deepdream.PRESETS),
        default_preset=_slug(deepdream.DEFAULT_PRESET),
    ),
    "stylize": Task(
        "repaint a picture in the style of another",
        style.StyleConfig,
        prepare_stylize,
        presets=_by_slug(style.PRESETS),
        default_preset=_slug(next(iter(style.PRESETS))),
    ),
    "upscale": Task("enlarge with a super-resolution network", UpscaleConfig, prepare_upscale, keep_alpha=True),
}
