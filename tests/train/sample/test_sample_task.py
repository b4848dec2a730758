"""Training of a DCGAN: every option takes steps, what is averaged is measured, and a stop changes nothing."""

import itertools
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from cvdemo.nets.dcgan import Generator
from tests.train.publishing.test_publish import put
from tests.train.tiny_tasks import same_run
from train.engine.checkpoint import BEST, LAST, load
from train.engine.loop import Trainer, seeded
from train.engine.monitor import METRICS_FILE, is_evaluation, read_records
from train.sample import sample_task as gan
from train.sample.losses import r1_penalty
from train.sample.sample_task import SampleTask, SampleTrainingConfig, from_signed, generated, square_grid, to_signed

CPU = torch.device("cpu")
TINY = SampleTrainingConfig(
    size=16, width=4, latent_dim=4, batch_size=8, steps=3, evaluate_every=0, preview_every=0, log_every=1, fd_pictures=8
)
ALL = ("color", "translation", "cutout")


def noise_pictures(n: int = 32, size: int = 16, channels: int = 3) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (n, size, size, channels), dtype=np.uint8)


def first_step(
    config: SampleTrainingConfig, amp: bool = False, channels: int = 3
) -> tuple[SampleTask, dict[str, torch.Tensor]]:
    task = SampleTask(config, noise_pictures(channels=channels), CPU, amp)
    return task, task.step(0, seeded("step", 0, 0))


@pytest.mark.parametrize("amp", [False, True])
@pytest.mark.parametrize("norm", ["spectral", "batch", "none"])
@pytest.mark.parametrize("loss", ["hinge", "bce"])
def test_every_variant_takes_steps(loss: str, norm: str, amp: bool) -> None:
    smoothing = 0.1 if loss == "bce" else 0.0
    config = replace(
        TINY,
        loss=loss,
        norm=norm,
        dropout=0.3,
        label_smoothing=smoothing,
        label_noise=smoothing / 2,
        r1_gamma=1.0,
        diff_augment=ALL,
    )
    task = SampleTask(config, noise_pictures(), CPU, amp)
    before = [p.clone() for network in task.networks.values() for p in network.parameters()]
    logs = task.step(0, seeded("step", 0, 0))
    after = [p for network in task.networks.values() for p in network.parameters()]
    assert all(torch.isfinite(value) for value in logs.values())
    changed = sum(not torch.equal(a, b) for a, b in zip(before, after, strict=True))
    assert changed > 0.9 * len(before)
    layouts = [p.is_contiguous(memory_format=torch.channels_last) for p in after if p.ndim == 4]
    assert all(layouts)


def test_grey_pictures_are_learned_and_drawn(tmp_path: Path) -> None:
    task, logs = first_step(replace(TINY, diff_augment=ALL), channels=1)
    assert torch.isfinite(logs["loss_d"]) and task.generator.channels == 1
    task.preview(task.generator.eval(), tmp_path / "preview_0000001")
    with Image.open(tmp_path / "preview_0000001.png") as picture:
        assert picture.mode == "RGB" and picture.size == (128, 128)


def test_the_discriminator_learns_to_tell_a_fixed_generator() -> None:
    config = replace(TINY, lr_generator=0.0, lr_discriminator=2e-3)
    task = SampleTask(config, noise_pictures(), CPU, False)
    losses = [task.step(step, seeded("step", 0, step))["loss_d"].item() for step in range(30)]
    assert np.mean(losses[-5:]) < 0.5 * losses[0]


def test_two_learning_rates_move_each_network_at_its_own() -> None:
    task, _ = first_step(replace(TINY, lr_generator=0.0, lr_discriminator=1e-3))
    fresh, _ = gan.new_networks(TINY, 3, CPU)
    assert all(torch.equal(a, b) for a, b in zip(task.generator.parameters(), fresh.parameters(), strict=True))
    assert [group["lr"] for name in task.optimizers for group in task.optimizers[name].param_groups] == [0.0, 1e-3]


def test_rates_fall_over_the_last_steps_only() -> None:
    task = SampleTask(replace(TINY, steps=10, decay_steps=4), noise_pictures(), CPU, False)
    assert [task.lr_factor(step) for step in (0, 6, 7, 9)] == [1.0, 1.0, 0.75, 0.25]
    assert SampleTask(TINY, noise_pictures(), CPU, False).lr_factor(2) == 1.0


def test_r1_comes_every_few_steps_and_weighs_accordingly() -> None:
    config = replace(TINY, norm="none", r1_gamma=2.0, r1_every=4)
    task = SampleTask(config, noise_pictures(), CPU, False)
    real = to_signed(noise_pictures(8))
    penalties = [task._penalty(step, real) for step in range(5)]
    assert penalties[1:4] == [None, None, None]
    for penalty in (penalties[0], penalties[4]):
        assert penalty is not None
        assert penalty.item() == pytest.approx(4 * r1_penalty(task.discriminator, real, 2.0).item())
    assert SampleTask(replace(config, r1_gamma=0.0), noise_pictures(), CPU, False)._penalty(0, real) is None
    logs = [task.step(step, seeded("step", 0, step)) for step in range(6)]
    assert logs[0]["r1"] == logs[3]["r1"] != logs[4]["r1"] == logs[5]["r1"]  # the last one taken


def test_the_discriminator_may_be_wider() -> None:
    task = SampleTask(replace(TINY, width_discriminator=6), noise_pictures(), CPU, False)
    assert next(task.discriminator.parameters()).shape[0] == 6
    assert SampleTask(TINY, noise_pictures(), CPU, False).discriminator.state_dict().keys() == (
        task.discriminator.state_dict().keys()
    )
    last = [layer for layer in task.generator.modules() if isinstance(layer, torch.nn.ConvTranspose2d)][-1]
    assert last.in_channels == TINY.width


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"decay_steps": 4}, "need decay_steps from 0 to the 3 steps, got 4"),
        ({"fd_pictures": 3}, "fd_pictures must be at least 4, got 3"),
        ({"mixed_batches": True, "norm": "spectral"}, "mixed_batches needs --norm batch"),
        ({"mixed_batches": True, "r1_gamma": 1.0}, "R1 and mixed_batches do not go together"),
        ({"label_smoothing": 0.5, "label_noise": 0.25}, "targets of real and generated pictures meet"),
    ],
)
def test_settings_that_undo_themselves_are_refused_at_once(wrong: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        replace(TINY, **wrong)


def test_only_in_mixed_batches_the_discriminator_sees_how_much_pictures_vary() -> None:
    varied = 300 * to_signed(noise_pictures(8))  # far above BatchNorm's epsilon
    alike = varied / 3  # the first layer has no norm, and no bias yet
    apart, mixed = (
        SampleTask(replace(TINY, mixed_batches=mixed), noise_pictures(), CPU, False)._judge(varied, alike)
        for mixed in (False, True)
    )
    torch.testing.assert_close(*apart, rtol=1e-3, atol=1e-4)
    assert mixed[1].std() < 0.5 * mixed[0].std()


@pytest.mark.parametrize(("mixed", "sizes"), [(False, [8, 8, 8]), (True, [16, 16])])
def test_mixed_batches_hold_real_and_generated_pictures_for_both_networks(mixed: bool, sizes: list[int]) -> None:
    task = SampleTask(replace(TINY, mixed_batches=mixed), noise_pictures(), CPU, False)
    seen: list[int] = []
    task.discriminator.register_forward_pre_hook(lambda _, pictures: seen.append(len(pictures[0])))
    logs = task.step(0, seeded("step", 0, 0))
    assert seen == sizes
    assert torch.isfinite(logs["loss_g"]) and all(p.grad is not None for p in task.generator.parameters())


def test_r1_flattens_the_discriminator_at_real_pictures() -> None:
    slopes = {}
    for gamma in (0.0, 100.0):
        config = replace(TINY, norm="none", r1_gamma=gamma, r1_every=2, lr_discriminator=2e-3, lr_generator=0.0)
        task = SampleTask(config, noise_pictures(), CPU, False)
        for step in range(20):
            task.step(step, seeded("step", 0, step))
        slopes[gamma] = r1_penalty(task.discriminator, to_signed(noise_pictures()), 1.0).item()
    assert slopes[100.0] < 0.2 * slopes[0.0]


def test_augmentation_changes_what_the_discriminator_sees_but_not_the_generator(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seen: list[torch.Tensor] = []

    def watched(pictures: torch.Tensor, policies: tuple[str, ...], numbers: torch.Tensor) -> torch.Tensor:
        seen.append(numbers)
        return pictures * 0

    monkeypatch.setattr(gan, "diff_augment", watched)
    _, logs = first_step(replace(TINY, diff_augment=ALL, norm="none"))
    assert logs["logit_real"].item() == logs["logit_fake"].item()  # D saw nothing of either
    assert len(seen) == 3  # real, generated for D, generated for G: each its own numbers
    assert not any(torch.equal(a, b) for a, b in itertools.combinations(seen, 2))


@pytest.mark.parametrize("loss", ["hinge", "bce"])
def test_the_shares_of_two_processes_make_up_the_joint_gradient(loss: str, monkeypatch: pytest.MonkeyPatch) -> None:
    config = replace(TINY, loss=loss, norm="none", r1_gamma=1.0, diff_augment=ALL, lr_generator=0.0, lr_discriminator=0)
    config = replace(config, label_noise=0.2 if loss == "bce" else 0.0)

    def gradients(rows: slice) -> list[torch.Tensor]:
        monkeypatch.setattr(gan, "shard", lambda joint: joint[rows])
        task = SampleTask(config, noise_pictures(), CPU, False)
        task.generator.eval()  # BatchNorm would see the rows of its process only
        task.step(0, seeded("step", 0, 0))
        return [p.grad for network in task.networks.values() for p in network.parameters() if p.grad is not None]

    joint, first, second = (gradients(rows) for rows in (slice(0, 8), slice(0, 4), slice(4, 8)))
    for whole, a, b in zip(joint, first, second, strict=True):
        torch.testing.assert_close((a + b) / 2, whole, rtol=1e-3, atol=1e-6)


@pytest.mark.parametrize("amp", [False, True])
def test_a_run_stopped_and_resumed_is_the_same_bit_for_bit(amp: bool, tmp_path: Path) -> None:
    config = replace(
        TINY, steps=6, norm="spectral", dropout=0.3, label_noise=0.1, r1_gamma=1.0, r1_every=2, diff_augment=ALL
    )
    Trainer(SampleTask(config, noise_pictures(), CPU, amp), config, tmp_path / "whole").run()
    stopped = Trainer(SampleTask(config, noise_pictures(), CPU, amp), config, tmp_path / "parts")
    for _ in range(3):
        stopped._take_step()
    stopped._save()
    torch.manual_seed(99)
    Trainer(SampleTask(config, noise_pictures(), CPU, amp), config, tmp_path / "parts", resume=True).run()
    whole, parts = (load(tmp_path / name / LAST) for name in ("whole", "parts"))
    assert whole["step"] == parts["step"] == 6
    assert same_run(whole, parts)


@pytest.mark.parametrize("decay", [0.0, 0.9])
def test_what_is_averaged_is_what_is_measured(decay: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    measured: list[dict[str, torch.Tensor]] = []

    def watched(network: torch.nn.Module, count: int, seed: int, device: torch.device) -> object:
        measured.append({name: tensor.clone() for name, tensor in network.state_dict().items()})
        return generated(network, count, seed, device)

    monkeypatch.setattr(gan, "generated", watched)
    config = replace(TINY, ema_decay=decay, evaluate_every=3)
    Trainer(SampleTask(config, noise_pictures(), CPU, False), config, tmp_path).run()
    state = load(tmp_path / BEST)
    assert all(torch.equal(measured[-1][name], tensor) for name, tensor in state["ema"].items())
    live = state["networks"]["generator"]
    assert all(torch.equal(live[name], tensor) for name, tensor in state["ema"].items()) == (decay == 0)


def test_both_measures_and_their_floors_are_recorded(tmp_path: Path) -> None:
    config = replace(TINY, steps=2, evaluate_every=1)
    Trainer(SampleTask(config, noise_pictures(), CPU, False), config, tmp_path).run()
    records = [record for record in read_records(tmp_path / METRICS_FILE) if is_evaluation(record)]
    assert len(records) == 2
    assert {"fd_lite0", "fd_floor", "kid_lite0", "kid_error", "kid_floor"} <= records[0].keys()
    assert records[0]["fd_floor"] == records[1]["fd_floor"] > 0
    assert load(tmp_path / BEST)["best"] == min(record["fd_lite0"] for record in records)


def test_epochs_become_steps() -> None:
    task = SampleTask(replace(TINY, steps=0, epochs=2, decay_steps=8), noise_pictures(), CPU, False)
    assert task.config.steps == 8
    assert [task.lr_factor(step) for step in (0, 4)] == [1.0, 0.5]
    with pytest.raises(ValueError, match="need decay_steps up to the 8 steps of 2 epochs, got 9"):
        SampleTask(replace(TINY, steps=0, epochs=2, decay_steps=9), noise_pictures(), CPU, False)


def test_values_that_do_not_go_together_are_refused() -> None:
    with pytest.raises(ValueError, match="no labels"):
        SampleTrainingConfig(loss="hinge", label_smoothing=0.1)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"label_smoothing": 0.6}, r"label_smoothing must be at most 0\.5, got 0\.6"),
        ({"label_noise": -0.1}, r"label_noise must be at least 0, got -0\.1"),
        ({"dropout": 1.0}, r"dropout must be below 1, got 1\.0"),
        ({"r1_gamma": -1}, "r1_gamma must be at least 0, got -1"),
        ({"r1_every": 0}, "r1_every must be at least 1, got 0"),
        ({"norm": "layer"}, "norm must be one of .* got 'layer'"),
        ({"diff_augment": ("colour",)}, r"diff_augment must be one of \['color', .* got 'colour'"),
    ],
)
def test_values_out_of_range_are_refused(values: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        SampleTrainingConfig(**values)


@pytest.mark.parametrize("shape", [(8, 8, 8, 3), (8, 16, 16, 4)])
def test_pictures_of_another_shape_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="need pictures of 16 px with 3 channels or 1"):
        SampleTask(TINY, np.zeros(shape, np.uint8), CPU, False)


def test_a_run_starts_from_another_or_from_a_weight(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    task, _ = first_step(replace(TINY, lr_generator=1e-2, lr_discriminator=1e-2))
    checkpoint = tmp_path / "last.pt"
    networks = {name: network.state_dict() for name, network in task.networks.items()}
    torch.save({"networks": networks, "config": asdict(TINY), "seconds": 60.0, "command": "before"}, checkpoint)
    started = SampleTask(replace(TINY, start=str(checkpoint)), noise_pictures(), CPU, False)
    for name in ("generator", "discriminator"):
        pairs = zip(started.networks[name].parameters(), task.networks[name].parameters(), strict=True)
        assert all(torch.equal(a, b) for a, b in pairs)
    assert [run["command"] for run in started.earlier] == ["before"]

    put(tmp_path / "weights", "dcgan_tiny")
    monkeypatch.setattr("cvdemo.weights.WEIGHTS_DIR", tmp_path / "weights")
    monkeypatch.setattr(gan, "load_state_dict", lambda name: task.generator.state_dict())
    from_weight = SampleTask(replace(TINY, start="dcgan_tiny"), noise_pictures(), CPU, False)
    fresh = SampleTask(TINY, noise_pictures(), CPU, False)
    first = [next(network.parameters()) for network in (from_weight.generator, task.generator)]
    assert torch.equal(*first)
    judges = [next(network.parameters()) for network in (from_weight.discriminator, fresh.discriminator)]
    assert torch.equal(*judges)
    with pytest.raises(ValueError, match=r"last.pt does not fit this configuration"):
        SampleTask(replace(TINY, width=8, start=str(checkpoint)), noise_pictures(), CPU, False)
    with pytest.raises(ValueError, match="'nothing' is neither a checkpoint file nor a weight; there are dcgan_tiny"):
        SampleTask(replace(TINY, start="nothing"), noise_pictures(), CPU, False)


def test_signed_pictures_round_trip() -> None:
    pictures = noise_pictures(4)
    signed = to_signed(pictures)
    assert signed.min() >= -1 and signed.max() <= 1
    assert np.array_equal(from_signed(signed), pictures)


def test_generated_pictures_follow_their_seed() -> None:
    network = Generator(4, 4, 3, 16).eval()
    first, again, other = (np.concatenate(list(generated(network, 70, seed, CPU))) for seed in (1, 1, 2))
    assert first.shape == (70, 16, 16, 3)
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_a_grid_is_filled_row_by_row() -> None:
    pictures = np.arange(4, dtype=np.uint8)[:, None, None, None] * np.ones((1, 2, 2, 1), np.uint8)
    grid = square_grid(pictures)
    assert grid.shape == (4, 4, 3)
    assert grid[::2, ::2, 0].tolist() == [[0, 1], [2, 3]]
