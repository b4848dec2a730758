"""Objectives of dreams: on numbers worked out by hand, their algebra, and what they are bound to."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from cvdemo.dream import objective_values
from cvdemo.dream.objectives import (
    Channel,
    ClassLogit,
    Guide,
    LayerStrength,
    Objective,
    Scene,
    StrongestChannels,
    WeakestChannels,
    follow_guide,
    measure,
    strength,
    total,
)
from cvdemo.errors import InputError
from tests.dream.tiny_network import TinyNetwork

TWO = torch.tensor([1.0, -3.0]).view(1, 2, 1, 1).expand(1, 2, 4, 4)
MAPS = {"block1": TWO, "block2": 10 * TWO}


class TwoChannels(TinyNetwork):
    """Answers with the means of red and of green, in every layer."""

    def features(self, pixels: Tensor, names: object) -> dict[str, Tensor]:
        self.asked = set(names)  # type: ignore[call-overload]  # a collection
        return dict.fromkeys(self.asked, pixels[:, :2])


def scene(*colour: float, guide: Tensor | None = None) -> Scene:
    return Scene(TwoChannels(), torch.tensor(colour).view(1, 3, 1, 1).expand(1, 3, 2, 2), guide)


def test_strength_is_the_mean_square_or_one_channels_mean() -> None:
    assert strength(TWO).item() == 5
    assert strength(TWO, 1).item() == -3


@pytest.mark.parametrize("channel", [-2, 2])
def test_a_channel_the_layer_lacks_is_refused(channel: int) -> None:
    with pytest.raises(InputError, match=rf"channels 0 to 1, or -1 for all of them; {channel} was"):
        strength(torch.zeros(1, 2, 4, 4), channel)


@pytest.mark.parametrize(
    ("objective", "expected", "layers"),
    [
        (LayerStrength("block1"), 5, {"block1"}),
        (Channel("block2", 0), 10, {"block2"}),
        (LayerStrength("block1") + 0.5 * Channel("block2", 0), 10, {"block1", "block2"}),
        (LayerStrength("block1") - Channel("block1", 1), 8, {"block1"}),
        (-(LayerStrength("block1") - Channel("block2", 0)) * 2, 10, {"block1", "block2"}),
        (2 * (Channel("block1", 0) + Channel("block2", 1)), -58, {"block1", "block2"}),
    ],
)
def test_objectives_add_and_scale(objective: Objective, expected: float, layers: set[str]) -> None:
    assert objective.value(MAPS).item() == expected
    assert objective.layers == layers


def test_objectives_are_values() -> None:
    one = LayerStrength("block1") + 0.3 * Channel("block2", 1)
    assert one == LayerStrength("block1") + 0.3 * Channel("block2", 1) != one * 2
    assert len({one, LayerStrength("block1") + 0.3 * Channel("block2", 1)}) == 1
    assert 1.0 * LayerStrength("block1") == LayerStrength("block1") == 2 * LayerStrength("block1") * 0.5


def test_several_layers_cost_one_pass() -> None:
    network, pixels = TwoChannels(), torch.rand(1, 3, 4, 4)
    value = measure(pixels, network, Channel("block1", 0) + 2 * Channel("block2", 1))
    torch.testing.assert_close(value, pixels[:, 0].mean() + 2 * pixels[:, 1].mean())
    assert network.asked == {"block1", "block2"}


@pytest.mark.parametrize("weight", [float("nan"), float("inf"), 1001.0])
def test_a_weight_without_sense_is_refused(weight: float) -> None:
    with pytest.raises(InputError, match="from -1000 to 1000"):
        weight * LayerStrength("block1")


def test_a_layer_that_is_not_there_is_refused() -> None:
    for make in (LayerStrength, Guide, lambda name: Channel(name, 0), lambda name: StrongestChannels(name, 1)):
        with pytest.raises(InputError, match="no layer 'block16'; the layers are stem, block0"):
            make("block16")


def test_the_strongest_and_the_weakest_channels_are_chosen_by_the_picture() -> None:
    red, green = scene(0.9, 0.1, 0.0), scene(0.1, 0.9, 0.0)
    assert (
        StrongestChannels("block1", 1).bound(red) == Channel("block1", 0) == WeakestChannels("block1", 1).bound(green)
    )
    assert StrongestChannels("block1", 1).bound(green) == Channel("block1", 1)
    both = StrongestChannels("block1", 5).bound(red)  # as many as there are
    assert both == 0.5 * Channel("block1", 0) + 0.5 * Channel("block1", 1)
    assert (2 * StrongestChannels("block1", 1)).bound(red) == 2 * Channel("block1", 0)


@pytest.mark.parametrize("count", [0, 33])
def test_some_channels_only_can_be_chosen(count: int) -> None:
    with pytest.raises(InputError, match=rf"1 to 32 channels can be chosen; {count} were"):
        WeakestChannels("block9", count)


def test_a_class_is_its_logit() -> None:
    class Two(TwoChannels):
        def logits(self, maps: Tensor) -> Tensor:
            return maps.mean(dim=(2, 3)).repeat(1, 500)  # even classes see red, odd ones green

    place = replace(scene(0.9, 0.2, 0.0), network=Two())
    for name, expected in (("tench", 0.9), ("goldfish", 0.2)):  # classes 0 and 1
        objective = ClassLogit(name).bound(place)
        assert measure(place.picture, place.network, objective).item() == pytest.approx(expected)
        assert objective.layers == ClassLogit(name).layers == {"head"}


def test_a_class_is_known_by_its_beginning() -> None:
    assert ClassLogit("peacock") == ClassLogit(" PEAC ") == ClassLogit("Peacock")


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("peacok", "knows no class 'peacok'. Near it: peacock"),
        ("shepherd", "Near it: German Shepherd Dog"),
        ("great", r"Several classes begin with 'great': great white shark, .* and \d more\. Please write one in full"),
        ("", "knows no class ''. They are ImageNet's"),
        ("xqzw", "knows no class 'xqzw'. They are ImageNet's, such as peacock"),
    ],
)
def test_an_unknown_class_is_refused_with_near_names(name: str, sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        ClassLogit(name)


def test_a_guide_gives_each_place_the_feature_with_the_largest_dot_product() -> None:
    guide = torch.tensor([[1.0, 0.0, 0.0], [0.0, 2.0, 0.0]]).T.view(1, 3, 1, 2)  # a red place and a green one
    place = scene(0, 0, 0, guide=guide)
    pixels = torch.tensor([[0.9, 0.1, 0.0], [0.5, 0.4, 0.0]]).T.view(1, 3, 1, 2).clone().requires_grad_()
    value = measure(pixels, place.network, Guide("block1").bound(place))
    assert value.item() == pytest.approx((0.9 + 0.8) / 2)
    (gradient,) = torch.autograd.grad(value, pixels)
    assert torch.equal(2 * gradient[0, :2, 0].T, torch.tensor([[1.0, 0.0], [0.0, 2.0]]))


def test_a_large_guide_gives_some_of_its_features_in_bounded_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(objective_values, "MAX_GUIDE_FEATURES", 3)
    monkeypatch.setattr(objective_values, "PLACES_AT_ONCE", 2)
    guide = torch.zeros(1, 3, 1, 9)
    guide[0, 0] = torch.arange(9.0)
    place = scene(0, 0, 0, guide=guide)
    bound = Guide("block1").bound(place)
    assert bound.features[:, 0].tolist() == [0, 4, 8]  # type: ignore[attr-defined]  # what a bound guide has
    assert measure(torch.ones(1, 3, 1, 5), place.network, bound).item() == 8


def test_what_hangs_on_a_scene_has_to_be_bound() -> None:
    for objective in (Guide("block1"), ClassLogit("peacock"), StrongestChannels("block1", 1)):
        with pytest.raises(ValueError, match="has to be bound"):
            objective.value({**MAPS, "head": TWO})
    with pytest.raises(InputError, match="'guide:block1' follows a guide picture: please give one"):
        (LayerStrength("block1") + Guide("block1")).bound(scene(0, 0, 0))


def test_whole_layers_follow_a_guide_that_is_given() -> None:
    given = LayerStrength("block8") + 0.3 * LayerStrength("block12") - Channel("block9", 4)
    assert follow_guide(given) == Guide("block8") + 0.3 * Guide("block12") - Channel("block9", 4)
    assert follow_guide(given + Guide("block5")) == given + Guide("block5")
    with pytest.raises(InputError, match="Nothing in the objective 'block9:4' follows the guide"):
        follow_guide(Channel("block9", 4))


def test_a_sum_needs_terms() -> None:
    with pytest.raises(ValueError, match="not enough values"):
        total([])
