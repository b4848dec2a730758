"""Classification: crops, top five, Grad-CAM; and the shipped network on real pictures."""

import numpy as np
import pytest
import torch

from cvdemo.classify import (
    Classifier,
    ClassifyConfig,
    classify,
    grad_cam,
    load_classifier,
    overlay_heatmap,
    prepare,
    ten_crops,
    top_k,
)
from cvdemo.images import ImageArray, Preprocessing, read_image
from cvdemo.nets.efficientnet_lite import EfficientNetLite
from cvdemo.ui.common import example_picture
from cvdemo.weights import load_labels


@pytest.fixture(scope="module")
def tiny() -> Classifier:
    """A network with random weights that takes 32-px crops and knows seven classes."""
    torch.manual_seed(0)
    preprocessing = Preprocessing(input_px=32, resize_px=40, mean=(0.5,) * 3, std=(0.5,) * 3)
    network = EfficientNetLite(num_classes=7).eval().requires_grad_(False)
    return Classifier(network, preprocessing, list("abcdefg"), torch.device("cpu"))


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
    grad_cam(noise, tiny, 0)
    assert np.array_equal(noise, before)


def test_grad_cam_maps_lie_in_zero_to_one_and_differ_by_class(tiny: Classifier, noise: ImageArray) -> None:
    crop, first = grad_cam(noise, tiny, 0)
    _, second = grad_cam(noise, tiny, 1)
    assert crop.shape == (32, 32, 3) and first.shape == (32, 32)
    assert first.min() >= 0 and first.max() <= 1 and second.max() <= 1
    assert not np.array_equal(first, second)


def test_an_overlay_is_the_picture_where_it_is_cold(noise: ImageArray) -> None:
    heat = np.zeros((48, 64), np.float32)
    heat[:, 32:] = 1
    shown = overlay_heatmap(noise, heat)
    assert np.array_equal(shown[:, :32], noise[:, :32]) and not np.array_equal(shown[:, 32:], noise[:, 32:])
    with pytest.raises(ValueError, match="sizes differ"):
        overlay_heatmap(noise, heat[:10])


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


def test_the_network_looks_at_the_cheetah(cheetah: ImageArray) -> None:
    """The animal fills the middle of the crop; the blurred ground above and below it should stay cold."""
    classifier = load_classifier()
    _, heat = grad_cam(cheetah, classifier, classify(cheetah, classifier).classes[0])
    assert heat[80:190].mean() > 3 * np.concatenate([heat[:40], heat[-20:]]).mean()
