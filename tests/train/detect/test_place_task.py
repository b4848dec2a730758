"""Training a PlaceNet: what learns and what stays, norms as one convolution, and two pictures learnt by heart."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from cvdemo.detect.detector import DETECTORS
from cvdemo.nets.backbone import BACKBONE
from cvdemo.nets.place_net import PlaceNet, lent_by
from cvdemo.weights import load_state_dict
from train.data.read_pictures import read_rgb
from train.detect.annotations import Annotated
from train.detect.place_measure import finder_of, map50, measured, page_threshold
from train.detect.place_recipe import drawn_pictures
from train.detect.place_task import FixedNorm, PlaceConfig, PlaceTask, fix_norms
from train.engine.loop import seeded

CPU = torch.device("cpu")


def config_of(**settings: Any) -> PlaceConfig:
    small = {
        "input_px": 96, "train_px": (96,), "width": 16, "depth": 1, "strides": (8, 16), "last_block": 6,
        "epochs": 0, "steps": 40, "batch_size": 2, "warmup_fraction": 0.1, "zoom": (1.0, 1.0), "evaluate_every": 0,
    }  # fmt: skip
    return PlaceConfig(**{**small, **settings})


def task_on(folder: Path, count: int = 2, amp: bool = False, **settings: Any) -> PlaceTask:
    pictures = drawn_pictures(folder, 2, seed=1, count=count)
    return PlaceTask(config_of(**settings), ["even", "odd"], pictures, pictures, CPU, amp)


def train(task: PlaceTask, steps: int) -> list[float]:
    losses = []
    for step in range(steps):
        for optimizer, lr in ((task.optimizers["head"], 5e-3), (task.optimizers["body"], 1e-3)):
            for group in optimizer.param_groups:
                group["lr"] = lr * task.lr_factor(step)
        losses.append(float(task.step(step, seeded("step", 0, step))["loss"]))
    return losses


@pytest.mark.slow
def test_two_pictures_are_learnt_by_heart(tmp_path: Path) -> None:
    task = task_on(tmp_path, steps=60)
    losses = train(task, 60)
    assert sum(losses[-5:]) < 0.6 * sum(losses[:5])  # scores learn overlaps, so that entropy is left
    task.network.eval()
    finder = finder_of(task.network, task.preprocessing, 96)
    assert map50(finder, task.data, 2) == 1.0
    for item in task.data:
        assert finder(read_rgb(item.path)).classes[0] == item.truth.classes[0]


@pytest.mark.parametrize("amp", [False, True])
def test_first_blocks_and_statistics_stay_and_the_others_learn(tmp_path: Path, amp: bool) -> None:
    task = task_on(tmp_path, amp=amp, steps=2, first_block=4)
    train(task, 2)
    base, now = lent_by(load_state_dict(BACKBONE), task.network), task.network.state_dict()
    changed = {key for key, tensor in base.items() if not torch.equal(tensor, now[key])}
    learnt = {key for key in base if key.startswith(("trunk.blocks.4", "trunk.blocks.5", "trunk.blocks.6"))}
    assert changed == {key for key in learnt if key.endswith(("weight", "bias"))}


def test_no_block_learns_while_the_trunk_is_frozen(tmp_path: Path) -> None:
    task = task_on(tmp_path, steps=4, first_block=4, frozen_fraction=0.5)
    before = {name: tensor.clone() for name, tensor in task.network.trunk.state_dict().items()}
    head = task.network.classes.weight.clone()
    train(task, 2)
    now = task.network.trunk.state_dict()
    assert all(torch.equal(tensor, now[name]) for name, tensor in before.items())
    assert not torch.equal(head, task.network.classes.weight)
    task.step(2, seeded("step", 0, 2))
    assert not torch.equal(
        before["blocks.6.expand.0.weight"], task.network.trunk.state_dict()["blocks.6.expand.0.weight"]
    )


@pytest.mark.parametrize("part", ["expand", "depthwise"])
def test_a_fixed_norm_is_the_convolution_and_its_norm(part: str) -> None:
    torch.manual_seed(0)
    pair = getattr(PlaceNet(1, (8,), last_block=3, width=8).trunk.blocks[1], part)
    assert isinstance(pair, nn.Sequential)
    norm = pair[1]
    assert isinstance(norm, nn.BatchNorm2d)
    nn.init.uniform_(norm.running_mean, -1, 1)  # type: ignore[arg-type]  # a tensor
    nn.init.uniform_(norm.running_var, 0.5, 2)  # type: ignore[arg-type]  # a tensor
    conv = pair[0]
    assert isinstance(conv, nn.Conv2d)
    x = torch.randn(1, conv.in_channels, 6, 6)
    expected, fixed = pair.eval()(x), FixedNorm(*pair)
    assert torch.allclose(fixed(x), expected, atol=1e-5)
    (gradient,) = torch.autograd.grad(fixed(x).square().sum(), [norm.weight])
    (wanted,) = torch.autograd.grad(pair(x).square().sum(), [norm.weight])
    assert torch.allclose(gradient, wanted, rtol=1e-4)


def test_fixed_norms_change_neither_answers_nor_names() -> None:
    network = PlaceNet(2, (8, 16), last_block=6, width=8, depth=1).eval()
    pixels, names = torch.randn(1, 3, 64, 64), list(network.state_dict())
    with torch.no_grad():
        expected = network(pixels)
        fix_norms(network.trunk)
        assert torch.allclose(network(pixels), expected, atol=1e-5)
    assert list(network.state_dict()) == names
    assert sum(isinstance(module, FixedNorm) for module in network.modules()) == 1 + 2 + 3 * 6


def test_canvases_and_measures_follow_the_config(tmp_path: Path) -> None:
    settings = {"train_px": (64, 96), "batch_size": 4, "epochs": 6, "steps": 0, "measure_epochs": 3, "measured": 3}
    task = task_on(tmp_path, count=8, **{**settings, "evaluate_every": 1})
    assert (task.config.steps, task.config.evaluate_every, len(task.validation)) == (12, 6, 3)
    sides = {task.batch(step, seeded("step", 0, step))[0].shape[-1] for step in range(12)}
    assert sides == {64, 96}
    pixels, truths = task.batch(0, seeded("step", 0, 0))
    assert pixels.shape[:2] == (4, 3) and len(truths) == 4
    assert torch.equal(pixels, task.batch(0, seeded("step", 0, 0))[0])


def test_canvases_that_do_not_fit_the_strides_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="multiples of 16"):
        task_on(tmp_path, train_px=(96, 104))


def test_measures_name_their_classes(tmp_path: Path) -> None:
    pictures: list[Annotated] = drawn_pictures(tmp_path, 2, seed=1, count=4)
    task = PlaceTask(config_of(), ["even", "odd", "never"], pictures, pictures, CPU, False)
    task.network.eval()
    result = measured(finder_of(task.network, task.preprocessing, 96), pictures, ["even", "odd", "never"], 0.5)
    assert set(result["ap50"]) == {"even", "odd"} and (result["n"], result["boxes"]) == (4, 4)
    assert 0 <= result["map_coco"] <= result["map50"] <= 1
    sizes = result["recall_by_size"]
    assert sizes["threshold"] == 0.5 and sum(row["n"] for row in sizes["rows"]) == 4
    assert result["calibration"].keys() == {"iou", "floor", "mean_gap", "rows"}


def test_a_weight_has_the_threshold_of_its_detector_on_the_page() -> None:
    assert [page_threshold(kind.weight) for kind in DETECTORS.values() if kind.weight] == [
        kind.score_threshold for kind in DETECTORS.values() if kind.weight
    ]
    with pytest.raises(ValueError, match="no detector of the page has the weight 'dcgan'"):
        page_threshold("dcgan")
