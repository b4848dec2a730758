"""Variants of the style losses at equal seconds, judged by a network that is not optimised: `bench.style --compare`.

The judge is this project's Tiny ImageNet classifier: a pre-activation ResNet, trained from scratch, that shares neither
layers nor weights with the network that is optimised. Style is the mean relative error of the Gram matrices of three of
its stages against those of the style picture, content the relative error of the deepest of them against the content
picture. Flat noise is the mean absolute difference of neighbours where the content is flat. All are better when lower,
and none says all: look at the sheets too.

Every result is a file. So a comparison that was stopped goes on where it was.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from statistics import mean
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from cvdemo import backends
from cvdemo.data_folders import data_folder
from cvdemo.demo import last_step
from cvdemo.example_pictures import example_picture
from cvdemo.images import ImageArray, Preprocessing, normalise, png_bytes, read_image, resize, resize_to_fit, to_tensor
from cvdemo.nets.build import build_network
from cvdemo.nets.preact_resnet import PreActResNet
from cvdemo.runtime import load_once
from cvdemo.style.config import StyleConfig
from cvdemo.style.losses import content_loss, flatness_of, gram_matrix, relative_error
from cvdemo.style.run import StyleRequest
from cvdemo.weights import entry_of, load_state_dict
from cvdemo.whole_files import write_whole
from train.engine.curves import Curve, Panel, draw
from train.style.contact_sheet import contact_sheet

JUDGE = "tiny_imagenet"  # its weight in the manifest
JUDGED_STAGES = (0, 1, 2)  # strides 2, 4 and 8
CONTENT_NAMES = ("astronaut", "chelsea", "tower", "coffee", "rocket", "lion")
VARIANTS: Mapping[str, dict[str, Any]] = {
    "gram": {},
    "wasserstein": {"style_loss": "wasserstein"},
    "gram, detail 0.3": {"detail": 0.3},
    "gram, flat 0.7": {"flat_smoothing": 0.7},
    "gram, detail 0.3, flat 0.7": {"detail": 0.3, "flat_smoothing": 0.7},
    "wasserstein, detail 0.3, flat 0.7": {"style_loss": "wasserstein", "detail": 0.3, "flat_smoothing": 0.7},
}
MEASURES = ("style", "content", "flat_noise")


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
    folder: Path, seconds: float, size: int, pairs: int, variants: Mapping[str, dict[str, Any]] = VARIANTS
) -> str:
    """Paints what is not yet in the folder; returns the table, and leaves a chart and a sheet of each variant there."""
    folder.mkdir(parents=True, exist_ok=True)
    contents, styles = content_pictures(pairs), style_pictures(pairs)
    found: dict[str, list[dict[str, float]]] = {}
    for name, changes in variants.items():
        config = replace(StyleConfig(size=size, seconds=seconds), **changes)
        own = folder / f"{_slug(name)}-{size}px-{seconds:g}s"
        found[name] = list(_judged_pairs(own, contents, styles, config))
        _write_sheet(own.with_name(f"{own.name}.png"), own, contents, styles, size)
    _draw_chart(folder / "chart.png", found)
    return table(found)


def content_pictures(count: int) -> dict[str, ImageArray]:
    return {name: read_image(example_picture(name)) for name in CONTENT_NAMES[:count]}


def style_pictures(count: int) -> dict[str, ImageArray]:
    """The project's own styles."""
    paths = sorted((data_folder("examples") / "styles").glob("*.jpg"))[:count]
    return {path.stem: read_image(path) for path in paths}


def _judged_pairs(
    folder: Path, contents: Mapping[str, ImageArray], styles: Mapping[str, ImageArray], config: StyleConfig
) -> Iterator[dict[str, float]]:
    """The measures of each pair, from the folder where they are there."""
    folder.mkdir(exist_ok=True)
    for content, picture in contents.items():
        for style, reference in styles.items():
            told = folder / f"{content}-{style}.json"
            if not told.exists():
                request = StyleRequest(content=picture, style=reference, config=config, device="cpu")
                painted = last_step(backends.run(request)).result
                assert painted is not None  # `last_step` has seen to it
                write_whole(folder / f"{content}-{style}.png", png_bytes(painted.image))
                measures = judged(painted.image, picture, reference) | {"steps": float(painted.steps)}
                write_whole(told, json.dumps(measures).encode())
            yield json.loads(told.read_text(encoding="utf-8"))


def _write_sheet(
    path: Path, folder: Path, contents: Mapping[str, ImageArray], styles: Mapping[str, ImageArray], side: int
) -> None:
    """Contents from left to right, styles from top to bottom, and what was painted of each pair; cut to squares."""
    squares = {name: _square(picture, side) for name, picture in (*contents.items(), *styles.items())}
    names = {id(square): name for name, square in squares.items()}

    def painted(content: ImageArray, style: ImageArray) -> ImageArray:
        return _square(read_image(folder / f"{names[id(content)]}-{names[id(style)]}.png"), side)

    contact_sheet([squares[name] for name in contents], [squares[name] for name in styles], painted).save(path)


def _square(image: ImageArray, side: int) -> ImageArray:
    """The middle square of a picture at this side."""
    short = min(image.shape[:2])
    top, left = ((length - short) // 2 for length in image.shape[:2])
    cut = resize(to_tensor(image[top : top + short, left : left + short]), (side, side))
    return np.ascontiguousarray(cut.mul(255).round().byte()[0].permute(1, 2, 0).numpy())


def _draw_chart(path: Path, found: Mapping[str, Sequence[Mapping[str, float]]]) -> None:
    """Style error against content error of each variant: nearer to the corner at the lower left is better."""
    points = [
        Curve(name=name, x=[mean(m["style"] for m in rows)], y=[mean(m["content"] for m in rows)], style="points")
        for name, rows in found.items()
    ]
    heading = f"Means of {len(next(iter(found.values())))} pairs, judged by {JUDGE}"
    draw([Panel(title="content error", curves=points, x_label="style error", log_y=False)], path, heading)


def table(found: Mapping[str, Sequence[Mapping[str, float]]]) -> str:
    """Markdown: a row for each variant with the means over its pairs."""
    lines = [f"| variant | {' | '.join(MEASURES)} | steps |", "|---|" + "---:|" * (len(MEASURES) + 1)]
    for name, rows in found.items():
        cells = [f"{mean(row[measure] for row in rows):.4f}" for measure in MEASURES]
        lines.append(f"| {name} | {' | '.join(cells)} | {mean(row['steps'] for row in rows):.0f} |")
    return "\n".join(lines)


def _slug(name: str) -> str:
    return name.replace(", ", "_").replace(" ", "-")
