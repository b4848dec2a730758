"""The commands of `python -m train` beside `import-backbone` and the help: what they do once options are read."""

from __future__ import annotations

import argparse
import json
import tempfile
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from cvdemo.detect.detector import DETECTORS
from cvdemo.errors import WeightsError
from cvdemo.weights import entry_of, load_manifest
from train.classify import compare_balance as unbalanced
from train.classify import ensemble
from train.detect.page_measure import measured_as_on_page
from train.detect.place_recipe import PlaceRecipe
from train.detect.thresholds import tables
from train.engine import compare_runs as comparison
from train.engine import distributed, lr_finder
from train.engine.checkpoint import BEST, LAST, has_checkpoint, load, load_last
from train.engine.config_options import config_from, config_of, recipe_in
from train.engine.device import amp_is_fast, pick_device
from train.engine.loop import LoopConfig, Task, Trainer, check_out, refuse_other_run
from train.publishing.recipe import BASELINE, Context, PublishOptions, Recipe, command_of, recorded_config
from train.publishing.refresh import refuse_another_run, runs_of, started_from
from train.recipes import RECIPES

TEST = "test"  # the split of a recipe's data that measures
_DRY_RUN = {"steps": 2, "epochs": 0, "log_every": 1, "evaluate_every": 0, "preview_every": 0}


def list_recipes() -> str:
    """One paragraph for each recipe: data set, goal, and the last result of each of its weights."""
    try:
        entries, trouble = load_manifest(), ""
    except WeightsError as error:
        entries, trouble = {}, f" ({error})"
    lines = []
    for recipe in RECIPES.values():
        lines += [recipe.name, f"  data  {recipe.dataset}", f"  goal  {recipe.goal}"]
        for name in recipe.weights:
            metric = entries[name].metric if name in entries else None
            result = f"{metric['name']}: {metric['value']} (n = {metric['n']})" if metric else f"not recorded{trouble}"
            lines.append(f"  last  {name}: {result}")
    return "\n".join(lines)


def train(args: argparse.Namespace) -> None:
    """Trains a recipe, or takes two steps of it; then publishes if asked."""
    recipe = RECIPES[args.command]
    if args.dry_run:
        _dry_run(recipe, args)
        return
    if args.data is None or args.out is None:
        raise SystemExit(f"{recipe.name}: give --data and --out, or --dry-run")
    config = config_from(args, recipe.config)
    context = _context(args)
    # a run that was stopped while its data were made ready has nothing to resume from; all processes must agree
    (resume,) = distributed.any_of(args.resume and has_checkpoint(args.out))
    refuse_early(recipe, config, args.out, resume=resume)
    with distributed.main_first():  # who fetches and packs the data
        _download(recipe, args)
        task = _task(recipe, config, context)
    if args.resume and not resume and distributed.is_main():
        print(f"{args.out} holds no checkpoint yet: training begins at step 0")
    trainer = Trainer(task, task.config, args.out, resume=resume)
    if trainer.nothing_left and distributed.is_main():
        print(trainer.nothing_left)
    finished = trainer.run()
    if distributed.is_main():
        if not finished:
            print("stopped; the same command with --resume goes on")
        elif args.publish:
            _publish_run(recipe, args.out, PublishOptions(), args)
        else:
            words = f"--out {args.out} --data {args.data}{' --resize' if args.resize else ''}"
            print(f"done; next: python -m train publish {recipe.name} {words}")
    distributed.leave()


def refuse_early(recipe: Recipe, config: LoopConfig, out: Path, *, resume: bool) -> None:
    """Refuses a folder that cannot be written or holds another run, before data are fetched and packed.

    Raises:
        FileExistsError: it holds a run and `resume` is False.
        ValueError: it holds a run of another recipe or batch size.
        OSError: it cannot be written, or is a file.
    """
    check_out(out, resume=resume)
    if resume:
        refuse_other_run(out, load_last(out), config, command_of(recipe.name, config))


def _context(args: argparse.Namespace) -> Context:
    """Where and in which precision this process trains, as one of several where `torchrun` started it."""
    device = distributed.init_from_environment(pick_device(args.device))
    amp = amp_is_fast(device) if args.amp is None else args.amp
    return Context(data=args.data, device=device, amp=amp, resize=args.resize, cache=args.out)


def _task(recipe: Recipe, config: LoopConfig, context: Context) -> Task:
    """The task of a recipe, which knows the command that trains it."""
    task = recipe.build(config, context)
    task.command = command_of(recipe.name, task.config, resize=context.resize)
    return task


def refresh(args: argparse.Namespace) -> None:
    """Makes a weight of the manifest again, run by run; stopped and given again, it goes on where it was."""
    entry = entry_of(args.name)
    runs, baseline = runs_of(args.name, entry, RECIPES), entry.task == BASELINE
    context = _context(args)
    context = replace(context, resize=context.resize or " --resize " in entry.command)
    say = print if distributed.is_main() else lambda *_: None
    before: Path | None = None
    for number, (recipe, config) in enumerate(runs, start=1):
        out = args.out / str(number)
        check_out(out, resume=has_checkpoint(out))
        with distributed.main_first():
            _download(recipe, args)
            task = _task(recipe, started_from(config, before), context)
        say(f"{number} of {len(runs)}: {task.command}")
        refuse_another_run(out, task.config)
        if not Trainer(task, task.config, out, resume=has_checkpoint(out)).run():
            say("stopped; the same command goes on")
            break
        before = out
    else:
        if args.publish and distributed.is_main():
            _publish_run(recipe, out, PublishOptions(name=args.name, baseline=baseline), args)
        elif not args.publish:
            words = f"--out {out} --data {args.data} --name {args.name}{' --baseline' if baseline else ''}"
            say(f"done; next: python -m train publish {recipe.name} {words}")
    distributed.leave()


def _download(recipe: Recipe, args: argparse.Namespace) -> None:
    if not args.download:
        return
    if recipe.download is None:
        raise SystemExit(f"{recipe.name}: its data are not fetched for you; give --data. {recipe.where}".rstrip())
    recipe.download(args.data)


def _dry_run(recipe: Recipe, args: argparse.Namespace) -> None:
    defaults = asdict(recipe.config())
    given = {name: value for name, value in asdict(config_from(args, recipe.config)).items() if value != defaults[name]}
    config = config_of(recipe.dry_run | given | _DRY_RUN, recipe.config)
    context = Context(data=None, device=pick_device(args.device), amp=bool(args.amp))
    with tempfile.TemporaryDirectory() as folder:
        task = recipe.build(config, context)
        Trainer(task, task.config, Path(folder)).run()
    print(f"{recipe.name}: {task.config.steps} steps on generated data")


def recipe_of(name: str) -> Recipe:
    """The recipe that made, or makes, the weight `name`.

    Raises:
        SystemExit: there is none.
    """
    for recipe in RECIPES.values():
        if name in recipe.weights:
            return recipe
    recipe_name = load_manifest()[name].recipe if name in load_manifest() else ""
    if recipe_name not in RECIPES:
        known = ", ".join(weight for recipe in RECIPES.values() for weight in recipe.weights)
        raise SystemExit(f"no recipe measures {name!r}; there are {known}")
    return RECIPES[recipe_name]


def evaluate(args: argparse.Namespace) -> None:
    """Measures a weight of the manifest, by its name or that of its detector, and prints what was measured.

    Raises:
        SystemExit: a curve is asked for, and the weight is no detector's; or its recipe knows no such set of pictures.
    """
    name = weight_named(args.name)
    if args.curve is not None and entry_of(name).task != "detect":
        raise SystemExit(f"{name} is no detector: it has no curve of precision over recall")
    recipe = recipe_of(name)
    measures = recipe.evaluate(name, _measuring(args)) if args.split == TEST else _on_other_set(recipe, name, args)
    result: dict[str, Any] = {"name": name, **measures}
    if args.json:
        print(json.dumps(result))
    else:
        for key, value in result.items():
            print(f"{key}: {value}")


def weight_named(name: str) -> str:
    """The weight of a detector where the name is that of one, else the name itself: that of a weight."""
    kind = DETECTORS.get(name)
    return name if kind is None or kind.weight is None else kind.weight


def _on_other_set(recipe: Recipe, name: str, args: argparse.Namespace) -> dict[str, Any]:
    """What the detector of a weight gives, as the page has it, on another set of pictures with its classes."""
    others = recipe.data.others if isinstance(recipe, PlaceRecipe) else {}
    detectors = [detector for detector, kind in DETECTORS.items() if kind.weight == name]
    if args.split not in others or not detectors:
        raise SystemExit(f"{name} is measured on {', '.join([TEST, *others])}, not on {args.split!r}")
    assert isinstance(recipe, PlaceRecipe)  # the others have no other sets
    items = others[args.split](args.data)
    result = measured_as_on_page(detectors[0], items, recipe.data.labels, args.curve)
    return {**result, "split": f"{result['n']:,} pictures of {args.split}, {result['boxes']:,} boxes"}


def thresholds(args: argparse.Namespace) -> None:
    """Prints what each score threshold of a detector gives on the validation pictures of its recipe.

    Raises:
        SystemExit: no recipe makes its weight.
    """
    recipe = recipe_of(DETECTORS[args.detector].weight or args.detector)
    if not isinstance(recipe, PlaceRecipe):
        raise SystemExit(f"{args.detector}: {recipe.name} has no validation pictures with boxes")
    print(tables(args.detector, recipe.data.read(args.data, "validation"), args.step, args.agnostic_nms_iou))


def publish(args: argparse.Namespace) -> None:
    """Measures a run's network and puts it into the weights folder."""
    options = PublishOptions(args.checkpoint, args.name, args.weights_dir, args.baseline)
    _publish_run(RECIPES[args.recipe], args.out, options, args)


def _publish_run(recipe: Recipe, out: Path, options: PublishOptions, args: argparse.Namespace) -> None:
    if not (out / options.checkpoint).exists() and options.checkpoint == BEST:
        options = replace(options, checkpoint=LAST)  # a run without validation has no best one
    state = load(out / options.checkpoint)
    if recipe_in(state.get("command", "")) not in ("", recipe.name):
        raise SystemExit(f"{out} holds a run of {recipe_in(state['command'])}, not of {recipe.name}")
    config = recorded_config(state["config"], recipe.config, str(out))
    made = recipe.publish(config, out, _measuring(args), options)
    metric = load_manifest(options.weights_dir)[made].metric
    print(f"published {made}: {metric['name']} {metric['value']} (n = {metric['n']})")


def _measuring(args: argparse.Namespace) -> Context:
    out: Path | None = getattr(args, "out", None)
    return Context(
        data=args.data,
        device=pick_device(args.device),
        amp=False,
        pictures=args.pictures,
        resize=args.resize,
        cache=out if out is not None and out.is_dir() else None,
        curve=getattr(args, "curve", None),
    )


def find_lr(args: argparse.Namespace) -> None:
    """Sweeps the learning rate of a recipe, draws the curve and prints the suggestion.

    Raises:
        SystemExit: there is none; the sentence says whether the loss exploded at once or did not move.
    """
    recipe = RECIPES[args.recipe]
    swept = {"low": args.sweep_low, "high": args.sweep_high, "steps": args.sweep_steps}
    lr_finder.check_sweep(recipe.losses, **swept)
    lr_finder.check_target(args.out)
    device = pick_device(args.device)
    cache = args.out.parent
    context = Context(data=args.data, device=device, amp=amp_is_fast(device), resize=args.resize, cache=cache)
    task = recipe.build(config_from(args, recipe.config), context)
    sweep = lr_finder.find_lr(task, seed=task.config.seed, show=True, **swept)
    lr_finder.plot_sweep(sweep, args.out)
    text = f"{lr_finder.describe(sweep)}; curve in {args.out}"
    if sweep.suggestion is None:
        raise SystemExit(f"python -m train: {text}")
    print(text)


def compare(args: argparse.Namespace) -> None:
    """Prints several runs side by side, and draws a metric of them if asked."""
    print(comparison.markdown_table(args.runs) if args.markdown else comparison.compare_runs(args.runs))
    if args.metric:
        comparison.plot_comparison(args.runs, args.metric, args.out)
        print(f"{args.metric} by step in {args.out}")


def run_ensemble(args: argparse.Namespace) -> None:
    """Joins the answers of several classifiers and prints members, mean and ensemble."""
    device = pick_device(args.device)
    training = Context(data=args.data, device=device, amp=amp_is_fast(device), resize=args.resize, cache=args.out)
    print(ensemble.run(args, RECIPES, training, _measuring(args)))


def compare_balance(args: argparse.Namespace) -> None:
    """Makes classes rare and prints their recall for each way to balance them."""
    print(unbalanced.run(args, RECIPES))
