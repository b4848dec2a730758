"""The task and the recipes of super-resolution on generated pictures: crops, losses, data, measure, publishing."""

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from cvdemo.nets.fast_srcnn import FastSRCNN
from cvdemo.nets.srcnn import SRCNN
from cvdemo.upscale.network import make_network
from cvdemo.weights import load_manifest, load_state_dict
from tests.train.tiny_tasks import same_run
from train.engine import distributed
from train.engine.checkpoint import LAST, load
from train.engine.loop import Trainer, seeded
from train.publishing.recipe import Context, PublishOptions, command_of
from train.recipes import RECIPES, srcnn, srcnn_915, srcnn_935, srcnn_fast
from train.recipes.srcnn import SrcnnConfig
from train.recipes.srcnn_fast import FastSrcnnConfig
from train.upscale import upscale_recipe
from train.upscale import upscale_task as super_resolution
from train.upscale.degradation import measure
from train.upscale.patches import PatchArray, cut, noise_patches
from train.upscale.upscale_recipe import bsds_folders, build, folder_of, measure_on_test_sets, training_files
from train.upscale.upscale_task import (
    UpscaleTask,
    UpscaleTrainingConfig,
    pixel_loss,
    restorer,
    start_from,
)

CPU = torch.device("cpu")
TINY = {"batch_size": 4, "crop_px": 24, "patch_px": 84, "float32_steps": 0, "warmup_steps": 1, "lr": 3e-3}
SRCNN_TINY = SrcnnConfig(channels=(4, 3), kernels=(5, 1, 3), **TINY)
FAST_TINY = FastSrcnnConfig(width=4, depth=1, **TINY)
BOTH = pytest.mark.parametrize("config", [SRCNN_TINY, FAST_TINY], ids=["srcnn", "fast"])


def rings(size: int = 84, ring_px: int = 10) -> torch.Tensor:
    """Rings with edges of about 2 px, which bicubic blurs: (1, 1, size, size)."""
    grid = torch.arange(size) - size / 2
    radius = (grid[:, None].square() + grid[None, :].square()).sqrt()
    return 0.5 + 0.4 * (4 * (radius * 2 * torch.pi / ring_px).sin()).tanh()[None, None]


def task_of(config: UpscaleTrainingConfig, *, amp: bool = False) -> UpscaleTask:
    """On rings, the same to learn from and to measure."""
    pictures = [rings(ring_px=ring_px) for ring_px in (14, 17, 20)]
    (patches, *_) = zip(*(cut(picture, config.patch_px, [1.0]) for picture in pictures), strict=True)
    return UpscaleTask(config, PatchArray(np.concatenate(patches)), {"0": pictures[0]}, CPU, amp)


def save_noise(folder: Path, count: int, size_wh: tuple[int, int] = (90, 80)) -> None:
    folder.mkdir(parents=True)
    random = np.random.default_rng(len(folder.parts) + count)
    for index in range(count):
        pixels = random.integers(0, 256, (*size_wh[::-1], 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"{index:02}.png")


def loud_task(config: UpscaleTrainingConfig) -> UpscaleTask:
    """With random weights, so that wrong surroundings show."""
    task = UpscaleTask(replace(config, batch_size=1), noise_patches(1, 84, seed=3), {}, CPU, False)
    with torch.no_grad():
        for parameter in task.network.parameters():
            parameter.uniform_(-0.2, 0.2)
    return task


def whole_restored(task: UpscaleTask, whole: torch.Tensor) -> torch.Tensor:
    """What `measure` gets of a whole picture (1, 1, H, W)."""
    seen = []

    def restore(low_res: torch.Tensor, enlarged: torch.Tensor) -> torch.Tensor:
        seen.append(restorer(task.network, CPU)(low_res, enlarged))
        return enlarged

    measure({"a": whole}, task.config.scale, restore)
    return seen[0]


@BOTH
@pytest.mark.parametrize("scale", [2, 3, 4])
def test_the_corner_of_a_picture_is_restored_as_crops_of_mirrored_patches_are(
    config: UpscaleTrainingConfig, scale: int
) -> None:
    task = loud_task(replace(config, scale=scale))
    whole = torch.from_numpy(noise_patches(1, 84, seed=3).read(np.array([0])))[:, None].float() / 255
    margin = (task.side_px - 24) // 2
    mirrored = torch.from_numpy(np.pad(whole[0, 0], margin, mode="symmetric"))[None, None]
    with torch.no_grad():
        restored = task._restored(*task.degrade(mirrored[..., : task.side_px, : task.side_px]))
    torch.testing.assert_close(restored, whole_restored(task, whole)[..., :24, :24], rtol=0, atol=1e-5)


@BOTH
@pytest.mark.parametrize("scale", [2, 3, 4])
def test_what_is_restored_in_a_crop_is_what_the_whole_picture_gets(config: UpscaleTrainingConfig, scale: int) -> None:
    task = loud_task(replace(config, scale=scale))
    whole = torch.from_numpy(noise_patches(1, 84, seed=3).read(np.array([0])))[:, None].float() / 255
    top_left = scale * (1 if task.side_px + scale <= 84 else 0)
    crop = whole[..., top_left : top_left + task.side_px, top_left : top_left + task.side_px]
    with torch.no_grad():
        restored = task._restored(*task.degrade(crop))
    margin = top_left + (task.side_px - 24) // 2
    inside = slice(margin, margin + 24)
    torch.testing.assert_close(restored, whole_restored(task, whole)[..., inside, inside], rtol=0, atol=1e-5)


@BOTH
def test_it_comes_nearer_than_bicubic(config: UpscaleTrainingConfig) -> None:
    task = task_of(replace(config, steps=200))
    before = task.evaluate(task.network)
    for step in range(200):
        task.step(step, seeded("step", 0, step))
    after = task.evaluate(task.network)
    assert abs(before["psnr"] - before["bicubic_psnr"]) < 1.5  # it starts at bicubic
    assert after["psnr"] > after["bicubic_psnr"] + 0.3


@BOTH
@pytest.mark.parametrize("amp", [False, True])
def test_a_step_changes_every_layer(config: UpscaleTrainingConfig, amp: bool) -> None:
    task = task_of(config, amp=amp)
    task.step(0, seeded("step", 0, 0))  # the last layers start near zero, so others hardly move at first
    before = {name: value.clone() for name, value in task.network.named_parameters()}
    logs = task.step(1, seeded("step", 0, 1))
    assert set(logs) == {"loss", "batch_psnr"} and all(torch.isfinite(value) for value in logs.values())
    same = [name for name, value in task.network.named_parameters() if torch.equal(value, before[name])]
    assert same == []


def test_the_last_steps_are_in_float32() -> None:
    config = replace(SRCNN_TINY, steps=4, float32_steps=2)
    half, full = task_of(config, amp=True), task_of(config, amp=False)
    losses = []
    for step in (1, 2):
        half.network.load_state_dict(full.network.state_dict())
        losses.append([task.step(step, seeded("step", 0, 0))["loss"] for task in (half, full)])
    assert losses[0][0] != losses[0][1]  # bfloat16
    assert losses[1][0] == losses[1][1]  # float32


def test_crops_are_turned_pieces_on_the_grid() -> None:
    source = noise_patches(1, 84, seed=5)
    (patch,) = source.read(np.array([0]))
    task = UpscaleTask(SRCNN_TINY, source, {}, CPU, False)
    crops = (task._crops(seeded("step", 0, 0)) * 255).round().to(torch.uint8)[:, 0].numpy()
    side = task.side_px
    windows = np.lib.stride_tricks.sliding_window_view(patch, (side, side))[::2, ::2]
    for crop in crops:
        positions = [turn(np.rot90(crop, k)) for k in range(4) for turn in (np.array, np.fliplr)]
        assert sum((windows == position).all(axis=(2, 3)).sum() for position in positions) == 1


def test_two_processes_share_the_crops_of_one(monkeypatch: pytest.MonkeyPatch) -> None:
    task = task_of(SRCNN_TINY)
    joint = task._crops(seeded("step", 0, 7))
    monkeypatch.setattr(distributed, "world_size", lambda: 2)
    parts = []
    for rank in (0, 1):
        monkeypatch.setattr(distributed, "rank", lambda rank=rank: rank)
        parts.append(task._crops(seeded("step", 0, 7)))
    assert torch.equal(torch.cat(parts), joint)


@BOTH
def test_a_stopped_and_resumed_run_is_the_same_bit_for_bit(config: UpscaleTrainingConfig, tmp_path: Path) -> None:
    config = replace(config, steps=6, evaluate_every=3, ema_decay=0.9)
    Trainer(task_of(config), config, tmp_path / "whole").run()
    stopped = Trainer(task_of(config), config, tmp_path / "parts")
    take_step = stopped.task.step

    def stop_after_third(step: int, generator: torch.Generator) -> dict[str, torch.Tensor]:
        stopped.stop_requested = step == 2
        return take_step(step, generator)

    stopped.task.step = stop_after_third  # type: ignore[method-assign]  # as a signal would, at a known step
    assert not stopped.run() and stopped.step == 3
    torch.manual_seed(99)
    assert Trainer(task_of(config), config, tmp_path / "parts", resume=True).run()
    assert same_run(load(tmp_path / "whole" / LAST), load(tmp_path / "parts" / LAST))


def test_losses_are_those_they_are_named_after() -> None:
    restored, target = torch.tensor([0.0, 0.5, 1.0]), torch.tensor([0.0, 0.2, 0.6])
    assert pixel_loss(restored, target, "l2").item() == pytest.approx((0.09 + 0.16) / 3)
    assert pixel_loss(restored, target, "l1").item() == pytest.approx(0.7 / 3)
    assert pixel_loss(restored, target, "charbonnier").item() == pytest.approx((0.7 + 1e-3) / 3, abs=2e-6)


@pytest.mark.parametrize(("crop", "scale"), [(25, 2), (78, 2)])
def test_crops_that_do_not_fit_are_refused(crop: int, scale: int) -> None:
    with pytest.raises(ValueError, match=f"need crops of a multiple of {scale} px that fit"):
        task_of(replace(SRCNN_TINY, crop_px=crop, scale=scale))


def test_networks_by_their_names_in_the_manifest() -> None:
    nine = make_network(SrcnnConfig().network)
    fast = make_network(FastSrcnnConfig(scale=3).network)
    assert isinstance(nine, SRCNN) and nine.kernels == (9, 5, 5)
    assert isinstance(fast, FastSRCNN) and fast.scale == 3
    assert sum(p.numel() for p in fast.parameters()) <= 60_000
    with pytest.raises(ValueError, match=r"must be one of .* got 'vdsr'"):
        make_network({"name": "vdsr"})


def test_another_scale_starts_from_all_layers_but_the_last(monkeypatch: pytest.MonkeyPatch) -> None:
    trained, fresh = FastSRCNN(2, 4, 2), FastSRCNN(3, 4, 2)
    own = {key: tensor.clone() for key, tensor in fresh.state_dict().items()}
    monkeypatch.setattr(super_resolution, "load_state_dict", lambda name: trained.state_dict())
    start_from(fresh, "srcnn_fast_x2")
    for key, tensor in fresh.state_dict().items():
        assert torch.equal(tensor, own[key] if key.startswith("last.") else trained.state_dict()[key]), key
    same = FastSRCNN(2, 4, 2)
    start_from(same, "srcnn_fast_x2")
    assert all(torch.equal(a, b) for a, b in zip(same.parameters(), trained.parameters(), strict=True))


@pytest.mark.parametrize("network", [FastSRCNN(2, 4, 3), FastSRCNN(2, 5, 2), SRCNN((3, 1, 1), (2, 2))])
def test_it_does_not_start_from_another_network(network: FastSRCNN | SRCNN, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(super_resolution, "load_state_dict", lambda name: FastSRCNN(2, 4, 2).state_dict())
    with pytest.raises(ValueError, match="srcnn_fast_x2 is another network"):
        start_from(network, "srcnn_fast_x2")


def test_every_fifteenth_picture_of_t91_is_held_out_and_val_is_never_read(tmp_path: Path) -> None:
    save_noise(tmp_path / "T91", 31, (20, 20))
    for split, count in [("train", 3), ("test", 2), ("val", 4)]:
        save_noise(tmp_path / "bsds" / "BSDS500" / "data" / "images" / split, count, (20, 20))
    for source, copy in [("00", "07"), ("01", "02")]:
        shutil.copy(tmp_path / "T91" / f"{source}.png", tmp_path / "T91" / f"{copy}.png")
    sources, held_out = training_files(tmp_path, bsds=True)
    assert [path.name for path in held_out] == ["00.png", "15.png", "30.png"]
    assert {name: len(files) for name, files in sources.items()} == {"T91": 26, "BSDS500 train": 3, "BSDS500 test": 2}
    assert not {"02.png", "07.png"} & {path.name for path in sources["T91"]}  # the same pictures as 01 and 00
    used = [path for files in sources.values() for path in files]
    assert not set(held_out) & set(used)
    assert all("val" not in path.parts for path in used)
    assert list(training_files(tmp_path, bsds=False)[0]) == ["T91"]


@pytest.mark.parametrize("file", ["302003.jpg", "302003.JPG", "302003.png"])
def test_the_photograph_of_a_test_picture_is_never_trained_on(tmp_path: Path, file: str) -> None:
    save_noise(tmp_path / "t91", 2, (20, 20))
    for split in ("train", "test"):
        save_noise(tmp_path / "bsds" / split, 3, (20, 20))
    (tmp_path / "bsds" / "train" / "01.png").rename(tmp_path / "bsds" / "train" / file)  # Set5's woman.png
    sources, _ = training_files(tmp_path, bsds=True)
    assert [path.name for path in sources["BSDS500 train"]] == ["00.png", "02.png"]


def test_folders_may_be_links(tmp_path: Path) -> None:
    save_noise(tmp_path / "elsewhere" / "pictures", 16, (90, 80))
    save_noise(tmp_path / "far" / "train", 1)
    save_noise(tmp_path / "far" / "test", 1)
    data = tmp_path / "data"
    data.mkdir()
    (data / "t91").symlink_to(tmp_path / "elsewhere" / "pictures")
    (data / "bsds").symlink_to(tmp_path / "far")
    task = build(SRCNN_TINY, Context(data=data, device=CPU, amp=False))
    assert list(task.held_out) == ["00.png", "15.png"]
    assert len(task.patches) > 16
    assert sorted(path.name for path in data.iterdir()) == ["bsds", "patches_84.h5", "t91"]


def test_missing_folders_are_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="no folder 'set5'"):
        folder_of(tmp_path, "set5")
    (tmp_path / "set5").mkdir()
    assert folder_of(tmp_path, "set5") == folder_of(tmp_path / "set5", "set5")
    with pytest.raises(FileNotFoundError, match="no folder 'bsds'"):
        bsds_folders(tmp_path)
    (tmp_path / "bsds" / "train").mkdir(parents=True)
    with pytest.raises(FileNotFoundError, match="no folders train and test"):
        bsds_folders(tmp_path)
    (tmp_path / "bsds" / "test").mkdir()
    assert [folder.name for folder in bsds_folders(tmp_path)] == ["train", "test"]


@pytest.mark.parametrize("network", [SRCNN((3, 1, 1), (2, 2)), FastSRCNN(2, 2, 1)])
def test_nothing_is_compared_on_other_pictures(network: FastSRCNN | SRCNN, tmp_path: Path) -> None:
    save_noise(tmp_path / "set5", 1, (48, 48))
    with pytest.raises(ValueError, match="no comparison is made"):
        measure_on_test_sets(network, 2, Context(data=tmp_path, device=CPU, amp=False))
    with pytest.raises(ValueError, match="give --data"):
        measure_on_test_sets(network, 2, Context(data=None, device=CPU, amp=False))


@pytest.mark.parametrize("recipe", [srcnn_935, srcnn_fast])
def test_what_is_published_loads_and_measures_the_same(
    recipe: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, count in [("t91", 3), ("set5", 2), ("set14", 1)]:
        save_noise(tmp_path / name, count)
    small = {"channels": (4, 3)} if recipe is srcnn_935 else {"width": 4, "depth": 1}
    config = recipe.RECIPE.config(steps=2, evaluate_every=2, scale=3, bsds=False, **{**TINY, **small})
    context = Context(data=tmp_path, device=CPU, amp=False)
    Trainer(build(config, context), config, tmp_path / "run").run()
    monkeypatch.setattr(upscale_recipe, "check_gate", lambda *_: None)
    weights = tmp_path / "weights"
    name = recipe.RECIPE.publish(config, tmp_path / "run", context, PublishOptions(weights_dir=weights))
    assert name == ("srcnn_935_x3" if recipe is srcnn_935 else "srcnn_fast_x3")
    entry = load_manifest(weights)[name]
    assert entry.network == config.network and entry.preprocessing["scale"] == 3
    assert "T91" in entry.dataset and "BSDS" not in entry.dataset
    assert (weights / f"{name}_curves.png").read_bytes() == (tmp_path / "run" / "curves.png").read_bytes()
    assert f"]({name}_curves.png)" in (weights / f"{name}.md").read_text()
    assert entry.metric["n"] == 3 and "set5 and set14; step 2 of 2, chosen on" in entry.metric["split"]
    monkeypatch.setattr(upscale_recipe, "entry_of", lambda name: load_manifest(weights)[name])
    monkeypatch.setattr(upscale_recipe, "load_state_dict", lambda name: load_state_dict(name, weights))
    again = recipe.RECIPE.evaluate(name, context)
    for key in ("set5", "set14"):
        assert round(again[key]["psnr"], 2) == entry.metric["value"][key]
        assert round(again[key]["ssim"], 4) == entry.metric["value"][f"{key}_ssim"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"crop_px": 25}, "need crops of a multiple of 2 px"),
        ({"patch_px": 85}, "need patches of a multiple of 12 px"),
        ({"shrink": (1.5,)}, "shrink must be at most 1, got 1.5"),
        ({"start": "no_such"}, "'no_such' is neither a checkpoint file nor a weight"),
    ],
)
def test_settings_are_refused_before_patches_are_cut(
    changes: dict[str, object], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save_noise(tmp_path / "t91", 3)
    monkeypatch.setattr(upscale_recipe, "packed_patches", lambda *given: pytest.fail("patches were cut"))
    context = Context(data=tmp_path, device=CPU, amp=False)
    with pytest.raises(ValueError, match=message):
        build(replace(SRCNN_TINY, bsds=False, **changes), context)


def test_bad_pictures_are_listed_at_once(tmp_path: Path) -> None:
    save_noise(tmp_path / "t91", 20)
    bad = sorted((tmp_path / "t91").iterdir())[2:5]
    for path in bad:
        path.write_bytes(b"no picture " + path.name.encode())
    with pytest.raises(ValueError, match="3 of 18 pictures cannot be read:\n") as caught:
        build(replace(SRCNN_TINY, bsds=False), Context(data=tmp_path, device=CPU, amp=False))
    assert all(path.name in str(caught.value) for path in bad)
    assert not list(tmp_path.glob("*.h5*"))


def test_a_weight_says_that_bsds_was_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, count in [("t91", 3), ("bsds/train", 1), ("bsds/test", 1), ("set5", 1)]:
        save_noise(tmp_path / name, count)
    config = replace(SRCNN_TINY, steps=1, evaluate_every=1)
    context = Context(data=tmp_path, device=CPU, amp=False)
    Trainer(build(config, context), config, tmp_path / "run").run()
    monkeypatch.setattr(upscale_recipe, "check_gate", lambda *_: None)
    srcnn.RECIPE.publish(config, tmp_path / "run", context, PublishOptions(name="t", weights_dir=tmp_path / "weights"))
    assert "train and test of BSDS500" in load_manifest(tmp_path / "weights")["t"].dataset


def test_recipes_differ_in_what_they_say_and_nothing_else() -> None:
    modules = {"srcnn": srcnn, "srcnn-9-1-5": srcnn_915, "srcnn-9-3-5": srcnn_935, "srcnn-fast": srcnn_fast}
    for name, module in modules.items():
        assert RECIPES[name] is module.RECIPE
    weights = [RECIPES[name].weights for name in modules]
    stems = ["srcnn", "srcnn_915", "srcnn_935", "srcnn_fast"]
    assert weights == [tuple(f"{stem}_x{scale}" for scale in (2, 3, 4)) for stem in stems]
    narrow: Any = srcnn_915.RECIPE.config()
    assert narrow.network["kernels"] == [9, 1, 5]
    assert SrcnnConfig(kernels=(9, 3, 5)).weight == "srcnn_935_x2"
    assert [module.RECIPE.config().weight for module in modules.values()] == [
        "srcnn_x2",
        "srcnn_915_x3",
        "srcnn_935_x3",
        "srcnn_fast_x2",
    ]


@pytest.mark.parametrize(("steps", "warm"), [(10_000, 200), (100, 10), (5, 0)])
def test_a_short_run_warms_up_for_a_tenth_of_its_steps(steps: int, warm: int) -> None:
    task = task_of(replace(FAST_TINY, steps=steps, warmup_steps=200))
    factors = [task.lr_factor(step) for step in range(min(steps, 400))]
    assert factors.index(max(factors)) == max(0, warm - 1) and max(factors) == 1.0


def test_the_recorded_command_names_what_differs() -> None:
    config = FastSrcnnConfig(scale=3, bsds=False, start="srcnn_fast_x2")
    expected = "python -m train srcnn-fast --scale 3 --no-bsds --start srcnn_fast_x2 --data DIR --out DIR"
    assert command_of("srcnn-fast", config) == expected
