"""The classifier's task on made pictures: what a step is, what it learns, how its shares and micro-batches add up."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from cvdemo.images import to_batch
from train.classify import classifier_task
from train.classify.classifier_task import ClassifierConfig, ClassifierTask, Normalisation, predict, side_px
from train.data.datasets import LabelledPictures
from train.data.hdf5 import Hdf5Dataset, Hdf5Writer
from train.engine.loop import seeded
from train.engine.optimisers import optimizers_for

CPU = torch.device("cpu")
HALF = Normalisation((0.5, 0.5, 0.5), (0.25, 0.25, 0.25))
CONFIG = ClassifierConfig(epochs=2, batch_size=8, flip=False, lr=0.05, ema_decay=0.0, validation=8, log_every=1)


def squares(count: int = 48, seed: int = 0) -> LabelledPictures:
    """Noise of 8 px with a bright square top left (class 0) or bottom right (class 1)."""
    pictures = np.random.default_rng(seed).integers(0, 120, (count, 8, 8, 3), dtype=np.uint8)
    labels = np.arange(count, dtype=np.int64) % 2
    pictures[labels == 0, :4, :4] += 130
    pictures[labels == 1, 4:, 4:] += 130
    return LabelledPictures(pictures, labels, ["top", "bottom"])


def task(config: ClassifierConfig = CONFIG, data: LabelledPictures | None = None, norm: bool = True) -> ClassifierTask:
    torch.manual_seed(0)
    middle: list[nn.Module] = [nn.BatchNorm2d(4)] if norm else []
    network = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), *middle, nn.ReLU(), nn.Flatten(), nn.Linear(256, 2))
    optimizers = optimizers_for(
        network, config.optimizer, config.lr, lr_rest=config.lr_rest, momentum=0.9, weight_decay=1e-4
    )
    return ClassifierTask(config, network, optimizers, data or squares(), squares(20, 1), HALF, CPU, amp=False)


def pictures_of(side: int) -> LabelledPictures:
    """Blurred noise of that many px."""
    noise = torch.rand(48, 3, side // 3, side // 3, generator=seeded("noise", 0, 0))
    grown = torch.nn.functional.interpolate(noise, (side, side), mode="bilinear")
    pictures = (255 * grown).permute(0, 2, 3, 1).to(torch.uint8).numpy()
    return LabelledPictures(pictures, np.arange(48, dtype=np.int64) % 2, ["top", "bottom"])


def weights_after(made: ClassifierTask, steps: int) -> list[torch.Tensor]:
    for step in range(steps):
        made.step(step, seeded("step", 0, step))
    return [weight.detach().clone() for weight in made.network.parameters()]


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"optimizer": "muon", "lr": 0.1, "label_smoothing": 0.2, "alternate_flips": True},
        {"translate_px": 1, "flip": True, "cutout_px": 2},
        {"mixup_alpha": 0.2, "cutmix_alpha": 1.0, "optimizer": "adamw", "lr": 0.01},
        {"balance": True},
    ],
)
def test_it_learns_to_tell_two_squares(changes: dict[str, object]) -> None:
    made = task(replace(CONFIG, **changes))  # type: ignore[arg-type]  # of many types
    weights_after(made, 24)
    mirrored = made.config.flip or made.config.alternate_flips
    assert made.evaluate(made.network)["rank1"] >= (80 if mirrored else 95)


def test_epochs_become_steps_and_no_validation_means_no_measure() -> None:
    assert (task().config.steps, task().config.evaluate_every) == (12, 6)
    alone = ClassifierTask(CONFIG, nn.Flatten(), {}, squares(), None, HALF, CPU, amp=False)
    assert alone.config.evaluate_every == 0
    with pytest.raises(ValueError, match="validation = 0"):
        alone.evaluate(nn.Flatten())


def test_micro_batches_add_up_to_the_batch() -> None:
    whole = weights_after(task(replace(CONFIG, micro_batch=8), norm=False), 3)
    parts = weights_after(task(replace(CONFIG, micro_batch=3), norm=False), 3)  # 3, 3 and 2 pictures
    for a, b in zip(whole, parts, strict=True):
        assert torch.allclose(a, b, atol=1e-6)


def test_every_step_can_be_repeated() -> None:
    config = replace(CONFIG, flip=True, translate_px=1, mixup_alpha=0.2, cutmix_alpha=1.0, cutout_px=2)
    for a, b in zip(weights_after(task(config), 3), weights_after(task(config), 3), strict=True):
        assert torch.equal(a, b)


@pytest.mark.parametrize(
    ("grown", "first_px", "side"),
    [(0, 0, 64), (0, 32, 32), (0.24, 32, 32), (0.25, 32, 40), (0.99, 32, 56), (1, 32, 64), (1.2, 32, 64), (0, 64, 64)],
)
def test_sides_grow_in_steps_of_eight(grown: float, first_px: int, side: int) -> None:
    assert side_px(grown, first_px, 64) == side


def test_pictures_grow_and_stay_what_they_are() -> None:
    made = task(replace(CONFIG, first_px=8, grow_until=0.5), pictures_of(24))
    batches = [made.batch(step, seeded("step", 0, step))[0] for step in range(12)]
    assert [batch.shape[-1] for batch in batches] == [8] * 3 + [16] * 3 + [24] * 6
    full = task(CONFIG, pictures_of(24)).batch(0, seeded("step", 0, 0))[0]
    shrunk = full.unflatten(3, (8, 3)).unflatten(2, (8, 3)).mean(dim=(3, 5))  # averages of 3 x 3
    assert torch.corrcoef(torch.stack([batches[0].flatten(), shrunk.flatten()]))[0, 1] > 0.98


@pytest.mark.parametrize("grow_until", [0.5, 0.6, 0.85, 1.0])
def test_the_gap_is_watched_once_pictures_have_their_full_size(grow_until: float) -> None:
    made = task(replace(CONFIG, first_px=16, grow_until=grow_until), pictures_of(24))
    assert made.gap == ("train_rank1", "rank1") and task(CONFIG, pictures_of(24)).gap_after == 0
    full = [made.side_px(step, 24) == 24 for step in range(made.config.steps)]
    assert full == [step >= made.gap_after for step in range(made.config.steps)] and not full[0]


@pytest.mark.parametrize("changes", [{"mixup_alpha": 0.2}, {"cutmix_alpha": 1.0, "first_px": 8}])
def test_the_gap_is_not_watched_where_training_pictures_are_mixed(changes: dict[str, float]) -> None:
    assert task(replace(CONFIG, **changes)).gap == ("", "")  # type: ignore[arg-type]  # of many types


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"first_px": 12}, "first_px must be a multiple of 8, got 12"),
        ({"first_px": -8}, "first_px must be at least 0"),
        ({"grow_until": 0.0}, "grow_until must be above 0"),
        ({"grow_until": 1.1}, "grow_until must be at most 1"),
    ],
)
def test_growth_out_of_range_is_refused(changes: dict[str, float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        replace(CONFIG, **changes)  # type: ignore[arg-type]  # of many types


def test_pictures_do_not_grow_from_more_than_they_have() -> None:
    with pytest.raises(ValueError, match="8 px cannot grow from 16"):
        task(replace(CONFIG, first_px=16)).batch(0, seeded("step", 0, 0))


def test_rare_classes_weigh_more() -> None:
    data = squares()
    few = data.take(np.flatnonzero((data.labels == 0) | (np.arange(48) < 12)))  # 24 of one, 6 of the other
    made = task(replace(CONFIG, balance=True), few)
    assert made.class_weights is not None
    assert made.class_weights[1] / made.class_weights[0] == pytest.approx(4)


def test_normalised_pictures_have_the_stated_mean() -> None:
    pixels = HALF(to_batch(np.full((2, 4, 4, 3), 255, np.uint8)))
    assert pixels.shape == (2, 3, 4, 4) and torch.allclose(pixels, torch.tensor(2.0))


def test_predictions_come_in_order_whatever_the_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    made, data = task(), squares(21)
    at_once = predict(made.network, data.pictures, HALF, CPU)
    monkeypatch.setattr("train.classify.classifier_task._MEASURE_BATCH", 4)
    assert torch.allclose(predict(made.network, data.pictures, HALF, CPU), at_once, atol=1e-5)
    assert at_once.shape == (21, 2)


def test_large_pictures_are_measured_a_few_at_a_time(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(classifier_task, "_MEASURE_PIXELS", 3 * 8 * 8)
    data, made = squares(20), task()
    asked: list[int] = []

    def views(pixels: torch.Tensor) -> torch.Tensor:
        asked.append(len(pixels))
        return made.network(pixels)

    in_memory = predict(made.network, data, HALF, CPU, views=views)
    assert asked == [3] * 6 + [2]
    with Hdf5Writer(tmp_path / "squares.h5", (8, 8, 3)) as writer:
        writer.add(data.pictures, data.labels)
    stored = Hdf5Dataset(tmp_path / "squares.h5")
    assert torch.equal(predict(made.network, stored, HALF, CPU), in_memory)
    assert torch.equal(predict(made.network, data.pictures, HALF, CPU), in_memory)
