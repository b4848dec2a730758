"""Super-resolution of damaged photographs: the damage, the task on it, what is measured and published."""

import io
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from cvdemo.images import to_image
from cvdemo.nets.fast_srcnn import FastSRCNN
from cvdemo.ops.resample import bicubic_resize, luma
from cvdemo.upscale.catalogue import PHOTO, list_networks
from cvdemo.weights import load_manifest, load_state_dict
from tests.train.upscale.test_upscale_recipe import save_noise
from train.engine import distributed
from train.engine.loop import Trainer, seeded
from train.publishing.recipe import Context, PublishOptions
from train.recipes import RECIPES, srcnn_photo
from train.recipes.srcnn_fast import FastSrcnnConfig
from train.recipes.srcnn_photo import PhotoSrcnnConfig
from train.upscale import photo_recipe, upscale_recipe
from train.upscale.degradation import in_8_bit_steps
from train.upscale.patches import PatchArray, noise_patches
from train.upscale.photo_damage import damaged, measure_photos, through_jpeg
from train.upscale.photo_task import PhotoTask
from train.upscale.upscale_recipe import build

CPU = torch.device("cpu")
TINY: dict[str, Any] = {
    "batch_size": 4, "crop_px": 24, "patch_px": 84, "float32_steps": 0, "warmup_steps": 1, "lr": 3e-3, "width": 4,
    "depth": 1,
}  # fmt: skip


def waves(size: int = 96) -> torch.Tensor:
    """Coloured waves with sharp edges, (1, 3, size, size)."""
    grid = torch.arange(size).float()
    phases = [grid[:, None] / 5 + grid / 11, grid[:, None] / 9 - grid / 7, grid[:, None] / 6 + grid / 6]
    return torch.stack([0.5 + 0.4 * (8 * phase.sin()).tanh() for phase in phases])[None]


def task_of(*, patches: PatchArray | None = None, **changes: Any) -> PhotoTask:
    config = PhotoSrcnnConfig(**{**TINY, **changes})
    source = patches or noise_patches(4, 84, seed=0, colour=True)
    return PhotoTask(config, source, {"waves": waves()}, CPU, False)


def test_jpeg_is_that_of_pillow_with_colours_at_half_the_resolution() -> None:
    picture = waves(64)
    stream = io.BytesIO()
    Image.fromarray(to_image(picture)).save(stream, "JPEG", quality=40, subsampling=2)
    expected = np.asarray(Image.open(stream))
    np.testing.assert_array_equal(to_image(through_jpeg(picture, 40)), expected)


def test_less_quality_is_more_damage_and_each_picture_has_its_own() -> None:
    pictures = waves().repeat(3, 1, 1, 1)
    result = damaged(pictures, torch.zeros_like(pictures), [20, 60, 95])
    errors = (result - pictures).square().mean(dim=(1, 2, 3)).tolist()
    assert errors[0] > 1.5 * errors[1] > 2 * errors[2] > 0
    with pytest.raises(ValueError, match="need a quality for each of 3 pictures, got 2"):
        damaged(pictures, torch.zeros_like(pictures), [20, 60])


def test_noise_comes_before_jpeg() -> None:
    pictures, noise = waves(), 0.05 * torch.randn(1, 3, 96, 96)
    torch.testing.assert_close(damaged(pictures, noise, [90]), through_jpeg(pictures + noise, 90))


def test_a_batch_is_damaged_small_crops_and_clean_large_ones() -> None:
    """Without damage to speak of it is what the clean task has; with it only what goes in changes."""
    clean, hurt = (task_of(jpeg_quality=(quality, quality), noise=0.0) for quality in (100, 20))
    (low, enlarged, target), (low_hurt, enlarged_hurt, target_hurt) = (
        task._batch(seeded("step", 0, 0)) for task in (clean, hurt)
    )
    crops = clean._crops(seeded("step", 0, 0))
    margin = (crops.shape[-1] - 24) // 2
    torch.testing.assert_close(target, luma(crops)[..., margin:-margin, margin:-margin])
    assert torch.equal(target, target_hurt)
    small = luma(clean.degrade.shrink(crops).clamp(0, 1))
    assert (low - small).abs().mean() < 0.03 < (low_hurt - small).abs().mean()
    torch.testing.assert_close(enlarged, clean.degrade.enlarge(low))
    torch.testing.assert_close(enlarged_hurt, hurt.degrade.enlarge(low_hurt))


def test_noise_and_quality_are_drawn_for_each_crop() -> None:
    task = task_of(batch_size=400, jpeg_quality=(30, 95), noise=3.0)
    noise, qualities = task._damage(torch.Size([3, 8, 8]), seeded("step", 0, 0))
    deviations = noise.flatten(1).std(dim=1) * 255
    assert min(qualities) < 34 and max(qualities) > 91 and 0.0 <= deviations.min() < 0.2
    assert 2.6 < deviations.max() < 3.6 and deviations.mean().item() == pytest.approx(1.5, abs=0.2)


def test_two_processes_share_the_damage_of_one(monkeypatch: pytest.MonkeyPatch) -> None:
    task = task_of()
    joint = task._batch(seeded("step", 0, 7))
    monkeypatch.setattr(distributed, "world_size", lambda: 2)
    parts = []
    for rank in (0, 1):
        monkeypatch.setattr(distributed, "rank", lambda rank=rank: rank)
        parts.append(task._batch(seeded("step", 0, 7)))
    for whole, first, second in zip(joint, *parts, strict=True):
        assert torch.equal(torch.cat([first, second]), whole)


def test_qualities_the_wrong_way_round_are_refused() -> None:
    with pytest.raises(ValueError, match=r"need the lower quality of JPEG first, got \(90, 30\)"):
        PhotoSrcnnConfig(jpeg_quality=(90, 30))


def test_what_is_measured_is_the_jpeg_of_the_shrunk_picture() -> None:
    seen = []

    def restore(low_res: torch.Tensor, enlarged: torch.Tensor) -> torch.Tensor:
        seen.append((low_res, enlarged))
        return enlarged

    picture = waves(97)
    scores = measure_photos(
        {"waves": picture}, 2, 40, {"": restore, "other_": lambda low_res, enlarged: enlarged + 0.1}
    )
    ((low_res, enlarged),) = seen
    torch.testing.assert_close(low_res, luma(through_jpeg(bicubic_resize(picture[..., :96, :96], scale=0.5), 40)))
    assert torch.equal(enlarged, bicubic_resize(low_res, scale=2))
    assert scores["psnr"] == scores["bicubic_psnr"] > scores["other_psnr"] + 3
    prophet = {"": lambda low_res, enlarged: in_8_bit_steps(luma(picture[..., :96, :96]))}
    assert measure_photos({"waves": picture}, 2, 40, prophet)["psnr"] == float("inf")


def test_a_grey_picture_is_measured_as_it_is() -> None:
    grey = (waves()[:, :1] * 255).round() / 255
    prophet = {"": lambda low_res, enlarged: grey}
    assert measure_photos({"grey": grey.expand(-1, 3, -1, -1)}, 2, 90, prophet)["psnr"] == float("inf")


def test_the_task_learns_to_undo_damage() -> None:
    pixels = to_image(waves(84))[None]
    task = task_of(steps=50, jpeg_quality=(30, 50), patches=PatchArray(pixels))
    before = task.evaluate(task.network)
    for step in range(50):
        task.step(step, seeded("step", 0, step))
    after = task.evaluate(task.network)
    assert after["bicubic_psnr"] == before["bicubic_psnr"]
    assert after["psnr"] > before["psnr"] + 1 and after["psnr"] > after["bicubic_psnr"] + 0.1


def test_what_is_published_is_offered_for_photographs_and_measures_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, count in [("t91", 3), ("set5", 1), ("set14", 2)]:
        save_noise(tmp_path / name, count)
    config = PhotoSrcnnConfig(**TINY, steps=2, evaluate_every=2, bsds=False, shrink=(1.0,))
    context = Context(data=tmp_path, device=CPU, amp=False)
    Trainer(srcnn_photo.RECIPE.build(config, context), config, tmp_path / "run").run()
    assert (tmp_path / "patches_84_colour_t91.h5").exists()
    monkeypatch.setattr(upscale_recipe, "check_gate", lambda *_: None)
    weights = tmp_path / "weights"
    name = srcnn_photo.RECIPE.publish(config, tmp_path / "run", context, PublishOptions(weights_dir=weights))
    entry = load_manifest(weights)[name]
    assert name == "srcnn_photo_x2" and entry.network == config.network
    assert list_networks(2, weights)[PHOTO].weight == name
    assert entry.metric["n"] == 1 + 2 * (1 + 3) and "saved as JPEG of quality Q" in entry.metric["protocol"]
    monkeypatch.setattr(upscale_recipe, "entry_of", lambda key: load_manifest(weights)[key])
    monkeypatch.setattr(upscale_recipe, "load_state_dict", lambda key: load_state_dict(key, weights))
    monkeypatch.setattr(photo_recipe, "published", lambda key: (FastSRCNN(2, 32, 5), 2))
    again = srcnn_photo.RECIPE.evaluate(name, context)
    for key in ("set5", "set14", "set14_jpeg40", "set14_jpeg70", "set14_jpeg90"):
        assert round(again[key]["psnr"], 2) == entry.metric["value"][key]
        assert round(again[key]["bicubic_psnr"], 2) == entry.metric["value"][f"{key}_bicubic"]
    assert {"set14_jpeg40_clean", "set14_jpeg70_clean"} <= entry.metric["value"].keys()
    assert "clean_psnr" in again["set14_jpeg40"] and "clean_psnr" not in again["set14"]


def test_colour_and_luminance_have_patches_of_their_own(tmp_path: Path) -> None:
    save_noise(tmp_path / "t91", 3)
    context = Context(data=tmp_path, device=CPU, amp=False)
    config = PhotoSrcnnConfig(**TINY, bsds=False, shrink=(1.0,))
    task = srcnn_photo.RECIPE.build(config, context)
    assert task.patches.read(np.array([0])).shape == (1, 84, 84, 3)
    luminance = build(FastSrcnnConfig(**TINY, bsds=False, shrink=(1.0,)), context)
    assert sorted(path.name for path in tmp_path.glob("*.h5")) == ["patches_84_colour_t91.h5", "patches_84_t91.h5"]
    red_green_blue = torch.from_numpy(task.patches.read(np.array([0]))).permute(0, 3, 1, 2) / 255
    expected = (luma(red_green_blue) * 255).round()[0, 0].numpy()
    assert np.abs(luminance.patches.read(np.array([0]))[0] - expected).max() <= 1


def test_the_network_is_as_large_as_the_fast_one() -> None:
    assert PhotoSrcnnConfig(scale=3).network == FastSrcnnConfig(scale=3).network
    assert RECIPES["srcnn-photo"].weights == tuple(f"srcnn_photo_x{scale}" for scale in (2, 3, 4))
    assert replace(PhotoSrcnnConfig(), scale=4).weight == "srcnn_photo_x4"
