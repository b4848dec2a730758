"""The recipe of the face detector: from its folder to a published weight with calibrated scores."""

import gc
import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from cvdemo.detect.detector import DETECTORS
from cvdemo.nets.backbone import BACKBONE
from cvdemo.weights import entry_of, load_manifest, load_state_dict
from tests.train.detect.face_pictures import write_face_folder
from train.detect.annotations import Annotated
from train.detect.average_precision import Found
from train.detect.face_task import FaceConfig
from train.engine.checkpoint import load
from train.engine.loop import Trainer
from train.publishing.recipe import Context, PublishOptions
from train.recipes import face_detector
from train.recipes.face_detector import RECIPE, read_split

SMALL = FaceConfig(
    input_px=64, published_px=(64, 96), train_px=(64,), width=8, strides=(8, 16), last_block=6, first_block=6,
    epochs=0, steps=2, batch_size=2, scene_batch=1, evaluate_every=2, mining=(),
)  # fmt: skip
SCALE, OFFSET = 0.5, 3.2  # an untrained network says 0.01 everywhere: now about 0.71, boxes enough


@pytest.fixture
def context(tmp_path: Path) -> Context:
    write_face_folder(tmp_path / "data")
    return Context(data=tmp_path / "data", device=torch.device("cpu"), amp=False, curve=tmp_path / "curve.png")


def test_it_is_built_on_its_splits(context: Context) -> None:
    task = RECIPE.build(SMALL, context)
    assert task.trained_on == {"train": 2, "crops": 3, "scenes": 8}
    assert [item.path.stem for item in task.validation] == ["8"]
    assert [item.path.stem for item in RECIPE.test(context)] == ["9"]


def test_a_run_is_published_and_measures_as_its_entry_says(
    context: Context, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calibrated_on: list[int] = []

    def fit_scores(found: list[Found], truths: list[Annotated]) -> tuple[float, float]:
        calibrated_on.append(len(truths))
        return SCALE, OFFSET

    monkeypatch.setattr(face_detector, "fit_scores", fit_scores)
    task = RECIPE.build(SMALL, context)
    assert Trainer(task, task.config, tmp_path / "run").run()
    weights = tmp_path / "weights"
    name = RECIPE.publish(task.config, tmp_path / "run", context, PublishOptions(name="tiny", weights_dir=weights))
    entry, stored = entry_of(name, weights), load_file(weights / "tiny.safetensors")
    assert calibrated_on == [len(read_split(tmp_path / "data", "validation"))]
    bias = load(tmp_path / "run" / "best.pt")["ema"]["classes.bias"]
    torch.testing.assert_close(stored["classes.bias"].float(), SCALE * bias + OFFSET, atol=0.01, rtol=0.01)
    value = entry.metric["value"]
    assert {"map50", "fddb_ap30", "fddb_recall_at_10", "cmu_ap50", "cmu_recall_at_167"} <= value.keys()
    assert {"fddb_recall_shown", "fddb_false_shown"} <= value.keys()
    assert value["scenes"] == 2 and value["false_faces"] > 0  # of ten, those not learnt from
    assert entry.preprocessing["input_px"] in SMALL.published_px
    assert "1 pictures of FDDB's fold 9, 1 boxes; 2 of CMU+MIT, validation half, 1 boxes" in entry.metric["split"]
    # the published file measures the same, and draws its curve
    monkeypatch.setattr("train.detect.place_recipe.entry_of", lambda _: entry)
    tensors = {name: stored, BACKBONE: load_state_dict(BACKBONE)}
    monkeypatch.setattr("train.detect.place_recipe.load_state_dict", tensors.__getitem__)
    result = RECIPE.evaluate(name, context)
    json.dumps(result)
    assert {key: result[key] for key in value} == value
    sizes = result["recall_by_size"]
    for name, counts in {"fddb": [1, 0, 0, 0, 0], "cmu": [0, 1, 0, 0, 0]}.items():  # faces of 20 and 26 px
        assert set(sizes[name]) == {"iou30", "iou50"}
        for of_iou in sizes[name].values():
            assert of_iou["threshold"] == DETECTORS["face"].score_threshold
            assert [row["n"] for row in of_iou["rows"]] == counts
    assert {name: one["floor"] for name, one in result["calibration"].items()} == {"fddb": 0.05, "cmu": 0.05}
    assert context.curve is not None and context.curve.read_bytes()[:4] == b"\x89PNG"


def test_what_a_dry_run_draws_goes_with_its_task(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "drawn"
    folder.mkdir()
    monkeypatch.setattr(face_detector, "mkdtemp", lambda prefix: str(folder))
    task = RECIPE.build(SMALL, Context(data=None, device=torch.device("cpu"), amp=False))
    assert task.data[0].path.is_file()
    del task
    gc.collect()
    assert not folder.exists()


def test_the_published_detector_reaches_its_goals() -> None:
    value = load_manifest()["face_detector"].metric["value"]
    assert value["fddb_ap30"] >= 0.965 and value["fddb_ap50"] >= 0.93
    assert value["cmu_ap30"] >= 0.96 and value["cmu_ap50"] >= 0.93
    assert value["false_faces"] <= value["scenes"] / 5
