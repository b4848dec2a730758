"""Boxes around faces: a small PlaceNet, learnt from FDDB, pasted crops and scenes whose worst places come back.

`--data DIR` as `train.detect.face_data.WHERE` says. FDDB's folds 1 to 7 are learnt from, 8 chooses the checkpoint
together with the validation half of CMU+MIT, 9 measures; fold 10 is read by nothing here. One fold in five of the
pictures without faces is not learnt from, and tells how often the detector sees a face where none is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from train.detect.annotations import Annotated
from train.detect.face_data import (
    CHOICE_FOLDS,
    CROP_PX,
    LABELS,
    TEST_FOLDS,
    TRAIN_FOLDS,
    WHERE,
    FaceData,
    cmu_mit,
    fddb,
    read_face_data,
)
from train.detect.face_task import FaceConfig, FaceTask
from train.detect.place_recipe import BoxData, PlaceRecipe, drawn_pictures
from train.publishing.recipe import Context

_FOLDS: dict[str, Sequence[int]] = {"train": TRAIN_FOLDS, "validation": CHOICE_FOLDS, "test": TEST_FOLDS}

NOTES = """
Boxes faces, frontal and turned, from about 24 px. A box reaches from the hairline to the chin. Profiles, faces under
masks or in the dark, and faces that are upside down are often missed.
"""


def read_split(data: Path, split: str) -> list[Annotated]:
    """FDDB's pictures of a split."""
    return fddb(data, _FOLDS[split])


@dataclass(frozen=True, kw_only=True)
class FaceRecipe(PlaceRecipe):
    """The recipe of the face detector, whose data are more than pictures with boxes."""

    def build(self, config: FaceConfig, context: Context) -> FaceTask:
        """The task on the data; on drawn rectangles and noise without."""
        if context.data is None:
            folder = TemporaryDirectory(prefix="cvdemo_")
            drawn = drawn_pictures(Path(folder.name), 1, config.seed)
            noise = np.random.default_rng(config.seed).integers(0, 256, (8, 96, 96, 3), dtype=np.uint8)
            data = FaceData(drawn, noise[:, :CROP_PX, :CROP_PX, 0], list(noise))
            task = FaceTask(config, data, drawn[:2], drawn[:2], context.device, context.amp)
            task.holds = folder
            return task
        data = read_face_data(context.data, config.held_out_fold)
        validation, squares = read_split(context.data, "validation"), cmu_mit(context.data)
        task = FaceTask(config, data, validation, squares, context.device, context.amp)
        task.trained_on = {"train": len(data.faces), "crops": len(data.crops), "scenes": len(data.scenes)}
        return task


RECIPE = FaceRecipe(
    name="face-detector",
    weight="face_detector",
    goal="AP (area) at IoU 0.3 / 0.5: 0.965 / 0.93 on FDDB's fold 9, 0.96 / 0.93 on the validation half of CMU+MIT",
    data=BoxData(
        name="FDDB, folds 1 to 7; 36-px crops of Caltech web faces; scenes without faces",
        where=WHERE,
        licence="Apache-2.0; the training photographs are press photographs of others",
        labels=LABELS,
        labels_file="face.txt",
        read=read_split,
        test_split="FDDB's fold 9",
    ),
    config=FaceConfig,
    dry_run={
        "train_px": (64, 96),
        "batch_size": 4,
        "scene_batch": 2,
        "width": 16,
        "mining": (0.5,),
        "published_px": (96,),
    },
    notes=NOTES,
)
