"""What a request loads where it is the first to need it, and what that takes: networks, and libraries.

Networks are loaded on first use, and so are three libraries that would take a second each of the page's start. They
weigh more than the networks: the first step of a style imports `torch._dynamo`, for its optimiser.

Measured as the CPU time of one thread (x86, torch 2.11, torchvision 0.26), the first run of a request less the second:

| what | seconds |
|---|---:|
| 14 networks of 1 to 12 MB, for each MB of their files | 0.006 to 0.026, the backbone 0.017 |
| `torch._dynamo`, which torchvision imports too | 1.02 |
| torchvision, beside that | 0.10 |
| scikit-learn with SciPy | 0.72 |

What a machine takes is told from these by its speed, see `Durations.beside_s`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from cvdemo.classify.classifier import NETWORKS
from cvdemo.classify.run import ClassifyRequest, ExplainRequest, FeatureMapsRequest, FoolRequest
from cvdemo.classify.teach import ClassifyTaughtRequest, TeachRequest
from cvdemo.demo import Request
from cvdemo.detect.detector import DETECTORS
from cvdemo.detect.run import DetectRequest, DetectVideoRequest
from cvdemo.dream.run import DreamRequest
from cvdemo.dream.zoom_film import DreamFilmRequest
from cvdemo.errors import DemoError
from cvdemo.nets.backbone import BACKBONE
from cvdemo.sample.run import InterpolateRequest, SampleRequest, WalkRequest
from cvdemo.style.config import INSTANT_START
from cvdemo.style.feed_forward import INSTANT
from cvdemo.style.run import InstantFrameRequest, InstantRequest, StyleRequest
from cvdemo.style.video import StyleVideoRequest
from cvdemo.upscale.catalogue import network_named
from cvdemo.upscale.run import UpscaleRequest
from cvdemo.weights import entry_of

BYTE_S = 0.016e-6  # of a weight's file
DYNAMO, TORCHVISION, SCIKIT_LEARN = "torch._dynamo", "torchvision", "scikit-learn"
LIBRARY_S = {DYNAMO: 1.02, TORCHVISION: 0.10, SCIKIT_LEARN: 0.72}


def loads_of(request: Request) -> dict[str, float]:
    """Seconds of the reference machine, by the name of each library and weight that a request needs."""
    weights, libraries = WEIGHTS.get(type(request), _none), LIBRARIES.get(type(request), _none)
    try:
        loads = {name: size * BYTE_S for weight in weights(request) for name, size in _files(weight)}
    except DemoError:  # it will be refused, with the sentence
        loads = {}
    return loads | {name: LIBRARY_S[name] for name in libraries(request)}


def _files(weight: str) -> Iterable[tuple[str, int]]:
    """The file of a weight, and that of the network which it lies over: their names and bytes."""
    entry = entry_of(weight)
    yield weight, entry.bytes
    if base := entry.network.get("base"):
        yield from _files(base)


def _none(request: Any) -> tuple[str, ...]:
    return ()


def _suppression(request: DetectRequest | DetectVideoRequest) -> tuple[str, ...]:
    return (DYNAMO, TORCHVISION) if request.config.needs_torchvision else ()


def _backbone(request: Any) -> tuple[str, ...]:
    return (BACKBONE,)


def _painter(request: Any) -> tuple[str, ...]:
    return BACKBONE, INSTANT


def _classifier(request: Any) -> tuple[str, ...]:
    choice = NETWORKS.get(request.config.model)
    return () if choice is None else choice.members


def _detector(request: DetectRequest | DetectVideoRequest) -> tuple[str, ...]:
    kind = DETECTORS.get(request.config.detector)
    return () if kind is None or kind.weight is None else (kind.weight,)


def _style(request: StyleRequest) -> tuple[str, ...]:
    return _painter(request) if request.config.start == INSTANT_START else _backbone(request)


def _upscaler(request: UpscaleRequest) -> tuple[str, ...]:
    return (network_named(request.config.scale, request.config.network, jpeg_quality=request.jpeg_quality).weight,)


WEIGHTS: Mapping[type[Request], Callable[[Any], tuple[str, ...]]] = {
    ClassifyRequest: _classifier,
    ExplainRequest: _classifier,
    FoolRequest: _classifier,
    FeatureMapsRequest: _classifier,
    TeachRequest: _backbone,
    ClassifyTaughtRequest: _backbone,
    DetectRequest: _detector,
    DetectVideoRequest: _detector,
    DreamRequest: _backbone,
    DreamFilmRequest: _backbone,
    StyleRequest: _style,
    InstantRequest: _painter,
    InstantFrameRequest: _painter,
    StyleVideoRequest: _painter,
    SampleRequest: lambda request: (request.config.generator,),
    InterpolateRequest: lambda request: tuple(pick.generator for pick in request.picks),
    WalkRequest: lambda request: (request.generator,),
    UpscaleRequest: _upscaler,
}
LIBRARIES: Mapping[type[Request], Callable[[Any], tuple[str, ...]]] = {
    DetectRequest: _suppression,
    DetectVideoRequest: _suppression,
    StyleRequest: lambda request: (DYNAMO,),
    TeachRequest: lambda request: (SCIKIT_LEARN,),
}
