"""What a run leaves behind to be watched: its records as JSONL and CSV, a PNG of the curves, TensorBoard if installed.

`metrics.jsonl` is the record; table and curves are made from it at every evaluation, so that a resumed run continues
all three. A line has `step`, `seconds` and either the logs of one training step, their names prefixed with `train_`, or
the values of one evaluation. A row of `metrics.csv` is an evaluation with the mean of the training lines since the one
before.

Curves and the last words of a run say when training diverged and when the gap to validation widened
(`train.engine.turning_points`).
"""

from __future__ import annotations

import csv
import io
import json
import math
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import fmean
from tempfile import TemporaryDirectory
from typing import Any

from train.engine.curves import Curve, Panel, Style, draw
from train.engine.progress import Progress
from train.engine.turning_points import DIVERGED, TRAIN, WIDENS, TurningPoint, how_it_went, turning_points
from train.engine.writing import named, write_whole

METRICS_FILE = "metrics.jsonl"
TABLE_FILE = "metrics.csv"
CURVES_FILE = "curves.png"
RUN_FILE = "run.json"

_PATIENCE = 3  # evaluations without a better one
_WORSE = 0.01  # fraction of the best value
_NOT_DRAWN = {"step", "epoch", "seconds", "gap", WIDENS, DIVERGED}

Record = dict[str, Any]


class Monitor:
    """Writes the records of one run and shows its progress.

    Args:
        out: folder of the run.
        steps: the whole length of the run.
        start: the step it continues from; records of later steps are forgotten, because they come again.
        metric, higher_is_better: what the run is judged by.
        gap: training and validation key whose difference is watched, as in the CSV's header.
        gap_after: steps that are left out of it.
        batches: steps of an epoch; 0 for a run that is not counted in epochs.
    """

    def __init__(
        self,
        out: Path,
        *,
        steps: int,
        start: int = 0,
        metric: str = "",
        higher_is_better: bool = True,
        gap: tuple[str, str] = ("train_loss", "loss"),
        gap_after: int = 0,
        batches: int = 0,
    ) -> None:
        self.out, self.metric, self.higher_is_better = out, metric, higher_is_better
        self.gap, self.gap_after, self.batches = gap, gap_after, batches
        self.records = [record for record in read_records(out / METRICS_FILE) if record["step"] <= start]
        _write_whole(out / METRICS_FILE, "".join(json.dumps(record) + "\n" for record in self.records))
        self.warned = any(record.get("gap_widens") for record in self.records)
        self.progress = Progress(steps, start=start)
        self.board = _tensorboard(out, start)
        self.summarised = 0  # records that table and curves show
        self.epochs_shown = start // batches if batches else 0

    def describe(self, about: Mapping[str, Any]) -> None:
        """Writes what the run is, its configuration and hardware, to `run.json`."""
        about = {**about, "metric": self.metric, "higher_is_better": self.higher_is_better, "gap": list(self.gap)}
        _write_whole(self.out / RUN_FILE, json.dumps(about, indent=1) + "\n")

    def training(self, step: int, seconds: float, values: Mapping[str, float], *, lr: float | None = None) -> None:
        """Records the logs of one training step and moves the progress bar."""
        record = self._stamp(step, seconds) | {TRAIN + name.removeprefix(TRAIN): v for name, v in values.items()}
        self._append(record if lr is None else record | {"lr": lr})
        self.progress.update(step, _as_words(values))
        if self.batches and step // self.batches > self.epochs_shown and not any(map(is_evaluation, self.records)):
            self.epochs_shown = step // self.batches
            self.write_summaries()  # a run that measures nothing is summarised after each epoch all the same

    def evaluation(self, step: int, seconds: float, values: Mapping[str, float], *, best: bool = False) -> None:
        """Records one evaluation, prints it, and rewrites table and curves."""
        record: Record = self._stamp(step, seconds) | dict(values)
        record |= self._gap([*self.records, record])
        self._append(record)
        self.progress.say(f"step {step}: {_as_words(values)}{'  (best so far)' if best else ''}")
        widens = record.get("gap_widens", False)
        if widens and not self.warned:
            training, validation = self.gap
            self.progress.say(
                f"warning: {validation} has been worse than its best for {_PATIENCE} evaluations in a row while "
                f"{training} improved: the network is learning the training pictures by heart"
            )
        self.warned = widens
        self.write_summaries()

    def diverged(self, step: int, seconds: float) -> None:
        """Records that a loss was no number, says so, and marks it in the curves; the run ends here."""
        self._append(self._stamp(step, seconds) | {DIVERGED: True})
        self.close()

    def write_summaries(self) -> None:
        """Rewrites table and curves, where there is something new to show."""
        if self.summarised == len(self.records):
            return
        self.summarised = len(self.records)
        rows = table(self.records)
        if rows:
            _write_whole(self.out / TABLE_FILE, as_csv(rows))
        panels = curves(self.records, self.metric, self.higher_is_better, self.turning_points)
        if panels:
            words = _how_it_went(self.records, self.gap, self.metric, self.higher_is_better)
            draw(panels, self.out / CURVES_FILE, description=words)
        if self.board is not None:
            self.board.flush()

    @property
    def turning_points(self) -> list[TurningPoint]:
        """When the run turned for the worse, as far as it did."""
        return _turning_points(self.records, self.gap, self.metric, self.higher_is_better)

    def close(self) -> None:
        """Says when the run turned for the worse, ends the progress bar's line, brings the curves up to date."""
        for point in self.turning_points:
            self.progress.say(point.sentence)
        self.progress.close()
        self.write_summaries()
        if self.board is not None:
            self.board.close()

    def _stamp(self, step: int, seconds: float) -> Record:
        epoch = {"epoch": round(step / self.batches, 2)} if self.batches else {}
        return {"step": step, **epoch, "seconds": round(seconds, 1)}

    def _append(self, record: Record) -> None:
        self.records.append(record)
        try:
            with (self.out / METRICS_FILE).open("a") as file:
                file.write(json.dumps(record) + "\n")
        except OSError as error:
            raise named(error, self.out / METRICS_FILE) from error
        if self.board is not None:
            for name, value in record.items():
                if name not in ("step", "epoch", WIDENS, DIVERGED):
                    prefix = (
                        "train/" if name.startswith(TRAIN) else "run/" if name in ("seconds", "lr") else "validation/"
                    )
                    self.board.add_scalar(prefix + name.removeprefix(TRAIN), value, record["step"])

    def _gap(self, records: Sequence[Record]) -> Record:
        """The last evaluation's `gap` (validation minus training) and whether it widens; nothing without both keys."""
        training, validation = self.gap
        watched = [record for record in records if record["step"] > self.gap_after]
        rows = [row for row in table(watched) if training in row and validation in row]
        if not rows or rows[-1]["step"] != records[-1]["step"] or validation not in records[-1]:
            return {}
        higher = self.higher_is_better if validation == self.metric else False
        widens = gap_widens([row[training] for row in rows], [row[validation] for row in rows], higher_is_better=higher)
        return {"gap": rows[-1][validation] - rows[-1][training], WIDENS: widens}


def _turning_points(
    records: Sequence[Record], gap: tuple[str, str], metric: str, higher_is_better: bool
) -> list[TurningPoint]:
    return turning_points(records, gap, higher_is_better=higher_is_better and gap[1] == metric)


def _how_it_went(records: Sequence[Record], gap: tuple[str, str], metric: str, higher_is_better: bool) -> str:
    return how_it_went(records, gap, higher_is_better=higher_is_better and gap[1] == metric)


def gap_widens(training: Sequence[float], validation: Sequence[float], *, higher_is_better: bool = False) -> bool:
    """Whether a run has begun to learn its training data by heart.

    True when none of the last three evaluations reached the best validation value, their mean is worse than it by over
    1 % of it, and the mean of the training values beside them is better than the one beside that best.

    Args:
        training, validation: one value of each for every evaluation, oldest first.
    """
    sign = 1 if higher_is_better else -1
    scores = [sign * value for value in validation]
    best = max(range(len(scores)), key=lambda i: (scores[i], i), default=0)
    if len(scores) - 1 - best < _PATIENCE:
        return False
    worse = scores[best] - fmean(scores[-_PATIENCE:]) > _WORSE * abs(scores[best])
    return worse and sign * (fmean(training[-_PATIENCE:]) - training[best]) > 0


def read_records(path: Path) -> list[Record]:
    """The lines of a `metrics.jsonl`, oldest first; a last line that a kill cut short is left out."""
    records: list[Record] = []
    lines = path.read_text().splitlines() if path.exists() else []
    for number, line in enumerate(lines, 1):
        try:
            records.append(json.loads(line))
        except json.JSONDecodeError:
            if number < len(lines):
                raise
    return records


def is_evaluation(record: Record) -> bool:
    """Whether a record holds an evaluation, and not the logs of a training step."""
    return not any(name.startswith(TRAIN) for name in record)


def table(records: Sequence[Record]) -> list[Record]:
    """One row for each evaluation, with the mean of the training lines since the one before.

    Without any evaluation: one for each epoch.
    """
    if not any(map(is_evaluation, records)):
        return _by_epoch(records)
    rows: list[Record] = []
    since: list[Record] = []
    for record in records:
        if not is_evaluation(record):
            since.append(record)
            continue
        rows.append(record | _means(since))
        since = []
    return rows


def _by_epoch(records: Sequence[Record]) -> list[Record]:
    epochs: dict[int, list[Record]] = {}
    for record in records:
        if "epoch" in record:
            epochs.setdefault(math.ceil(record["epoch"]), []).append(record)
    return [{key: lines[-1][key] for key in ("step", "epoch", "seconds")} | _means(lines) for lines in epochs.values()]


def _means(lines: Sequence[Record]) -> Record:
    names = dict.fromkeys(name for line in lines for name in line if name not in _NOT_DRAWN)
    return {name: fmean(line[name] for line in lines if name in line) for name in names}


def as_csv(rows: Sequence[Record]) -> str:
    """The rows as CSV under a header of all their keys; empty where a row lacks one."""
    names = list(dict.fromkeys(name for row in rows for name in row))
    text = io.StringIO()
    writer = csv.DictWriter(text, names, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def curves_of(run: Path, metric: str = "", higher_is_better: bool = True) -> bytes:
    """The curves of a run's folder as a PNG; its description says how training went.

    Args:
        metric, higher_is_better: what the run is judged by; "": as the folder tells.

    Raises:
        FileNotFoundError: the folder holds no records.
    """
    records = read_records(run / METRICS_FILE)
    if not records:
        raise FileNotFoundError(f"{run} holds no records of a run: {METRICS_FILE} is not there, or empty")
    about = json.loads((run / RUN_FILE).read_text()) if (run / RUN_FILE).exists() else {}
    if not metric:
        metric, higher_is_better = about.get("metric", ""), about.get("higher_is_better", True)
    training, validation = about.get("gap", ("", ""))  # those of earlier versions hold none
    points = _turning_points(records, (training, validation), metric, higher_is_better)
    with TemporaryDirectory() as folder:
        target = Path(folder) / "curves.png"
        words = _how_it_went(records, (training, validation), metric, higher_is_better)
        draw(curves(records, metric, higher_is_better, points), target, description=words)
        return target.read_bytes()


def curves(
    records: Sequence[Record], metric: str, higher_is_better: bool, points: Sequence[TurningPoint] = ()
) -> list[Panel]:
    """One panel for each group of quantities that share a word: losses, ranks, logits, PSNRs; with turning points.

    Losses, and a metric that should fall, get a logarithmic axis where they span a factor of eight.
    """
    names = dict.fromkeys(name for record in records for name in record if name not in _NOT_DRAWN)
    groups: dict[str, list[str]] = {}
    for name in sorted(names, key=lambda name: name == "lr"):
        words = re.findall(r"[a-z]+", name.removeprefix(TRAIN))
        title = next((word for word in words if word in groups), None)
        groups.setdefault(title or _title(words, names), []).append(name)
    panels = []
    for title, members in groups.items():
        lines = [_curve(records, name) for name in members]
        falls = title == "loss" or (metric in members and not higher_is_better)
        marks = _best_mark(records, metric, higher_is_better) if metric in members else {}
        for point in points:
            if point.quantity in members:
                there = marks.get(float(point.step))
                marks[float(point.step)] = f"{there}, {point.mark}" if there else point.mark
        panels.append(Panel(title=title, curves=lines, log_y=None if falls else False, marks=marks))
    return panels


def _title(words: Sequence[str], names: Mapping[str, None]) -> str:
    """The word of a name that most of the names have in it; the first of equals."""
    return max(words, key=lambda word: sum(word in re.findall(r"[a-z]+", name) for name in names))


def _curve(records: Sequence[Record], name: str) -> Curve:
    held = [record for record in records if name in record]
    style: Style = "line" if name == "lr" else "noisy" if name.startswith(TRAIN) else "dots"
    return Curve(name=name, x=[record["step"] for record in held], y=[record[name] for record in held], style=style)


def _best_mark(records: Sequence[Record], metric: str, higher_is_better: bool) -> dict[float, str]:
    held = [record for record in records if metric in record]
    best = (max if higher_is_better else min)(held, key=lambda record: float(record[metric]))
    return {float(best["step"]): f"best {best[metric]:.4g}"}


def _as_words(values: Mapping[str, float]) -> str:
    return " ".join(f"{name} {value:.4g}" for name, value in values.items())


def _write_whole(path: Path, text: str) -> None:
    write_whole(path, text.encode())


def _tensorboard(out: Path, start: int) -> Any:
    """A writer into `out`/tensorboard, or None where TensorBoard is not installed."""
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        return None
    return SummaryWriter(str(out / "tensorboard"), purge_step=start + 1)
