"""Boxes around faces: a small PlaceNet, learnt from FDDB, pasted crops and scenes whose worst places come back.

`--data DIR` as `train.detect.face_data.WHERE` says. FDDB's folds 1 to 7 are learnt from, 8 chooses the checkpoint
together with the validation half of CMU+MIT, 9 measures; fold 10 is read by nothing here. One fold in five of the
pictures without faces is not learnt from (`--held-out-fold`), and tells how often the detector sees a face where none
is. docs/how-to/detect.md has the commands that measure this over all five folds.
"""

from __future__ import annotations

import shutil
import weakref
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import numpy as np

from cvdemo.images import Preprocessing
from cvdemo.nets.backbone import BACKBONE
from cvdemo.nets.place_net import PlaceNet
from cvdemo.weights import entry_of
from train.detect.annotations import Annotated
from train.detect.calibration import fit_scores, rescale_scores, score_bands
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
    scene_files,
)
from train.detect.face_measure import (
    FaceFinder,
    both_sets,
    face_finder,
    false_faces,
    in_squares,
    shown_values,
    sizes_found,
    values_of_both,
)
from train.detect.face_task import FaceConfig, FaceTask
from train.detect.place_measure import SizedFinder, find_all, measures_of
from train.detect.place_recipe import BoxData, PlaceRecipe, drawn_pictures
from train.detect.place_task import PlaceConfig
from train.publishing.recipe import Context

_FOLDS: dict[str, Sequence[int]] = {"train": TRAIN_FOLDS, "validation": CHOICE_FOLDS, "test": TEST_FOLDS}

NOTES = """
Boxes faces, frontal and turned. A box reaches from the hairline to the chin. On FDDB's fold 9, at the page's threshold,
it finds 98 % of the faces from 48 px of width on and three in four from 24 to 48 px; sharp frontal faces of CMU+MIT are
found from about 24 px. Profiles, faces under masks or in the dark, and faces that are upside down are often missed.

Scores are chances, fitted on photographs of FDDB. On old grey prints (CMU+MIT) middle ones are too high: of the boxes
with a score of 0.6 to 0.8, 44 % are right there, and 69 % on FDDB's fold 9.
"""


_PROTOCOL = (
    "AP: area under the interpolated precision-recall curve at IoU 0.3 (ap30) and 0.5 (ap50); the page's levels from a "
    "longer side of {px} px, its suppression, scores from 0.001; recall at so many false boxes in all, IoU 0.5; "
    "recall_shown and false_shown: of the boxes that the page shows, at its threshold; boxes on CMU+MIT, which helped "
    "to choose the checkpoint, by a fixed map in the framing of that set; false_faces: boxes at the page's threshold "
    "in scenes without faces that were not learnt from; float32"
)


def read_split(data: Path, split: str) -> list[Annotated]:
    """FDDB's pictures of a split."""
    return fddb(data, _FOLDS[split])


@dataclass(frozen=True, kw_only=True)
class FaceRecipe(PlaceRecipe):
    """The recipe of the face detector, whose data are more than pictures with boxes."""

    chosen_by = FaceTask.metric

    def build(self, config: PlaceConfig, context: Context) -> FaceTask:
        """The task on the data; on drawn rectangles and noise without."""
        assert isinstance(config, FaceConfig)
        if context.data is None:
            folder = Path(mkdtemp(prefix="cvdemo_"))
            drawn = drawn_pictures(folder, 1, config.seed)
            noise = np.random.default_rng(config.seed).integers(0, 256, (8, 96, 96, 3), dtype=np.uint8)
            data = FaceData(drawn, noise[:, :CROP_PX, :CROP_PX, 0], list(noise))
            task = FaceTask(config, data, drawn[:2], drawn[:2], context.device, context.amp)
            weakref.finalize(task, shutil.rmtree, folder)
            return task
        data = read_face_data(context.data, config.held_out_fold)
        validation, squares = read_split(context.data, "validation"), cmu_mit(context.data)
        task = FaceTask(config, data, validation, squares, context.device, context.amp)
        task.trained_on = {"train": len(data.faces), "crops": len(data.crops), "scenes": len(data.scenes)}
        return task

    def _finder(self, network: PlaceNet, preprocessing: Preprocessing, input_px: int) -> FaceFinder:
        """As the page finds faces."""
        return face_finder(network, preprocessing, input_px)

    def _finished(self, network: PlaceNet, config: PlaceConfig, data: Path) -> PlaceNet:
        """With scores that say how often a box is right, by the pictures that choose."""
        validation = read_split(data, "validation")
        lite0 = Preprocessing.from_manifest(entry_of(BACKBONE).preprocessing)
        found = find_all(face_finder(network, lite0, config.input_px), validation)
        scale, offset = fit_scores(found, [item.truth for item in validation])
        print(f"calibrated on {len(validation)} pictures: logit * {scale:.3f} {offset:+.3f}")
        rescale_scores(network, scale, offset)
        return network

    def _validated(self, finders: Sequence[SizedFinder], data: Path) -> list[float]:
        """The mean of both sets' AP at IoU 0.5, of each finder."""
        validation, squares = read_split(data, "validation"), cmu_mit(data)
        return [both_sets(finder, validation, squares)["ap50"] for finder in finders]

    def _measured(
        self, finder: SizedFinder, test: Sequence[Annotated], context: Context, settings: Mapping[str, Any]
    ) -> dict[str, Any]:
        """AP, recall by size and calibration on FDDB's fold 9 and on CMU+MIT; false faces in scenes not learnt from."""
        assert context.data is not None  # `test` was read from there
        squares = cmu_mit(context.data)
        found, in_square = find_all(finder, test), in_squares(find_all(finder, squares))
        result = measures_of(found, test, LABELS, context.curve)
        values = values_of_both(found, test, in_square, squares)
        truths, of_squares = ([item.truth for item in items] for items in (test, squares))
        values |= {f"fddb_{name}": value for name, value in shown_values(found, truths).items()}
        fold = int(settings.get("held_out_fold", -1))
        return {
            **result,
            **{name: round(value, 4) for name, value in values.items() if name != "ap50"},
            "recall_by_size": {"fddb": sizes_found(found, test), "cmu": sizes_found(in_square, squares)},
            "calibration": {"fddb": score_bands(found, truths, 1), "cmu": score_bands(in_square, of_squares, 1)},
            **({} if fold < 0 else false_faces(finder, scene_files(context.data, fold, held_out=True))),
            "split": (
                f"{result['n']:,} pictures of FDDB's fold 9, {result['boxes']:,} boxes; {len(squares)} of CMU+MIT, "
                f"validation half, {sum(len(item.truth.classes) for item in squares)} boxes"
            ),
            "protocol": _PROTOCOL.format(px=finder.input_px),
        }

    def metric_of(self, name: str, result: Mapping[str, Any], chosen: str) -> dict[str, Any]:
        """The manifest's `metric`; `chosen` tells the step, and by what."""
        told = ("map50", "map50_11_point", "map_coco", "false_faces", "scenes")
        kept = [key for key in result if key in told or key.startswith(("fddb_", "cmu_"))]
        return {
            "name": "AP (area) on FDDB's fold 9 and CMU+MIT; map50, map50_11_point and map_coco are of FDDB",
            "value": {key: result[key] for key in kept},
            "protocol": result["protocol"],
            "split": f"{result['split']}; {chosen}",
            "n": result["n"],
            "command": f"python -m train evaluate {name} --data DIR --json",
        }


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
