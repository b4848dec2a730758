"""Where pictures with classes come from, and how they are split."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True)
class Labelled:
    """Pictures of one size with their classes.

    Attributes:
        pictures: (N, H, W, 3) uint8 RGB.
        labels: (N,) int64, indices into `class_names`.
    """

    pictures: npt.NDArray[np.uint8]
    labels: npt.NDArray[np.int64]
    class_names: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        if len(self.pictures) != len(self.labels):
            raise ValueError(f"{len(self.pictures)} pictures, {len(self.labels)} labels")

    def __len__(self) -> int:
        return len(self.pictures)

    def take(self, indices: npt.NDArray[np.int64]) -> Labelled:
        """The pictures at these indices, in this order."""
        return Labelled(self.pictures[indices], self.labels[indices], self.class_names)
