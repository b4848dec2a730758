"""A file of float16 becomes one of eight bits if the network is right as often; else everything stays as it was."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from cvdemo.eight_bits import in_eight_bits
from cvdemo.nets.backbone import BACKBONE
from cvdemo.nets.place_net import PlaceNet
from cvdemo.weights import load_manifest, load_state_dict
from scripts import store_in_eight_bits
from scripts.store_in_eight_bits import store
from tests.helpers.untrained_weights import make_weights
from train.classify.features import backbone, outputs, pooled_by, preprocessing_at
from train.data.read_pictures import read_rgb
from train.detect.place_recipe import difference, drawn_pictures
from train.publishing.publish import publish
from train.publishing.recipe import Context
from train.recipes import RECIPES, objects_detector
from train.recipes.cats_dogs_finetune import RECIPE

CPU = torch.device("cpu")
NAME, CARD = "cats_dogs_finetune", "Says cat or dog. The file\nholds the last layer in float16.\n\nMeasured in 1 s."
FIELDS: dict[str, Any] = {
    "task": "classify", "labels": "cats_dogs.txt", "recipe": RECIPE.name, "command": "none",
    "dataset": "Dogs vs. Cats", "licence": "Apache-2.0", "seed": 3, "hardware": "none", "hours": 1.5,
    "network": {"name": "efficientnet_lite", "num_classes": 2, "base": "efficientnet_lite0"},
    "metric": {"name": "accuracy, %", "value": {"rank1": 1.0}, "split": "8; step 6 of 6", "n": 8}
    | {"protocol": "none", "command": "none"},
}  # fmt: skip


@pytest.fixture
def folder(cats_dogs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Weights with a network in float16 that tells the cats and dogs of the test apart by their mean features."""
    weights = make_weights(tmp_path / "weights")
    test = RECIPE.test(Context(data=cats_dogs, device=CPU, amp=False))
    pictures = [read_rgb(path) for path in test.pictures if isinstance(path, Path)]
    found = torch.cat(list(outputs(pooled_by(backbone(), CPU), pictures, preprocessing_at(64), CPU)))[:, 0]
    means = torch.stack([found[test.labels == label].mean(dim=0) for label in (0, 1)])
    stored = {"classifier.weight": means, "classifier.bias": -means.square().sum(dim=1) / 2}
    stored |= {key: tensor for key, tensor in backbone().state_dict().items() if key.startswith("head.")}
    stored = {key: t.half() if t.is_floating_point() else t for key, t in stored.items()}
    how = load_manifest(weights)["efficientnet_lite0"].preprocessing | {"input_px": 64, "resize_px": 64}
    (weights / "labels" / "cats_dogs.txt").write_text("cat\ndog\n")
    publish(NAME, stored, notes=CARD, weights_dir=weights, preprocessing=how, **FIELDS)
    monkeypatch.setattr("cvdemo.weights.WEIGHTS_DIR", weights)
    monkeypatch.setattr(store_in_eight_bits, "WEIGHTS_DIR", weights)
    return weights


def test_a_file_of_half_the_size_that_is_right_as_often_takes_the_place(folder: Path, cats_dogs: Path) -> None:
    former = load_manifest(folder)[NAME]
    exact = load_state_dict(NAME, folder)["head.0.weight"].float()
    assert store(NAME, cats_dogs) == (100.0, 100.0)
    entry = load_manifest(folder)[NAME]
    assert entry.bytes < 0.6 * former.bytes and entry.bytes == (folder / entry.file).stat().st_size
    assert entry.metric["value"] == {"rank1": 100.0, "rank5": 100.0, "ten_crop_rank1": 100.0}
    assert entry.metric["split"] == "8; step 6 of 6" and (entry.seed, entry.hours) == (3, 1.5)
    rounded = load_state_dict(NAME, folder)["head.0.weight"]
    assert rounded.dtype == torch.float32 and 0 < (rounded - exact).abs().max() < exact.abs().max() / 250
    card = (folder / f"{NAME}.md").read_text()
    assert "Says cat or dog. The file\nholds the last layer in eight bits.\n\nMeasured in " in card
    with pytest.raises(ValueError, match="would have"):  # a second time nothing is to be had
        store(NAME, cats_dogs)


def test_what_is_right_less_often_is_not_stored(folder: Path, cats_dogs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    monkeypatch.setattr(
        store_in_eight_bits,
        "in_eight_bits",
        lambda state, smallest: {
            key: t * 0 if "classifier" in key else t for key, t in in_eight_bits(state, smallest).items()
        },
    )
    with pytest.raises(ValueError, match=r"had 100.0 % and would have 50.0 %: not stored"):
        store(NAME, cats_dogs)
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before


def test_only_what_a_recipe_measures_is_stored(folder: Path, cats_dogs: Path) -> None:
    with pytest.raises(ValueError, match="pets is no classifier or detector that a recipe measures"):
        store("pets", cats_dogs)


def replace_metric(folder: Path, name: str, map50: float) -> None:
    """Lets the manifest tell another mAP of a weight."""
    path = folder / "manifest.json"
    manifest = json.loads(path.read_text(encoding="utf-8"))
    manifest["weights"][name]["metric"]["value"] = {"map50": map50}
    path.write_text(json.dumps(manifest), encoding="utf-8")


def test_a_detector_is_stored_with_what_it_reaches_now(
    tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "drawn").mkdir()
    pictures = drawn_pictures(tmp_path / "drawn", 2, seed=3, count=2)
    data = replace(objects_detector.RECIPE.data, labels=("even", "odd"), read=lambda *_: pictures)
    monkeypatch.setitem(RECIPES, "objects-detector", replace(objects_detector.RECIPE, data=data))
    spec: dict[str, Any] = {"num_classes": 2, "strides": (8, 16), "last_block": 6, "width": 16, "depth": 1}
    network = PlaceNet(**spec)
    fields = FIELDS | {"task": "detect", "labels": None, "recipe": "objects-detector"}
    fields |= {"network": {"name": "place_net", "base": BACKBONE, **spec}}
    fields |= {"metric": FIELDS["metric"] | {"value": {"map50": 0.0}}, "dataset": "drawn"}
    how = load_manifest(folder)[BACKBONE].preprocessing | {"input_px": 96, "resize_px": 96}
    notes = "Boxes what is drawn.\n\n| class | AP@0.5 |\n|---|---|\n| neither | 9.000 |\n\n![Curves](c.png)"
    publish("tiny", difference(network), notes=notes, weights_dir=folder, preprocessing=how, **fields)
    former = load_manifest(folder)["tiny"]
    with pytest.raises(ValueError, match=r"tiny had 99.0 % and would have .* %: not stored"):
        replace_metric(folder, "tiny", 0.99)
        store("tiny", tmp_path, recorded=True)
    before, after = store("tiny", tmp_path, most_lost=1)  # with no data but the drawn ones, both are near nothing
    entry = load_manifest(folder)["tiny"]
    assert before - after <= 1 and entry.metric["value"]["map50"] == pytest.approx(after / 100, abs=1e-4)
    assert entry.bytes < former.bytes and (entry.metric["split"], entry.metric["n"]) == ("8; step 6 of 6", 2)
    card = (folder / "tiny.md").read_text()
    assert "Boxes what is drawn." in card and "![Curves](c.png)" in card
    assert "| even | 0." in card and "| neither |" not in card
