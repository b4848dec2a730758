"""The recipe of the face detector from its folder."""

from pathlib import Path

import torch

from tests.train.detect.face_pictures import write_face_folder
from train.detect.face_task import FaceConfig
from train.publishing.recipe import Context
from train.recipes.face_detector import RECIPE, read_split


def test_it_is_built_on_its_splits(tmp_path: Path) -> None:
    write_face_folder(tmp_path)
    config = FaceConfig(batch_size=2, width=8)
    task = RECIPE.build(config, Context(data=tmp_path, device=torch.device("cpu"), amp=False))
    assert task.trained_on == {"train": 2, "crops": 3, "scenes": 8}
    assert [item.path.stem for item in task.validation] == ["8"]
    assert [item.path.stem for item in read_split(tmp_path, "test")] == ["9"]
