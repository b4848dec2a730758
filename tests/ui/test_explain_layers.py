"""What the page and its endpoint make of the channels: requests that a stand-in takes, and values that are shown."""

import numpy as np
import pytest

from cvdemo.classify.feature_maps import ChannelMap, FeatureMaps
from cvdemo.classify.run import FeatureMapsRequest
from cvdemo.demo import Step
from cvdemo.errors import InputError, WeightsError
from cvdemo.limits import EXPLAIN_S
from cvdemo.ui import explain_layers
from cvdemo.ui.explain_layers import (
    feature_maps_endpoint,
    in_figures,
    layer_choices,
    layers_on_page,
    report,
)
from cvdemo.ui.wiring.controls import example_picture, given
from tests.ui.stand_in import StandIn

LION = example_picture("lion")
CROP, HEAT = np.full((32, 32, 3), 100, np.uint8), np.zeros((32, 32), np.float32)
STRONGEST = FeatureMaps(CROP, "conv1: 9 channels of 4 × 4", 9, (ChannelMap(7, 1.23456, HEAT),))
DECIDING = FeatureMaps(CROP, "the last convolution: 9 channels of 4 × 4", 9, (ChannelMap(7, -1.5, HEAT),), 1)


def asked_for(run: StandIn) -> FeatureMapsRequest:
    (request,) = run.requests
    assert isinstance(request, FeatureMapsRequest) and request.time_limit_s == EXPLAIN_S
    return request


def test_the_endpoint_gives_the_sheet_and_its_numbers() -> None:
    run = StandIn(Step(done=1, total=1, result=STRONGEST))
    sheet, numbers = feature_maps_endpoint(run, LION, "lenet_fashion_mnist", "layer", "conv1", "", 3)
    config = asked_for(run).config
    assert (config.model, config.show, config.layer, config.channels) == ("lenet_fashion_mnist", "layer", "conv1", 3)
    assert sheet.shape[2] == 3 and numbers == {
        "layer": STRONGEST.layer,
        "class": None,
        "channels": [{"channel": 7, "value": 1.2346}],
    }


def test_the_endpoint_names_the_class_that_is_decided() -> None:
    run = StandIn(Step(done=1, total=1, result=DECIDING))
    _, numbers = feature_maps_endpoint(run, LION, "lenet_fashion_mnist", "answer", class_name="Trouser")
    assert asked_for(run).config.class_name == "Trouser"
    assert numbers["class"] == "Trouser" and numbers["channels"] == [{"channel": 7, "value": -1.5}]


@pytest.mark.parametrize(
    ("layer", "asked", "chosen", "expected"),
    [("norm1", "norm1", 1, 1), ("blocks.5", "", 999, None), ("", "", None, None)],
    ids=["its own", "another network's", "none"],
)
def test_the_page_looks_at_what_the_network_has(
    layer: str, asked: str, chosen: int | None, expected: int | None
) -> None:
    run = StandIn(Step(done=1, total=1, result=STRONGEST))
    sheet, said = layers_on_page(run, LION, "lenet_fashion_mnist", "layer", layer, chosen)
    request = asked_for(run)
    assert request.config.layer == asked and request.class_index == expected
    assert sheet.dtype == np.uint8 and "9 channels" in said and "Done in" in said


def test_the_report_says_what_the_numbers_are() -> None:
    size, scaled = "9 channels of 4\N{NO-BREAK SPACE}×\N{NO-BREAK SPACE}4", "each has its own range of colours"
    words, figures = report(STRONGEST, "lenet_fashion_mnist"), in_figures(STRONGEST, "lenet_fashion_mnist")
    assert words.startswith("The patterns that the network found most strongly") and scaled in words
    assert f"Channels of conv1 ({size}). The number is the mean of the positive part of the channel." in figures
    words, figures = report(DECIDING, "lenet_fashion_mnist"), in_figures(DECIDING, "lenet_fashion_mnist")
    assert words.startswith("The patterns of the last stage that decide for **Trouser**, or against it.")
    assert f"the last convolution ({size})" in figures and "before softmax." in figures and scaled in words


def test_of_an_ensemble_the_first_network_is_named() -> None:
    assert "This is cifar10, the first network of the ensemble" in in_figures(STRONGEST, "cifar10_ensemble")
    assert "ensemble" not in in_figures(STRONGEST, "cifar10")


def test_layers_to_choose_from_are_those_of_the_network() -> None:
    choices = layer_choices("lenet_fashion_mnist")
    assert [name for _, name in choices["choices"]] == ["", "norm1", "norm2"] and choices["value"] == ""
    assert [title for title, _ in choices["choices"][:2]] == [
        "The middle one",
        "Stage 1 of 2 (conv1: 32 channels of 28 × 28)",
    ]


def test_without_a_manifest_the_page_has_one_choice(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(model: str) -> None:
        raise WeightsError("The manifest is missing.")

    monkeypatch.setattr(explain_layers, "layers_of", missing)
    assert layer_choices("imagenet")["choices"] == [("The middle one", "")]


def test_without_a_picture_it_is_asked_for() -> None:
    run = StandIn()
    with pytest.raises(InputError, match="Please choose a picture first"):
        given(run, feature_maps_endpoint)(None)
    with pytest.raises(InputError, match="Please choose a picture first"):
        given(run, layers_on_page)(None, "lenet_fashion_mnist", "layer", "", None)
    assert run.requests == []
