"""Features of pictures: the backbone's own, kept on disk, made anew when the pictures change."""

from pathlib import Path

import numpy as np
import pytest
import torch

from cvdemo.classify.classifier import load_classifier
from cvdemo.images import normalise, resize
from train.sample import lite0_features as lite0
from train.sample.lite0_features import RealFeatures, feature_cache, in_batches, lite0_features

CPU = torch.device("cpu")


def pictures(n: int = 6, seed: int = 0, channels: int = 3) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (n, 16, 16, channels), dtype=np.uint8)


def test_features_are_the_backbones_pooled_activations() -> None:
    shown = pictures(3)
    classifier = load_classifier("imagenet", "cpu")
    pixels = torch.from_numpy(shown).permute(0, 3, 1, 2).float() / 255
    with torch.no_grad():
        wanted = classifier.network.pooled(normalise(resize(pixels, (128, 128)), classifier.preprocessing))
    found = lite0_features(in_batches(shown), CPU)
    assert found.shape == (3, 1280) and found.dtype == torch.float32
    torch.testing.assert_close(found, wanted, rtol=1e-3, atol=1e-4)


def test_the_number_in_a_batch_does_not_matter() -> None:
    shown = pictures(70)
    single = lite0_features((shown[i : i + 1] for i in (0, 69)), CPU)
    torch.testing.assert_close(lite0_features(in_batches(shown), CPU)[[0, 69]], single, rtol=1e-3, atol=1e-4)


def test_grey_pictures_are_seen_as_grey_rgb() -> None:
    grey = pictures(2, channels=1)
    assert torch.equal(lite0_features([grey], CPU), lite0_features([grey.repeat(3, axis=3)], CPU))


def test_sixteen_bits_are_near() -> None:
    full, half = lite0_features([pictures(2)], CPU), lite0_features([pictures(2)], CPU, amp=True)
    assert half.dtype == torch.float32
    assert 0 < (full - half).abs().mean() < 0.1 * full.abs().mean()


def test_no_pictures_are_refused() -> None:
    with pytest.raises(ValueError, match="no pictures"):
        lite0_features([], CPU)


def test_real_features_stand_in_their_order() -> None:
    shown = pictures()
    real = RealFeatures(shown, CPU)
    assert sorted(real.order) == list(range(6))
    torch.testing.assert_close(real.first(6), lite0_features([shown[real.order]], CPU), rtol=1e-3, atol=1e-4)
    with pytest.raises(ValueError, match="need 1 to 6 real pictures, got 7"):
        real.first(7)


def test_each_feature_is_extracted_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[int] = []

    def counted(batches: object, device: torch.device, amp: bool) -> torch.Tensor:
        found = lite0_features(batches, device, amp)
        seen.append(len(found))
        return found

    monkeypatch.setattr(lite0, "lite0_features", counted)
    cache = tmp_path / "cache.safetensors"
    real = RealFeatures(pictures(), CPU, cache=cache)
    assert len(real.first(2)) == 2 and len(real.first(2)) == 2 and len(real.first(4)) == 4
    assert seen == [2, 2]
    again = RealFeatures(pictures(), CPU, cache=cache)
    assert torch.equal(again.first(3), real.first(3)) and torch.equal(again.first(4), real.first(4))
    assert seen == [2, 2]
    assert len(again.first(6)) == 6 and seen == [2, 2, 2]
    RealFeatures(pictures(seed=1), CPU, cache=cache).first(2)  # other pictures
    RealFeatures(pictures(seed=1), CPU, amp=True, cache=cache).first(2)  # extracted in another way
    assert seen == [2, 2, 2, 2, 2]
    assert [path.name for path in tmp_path.iterdir()] == ["cache.safetensors"]


def test_long_work_is_kept_on_the_way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lite0, "_KEPT", 2)
    calls: list[int] = []

    def broken_off(batches: object, device: torch.device, amp: bool) -> torch.Tensor:
        calls.append(1)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return lite0_features(batches, device, amp)

    monkeypatch.setattr(lite0, "lite0_features", broken_off)
    cache = tmp_path / "cache.safetensors"
    with pytest.raises(KeyboardInterrupt):
        RealFeatures(pictures(), CPU, cache=cache).first(6)
    whole = RealFeatures(pictures(), CPU, cache=cache).first(6)
    assert len(calls) == 4  # four of six were kept
    torch.testing.assert_close(whole, RealFeatures(pictures(), CPU).first(6), rtol=1e-3, atol=1e-4)


def test_the_cache_lies_beside_the_data(tmp_path: Path) -> None:
    assert feature_cache(tmp_path / "faces", 64, False) == tmp_path / "faces_64_lite0.safetensors"
    assert feature_cache(tmp_path / "faces_64.h5", 64, False) == tmp_path / "faces_64_lite0.safetensors"
    assert feature_cache(tmp_path / "faces.h5", 64, True) == tmp_path / "faces_64_lite0_16bit.safetensors"
    assert feature_cache(tmp_path / "absent" / "faces", 64, False) is None
