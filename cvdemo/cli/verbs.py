"""The verbs of the command line: what each does to one picture, and the settings it takes.

`PICTURE_VERBS` lists them; `sample`, which takes no picture, stands in `cvdemo.cli.sample`.
"""

import argparse
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from typing import Any

import cv2
import numpy as np

from cvdemo.classify.classifier import ClassifyConfig, Prediction, load_classifier
from cvdemo.classify.exports import classes_of, in_per_cent
from cvdemo.classify.exports import csv_of_pictures as csv_of_classes
from cvdemo.classify.run import ClassifyRequest
from cvdemo.classify.teach import ClassifyTaughtRequest
from cvdemo.cli.output import SUFFIXES, json_bytes
from cvdemo.cli.sources import Sent, read_other
from cvdemo.cli.stylize import instant_request, request_without_content
from cvdemo.cli.teach import read_head
from cvdemo.config import Config, settings_of
from cvdemo.demo import Request, Step
from cvdemo.demos import run
from cvdemo.detect.detector import load_detector
from cvdemo.detect.drawing import draw_detections, to_canvas
from cvdemo.detect.exports import coco_of_pictures, counts_in_words, csv_of_pictures
from cvdemo.detect.run import DetectRequest, DetectResult
from cvdemo.detect.selection import DetectConfig
from cvdemo.dream.deepdream import DreamConfig
from cvdemo.dream.network import load_dream_network
from cvdemo.dream.picture_recipe import recipe_texts
from cvdemo.dream.presets import DEFAULT_PRESET as DEFAULT_DREAM
from cvdemo.dream.presets import FORMER_NAMES as FORMER_DREAMS
from cvdemo.dream.presets import PRESETS as DREAMS
from cvdemo.dream.run import Dream, DreamRequest
from cvdemo.errors import InputError
from cvdemo.images import ImageArray
from cvdemo.nets.backbone import load_backbone, load_trunk
from cvdemo.style.feed_forward import InstantConfig, load_painter
from cvdemo.style.optimise import StyleConfig
from cvdemo.style.presets import PRESETS as STYLES
from cvdemo.style.run import Stylized
from cvdemo.upscale.catalogue import network_named
from cvdemo.upscale.run import UpscaleRequest, UpscaleResult
from cvdemo.upscale.upscale import UpscaleConfig, load_network

Report = Callable[[int, int], None]  # steps done, of how many


@dataclass(frozen=True)
class Result:
    """What a verb made of one picture.

    Attributes:
        line: to print. image: to write. data: what programs are told of it. texts: written into a PNG.
    """

    line: str
    image: ImageArray | None = None
    data: dict[str, Any] = field(default_factory=dict)
    texts: Mapping[str, str] = field(default_factory=dict)


Work = Callable[[Sent, Report], Result]


@dataclass(frozen=True)
class Summary:
    """A file about all pictures of a run.

    Attributes:
        help: of the option. make: from config, device, and each picture's name and data, to the file's content.
    """

    help: str
    make: Callable[[Any, str, Sequence[tuple[str, Mapping[str, Any]]]], bytes]


@dataclass(frozen=True)
class PictureVerb:
    """A verb that turns a picture into a result.

    Attributes:
        help: one line for the list of verbs.
        config: its settings.
        prepare: loads the networks; returns what is done to each picture.
        suffixes: what the main file that it writes may end in; the first is taken in folders.
        has_data: whether, with a config, the data of its results is worth a file: .json, beside the picture.
        presets: configs by the name on the command line; options given take precedence.
        default_preset: the one taken when none is named.
        former_presets: names that presets had before, to those of today.
        others: what the pictures beside IN are, by the option that names one.
        keep_alpha: whether pictures reach it with their alpha, see `cvdemo.images.read_image`.
        summaries: files about all pictures of a run together, by the option that names the file.
    """

    help: str
    config: type[Config]
    prepare: Callable[[Any, argparse.Namespace], Work]
    suffixes: tuple[str, ...] = SUFFIXES
    has_data: Callable[[Any], bool] = lambda config: False
    presets: Mapping[str, Config] = field(default_factory=dict)
    default_preset: str | None = None
    former_presets: Mapping[str, str] = field(default_factory=dict)
    others: Mapping[str, str] = field(default_factory=dict)
    keep_alpha: bool = False
    summaries: Mapping[str, "Summary"] = field(default_factory=dict)

    @property
    def makes_pictures(self) -> bool:
        """Whether its main file is a picture; else it is the data."""
        return self.suffixes == SUFFIXES


def by_steps(request_for: Callable[[ImageArray], Request], present: Callable[[Any, Step[Any]], Result]) -> Work:
    """Work that runs a demo's request for each picture; `present` takes the result and the step that carries it."""

    def work(sent: Sent, report: Report) -> Result:
        for step in run(request_for(sent.image)):
            report(step.done, step.total)
        return present(step.result, step)

    return work


def prepare_classify(config: ClassifyConfig, args: argparse.Namespace) -> Work:
    """Top five of each picture, by a network or by the head of `--head`."""
    if args.head is not None:
        return _by_head(args)
    load_classifier(config.model, args.device)
    return by_steps(lambda image: ClassifyRequest(image=image, config=config, device=args.device), _classes)


def _by_head(args: argparse.Namespace) -> Work:
    """Top five of each picture by a taught head.

    Raises:
        InputError: a setting of the networks is given too, or the head cannot be used.
    """
    for name in sorted(settings_of(ClassifyConfig).keys() & vars(args).keys()):
        raise InputError(f"--{name.replace('_', '-')} changes nothing with --head: please leave it out.")
    head = read_head(args.head)
    load_trunk(args.device)
    return by_steps(lambda image: ClassifyTaughtRequest(image=image, head=head, device=args.device), _classes)


def _classes(prediction: Prediction, step: Step[Prediction]) -> Result:
    pairs = list(zip(prediction.labels, prediction.probabilities, strict=True))
    told = [f"{label} {in_per_cent(probability)}" for label, probability in pairs]
    return Result(", ".join(told).replace("\N{NO-BREAK SPACE}", " "), data=classes_of(prediction))


def _csv_of_classes(config: ClassifyConfig, device: str, pictures: Sequence[tuple[str, Mapping[str, Any]]]) -> bytes:
    return csv_of_classes(pictures).encode("utf-8")


def prepare_detect(config: DetectConfig, args: argparse.Namespace) -> Work:
    """Boxes on each picture, and the JSON of the page's API."""
    load_detector(config.detector, args.device)

    def request(image: ImageArray) -> DetectRequest:
        return DetectRequest(image=image, config=config, device=args.device)

    return lambda sent, report: by_steps(request, partial(_boxes, sent.image, config))(sent, report)


def _boxes(image: ImageArray, config: DetectConfig, result: DetectResult, step: Step[DetectResult]) -> Result:
    found = result.detections
    boxes = found.as_dict()
    line = (counts_in_words(boxes) if config.kind.counts else ", ".join(found.labels)) or "nothing found"
    return Result(line, draw_detections(to_canvas(image), found), boxes)


def _coco(config: DetectConfig, device: str, pictures: Sequence[tuple[str, Mapping[str, Any]]]) -> bytes:
    return json_bytes(coco_of_pictures(pictures, load_detector(config.detector, device).labels))


def _csv(config: DetectConfig, device: str, pictures: Sequence[tuple[str, Mapping[str, Any]]]) -> bytes:
    return csv_of_pictures(pictures).encode("utf-8")


def prepare_dream(config: DreamConfig, args: argparse.Namespace) -> Work:
    """DeepDream of each picture, where `--mask` says and after `--guide` where they are given; with its recipe."""
    guide = None if args.guide is None else read_other("guide picture", args.guide)
    mask = None if args.mask is None else grey(read_other("mask picture", args.mask))
    load_dream_network(args.device)

    def request(image: ImageArray) -> DreamRequest:
        return DreamRequest(image=image, config=config, mask=mask, guide=guide, device=args.device)

    return by_steps(request, partial(_dream, recipe_texts(config, guided=guide is not None)))


def grey(image: ImageArray) -> ImageArray:
    """(H, W, 3) RGB -> (H, W), its luminance."""
    return np.asarray(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), dtype=np.uint8)


def _dream(texts: Mapping[str, str], result: Dream, step: Step[Dream]) -> Result:
    return Result(_size(result.image), result.image, finite({"objective": step.measures["objective"]}), texts)


def prepare_stylize(config: StyleConfig | InstantConfig, args: argparse.Namespace) -> Work:
    """Each picture in the manner of `--style` and what is named beside it."""
    if isinstance(config, InstantConfig):
        instant = instant_request(args, config)
        load_painter(args.device)
        return by_steps(lambda image: replace(instant, content=image), _painted_at_once)
    request = request_without_content(args, config)
    load_backbone(args.device)
    return by_steps(lambda image: replace(request, content=image), _stylized)


def _stylized(result: Stylized, step: Step[Stylized]) -> Result:
    losses = {name: step.measures[name] for name in ("content_loss", "style_loss", "tv_loss")}
    return Result(_size(result.image), result.image, finite(losses))


def _painted_at_once(result: Stylized, step: Step[Stylized]) -> Result:
    return Result(_size(result.image), result.image)


def prepare_upscale(config: UpscaleConfig, args: argparse.Namespace) -> Work:
    """Each picture enlarged, with its alpha; with `--shrink-first` laid on white, and also measured."""
    load_network(network_named(config.scale, config.network), args.device)

    plain = partial(UpscaleRequest, config=config, device=args.device, with_bicubic=False)

    def work(sent: Sent, report: Report) -> Result:
        request = partial(plain, jpeg_quality=sent.jpeg_quality)
        return by_steps(lambda image: request(image=image), _enlarged)(sent, report)

    return work


def _enlarged(result: UpscaleResult, step: Step[UpscaleResult]) -> Result:
    if result.quality is None:
        return Result(_size(result.image), result.image)
    quality = {"bicubic": result.quality.bicubic, "network": result.quality.network}
    line = ", ".join(f"{name} {value.psnr:.2f} dB, SSIM {value.ssim:.4f}" for name, value in quality.items())
    return Result(line, result.image, {name: finite(asdict(value)) for name, value in quality.items()})


def finite(values: Mapping[str, float]) -> dict[str, float | None]:
    """The values; null for what JSON cannot say, such as the infinite PSNR of identical pictures."""
    return {name: value if math.isfinite(value) else None for name, value in values.items()}


def _size(image: ImageArray) -> str:
    return f"{image.shape[1]} x {image.shape[0]} px"


def _always(config: Config) -> bool:
    return True


def _by_slug(presets: Mapping[str, Config]) -> dict[str, Config]:
    return {_slug(name): config for name, config in presets.items()}


def _slug(name: str) -> str:
    return name.lower().replace(" ", "-")


PICTURE_VERBS = {
    "classify": PictureVerb(
        "name what a picture shows",
        ClassifyConfig,
        prepare_classify,
        (".json",),
        _always,
        summaries={"csv": Summary("the best classes of all pictures in one CSV file", _csv_of_classes)},
    ),
    "detect": PictureVerb(
        "draw a box round each object",
        DetectConfig,
        prepare_detect,
        has_data=_always,
        summaries={
            "coco": Summary("the boxes of all pictures in one JSON file, in the form of COCO", _coco),
            "csv": Summary("the boxes of all pictures in one CSV file", _csv),
        },
    ),
    "dream": PictureVerb(
        "let a network draw what it looks for (DeepDream)",
        DreamConfig,
        prepare_dream,
        presets=_by_slug(DREAMS),
        default_preset=_slug(DEFAULT_DREAM),
        former_presets={_slug(former): _slug(name) for former, name in FORMER_DREAMS.items()},
        others={
            "guide": "the picture whose features the dream takes, in place of the strength of whole layers",
            "mask": "a picture of the same size, white where to dream and black where to keep the picture",
        },
    ),
    "stylize": PictureVerb(
        "repaint a picture in the style of another",
        StyleConfig,
        prepare_stylize,
        presets=_by_slug(STYLES),
        default_preset=_slug(next(iter(STYLES))),
    ),
    "upscale": PictureVerb(
        "enlarge with a super-resolution network",
        UpscaleConfig,
        prepare_upscale,
        has_data=lambda config: config.shrink_first,
        keep_alpha=True,
    ),
}
