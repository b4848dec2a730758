"""The two recipes on generated data: the loss falls, what is published loads, bad settings are refused."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from cvdemo.nets.dcgan import Generator
from cvdemo.weights import load_manifest, load_state_dict
from train.engine import Trainer, seeded
from train.recipe import Context, PublishOptions, command_of
from train.recipes import dcgan
from train.recipes.dcgan import DcganConfig, DcganTask
from train.recipes.srcnn import SrcnnConfig

CPU = torch.device("cpu")
DCGAN = DcganConfig(size=16, width=4, latent_dim=4, batch_size=8, steps=3, evaluate_every=0, preview_every=0)


def noise_pictures(n: int = 32, size: int = 16) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (n, size, size, 3), dtype=np.uint8)


@pytest.mark.parametrize("amp", [False, True])
@pytest.mark.parametrize("norm", ["spectral", "batch", "none"])
@pytest.mark.parametrize("loss", ["hinge", "bce"])
def test_dcgan_takes_steps_in_every_variant(loss: str, norm: str, amp: bool) -> None:
    smoothing = 0.1 if loss == "bce" else 0.0
    config = replace(DCGAN, loss=loss, norm=norm, dropout=0.3, label_smoothing=smoothing, label_noise=smoothing / 2)
    task = DcganTask(config, noise_pictures(), CPU, amp)
    before = [p.clone() for network in task.networks.values() for p in network.parameters()]
    logs = task.step(0, seeded("step", 0, 0))
    after = [p for network in task.networks.values() for p in network.parameters()]
    assert all(torch.isfinite(value) for value in logs.values())
    changed = sum(not torch.equal(a, b) for a, b in zip(before, after, strict=True))
    assert changed > 0.9 * len(before)


def test_the_discriminator_learns_to_tell_a_fixed_generator() -> None:
    config = replace(DCGAN, lr_generator=0.0, lr_discriminator=2e-3)
    task = DcganTask(config, noise_pictures(), CPU, False)
    losses = [task.step(step, seeded("step", 0, step))["loss_d"].item() for step in range(30)]
    assert np.mean(losses[-5:]) < 0.5 * losses[0]


def test_labels_need_bce() -> None:
    with pytest.raises(ValueError, match="no labels"):
        DcganConfig(loss="hinge")


def test_pictures_of_another_size_are_refused() -> None:
    with pytest.raises(ValueError, match="need pictures of 16 px"):
        DcganTask(DCGAN, noise_pictures(size=8), CPU, False)


def test_signed_pictures_round_trip() -> None:
    pictures = noise_pictures(4)
    signed = dcgan.to_signed(pictures)
    assert signed.min() >= -1 and signed.max() <= 1
    assert np.array_equal(dcgan.to_uint8(signed), pictures)


def test_generated_pictures_follow_their_seed() -> None:
    network = Generator(4, 4, 3, 16).eval()
    first, again, other = (np.concatenate(list(dcgan.generated(network, 70, seed, CPU))) for seed in (1, 1, 2))
    assert first.shape == (70, 16, 16, 3)
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_dcgan_publishes_what_loads_and_measures_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "faces"
    folder.mkdir()
    for index, picture in enumerate(noise_pictures(16)):
        Image.fromarray(picture).save(folder / f"{index}.png")
    context = Context(data=folder, device=CPU, amp=False, pictures=8)
    config = replace(DCGAN, evaluate_every=3, preview_every=3, fd_pictures=8)
    Trainer(dcgan.build(config, context), config, tmp_path / "run").run()
    options = PublishOptions(weights_dir=tmp_path / "weights", name="dcgan_test")
    assert dcgan.publish(config, tmp_path / "run", context, options) == "dcgan_test"
    entry = load_manifest(tmp_path / "weights")["dcgan_test"]
    network = Generator(**{key: value for key, value in entry.network.items() if key != "name"})
    network.load_state_dict(load_state_dict("dcgan_test", tmp_path / "weights"))
    assert entry.metric["n"] == 8 and entry.metric["value"]["fd_lite0"] > 0
    monkeypatch.setattr(dcgan, "load_manifest", lambda: {"dcgan_test": entry})
    monkeypatch.setattr(dcgan, "load_state_dict", lambda name: load_state_dict(name, tmp_path / "weights"))
    again = dcgan.evaluate("dcgan_test", context)
    assert round(again["fd_lite0"], 2) == entry.metric["value"]["fd_lite0"]
    assert round(again["floor_real_real"], 2) == entry.metric["value"]["floor"]
    assert (tmp_path / "run" / "preview_0000003.png").exists()
    assert (tmp_path / "faces_16.h5").exists()


def test_the_recorded_command_names_what_differs() -> None:
    config = SrcnnConfig(scale=3, kernels=(9, 1, 5))
    assert command_of("srcnn", config) == "python -m train srcnn --scale 3 --kernels 9 1 5 --data DIR --out DIR"
    assert command_of("dcgan", DcganConfig(flips=False)) == "python -m train dcgan --no-flips --data DIR --out DIR"
