"""The manifest of all weights and the loader: local file first, then the Hub; the sha256 is checked either way.

`weights/manifest.json` is `{"hub": {"repo_id", "revision"}, "weights": {name: entry}, "ensembles": {name: entry}}`;
`WeightEntry` and `EnsembleEntry` name the fields of an entry. Only safetensors are read: nothing is unpickled.
`CVDEMO_WEIGHTS` in the environment names another folder than `weights/`.
"""

import hashlib
import json
import os
import re
import time
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, fields
from functools import lru_cache
from pathlib import Path
from typing import Any

from safetensors.torch import load as parse_safetensors
from torch import Tensor

from cvdemo.data_folders import data_folder, how_to_restore
from cvdemo.eight_bits import from_eight_bits
from cvdemo.errors import WeightsError, brief

WEIGHTS_DIR = Path(os.environ.get("CVDEMO_WEIGHTS") or data_folder("weights"))
FULL_REVISION = re.compile(r"[0-9a-f]{40}")
SETTLED_NS = 2 * 10**9  # a file changed so lately may change again without a new time: some clocks count in 2 s steps
BASELINE = "baseline"  # task of weights that others are compared with
DAMAGED = (OSError, ValueError, KeyError, TypeError, AttributeError)  # what reading a manifest may raise


@dataclass(frozen=True, kw_only=True)
class WeightEntry:
    """One weight file of the manifest.

    Attributes:
        file: name of the safetensors file in the weights folder.
        task: the demo that uses it.
        network: `{"name": ..., **constructor arguments}`.
        sha256, bytes: of the file.
        preprocessing: how pictures become input; see `cvdemo.images.Preprocessing` for classifiers.
        labels: name of a text file in `weights/labels` with one class name a line, or None.
        recipe, command: what made the file.
        dataset: what it was trained on. licence: of the weights.
        seed, hardware, hours: of the training run.
        settings: the whole configuration of that run, whatever the defaults are now; None: it was not trained here.
        earlier: the runs whose networks it began with, oldest first: `{"command", "settings", "hours"}` each.
        metric: `{"name", "value", "protocol", "split", "n", "command"}` as measured on this very file.
    """

    file: str
    task: str
    network: dict[str, Any]
    sha256: str
    bytes: int
    preprocessing: dict[str, Any]
    labels: str | None
    recipe: str
    command: str
    dataset: str
    licence: str
    seed: int | None
    hardware: str
    hours: float | None
    metric: dict[str, Any]
    settings: dict[str, Any] | None = None
    earlier: tuple[dict[str, Any], ...] = ()


@dataclass(frozen=True, kw_only=True)
class EnsembleEntry:
    """Several weights whose probabilities are averaged.

    Attributes:
        members: names of weights with the same classes.
        sha256: of the members' files, by name, when the average was measured.
        metric: as in `WeightEntry`, of the average.
    """

    members: tuple[str, ...]
    sha256: dict[str, str]
    metric: dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class _Manifest:
    """A manifest as it was read. Shared by all who ask, so nobody changes what it holds."""

    weights: dict[str, WeightEntry]
    ensembles: Mapping[str, Any]
    hub: Mapping[str, Any]


def load_manifest(weights_dir: Path | None = None) -> dict[str, WeightEntry]:
    """All entries by name.

    Raises:
        WeightsError: the manifest is missing or is not JSON of the right form.
    """
    return dict(_read(_manifest_path(weights_dir)).weights)


def load_ensembles(weights_dir: Path | None = None) -> dict[str, EnsembleEntry]:
    """All ensembles by name; empty where the manifest has none.

    Raises:
        WeightsError: the manifest is missing or damaged, or an ensemble lists a weight that is not there.
    """
    path = _manifest_path(weights_dir)
    manifest = _read(path)
    try:
        found = {
            name: EnsembleEntry(members=tuple(entry["members"]), sha256=entry.get("sha256", {}), metric=entry["metric"])
            for name, entry in manifest.ensembles.items()
        }
    except DAMAGED as error:
        raise _damaged(path) from error
    for name, ensemble in found.items():
        missing = [member for member in ensemble.members if member not in manifest.weights]
        if missing or not ensemble.members:
            raise WeightsError(f"The ensemble {brief(name)} needs weights that the manifest does not list: {missing}.")
    return found


def _read(path: Path) -> _Manifest:
    """The manifest, parsed once for as long as the file stays the same: loading one network asks for it many times."""
    try:
        status = path.stat()
        settled = time.time_ns() - status.st_mtime_ns > SETTLED_NS
        parse = _parse if settled else _parse.__wrapped__
        return parse(path, status.st_mtime_ns, status.st_size)
    except DAMAGED as error:
        raise _damaged(path) from error


@lru_cache(maxsize=4)  # the project's own, and those of tests and trainings
def _parse(path: Path, mtime_ns: int, size: int) -> _Manifest:
    """The file's content; time and size tell the cache whether it is still the same file."""
    content = json.loads(path.read_text(encoding="utf-8"))
    names = [field.name for field in fields(WeightEntry) if field.default is MISSING]
    weights = {
        name: WeightEntry(
            **{key: entry[key] for key in names},
            settings=entry.get("settings"),
            earlier=tuple(entry.get("earlier", ())),
        )
        for name, entry in content["weights"].items()
    }
    return _Manifest(weights=weights, ensembles=content.get("ensembles") or {}, hub=content.get("hub") or {})


def _manifest_path(weights_dir: Path | None) -> Path:
    return (weights_dir or WEIGHTS_DIR) / "manifest.json"


def _damaged(path: Path) -> WeightsError:
    return WeightsError(f"{path} is missing or damaged; {how_to_restore('weights/manifest.json')}.")


def entry_of(name: str, weights_dir: Path | None = None) -> WeightEntry:
    """The manifest entry `name`.

    Raises:
        WeightsError: there is no such entry; the message lists those there are.
    """
    entries = load_manifest(weights_dir)
    if name not in entries:
        raise WeightsError(f"There is no weight named {brief(name)}; the manifest has {', '.join(entries)}.")
    return entries[name]


def load_labels(name: str, weights_dir: Path | None = None) -> list[str]:
    """The class names of weight `name`, in the order of its logits."""
    folder = weights_dir or WEIGHTS_DIR
    file = entry_of(name, folder).labels
    if file is None:
        raise ValueError(f"weight {brief(name)} has no labels")
    try:
        return (folder / "labels" / file).read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise WeightsError(f"weights/labels/{file} is missing; {how_to_restore(f'weights/labels/{file}')}.") from error


def load_state_dict(name: str, weights_dir: Path | None = None) -> dict[str, Tensor]:
    """The tensors of weight `name`, on the CPU, from the local file or else from the Hub.

    Kernels stored in eight bits come as float32, others in the type that they are stored in.

    Raises:
        WeightsError: the file is altered, or missing and not to be had; names the file and how to restore it.
    """
    folder = weights_dir or WEIGHTS_DIR
    entry = entry_of(name, folder)
    local = folder / entry.file
    data = local.read_bytes() if local.is_file() else _read_from_hub(entry, folder)
    if hashlib.sha256(data).hexdigest() != entry.sha256:
        raise WeightsError(f"weights/{entry.file} is not the file that the manifest lists; {_restore(entry)}")
    try:
        return from_eight_bits(parse_safetensors(data))
    except ValueError as error:
        raise WeightsError(f"weights/{entry.file} is damaged: {error}; {_restore(entry)}") from error


def _restore(entry: WeightEntry) -> str:
    return f"{how_to_restore(f'weights/{entry.file}')} or make it again with `{entry.command}`."


def _read_from_hub(entry: WeightEntry, folder: Path) -> bytes:
    """The file's bytes at the pinned revision; `CVDEMO_HUB` = "repo_id@revision" takes the manifest's place."""
    repo_id, revision = _hub_pin(folder)
    if repo_id is None or revision is None:
        raise WeightsError(f"weights/{entry.file} is missing; {_restore(entry)}")
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    try:
        return Path(hf_hub_download(repo_id, entry.file, revision=revision)).read_bytes()
    except (HfHubHTTPError, LocalEntryNotFoundError, OSError) as error:
        raise WeightsError(
            f"weights/{entry.file} is missing and {repo_id} on the Hub does not give it "
            f"(is there a network?); {_restore(entry)}"
        ) from error


def _hub_pin(folder: Path) -> tuple[str | None, str | None]:
    repo_id: str | None
    revision: str | None
    override = os.environ.get("CVDEMO_HUB")
    if override:
        repo_id, _, revision = override.partition("@")
    else:
        pin = _read(_manifest_path(folder)).hub
        repo_id, revision = pin.get("repo_id"), pin.get("revision")
    if repo_id and not FULL_REVISION.fullmatch(revision or ""):
        raise WeightsError(f"The Hub revision must be a full commit hash of 40 digits, got {revision!r}.")
    return repo_id, revision
