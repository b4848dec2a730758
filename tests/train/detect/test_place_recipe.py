"""From a run to a published weight that measures the same, and the splits of the two data sets."""

import gc
import json
from dataclasses import asdict, replace
from pathlib import Path

import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

from cvdemo.eight_bits import SCALE
from cvdemo.nets.backbone import BACKBONE
from cvdemo.nets.build import NOT_ARGUMENTS
from cvdemo.nets.forward import forward_engine
from cvdemo.nets.place_net import PlaceNet, lent_by
from cvdemo.weights import entry_of, load_manifest, load_state_dict
from train.detect.annotations import Annotated
from train.detect.place_recipe import (
    PlaceRecipe,
    difference,
    drawn_pictures,
    laid_over_backbone,
    trained_words,
)
from train.detect.place_task import PlaceConfig
from train.engine.loop import Trainer
from train.publishing.recipe import Context, PublishOptions
from train.recipes import RECIPES, bccd_detector, objects_detector

SMALL = PlaceConfig(
    input_px=96, published_px=(64, 96), train_px=(96,), width=16, depth=1, strides=(8, 16), last_block=6,
    epochs=0, steps=2, batch_size=2, evaluate_every=2,
)  # fmt: skip


@pytest.fixture
def recipe(tmp_path: Path) -> PlaceRecipe:
    (tmp_path / "data").mkdir()
    pictures = drawn_pictures(tmp_path / "data", 2, seed=3, count=8)
    parts: dict[str, list[Annotated]] = {"train": pictures[:4], "validation": pictures[4:6], "test": pictures[6:]}
    data = replace(
        objects_detector.RECIPE.data,
        labels=("even", "odd"),
        labels_file="parity.txt",
        read=lambda folder, split: parts[split],
    )
    return replace(objects_detector.RECIPE, data=data)


def test_a_run_is_published_with_what_differs_from_the_backbone(
    recipe: PlaceRecipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    context = Context(data=tmp_path / "data", device=torch.device("cpu"), amp=False)
    task = recipe.build(SMALL, context)
    assert task.trained_on == {"train": 4, "validation": 2}
    assert Trainer(task, task.config, tmp_path / "run").run()
    weights = tmp_path / "weights"
    name = recipe.publish(task.config, tmp_path / "run", context, PublishOptions(name="tiny", weights_dir=weights))
    entry = entry_of(name, weights)
    assert entry.task == "detect" and entry.network["name"] == "place_net" and entry.network["num_classes"] == 2
    assert entry.preprocessing["input_px"] in SMALL.published_px
    assert (weights / "labels" / "parity.txt").read_text() == "even\nodd\n"
    assert "4 pictures to train, 2 pictures to choose" in entry.dataset
    stored = load_file(weights / entry.file)
    assert {tensor.dtype for tensor in stored.values()} == {torch.int8, torch.float16, torch.float32, torch.int64}
    assert all(key.endswith(SCALE) for key, tensor in stored.items() if tensor.dtype == torch.float32)
    assert not [key for key in stored if key.startswith(("trunk.stem", "trunk.blocks.0", "trunk.blocks.5"))]
    assert [key for key in stored if key.startswith("trunk.blocks.6")]
    assert "| even |" in (weights / "tiny.md").read_text()
    # the published file measures as its entry says
    monkeypatch.setattr("train.detect.place_recipe.entry_of", lambda _: entry)
    tensors = {name: stored, BACKBONE: load_state_dict(BACKBONE)}
    monkeypatch.setattr("train.detect.place_recipe.load_state_dict", tensors.__getitem__)
    result = recipe.evaluate(name, context)
    assert result["map50"] == entry.metric["value"]["map50"] and result["n"] == 2
    json.dumps(result)


def test_what_a_dry_run_draws_goes_with_its_task(
    recipe: PlaceRecipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "drawn"
    folder.mkdir()
    monkeypatch.setattr("train.detect.place_recipe.mkdtemp", lambda prefix: str(folder))
    task = recipe.build(SMALL, Context(data=None, device=torch.device("cpu"), amp=False))
    assert task.data[0].path.parent == folder and task.data[0].path.is_file()
    del task
    gc.collect()
    assert not folder.exists()


def test_nothing_is_measured_without_data(recipe: PlaceRecipe, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="needs the test pictures"):
        recipe.test(Context(data=None, device=torch.device("cpu"), amp=False))


def test_what_is_stored_makes_the_network_again() -> None:
    network = PlaceNet(2, (8, 16), last_block=6, width=8, depth=1).eval()
    again = laid_over_backbone(difference(network), PlaceNet(2, (8, 16), last_block=6, width=8, depth=1))
    pixels = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        assert torch.allclose(network(pixels), again(pixels), rtol=0.02, atol=0.02)  # float16


def test_what_is_the_same_in_float16_is_not_stored() -> None:
    """A run that began at the backbone in float32 stores its frozen blocks no second time."""
    network = PlaceNet(2, (8, 16), last_block=6, width=8, depth=1)
    lent = lent_by(load_state_dict(BACKBONE), network)
    network.load_state_dict(network.state_dict() | {key: tensor * (1 + 1e-6) for key, tensor in lent.items()})
    assert not [key for key, tensor in difference(network).items() if key.startswith("trunk.") and tensor.ndim > 1]


def test_the_card_tells_what_the_run_was_given() -> None:
    words = trained_words("a set", {"train": 3469, "validation": 500})
    assert words == "a set; 3,469 pictures to train, 500 pictures to choose the checkpoint and the size of pictures"
    assert trained_words("a set", {}) == "a set"


def write_voc(folder: Path, names: dict[str, str], label: str, mark: str = "The VOC2007 Database") -> None:
    """Pictures with one box each; `names` are files without suffix, with what stands in each as its mark."""
    for part in ("Annotations", "JPEGImages"):
        (folder / part).mkdir(parents=True, exist_ok=True)
    for name, source in names.items():
        Image.new("RGB", (32, 24)).save(folder / "JPEGImages" / f"{name}.jpg")
        (folder / "Annotations" / f"{name}.xml").write_text(
            f"<annotation><source><database>{source or mark}</database></source><size><width>32</width>"
            f"<height>24</height></size><object><name>{label}</name><difficult>0</difficult><bndbox><xmin>2</xmin>"
            "<ymin>3</ymin><xmax>20</xmax><ymax>21</ymax></bndbox></object></annotation>"
        )


def test_objects_are_split_by_the_number_of_the_picture(tmp_path: Path) -> None:
    names = ["000001", "006999", "007000", "007999", "008000", "009963"]
    write_voc(tmp_path, {**dict.fromkeys(names, ""), "000002": "a stranger", "008001": "a stranger"}, "pottedplant")
    found = {split: objects_detector.read_split(tmp_path, split) for split in ("train", "validation", "test")}
    assert [[item.path.stem for item in items] for items in found.values()] == [names[:2], names[2:4], names[4:]]
    assert objects_detector.VOC_LABELS[found["test"][0].truth.classes[0]] == "potted plant"


def test_blood_cells_have_the_published_splits(tmp_path: Path) -> None:
    write_voc(tmp_path, dict.fromkeys(["BloodImage_00000", "BloodImage_00001", "BloodImage_00002"], "Unknown"), "WBC")
    lists = tmp_path / "ImageSets" / "Main"
    lists.mkdir(parents=True)
    for split, number in (("train", 2), ("val", 0), ("test", 1)):
        (lists / f"{split}.txt").write_text(f"BloodImage_0000{number}\n")
    found = {split: bccd_detector.read_split(tmp_path, split) for split in ("train", "validation", "test")}
    assert [items[0].path.stem[-1] for items in found.values()] == ["2", "0", "1"]
    assert bccd_detector.BCCD_LABELS[found["train"][0].truth.classes[0]] == "white blood cell"


@pytest.mark.parametrize("name", ["objects_detector", "face_detector", "bccd_detector"])
def test_published_detectors_reach_their_goals(name: str) -> None:
    goals = {"objects_detector": 0.66, "face_detector": 0.93, "bccd_detector": 0.84}
    assert load_manifest()[name].metric["value"]["map50"] >= goals[name]


@pytest.mark.parametrize("name", ["objects_detector", "face_detector", "bccd_detector"])
def test_the_plain_command_makes_the_published_detector(name: str) -> None:
    entry = load_manifest()[name]
    plain = json.loads(json.dumps(asdict(RECIPES[entry.recipe].config())))
    of_the_data = {"steps", "evaluate_every"}  # the number of pictures gives them
    assert {**(entry.settings or {}), **{key: plain[key] for key in of_the_data}} == plain


@pytest.mark.parametrize("name", ["objects_detector", "face_detector", "bccd_detector"])
def test_published_detectors_answer_the_same_in_onnx_runtime(name: str) -> None:
    spec = {key: value for key, value in entry_of(name).network.items() if key not in NOT_ARGUMENTS}
    network = laid_over_backbone(load_state_dict(name), PlaceNet(**spec))
    pixels = torch.randn(1, 3, 96, 160)
    with torch.no_grad():
        expected = network(pixels)
    found = forward_engine(network, threads=1)(pixels)
    assert torch.allclose(found[:, :-4], expected[:, :-4], atol=1e-4)
    assert torch.allclose(found[:, -4:], expected[:, -4:], rtol=1e-4, atol=1e-3)  # px
