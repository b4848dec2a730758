"""The architecture of a weight for its card: totals in one line, and the picture; for cards that exist too."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn

from cvdemo.nets.build import CLASSIFIERS, NOT_ARGUMENTS, build_network
from cvdemo.nets.dcgan import Generator
from cvdemo.nets.layer_table import LayerTable, layer_table
from cvdemo.nets.place_net import PlaceNet
from cvdemo.nets.style_net import StyleNet
from cvdemo.upscale.network import make_network
from cvdemo.weights import WEIGHTS_DIR, WeightEntry, load_manifest
from train.engine.writing import write_whole
from train.publishing.architecture_drawing import draw_architecture, px_words, shape_words

ROW = "Architecture"  # of the card's table
UPSCALE_PX = 64  # side of the picture whose multiply-adds are told of a network that takes any
STYLE_PX = 512  # likewise of a network that repaints

_BUILDERS: dict[str, Callable[[dict[str, Any]], nn.Module]] = {
    "place_net": lambda spec: PlaceNet(**_arguments(spec)),
    "dcgan": lambda spec: Generator(**_arguments(spec)),
    "style_net": lambda spec: StyleNet(**_arguments(spec)),
    "srcnn": make_network,
    "fast_srcnn": make_network,
    **dict.fromkeys(CLASSIFIERS, build_network),
}


def svg_file(name: str) -> str:
    """The file beside the card of weight `name`."""
    return f"{name}_architecture.svg"


def table_of(entry: WeightEntry) -> LayerTable:
    """The layers of a weight's network, for the input that the manifest tells; its file is not read.

    Raises:
        ValueError: there is no network of that name, or it calls what has no rule.
    """
    name = str(entry.network.get("name"))
    if name not in _BUILDERS:
        raise ValueError(f"there is no network named {name!r} to draw; {__name__} knows {', '.join(_BUILDERS)}")
    with torch.device("meta"):
        network = _BUILDERS[name](dict(entry.network))
    others = ((entry.network["code_dim"],),) if name == "style_net" else ()
    return layer_table(network, _input_shape(entry), *others)


def _arguments(spec: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in spec.items() if key not in NOT_ARGUMENTS}


def _input_shape(entry: WeightEntry) -> tuple[int, ...]:
    if entry.network["name"] == "dcgan":
        return (entry.network["latent_dim"],)
    side_px = entry.preprocessing.get("input_px")
    if entry.network["name"] == "style_net":
        return (3, STYLE_PX, STYLE_PX)
    if side_px is None:  # super-resolution of the luminance
        return (1, UPSCALE_PX, UPSCALE_PX)
    return (1 if entry.preprocessing.get("colour") == "grey" else 3, side_px, side_px)


def totals(table: LayerTable) -> str:
    """Parameters, multiply-adds and receptive field in one line."""
    field = table.receptive_field
    seen = "each output sees the whole input" if field is None else f"receptive field {px_words(field)}"
    return (
        f"{table.parameters:,} parameters; {count_words(table.multiply_adds)} multiply-adds for an input of "
        f"{shape_words(table.input_shape)}; {seen}"
    )


def count_words(count: int) -> str:
    """A large number in three digits: "385 M"."""
    for unit, size in (("G", 1e9), ("M", 1e6), ("k", 1e3)):
        if count >= size:
            return f"{count / size:.3g} {unit}" if count < 999.5 * size else f"{count / size:.0f} {unit}"
    return str(count)


def svg_of(name: str, table: LayerTable) -> bytes:
    """The picture of the architecture."""
    return draw_architecture(table, name, totals(table)).encode()


def image_words(name: str) -> str:
    """The picture in a card."""
    return f"![Architecture: layer by layer, with the shapes between them]({svg_file(name)})"


def with_architecture(card: str, name: str, table: LayerTable) -> str:
    """A card with the line of totals below that of the file, and the picture at its end; anew where it has them."""
    row = f"| {ROW} | {totals(table)} |"
    lines = [line for line in card.splitlines() if not line.startswith(f"| {ROW} |")]
    at = next((i + 1 for i, line in enumerate(lines) if line.startswith("| File |")), None)
    if at is None:
        raise ValueError(f"the card of {name} has no line | File | to put its totals under")
    text = "\n".join([*lines[:at], row, *lines[at:]])
    image = re.compile(rf"\n*!\[[^\]]*\]\({re.escape(svg_file(name))}\)")
    return f"{image.sub('', text).rstrip()}\n\n{image_words(name)}\n"


def refresh_cards(weights_dir: Path | None = None) -> list[str]:
    """Draws the architecture of every weight of the manifest and writes it into its card; the names of all.

    Raises:
        ValueError: a network that cannot be drawn.
        OSError: a card is missing or cannot be written.
    """
    folder = weights_dir or WEIGHTS_DIR
    names = []
    for name, entry in load_manifest(folder).items():
        table, card = table_of(entry), folder / f"{name}.md"
        text = with_architecture(card.read_text(encoding="utf-8"), name, table)
        write_whole(folder / svg_file(name), svg_of(name, table))
        write_whole(card, text.encode())
        names.append(name)
    return names
