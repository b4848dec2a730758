"""What requests load: known answers for libraries, and for the files of networks and of those that they lie over."""

import numpy as np
import pytest

from cvdemo.backends.loading import BYTE_S, DYNAMO, LIBRARY_S, SCIKIT_LEARN, TORCHVISION, WEIGHTS, loads_of
from cvdemo.backends.work import REFERENCE_S
from cvdemo.classify.classifier import NETWORKS, ClassifyConfig
from cvdemo.classify.run import ClassifyRequest
from cvdemo.classify.teach import TeachRequest
from cvdemo.demo import Request
from cvdemo.detect.run import DetectRequest
from cvdemo.detect.selection import DetectConfig
from cvdemo.dream.run import DreamRequest
from cvdemo.nets.backbone import BACKBONE
from cvdemo.sample.generate import Pick, SampleConfig
from cvdemo.sample.run import SampleRequest, WalkRequest
from cvdemo.style.feed_forward import INSTANT
from cvdemo.style.optimise import StyleConfig
from cvdemo.style.run import InstantRequest, StyleRequest
from cvdemo.upscale.catalogue import network_named
from cvdemo.upscale.run import UpscaleRequest
from cvdemo.weights import load_manifest

PICTURE = np.zeros((9, 12, 3), np.uint8)


def detect(detector: str, suppression: str = "hard") -> Request:
    return DetectRequest(image=PICTURE, config=DetectConfig(detector=detector, suppression=suppression))


def style(start: str) -> Request:
    return StyleRequest(content=PICTURE, style=PICTURE, config=StyleConfig(start=start))


ENSEMBLE = next(choice for choice in NETWORKS.values() if len(choice.members) > 1)


@pytest.mark.parametrize(
    ("request_", "names"),
    [
        (ClassifyRequest(image=PICTURE), {BACKBONE}),
        (ClassifyRequest(image=PICTURE, config=ClassifyConfig(model=ENSEMBLE.value)), set(ENSEMBLE.members)),
        (TeachRequest(labels=(), pictures=()), {BACKBONE, SCIKIT_LEARN}),
        (detect("face"), {"face_detector", BACKBONE, DYNAMO, TORCHVISION}),
        (detect("imagenet"), {BACKBONE}),
        (detect("haar"), {DYNAMO, TORCHVISION}),
        (DreamRequest(image=PICTURE), {BACKBONE}),
        (style("content"), {BACKBONE, DYNAMO}),
        (style("instant"), {BACKBONE, INSTANT, DYNAMO}),
        (InstantRequest(content=PICTURE, style=PICTURE), {BACKBONE, INSTANT}),
        (SampleRequest(config=SampleConfig(generator="dcgan_faces")), {"dcgan_faces"}),
        (WalkRequest(picks=(Pick(generator="dcgan_anime"), Pick(generator="dcgan_faces"))), set()),  # it is refused
        (UpscaleRequest(image=PICTURE), {network_named(2).weight}),
        (Request(), set()),
    ],
)
def test_a_request_loads_its_networks_and_libraries(request_: Request, names: set[str]) -> None:
    loads, manifest = loads_of(request_), load_manifest()
    assert set(loads) == names
    files = {name: manifest[name].bytes * BYTE_S for name in names & set(manifest)}
    assert loads == files | {name: LIBRARY_S[name] for name in names & set(LIBRARY_S)}


def test_every_kind_that_is_told_of_tells_what_it_loads() -> None:
    assert set(REFERENCE_S) <= set(WEIGHTS)
