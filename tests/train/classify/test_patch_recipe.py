"""The recipes of patches from picture files to manifest: trained, published, measured again, and the same number."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from cvdemo.classify.classifier import load_network
from cvdemo.weights import load_manifest, load_state_dict
from train.classify import patch_recipe
from train.classify.ensemble import ClassifierMaker, measured_members
from train.classify.patch_recipe import PatchRecipe
from train.classify.patch_task import PatchConfig, PatchTask
from train.classify.transfer_data import TransferData
from train.data.hdf5 import opened
from train.data.read_pictures import Listing
from train.engine.loop import Trainer, seeded
from train.publishing.recipe import Context, PublishOptions
from train.recipes import RECIPES, imagenette

CPU = torch.device("cpu")
COUNTS = {"train": 24, "validation": 8, "test": 12}


@dataclass(frozen=True, kw_only=True)
class TinyConfig(PatchConfig):
    epochs: int = 2
    batch_size: int = 8
    micro_batch: int = 8
    ema_decay: float = 0.0
    log_every: int = 1
    optimizer: Any = "adam"
    lr: float = 1e-2
    stored_px: int = 40
    input_px: int = 32


def read(data: Path, split: str) -> Listing:
    """Red pictures, class 0, and blue ones, of 60 x 48 px, in a folder for each split."""
    files = sorted((data / split).glob("*.png"))
    return Listing(files, np.arange(len(files)) % 2, ["red", "blue"])


RECIPE = PatchRecipe(
    name="tiny-patches",
    weight="tiny_patches",
    goal="",
    dry_run={},
    data=TransferData(
        name="red and blue", licence="CC0", read=read, labels="tiny.txt", classes=2, test_split="pictures",
        total=sum(COUNTS.values()), ten_crop=True,
    ),
    config=TinyConfig,
    network=lambda config: {"name": "preact_resnet", "num_classes": 2, "depths": [1, 1], "widths": [4, 8]},
    notes="Names one of two colours.",
)  # fmt: skip


@pytest.fixture(name="data")
def fixture_data(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    for split, count in COUNTS.items():
        (tmp_path / "data" / split).mkdir(parents=True)
        for i in range(count):
            pixels = rng.integers(0, 60, (48, 60, 3))
            pixels[..., 2 * (i % 2)] += 150
            Image.fromarray(pixels.astype(np.uint8)).save(tmp_path / "data" / split / f"{i:03d}.png")
    return tmp_path / "data"


def context(data: Path) -> Context:
    return Context(data=data, device=CPU, amp=False)


def test_what_is_published_loads_and_measures_the_same(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config, where, weights = TinyConfig(), context(data), tmp_path / "weights"
    made = RECIPE.build(config, where)
    assert Trainer(made, made.config, tmp_path / "run").run()
    name = RECIPE.publish(config, tmp_path / "run", where, PublishOptions(weights_dir=weights))
    entry = load_manifest(weights)[name]
    with opened(data / "pictures_tiny-patches_40_train.h5") as file:
        mean = [round(float(value), 4) for value in file.attrs["mean"]]
    assert entry.preprocessing == {
        "input_px": 32, "resize_px": 40, "mean": mean, "std": [1.0, 1.0, 1.0], "interpolation": "bicubic"
    }  # fmt: skip
    assert set(entry.metric["value"]) == {"rank1", "rank5", "ten_crop_rank1"} and entry.metric["n"] == 12
    assert entry.metric["value"]["ten_crop_rank1"] > 90
    assert "12 pictures" in entry.metric["split"] and "chosen by validation" in entry.metric["split"]
    monkeypatch.setattr(patch_recipe, "load_network", lambda weight: load_network(weight, weights))
    monkeypatch.setattr(patch_recipe, "load_labels", lambda weight: ["red", "blue"])
    monkeypatch.setattr(patch_recipe, "entry_of", lambda weight: load_manifest(weights)[weight])
    again = RECIPE.evaluate(name, where)
    assert {key: again[key] for key in entry.metric["value"]} == entry.metric["value"]
    halves = {key for key, tensor in load_state_dict(name, weights).items() if tensor.dtype == torch.float16}
    assert {"stem.weight", "classifier.weight"} <= halves and "norm.weight" not in halves


def test_pictures_stay_in_the_file_and_patches_grow(data: Path) -> None:
    config = replace(TinyConfig(), stored_px=48, input_px=40, first_px=32, grow_until=0.5)
    made = RECIPE.build(config, context(data))
    assert isinstance(made, PatchTask) and type(made.data).__name__ == "Hdf5Dataset"
    sides = [made.batch(step, seeded("step", 0, step))[0].shape[-1] for step in (0, 5)]
    assert sides == [32, 40]


def test_without_validation_all_are_trained_on(data: Path) -> None:
    made = RECIPE.build(replace(TinyConfig(), validation=0), context(data))
    assert len(made.data) == 32 and made.validation is None
    assert made.trained_on["train"] == 32 and made.trained_on["validation"] == 0


def test_other_pictures_are_told_as_ones_own(data: Path, tmp_path: Path) -> None:
    (data / "train" / "023.png").unlink()
    made = RECIPE.build(TinyConfig(epochs=1), context(data))
    Trainer(made, made.config, tmp_path / "run").run()
    RECIPE.publish(TinyConfig(epochs=1), tmp_path / "run", context(data), PublishOptions(weights_dir=tmp_path / "w"))
    assert load_manifest(tmp_path / "w")["tiny_patches"].dataset.startswith("pictures of one's own (23 train")


def test_settings_that_do_not_go_together_are_refused_before_pictures_are_packed(data: Path) -> None:
    with pytest.raises(ValueError, match="patches of 50 px do not fit in pictures of 40"):
        replace(TinyConfig(), input_px=50)
    with pytest.raises(ValueError, match="pictures of 32 px cannot grow from 40"):
        replace(TinyConfig(), first_px=40)
    with pytest.raises(ValueError, match="at least one batch of 64 pictures, got 24"):
        RECIPE.build(replace(TinyConfig(), batch_size=64), context(data))
    assert not list(data.glob("*.h5"))


def test_patch_networks_can_join_an_ensemble(data: Path, tmp_path: Path) -> None:
    made = RECIPE.build(TinyConfig(), context(data))
    Trainer(made, made.config, tmp_path / "run").run()
    assert isinstance(RECIPE, ClassifierMaker)
    logits, labels, split = measured_members([str(tmp_path / "run")], RECIPE, context(data))
    assert logits[str(tmp_path / "run")].shape == (12, 2) and labels.tolist() == [0, 1] * 6
    assert split.startswith("12 pictures")
    held_out = RECIPE.validation(context(data), {"a": {"validation": 1}})
    assert [path.parent.name for path in held_out.listing.files] == ["validation"] * 8
    network = RECIPE.load_run(tmp_path / "run" / "best.pt")
    assert RECIPE.predict(network, held_out, context(data))[0].shape == (8, 2)
    with pytest.raises(ValueError, match="b held no validation pictures out"):
        RECIPE.validation(context(data), {"a": {"validation": 1}, "b": {"validation": 0}})


def test_accuracy_needs_data() -> None:
    with pytest.raises(ValueError, match="give --data"):
        RECIPE.evaluate("tiny_patches", Context(data=None, device=CPU, amp=False))


def test_alexnet_learns_from_the_books_sizes() -> None:
    recipe = RECIPES["cats-dogs-alexnet"]
    assert isinstance(recipe, PatchRecipe)
    config = recipe.config()
    assert (config.stored_px, config.input_px, config.flip) == (256, 227, True)
    assert recipe.network(config)["name"] == "alexnet"


def test_imagenette_is_read_by_class_names_and_split(tmp_path: Path) -> None:
    for folder, count in (("train", 52), ("val", 3)):
        for wnid in ("n01440764", "n03888257", "sofa"):
            (tmp_path / "imagenette2-160" / folder / wnid).mkdir(parents=True)
            for i in range(count):
                (tmp_path / "imagenette2-160" / folder / wnid / f"{i:02d}.JPEG").write_bytes(b"")
    sizes = {split: len(imagenette.read(tmp_path, split).files) for split in ("train", "validation", "test")}
    assert sizes == {"train": 6, "validation": 150, "test": 9}
    train, held_out = (imagenette.read(tmp_path, split) for split in ("train", "validation"))
    assert train.class_names == ["tench", "parachute", "sofa"]
    assert not set(train.files) & set(held_out.files) and held_out.files[0].name == "02.JPEG"
    assert imagenette.read(tmp_path / "imagenette2-160", "test").files[0].parent.parent.name == "val"
