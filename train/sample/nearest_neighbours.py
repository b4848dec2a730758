"""Whether a generator copies: the training pictures nearest to its samples, beside how near copies are.

Nearness is the cosine distance of the features of `train.sample.lite0_features`, from 0 for the same direction on. A
generator that copies draws its training pictures a little soft. So training pictures are blurred, by shrinking and
enlarging them, and the distances from these to their originals say how near a copy lies. People see the sheet.
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

from cvdemo.images import ImageArray, resize, to_batch, to_images
from train.data.hdf5 import Pictures
from train.sample.lite0_features import RealFeatures, in_batches, lite0_features

NEAREST = 3  # training pictures shown for a sample
YARDSTICK = 1000  # training pictures that are blurred, and whose nearest other is sought
BLUR = 2 / 3  # of their size, to which they are shrunk

_ROWS = 250  # of the matrix of distances held at a time
_SHOWN_PX, _TEXT_PX, _GAP_PX, _COLUMNS = 64, 14, 2, 2  # of the sheet


@dataclass(frozen=True)
class Neighbours:
    """What lies nearest to samples.

    Attributes:
        distances: (n, k) cosine distance of the k nearest training pictures, ascending.
        indices: (n, k) which pictures they are.
        real_to_real: (m,) distance of training pictures to their nearest other, ascending.
        copies: (m,) distance of blurred training pictures to their originals, ascending.
    """

    distances: Tensor
    indices: npt.NDArray[np.int64]
    real_to_real: Tensor
    copies: Tensor

    @property
    def suspects(self) -> Tensor:
        """(n,) whether a sample lies as near to a training picture as 95 % of the blurred copies to theirs."""
        return self.distances[:, 0] <= self.copies.quantile(0.95)

    def sentence(self) -> str:
        """What was found, for the card."""
        nearest, near, apart = self.distances[:, 0], self.copies.quantile(0.95), self.real_to_real.median()
        blind = " (blur takes these pictures farther than to the next one, so that proves nothing)"
        return (
            f"The nearest training picture of {len(nearest)} unpicked samples is at a cosine distance of "
            f"{nearest.min():.3f} to {nearest.max():.3f} (median {nearest.median():.3f}). Copies of "
            f"{len(self.copies):,} training pictures, blurred by shrinking them to {BLUR:.0%} and back, lie at a "
            f"median of {self.copies.median():.3f} from their originals, 95 % of them within {near:.3f}; "
            f"{int(self.suspects.sum())} of the {len(nearest)} samples lie so near to a training picture"
            f"{blind if self.copies.median() > apart else ''}. Half of the training pictures have their nearest other "
            f"one within {apart:.3f}, {int((nearest <= apart).sum())} of the {len(nearest)} samples theirs."
        )


def find_neighbours(samples: Pictures, real: RealFeatures, count: int = NEAREST) -> Neighbours:
    """The `count` training pictures nearest to each sample or to its mirror image, and the yardsticks.

    Args:
        samples: (n, H, W, C) uint8.
        real: all of its pictures are searched.
    """
    features = real.first(len(real.pictures))
    views = [samples, np.ascontiguousarray(samples[:, :, ::-1])]
    seen = [lite0_features(in_batches(view), real.device, real.amp) for view in views]
    distances, rows = nearest(seen, features, count)
    others, _ = nearest([features[:YARDSTICK]], features, 1, exclude_self=True)
    originals = real.pictures[real.order[: len(others)]]
    blurred = F.normalize(lite0_features(in_batches(softened(originals)), real.device, real.amp), dim=1)
    likeness = (blurred * F.normalize(features[: len(others)].float(), dim=1)).sum(dim=1)
    copies = (1 - likeness).clamp(min=0).sort().values
    return Neighbours(distances, real.order[rows.numpy()], others[:, 0].sort().values, copies)


def softened(pictures: Pictures) -> Pictures:
    """The pictures (N, H, W, C) as they come back from being shrunk to two thirds of their size."""
    pixels = to_batch(pictures)
    height, width = pictures.shape[1:3]
    small = resize(pixels, (max(1, round(height * BLUR)), max(1, round(width * BLUR))))
    return to_images(resize(small, (height, width)))


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
    """A sheet with each sample followed by its nearest training pictures, their distances below; two samples a row.

    Pictures of less than 64 px are shown as many times as large as fit there. Samples are counted from 1.
    """
    times = max(1, _SHOWN_PX // samples.shape[2])
    count, height, width = len(samples), samples.shape[1] * times, samples.shape[2] * times
    shown = neighbours.indices.shape[1]
    block = (shown + 1) * (width + _GAP_PX) + 6 * _GAP_PX
    rows = -(-count // _COLUMNS)
    sheet = Image.new("RGB", (_COLUMNS * block, rows * (height + _TEXT_PX)), "white")
    pen, font = ImageDraw.Draw(sheet), ImageFont.load_default(10)
    for index in range(count):
        left, top = index % _COLUMNS * block, index // _COLUMNS * (height + _TEXT_PX)
        sheet.paste(_picture(samples[index], times), (left, top))
        pen.text((left, top + height), f"sample {index + 1}", "#1f2937", font)
        for place in range(shown):
            x = left + (place + 1) * (width + _GAP_PX) + 2 * _GAP_PX
            sheet.paste(_picture(real[neighbours.indices[index, place]], times), (x, top))
            pen.text((x, top + height), f"{neighbours.distances[index, place]:.3f}", "#1f2937", font)
    return np.asarray(sheet)


def _picture(array: Pictures, times: int) -> Image.Image:
    larger = array.repeat(times, axis=0).repeat(times, axis=1)
    return Image.fromarray(larger.squeeze(2) if array.shape[2] == 1 else larger).convert("RGB")
