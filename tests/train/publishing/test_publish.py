"""Publishing: file, entry and card agree, other entries stay, two at once both land."""

import hashlib
import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import torch

from cvdemo.weights import WeightEntry, load_manifest, load_state_dict
from train.publishing.publish import publish

FIELDS: dict[str, Any] = {
    "task": "test",
    "network": {"name": "lenet5"},
    "preprocessing": {"input_px": 28, "colour": "grey"},
    "labels": None,
    "recipe": "tiny",
    "command": "python -m train tiny",
    "dataset": "noise",
    "licence": "CC0",
    "seed": 0,
    "hardware": "none",
    "hours": 0.5,
    "metric": {"name": "error", "value": 1.5, "protocol": "none", "split": "all", "n": 2, "command": "true"},
}


def put(folder: Path, name: str, value: float = 1.0, **changes: Any) -> WeightEntry:
    return publish(name, {"w": torch.full((2, 3), value)}, **(FIELDS | changes), weights_dir=folder)


def test_the_loader_reads_what_was_published(tmp_path: Path) -> None:
    entry = put(tmp_path, "tiny", 2.5, notes="Fails on noise.")
    data = (tmp_path / "tiny.safetensors").read_bytes()
    assert entry.bytes == len(data)
    assert entry.sha256 == hashlib.sha256(data).hexdigest()
    assert load_manifest(tmp_path) == {"tiny": entry}
    assert torch.equal(load_state_dict("tiny", tmp_path)["w"], torch.full((2, 3), 2.5))
    card = (tmp_path / "tiny.md").read_text()
    assert entry.sha256 in card and "Fails on noise." in card and "error: 1.5" in card


def test_the_card_shows_the_architecture(tmp_path: Path) -> None:
    put(tmp_path, "tiny", notes="Fails on noise.")
    card = (tmp_path / "tiny.md").read_text()
    assert "| Architecture | 255,530 parameters; 5.95 M multiply-adds for an input of 1 × 28 × 28; " in card
    assert card.rstrip().endswith("(tiny_architecture.svg)") and card.index("Fails on") < card.index(".svg")
    assert (tmp_path / "tiny_architecture.svg").read_bytes().startswith(b"<svg ")


def test_a_network_that_cannot_be_drawn_is_published_with_a_warning(tmp_path: Path) -> None:
    with pytest.warns(UserWarning, match="the card of tiny shows no architecture: there is no network named 'odd'"):
        put(tmp_path, "tiny", network={"name": "odd"})
    assert "odd" in (tmp_path / "tiny.md").read_text() and load_manifest(tmp_path)["tiny"].network == {"name": "odd"}
    assert not (tmp_path / "tiny_architecture.svg").exists()


def test_other_entries_and_keys_stay(tmp_path: Path) -> None:
    put(tmp_path, "b")
    manifest = json.loads((tmp_path / "manifest.json").read_text())
    manifest["hub"] = {"repo_id": "someone/something", "revision": None}
    (tmp_path / "manifest.json").write_text(json.dumps(manifest))
    put(tmp_path, "a")
    put(tmp_path, "b", seed=7)
    manifest = json.loads((tmp_path / "manifest.json").read_text())
    assert manifest["hub"]["repo_id"] == "someone/something"
    assert list(manifest["weights"]) == ["a", "b"]
    assert manifest["weights"]["b"]["seed"] == 7


def test_tensors_that_share_memory_or_are_not_contiguous_are_stored(tmp_path: Path) -> None:
    base = torch.arange(6.0).view(2, 3)
    publish("tiny", {"a": base.T, "b": base.T[1:]}, **FIELDS, weights_dir=tmp_path)
    assert torch.equal(load_state_dict("tiny", tmp_path)["a"], base.T)


def test_two_at_once_both_land(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda i: put(tmp_path, f"weight_{i}"), range(24)))
    assert len(load_manifest(tmp_path)) == 24
    assert not list(tmp_path.glob("*.partial"))


@pytest.mark.parametrize("name", ["", "../up", "a-b", "a.b"])
def test_refuses_names_that_are_no_identifiers(tmp_path: Path, name: str) -> None:
    with pytest.raises(ValueError, match="letters, digits"):
        put(tmp_path, name)


def test_a_damaged_manifest_is_not_replaced(tmp_path: Path) -> None:
    (tmp_path / "manifest.json").write_text("{")
    with pytest.raises(ValueError, match="Expecting property name"):
        put(tmp_path, "tiny")
    assert (tmp_path / "manifest.json").read_text() == "{"
