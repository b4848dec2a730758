"""Which backend is chosen."""

import numpy as np
import pytest

from cvdemo import backends
from cvdemo.backends.local import LocalBackend
from cvdemo.classify.classifier import Prediction
from cvdemo.classify.run import ClassifyRequest
from cvdemo.demo import Lane, result_of
from cvdemo.demos import run as run_here
from cvdemo.errors import InputError


def test_this_process_is_the_usual_one_and_made_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(backends.VARIABLE, raising=False)
    assert isinstance(backends.backend(), LocalBackend)
    monkeypatch.setenv(backends.VARIABLE, "local")
    assert backends.backend() is backends.backend()
    assert backends.backend().at_once(Lane.QUICK) >= 1


def test_an_unknown_one_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(backends.VARIABLE, "cloud" * 100)
    with pytest.raises(InputError, match=r"CVDEMO_BACKEND has to be one of local, ray; it is 'cloud.{20,40}\.$"):
        backends.backend()


def test_it_answers_as_the_plain_way_does() -> None:
    request = ClassifyRequest(image=np.random.default_rng(0).integers(0, 255, (40, 50, 3), np.uint8))
    apart, here = result_of(backends.run(request)), result_of(run_here(request))
    assert isinstance(apart, Prediction) and apart.labels == here.labels
    np.testing.assert_allclose(apart.probabilities, here.probabilities, rtol=1e-4)
