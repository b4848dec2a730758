"""Classification: crops, top five, grey networks, ensembles, files over a base; the shipped network on pictures."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from cvdemo.classify.catalogue import list_networks
from cvdemo.classify.classifier import (
    Classifier,
    ClassifyConfig,
    Member,
    load_classifier,
    load_network,
    prepare,
    ten_crops,
    top_k,
)
from cvdemo.errors import InputError, WeightsError
from cvdemo.example_pictures import example_picture
from cvdemo.images import ImageArray, Preprocessing, read_image
from cvdemo.nets.backbone import load_backbone
from cvdemo.nets.efficientnet_lite import EfficientNetLite
from cvdemo.weights import load_ensembles, load_labels, load_state_dict
from tests.helpers.untrained_weights import THINGS, make_weights
from tests.helpers.whole_results import classify


@pytest.fixture(scope="module")
def tiny() -> Classifier:
    """A network with random weights that takes 32-px crops and knows seven classes."""
    torch.manual_seed(0)
    preprocessing = Preprocessing(input_px=32, resize_px=40, mean=(0.5,) * 3, std=(0.5,) * 3)
    network = EfficientNetLite(num_classes=7).eval().requires_grad_(False)
    return Classifier((Member(network, preprocessing),), list("abcdefg"), torch.device("cpu"))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A weights folder of small untrained networks and an ensemble."""
    return make_weights(tmp_path_factory.mktemp("weights") / "w")


def test_ten_crops_are_five_and_their_mirror_images() -> None:
    pixels = torch.arange(3 * 6 * 8, dtype=torch.float32).view(1, 3, 6, 8)
    crops = ten_crops(pixels, 4)
    square = pixels[..., 1:7]
    assert crops.shape == (10, 3, 4, 4)
    assert torch.equal(crops[0], square[0, :, :4, :4]) and torch.equal(crops[3], square[0, :, 2:, 2:])
    assert torch.equal(crops[4], square[0, :, 1:5, 1:5])
    assert torch.equal(crops[5:], crops[:5].flip(-1))
    with pytest.raises(ValueError, match="cannot crop 7 px"):
        ten_crops(pixels, 7)


def test_without_room_to_move_ten_crops_are_the_picture_and_its_mirror_image() -> None:
    pixels = torch.rand(1, 3, 5, 9)
    crops = ten_crops(pixels, 5)
    assert torch.equal(crops, torch.cat([pixels[..., 2:7], pixels[..., 2:7].flip(-1)]))


def test_top_k_is_sorted_and_named() -> None:
    prediction = top_k(torch.tensor([0.1, 0.6, 0.3]), ["a", "b", "c"], k=2)
    assert prediction.labels == ["b", "c"] and prediction.classes == [1, 2]
    assert prediction.probabilities == pytest.approx([0.6, 0.3])


@pytest.mark.parametrize("size_hw", [(1, 1), (1, 50), (50, 1), (33, 47), (300, 20)])
@pytest.mark.parametrize("ten_crop", [False, True])
def test_any_size_gives_five_probabilities(tiny: Classifier, size_hw: tuple[int, int], ten_crop: bool) -> None:
    image = np.full((*size_hw, 3), 90, np.uint8)
    prediction = classify(image, tiny, ten_crop=ten_crop)
    assert len(prediction.labels) == 5 and 0 < sum(prediction.probabilities) <= 1


def test_a_strip_stays_small() -> None:
    preprocessing = Preprocessing(input_px=224, resize_px=256, mean=(0.5,) * 3, std=(0.5,) * 3)
    assert prepare(np.zeros((100, 5000, 3), np.uint8), preprocessing).shape[-1] <= 4 * 256


def test_the_picture_is_not_changed(tiny: Classifier, noise: ImageArray) -> None:
    before = noise.copy()
    classify(noise, tiny)
    assert np.array_equal(noise, before)


def test_unknown_networks_are_refused() -> None:
    with pytest.raises(ValueError, match="model must be one of"):
        load_classifier("nothing")
    with pytest.raises(ValueError, match="model must be one of"):
        ClassifyConfig(model="nothing")


def test_labels_are_a_thousand_readable_words() -> None:
    labels = load_labels("efficientnet_lite0")
    assert len(labels) == len(set(labels)) == 1000
    assert labels[281] == "tabby cat" and labels[293] == "cheetah"


@pytest.mark.parametrize("ten_crop", [False, True])
@pytest.mark.parametrize(
    ("name", "label"), [("cheetah", "cheetah"), ("lion", "lion"), ("coffee", "espresso"), ("rocket", "missile")]
)
def test_real_pictures_get_their_names(name: str, label: str, ten_crop: bool) -> None:
    prediction = classify(read_image(example_picture(name)), load_classifier(), ten_crop=ten_crop)
    assert label in prediction.labels[:2]


def drawn(outline: list[tuple[int, int]]) -> ImageArray:
    """A grey garment on white, 280 px."""
    picture = np.full((280, 280, 3), 255, np.uint8)
    cv2.fillPoly(picture, [np.array(outline)], (90, 90, 90))
    return picture


RIGHT = [(120, 55), (160, 55), (190, 40), (250, 90), (220, 125), (195, 105), (195, 250)]
SHIRT = [*RIGHT, *((280 - x, y) for x, y in reversed(RIGHT))]
TROUSERS = [(95, 20), (185, 20), (200, 260), (155, 260), (140, 80), (125, 260), (80, 260)]
SEEN = {
    "caltech101_features": [("cheetah", "leopard"), ("coffee", "cup"), ("chelsea", "wild cat")],
    "cats_dogs_alexnet": [("chelsea", "cat")],
    "cats_dogs_features": [("chelsea", "cat")],
    "cats_dogs_finetune": [("chelsea", "cat")],
    "cifar10": [("chelsea", "cat")],
    "cifar10_minigooglenet": [("chelsea", "cat")],
    "cifar10_resnet": [("chelsea", "cat")],
    "cifar10_ensemble": [("chelsea", "cat")],
    "efficientnet_lite2": [("cheetah", "cheetah"), ("lion", "lion"), ("coffee", "espresso")],
    "imagenet": [("cheetah", "cheetah"), ("coffee", "espresso")],
    "imagenette": [("castle", "church"), ("musicians", "French horn")],
    "lenet_fashion_mnist": [("shirt", "T-shirt/top"), ("trousers", "Trouser")],
    "tiny_imagenet": [("chelsea", "Egyptian cat"), ("coffee", "espresso")],
    "tiny_imagenet_deepergooglenet": [("lion", "lion"), ("coffee", "espresso")],
    "tiny_imagenet_features": [("lion", "lion"), ("coffee", "espresso"), ("chelsea", "tabby")],
    "tiny_imagenet_finetune": [("lion", "lion"), ("coffee", "espresso"), ("chelsea", "tabby")],
}


def test_every_shipped_choice_is_tried_on_a_real_picture() -> None:
    assert set(SEEN) == set(list_networks())


@pytest.mark.parametrize("model", SEEN)
def test_the_shipped_network_knows_what_it_sees(model: str) -> None:
    classifier = load_classifier(model)
    for name, label in SEEN[model]:
        garment = {"shirt": SHIRT, "trousers": TROUSERS}.get(name)
        picture = drawn(garment) if garment else read_image(example_picture(name))
        assert classify(picture, classifier).labels[0] == label


def test_grey_networks_see_the_luminance() -> None:
    grey = Preprocessing(input_px=8, resize_px=8, mean=(0.5,), std=(0.5,), colour="grey")
    red = np.zeros((8, 8, 3), np.uint8)
    red[..., 0] = 255
    assert torch.allclose(prepare(red, grey), torch.full((1, 1, 8, 8), 0.299))


def test_a_light_ground_is_inverted_where_the_network_knows_dark_ones() -> None:
    dark = Preprocessing(input_px=8, resize_px=8, mean=(0.5,), std=(0.5,), colour="grey", ground="dark")
    picture = np.full((8, 8, 3), 255, np.uint8)
    picture[3:5, 3:5] = 0
    assert torch.allclose(prepare(picture, dark), prepare(255 - picture, dark), atol=1e-6)
    assert prepare(picture, dark)[0, 0, 0, 0] == pytest.approx(0, abs=1e-6)


def test_means_and_colour_go_together() -> None:
    with pytest.raises(ValueError, match="need 1 means and deviations for 'grey'"):
        Preprocessing(input_px=8, resize_px=8, mean=(0.5,) * 3, std=(0.5,) * 3, colour="grey")


@pytest.mark.parametrize("model", ["imagenet", "cifar10", "cifar10_mini", "clothes", "pets", "cifar10_ensemble"])
def test_every_choice_answers(folder: Path, noise: ImageArray, model: str) -> None:
    classifier = load_classifier(model, "cpu", folder)
    for ten_crop in (False, True):
        prediction = classify(noise, classifier, ten_crop=ten_crop)
        assert len(prediction.labels) == min(5, len(classifier.labels))
        assert prediction.probabilities == sorted(prediction.probabilities, reverse=True)


def test_an_ensemble_is_the_mean_probability_of_its_members(folder: Path, noise: ImageArray) -> None:
    names = load_ensembles(folder)["cifar10_ensemble"].members
    both = classify(noise, load_classifier("cifar10_ensemble", "cpu", folder), k=10)
    alone = [classify(noise, load_classifier(name, "cpu", folder), k=10) for name in names]
    shares = [dict(zip(p.labels, p.probabilities, strict=True)) for p in alone]
    expected = {label: sum(share[label] for share in shares) / 2 for label in THINGS}
    assert dict(zip(both.labels, both.probabilities, strict=True)) == pytest.approx(expected, abs=1e-6)


def changed_manifest(folder: Path, target: Path, name: str, **fields: object) -> Path:
    """A copy of the weights folder in which one entry's fields are other ones."""
    target.mkdir()
    for path in folder.iterdir():
        if path.name != "manifest.json":
            (target / path.name).symlink_to(path)
    manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    manifest["weights"][name] |= fields
    (target / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    return target


@pytest.mark.parametrize(
    "fields",
    [
        {"labels": "garments.txt"},
        {"preprocessing": {"input_px": 40, "resize_px": 40, "mean": [0.5] * 3, "std": [0.5] * 3}},
    ],
    ids=["classes", "input"],
)
def test_members_that_do_not_go_together_make_no_ensemble(
    folder: Path, tmp_path: Path, fields: dict[str, object]
) -> None:
    other = changed_manifest(folder, tmp_path / "other", "cifar10_mini", **fields)
    with pytest.raises(WeightsError, match="cifar10 and cifar10_mini differ in classes or input"):
        load_classifier("cifar10_ensemble", "cpu", other)


def test_a_file_is_laid_over_its_base(folder: Path) -> None:
    state = load_network("pets", folder).state_dict()
    base, own = load_state_dict("efficientnet_lite0", folder), load_state_dict("pets", folder)
    assert set(own) == {"classifier.weight", "classifier.bias"} and own["classifier.weight"].dtype == torch.float16
    assert torch.equal(state["classifier.weight"], own["classifier.weight"].float())
    assert all(torch.equal(state[key], base[key]) for key in base if not key.startswith("classifier."))


def test_a_class_is_found_by_its_name(tiny: Classifier, folder: Path) -> None:
    classifier = load_classifier("cifar10", "cpu", folder)
    assert classifier.index_of(" Ship") == THINGS.index("ship")
    with pytest.raises(InputError, match="This network has no class named 'shop'; it has ship"):
        classifier.index_of("shop")


@pytest.mark.parametrize("model", SEEN)
def test_probabilities_are_those_that_gradients_see(model: str) -> None:
    """ONNX Runtime gives the one, torch the other."""
    classifier = load_classifier(model, "cpu")
    preprocessing = classifier.preprocessing
    crops = torch.rand(2, len(preprocessing.mean), preprocessing.input_px, preprocessing.input_px)
    expected = classifier.logits(crops).softmax(dim=-1).mean(dim=0)
    torch.testing.assert_close(classifier.probabilities(crops), expected, atol=1e-5, rtol=0)
    with torch.enable_grad():
        pixels = crops.requires_grad_()
        assert not classifier.probabilities(pixels).requires_grad and classifier.logits(pixels).requires_grad


def test_heads_over_the_backbone_share_it() -> None:
    """In memory once: with the classifier of a thousand, the heads over it, detection, dreams and style transfer."""
    backbone = load_backbone("cpu").network
    assert load_classifier("imagenet", "cpu").network is backbone
    for model in ("caltech101_features", "cats_dogs_features", "tiny_imagenet_features"):
        own = load_classifier(model, "cpu").network
        shared = [name for name, tensor in own.state_dict().items() if is_at(tensor, backbone.state_dict().get(name))]
        assert {name for name in own.state_dict() if name not in shared} == {"classifier.weight", "classifier.bias"}
        assert backbone.classifier.out_features == 1000  # left as it was
    tuned = load_classifier("cats_dogs_finetune", "cpu").network
    assert not any(is_at(tensor, backbone.state_dict()[name]) for name, tensor in tuned.state_dict().items())


def is_at(tensor: torch.Tensor, other: torch.Tensor | None) -> bool:
    return other is not None and tensor.data_ptr() == other.data_ptr()
