"""Both measures with their floors: generated pictures of the right kind are near, others far."""

import numpy as np
import pytest
import torch

from train.sample.frechet_distance import frechet_distance, statistics
from train.sample.kernel_distance import kernel_distance
from train.sample.lite0_features import RealFeatures, in_batches, lite0_features
from train.sample.measures import SampleQuality, rounded

CPU = torch.device("cpu")


def flat(n: int, seed: int) -> np.ndarray:
    """Pictures of one colour each."""
    colours = np.random.default_rng(seed).integers(0, 256, (n, 1, 1, 3), dtype=np.uint8)
    return np.broadcast_to(colours, (n, 16, 16, 3)).copy()


def noise(n: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (n, 16, 16, 3), dtype=np.uint8)


def test_noise_is_farther_from_flat_pictures_than_other_flat_pictures() -> None:
    quality = SampleQuality(RealFeatures(flat(24, 0), CPU), samples=8)
    assert (quality.samples, quality.reference) == (8, 16)
    near, far = quality.of(in_batches(flat(8, 1))), quality.of(in_batches(noise(8)))
    assert set(near) == {"fd_lite0", "fd_floor", "kid_lite0", "kid_error", "kid_floor"}
    assert far["fd_lite0"] > 2 * near["fd_lite0"] and far["kid_lite0"] > 10 * abs(near["kid_lite0"])
    assert far["fd_floor"] == near["fd_floor"] and far["kid_floor"] == near["kid_floor"]
    assert far["fd_lite0"] > 2 * far["fd_floor"] and far["kid_lite0"] > 10 * abs(far["kid_floor"])


def test_measures_and_floors_are_of_disjoint_real_pictures() -> None:
    pictures, fakes = flat(24, 0), noise(8)
    real = RealFeatures(pictures, CPU)
    found = SampleQuality(real, samples=8).of([fakes])
    reference, others = (lite0_features([pictures[rows]], CPU) for rows in (real.order[:16], real.order[16:]))
    fake = lite0_features([fakes], CPU)
    assert found["fd_lite0"] == pytest.approx(frechet_distance(statistics(fake), statistics(reference)), rel=1e-3)
    assert found["fd_floor"] == pytest.approx(frechet_distance(statistics(others), statistics(reference)), rel=1e-3)
    kernel = kernel_distance(fake, reference)
    assert found["kid_lite0"] == pytest.approx(kernel.value, rel=1e-3)
    assert found["kid_error"] == pytest.approx(kernel.standard_error, rel=1e-2)


def test_sizes_give_way_to_the_data() -> None:
    quality = SampleQuality(RealFeatures(noise(20), CPU), samples=50)
    assert (quality.samples, quality.reference) == (10, 10)
    with pytest.raises(ValueError, match="need 10 generated pictures, got 4"):
        quality.of([noise(4)])
    with pytest.raises(ValueError, match="at least 8 real pictures to measure against, got 7"):
        SampleQuality(RealFeatures(noise(7), CPU), samples=4)


def test_rounding_keeps_the_digits_that_matter() -> None:
    assert rounded({"fd_lite0": 475.1499, "kid_lite0": 0.0123456}) == {"fd_lite0": 475.15, "kid_lite0": 0.01235}
