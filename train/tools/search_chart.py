"""What a search has found: the trials in order of what they reached, and a chart."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from train.engine.curves import Curve, Panel, draw
from train.tools.search_ranges import Range

FINISHED, STOPPED, DIVERGED = "finished", "stopped early", "diverged"


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """One trial that has ended.

    Attributes:
        settings: those that were searched.
        end: `FINISHED`, `STOPPED` or `DIVERGED`.
        value: the best of its measures; None where there was none.
        evaluations: how many measures it took.
    """

    number: int
    settings: dict[str, Any]
    end: str
    value: float | None
    evaluations: int

    @property
    def words(self) -> str:
        """The settings for people."""
        return ", ".join(f"{name} {_short(value)}" for name, value in self.settings.items())


def _short(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def in_order(outcomes: Sequence[Outcome], *, higher_is_better: bool) -> list[Outcome]:
    """Those that finished first, then those that were stopped, then those that diverged; the best of each first."""
    places = {FINISHED: 0, STOPPED: 1, DIVERGED: 2}
    sign = -1 if higher_is_better else 1

    def key(outcome: Outcome) -> tuple[float, ...]:
        return places[outcome.end], outcome.value is None, sign * (outcome.value or 0.0), outcome.number

    return sorted(outcomes, key=key)


def as_text(outcomes: Sequence[Outcome], metric: str) -> str:
    """The trials as lines, in the order given."""
    lines = [f"{'trial':>5}  {metric:>10}  {'measures':>8}  {'end':<13}  settings"]
    for outcome in outcomes:
        value = "-" if outcome.value is None else f"{outcome.value:.4g}"
        lines.append(f"{outcome.number:>5}  {value:>10}  {outcome.evaluations:>8}  {outcome.end:<13}  {outcome.words}")
    return "\n".join(lines)


def plot_search(
    outcomes: Sequence[Outcome], ranges: Sequence[Range], metric: str, path: Path, *, higher_is_better: bool
) -> bool:
    """Writes what each trial reached, by its number and by each searched setting; False: there is nothing to draw."""
    held = [outcome for outcome in outcomes if outcome.value is not None]
    if not held:
        return False
    panels = [_by_number(held, metric, higher_is_better=higher_is_better)]
    panels += [_by_setting(held, each, metric) for each in ranges]
    draw(panels, path, heading=f"{metric} of {len(held)} trials")
    return True


def _by_number(held: Sequence[Outcome], metric: str, *, higher_is_better: bool) -> Panel:
    best = list[float]()
    finished = [outcome for outcome in held if outcome.end == FINISHED]
    choose = max if higher_is_better else min
    for outcome in finished:
        best.append(choose([*best[-1:], _value(outcome)]))
    line = [Curve(name="best so far", x=[outcome.number for outcome in finished], y=best)] if finished else []
    points = _points(held, lambda outcome: float(outcome.number))
    return Panel(title=f"{metric} by trial", x_label="trial", curves=[*points, *line])


def _by_setting(held: Sequence[Outcome], each: Range, metric: str) -> Panel:
    label = each.name
    if each.choices:
        label += ": " + ", ".join(f"{index} {choice}" for index, choice in enumerate(each.choices))

    def place(outcome: Outcome) -> float:
        value = outcome.settings[each.name]
        return float(each.choices.index(value)) if each.choices else float(value)

    return Panel(title=f"{metric} by {each.name}", x_label=label, log_x=each.log, curves=_points(held, place))


def _points(held: Sequence[Outcome], place: Any) -> list[Curve]:
    """The trials as points, those of each end in a colour of their own."""
    found = []
    for end in (FINISHED, STOPPED, DIVERGED):
        group = [outcome for outcome in held if outcome.end == end]
        if group:
            values = [_value(outcome) for outcome in group]
            found.append(Curve(name=end, x=[place(outcome) for outcome in group], y=values, style="points"))
    return found


def _value(outcome: Outcome) -> float:
    assert outcome.value is not None
    return outcome.value
