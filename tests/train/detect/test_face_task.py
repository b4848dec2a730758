"""The task of the face detector: what its batches hold, when it looks for hard negatives, what it measures."""

from pathlib import Path

import numpy as np
import pytest
import torch

from tests.train.detect.face_pictures import write_face_folder
from train.detect.face_data import CHOICE_FOLDS, cmu_mit, fddb, read_face_data
from train.detect.face_task import FaceConfig, FaceTask
from train.engine.checkpoint import load
from train.engine.loop import Trainer

_SMALL = {
    "train_px": (64,),
    "batch_size": 2,
    "scene_batch": 3,
    "width": 8,
    "last_block": 10,
    "strides": (8, 16),
    "input_px": 64,
    "epochs": 0,
    "steps": 4,
    "mining": (0.5,),
    "evaluate_every": 0,
    "log_every": 1,
    "ema_decay": 0.5,
}


def _task(folder: Path, **other: object) -> FaceTask:
    write_face_folder(folder)
    config = FaceConfig(**(_SMALL | other))
    data = read_face_data(folder, config.held_out_fold)
    return FaceTask(config, data, fddb(folder, CHOICE_FOLDS), cmu_mit(folder), torch.device("cpu"), False)


def test_a_batch_holds_faces_then_scenes(tmp_path: Path) -> None:
    task = _task(tmp_path)
    pixels, truths = task.batch(0, torch.Generator().manual_seed(0))
    assert pixels.shape == (5, 3, 64, 64)
    assert len(truths) == 5
    again, _ = task.batch(0, torch.Generator().manual_seed(0))
    assert torch.equal(pixels, again)
    faces = [len(task.batch(0, torch.Generator().manual_seed(seed))[1][0].classes) for seed in range(5)]
    assert max(faces) >= 1


def test_scenes_get_pasted_faces_or_none(tmp_path: Path) -> None:
    task = _task(tmp_path, pasted=1.0)
    assert all(len(task._scene_view(64, np.random.default_rng(seed))[1].classes) for seed in range(5))
    task = _task(tmp_path / "other", pasted=0.0)
    assert not any(len(task._scene_view(64, np.random.default_rng(seed))[1].classes) for seed in range(5))


def test_hard_places_are_shown_once_there_are_some(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    task = _task(tmp_path, pasted=0.0, mined=1.0)
    shown: list[tuple[object, ...]] = []

    def scene_view(scene: np.ndarray, side_px: int, rng: np.random.Generator, *place: object) -> np.ndarray:
        shown.append(place)
        return np.zeros((side_px, side_px, 3), np.uint8)

    monkeypatch.setattr("train.detect.face_task.scene_view", scene_view)
    task._scene_view(64, np.random.default_rng(0))
    task.hard.replace([(0.9, 3, 4, 5, 0.5)])
    task._scene_view(64, np.random.default_rng(0))
    assert shown == [(), ((4.0, 5.0), 0.5)]


def test_scenes_are_scanned_before_the_steps_that_the_config_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    task = _task(tmp_path, mining=(0.25, 0.5))
    mined: list[int] = []
    monkeypatch.setattr(task, "mine", mined.append)
    for step in range(4):
        task.step(step, torch.Generator().manual_seed(step))
    assert mined == [0, 1]


def test_mining_fills_the_places_and_leaves_training_as_it_was(tmp_path: Path) -> None:
    task = _task(tmp_path)
    with torch.no_grad():
        task.network.classes.bias.fill_(3)  # a network that sees faces everywhere
    task.mine(0)
    assert len(task.hard) > 8
    assert {task.hard[index][0] for index in range(len(task.hard))} <= set(range(len(task.scenes)))
    assert task.network.training
    assert not task.network.trunk.training


@pytest.mark.slow
def test_a_resumed_run_goes_on_with_the_same_places_and_weights(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = _task(tmp_path / "data")
    Trainer(whole, whole.config, tmp_path / "whole").run()

    config = whole.config
    parts = [
        FaceTask(config, read_face_data(tmp_path / "data", 0), whole.validation, whole.squares, whole.device, False)
        for _ in range(2)
    ]
    first = Trainer(parts[0], config, tmp_path / "parted")
    original = parts[0].step

    def stop_after_three(step: int, generator: torch.Generator) -> dict[str, torch.Tensor]:
        first.stop_requested = step == 2
        return original(step, generator)

    monkeypatch.setattr(parts[0], "step", stop_after_three)
    assert not first.run()
    assert Trainer(parts[1], config, tmp_path / "parted", resume=True).run()
    ours, theirs = (load(tmp_path / name / "last.pt") for name in ("whole", "parted"))
    for name in ("network", "hard"):
        for key, tensor in ours["networks"][name].items():
            assert torch.equal(tensor, theirs["networks"][name][key]), key


def test_both_sets_are_measured(tmp_path: Path) -> None:
    values = _task(tmp_path).evaluate(_task(tmp_path / "other").network)
    assert set(values) == {"fddb_ap30", "fddb_ap50", "cmu_ap30", "cmu_ap50", "ap50"}
    assert all(0 <= value <= 1 for value in values.values())
    assert values["ap50"] == pytest.approx((values["fddb_ap50"] + values["cmu_ap50"]) / 2)
