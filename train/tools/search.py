"""`python -m train search`: random search over a recipe's settings, by Optuna, with successive halving.

Random search (J. Bergstra and Y. Bengio, "Random Search for Hyper-Parameter Optimization", JMLR 2012) draws each trial
anew. Asynchronous successive halving (L. Li et al., "A System for Massively Parallel Hyperparameter Tuning", MLSys
2020) stops a trial after 1, 3, 9, ... measures unless it is among the best third of those that came so far. What is
measured is the validation pictures, by the task itself: nothing here reads the test split.

The trials stand in `search.journal`, Optuna's own file, and each trial's run in a folder of its own. The same command
goes on where it was stopped, in the middle of a trial too, and draws what it would have drawn.
"""

from __future__ import annotations

import argparse
import fcntl
import json
import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from torch import nn

from train.engine.checkpoint import has_checkpoint
from train.engine.config_options import add_config_options, config_from, config_of
from train.engine.device import amp_is_fast, hashed_seed, pick_device
from train.engine.loop import LoopConfig, Task, Trainer
from train.engine.writing import make_folder
from train.publishing.recipe import Context, Recipe, command_of
from train.recipes import RECIPES
from train.tools.search_chart import DIVERGED, FINISHED, STOPPED, Outcome, as_text, in_order, plot_search
from train.tools.search_ranges import Range, ranges_of

if TYPE_CHECKING:
    import optuna

JOURNAL, CHART, LOCK = "search.journal", "search.png", ".search.lock"
HALVING = 3  # of so many trials one goes on at each rung
_MISSING = "python -m train search needs Optuna, which is not installed: pip install '.[search]'"


@dataclass(frozen=True, kw_only=True)
class Search:
    """What is searched.

    Attributes:
        config: the settings that stay, and the seed of the search.
        trials: how many there will be. halving: see `HALVING`; 0: every trial runs to its end.
    """

    recipe: Recipe
    config: LoopConfig
    ranges: Sequence[Range]
    context: Context
    out: Path
    trials: int
    halving: int = HALVING

    def description(self) -> dict[str, Any]:
        """What must be the same for a search to go on; the number of trials may grow."""
        searched = {each.name for each in self.ranges}
        fixed = {name: value for name, value in asdict(self.config).items() if name not in searched}
        about = {"recipe": self.recipe.name, "fixed": fixed, "ranges": [asdict(each) for each in self.ranges]}
        described: dict[str, Any] = json.loads(json.dumps(about | {"halving": self.halving}))
        return described


def main(argv: list[str]) -> None:
    """Runs a search and tells what it found.

    Raises:
        SystemExit: Optuna is not installed, or there is no such recipe.
    """
    args, more = _parser().parse_known_args(argv)
    recipe = RECIPES[args.recipe]
    options = argparse.ArgumentParser(prog=f"python -m train search {recipe.name}")
    add_config_options(options, recipe.config)
    config, device = config_from(options.parse_args(more), recipe.config), pick_device(args.device)
    search = Search(
        recipe=recipe,
        config=config,
        ranges=ranges_of(args.range, recipe.config),
        context=Context(data=args.data, device=device, amp=amp_is_fast(device), resize=args.resize, cache=args.out),
        out=args.out,
        trials=args.trials,
        halving=args.halving,
    )
    run_search(search)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m train search", description=__doc__, allow_abbrev=False)
    parser.add_argument("recipe", choices=RECIPES, metavar="RECIPE", help="takes the recipe's own options too")
    parser.add_argument("--data", type=Path, required=True, help="folder or HDF5 file to train on")
    parser.add_argument("--out", type=Path, required=True, help="folder of the search; the same one goes on")
    parser.add_argument("--trials", type=int, default=20, help="how many in all, those of an earlier call included")
    parser.add_argument(
        "--range",
        action="append",
        default=[],
        metavar="NAME[=LOW:HIGH[:log]]",
        help="a setting to search, from LOW to HIGH or as declared; NAME=A,B of choices; may be given again",
    )
    parser.add_argument(
        "--halving", type=int, default=HALVING, help="after 1, N, N*N ... measures one trial of N goes on; 0: all do"
    )
    parser.add_argument("--resize", action="store_true", help="bring pictures of other sizes to the recipe's")
    parser.add_argument("--device", default="auto", help="cpu, cuda or auto")
    return parser


def run_search(search: Search) -> list[Outcome]:
    """Runs the trials that are left; the outcomes of all, best first. Prints each, and at the end how to go on.

    Raises:
        SystemExit: Optuna is not installed.
        ValueError: numbers that make no search, a recipe without a measure, or `out` holds another search.
        BlockingIOError: another process searches in `out`.
    """
    if search.trials < 1 or search.halving < 0 or search.halving == 1:
        raise ValueError(f"need trials >= 1 and halving 0 or >= 2, got {search.trials}, {search.halving}")
    _refuse_unmeasured(search.config, search.recipe)
    study = _study(search)
    with _alone(search.out):
        _check_same(study, search)
        stopped = False
        while not stopped and (trial := _next_trial(study, search)) is not None:
            task = _task(trial, search)
            if "metric" not in study.user_attrs:
                study.set_user_attr("metric", [task.metric, task.higher_is_better])
            stopped = not _run(study, trial, task, search)
            if not stopped:
                _tell_so_far(study, search)
        return _finish(study, search, stopped=stopped)


def _study(search: Search) -> optuna.Study:
    """The study in the folder of the search, new or as it was left."""
    try:
        import optuna
        from optuna.storages import JournalStorage
        from optuna.storages.journal import JournalFileBackend
    except ImportError as error:
        raise SystemExit(_MISSING) from error
    make_folder(search.out)
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    halving = optuna.pruners.SuccessiveHalvingPruner(min_resource=1, reduction_factor=max(search.halving, 2))
    return optuna.create_study(
        storage=JournalStorage(JournalFileBackend(str(search.out / JOURNAL))),
        study_name=search.recipe.name,
        direction="maximize",  # what should fall is told with the other sign
        pruner=halving if search.halving else optuna.pruners.NopPruner(),
        load_if_exists=True,
    )


@contextmanager
def _alone(out: Path) -> Iterator[None]:
    """One search in a folder at a time; the kernel frees the lock of one that dies."""
    with (out / LOCK).open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise BlockingIOError(f"another process searches in {out}: wait for it, or give another --out") from error
        yield


def _check_same(study: optuna.Study, search: Search) -> None:
    description, before = search.description(), study.user_attrs.get("search")
    if before is None:
        study.set_user_attr("search", description)
    elif before != description:
        changed = {key: (before.get(key), value) for key, value in description.items() if before.get(key) != value}
        raise ValueError(f"{search.out} holds another search (its, this one's): {changed}; give another --out")


def _next_trial(study: optuna.Study, search: Search) -> optuna.Trial | None:
    """The trial that was under way when the search was stopped, or a new one; None: there are as many as wanted."""
    import optuna

    trials = study.get_trials(deepcopy=False)
    running = [trial for trial in trials if trial.state == optuna.trial.TrialState.RUNNING]
    if running:
        return optuna.trial.Trial(study, running[0]._trial_id)
    if len(trials) >= search.trials:
        return None
    seed = hashed_seed("search", search.config.seed, len(trials)) % 2**32
    study.sampler = optuna.samplers.RandomSampler(seed)  # of each trial its own: a search that goes on repeats nothing
    return study.ask({each.name: _distribution(each) for each in search.ranges})


def _distribution(each: Range) -> optuna.distributions.BaseDistribution:
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    if each.choices:
        return CategoricalDistribution(each.choices)
    if each.whole:
        return IntDistribution(math.ceil(each.low), math.floor(each.high), log=each.log)
    return FloatDistribution(each.low, each.high, log=each.log)


def _config(settings: dict[str, Any], search: Search) -> LoopConfig:
    return config_of(asdict(search.config) | settings, search.recipe.config)


def _task(trial: optuna.Trial, search: Search) -> Task:
    """The task of a trial's settings.

    Raises:
        ValueError: it measures nothing while it trains.
    """
    task = search.recipe.build(_config(trial.params, search), search.context)
    _refuse_unmeasured(task.config, search.recipe)
    task.command = command_of(search.recipe.name, task.config, resize=search.context.resize)
    return task


def _refuse_unmeasured(config: LoopConfig, recipe: Recipe) -> None:
    if config.evaluate_every == 0 or getattr(config, "validation", None) == 0:
        raise ValueError(
            f"{recipe.name} measures nothing on the way with these settings, so trials cannot be compared: "
            "give it validation pictures (--validation) and --evaluate-every"
        )


def _folder(number: int, search: Search) -> Path:
    return search.out / "trials" / f"{number:04d}"


def _run(study: optuna.Study, trial: optuna.Trial, task: Task, search: Search) -> bool:
    """Trains a trial until it ends, is stopped by the halving, or diverges; False where the search was told to stop."""
    from optuna.trial import TrialState

    folder = _folder(trial.number, search)
    trainer = Trainer(task, task.config, folder, resume=has_checkpoint(folder))
    judge = _Judge(study, trial, task, trainer)
    try:
        finished = trainer.run()
    except FloatingPointError:
        study.tell(trial, state=TrialState.FAIL)
        return True
    if judge.pruned:
        study.tell(trial, state=TrialState.PRUNED)
    elif finished:
        best = _best(study.get_trials(deepcopy=False)[trial.number])
        study.tell(trial, best, state=TrialState.FAIL if best is None else TrialState.COMPLETE)
    return finished or judge.pruned


def _best(trial: optuna.trial.FrozenTrial) -> float | None:
    """The highest of its measures, None without a finite one."""
    return max((value for value in trial.intermediate_values.values() if math.isfinite(value)), default=None)


class _Judge:
    """Takes the place of a task's `evaluate`: tells each measure to the study, and ends the run where that says so."""

    def __init__(self, study: optuna.Study, trial: optuna.Trial, task: Task, trainer: Trainer) -> None:
        self.study, self.trial, self.task, self.trainer = study, trial, task, trainer
        self.pruned = False
        self.measure = task.evaluate
        setattr(task, "evaluate", self.evaluate)  # noqa: B010  # mypy knows no methods that are replaced

    def evaluate(self, network: nn.Module) -> dict[str, float]:
        """What the task measures."""
        values = self.measure(network)
        number = math.ceil(self.trainer.step / self.task.config.evaluate_every)
        value = values[self.task.metric] * (1 if self.task.higher_is_better else -1)
        told = self.study.get_trials(deepcopy=False)[self.trial.number].intermediate_values
        if number not in told:  # else it was measured before the search was stopped, after the last checkpoint
            self.trial.report(value, number)
        if self.trainer.step < self.task.config.steps and self.trial.should_prune():
            self.pruned = self.trainer.stop_requested = True
        return values


def outcomes_of(study: optuna.Study) -> list[Outcome]:
    """The trials that have ended, by number."""
    from optuna.trial import TrialState

    ends = {TrialState.COMPLETE: FINISHED, TrialState.PRUNED: STOPPED, TrialState.FAIL: DIVERGED}
    sign = 1 if _metric(study)[1] else -1
    found = []
    for trial in study.get_trials(deepcopy=False):
        if trial.state in ends:
            best = _best(trial)
            found.append(
                Outcome(
                    number=trial.number,
                    settings=trial.params,
                    end=ends[trial.state],
                    value=None if best is None else sign * best,
                    evaluations=len(trial.intermediate_values),
                )
            )
    return found


def _metric(study: optuna.Study) -> tuple[str, bool]:
    name, higher_is_better = study.user_attrs.get("metric", ("", True))
    return name, higher_is_better


def _tell_so_far(study: optuna.Study, search: Search) -> None:
    """Prints the trial that has just ended, draws the chart, and drops the checkpoints of all but the best trial."""
    metric, higher_is_better = _metric(study)
    outcomes = outcomes_of(study)
    ordered = in_order(outcomes, higher_is_better=higher_is_better)
    last = outcomes[-1]
    reached = "no measure" if last.value is None else f"{metric} {last.value:.4g}"
    print(f"trial {last.number + 1} of {search.trials}: {last.words}: {reached}, {last.end}")
    plot_search(outcomes, search.ranges, metric, search.out / CHART, higher_is_better=higher_is_better)
    for outcome in ordered[1:]:
        for checkpoint in _folder(outcome.number, search).glob("*.pt"):
            checkpoint.unlink()


def _finish(study: optuna.Study, search: Search, *, stopped: bool) -> list[Outcome]:
    """Prints all trials and the command that trains the best settings; the outcomes, best first."""
    metric, higher_is_better = _metric(study)
    ordered = in_order(outcomes_of(study), higher_is_better=higher_is_better)
    if ordered:
        print(f"\n{as_text(ordered, metric)}\n\nchart in {search.out / CHART}")
    if stopped:
        print("stopped; the same command goes on")
    elif ordered and ordered[0].end == FINISHED:
        config = _config(ordered[0].settings, search)
        print(f"best: {command_of(search.recipe.name, config, resize=search.context.resize)}")
    return ordered
