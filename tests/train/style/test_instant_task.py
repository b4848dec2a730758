"""The task: a step learns, pairs are drawn as told, runs resume bit for bit."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from cvdemo.style.optimise import StyleConfig
from tests.helpers.painters import random_backbone
from tests.train.tiny_tasks import same_run
from train.engine import distributed
from train.engine.checkpoint import LAST, load
from train.engine.loop import Trainer, seeded
from train.style import instant_task
from train.style.contact_sheet import PHOTOGRAPH_NAMES
from train.style.instant_task import InstantTask, InstantTrainingConfig
from train.style.pictures import noise_pictures

TINY = InstantTrainingConfig(
    width=10, blocks=1, code_dim=4, hidden=8, crop_px=48, batch_size=2, identity=0.0, preview_every=0, lr=3e-3
)


@pytest.fixture(autouse=True)
def few_paintings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(instant_task, "_SCALED_BY", 8)


def task_of(config: InstantTrainingConfig = TINY, *, amp: bool = False) -> InstantTask:
    photographs, paintings = noise_pictures(3, 48, 0), noise_pictures(3, 48, 1)
    held_out = tuple(np.stack([source.read(i) for i in range(2)]) for source in (photographs, paintings))
    return InstantTask(config, photographs, paintings, held_out, random_backbone(), amp)


def test_the_weights_of_the_losses_are_the_optimisers() -> None:
    assert InstantTrainingConfig().weights == StyleConfig()
    assert replace(TINY, style_weight=20).weights == StyleConfig(style_weight=20)


@pytest.mark.parametrize("amp", [False, True])
def test_a_step_changes_every_layer(amp: bool) -> None:
    task = task_of(amp=amp)
    task.step(0, seeded("step", 0, 0))  # the modulation begins at zero, so the encoder stands still at first
    before = {name: value.clone() for name, value in task.network.named_parameters()}
    logs = task.step(1, seeded("step", 0, 1))
    assert set(logs) == {"loss", "content", "style", "variation"}
    assert all(torch.isfinite(value) for value in logs.values())
    assert [name for name, value in task.network.named_parameters() if torch.equal(value, before[name])] == []


@pytest.mark.slow
def test_the_loss_falls() -> None:
    task = task_of()
    before = task.evaluate(task.network)
    for step in range(40):
        task.step(step, seeded("step", 0, step))
    after = task.evaluate(task.network)
    assert after["loss"] < 0.9 * before["loss"]
    assert after["untouched_loss"] == before["untouched_loss"]


def test_pictures_that_are_their_own_style() -> None:
    content, style, own = task_of(replace(TINY, identity=1.0))._pairs(seeded("step", 0, 0))
    torch.testing.assert_close(content, style, atol=2e-3, rtol=0)
    assert own.tolist() == [1, 1]
    content, style, own = task_of()._pairs(seeded("step", 0, 0))
    assert own.tolist() == [0, 0] and (content - style).abs().mean() > 0.05
    torch.testing.assert_close(content.mean(dim=(2, 3)), style.mean(dim=(2, 3)), atol=0.05, rtol=0)  # its colours


def test_own_styles_are_held_to_the_picture_itself() -> None:
    config = replace(TINY, identity=1.0, lr=0.0)
    plain = task_of(replace(config, identity_weight=0.0)).step(0, seeded("step", 0, 0))["loss"]
    held = task_of(config).step(0, seeded("step", 0, 0))["loss"]
    assert held > plain + 0.05
    others = [task_of(replace(TINY, identity_weight=weight)).step(0, seeded("step", 0, 0))["loss"] for weight in (0, 5)]
    assert others[0] == others[1]


def test_two_processes_share_the_pairs_of_one(monkeypatch: pytest.MonkeyPatch) -> None:
    task = task_of()
    joint = task._pairs(seeded("step", 0, 7))[0]
    monkeypatch.setattr(distributed, "world_size", lambda: 2)
    parts = []
    for rank in (0, 1):
        monkeypatch.setattr(distributed, "rank", lambda rank=rank: rank)
        parts.append(task._pairs(seeded("step", 0, 7))[0])
    torch.testing.assert_close(torch.cat(parts), joint)


@pytest.mark.slow
def test_a_stopped_and_resumed_run_is_the_same_bit_for_bit(tmp_path: Path) -> None:
    config = replace(TINY, steps=4, evaluate_every=2, ema_decay=0.9)
    Trainer(task_of(config), config, tmp_path / "whole").run()
    stopped = Trainer(task_of(config), config, tmp_path / "parts")
    take_step = stopped.task.step

    def stop_after_second(step: int, generator: torch.Generator) -> dict[str, torch.Tensor]:
        stopped.stop_requested = step == 1
        return take_step(step, generator)

    stopped.task.step = stop_after_second  # type: ignore[method-assign]  # as a signal would, at a known step
    assert not stopped.run() and stopped.step == 2
    torch.manual_seed(99)
    assert Trainer(task_of(config), config, tmp_path / "parts", resume=True).run()
    assert same_run(load(tmp_path / "whole" / LAST), load(tmp_path / "parts" / LAST))


def test_the_preview_shows_examples_in_styles(tmp_path: Path) -> None:
    task = task_of()
    task.preview(task.network.eval(), tmp_path / "preview")
    with Image.open(tmp_path / "preview.png") as sheet:
        assert sheet.width == 48 * (1 + len(PHOTOGRAPH_NAMES)) and sheet.height >= 48 * 7


def test_the_scale_of_statistics_is_that_of_paintings() -> None:
    encoder = task_of().network.style_encoder
    assert encoder.deviation.min() > 0 and not torch.equal(encoder.mean, torch.zeros_like(encoder.mean))
    assert torch.equal(encoder.mean, task_of().network.style_encoder.mean)


def test_crops_off_the_grid_are_refused() -> None:
    with pytest.raises(ValueError, match="crop_px of a multiple of 4, got 50"):
        replace(TINY, crop_px=50)


def test_codes_and_gains_have_a_learning_rate_of_their_own() -> None:
    task = task_of(replace(TINY, lr_style=1e-5))
    kernels, linear = task.optimizers["network"].param_groups
    assert (kernels["lr"], linear["lr"]) == (3e-3, 1e-5)
    assert {parameter.ndim for parameter in linear["params"]} == {1, 2}
    assert len(kernels["params"]) + len(linear["params"]) == len(list(task.network.parameters()))


def test_a_run_starts_from_the_averaged_network_of_another(tmp_path: Path) -> None:
    Trainer(task_of(), replace(TINY, steps=2), tmp_path).run()
    first = load(tmp_path / LAST)
    task = task_of(replace(TINY, seed=1, start=str(tmp_path / LAST)))
    assert all(torch.equal(value, first["ema"][name]) for name, value in task.network.state_dict().items())
    assert [run["settings"]["steps"] for run in task.earlier] == [2]


@pytest.mark.parametrize(
    ("start", "told"), [("no_such", "neither a checkpoint file nor a weight"), ("instant_style", "does not fit this")]
)
def test_a_wrong_start_is_told(start: str, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        task_of(replace(TINY, start=start))
