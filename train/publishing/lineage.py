"""What a network came from: the runs that made what `--start` names.

A run may start from the network of another one, so what made a weight can be several runs, each with its command, its
settings and its hours. Checkpoints and the manifest hold those before the last as `earlier`, oldest first; they stay
true when the weight that a run started from is published anew. `train.publishing.refresh` runs them again.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cvdemo.weights import load_manifest
from train.engine.checkpoint import LAST, State, load


def run_record(command: str, settings: dict[str, Any] | None, hours: float | None) -> dict[str, Any]:
    """One run among those that made a network."""
    return {"command": command, "settings": settings, "hours": None if hours is None else round(hours, 2)}


def settings_of(config: Mapping[str, Any]) -> dict[str, Any]:
    """A run's configuration as the manifest holds it: where a checkpoint lay on this machine helps nobody."""
    start = config.get("start", "")
    return {**config, "start": named_start(start)} if start else dict(config)


def named_start(start: str) -> str:
    """A weight of the manifest as it is, "CHECKPOINT" for a file."""
    return start if start in load_manifest() else "CHECKPOINT"


def file_to_start_from(start: str) -> Path | None:
    """The checkpoint file that `start` names; None where it names a weight of the manifest, which goes first.

    Raises:
        ValueError: it names neither.
    """
    manifest = load_manifest()
    if start in manifest:
        return None
    if not Path(start).is_file():
        raise ValueError(f"{start!r} is neither a checkpoint file nor a weight; there are {', '.join(manifest)}")
    return Path(start)


def read_start(path: Path) -> State:
    """The checkpoint in a file given by hand.

    Raises:
        ValueError: it holds none.
    """
    try:
        state = load(path)
    except Exception as error:  # whatever unpickling a foreign file raises
        raise ValueError(f"{path} is no checkpoint of a run") from error
    if not isinstance(state, dict) or "networks" not in state:
        raise ValueError(f"{path} is no checkpoint of a run")
    return state


def runs_before(start: str) -> list[dict[str, Any]]:
    """The runs that made what a run starts from, oldest first; none for an empty `start`.

    Raises:
        ValueError: it names neither a weight nor a checkpoint file.
    """
    if not start:
        return []
    path = file_to_start_from(start)
    if path is None:
        entry = load_manifest()[start]
        return [*entry.earlier, run_record(entry.command, entry.settings, entry.hours)]
    state, last = read_start(path), path.with_name(LAST)
    seconds = (load(last) if last.exists() else state)["seconds"]  # best.pt knows those up to its own step
    return [
        *state.get("earlier", ()),
        run_record(state.get("command", "not recorded"), settings_of(state["config"]), seconds / 3600),
    ]


def changed_on_the_way(state: State) -> str:
    """Markdown for a card: the commands that a run began with, where it was resumed with another; else nothing."""
    former = state.get("changed", ())
    return "\n\n".join(f"Until step {run['until_step']} the command was `{run['command']}`." for run in former)
