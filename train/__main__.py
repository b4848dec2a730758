"""The command line of training: `python -m train --help`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

import torch

from cvdemo.detect.detector import DETECTORS
from cvdemo.errors import DemoError
from train import commands
from train.classify import compare_balance, ensemble, import_backbone
from train.classify.members import ClassifierMaker
from train.data import show_augment, show_whitening
from train.detect.thresholds import STEPS
from train.engine.checkpoint import BEST
from train.engine.config_options import add_config_options
from train.engine.writing import sentence
from train.publishing import refresh
from train.publishing.recipe import Recipe
from train.recipes import RECIPES
from train.tools import look, search, summary

_COMMANDS: dict[str, Callable[[argparse.Namespace], None]] = {
    "evaluate": commands.evaluate,
    "thresholds": commands.thresholds,
    "publish": commands.publish,
    "lr-find": commands.find_lr,
    "compare": commands.compare,
    "ensemble": commands.run_ensemble,
    "compare-balance": commands.compare_balance,
    "refresh": commands.refresh,
}
_FOR_PEOPLE = (OSError, FloatingPointError, ValueError, DemoError)
_OWN_OPTIONS = {
    "import-backbone": import_backbone.main,
    "show-augment": show_augment.main,
    "show-whitening": show_whitening.main,
    "summary": summary.main,
    "look": look.main,
    "search": search.main,
}


def main(argv: list[str] | None = None) -> None:
    """Dispatches to a recipe or one of the commands.

    Raises:
        SystemExit: data that are not there, a run that is, values that do not go together, a full disk or a folder
            that cannot be written; with one sentence.
    """
    try:
        _dispatch(sys.argv[1:] if argv is None else argv)
    except _FOR_PEOPLE as error:
        text = sentence(error) if isinstance(error, OSError) else str(error)
        raise SystemExit(f"python -m train: {text}") from error
    except KeyboardInterrupt as error:  # a run saves and ends by itself; this came before it, or a second time
        raise SystemExit("python -m train: interrupted") from error


def _dispatch(words: list[str]) -> None:
    if words and words[0] in _OWN_OPTIONS:
        _OWN_OPTIONS[words[0]](words[1:])
        return
    args = _parser().parse_args(words)
    if args.list:
        print(commands.list_recipes())
    elif args.command is None:
        _parser().error(f"give a recipe, {', '.join([*_COMMANDS, *_OWN_OPTIONS])}; or --list")
    else:
        _COMMANDS.get(args.command, commands.train)(args)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m train", description="Makes and measures every weight of the page.")
    parser.add_argument("--list", action="store_true", help="recipes with data set, goal and last recorded result")
    subparsers = parser.add_subparsers(dest="command", metavar="COMMAND")
    for recipe in RECIPES.values():
        _add_recipe(subparsers.add_parser(recipe.name, help=f"trains on {recipe.dataset}"), recipe)
    _add_measuring(subparsers)
    _add_tools(subparsers)
    subparsers.add_parser("import-backbone", help="a pretrained EfficientNet-Lite under this project's network")
    subparsers.add_parser("show-augment", help="a contact sheet of augmented pictures")
    subparsers.add_parser("show-whitening", help="a contact sheet of whitened pictures and their principal components")
    subparsers.add_parser("summary", help="layers of a weight's or recipe's network: shapes, cost, receptive field")
    subparsers.add_parser("look", help="into a classifier: filters, feature maps, what excites a channel")
    subparsers.add_parser("search", help="random search over a recipe's settings, with successive halving")
    return parser


def _add_recipe(parser: argparse.ArgumentParser, recipe: Recipe) -> None:
    where = f" {recipe.where}." if recipe.where else ""
    parser.description = f"Data: {recipe.dataset}.{where} Goal: {recipe.goal}."
    parser.add_argument("--data", type=Path, help="folder or HDF5 file to train on")
    parser.add_argument("--out", type=Path, help="folder of the run: checkpoints, metrics, curves, previews")
    parser.add_argument("--resume", action="store_true", help="continue the run in --out")
    parser.add_argument("--dry-run", action="store_true", help="two steps of a tiny network on generated data")
    _add_training(parser)
    add_config_options(parser, recipe.config)


def _add_training(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--download", action="store_true", help="fetch the data set into --data first, if not there")
    parser.add_argument("--publish", action="store_true", help="at the end measure and put it into weights/")
    parser.add_argument(
        "--amp",
        action=argparse.BooleanOptionalAction,
        help="16-bit convolutions; by default where the hardware has them",
    )
    _add_place(parser)


def _add_measuring(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    evaluate = subparsers.add_parser("evaluate", help="measures a weight of the manifest")
    evaluate.add_argument("name", help="in the manifest; or a detector as on the page")
    words = "pictures of another set; objects has coco128; default: the recipe's own test split"
    evaluate.add_argument("--split", default=commands.TEST, metavar="NAME", help=words)
    evaluate.add_argument("--json", action="store_true", help="print one JSON object instead of lines")
    evaluate.add_argument("--curve", type=Path, help="PNG of precision over recall to write, of a detector")

    chosen = subparsers.add_parser("thresholds", help="what each score threshold of a detector gives on validation")
    counting = [name for name, kind in DETECTORS.items() if kind.weight and kind.counts]
    chosen.add_argument("detector", choices=counting, help="as on the page")
    chosen.add_argument("--data", type=Path, required=True, help="folder of its recipe")
    chosen.add_argument("--step", type=float, choices=STEPS, default=0.05, help="between two thresholds, default 0.05")
    words = "overlap that boxes of different classes may have; 1 switches that suppression off; default as on the page"
    chosen.add_argument("--agnostic-nms-iou", type=float, metavar="IOU", help=words)

    publish = subparsers.add_parser("publish", help="measures a run's network and puts it into weights/")
    publish.add_argument("recipe", choices=RECIPES)
    publish.add_argument("--out", type=Path, required=True, help="folder of the run")
    publish.add_argument("--checkpoint", default=BEST, help=f"file in it, default {BEST}")
    publish.add_argument("--name", default="", help="in the manifest; default: the recipe's own")
    publish.add_argument("--weights-dir", type=Path, help="write there instead of weights/")
    publish.add_argument("--baseline", action="store_true", help="to compare with: the page does not offer it")

    joint = subparsers.add_parser("ensemble", help="several classifiers as one; prints members, mean and ensemble")
    ensembles = joint.add_subparsers(dest="recipe", metavar="RECIPE", required=True)
    for recipe in RECIPES.values():
        if isinstance(recipe, ClassifierMaker):
            of_recipe = ensembles.add_parser(recipe.name, help="its data and test split; takes its options for --train")
            ensemble.add_options(of_recipe, recipe)
            _add_measured(of_recipe)

    remake = subparsers.add_parser("refresh", help="makes a trained weight of the manifest again, by every run it took")
    refresh.add_options(remake)
    _add_training(remake)

    for command in (evaluate, publish):
        _add_measured(command)


def _add_measured(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--data", type=Path, required=True, help="folder or HDF5 file to measure on")
    _add_place(parser)


def _add_place(parser: argparse.ArgumentParser) -> None:
    _add_resize(parser)
    parser.add_argument("--device", default="auto", help="cpu, cuda or auto")
    parser.add_argument(
        "--pictures", type=int, default=10_000, help="n of FD-Lite0, which draws samples; others ignore it"
    )


def _add_resize(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--resize",
        action="store_true",
        help="bring pictures of other sizes to the recipe's: their central squares; others need none",
    )


def _add_tools(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    finder = subparsers.add_parser("lr-find", help="sweeps the learning rate of a recipe")
    recipes = finder.add_subparsers(dest="recipe", metavar="RECIPE", required=True)
    for recipe in RECIPES.values():
        sweep = recipes.add_parser(recipe.name, help="takes the recipe's own options too")
        sweep.add_argument("--data", type=Path, required=True, help="folder or HDF5 file to train on")
        sweep.add_argument("--out", type=Path, default=Path("lr_find.png"), help="PNG of the curve")
        sweep.add_argument("--sweep-steps", type=int, default=100, help="steps of the sweep")
        sweep.add_argument("--sweep-low", type=float, default=1e-3, help="first factor, times the recipe's rates")
        sweep.add_argument("--sweep-high", type=float, default=1e3, help="last factor, times the recipe's rates")
        sweep.add_argument("--device", default="auto", help="cpu, cuda or auto")
        _add_resize(sweep)
        add_config_options(sweep, recipe.config)

    balance = subparsers.add_parser("compare-balance", help="rare classes: left alone, weighed, balanced by SMOTE")
    compare_balance.add_options(balance, RECIPES)

    compare = subparsers.add_parser("compare", help="several runs side by side")
    compare.add_argument("runs", nargs="+", type=Path, help="folders of runs")
    compare.add_argument("--markdown", action="store_true", help="a row for each run, with its values at equal steps")
    compare.add_argument("--metric", default="", help="also draw this value by step, e.g. rank1")
    compare.add_argument("--out", type=Path, default=Path("compare.png"), help="PNG of the drawing")


def run() -> None:
    """The program: what draws from the global generator draws the same every time."""
    torch.manual_seed(0)
    main()


if __name__ == "__main__":
    run()
