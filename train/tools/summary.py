"""`python -m train summary`: the layers of a weight's or a recipe's network, as a table, as JSON and as a picture."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from cvdemo.nets.efficientnet_lite import EfficientNetLite
from cvdemo.nets.layer_table import Layer, LayerTable, layer_table
from cvdemo.weights import entry_of, load_manifest
from train.classify.features import FeatureConfig
from train.classify.finetune import FineTuneConfig
from train.classify.transfer_recipe import BLOCK, TransferRecipe
from train.engine.config_options import add_config_options, config_from, config_of
from train.engine.loop import LoopConfig, seeded
from train.engine.writing import make_folder, write_whole
from train.publishing.architecture import UPSCALE_PX, refresh_cards, svg_of, table_of, totals
from train.publishing.architecture_drawing import px_words, shape_words
from train.publishing.recipe import Context, Recipe
from train.recipes import RECIPES

_HEAD = ("Layer", "Kind", "Output", "Parameters", "Multiply-adds", "Receptive field")
_LEFT = 3  # columns of words, the others are numbers


def main(argv: list[str]) -> None:
    """Prints the table of a weight, or of each network that a recipe's config builds; or refreshes all cards.

    Raises:
        SystemExit: there is neither a weight nor a recipe of that name.
    """
    parser = _parser()
    args, more = parser.parse_known_args(argv)
    if args.cards:
        if args.name or more:
            parser.error("--cards is of every weight of the manifest: give no name and no other option with it")
        print(f"refreshed the cards of {', '.join(refresh_cards())}")
        return
    tables = _tables(parser, args, more)
    if args.svg is not None:
        make_folder(args.svg.parent)
        product = next(iter(tables))
        write_whole(args.svg, svg_of(args.name if product == "network" else product, tables[product]))
    if args.json:
        print(json.dumps({"name": args.name, "networks": {name: as_dict(table) for name, table in tables.items()}}))
        return
    for name, table in tables.items():
        print(f"{args.name if name == 'network' else f'{args.name}, {name}'}: {totals(table)}\n\n{as_text(table)}\n")
    if args.svg is not None:
        print(f"picture in {args.svg}")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m train summary", description=__doc__, allow_abbrev=False)
    parser.add_argument("name", nargs="?", default="", help="weight of the manifest, or recipe with its own options")
    parser.add_argument("--recipe", action="store_true", help="the recipe, where a weight has the same name")
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of a table")
    parser.add_argument("--svg", type=Path, help="SVG to write: the architecture as a picture")
    parser.add_argument("--cards", action="store_true", help="write picture and totals into the card of every weight")
    return parser


def _tables(parser: argparse.ArgumentParser, args: argparse.Namespace, more: list[str]) -> dict[str, LayerTable]:
    """The tables by network, the published one first."""
    weights = load_manifest()
    if args.name in weights and not args.recipe:
        if more:
            parser.error(f"{args.name} is a weight, which takes no options of a recipe: {' '.join(more)}")
        return {"network": table_of(entry_of(args.name))}
    if args.name not in RECIPES:
        parser.error(f"give a weight ({', '.join(weights)}) or a recipe ({', '.join(RECIPES)}), not {args.name!r}")
    recipe = RECIPES[args.name]
    options = argparse.ArgumentParser(prog=f"python -m train summary {recipe.name}")
    add_config_options(options, recipe.config)
    return networks_of(recipe, config_from(options.parse_args(more), recipe.config))


def networks_of(recipe: Recipe, config: LoopConfig) -> dict[str, LayerTable]:
    """The layers of each network that a recipe trains, as this config builds it; the product comes first.

    The inputs are those of the last training step, when pictures that grow have their full size, on generated data. Of
    a classifier on the backbone it is the network that is published, of which training may see the last layer alone.

    Raises:
        ValueError: a network calls a function whose receptive field is not known.
    """
    if isinstance(recipe, TransferRecipe):
        assert isinstance(config, FeatureConfig | FineTuneConfig)
        with torch.device("meta"):
            layer = config.block if isinstance(config, FeatureConfig) else BLOCK
            network = EfficientNetLite(recipe.data.classes, layer=layer)
        return {"network": layer_table(network, (3, config.input_px, config.input_px))}
    loop = {field.name for field in fields(LoopConfig)}
    given, default = asdict(config), asdict(recipe.config())
    quick = {name: value for name, value in recipe.dry_run.items() if name in loop and given[name] == default.get(name)}
    context = Context(data=None, device=torch.device("cpu"), amp=False)
    task = recipe.build(config_of(given | quick, recipe.config), context)
    names = sorted(task.networks, key=lambda name: name != task.product)
    shapes = _input_shapes({name: task.networks[name] for name in names}, task)
    if task.product not in shapes:
        shapes[task.product] = (_picture_for(task.networks[task.product], config),)
    return {name: layer_table(task.networks[name], *shapes[name]) for name in names if name in shapes}


def _picture_for(network: nn.Module, config: LoopConfig) -> tuple[int, int, int]:
    """The shape of a picture for a network whose training step runs its parts one by one."""
    first = next(module for module in network.modules() if isinstance(module, nn.Conv2d))
    side_px: int = getattr(config, "input_px", UPSCALE_PX)
    return first.in_channels, side_px, side_px


class _AllSeen(Exception):
    """Every network has been called: nothing more of the step is needed."""


def _input_shapes(networks: Mapping[str, nn.Module], task: Any) -> dict[str, tuple[tuple[int, ...], ...]]:
    """The shapes of what each network is given in a training step, without the batch, where it is called as a whole."""
    shapes: dict[str, tuple[tuple[int, ...], ...]] = {}

    def watch(name: str) -> Any:
        def hook(module: nn.Module, inputs: tuple[Any, ...]) -> None:
            if inputs and isinstance(inputs[0], Tensor):
                shapes.setdefault(name, tuple(tuple(x.shape[1:]) for x in inputs if isinstance(x, Tensor)))
            if len(shapes) == len(networks):
                raise _AllSeen

        return hook

    last = max(task.config.steps, 1) - 1
    with ExitStack() as stack:
        for name, network in networks.items():
            stack.callback(network.register_forward_pre_hook(watch(name)).remove)
        with suppress(_AllSeen):
            task.step(last, seeded("step", task.config.seed, last))
    return shapes


def as_text(table: LayerTable) -> str:
    """The layers as a table for the terminal."""
    rows = [_HEAD, *map(_row, table.layers)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_HEAD))]
    lines = [
        "  ".join(
            cell.ljust(width) if column < _LEFT else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]
    return "\n".join([lines[0], "-" * len(lines[0]), *lines[1:]])


def _row(layer: Layer) -> tuple[str, ...]:
    field = layer.field.size_hw
    return (
        layer.name or "-",
        layer.kind,
        shape_words(layer.shape),
        f"{layer.parameters:,}" if layer.parameters else "-",
        f"{layer.multiply_adds:,}" if layer.multiply_adds else "-",
        "whole input" if field is None else px_words(field),
    )


def as_dict(table: LayerTable) -> dict[str, Any]:
    """The layers, JSON-ready; a receptive field is height and width in px, null for the whole input."""
    return {
        "input": list(table.input_shape),
        "parameters": table.parameters,
        "multiply_adds": table.multiply_adds,
        "receptive_field_px": _sides(table.receptive_field),
        "layers": list(_layers(table.layers)),
    }


def _layers(layers: Sequence[Layer]) -> Iterator[dict[str, Any]]:
    for layer in layers:
        yield {
            "name": layer.name,
            "kind": layer.kind,
            "output": list(layer.shape),
            "parameters": layer.parameters,
            "multiply_adds": layer.multiply_adds,
            "receptive_field_px": _sides(layer.field.size_hw),
            "reads": list(layer.reads),
        }


def _sides(size_hw: tuple[int, int] | None) -> list[int] | None:
    return None if size_hw is None else list(size_hw)
