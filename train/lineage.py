"""What a weight came from, and `python -m train refresh NAME`, which runs all of it again.

A run may start from the network of another one (`--start`), so what made a weight can be several runs, each with its
command. Checkpoints and the manifest hold those before the last as `earlier`, oldest first, and `refresh` runs them in
that order, each from the network that the one before ended with, whatever has been published meanwhile.
"""

from __future__ import annotations

import argparse
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

from cvdemo.weights import entry_of, load_manifest
from train.checkpoint import BEST, LAST, State, load

_PROGRAM = ["python", "-m", "train"]


def leg(command: str, seconds: float) -> dict[str, Any]:
    """One run among those that made a weight: its command and its hours."""
    return {"command": command, "hours": round(seconds / 3600, 2)}


def legs_of(start: str) -> list[dict[str, Any]]:
    """The runs that made what a run starts from, oldest first.

    Args:
        start: a weight of the manifest, or a checkpoint file of a run; empty: none.

    Raises:
        ValueError: neither is there.
    """
    if not start:
        return []
    manifest = load_manifest()
    if start in manifest:
        entry = manifest[start]
        return [*entry.earlier, leg(entry.command, 3600 * (entry.hours or 0))]
    if not Path(start).is_file():
        raise ValueError(f"{start!r} is neither a checkpoint file nor a weight; there are {', '.join(manifest)}")
    return legs_of_checkpoint(load(Path(start)))


def legs_of_checkpoint(state: State) -> list[dict[str, Any]]:
    """Those of a checkpoint, its own run last; checkpoints of before 2026-11-25 do not know their command."""
    return [*state.get("earlier", []), leg(state.get("command", "not recorded"), state["seconds"])]


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of `python -m train refresh`."""
    parser.add_argument("name", help="name in the manifest")
    parser.add_argument("--data", type=Path, required=True, help="folder or HDF5 file to train on")
    parser.add_argument("--out", type=Path, required=True, help="folder for the runs: 1, 2 and so on")
    parser.add_argument("--publish", action="store_true", help="at the end measure and put it into weights/")
    parser.add_argument("--device", default="auto", help="cpu, cuda or auto")


def refresh(args: argparse.Namespace, run: Callable[[list[str]], None]) -> None:
    """Runs the commands that made a weight; stopped and given again, it goes on where it was.

    Args:
        args: of `add_options`.
        run: takes the words behind `python -m train`.

    Raises:
        ValueError: the weight was not made by commands with --data and --out.
        SystemExit: a run was told to stop.
    """
    entry = entry_of(args.name)
    commands = [former["command"] for former in entry.earlier] + [entry.command]
    before: Path | None = None
    for number, command in enumerate(commands, start=1):
        out = args.out / str(number)
        print(f"{number} of {len(commands)}: {command}", flush=True)
        run([*words_of(command, args.data, out, before), "--device", args.device, "--resume"])
        before = _ended_with(out)
    words = ["publish", entry.recipe, "--out", str(out), "--data", str(args.data), "--name", args.name]
    if args.publish:
        run([*words, "--device", args.device])
    else:
        print("next:", shlex.join([*_PROGRAM, *words]))


def words_of(command: str, data: Path, out: Path, start: Path | None) -> list[str]:
    """A recorded command's words behind `python -m train`, with this data, this folder and this checkpoint.

    Raises:
        ValueError: it has no --data DIR and --out DIR, or starts from something where nothing was before.
    """
    words = shlex.split(command)
    given = {"--data": data, "--out": out}
    if words[:3] != _PROGRAM or any(option not in words for option in given):
        raise ValueError(f"{command!r} is no training to be run again")
    if ("--start" in words) != (start is not None):
        raise ValueError(f"{command!r} and the runs before it do not fit together")
    for option, path in {**given, "--start": start}.items():
        if option in words:
            words[words.index(option) + 1] = str(path)
    return words[3:]


def _ended_with(out: Path) -> Path:
    """The checkpoint whose network a finished run stands for.

    Raises:
        SystemExit: it is not finished.
    """
    last = load(out / LAST)
    if last["step"] < last["config"]["steps"]:
        raise SystemExit("stopped; the same command goes on")
    return out / (BEST if (out / BEST).exists() else LAST)
