"""The recipe on generated pictures: what is read, held out, measured and published."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from cvdemo.style.feed_forward import make_style_net, read_style_net
from cvdemo.weights import load_manifest
from tests.helpers.painters import random_backbone
from train.engine.loop import Trainer
from train.publishing.recipe import Context, PublishOptions
from train.recipes import RECIPES, instant_style
from train.style import instant_recipe, instant_task, measures
from train.style.instant_recipe import HELD_OUT, held_out_pairs
from train.style.pictures import PictureFiles

CPU = torch.device("cpu")
RECIPE = instant_style.RECIPE
TINY = RECIPE.config(
    width=10, blocks=1, code_dim=4, hidden=8, crop_px=24, batch_size=2, steps=2, evaluate_every=2, preview_every=2
)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """A random backbone, few paintings to scale by, few steps of the optimiser."""
    monkeypatch.setattr(instant_recipe, "load_backbone", lambda device: random_backbone())
    monkeypatch.setattr(instant_task, "_SCALED_BY", 8)
    optimiser = measures.by_optimiser
    monkeypatch.setattr(instant_recipe, "by_optimiser", lambda features, config: optimiser(features, config, steps=1))


@pytest.fixture
def data(tmp_path: Path) -> Path:
    random = np.random.default_rng(0)
    for folder, count in (("photographs/a", HELD_OUT), ("photographs/b", 3), ("paintings", HELD_OUT + 2)):
        (tmp_path / "data" / folder).mkdir(parents=True)
        for index in range(count):
            pixels = random.integers(0, 256, (24, 30, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(tmp_path / "data" / folder / f"{index:03}.png")
    return tmp_path / "data"


def test_what_is_measured_is_not_trained_on(data: Path) -> None:
    task = RECIPE.build(TINY, Context(data=data, device=CPU, amp=False))
    assert dict(task.trained_on) == {"photographs": 3, "paintings": 2}
    assert isinstance(task.photographs, PictureFiles) and isinstance(task.paintings, PictureFiles)
    assert [len(squares) for squares in task.held_out] == [HELD_OUT, HELD_OUT]
    again = held_out_pairs(data, 24)
    assert all(np.array_equal(one, other) for one, other in zip(task.held_out, again, strict=True))
    trained = [task.paintings.read(i)[:, 3:27] for i in range(2)]  # their central squares
    assert not any(np.array_equal(square, held) for square in trained for held in task.held_out[1])


@pytest.mark.slow
def test_what_is_published_loads_and_measures_the_same(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    context = Context(data=data, device=CPU, amp=False)
    Trainer(RECIPE.build(TINY, context), TINY, tmp_path / "run").run()
    weights = tmp_path / "weights"
    assert RECIPE.publish(TINY, tmp_path / "run", context, PublishOptions(weights_dir=weights)) == "instant_style"
    entry = load_manifest(weights)["instant_style"]
    assert entry.task == "style" and entry.network == TINY.network
    assert "3 photographs and 2 paintings" in entry.dataset
    assert entry.metric["n"] == HELD_OUT and "24 pairs held out of training; step 2 of 2" in entry.metric["split"]
    assert {"instant_style.png", "instant_style_curves.png"} <= {path.name for path in weights.iterdir()}
    assert "](instant_style.png)" in (weights / "instant_style.md").read_text()
    monkeypatch.setattr(instant_recipe, "entry_of", lambda name: load_manifest(weights)[name])
    monkeypatch.setattr(instant_recipe, "read_style_net", lambda name: read_style_net(name, weights))
    again = RECIPE.evaluate("instant_style", context)
    assert {key: again[key] for key in entry.metric["value"]} == entry.metric["value"]
    assert again["untouched_content"] == 0 and again["n"] == HELD_OUT


@pytest.mark.slow
def test_float16_is_what_is_stored(data: Path, tmp_path: Path) -> None:
    context = Context(data=data, device=CPU, amp=False)
    Trainer(RECIPE.build(TINY, context), TINY, tmp_path / "run").run()
    RECIPE.publish(TINY, tmp_path / "run", context, PublishOptions(name="other", weights_dir=tmp_path))
    network = read_style_net("other", tmp_path)
    weight = network.blocks[0].first.weight
    assert torch.equal(weight, weight.half().float())
    assert not torch.equal(network.style_encoder.mean, network.style_encoder.mean.half().float())


def test_losses_need_pictures() -> None:
    network = make_style_net(TINY.network)
    with pytest.raises(ValueError, match="held-out pictures: give --data"):
        instant_recipe.measure_all(network, TINY, Context(data=None, device=CPU, amp=False))


def test_without_data_it_learns_from_blots() -> None:
    task = RECIPE.build(replace(TINY, crop_px=48), Context(data=None, device=CPU, amp=False))
    assert len(task.photographs) == len(task.held_out[0]) == 4


def test_the_recipe_is_listed() -> None:
    assert RECIPES["instant-style"] is RECIPE and RECIPE.weights == ("instant_style",)
