"""What a dream raises, as small values that add and scale: `LayerStrength("block8") + 0.3 * LayerStrength("block12")`.

The idea is that of lucid's and lucent's objectives (C. Olah, A. Mordvintsev and L. Schubert, "Feature Visualization",
Distill 2017). Each value says which layers it needs, so that several cost one pass through the network. Some hang on
the picture, the guide or the network: `bound` settles these once, before the first step, so that every step, every
octave and every tile of a large picture raises the same thing. `str(objective)` is what `parse_objective` reads.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from cvdemo.dream.class_names import class_labels, class_named
from cvdemo.errors import InputError, brief
from cvdemo.nets.backbone import FeatureNetwork
from cvdemo.nets.efficientnet_lite import LAYER_NAMES

WHOLE_LAYER = -1  # as a channel: all of them
MAX_WEIGHT = 1000.0  # beyond it the gradient of a strong block leaves what a float can hold with sense
MAX_CHANNELS_CHOSEN = 32  # strongest or weakest ones; more are the whole block
MAX_GUIDE_FEATURES = 1024  # of early layers, evenly chosen: all of them, with all places, would take gigabytes
PLACES_AT_ONCE = 8192  # that are compared with the guide: 32 MB
HEAD = "head"  # the layer that the classes are told from

Maps = Mapping[str, Tensor]  # activations (1, C, h, w) by the name of their layer


class DreamNetwork(FeatureNetwork, Protocol):
    """What dreams need of a network."""

    def logits(self, maps: Tensor) -> Tensor:
        """(B, classes) of the head's activations (B, C, h, w)."""


@dataclass(frozen=True, eq=False)
class Scene:
    """What an objective may hang on.

    Attributes:
        network: in eval mode, its parameters without gradients.
        picture: (1, 3, h, w) in [0, 1], what is dreamed on, as small as the network can still read it.
        guide: (1, 3, h, w) in [0, 1], whose features a dream may follow.
    """

    network: DreamNetwork
    picture: Tensor
    guide: Tensor | None = None


class Objective(ABC):
    """A number that a dream raises; `a + b`, `a - b`, `0.5 * a` and `-a` are objectives too."""

    @property
    @abstractmethod
    def layers(self) -> frozenset[str]:
        """The layers whose activations it is made of."""

    @abstractmethod
    def value(self, maps: Maps) -> Tensor:
        """The scalar, a mean over places: that of a picture is the mean of its parts', weighted by their size.

        Raises:
            InputError: a layer has no such channel.
            ValueError: it hangs on a scene that it is not bound to.
        """

    def bound(self, scene: Scene) -> Objective:
        """The same, with whatever hangs on the scene settled.

        Raises:
            InputError: the scene lacks what it needs.
        """
        return self

    def __add__(self, other: Objective) -> Objective:
        return total([*_terms(self), *_terms(other)])

    def __sub__(self, other: Objective) -> Objective:
        return self + -1.0 * other

    def __mul__(self, weight: float) -> Objective:
        return total([(weight * own, term) for own, term in _terms(self)])

    def __rmul__(self, weight: float) -> Objective:
        return self * weight

    def __neg__(self) -> Objective:
        return self * -1.0


@dataclass(frozen=True)
class LayerStrength(Objective):
    """The mean square of a whole layer, whose gradient is the layer's own activations: google/deepdream's objective."""

    layer: str

    def __post_init__(self) -> None:
        check_layer(self.layer)

    def __str__(self) -> str:
        return self.layer

    @property
    def layers(self) -> frozenset[str]:
        return frozenset({self.layer})

    def value(self, maps: Maps) -> Tensor:
        return strength(maps[self.layer])


@dataclass(frozen=True)
class Channel(Objective):
    """The mean of one channel of a layer."""

    layer: str
    channel: int

    def __post_init__(self) -> None:
        check_layer(self.layer)

    def __str__(self) -> str:
        return f"{self.layer}:{self.channel}"

    @property
    def layers(self) -> frozenset[str]:
        return frozenset({self.layer})

    def value(self, maps: Maps) -> Tensor:
        return strength(maps[self.layer], self.channel)


@dataclass(frozen=True)
class _ChosenChannels(Objective):
    """The mean of some channels of a layer, which the picture chooses.

    They are those whose mean activation over the picture is greatest or least when the dream begins.
    """

    layer: str
    count: int

    def __post_init__(self) -> None:
        check_layer(self.layer)
        if not 1 <= self.count <= MAX_CHANNELS_CHOSEN:
            raise InputError(f"1 to {MAX_CHANNELS_CHOSEN} channels can be chosen; {self.count} were asked for.")

    @property
    def layers(self) -> frozenset[str]:
        return frozenset({self.layer})

    def value(self, maps: Maps) -> Tensor:
        raise ValueError(f"{self} has to be bound to a picture first")

    def _chosen(self, scene: Scene, *, largest: bool) -> Objective:
        with torch.no_grad():
            means = scene.network.features(scene.picture, [self.layer])[self.layer].mean(dim=(0, 2, 3))
        count = min(self.count, len(means))
        chosen = means.topk(count, largest=largest).indices.tolist()
        return total([(1 / count, Channel(self.layer, channel)) for channel in chosen])


@dataclass(frozen=True)
class StrongestChannels(_ChosenChannels):
    """The mean of the `count` channels that answer most to the picture: more of what is there."""

    def __str__(self) -> str:
        return f"{self.layer}:strongest{self.count}"

    def bound(self, scene: Scene) -> Objective:
        return self._chosen(scene, largest=True)


@dataclass(frozen=True)
class WeakestChannels(_ChosenChannels):
    """The mean of the `count` channels that answer least to the picture: what is not there."""

    def __str__(self) -> str:
        return f"{self.layer}:weakest{self.count}"

    def bound(self, scene: Scene) -> Objective:
        return self._chosen(scene, largest=False)


@dataclass(frozen=True)
class ClassLogit(Objective):
    """The logit of a class of ImageNet, everywhere in the picture alike; `name` in full, or its beginning."""

    name: str

    def __post_init__(self) -> None:
        object.__setattr__(self, "name", class_named(self.name))

    def __str__(self) -> str:
        return f"class:{self.name}"

    @property
    def layers(self) -> frozenset[str]:
        return frozenset({HEAD})

    def value(self, maps: Maps) -> Tensor:
        raise ValueError(f"{self} has to be bound to a network first")

    def bound(self, scene: Scene) -> Objective:
        return _Logit(self.name, class_labels().index(self.name), scene.network)


@dataclass(frozen=True, eq=False)
class _Logit(Objective):
    """A class of a network by its number."""

    name: str
    index: int
    network: DreamNetwork

    def __str__(self) -> str:
        return f"class:{self.name}"

    @property
    def layers(self) -> frozenset[str]:
        return frozenset({HEAD})

    def value(self, maps: Maps) -> Tensor:
        return self.network.logits(maps[HEAD])[:, self.index].mean()


@dataclass(frozen=True)
class Guide(Objective):
    """At each place the largest dot product with a feature of the guide picture: the dream takes its things from there.

    A. Mordvintsev, `dream.ipynb` of google/deepdream, 2015 ("Controlling dreams").
    """

    layer: str

    def __post_init__(self) -> None:
        check_layer(self.layer)

    def __str__(self) -> str:
        return f"guide:{self.layer}"

    @property
    def layers(self) -> frozenset[str]:
        return frozenset({self.layer})

    def value(self, maps: Maps) -> Tensor:
        raise ValueError(f"{self} has to be bound to a guide picture first")

    def bound(self, scene: Scene) -> Objective:
        if scene.guide is None:
            raise InputError(f"The objective {str(self)!r} follows a guide picture: please give one.")
        with torch.no_grad():
            maps = scene.network.features(scene.guide, [self.layer])[self.layer]
        features = maps[0].flatten(1).T  # (n, C)
        if len(features) > MAX_GUIDE_FEATURES:
            features = features[torch.linspace(0, len(features) - 1, MAX_GUIDE_FEATURES).long()]
        return _Guided(self.layer, features.contiguous())


@dataclass(frozen=True, eq=False)
class _Guided(Objective):
    """A guide whose features (n, C) are known."""

    layer: str
    features: Tensor

    def __str__(self) -> str:
        return f"guide:{self.layer}"

    @property
    def layers(self) -> frozenset[str]:
        return frozenset({self.layer})

    def value(self, maps: Maps) -> Tensor:
        places = maps[self.layer][0].flatten(1)  # (C, h * w)
        with torch.no_grad():
            best = torch.cat(
                [(self.features @ some).argmax(dim=0) for some in torch.split(places, PLACES_AT_ONCE, dim=1)]
            )
        return (self.features[best].T * places).sum(dim=0).mean()


@dataclass(frozen=True)
class Sum(Objective):
    """Objectives, each times its weight; made by adding and scaling."""

    terms: tuple[tuple[float, Objective], ...]

    def __str__(self) -> str:
        first, *others = self.terms
        text = ("-" if first[0] < 0 else "") + _scaled(*first)
        return text + "".join((" - " if weight < 0 else " + ") + _scaled(weight, term) for weight, term in others)

    @property
    def layers(self) -> frozenset[str]:
        return frozenset().union(*(term.layers for _, term in self.terms))

    def value(self, maps: Maps) -> Tensor:
        values = [weight * term.value(maps) for weight, term in self.terms]
        return torch.stack(values).sum()

    def bound(self, scene: Scene) -> Objective:
        return total([(weight * own, part) for weight, term in self.terms for own, part in _terms(term.bound(scene))])


def total(terms: Collection[tuple[float, Objective]]) -> Objective:
    """The sum of objectives, each times its weight; one with weight 1 is itself.

    Raises:
        InputError: a weight is no number up to 1000, above or below 0.
    """
    for weight, _ in terms:
        if not math.isfinite(weight) or abs(weight) > MAX_WEIGHT:
            raise InputError(f"A weight of an objective is from -{MAX_WEIGHT:g} to {MAX_WEIGHT:g}, got {weight:g}.")
    (weight, term), *others = terms
    return term if weight == 1 and not others else Sum(tuple(terms))


def follow_guide(objective: Objective) -> Objective:
    """The objective with a guide's features in place of the strength of whole layers; one that has a guide is itself.

    Raises:
        InputError: it has neither.
    """
    kinds = {type(term) for _, term in _terms(objective)}
    if Guide in kinds:
        return objective
    if LayerStrength not in kinds:
        raise InputError(f"Nothing in the objective {str(objective)!r} follows the guide: write guide:block8, say.")
    return total(
        [(weight, Guide(term.layer) if isinstance(term, LayerStrength) else term) for weight, term in _terms(objective)]
    )


def _terms(objective: Objective) -> tuple[tuple[float, Objective], ...]:
    return objective.terms if isinstance(objective, Sum) else ((1.0, objective),)


def _scaled(weight: float, term: Objective) -> str:
    """The term with its weight's size, whose sign stands before it."""
    size = repr(abs(float(weight))).removesuffix(".0")
    return str(term) if size == "1" else f"{size}*{term}"


def check_layer(name: str) -> None:
    """Raises `InputError` where the network has no layer of that name."""
    if name not in LAYER_NAMES:
        raise InputError(f"There is no layer {brief(name)}; the layers are {', '.join(LAYER_NAMES)}.")


def strength(activations: Tensor, channel: int = WHOLE_LAYER) -> Tensor:
    """A scalar: the mean square of all of (B, C, h, w), or the mean of one channel.

    Raises:
        InputError: the layer has no such channel.
    """
    if channel == WHOLE_LAYER:
        return activations.square().mean()
    count = activations.shape[1]
    if not 0 <= channel < count:
        raise InputError(f"This layer has channels 0 to {count - 1}, or -1 for all of them; {channel} was asked for.")
    return activations[:, channel].mean()


def measure(pixels: Tensor, network: FeatureNetwork, objective: Objective) -> Tensor:
    """The value (scalar) of a bound objective for pixels (1, 3, H, W) in [0, 1], in one pass through the network."""
    return objective.value(network.features(pixels, objective.layers))
