"""What every rule makes of the same members, and what each member adds: `python -m train ensemble --compare`.

The table of each member left out is as in the lecture by Pieters (2015). Whoever leaves a member out should go by its
column of the validation pictures: the one of the test pictures is there to see whether that was right.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
from torch import Tensor

from train.classify.combine import (
    FITTED,
    FIXED,
    METHODS,
    Combiner,
    Method,
    choose_weights,
    correlation,
    fit,
    leave_one_out,
    mean_probability,
)
from train.classify.draw_correlation import Matrix, correlation_lines, short_names
from train.classify.measures import measure
from train.classify.members import Answers


@dataclass(frozen=True)
class LeftOut:
    """Rank-1 in per cent: of a member alone, and of the mean prediction of the others; None where one is left."""

    alone: float
    without: float | None


@dataclass(frozen=True)
class SplitView:
    """The members on the pictures of one split.

    Attributes:
        n: pictures. mean: of the members' rank-1, per cent. together: rank-1 of their mean prediction.
        members: by name. correlation: see `combine.correlation`; None for what is not a number.
    """

    n: int
    mean: float
    together: float
    members: dict[str, LeftOut]
    correlation: list[list[float | None]]


@dataclass(frozen=True)
class Rules:
    """The rules that can be applied, all fitted before the test split is opened.

    Attributes:
        combiners: by method. missing: why a method is not among them.
        weights: of the members by name, where they were chosen.
    """

    combiners: dict[Method, Combiner]
    missing: dict[Method, str] = field(default_factory=dict)
    weights: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Comparison:
    """All rules on the test split, and the members on both.

    Attributes:
        methods: rank-1 and rank-5 in per cent by method. missing, weights: see `Rules`.
        test, validation: the members' views; validation is None where not all members held pictures out.
    """

    methods: dict[Method, dict[str, float]]
    missing: dict[Method, str]
    weights: dict[str, float]
    test: SplitView
    validation: SplitView | None

    def as_json(self) -> dict[str, Any]:
        """JSON-ready."""
        return asdict(self)


def rules_for(methods: Sequence[Method], held_out: Answers | None, why_not: str = "") -> Rules:
    """Those of the methods that can be had: the fitted ones learn from validation pictures alone.

    Args:
        held_out: the members' answers to them; None: there are none, and `why_not` says why.
    """
    rules = Rules({method: FIXED[method] for method in methods if method in FIXED})
    for method in (method for method in methods if method in FITTED):
        if held_out is None:
            rules.missing[method] = why_not
            continue
        try:
            rules.combiners[method] = fit(method, held_out.logits, held_out.labels)
        except ValueError as error:
            rules.missing[method] = str(error)
    if "weights" in rules.combiners and held_out is not None:
        chosen = choose_weights(held_out.logits, held_out.labels).tolist()
        rules.weights.update(zip(held_out.names, chosen, strict=True))
    return rules


def compare(rules: Rules, test: Answers, held_out: Answers | None) -> Comparison:
    """Every rule on the test split, and each member alone and left out."""
    methods = {method: accuracy(rule(test.logits), test.labels) for method, rule in rules.combiners.items()}
    validation = None if held_out is None else view_of(held_out)
    return Comparison(methods, rules.missing, rules.weights, view_of(test), validation)


def accuracy(scores: Tensor, labels: Tensor) -> dict[str, float]:
    """Rank-1 and rank-5 in per cent."""
    found = measure(scores, labels)
    return {"rank1": found["rank1"], "rank5": found["rank5"]}


def view_of(answers: Answers) -> SplitView:
    """Each member alone, the others without it, and how alike they are."""
    alone = [measure(member, answers.labels)["rank1"] for member in answers.logits]
    several = len(alone) > 2
    without = [measure(others, answers.labels)["rank1"] for others in leave_one_out(answers.logits)] if several else []
    members = {
        name: LeftOut(alone[index], without[index] if several else None) for index, name in enumerate(answers.names)
    }
    together = measure(mean_probability(answers.logits), answers.labels)["rank1"]
    matrix = correlation(answers.logits, answers.labels).tolist()
    numbers = [[None if math.isnan(value) else value for value in row] for row in matrix]
    return SplitView(len(answers.labels), float(np.mean(alone)), together, members, numbers)


def matrix_of(view: SplitView) -> Matrix:
    """The correlation as an array, with NaN for what is not a number."""
    return np.array([[math.nan if value is None else value for value in row] for row in view.correlation])


def as_lines(comparison: Comparison) -> list[str]:
    """All of it as tables for a terminal."""
    views = {"validation": comparison.validation, "test": comparison.test}
    seen = {name: view for name, view in views.items() if view is not None}
    counts = ", ".join(f"{view.n:,} {name} pictures" for name, view in seen.items())
    shown = next(iter(seen))
    names = short_names(list(comparison.test.members))
    return [
        f"{'rule':12s} {'rank-1':>8s} {'rank-5':>8s}   (%, {comparison.test.n:,} test pictures)",
        *(_method_line(method, comparison) for method in METHODS if method in comparison.methods),
        *(f"{method:12s} {reason}" for method, reason in comparison.missing.items()),
        *_weight_lines(comparison.weights),
        "",
        f"each member alone, and the mean prediction without it (rank-1, %; {counts})",
        *_left_out_lines(seen),
        "",
        f"correlation of the probability of the right class, {seen[shown].n:,} {shown} pictures",
        *correlation_lines(matrix_of(seen[shown]), names),
    ]


def _method_line(method: Method, comparison: Comparison) -> str:
    found = comparison.methods[method]
    return f"{method:12s} {found['rank1']:8.2f} {found['rank5']:8.2f}"


def _weight_lines(weights: Mapping[str, float]) -> list[str]:
    if not weights:
        return []
    chosen = zip(short_names(list(weights)), weights.values(), strict=True)
    return ["weights: " + ", ".join(f"{name} {weight:.3f}" for name, weight in chosen)]


def _left_out_lines(views: Mapping[str, SplitView]) -> list[str]:
    members = list(next(iter(views.values())).members)
    shown = short_names(members)
    width = max(len(name) for name in [*shown, "all"])
    head = " " * width + "".join(f"{f'{name}: alone':>20s} {'without it':>11s}" for name in views)
    rows = [
        f"{short:{width}s}"
        + "".join(_pair(view.members[name].alone, view.members[name].without) for view in views.values())
        for short, name in zip(shown, members, strict=True)
    ]
    last = f"{'all':{width}s}" + "".join(_pair(view.mean, view.together) for view in views.values())
    return [head, *rows, last + "   (mean of the members, their mean prediction)"]


def _pair(alone: float, without: float | None) -> str:
    return f"{alone:20.2f} " + (f"{'-':>11s}" if without is None else f"{without:11.2f}")
