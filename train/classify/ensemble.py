"""Several classifiers of one data set that answer together: `python -m train ensemble`.

Networks that err differently are right together more often than most of them are alone (L. Hansen and P. Salamon,
"Neural Network Ensembles", IEEE TPAMI 1990). Members are weights of the manifest or folders of runs; `--train N` makes
the runs first, which differ by their seed alone. `train.classify.combine` has the rules that make one answer of theirs.

What is learnt or chosen, weights of members and regressions on their logits, comes from validation pictures, which no
member was trained on. The test split is opened after that, once.
"""

from __future__ import annotations

import argparse
import io
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from cvdemo.weights import WEIGHTS_DIR, load_manifest
from train.classify.combine import FITTED, METHODS, Method
from train.classify.compare_members import Comparison, Rules, accuracy, as_lines, compare, matrix_of, rules_for
from train.classify.draw_correlation import draw_correlation, short_names
from train.classify.measures import measure
from train.classify.members import (
    Answers,
    Members,
    answers_on_test,
    answers_on_validation,
    load_members,
    train_members,
)
from train.classify.members import ClassifierMaker as ClassifierMaker
from train.classify.members import measured_members as measured_members
from train.engine.config_options import add_config_options, config_from
from train.engine.writing import write_whole
from train.publishing.publish import publish_ensemble
from train.publishing.recipe import Context, Recipe

FIGURES = "ensemble.json"  # in the folder of --train: what --json prints


@dataclass(frozen=True)
class EnsembleScores:
    """Rank-1 accuracies in per cent on one test split.

    Attributes:
        members: of each network by name. mean: of these. ensemble: of their joint answer.
        ensemble_rank5: likewise. n: pictures. split: what they are, in words. method: how the answers were joined.
    """

    members: dict[str, float]
    mean: float
    ensemble: float
    ensemble_rank5: float
    n: int
    split: str = ""
    method: Method = "mean"


def score(answers: Answers, rules: Rules, method: Method = "mean") -> EnsembleScores:
    """Each member's rank-1, their mean, and the ensemble's."""
    members = {
        name: measure(logits, answers.labels)["rank1"]
        for name, logits in zip(answers.names, answers.logits, strict=True)
    }
    joint = accuracy(rules.combiners[method](answers.logits), answers.labels)
    mean = sum(members.values()) / len(members)
    return EnsembleScores(members, mean, joint["rank1"], joint["rank5"], len(answers.labels), answers.split, method)


def add_options(parser: argparse.ArgumentParser, recipe: Recipe) -> None:
    """The options of `python -m train ensemble RECIPE`, but for those every command has; settings are for --train."""
    parser.add_argument("members", nargs="*", help="weights of the manifest, or folders of runs")
    parser.add_argument("--method", choices=METHODS, default="mean", help="how the answers are joined; default mean")
    parser.add_argument(
        "--compare", action="store_true", help="show every method, the members' correlation, and each one left out"
    )
    parser.add_argument("--correlation", type=Path, metavar="PNG", help="draw the correlation; with --compare")
    parser.add_argument(
        "--train", type=int, default=0, metavar="N", help="train N members first, with seeds from --seed on"
    )
    parser.add_argument("--out", type=Path, help=f"folder for the runs of --train, and for {FIGURES}")
    parser.add_argument("--publish", default="", metavar="NAME", help="enter the ensemble into the manifest")
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of lines")
    add_config_options(parser, recipe.config)


def run(args: argparse.Namespace, recipes: dict[str, Recipe], training: Context, measuring: Context) -> str:
    """Trains what is asked for, fits, measures, publishes if asked; returns what to print.

    Raises:
        ValueError: fewer than two members, nothing to train into, or a method that cannot be had.
    """
    recipe = _checked_recipe(args, recipes)
    members = _members_of(args, recipe, training)
    found = load_members(members, recipe, measuring)
    methods = METHODS if args.compare else (args.method,)
    held_out, why_not = _held_out(found, methods, measuring)
    rules = rules_for(methods, held_out, why_not)
    if args.method in rules.missing:
        raise ValueError(f"--method {args.method} cannot be had: {rules.missing[args.method]}")
    test = answers_on_test(found, measuring, held_out.class_names if held_out else ())
    scores = score(test, rules, args.method)
    comparison = compare(rules, test, held_out) if args.compare else None
    if args.correlation:
        _write_correlation(comparison, args.correlation)
    if args.publish:
        publish_scores(args.publish, members, scores, recipe, WEIGHTS_DIR)
    figures = _as_json(scores, comparison)
    if args.train:
        write_whole(args.out / FIGURES, figures.encode())
    return figures if args.json else _as_text(scores, comparison)


def _checked_recipe(args: argparse.Namespace, recipes: dict[str, Recipe]) -> Recipe:
    if args.recipe not in recipes:
        raise ValueError(f"no recipe {args.recipe!r}; there are {', '.join(recipes)}")
    if args.train and args.publish:
        raise ValueError("only weights of the manifest can be published together: train, publish, then ensemble")
    if args.publish and args.method != "mean":
        raise ValueError(f"the page averages: an ensemble by {args.method} cannot be published, one by mean can")
    if args.correlation and not args.compare:
        raise ValueError("--correlation draws a part of --compare: give both")
    return recipes[args.recipe]


def _members_of(args: argparse.Namespace, recipe: Recipe, training: Context) -> list[str]:
    """The names given, and the folders of the runs that are trained first."""
    members, config = list(args.members), config_from(args, recipe.config)
    if args.train:
        if args.out is None:
            raise ValueError("--train needs --out, the folder for the runs")
        members += [str(folder) for folder in train_members(recipe, config, args.train, args.out, training)]
    elif config != recipe.config():
        raise ValueError("settings are those of the runs of --train, and none is trained")
    if len(members) < 2:
        raise ValueError(f"an ensemble needs two members or more, got {members}")
    if len(set(members)) < len(members):
        raise ValueError(f"an ensemble takes each member once, got {members}")
    return members


def _held_out(members: Members, methods: Sequence[Method], context: Context) -> tuple[Answers | None, str]:
    """The answers to the validation pictures, where a method learns from them; else None, and why."""
    if not set(methods) & set(FITTED):
        return None, "nothing is learnt"
    try:
        return answers_on_validation(members, context), ""
    except ValueError as error:
        return None, str(error)


def _write_correlation(comparison: Comparison | None, target: Path) -> None:
    assert comparison is not None
    view, stream = comparison.validation or comparison.test, io.BytesIO()
    draw_correlation(matrix_of(view), short_names(list(view.members))).save(stream, "PNG")
    write_whole(target, stream.getvalue())


def publish_scores(name: str, members: list[str], scores: EnsembleScores, recipe: Recipe, weights_dir: Path) -> None:
    """Enters an ensemble of published weights into the manifest.

    Raises:
        ValueError: a member is not in the manifest.
    """
    missing = [member for member in members if member not in load_manifest(weights_dir)]
    if missing:
        raise ValueError(f"only weights of the manifest can be published together; publish {missing} first")
    metric = {
        "name": "accuracy, %",
        "value": {
            "rank1": round(scores.ensemble, 2),
            "rank5": round(scores.ensemble_rank5, 2),
            "mean_of_members_rank1": round(scores.mean, 2),
        },
        "protocol": "mean probability of the members, one view a picture, float32",
        "split": scores.split or f"{scores.n:,} test pictures",
        "n": scores.n,
        "command": f"python -m train ensemble {recipe.name} {' '.join(members)} --data DIR --json",
    }
    publish_ensemble(name, members, metric, weights_dir)


def _as_json(scores: EnsembleScores, comparison: Comparison | None) -> str:
    return json.dumps(asdict(scores) | ({"comparison": comparison.as_json()} if comparison else {}))


def _as_text(scores: EnsembleScores, comparison: Comparison | None) -> str:
    lines = [f"{name:32s} {rank1:6.2f} %" for name, rank1 in scores.members.items()]
    joint = "ensemble" if scores.method == "mean" else f"ensemble by {scores.method}"
    lines += [f"{'mean':32s} {scores.mean:6.2f} %", f"{joint:32s} {scores.ensemble:6.2f} %  (n = {scores.n})"]
    return "\n".join([*lines, *(["", *as_lines(comparison)] if comparison else [])])
