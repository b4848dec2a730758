"""Several runs side by side: what differs in their configurations, their best values, steps and seconds."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from train.engine.curves import COLOURS, Curve, Panel, draw
from train.engine.monitor import METRICS_FILE, RUN_FILE, Record, is_evaluation, read_records
from train.engine.progress import duration

_NOT_MEASURED = {"step", "epoch", "seconds", "gap", "gap_widens"}  # of an evaluation's record


@dataclass(frozen=True, kw_only=True)
class Run:
    """The records of one run.

    Attributes:
        name: of its folder.
        config: its hyper-parameters.
        hardware: what it ran on.
        metric, higher_is_better: what it is judged by.
        records: lines of its `metrics.jsonl`.
    """

    name: str
    config: dict[str, Any]
    hardware: str
    metric: str
    higher_is_better: bool
    records: list[Record]

    @property
    def evaluations(self) -> list[Record]:
        """The records that hold the metric."""
        return [record for record in self.records if is_evaluation(record) and self.metric in record]

    @property
    def best(self) -> Record | None:
        """The best evaluation, the first of equals; None before the first."""
        sign = 1 if self.higher_is_better else -1
        finite = [record for record in self.evaluations if math.isfinite(record[self.metric])]
        return max(finite, key=lambda record: sign * float(record[self.metric]), default=None)


def read_run(folder: Path) -> Run:
    """What a run left in its folder.

    Raises:
        FileNotFoundError: there is no run in it.
    """
    if not (folder / RUN_FILE).exists():
        raise FileNotFoundError(f"{folder} holds no run: there is no {RUN_FILE}")
    about = json.loads((folder / RUN_FILE).read_text())
    return Run(
        name=folder.resolve().name,
        config=about["config"],
        hardware=about["hardware"],
        metric=about["metric"],
        higher_is_better=about["higher_is_better"],
        records=read_records(folder / METRICS_FILE),
    )


def compare_runs(folders: Sequence[Path]) -> str:
    """A table for the terminal, one column for each run: first results, then the settings in which they differ.

    Raises:
        FileNotFoundError: a folder holds no run.
    """
    runs = [read_run(folder) for folder in folders]
    rows = [["", *_names(runs, folders)]]
    for title, values in _results(runs).items():
        rows.append([title, *values])
    rows.append(["hardware", *(run.hardware for run in runs)])
    differing = config_differences([run.config for run in runs])
    if differing:
        rows.append([])
        rows += [[key, *(_plain(value) for value in values)] for key, values in differing.items()]
    elif len(runs) > 1:
        rows += [[], ["all settings are the same"]]
    return _aligned(rows)


def markdown_table(folders: Sequence[Path]) -> str:
    """A Markdown table for a log, one row for each run: how it differs from the first, and its values at equal steps.

    The values are those of the last step at which every run was measured; in brackets the share of the first run's.

    Raises:
        FileNotFoundError: a folder holds no run.
        ValueError: they are judged by different metrics, or there is no step at which all were measured.
    """
    runs = [read_run(folder) for folder in folders]
    if len(metrics := {run.metric for run in runs}) > 1:
        raise ValueError(f"these runs are judged by different metrics: {', '.join(sorted(metrics))}")
    shared = set.intersection(*({int(record["step"]) for record in run.evaluations} for run in runs))
    if not shared:
        raise ValueError("there is no step at which all these runs were measured")
    step = max(shared)
    records = [next(record for record in run.evaluations if record["step"] == step) for run in runs]
    keys = [key for key in records[0] if key not in _NOT_MEASURED and all(key in record for record in records)]
    lines = [f"| run | differs from the first in | {' | '.join(keys)} |", "|---|---|" + "---:|" * len(keys)]
    for name, run, record in zip(_names(runs, folders), runs, records, strict=True):
        changed = config_differences([runs[0].config, run.config])
        settings = ", ".join(f"{key} {_plain(given)}" for key, (_, given) in changed.items()) or "-"
        cells = [f"{record[key]:.4g}" for key in keys]
        if first := records[0][run.metric]:
            cells[keys.index(run.metric)] += f" ({record[run.metric] / first:.0%})"
        lines.append(f"| {name} | {settings} | {' | '.join(cells)} |")
    pictures = {step * run.config["batch_size"] for run in runs}
    seen = f"{min(pictures):,}" if len(pictures) == 1 else f"{min(pictures):,} to {max(pictures):,}"
    return "\n".join([*lines, "", f"After {step:,} steps, {seen} pictures."])


def config_differences(configs: Sequence[dict[str, Any]]) -> dict[str, list[Any]]:
    """The settings that are not the same in all configurations, with the value in each, or None."""
    keys = dict.fromkeys(key for config in configs for key in config)
    values = {key: [config.get(key) for config in configs] for key in keys}
    return {key: given for key, given in values.items() if any(value != given[0] for value in given)}


def plot_comparison(folders: Sequence[Path], metric: str, path: Path) -> None:
    """Writes a PNG of one metric over the steps and over the minutes, a curve for each run.

    Args:
        folders: of at most eight runs.
        metric: key of the evaluations, or of the training lines with `train_` before it; empty for the first run's own.

    Raises:
        FileNotFoundError: a folder holds no run.
        ValueError: no run has recorded the metric, or there are more runs than colours.
    """
    if len(folders) > len(COLOURS):
        raise ValueError(f"at most {len(COLOURS)} runs can be told apart, got {len(folders)}")
    runs = [read_run(folder) for folder in folders]
    metric = metric or runs[0].metric
    panels = []
    for label, key, unit in (("step", "step", 1.0), ("minutes", "seconds", 60.0)):
        lines = []
        for name, run in zip(_names(runs, folders), runs, strict=True):
            held = [record for record in run.records if metric in record]
            x, y = [record[key] / unit for record in held], [record[metric] for record in held]
            lines.append(Curve(name=name, x=x, y=y, style="noisy" if metric.startswith("train_") else "dots"))
        if not any(line.x for line in lines):
            known = sorted({name for run in runs for record in run.records for name in record})
            raise ValueError(f"no run has recorded {metric!r}; there are {', '.join(known)}")
        log = None if "loss" in metric or (metric == runs[0].metric and not runs[0].higher_is_better) else False
        panels.append(Panel(title=metric, x_label=label, curves=lines, log_y=log))
    draw(panels, path)


def _names(runs: Sequence[Run], folders: Sequence[Path]) -> list[str]:
    """The folders' own names, or their whole paths where two are called the same."""
    names = [run.name for run in runs]
    return names if len(set(names)) == len(names) else [str(folder) for folder in folders]


def _results(runs: Sequence[Run]) -> dict[str, list[str]]:
    """Best values, and how far and how fast each run went, by title."""
    results: dict[str, list[str]] = {}
    for metric in dict.fromkeys(run.metric for run in runs):
        bests = [run.best if run.metric == metric else None for run in runs]
        results[f"best {metric}"] = [f"{best[metric]:.4g}" if best else "-" for best in bests]
    results["at step"] = [str(run.best["step"]) if run.best else "-" for run in runs]
    results["steps taken"] = [f"{_last(run, 'step'):.0f} of {run.config['steps']}" for run in runs]
    results["time"] = [duration(_last(run, "seconds")) for run in runs]
    results["pictures/s"] = [_rate(run) for run in runs]
    return results


def _last(run: Run, key: str) -> float:
    return float(run.records[-1][key]) if run.records else 0.0


def _rate(run: Run) -> str:
    """Training pictures a second over the whole run, evaluations included."""
    seconds = _last(run, "seconds")
    return f"{_last(run, 'step') * run.config['batch_size'] / seconds:.4g}" if seconds else "-"


def _plain(value: Any) -> str:
    return " ".join(map(str, value)) if isinstance(value, list) else str(value)


def _aligned(rows: Sequence[Sequence[str]]) -> str:
    """The rows as text with columns of equal width; an empty row is an empty line."""
    widths: dict[int, int] = {}
    for row in rows:
        if len(row) > 1:
            for column, cell in enumerate(row):
                widths[column] = max(widths.get(column, 0), len(cell))
    lines = ["  ".join(cell.ljust(widths.get(column, 0)) for column, cell in enumerate(row)).rstrip() for row in rows]
    return "\n".join(lines)
