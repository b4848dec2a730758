"""Extraction gives what the page's network sees; the regression on it learns, chooses and folds as it says."""

import os
import signal
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch
from PIL import Image

from cvdemo.classify.classifier import prepare
from cvdemo.images import normalise
from cvdemo.nets.backbone import BACKBONE
from cvdemo.weights import entry_of
from train.classify import features
from train.classify.features import (
    FeatureConfig,
    Features,
    FeatureTask,
    SoftmaxHeads,
    backbone,
    extract,
    mark_of,
    outputs,
    pooled_by,
    preprocessing_at,
    read_features,
    seconds_of,
)
from train.classify.transfer_data import noise_pictures
from train.data.read_pictures import Listing, Pictures, fingerprint, read_rgb
from train.engine.loop import Trainer, seeded

CPU = torch.device("cpu")
SMALL = FeatureConfig(input_px=32, epochs=0, steps=60, batch_size=20, lr=0.05, l2=(1e-4, 1.0), evaluate_every=0)


@pytest.fixture
def listing(tmp_path: Path) -> Listing:
    """Ten noise pictures, higher than wide, as PNG files."""
    rng = np.random.default_rng(0)
    files = []
    for i in range(10):
        files.append(tmp_path / f"{i}.png")
        Image.fromarray(rng.integers(0, 256, (50, 40, 3), dtype=np.uint8)).save(files[-1])
    return Listing(files, np.arange(10, dtype=np.int64) % 2, ["even", "odd"])


def blobs(count: int, seed: int, views: int = 2) -> Features:
    """Three classes of 6 features, shifted and stretched; the second view is the first with a little noise."""
    generator = seeded("blobs", seed, 0)
    labels = torch.arange(count) % 3
    centres = 4 * torch.eye(3, 6)
    plain = centres[labels] + torch.randn(count, 6, generator=generator)
    noise = 0.1 * torch.randn(count, views - 1, 6, generator=generator)
    values = torch.cat([plain[:, None], plain[:, None] + noise], dim=1) * torch.tensor([1, 9, 0.2, 1, 1, 0]) + 5
    return Features(values.half(), labels, ["a", "b", "c"])


def trained(config: FeatureConfig = SMALL, views: int = 2) -> FeatureTask:
    task = FeatureTask(config, blobs(300, 0, views), blobs(90, 1, views), CPU, False)
    for step in range(config.steps):
        task.step(step, seeded("step", config.seed, step))
    return task


def test_features_are_those_of_the_page(listing: Listing, tmp_path: Path) -> None:
    config = replace(SMALL, mirrored=True)
    found = read_features(extract(listing, tmp_path / "features.h5", config, CPU, False))
    at_size = preprocessing_at(32)
    pixels = [normalise(prepare(read_rgb(file), at_size)[..., 4:36, :], at_size) for file in listing.files]  # 40 x 32
    network = backbone()
    with torch.inference_mode():
        plain = network.pooled(torch.cat(pixels))
        mirrored = network.pooled(torch.cat(pixels).flip(3))
    assert found.values.shape == (10, 2, 1280)
    assert found.values.dtype == torch.float16
    torch.testing.assert_close(found.values[:, 0].float(), plain, atol=2e-3, rtol=2e-3)
    torch.testing.assert_close(found.values[:, 1].float(), mirrored, atol=2e-3, rtol=2e-3)
    assert found.labels.tolist() == listing.labels.tolist()
    assert found.class_names == ["even", "odd"]
    assert seconds_of(tmp_path / "features.h5") > 0


def test_features_of_an_earlier_block_are_its_averaged_activations(listing: Listing, tmp_path: Path) -> None:
    config = replace(SMALL, block="block4", mirrored=False)
    found = read_features(extract(listing, tmp_path / "features.h5", config, CPU, False))
    at_size = preprocessing_at(32)
    pixels = [normalise(prepare(read_rgb(file), at_size)[..., 4:36, :], at_size) for file in listing.files]
    with torch.inference_mode():
        maps = backbone().features(torch.cat(pixels), ["block4"])["block4"]
    assert found.values.shape == (10, 1, 40)
    torch.testing.assert_close(found.values[:, 0].float(), maps.mean(dim=(2, 3)), atol=2e-3, rtol=2e-3)
    assert mark_of(listing, config, False) != mark_of(listing, replace(config, block="head"), False)


def test_bf16_features_are_near(listing: Listing) -> None:
    pooled, at_size = pooled_by(backbone(), CPU), preprocessing_at(64)
    exact, rough = (
        torch.cat(list(outputs(pooled, map(read_rgb, listing.files), at_size, CPU, amp=amp))) for amp in (False, True)
    )
    assert 0 < (rough - exact).norm() < 0.2 * exact.norm()  # noise pictures; photographs differ by 4 %


def test_features_are_made_again_only_when_something_changed(listing: Listing, tmp_path: Path) -> None:
    target = tmp_path / "features.h5"
    made = [extract(listing, target, SMALL, CPU, False).stat().st_mtime_ns for _ in range(2)]
    assert made[0] == made[1]
    extract(listing, target, replace(SMALL, input_px=64), CPU, False)
    Image.new("RGB", (40, 50)).save(listing.files[0])
    assert target.stat().st_mtime_ns > made[1]
    before = read_features(target).values
    extract(listing, target, replace(SMALL, input_px=64), CPU, False)
    after = read_features(target).values
    assert not torch.equal(before[0], after[0])
    assert torch.equal(before[1:], after[1:])
    with h5py.File(target) as file:
        assert file.attrs["input_px"] == 64


def test_features_in_16_bits_are_others(listing: Listing, tmp_path: Path) -> None:
    assert mark_of(listing, SMALL, True) != mark_of(listing, SMALL, False)
    exact = read_features(extract(listing, tmp_path / "features.h5", SMALL, CPU, False)).values
    rough = read_features(extract(listing, tmp_path / "features.h5", SMALL, CPU, True)).values
    assert not torch.equal(exact, rough)


def test_the_mark_in_16_bits_is_that_of_older_files(listing: Listing) -> None:
    settings = {"network": entry_of(BACKBONE).sha256, "input_px": 32, "mirrored": True}
    older = fingerprint(listing.files[0].parent, listing.files, labels=listing.labels.tolist(), **settings)
    assert mark_of(listing, SMALL, True) == older


@pytest.mark.parametrize("how", ["SIGTERM", "Ctrl-C"])
def test_extraction_goes_on_where_it_ended(
    how: str, listing: Listing, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(features, "_SHARD", 4)
    monkeypatch.setattr(features, "_BATCH", 2)
    whole = read_features(extract(listing, tmp_path / "whole.h5", SMALL, CPU, False))
    read: list[Path] = []

    def read_seven(file: Path) -> Pictures:
        read.append(file)
        if len(read) == 7 and how == "Ctrl-C":
            raise KeyboardInterrupt
        if len(read) == 7:
            os.kill(os.getpid(), signal.SIGTERM)
        return read_rgb(file)

    monkeypatch.setattr(features, "read_picture", read_seven)
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises((SystemExit, KeyboardInterrupt)):
        extract(listing, tmp_path / "features.h5", SMALL, CPU, False)
    assert signal.getsignal(signal.SIGTERM) is before
    assert not (tmp_path / "features.h5").exists() and not list(tmp_path.rglob("*.partial"))
    del read[:]
    monkeypatch.setattr(features, "read_picture", lambda file: (read.append(file), read_rgb(file))[1])
    resumed = read_features(extract(listing, tmp_path / "features.h5", SMALL, CPU, False))
    assert read == listing.files[4:]
    assert torch.equal(resumed.values, whole.values) and torch.equal(resumed.labels, whole.labels)
    assert not list(tmp_path.glob("features.h5.*"))


def test_parts_of_other_settings_are_not_gone_on_with(
    listing: Listing, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(features, "_SHARD", 8)
    stale = tmp_path / "features.h5.0123.parts"
    stale.mkdir()
    (stale / "000000000.npz").write_bytes(b"other")
    assert read_features(extract(listing, tmp_path / "features.h5", SMALL, CPU, False)).values.shape[0] == 10
    assert not stale.exists()


def test_a_folder_that_cannot_be_written_is_named(
    listing: Listing, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "access", lambda *_: False)
    with pytest.raises(PermissionError, match=r"f\.h5, which cannot be written"):
        extract(listing, tmp_path / "f.h5", SMALL, CPU, False)


def test_folding_keeps_the_logits() -> None:
    torch.manual_seed(0)
    heads = SoftmaxHeads(2, 3, torch.randn(6), torch.tensor([1.0, 2.0, 0.5, 1.0, 1.0, 0.0]))
    torch.nn.init.normal_(heads.weight)
    torch.nn.init.normal_(heads.bias)
    x = torch.randn(4, 6)
    logits = heads(x)
    assert logits.shape == (2, 4, 3)
    for i in range(2):
        weight, bias = heads.folded(i)
        torch.testing.assert_close(torch.nn.functional.linear(x, weight, bias), logits[i])


def test_the_regression_learns_and_the_validation_chooses_the_l2() -> None:
    task = trained()
    weak, strong = task.scores(task.heads)
    result = task.evaluate(task.heads)
    assert weak["rank1"] > 95
    assert weak["loss"] < strong["loss"]
    assert result["l2"] == 1e-4
    assert result["rank1"] == weak["rank1"]
    assert task.heads.weight[1].norm() < 0.5 * task.heads.weight[0].norm()
    weight, bias = task.heads.folded(0)
    answers = (task.validation.values[:, 0].float() @ weight.T + bias).argmax(dim=1)
    assert 100 * (answers == task.validation.labels).double().mean().item() == pytest.approx(weak["rank1"])


def test_what_a_step_and_a_measure_log_holds_both_keys_of_the_gap() -> None:
    task = trained(replace(SMALL, steps=1))
    training, validation = task.gap
    assert training.removeprefix("train_") in task.step(1, seeded("step", 0, 1))
    assert validation in task.evaluate(task.heads)
    assert validation == task.metric and not task.higher_is_better


def test_classifiers_side_by_side_learn_as_if_alone() -> None:
    together, alone = trained(), trained(replace(SMALL, l2=(1.0,)))
    torch.testing.assert_close(together.heads.weight[1], alone.heads.weight[0], atol=1e-5, rtol=1e-4)


def test_a_constant_feature_does_no_harm() -> None:
    task = trained(views=1)
    assert task.data.values[:, 0, 5].std() == 0
    assert all(torch.isfinite(tensor).all() for tensor in task.heads.folded(0))


def test_a_resumed_run_ends_the_same(tmp_path: Path) -> None:
    data, validation = blobs(300, 0), blobs(90, 1)
    config = replace(SMALL, steps=8)

    def run(steps: int, folder: str, resume: bool = False) -> Trainer:
        task = FeatureTask(config, data, validation, CPU, False)
        trainer = Trainer(task, replace(config, steps=steps), tmp_path / folder, resume=resume)
        trainer.run()
        return trainer

    whole = run(8, "whole")
    trainer = Trainer(FeatureTask(config, data, validation, CPU, False), config, tmp_path / "stopped")
    original = trainer.task.step

    def stop_after_four(step: int, generator: torch.Generator) -> dict[str, torch.Tensor]:
        trainer.stop_requested = step == 3
        return original(step, generator)

    trainer.task.step = stop_after_four  # type: ignore[method-assign]  # for the test
    assert not trainer.run()
    resumed = run(8, "stopped", resume=True)
    for key, tensor in whole.task.networks["heads"].state_dict().items():
        assert torch.equal(tensor, resumed.task.networks["heads"].state_dict()[key]), key


def test_noise_has_every_class() -> None:
    examples = noise_pictures(["x", "y", "z"], 32, 7, seed=0)
    assert examples.labels.tolist() == [0, 1, 2, 0, 1, 2, 0]
    assert len(examples.pictures) == 7
