"""Variants of the style losses, judged by a network that is not optimised: `bench.style --compare`.

They get equal seconds or, where other work shares the cores, equal steps; the CPU time of each is told.

The judge is this project's Tiny ImageNet classifier: a pre-activation ResNet, trained from scratch, that shares neither
layers nor weights with the network that is optimised. Style is the mean relative error of the Gram matrices of three of
its stages against those of the style picture, content the relative error of the deepest of them against the content
picture. Flat noise is the mean absolute difference of neighbours where the content is flat. All are better when lower,
and none says all: look at the sheets too.

Every result is a file. So a comparison that was stopped goes on where it was. All variants paint one pair before the
next, and the first pairs share neither a content nor a style: the table is of the pairs that all have painted so far.
The six contents and six styles are fixed, and the names of the folders tell the method, size and effort. So results of
another method, or of other pairs, never get into one table.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from statistics import mean
from typing import Any
from unittest.mock import patch

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image, ImageDraw
from torch import Tensor

from cvdemo import backends
from cvdemo.data_folders import data_folder
from cvdemo.demo import result_of
from cvdemo.example_pictures import example_picture
from cvdemo.images import (
    ImageArray,
    Preprocessing,
    normalise,
    png_bytes,
    read_image,
    resize,
    resize_to_fit,
    to_image,
    to_tensor,
)
from cvdemo.nets.build import build_network
from cvdemo.nets.preact_resnet import PreActResNet
from cvdemo.runtime import load_once
from cvdemo.style import painting, targets
from cvdemo.style.config import StyleConfig
from cvdemo.style.losses import (
    SMALLEST_ENERGY,
    STYLE_DISTANCES,
    Statistics,
    content_loss,
    flatness_of,
    gram_error,
    gram_matrix,
    relative_error,
)
from cvdemo.style.run import StyleRequest
from cvdemo.style.targets import STYLE_LAYERS
from cvdemo.weights import entry_of, load_state_dict
from cvdemo.whole_files import write_whole
from train.engine.curves import Curve, Panel, draw

Distance = Callable[[Statistics, Statistics], Tensor]
JUDGE = "tiny_imagenet"  # its weight in the manifest
JUDGED_STAGES = (0, 1, 2)  # strides 2, 4 and 8
CONTENT_NAMES = ("astronaut", "chelsea", "tower", "coffee", "rocket", "lion")
STYLE_NAMES = ("autumn_strokes", "halftone", "ink_wash", "mosaic", "night_swirls", "stained_glass")
MEASURES = ("style", "content", "flat_noise", "steps", "cpu_s")
LABEL_PX = 16  # height of the names above a sheet
PANEL_VARIANTS = 4  # beside the first one


@dataclass(frozen=True)
class Variant:
    """What differs from the defaults and from `PLAIN`.

    Attributes:
        settings: of `StyleConfig`. layers: weights of style layers. distance: in place of the Gram matrices' error.
    """

    settings: Mapping[str, Any] = field(default_factory=dict)
    layers: Mapping[str, float] = field(default_factory=dict)
    distance: Distance = gram_error

    @contextmanager
    def in_force(self) -> Iterator[None]:
        """Within the block, what is painted in this process is painted so."""
        with patch.dict(STYLE_LAYERS, self.layers), patch.dict(STYLE_DISTANCES, gram=self.distance):
            yield


def rooted_error(found: Statistics, target: Statistics) -> Tensor:
    """The root of the relative error: each layer pulls with a force that does not fade as it comes nearer."""
    return (gram_error(found, target) + SMALLEST_ENERGY).sqrt()


def centred_error(found: Statistics, target: Statistics) -> Tensor:
    """Relative error of mean and covariance instead of the second moment about zero."""
    spread = relative_error(found.covariance, target.covariance)
    return (relative_error(found.mean, target.mean) + spread) / 2


PLAIN = {"detail": 0.0, "flat_smoothing": 0.0}  # where a variant does not say otherwise, whatever the defaults are
FINE = {"stem": 4.0, "block1": 2.0, "block3": 1.0, "block5": 0.5, "block8": 0.25}
COARSE = dict(zip(FINE, reversed(FINE.values()), strict=True))
VARIANTS: Mapping[str, Variant] = {
    "gram": Variant(),
    "wasserstein": Variant({"style_loss": "wasserstein"}),
    "detail 0.3": Variant({"detail": 0.3}),
    "flat 0.7": Variant({"flat_smoothing": 0.7}),
    "both": Variant({"detail": 0.3, "flat_smoothing": 0.7}),
    "fine layers": Variant(layers=FINE),
    "coarse layers": Variant(layers=COARSE),
    "root": Variant(distance=rooted_error),
    "centred": Variant(distance=centred_error),
}


@load_once
def judge() -> tuple[PreActResNet, Preprocessing]:
    """The network that judges, and how it wants its pictures."""
    entry = entry_of(JUDGE)
    network = build_network(entry.network)
    assert isinstance(network, PreActResNet)  # the manifest's
    network.load_state_dict(load_state_dict(JUDGE))
    return network.eval().requires_grad_(False), Preprocessing.from_manifest(entry.preprocessing)


def stages(pixels: Tensor) -> list[Tensor]:
    """What the judge sees in (1, 3, H, W): the maps of its first stages."""
    network, preprocessing = judge()
    maps, found = network.stem(normalise(pixels, preprocessing)), []
    for stage, block in enumerate(network.blocks):
        maps = block(maps)
        if stage in JUDGED_STAGES:
            found.append(F.relu(maps))
    return found


@torch.inference_mode()
def judged(painted: ImageArray, content: ImageArray, style: ImageArray) -> dict[str, float]:
    """How far a painted picture is from its style and its content, and how noisy where that is flat."""
    pixels = to_tensor(painted)
    size_hw = (pixels.shape[-2], pixels.shape[-1])
    source = resize(to_tensor(content), size_hw)
    seen, wanted = stages(pixels), stages(to_tensor(resize_to_fit(style, max(size_hw))))
    errors = [relative_error(gram_matrix(a), gram_matrix(b)) for a, b in zip(seen, wanted, strict=True)]
    return {
        "style": float(torch.stack(errors).mean()),
        "content": float(content_loss(seen[-1], stages(source)[-1])),
        "flat_noise": flat_noise(pixels, source),
    }


def flat_noise(pixels: Tensor, content: Tensor) -> float:
    """Mean absolute difference of neighbours, weighted by how flat the content is there."""
    flat = flatness_of(content)
    down = (pixels[..., 1:, :] - pixels[..., :-1, :]).abs() * flat[..., 1:, :]
    right = (pixels[..., 1:] - pixels[..., :-1]).abs() * flat[..., 1:]
    return float((down.mean() + right.mean()) / 2)


def compare(
    folder: Path,
    config: StyleConfig,
    pairs: int,
    variants: Mapping[str, Variant] = VARIANTS,
    stop_after_s: float = math.inf,
) -> str:
    """Paints what is not yet in the folder; returns the table, and leaves a chart and a sheet there.

    Args:
        config: what all variants have in common; its seconds or steps are what they get.
        stop_after_s: no pair is begun later.
    """
    began = time.monotonic()
    contents, styles = content_pictures(), style_pictures()
    found: dict[str, list[dict[str, float]]] = {name: [] for name in variants}
    rows = []
    for content, style in picture_pairs(list(contents), list(styles))[:pairs]:
        if time.monotonic() - began > stop_after_s:
            break
        painted = []
        for name, variant in variants.items():
            own = folder / f"{_slug(name)}-{_method(config)}"
            own.mkdir(parents=True, exist_ok=True)
            path = own / f"{content}-{style}.png"
            found[name].append(_judged(path, contents[content], styles[style], config, variant))
            painted.append(read_image(path))
        rows.append([contents[content], styles[style], *painted])
    _sheet(rows, ("content", "style", *variants), config.size).save(folder / f"sheet-{_method(config)}.png")
    _draw_chart(folder / f"chart-{_method(config)}.png", found)
    return table(found)


def _method(config: StyleConfig) -> str:
    """Size, seconds or steps, and what else decides how a picture is painted, for names of files."""
    told = f"{config.scales}x{config.steps}steps" if config.seconds is None else f"{config.seconds:g}s"
    optimiser = f"adam{painting.LEVELS}x{painting.LEVEL_SHARE:g}-by{config.step_size:g}"
    return f"{config.size}px-{told}-{optimiser}-border{targets.BORDER_PX}+{targets.SHIFT_PX}"


def picture_pairs(contents: Sequence[str], styles: Sequence[str]) -> list[tuple[str, str]]:
    """Each content with each style; any first of them share as few as they can."""
    count = len(styles)
    return [(content, styles[(i + turn) % count]) for turn in range(count) for i, content in enumerate(contents)]


def content_pictures() -> dict[str, ImageArray]:
    return {name: read_image(example_picture(name)) for name in CONTENT_NAMES}


def style_pictures() -> dict[str, ImageArray]:
    """Six of the project's styles, always the same ones."""
    return {name: read_image(data_folder("examples") / "styles" / f"{name}.jpg") for name in STYLE_NAMES}


def _judged(
    path: Path, content: ImageArray, style: ImageArray, config: StyleConfig, variant: Variant
) -> dict[str, float]:
    """The measures of a pair, from the folder where they are there."""
    told = path.with_suffix(".json")
    if not told.exists():
        request = StyleRequest(
            content=content, style=style, config=replace(config, **(PLAIN | dict(variant.settings))), device="cpu"
        )
        began = time.process_time()
        with variant.in_force():
            painted = result_of(backends.run(request))
        costs = {"steps": float(painted.steps), "cpu_s": time.process_time() - began}
        write_whole(path, png_bytes(painted.image))
        write_whole(told, json.dumps(judged(painted.image, content, style) | costs).encode())
    measures: dict[str, float] = json.loads(told.read_text(encoding="utf-8"))
    return measures


def _sheet(rows: Sequence[Sequence[ImageArray]], names: Sequence[str], side: int) -> Image.Image:
    """A pair in each row, cut to squares, with the names of the columns above."""
    pictures = np.vstack([np.hstack([_square(picture, side) for picture in row]) for row in rows])
    sheet = Image.new("RGB", (pictures.shape[1], pictures.shape[0] + LABEL_PX), "white")
    sheet.paste(Image.fromarray(pictures), (0, LABEL_PX))
    for column, name in enumerate(names):
        ImageDraw.Draw(sheet).text((column * side + 4, 2), name, "black")
    return sheet


def _square(image: ImageArray, side: int) -> ImageArray:
    """The middle square of a picture at this side."""
    short = min(image.shape[:2])
    top, left = ((length - short) // 2 for length in image.shape[:2])
    cut = resize(to_tensor(image[top : top + short, left : left + short]), (side, side))
    return to_image(cut)


def _draw_chart(path: Path, found: Mapping[str, Sequence[Mapping[str, float]]]) -> None:
    """Style error against content error of each variant: nearer to the corner at the lower left is better.

    The first variant is in each panel, so that no panel needs more colours than can be told apart.
    """
    first, *others = (
        Curve(name=name, x=[mean(m["style"] for m in rows)], y=[mean(m["content"] for m in rows)], style="points")
        for name, rows in found.items()
    )
    parts = [others[i : i + PANEL_VARIANTS] for i in range(0, max(1, len(others)), PANEL_VARIANTS)]
    panels = [Panel(title="content error", curves=[first, *part], x_label="style error", log_y=False) for part in parts]
    draw(panels, path, f"Means of {len(next(iter(found.values())))} pairs, judged by {JUDGE}")


def table(found: Mapping[str, Sequence[Mapping[str, float]]]) -> str:
    """Markdown: a row for each variant with the means over its pairs."""
    lines = [f"| variant | pairs | {' | '.join(MEASURES)} |", "|---|" + "---:|" * (len(MEASURES) + 1)]
    for name, rows in found.items():
        cells = [f"{mean(row[measure] for row in rows):.3g}" for measure in MEASURES]
        lines.append(f"| {name} | {len(rows)} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _slug(name: str) -> str:
    return name.replace(", ", "_").replace(" ", "-")
