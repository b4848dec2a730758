"""A recipe with a whitening layer: fitted to its training pictures, in the run's checkpoints and in the weight."""

from dataclasses import replace
from pathlib import Path
from typing import Literal

import numpy as np
import pytest
import torch

from cvdemo.classify.classifier import load_network
from cvdemo.images import to_batch
from cvdemo.nets.googlenet import MiniGoogLeNet
from cvdemo.nets.patch_whitening import PatchWhitening
from cvdemo.weights import load_manifest
from tests.train.tiny_tasks import altered
from train.data.datasets import LabelledPictures
from train.engine.checkpoint import LAST
from train.engine.loop import Trainer
from train.publishing.recipe import Context, PublishOptions, command_of
from train.recipes import minigooglenet

CONFIG = minigooglenet.MiniGoogLeNetConfig(
    epochs=1, batch_size=20, micro_batch=20, validation=10, whitening="zca", translate_px=0
)


def stripes(data: Path, split: str) -> LabelledPictures:
    """Pictures (40, 32, 32, 3) whose rows are of one colour each."""
    rng = np.random.default_rng(len(split))
    rows = rng.integers(0, 256, (40, 32, 1, 3), dtype=np.uint8).repeat(32, axis=2)
    return LabelledPictures(rows, np.arange(40, dtype=np.int64) % 10, [f"class {i}" for i in range(10)])


@pytest.mark.slow
def test_the_layer_is_fitted_kept_and_published(tmp_path: Path) -> None:
    source = replace(minigooglenet.RECIPE.source, read=stripes, folder=None, counts={})
    recipe = altered(replace(minigooglenet.RECIPE, source=source))
    context = Context(data=tmp_path, device=torch.device("cpu"), amp=False)
    task = recipe.build(CONFIG, context)
    fitted = task.network.whiten.weight.clone()
    expected = PatchWhitening("zca")
    expected.fit(source.normalisation(to_batch(task.data.pictures)))
    assert len(task.data) == 30 and torch.allclose(fitted, expected.weight)
    assert Trainer(task, task.config, tmp_path / "run").run()
    kept = recipe.load_run(tmp_path / "run" / LAST)
    assert isinstance(kept, MiniGoogLeNet) and kept.whiten is not None
    assert torch.equal(kept.whiten.weight, fitted)
    recipe.publish(CONFIG, tmp_path / "run", context, PublishOptions(weights_dir=tmp_path / "weights"))
    entry = load_manifest(tmp_path / "weights")["cifar10_minigooglenet"]
    assert entry.network["whitening"] == "zca" and "--whitening zca" in entry.command
    published = load_network("cifar10_minigooglenet", tmp_path / "weights")
    assert isinstance(published, MiniGoogLeNet) and published.whiten is not None
    assert torch.allclose(published.whiten.weight, fitted, rtol=1e-2)  # small, so stored in float16


@pytest.mark.parametrize(("whitening", "words"), [("none", ""), ("pca", " --whitening pca")])
def test_the_setting_stands_in_command_and_network(whitening: Literal["none", "pca"], words: str) -> None:
    config = minigooglenet.MiniGoogLeNetConfig(whitening=whitening)
    command = f"python -m train cifar10-minigooglenet{words} --data DIR --out DIR"
    assert command_of("cifar10-minigooglenet", config) == command
    assert minigooglenet.network(config).get("whitening", "none") == whitening
