"""The one way a weight gets into `weights/`: safetensors, manifest entry and model card, together.

Files are written beside their final place and renamed, and the manifest is read, changed and renamed
under a lock, so a reader never sees half of one and two runs that publish at once both keep their entry.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict

from safetensors.torch import save as to_safetensors
from torch import Tensor

from cvdemo.weights import WEIGHTS_DIR, WeightEntry, load_ensembles
from train.engine.writing import PARTIAL, write_whole
from train.publishing.architecture import svg_file, svg_of, table_of, with_architecture

if TYPE_CHECKING:  # typing.Unpack is Python 3.11's
    from typing_extensions import NotRequired, Unpack

MANIFEST = "manifest.json"


class EntryFields(TypedDict):
    """What the caller says about a weight: the fields of `WeightEntry` that are not read off the file."""

    task: str
    network: dict[str, Any]
    preprocessing: dict[str, Any]
    labels: str | None
    recipe: str
    command: str
    dataset: str
    licence: str
    seed: int | None
    hardware: str
    hours: float | None
    settings: NotRequired[dict[str, Any]]
    earlier: NotRequired[tuple[dict[str, Any], ...]]
    metric: dict[str, Any]


def checked_name(name: str) -> str:
    """The name of a weight or an ensemble.

    Raises:
        ValueError: it is no identifier.
    """
    if not name.isidentifier():
        raise ValueError(f"need a name of letters, digits and underscores, got {name!r}")
    return name


def publish(
    name: str,
    state_dict: Mapping[str, Tensor],
    *,
    notes: str = "",
    files: Mapping[str, bytes] | None = None,
    weights_dir: Path | None = None,
    **fields: Unpack[EntryFields],
) -> WeightEntry:
    """Writes `<name>.safetensors`, its manifest entry, which comes back, and `<name>.md`; other entries stay.

    Args:
        name: letters, digits and underscores.
        state_dict: tensors of any dtype; stored as they are.
        notes: Markdown for the card: what the weight is for and where it fails.
        files: pictures that the card shows, by name.
        weights_dir: another folder than the project's, for tests and trials.
        fields: see `EntryFields`; sha256 and bytes are of the file written.

    Raises:
        ValueError: a name that is no identifier, or the manifest on disk is not JSON.
    """
    checked_name(name)
    folder = weights_dir or WEIGHTS_DIR
    folder.mkdir(parents=True, exist_ok=True)
    data = to_safetensors({key: tensor.detach().cpu().contiguous().clone() for key, tensor in state_dict.items()})
    digest = hashlib.sha256(data).hexdigest()
    entry = WeightEntry(file=f"{name}.safetensors", sha256=digest, bytes=len(data), **fields)
    card = {**_card_files(name, entry, notes), **(files or {})}
    with _locked(folder):
        manifest = _read_manifest(folder / MANIFEST)
        manifest["weights"] = dict(sorted({**manifest["weights"], name: asdict(entry)}.items()))
        write_atomically(folder / entry.file, data)
        write_atomically(folder / MANIFEST, _as_json(manifest))
        for file, content in card.items():
            write_atomically(folder / file, content)
    _warn_of_ensembles(folder, name, digest)
    return entry


def _card_files(name: str, entry: WeightEntry, notes: str) -> dict[str, bytes]:
    """The card and the picture of the architecture, by file name.

    Of a network that cannot be drawn the card alone, with a warning: its training may have taken hours.
    """
    card = model_card(name, entry, notes)
    try:
        table = table_of(entry)
    except (ValueError, RuntimeError) as error:  # torch's own where the input does not fit the network
        warnings.warn(f"the card of {name} shows no architecture: {error}", stacklevel=3)
        return {f"{name}.md": card.encode()}
    return {f"{name}.md": with_architecture(card, name, table).encode(), svg_file(name): svg_of(name, table)}


def _warn_of_ensembles(folder: Path, name: str, digest: str) -> None:
    """Warns of ensembles that were measured with another weight of this name."""
    for ensemble, stale in load_ensembles(folder).items():
        if stale.sha256.get(name, digest) != digest:
            warnings.warn(
                f"{ensemble} was measured with the former {name}: measure it again by `{stale.metric['command']}`, "
                f"with --publish {ensemble}",
                stacklevel=3,
            )


def publish_ensemble(name: str, members: list[str], metric: dict[str, Any], weights_dir: Path | None = None) -> None:
    """Enters published weights that answer together, with what they reach; other entries stay as they are.

    Raises:
        ValueError: a name that is no identifier.
        KeyError: a member is not in the manifest.
    """
    checked_name(name)
    folder = weights_dir or WEIGHTS_DIR
    with _locked(folder):
        manifest = _read_manifest(folder / MANIFEST)
        digests = {member: manifest["weights"][member]["sha256"] for member in members}
        entry = {"members": members, "sha256": digests, "metric": metric}
        ensembles = {**manifest.get("ensembles", {}), name: entry}
        manifest["ensembles"] = dict(sorted(ensembles.items()))
        write_atomically(folder / MANIFEST, _as_json(manifest))


def write_atomically(target: Path, data: bytes) -> None:
    """Replaces `target` by `data`: at every moment it is the old file or the whole new one."""
    write_whole(target, data, f".{os.getpid()}{PARTIAL}")


def model_card(name: str, entry: WeightEntry, notes: str = "") -> str:
    """The card of one weight as Markdown: what it is, how it was made, and what was measured, with the command."""
    metric = entry.metric
    hours = "-" if entry.hours is None else f"{entry.hours:.2f}"
    rows = {
        "Task": entry.task,
        "Network": _inline(entry.network),
        "File": f"`{entry.file}`, {entry.bytes:,} bytes, sha256 `{entry.sha256}`",
        "Input": _inline(entry.preprocessing),
        "Data": entry.dataset,
        "Licence": entry.licence,
        "Recipe": f"`{entry.recipe}`, seed {entry.seed}, {entry.hardware}, {hours} h",
        **({"Before it": "<br>".join(map(_run_in_words, entry.earlier))} if entry.earlier else {}),
        "Command": f"`{entry.command}`",
        **({"Made again by": f"`python -m train refresh {name} --data DIR --out DIR`"} if entry.settings else {}),
        "Measured": f"{metric['name']}: {_inline(metric['value'])}",
        "Protocol": f"{metric['protocol']}; split: {metric['split']}; n = {metric['n']}",
        "Measured by": f"`{metric['command']}`" if metric["command"] else "see the protocol",
    }
    table = "\n".join(f"| {key} | {value} |" for key, value in rows.items())
    text = f"# {name}\n\n| | |\n|---|---|\n{table}\n"
    return text + (f"\n{notes.strip()}\n" if notes else "")


def paragraphs(*texts: str) -> str:
    """Those that say anything, with an empty line between them."""
    return "\n\n".join(text.strip() for text in texts if text.strip())


def _run_in_words(run: Mapping[str, Any]) -> str:
    hours = "" if run["hours"] is None else f", {run['hours']:.2f} h"
    return f"`{run['command']}`{hours}"


def _inline(value: object) -> str:
    return json.dumps(value, ensure_ascii=False) if isinstance(value, dict) else str(value)


def _read_manifest(path: Path) -> dict[str, Any]:
    """The whole manifest, keys unknown here included; an empty one where there is no file yet."""
    if not path.exists():
        return {"weights": {}}
    manifest: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    manifest.setdefault("weights", {})
    return manifest


def _as_json(manifest: dict[str, Any]) -> bytes:
    return (json.dumps(manifest, indent=2, ensure_ascii=False) + "\n").encode()


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Exclusive among processes that publish into `folder`; the kernel frees the lock of one that dies."""
    with (folder / ".publish.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
