"""Stopped and resumed, networks, augmentation and optimisers of the real recipes go on bit for bit, in 16 bits too."""

from pathlib import Path
from typing import Any

import pytest
import torch

from tests.train.tiny_tasks import same_run
from train.engine.checkpoint import LAST, load
from train.engine.config_options import config_of
from train.engine.loop import Task, Trainer
from train.publishing.recipe import Context
from train.recipes import RECIPES

SHORT = {
    "epochs": 0, "steps": 4, "batch_size": 4, "evaluate_every": 4, "log_every": 1, "preview_every": 0, "ema_decay": 0.9
}  # fmt: skip
CLASSIFIERS: dict[str, dict[str, Any]] = {
    "lenet-fashion-mnist": {"micro_batch": 2},
    "cifar10": {"micro_batch": 4},
    "cifar10-minigooglenet": {"micro_batch": 4},
    "tiny-imagenet": {"micro_batch": 2, "mixup_alpha": 0.2, "cutmix_alpha": 1.0, "first_px": 32},
    "cats-dogs-alexnet": {"micro_batch": 2},
    "imagenette": {"micro_batch": 2},
    "cats-dogs-finetune": {"warmup_steps": 2},
}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "amp"),
    [
        ("lenet-fashion-mnist", False),
        ("lenet-fashion-mnist", True),
        ("cifar10", True),
        ("cifar10-minigooglenet", False),
        ("tiny-imagenet", True),
        ("cats-dogs-alexnet", True),
        ("imagenette", False),
        ("cats-dogs-finetune", False),
    ],
)
def test_a_stopped_run_goes_on_bit_for_bit(name: str, amp: bool, tmp_path: Path) -> None:
    recipe = RECIPES[name]
    config = config_of(recipe.dry_run | SHORT | CLASSIFIERS[name], recipe.config)
    context = Context(data=None, device=torch.device("cpu"), amp=amp)

    def task() -> Task:
        return recipe.build(config, context)

    assert Trainer(task(), config, tmp_path / "whole").run()
    stopped = Trainer(task(), config, tmp_path / "parts")
    step = stopped.task.step

    def stopping_step(number: int, generator: torch.Generator) -> dict[str, torch.Tensor]:
        stopped.stop_requested = number == 1
        return step(number, generator)

    stopped.task.step = stopping_step  # type: ignore[method-assign, assignment]
    assert not stopped.run()
    resumed = Trainer(task(), config, tmp_path / "parts", resume=True)
    assert resumed.step == 2 and resumed.run()
    assert same_run(load(tmp_path / "whole" / LAST), load(tmp_path / "parts" / LAST))
