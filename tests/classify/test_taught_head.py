"""The head and its file: there and back, what it answers, and every file that is none."""

import json
import pickle
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save

from cvdemo.classify import taught_head
from cvdemo.classify.classifier import classify_pixels, load_classifier, prepare
from cvdemo.classify.taught_head import (
    FORMAT,
    TaughtHead,
    check_labels,
    classify_taught,
    features_of,
    load_head,
    save_head,
)
from cvdemo.errors import InputError
from cvdemo.images import ImageArray
from cvdemo.nets.efficientnet_lite import HEAD_CHANNELS
from tests.helpers.taught import BLUE, GREEN, RED, colour_head, shades, use_colours

TOLD = {
    "format": FORMAT,
    "labels": '["cup", "Tastatur ⌨"]',
    "backbone": taught_head.backbone_in_use()[0],
    "backbone_sha256": taught_head.backbone_in_use()[1],
}


def file_with(told: dict[str, str] | None = None, **tensors: Any) -> bytes:
    """A head's file with some of its metadata or tensors in another way."""
    whole = {"weight": np.zeros((2, HEAD_CHANNELS), np.float32), "bias": np.zeros(2, np.float32)} | tensors
    return save({name: value for name, value in whole.items() if value is not None}, {**TOLD, **(told or {})})


def test_a_head_comes_back_from_its_file_as_it_was() -> None:
    head = replace(colour_head("cup", "Tastatur ⌨"), bias=np.array([0.5, -0.5], np.float32))
    data = save_head(head)
    loaded = load_head(data)
    assert (loaded.labels, loaded.backbone, loaded.backbone_sha256) == (
        head.labels, head.backbone, head.backbone_sha256,
    )  # fmt: skip
    np.testing.assert_array_equal(loaded.weight, head.weight)
    np.testing.assert_array_equal(loaded.bias, head.bias)
    assert len(data) < 2 * HEAD_CHANNELS * 4 + 1000 and b"pickle" not in data
    assert load_head(file_with()).labels == ("cup", "Tastatur ⌨")


def test_probabilities_are_the_softmax_of_the_logits() -> None:
    head = colour_head("a", "b", "c")
    features = np.zeros((1, HEAD_CHANNELS), np.float32)
    features[0, 1] = 0.1
    e = float(np.e)
    np.testing.assert_allclose(head.probabilities(features)[0], np.array([1, e, 1]) / (2 + e), rtol=1e-5)


def test_a_picture_gets_the_classes_best_first(monkeypatch: pytest.MonkeyPatch) -> None:
    use_colours(monkeypatch)
    for colour, answer in ((RED, "red"), (GREEN, "green"), (BLUE, "blue")):
        prediction = classify_taught(shades(colour, 1)[0], colour_head("red", "green", "blue"))
        assert prediction.labels[0] == answer and len(prediction.labels) == 3
        assert sum(prediction.probabilities) == pytest.approx(1)
        assert prediction.probabilities == sorted(prediction.probabilities, reverse=True)


def test_the_features_are_those_of_the_pages_own_classifier(cheetah: ImageArray) -> None:
    """With the classifier's own last layer as the head the answers are the same."""
    classifier = load_classifier("imagenet", "cpu")
    pixels = prepare(cheetah, classifier.preprocessing)
    expected = classify_pixels(pixels, classifier)
    last = classifier.network.classifier
    head = TaughtHead(last.weight.numpy(), last.bias.numpy(), tuple(classifier.labels), "", "")
    found = classify_taught(cheetah, head, "cpu")
    assert features_of(cheetah, "cpu").shape == (HEAD_CHANNELS,)
    assert found.labels == expected.labels
    assert found.probabilities == pytest.approx(expected.probabilities, abs=1e-4)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "is not a taught head"),
        (b"\x89PNG\r\n\x1a\n" + b"0" * 100, "is not a taught head"),
        (pickle.dumps({"weight": 1}), "is not a taught head"),
        (file_with()[:-4], "is not a taught head"),
        (file_with(bias=None), "is not a taught head"),
        (file_with(told={"labels": "not JSON"}), "is not a taught head"),
        (file_with(told={"labels": "7"}), "is not a taught head"),
        (save({"weight": np.zeros(3, np.float32), "bias": np.zeros(3, np.float32)}), "is not a taught head"),
        (b"0" * (2**20 + 1), "larger than 1 MB"),
        (file_with(told={"format": "another 3"}), "of the format 'another 3'"),
        (file_with(told={"labels": '["cup"]'}), "needs 2 to 10 classes; these are 1"),
        (file_with(told={"labels": '["cup", "plate", "fork"]'}), "another shape than 3 x 1280"),
        (file_with(weight=np.zeros((2, 4), np.float32)), "another shape than 2 x 1280"),
        (file_with(weight=np.zeros((2, HEAD_CHANNELS), np.float64)), "another shape"),
        (file_with(bias=np.array([0, np.nan], np.float32)), "weights that are not numbers"),
        (file_with(told={"backbone": "resnet"}), "on features of 'resnet' in another version"),
        (file_with(told={"backbone_sha256": "0" * 64}), "another version than the one here"),
    ],
)
def test_what_is_no_head_is_one_sentence(data: bytes, message: str) -> None:
    with pytest.raises(InputError, match=message):
        load_head(data)


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (("cup",), "needs 2 to 10 classes; these are 1"),
        (tuple("abcdefghijk"), "needs 2 to 10 classes; these are 11"),
        (("cup", " "), "has no name"),
        (("cup", "x" * 41), "is too long; the limit is 40 characters"),
        (("cup", "Cup "), "Two classes are named cup"),
    ],
)
def test_names_that_are_none_are_told(labels: tuple[str, ...], message: str) -> None:
    with pytest.raises(InputError, match=message):
        check_labels(labels)


def test_labels_of_a_file_are_checked_as_those_of_a_lesson() -> None:
    with pytest.raises(InputError, match="Two classes are named"):
        load_head(file_with(told={"labels": json.dumps(["cup", "cup"])}))
