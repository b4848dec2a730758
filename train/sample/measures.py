"""FD-Lite0 and KID-Lite0 of a generator, each beside its floor: the same measure of other real pictures."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cached_property

from torch import Tensor

from train.data.hdf5 import Pictures
from train.sample.frechet_distance import Statistics, frechet_distance, statistics
from train.sample.kernel_distance import kernel_distance
from train.sample.lite0_features import FEATURES, RealFeatures, lite0_features

REFERENCE = 10_000  # real pictures that others are held against, where there are twice as many
PROTOCOL = (
    "FD-Lite0 (Frechet distance) and KID-Lite0 (unbiased squared MMD, cubic kernel, mean of 10 subsets) on "
    f"{FEATURES}, at truncation 1"
)


class SampleQuality:
    """Measures generated pictures against one set of real ones; the real ones are measured once.

    Args:
        real: features of real pictures.
        samples: generated pictures in a measure, and other real ones in a floor.
        reference: real pictures that both are held against; half of all and less where there are not so many.

    Attributes:
        samples, reference: how many of each there are.

    Raises:
        ValueError: fewer than eight real pictures.
    """

    def __init__(self, real: RealFeatures, samples: int, reference: int = REFERENCE) -> None:
        total = len(real.pictures)
        if total < 8:
            raise ValueError(f"need at least 8 real pictures to measure against, got {total}")
        self.real = real
        self.samples = min(samples, total // 2)
        self.reference = min(reference, total - self.samples)

    def of(self, generated: Iterable[Pictures]) -> dict[str, float]:
        """Distances of `samples` generated pictures, given in batches of (B, H, W, C) uint8, and their floors.

        Returns:
            fd_lite0, kid_lite0, kid_error (standard error), fd_floor, kid_floor.

        Raises:
            ValueError: another number of pictures.
        """
        features = lite0_features(generated, self.real.device, self.real.amp)
        if len(features) != self.samples:
            raise ValueError(f"need {self.samples} generated pictures, got {len(features)}")
        kernel = kernel_distance(features, self._reference)
        return {
            "fd_lite0": frechet_distance(statistics(features), self._statistics),
            "kid_lite0": kernel.value,
            "kid_error": kernel.standard_error,
            **self.floors,
        }

    @cached_property
    def floors(self) -> dict[str, float]:
        """fd_floor and kid_floor: both measures of as many other real pictures."""
        others = self.real.first(self.reference + self.samples)[self.reference :]
        return {
            "fd_floor": frechet_distance(statistics(others), self._statistics),
            "kid_floor": kernel_distance(others, self._reference).value,
        }

    @property
    def _reference(self) -> Tensor:
        return self.real.first(self.reference + self.samples)[: self.reference]

    @cached_property
    def _statistics(self) -> Statistics:
        return statistics(self._reference)


def rounded(result: dict[str, float]) -> dict[str, float]:
    """The measures with the digits that they deserve: FD to hundredths, KID to 1e-5."""
    return {name: round(value, 2 if name.startswith("fd") else 5) for name, value in result.items()}
