"""Hard negatives: the places of pictures without faces that a network takes for faces, found anew during training.

K.-K. Sung and T. Poggio, "Example-Based Learning for View-Based Human Face Detection", TPAMI 1998: scan, add what was
wrongly found, learn on. The places are buffers of a module, so that a checkpoint holds them and a resumed run goes on
with the same ones.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from train.data.read_pictures import Pictures
from train.detect.average_precision import Found

SCAN_SCALES = (1.0, 0.7, 1.4)  # of the pictures, in turn by their number and the round
MOST_SIDE_PX = 900  # of a scanned picture: larger ones are shrunk to it first
LEAST_SCORE = 0.05


class HardPlaces(nn.Module):
    """The worst places: number of the picture, centre x and y in its px, scale at which it was scanned; then zeros.

    Args:
        most: how many are kept.
    """

    places: Tensor
    count: Tensor

    def __init__(self, most: int) -> None:
        super().__init__()
        self.register_buffer("places", torch.zeros(most, 4))
        self.register_buffer("count", torch.zeros((), dtype=torch.int64))

    def __len__(self) -> int:
        return int(self.count)

    def __getitem__(self, index: int) -> tuple[int, tuple[float, float], float]:
        """Number of the picture, centre, scale."""
        number, x, y, scale = self.places[index].tolist()
        return round(number), (x, y), scale

    def replace(self, found: Sequence[tuple[float, ...]]) -> None:
        """Forgets the places and keeps these: score, number, x, y, scale; the highest scores."""
        best = sorted(found, reverse=True)[: len(self.places)]
        self.places.zero_()
        if best:
            self.places[: len(best)] = torch.tensor([row[1:] for row in best])
        self.count.fill_(len(best))


def scan(
    scenes: Sequence[Pictures], find: Callable[[Pictures, int], Found], turn: int
) -> list[tuple[float, float, float, float, float]]:
    """What a detector takes for an object in pictures that have none: score, number, centre x and y, scale.

    Args:
        find: of a picture and the length that its longer side is brought to (px) -> boxes in px of the picture.
        turn: number of the round; each scans every picture at another one of `SCAN_SCALES`.
    """
    found = []
    for number, scene in enumerate(scenes):
        longer = max(scene.shape[:2])
        scan_px = round(min(SCAN_SCALES[(number + turn) % len(SCAN_SCALES)] * longer, MOST_SIDE_PX))
        answer = find(scene, scan_px)
        kept = answer.scores > LEAST_SCORE
        centres = (answer.xyxy[kept, :2] + answer.xyxy[kept, 2:]) / 2
        rows = zip(answer.scores[kept].tolist(), centres.tolist(), strict=True)
        found += [(score, float(number), x, y, scan_px / longer) for score, (x, y) in rows]
    return found
