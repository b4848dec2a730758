"""Feature maps: strengths and contributions against what the network's weights say, and the sheet that shows them."""

from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from cvdemo.classify.classifier import NETWORKS, Classifier, Member
from cvdemo.classify.feature_maps import (
    COLUMNS,
    ChannelMap,
    FeatureMaps,
    FeatureMapsConfig,
    chosen_layer,
    contact_sheet,
    deciding_channels,
    layers_of,
    strongest_channels,
)
from cvdemo.classify.run import FeatureMapsRequest, run_feature_maps
from cvdemo.demo import result_of
from cvdemo.demos import run
from cvdemo.errors import InputError
from cvdemo.images import ImageArray, Preprocessing, normalise
from cvdemo.nets.fast_resnet import FastResNet
from cvdemo.nets.googlenet import MiniGoogLeNet
from cvdemo.nets.layer_table import layer_table
from cvdemo.nets.lenet import LeNet5
from cvdemo.nets.map_layers import MapLayer, activations, map_layers

RGB = Preprocessing(input_px=32, resize_px=32, mean=(0.5,) * 3, std=(0.25,) * 3)
GREY = Preprocessing(input_px=28, resize_px=28, mean=(0.5,), std=(0.25,), colour="grey")


def classifier_of(network: nn.Module, preprocessing: Preprocessing = RGB) -> Classifier:
    torch.manual_seed(1)
    nn.init.normal_(network.classifier.weight)  # type: ignore[arg-type]  # each of these has one
    member: Any = network.eval().requires_grad_(False)
    return Classifier((Member(member, preprocessing),), [f"class {i}" for i in range(10)], torch.device("cpu"))


@pytest.fixture(scope="module")
def mini() -> Classifier:
    torch.manual_seed(0)
    return classifier_of(MiniGoogLeNet())


@pytest.fixture(scope="module")
def crop() -> torch.Tensor:
    return torch.rand(1, 3, 32, 32, generator=torch.Generator().manual_seed(3))


def layers(classifier: Classifier) -> list[MapLayer]:
    return map_layers(layer_table(classifier.network, (3, 32, 32)))


def test_what_channels_add_is_weight_times_mean_activation(mini: Classifier, crop: torch.Tensor) -> None:
    """Of a classifier that is linear on pooled features; with the bias the products are the logit."""
    pixels = normalise(crop, RGB)
    maps = mini.network.maps(pixels)[0]
    weight, bias = mini.network.classifier.weight, mini.network.classifier.bias
    products = weight[4] * maps.mean(dim=(1, 2))
    found = deciding_channels(crop, mini, 4, 1000)
    assert found.channels == len(found.maps) == 336 and found.class_index == 4
    for each in found.maps:
        assert each.value == pytest.approx(float(products[each.channel]), abs=1e-5)
    total = sum(each.value for each in found.maps) + float(bias[4])
    assert total == pytest.approx(float(mini.network(pixels)[0, 4]), abs=1e-3)


def test_the_largest_contributions_come_those_for_the_class_first(mini: Classifier, crop: torch.Tensor) -> None:
    every = {each.channel: each.value for each in deciding_channels(crop, mini, 2, 1000).maps}
    shown = deciding_channels(crop, mini, 2, 10).maps
    values = [each.value for each in shown]
    assert values == sorted(values, reverse=True) and values[0] > 0 > values[-1]
    left = [abs(value) for channel, value in every.items() if channel not in {each.channel for each in shown}]
    assert min(map(abs, values)) >= max(left)


def test_of_a_maximum_it_is_weight_times_maximum(crop: torch.Tensor) -> None:
    torch.manual_seed(0)
    classifier = classifier_of(FastResNet(10, (8, 12, 12), 2))
    maps = classifier.network.maps(normalise(crop, RGB))[0]
    products = classifier.network.classifier.weight[0] * maps.amax(dim=(1, 2))
    for each in deciding_channels(crop, classifier, 0, 12).maps:
        assert each.value == pytest.approx(float(products[each.channel]), abs=1e-4)


def test_a_classifier_of_several_layers_has_deciding_channels_too() -> None:
    classifier = classifier_of(LeNet5(), GREY)
    found = deciding_channels(torch.rand(1, 1, 28, 28), classifier, None, 5)
    assert found.channels == 64 and len(found.maps) == 5 and found.crop.shape == (28, 28, 3)


def test_without_a_class_it_is_the_answer(mini: Classifier, crop: torch.Tensor) -> None:
    answer = int(mini.probabilities(crop)[0].argmax())
    assert deciding_channels(crop, mini, None, 3).class_index == answer


def test_the_strongest_channels_of_a_layer(mini: Classifier, crop: torch.Tensor) -> None:
    layer = chosen_layer("features.3", layers(mini))
    maps = activations(mini.network, "features.3", normalise(crop, RGB))[0].clamp(min=0)
    found = strongest_channels(crop, mini, layer, 6)
    strength = maps.mean(dim=(1, 2))
    assert [each.channel for each in found.maps] == strength.argsort(descending=True)[:6].tolist()
    assert found.maps[0].value == pytest.approx(float(strength.max()))
    assert found.class_index is None and found.layer == "layer 3: 160 channels of 16 × 16"


def test_a_map_has_its_peak_where_the_channel_has_it(mini: Classifier, crop: torch.Tensor) -> None:
    layer = chosen_layer("features.3", layers(mini))
    first = strongest_channels(crop, mini, layer, 1).maps[0]
    raw = activations(mini.network, "features.3", normalise(crop, RGB))[0, first.channel]
    assert first.heat.shape == (32, 32) and first.heat.max() == pytest.approx(1) and first.heat.min() >= 0
    row, column = np.unravel_index(first.heat.argmax(), (32, 32))
    assert float(raw[row // 2, column // 2]) == pytest.approx(float(raw.max()), rel=0.2)


def test_more_channels_than_there_are_are_all(mini: Classifier, crop: torch.Tensor) -> None:
    assert len(strongest_channels(crop, mini, layers(mini)[1], 1000).maps) == 64


def test_a_silent_channel_is_an_empty_map(crop: torch.Tensor) -> None:
    torch.manual_seed(0)
    classifier = classifier_of(MiniGoogLeNet())
    nn.init.constant_(classifier.network.features[0][1].bias, -100.0)
    heats = [each.heat for each in strongest_channels(crop, classifier, layers(classifier)[0], 3).maps]
    assert all(heat.max() == 0 for heat in heats)


@pytest.mark.parametrize("model", NETWORKS)
def test_every_network_on_offer_has_layers(model: str) -> None:
    found = layers_of(model)
    assert len(found) >= 2 and len({layer.name for layer in found}) == len(found)
    assert chosen_layer("", found) == found[len(found) // 2]
    assert chosen_layer(found[0].block, found) is found[0] and chosen_layer(found[-1].name, found) is found[-1]


def test_an_unknown_layer_is_told_with_those_there_are() -> None:
    with pytest.raises(InputError, match="This network has no layer named 'conv9'; it has conv1, conv2"):
        chosen_layer("conv9", layers_of("lenet_fashion_mnist"))


def test_the_sheet_shows_every_channel_below_its_number() -> None:
    crop = np.full((32, 32, 3), 100, np.uint8)
    hot = np.zeros((32, 32), np.float32)
    hot[:16] = 1
    maps = tuple(ChannelMap(number, 1.5, hot) for number in range(5))
    sheet = FeatureMaps(crop, "a layer", 9, maps).picture()
    assert sheet.dtype == np.uint8 and sheet.shape == (2 * (160 + 22 + 8) + 8, COLUMNS * (160 + 8) + 8, 3)
    first, second = sheet[8:168, 8:168], sheet[8:168, 176:336]
    assert (first == 100).all()
    assert (second[80:] == 100).all() and not (second[:80] == 100).any(axis=2).all()
    assert (sheet[168:190, 8:168] < 128).any()  # the caption


def test_one_picture_makes_a_sheet_of_one() -> None:
    assert contact_sheet([(np.zeros((10, 20, 3), np.uint8), "x")]).shape == (10 + 22 + 16, 20 + 16, 3)


@pytest.mark.parametrize("show", ["layer", "answer"])
def test_the_request_runs_as_every_other(show: str, cheetah: ImageArray) -> None:
    config = FeatureMapsConfig(model="lenet_fashion_mnist", show=show, layer="conv1", channels=3)
    (step,) = run(FeatureMapsRequest(image=cheetah, config=config))
    found = step.result
    assert isinstance(found, FeatureMaps) and len(found.maps) == 3
    assert (found.class_index is None) == (show == "layer")
    assert found.layer.startswith("conv1" if show == "layer" else "the last convolution")


def test_a_class_is_named_or_numbered(cheetah: ImageArray) -> None:
    def class_of(index: int | None, name: str = "") -> int | None:
        config = FeatureMapsConfig(model="lenet_fashion_mnist", show="answer", class_name=name)
        found: FeatureMaps = result_of(
            run_feature_maps(FeatureMapsRequest(image=cheetah, config=config, class_index=index))
        )
        return found.class_index

    assert class_of(3) == 3 and class_of(None, "Trouser") == 1
    with pytest.raises(InputError, match="no class named"):
        class_of(None, "shop")
    with pytest.raises(ValueError, match="need 0 <= class_index < 10, got 10"):
        class_of(10)


def test_the_cheetah_is_what_its_channels_see(cheetah: ImageArray) -> None:
    """The animal lies in the middle of the crop: the mean of the deciding channels' maps is warm there."""
    found: FeatureMaps = result_of(
        run_feature_maps(FeatureMapsRequest(image=cheetah, config=FeatureMapsConfig(show="answer")))
    )
    heat = np.mean([each.heat for each in found.maps], axis=0)
    assert heat[80:150].mean() > 2 * np.concatenate([heat[:40], heat[-20:]]).mean()
