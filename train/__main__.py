"""The command line of training: `python -m train --help`."""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from cvdemo.errors import WeightsError
from cvdemo.weights import load_manifest
from train import import_backbone
from train.checkpoint import BEST, load
from train.device import bf16_is_fast, pick_device
from train.engine import LoopConfig, Trainer
from train.recipe import Context, PublishOptions, Recipe, add_config_options, config_from, config_of
from train.recipes import RECIPES

_DRY_RUN = {
    "steps": 2,
    "log_every": 1,
    "evaluate_every": 0,
    "preview_every": 0,
}


def main(argv: list[str] | None = None) -> None:
    """Dispatches to a recipe, `evaluate`, `publish` or `import-backbone`.

    Raises:
        SystemExit: data that are not there, a run that is, or values that do not go together; with one sentence.
    """
    try:
        _dispatch(sys.argv[1:] if argv is None else argv)
    except (FileNotFoundError, FileExistsError, ValueError, WeightsError) as error:
        raise SystemExit(f"python -m train: {error}") from error


def _dispatch(words: list[str]) -> None:
    if words[:1] == ["import-backbone"]:
        import_backbone.main(words[1:])
        return
    args = _parser().parse_args(words)
    if args.list:
        print(list_recipes())
    elif args.command is None:
        _parser().error("give a recipe, evaluate, publish or import-backbone; or --list")
    elif args.command == "evaluate":
        _evaluate(args)
    elif args.command == "publish":
        _publish(args)
    else:
        _train(RECIPES[args.command], args)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m train", description="Makes and measures every weight of the page.")
    parser.add_argument("--list", action="store_true", help="recipes with data set, goal and last recorded result")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND")
    for recipe in RECIPES.values():
        _add_recipe(commands.add_parser(recipe.name, help=f"trains on {recipe.dataset}"), recipe)

    evaluate = commands.add_parser("evaluate", help="measures a weight of the manifest")
    evaluate.add_argument("name", help="name in the manifest")
    evaluate.add_argument("--json", action="store_true", help="print one JSON object instead of lines")

    publish = commands.add_parser("publish", help="measures a run's network and puts it into weights/")
    publish.add_argument("recipe", choices=RECIPES)
    publish.add_argument("--out", type=Path, required=True, help="folder of the run")
    publish.add_argument("--checkpoint", default=BEST, help=f"file in it, default {BEST}")
    publish.add_argument("--name", default="", help="in the manifest; default: the recipe's own")
    publish.add_argument("--weights-dir", type=Path, help="write there instead of weights/")

    for command in (evaluate, publish):
        command.add_argument("--data", type=Path, required=True, help="folder or HDF5 file to measure on")
        command.add_argument("--device", default="auto", help="cpu, cuda or auto")
        command.add_argument("--pictures", type=int, default=10_000, help="n of a measure that draws samples")
    commands.add_parser("import-backbone", help="the pretrained EfficientNet-Lite0 under this project's network")
    return parser


def _add_recipe(parser: argparse.ArgumentParser, recipe: Recipe) -> None:
    parser.description = f"Data: {recipe.dataset}. Goal: {recipe.goal}."
    parser.add_argument("--data", type=Path, help="folder or HDF5 file to train on")
    parser.add_argument("--out", type=Path, help="folder of the run: checkpoints, metrics, previews")
    parser.add_argument("--resume", action="store_true", help="continue the run in --out")
    parser.add_argument("--dry-run", action="store_true", help="two steps of a tiny network on generated data")
    parser.add_argument("--device", default="auto", help="cpu, cuda or auto")
    parser.add_argument(
        "--amp",
        action=argparse.BooleanOptionalAction,
        help="bfloat16 convolutions; by default where the hardware has them",
    )
    add_config_options(parser, recipe.config)


def list_recipes() -> str:
    """One paragraph for each recipe: data set, goal, and the last result of each of its weights."""
    try:
        entries = load_manifest()
    except WeightsError as error:
        entries, trouble = {}, f" ({error})"
    else:
        trouble = ""
    lines = []
    for recipe in RECIPES.values():
        lines += [recipe.name, f"  data  {recipe.dataset}", f"  goal  {recipe.goal}"]
        for name in recipe.weights:
            metric = entries[name].metric if name in entries else None
            result = f"{metric['name']}: {metric['value']} (n = {metric['n']})" if metric else f"not recorded{trouble}"
            lines.append(f"  last  {name}: {result}")
    return "\n".join(lines)


def _training_context(args: argparse.Namespace) -> Context:
    device = pick_device(args.device)
    return Context(data=args.data, device=device, amp=bf16_is_fast(device) if args.amp is None else args.amp)


def _measuring_context(args: argparse.Namespace) -> Context:
    return Context(data=args.data, device=pick_device(args.device), amp=False, pictures=args.pictures)


def _train(recipe: Recipe, args: argparse.Namespace) -> None:
    if args.dry_run:
        _dry_run(recipe, args)
        return
    if args.data is None or args.out is None:
        raise SystemExit(f"{recipe.name}: give --data and --out, or --dry-run")
    config = config_from(args, recipe.config)
    trainer = Trainer(recipe.build(config, _training_context(args)), config, args.out, resume=args.resume)
    if trainer.run():
        print(f"done: {config.steps} steps; publish with: python -m train publish {recipe.name} --out DIR --data DIR")
    else:
        print(f"stopped at step {trainer.step} of {config.steps}; the same command with --resume goes on")


def _dry_run(recipe: Recipe, args: argparse.Namespace) -> None:
    defaults = asdict(recipe.config())
    given = {name: value for name, value in asdict(config_from(args, recipe.config)).items() if value != defaults[name]}
    config = config_of(recipe.dry_run | given | _DRY_RUN, recipe.config)
    context = Context(data=None, device=pick_device(args.device), amp=bool(args.amp))
    with tempfile.TemporaryDirectory() as folder:
        Trainer(recipe.build(config, context), config, Path(folder)).run()
    print(f"{recipe.name}: {config.steps} steps on generated data")


def _recipe_of(name: str) -> Recipe:
    for recipe in RECIPES.values():
        if name in recipe.weights:
            return recipe
    recipe_name = load_manifest()[name].recipe if name in load_manifest() else ""
    if recipe_name not in RECIPES:
        known = ", ".join(weight for recipe in RECIPES.values() for weight in recipe.weights)
        raise SystemExit(f"no recipe measures {name!r}; there are {known}")
    return RECIPES[recipe_name]


def _evaluate(args: argparse.Namespace) -> None:
    result: dict[str, Any] = {"name": args.name, **_recipe_of(args.name).evaluate(args.name, _measuring_context(args))}
    if args.json:
        print(json.dumps(result))
    else:
        for key, value in result.items():
            print(f"{key}: {value}")


def _publish(args: argparse.Namespace) -> None:
    recipe = RECIPES[args.recipe]
    saved: dict[str, Any] = load(args.out / args.checkpoint)["config"]
    config: LoopConfig = config_of(saved, recipe.config)
    options = PublishOptions(checkpoint=args.checkpoint, name=args.name, weights_dir=args.weights_dir)
    print(f"published {recipe.publish(config, args.out, _measuring_context(args), options)}")


if __name__ == "__main__":
    torch.manual_seed(0)
    main()
