"""What the Classify demo runs: requests and steps that pickle, nothing done twice, known answers."""

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cvdemo import demos
from cvdemo.classify import classifier as classifier_module
from cvdemo.classify import run as run_module
from cvdemo.classify.adversarial import FoolConfig
from cvdemo.classify.classifier import Classifier, ClassifyConfig, load_classifier
from cvdemo.classify.explain import ExplainConfig
from cvdemo.classify.run import ClassifyRequest, ExplainedPrediction, ExplainRequest, FoolRequest
from cvdemo.demo import Request, last_step, result_of
from cvdemo.errors import InputError
from cvdemo.images import ImageArray
from tests.helpers.manifest_files import CountedParses, aged
from tests.helpers.untrained_weights import make_weights
from tests.helpers.whole_results import classify, explain


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_weights(tmp_path_factory.mktemp("weights") / "weights")


@pytest.fixture
def small(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Classifier:
    """Small networks of ten classes take the place of ImageNet's."""
    found = load_classifier("cifar10_ensemble", "cpu", folder)
    monkeypatch.setattr(run_module, "load_classifier", lambda model, device: found)
    return found


def requests_for(image: ImageArray) -> list[Request]:
    return [
        ClassifyRequest(image=image),
        ClassifyRequest(image=image, explain=ExplainConfig()),
        ExplainRequest(image=image, config=ExplainConfig(method="saliency"), class_index=3),
        FoolRequest(image=image, config=FoolConfig(steps=8)),
    ]


@pytest.mark.parametrize("kind", range(4))
def test_requests_and_steps_pickle_and_the_last_has_the_result(small: Classifier, noise: ImageArray, kind: int) -> None:
    request = pickle.loads(pickle.dumps(requests_for(noise)[kind]))
    steps = pickle.loads(pickle.dumps(list(demos.run(request))))
    assert all(0 < step.done <= step.total for step in steps)
    assert [step.result is not None for step in steps] == [False] * (len(steps) - 1) + [True]
    assert steps[-1].complete and steps[-1].seconds_left in (None, 0)


@pytest.mark.parametrize("ten_crop", [False, True])
@pytest.mark.parametrize("method", ["grad_cam", "saliency"])
def test_a_classification_comes_with_its_explanation(
    small: Classifier, noise: ImageArray, method: str, ten_crop: bool
) -> None:
    config, how = ClassifyConfig(ten_crop=ten_crop), ExplainConfig(method=method, samples=2)
    found = result_of(demos.run(ClassifyRequest(image=noise, config=config, explain=how)))
    assert isinstance(found, ExplainedPrediction)
    expected = classify(noise, small, ten_crop=ten_crop)
    assert found.labels == expected.labels
    np.testing.assert_allclose(found.probabilities, expected.probabilities, rtol=1e-5)
    alone = explain(noise, small, expected.classes[0], how)
    assert found.explanation.class_index == expected.classes[0]
    np.testing.assert_allclose(found.explanation.heat, alone.heat, atol=1e-5)


def test_the_picture_is_prepared_once_and_seen_once(
    small: Classifier, noise: ImageArray, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepared: list[Any] = []
    prepare = classifier_module.prepare
    monkeypatch.setattr(run_module, "prepare", lambda *given: prepared.append(given) or prepare(*given))
    network, seen = type(small.network), list[int]()
    maps = network.maps
    monkeypatch.setattr(network, "maps", lambda self, pixels: seen.append(len(pixels)) or maps(self, pixels))
    result_of(demos.run(ClassifyRequest(image=noise, explain=ExplainConfig())))
    assert len(prepared) == 1 and seen == [1]


def test_a_class_is_named_by_its_name_or_its_index(small: Classifier, noise: ImageArray) -> None:
    by_name = result_of(demos.run(ExplainRequest(image=noise, config=ExplainConfig(class_name=" Ship "))))
    by_index = result_of(demos.run(ExplainRequest(image=noise, class_index=8)))
    assert by_name.class_index == 8
    np.testing.assert_array_equal(by_name.heat, by_index.heat)
    best = classify(noise, small).classes
    assert result_of(demos.run(ExplainRequest(image=noise))).class_index == best[0]
    second = small.labels[best[1]]
    turned = result_of(demos.run(FoolRequest(image=noise, config=FoolConfig(class_name=second, steps=40))))
    assert turned.after.labels[0] == second


@pytest.mark.parametrize("kind", [ExplainRequest, FoolRequest])
def test_a_class_that_the_network_lacks_is_refused(small: Classifier, noise: ImageArray, kind: Any) -> None:
    config = (ExplainConfig if kind is ExplainRequest else FoolConfig)(class_name="shop")
    with pytest.raises(InputError, match="no class named 'shop'; it has ship"):
        list(demos.run(kind(image=noise, config=config)))
    with pytest.raises(ValueError, match="0 <= class_index < 10, got 10"):
        list(demos.run(kind(image=noise, class_index=10)))


def test_a_time_limit_gives_the_average_so_far(small: Classifier, noise: ImageArray) -> None:
    how = ExplainConfig(method="saliency", samples=64)
    for request in (
        ExplainRequest(image=noise, config=how, time_limit_s=0),
        ClassifyRequest(image=noise, explain=how, time_limit_s=0),
    ):
        last = last_step(demos.run(request))
        assert (last.done, last.total, last.complete) == (8, 64, False)


def test_the_shipped_network_explains_the_cheetah(cheetah: ImageArray) -> None:
    found = result_of(demos.run(ClassifyRequest(image=cheetah, explain=ExplainConfig(), device="cpu")))
    assert found.labels[0] == "cheetah" and found.explanation.picture().shape == (448, 448, 3)


def test_the_manifest_is_parsed_once_for_all_networks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = make_weights(tmp_path / "weights")
    aged(folder / "manifest.json")
    parses = CountedParses(monkeypatch)
    for model in ("cifar10_ensemble", "cifar10"):
        load_classifier(model, "cpu", folder)
    assert parses.count == 1
