"""Whether a generator copies: the training pictures nearest to its samples, beside how near real pictures are.

Nearness is the cosine distance of the features of `train.lite0`, from 0 for the same direction on. A sample counts as
a copy by suspicion, not by a threshold of ours: it is held against the distances from real pictures to their nearest
other real picture, and people see the sheet.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from cvdemo.images import ImageArray
from train.hdf5 import Pictures
from train.lite0 import RealFeatures, in_batches, lite0_features

NEAREST = 3  # training pictures shown for a sample
YARDSTICK = 1000  # real pictures whose nearest other is sought

_ROWS = 250  # of the matrix of distances held at a time
_TEXT_PX, _GAP_PX, _COLUMNS = 14, 2, 2  # of the sheet


@dataclass(frozen=True)
class Neighbours:
    """What lies nearest to samples.

    Attributes:
        distances: (n, k) cosine distance of the k nearest training pictures, ascending.
        indices: (n, k) which pictures they are.
        real_to_real: (m,) distance of real pictures to their nearest other, ascending.
    """

    distances: Tensor
    indices: npt.NDArray[np.int64]
    real_to_real: Tensor

    @property
    def ranks(self) -> Tensor:
        """(n,) for each sample, the fraction of real pictures that have a nearer neighbour than it has."""
        return torch.searchsorted(self.real_to_real, self.distances[:, 0].contiguous()) / len(self.real_to_real)

    def sentence(self) -> str:
        """What was found, for the card."""
        nearest = self.distances[:, 0]
        median, low = self.real_to_real.median(), self.real_to_real.quantile(0.05)
        closer = int((self.ranks < 0.05).sum())
        return (
            f"The nearest training picture of {len(nearest)} unpicked samples is at a cosine distance of "
            f"{nearest.min():.3f} to {nearest.max():.3f} (median {nearest.median():.3f}). Of "
            f"{len(self.real_to_real):,} training pictures the nearest other one is at a median of {median:.3f}, and "
            f"for 5 % of them at {low:.3f} or nearer; {closer} of the {len(nearest)} samples lie nearer than that to a "
            "training picture."
        )


def find_neighbours(samples: Pictures, real: RealFeatures, count: int = NEAREST) -> Neighbours:
    """The `count` training pictures nearest to each sample or to its mirror image, and the yardstick.

    Args:
        samples: (n, H, W, C) uint8.
        real: all of its pictures are searched.
    """
    features = real.first(len(real.pictures))
    views = [samples, np.ascontiguousarray(samples[:, :, ::-1])]
    seen = [lite0_features(in_batches(view), real.device, real.amp) for view in views]
    distances, rows = nearest(seen, features, count)
    others, _ = nearest([features[:YARDSTICK]], features, 1, exclude_self=True)
    return Neighbours(distances, real.order[rows.numpy()], others[:, 0].sort().values)


def nearest(views: Sequence[Tensor], real: Tensor, count: int, *, exclude_self: bool = False) -> tuple[Tensor, Tensor]:
    """Cosine distances and rows of the `count` nearest of `real` (N, D), each (n, count), nearest first.

    Args:
        views: features (n, D) of the same n pictures seen in several ways; the smallest distance counts.
        exclude_self: whether row i of the views is row i of `real`, which then is no neighbour of its own.

    Raises:
        ValueError: fewer real pictures than neighbours asked for.
    """
    if len(real) < count + exclude_self:
        raise ValueError(f"need more than {count} real pictures, got {len(real)}")
    directions = F.normalize(real.float(), dim=1)
    found = []
    for start in range(0, len(views[0]), _ROWS):
        parts = [F.normalize(view[start : start + _ROWS].float(), dim=1) @ directions.T for view in views]
        likeness = torch.stack(parts).amax(dim=0)  # (rows, N)
        if exclude_self:
            own = torch.arange(len(likeness))
            likeness[own, start + own] = -torch.inf
        found.append(likeness.topk(count, dim=1))
    likest, rows = (torch.cat(parts) for parts in zip(*found, strict=True))
    return (1 - likest).clamp(min=0), rows


def contact_sheet(samples: Pictures, real: Pictures, neighbours: Neighbours) -> ImageArray:
    """A sheet with each sample followed by its nearest training pictures, their distances below; two samples a row."""
    count, height, width, _ = samples.shape
    shown = neighbours.indices.shape[1]
    block = (shown + 1) * (width + _GAP_PX) + 6 * _GAP_PX
    rows = -(-count // _COLUMNS)
    sheet = Image.new("RGB", (_COLUMNS * block, rows * (height + _TEXT_PX)), "white")
    pen, font = ImageDraw.Draw(sheet), ImageFont.load_default(10)
    for index in range(count):
        left, top = index % _COLUMNS * block, index // _COLUMNS * (height + _TEXT_PX)
        sheet.paste(_picture(samples[index]), (left, top))
        pen.text((left, top + height), f"sample {index}", "#1f2937", font)
        for place in range(shown):
            x = left + (place + 1) * (width + _GAP_PX) + 2 * _GAP_PX
            sheet.paste(_picture(real[neighbours.indices[index, place]]), (x, top))
            pen.text((x, top + height), f"{neighbours.distances[index, place]:.3f}", "#1f2937", font)
    return np.asarray(sheet)


def _picture(array: Pictures) -> Image.Image:
    return Image.fromarray(array.squeeze(2) if array.shape[2] == 1 else array).convert("RGB")
