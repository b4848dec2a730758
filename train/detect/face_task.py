"""Training the face detector: a PlaceNet on tiles of FDDB, pasted crops and scenes whose worst places come back.

Measured on FDDB's fold 8 and on the validation half of CMU+MIT; their mean AP at IoU 0.5 chooses the checkpoint.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor, nn

from cvdemo.config import setting
from cvdemo.nets.place_net import PlaceNet
from train.data.read_pictures import Pictures, read_rgb
from train.detect.annotations import Annotated, Truth, truth_of
from train.detect.face_data import LABELS, FaceData
from train.detect.face_light import other_light
from train.detect.face_measure import both_sets, face_finder
from train.detect.face_views import paste_faces, scene_view, tiled_view
from train.detect.hard_negatives import HardPlaces, scan
from train.detect.place_measure import finder_of
from train.detect.place_task import PlaceConfig, PlaceTask
from train.engine.distributed import shard
from train.engine.loop import epoch_indices


@dataclass(frozen=True, kw_only=True)
class FaceConfig(PlaceConfig):
    """Hyper-parameters of the face detector; the batch has `scene_batch` scenes beside `batch_size` of FDDB."""

    input_px: int = setting(352, help="of the longer side at the first level", unit="px", minimum=32)
    published_px: tuple[int, ...] = setting(
        (320, 352, 416, 480),
        help="longer sides of the first level of which the best on the pictures that choose is published",
    )
    train_px: tuple[int, ...] = setting((224, 256, 288, 320), help="sides of the canvas, one drawn for each step")
    last_block: int = setting(11, help="of the trunk", minimum=3, maximum=15)
    first_block: int = setting(3, help="blocks from here on are trained", minimum=0, maximum=15)
    width: int = setting(64, help="channels of pyramid and head", minimum=8)
    depth: int = setting(1, help="convolutions of each tower of the head", minimum=1)
    batch_size: int = 12
    scene_batch: int = setting(4, help="scenes without faces in a batch, beside the others", minimum=0)
    pasted: float = setting(0.5, help="share of the scenes that get pasted faces", minimum=0, maximum=1)
    mined: float = setting(
        0.6, help="share of the other scenes that show a place taken for a face", minimum=0, maximum=1
    )
    mining: tuple[float, ...] = setting(
        (0.25, 0.45, 0.65, 0.85), help="parts of the run after which scenes are scanned"
    )
    hard_places: int = setting(600, help="places kept of a scan", minimum=1)
    held_out_fold: int = setting(0, help="of the scenes, not learnt from; -1: none", minimum=-1, maximum=4)
    epochs: int = 14
    measure_epochs: int = setting(3, help="epochs from one measure to the next", minimum=1)
    log_every: int = 50


class FaceTask(PlaceTask):
    """Faces at places.

    Args:
        config: hyper-parameters; its epochs, counted in pictures of FDDB, become steps here.
        data: what is learnt from.
        validation: FDDB's pictures that choose the checkpoint. squares: the same with boxes in the square framing.
        device, amp: see `PlaceTask`.
    """

    metric = "ap50"

    def __init__(
        self,
        config: FaceConfig,
        data: FaceData,
        validation: Sequence[Annotated],
        squares: Sequence[Annotated],
        device: torch.device,
        amp: bool,
    ) -> None:
        super().__init__(config, LABELS, data.faces, validation, device, amp)
        self.config: FaceConfig
        self.crops, self.scenes, self.squares = data.crops, data.scenes, squares
        self.hard = HardPlaces(config.hard_places)
        self.networks["hard"] = self.hard

    def step(self, step: int, generator: torch.Generator) -> dict[str, Tensor]:
        """One step; before some, the scenes are scanned for what is taken for a face."""
        rounds = [round(part * self.config.steps) for part in self.config.mining]
        if step in rounds and self.scenes:
            self.mine(rounds.index(step))
        return super().step(step, generator)

    def mine(self, turn: int) -> None:
        """Replaces the hard places by those of the network as it is now."""
        places = finder_of(self.network, self.preprocessing, self.config.input_px, self.device)
        self.hard.replace(scan(self.scenes, lambda scene, long_px: replace(places, input_px=long_px)(scene), turn))
        self.network.train()
        self.network.trunk.eval()

    def batch(self, step: int, generator: torch.Generator) -> tuple[Tensor, list[Truth]]:
        """Normalised views (B, 3, side, side) and their boxes, of this process's share of one step."""
        config = self.config
        indices = shard(epoch_indices(step, config.batch_size, len(self.data), config.seed)).tolist()
        side = config.train_px[int(torch.randint(len(config.train_px), (1,), generator=generator))]
        seeds = torch.randint(2**62, (config.batch_size + config.scene_batch,), generator=generator)
        of_faces = zip(indices, shard(seeds[: config.batch_size]).tolist(), strict=True)
        views = [self._faces_view(index, side, np.random.default_rng(seed)) for index, seed in of_faces]
        if self.scenes:
            rngs = map(np.random.default_rng, shard(seeds[config.batch_size :]).tolist())
            views += [self._scene_view(side, rng) for rng in rngs]
        return self._pixels([view for view, _ in views]), [truth for _, truth in views]

    def _faces_view(self, index: int, side_px: int, rng: np.random.Generator) -> tuple[Pictures, Truth]:
        """A canvas whose first tile is of picture `index`."""
        wanted = [index]

        def source() -> tuple[Pictures, Truth]:
            item = self.data[wanted.pop() if wanted else int(rng.integers(len(self.data)))]
            return read_rgb(item.path), item.truth

        canvas, truth = tiled_view(source, side_px, rng)
        return other_light(canvas, rng), truth

    def _scene_view(self, side_px: int, rng: np.random.Generator) -> tuple[Pictures, Truth]:
        """A scene with pasted faces, around a hard place, or any part of one."""
        draw = rng.random()
        if draw < self.config.pasted:
            scene = self.scenes[int(rng.integers(len(self.scenes)))]
            canvas, truth = paste_faces(scene_view(scene, side_px, rng), self.crops, rng)
            return other_light(canvas, rng), truth
        if len(self.hard) and rng.random() < self.config.mined:
            number, centre, scale = self.hard[int(rng.integers(len(self.hard)))]
            canvas = scene_view(self.scenes[number], side_px, rng, centre, scale)
        else:
            canvas = scene_view(self.scenes[int(rng.integers(len(self.scenes)))], side_px, rng)
        return other_light(canvas, rng), truth_of([])

    def evaluate(self, network: nn.Module) -> dict[str, float]:
        """Average precision (area) at IoU 0.3 and 0.5 on both sets; `ap50` is the mean of the two at 0.5."""
        assert isinstance(network, PlaceNet)
        finder = face_finder(network, self.preprocessing, self.config.input_px, self.device)
        values = both_sets(finder, self.validation, self.squares)
        return {name: value for name, value in values.items() if "recall" not in name}
