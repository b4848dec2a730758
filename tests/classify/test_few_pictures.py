"""The regression on a few pictures: known answers, the span against all features, leaving out against refits."""

from concurrent.futures import ThreadPoolExecutor
from threading import Event
from typing import Any

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from threadpoolctl import OpenBLASController, threadpool_info, threadpool_limits

from cvdemo.classify.few_pictures import C, Classes, Floats, Span, fit, left_out

CHANNELS = 300


def blobs(counts: list[int], apart: float, seed: int = 0) -> tuple[Floats, Classes]:
    """Random features, many more than pictures, of classes whose means lie so far apart."""
    rng = np.random.default_rng(seed)
    means = apart * rng.normal(size=(len(counts), CHANNELS)) / np.sqrt(CHANNELS)
    classes = np.repeat(np.arange(len(counts)), counts)
    return means[classes] + rng.normal(size=(len(classes), CHANNELS)) / np.sqrt(CHANNELS) + 5, classes


def naive(features: Floats, classes: Classes) -> LogisticRegression:
    """The regression as scikit-learn does it on all features, which are centred and divided by one number."""
    centred = features - features.mean(axis=0)
    centred /= np.sqrt((centred**2).sum(axis=1).mean())
    return LogisticRegression(C=C, class_weight="balanced", max_iter=5000, tol=1e-8).fit(centred, classes)


@pytest.mark.parametrize("counts", [[4, 4], [2, 7], [5, 3, 6]], ids=str)
def test_in_the_span_of_the_pictures_the_result_is_that_of_all_features(counts: list[int]) -> None:
    features, classes = blobs(counts, 2.0)
    span = Span.of(features)
    assert span.coordinates.shape == (len(classes), len(classes) - 1) and span.basis.shape[1] == CHANNELS
    linear = span.unfold(fit(span.coordinates, classes, len(counts)))
    assert linear.weight.shape == (len(counts), CHANNELS) and linear.bias.shape == (len(counts),)
    new, _ = blobs(counts, 2.0, seed=1)
    mean, scale = features.mean(axis=0), np.sqrt(((features - features.mean(axis=0)) ** 2).sum(axis=1).mean())
    expected = naive(features, classes).predict_proba((new - mean) / scale)
    np.testing.assert_allclose(linear.probabilities(new), expected, atol=2e-3)


@pytest.mark.parametrize("counts", [[3, 3], [2, 4, 3]], ids=str)
def test_leaving_out_is_a_refit_without_the_picture_and_its_scale(counts: list[int]) -> None:
    features, classes = blobs(counts, 1.5)
    found = np.array(list(left_out(Span.of(features), classes, len(counts))))
    for index in range(len(classes)):
        others = np.arange(len(classes)) != index
        rest = features[others]
        mean, scale = rest.mean(axis=0), np.sqrt(((rest - rest.mean(axis=0)) ** 2).sum(axis=1).mean())
        regression = naive(rest, classes[others])
        expected = regression.predict_proba((features[index : index + 1] - mean) / scale)[0]
        np.testing.assert_allclose(found[index], expected, atol=2e-3)


def test_classes_far_apart_are_all_right_and_equal_ones_are_not() -> None:
    for apart, least, most in ((6.0, 1.0, 1.0), (0.0, 0.0, 0.8)):
        features, classes = blobs([6, 6, 6], apart)
        answers = np.array(list(left_out(Span.of(features), classes, 3))).argmax(axis=1)
        assert least <= (answers == classes).mean() <= most


def test_a_channel_that_hardly_ever_speaks_is_no_louder_than_it_is() -> None:
    """Divided by its own deviation it would count as much as the one that tells the classes apart."""
    rng = np.random.default_rng(0)
    classes = np.repeat([0, 1], 5)
    features = np.concatenate([classes[:, None] * 1.0, 1e-3 * rng.normal(size=(10, 200))], axis=1)
    linear = fit(features, classes, 2)
    new = np.concatenate([np.array([[0.0], [1.0]]), 1e-3 * rng.normal(size=(2, 200))], axis=1)
    assert (linear.probabilities(new).argmax(axis=1) == [0, 1]).all()
    assert np.abs(linear.weight[:, 1:]).max() < 0.1 * np.abs(linear.weight[:, 0]).min()


def test_a_class_of_few_pictures_weighs_as_much_as_one_of_many() -> None:
    classes = np.repeat([0, 1], [2, 40])
    features = np.where(classes == 0, -1.0, 1.0)[:, None]
    assert fit(features, classes, 2).probabilities(np.zeros((1, 1)))[0] == pytest.approx([0.5, 0.5], abs=0.02)


def test_pictures_that_are_one_and_the_same_tell_nothing_and_raise_nothing() -> None:
    features, classes = np.ones((4, 6)), np.array([0, 0, 1, 1])
    assert Span.of(features).coordinates.shape == (4, 0)
    assert fit(features, classes, 2).probabilities(features)[0] == pytest.approx([0.5, 0.5])
    features[3] = 2.0  # without it the others are the same
    *_, last = left_out(Span.of(features), classes, 2)
    assert np.isfinite(last).all() and last.sum() == pytest.approx(1)


def threads() -> list[int]:
    """How many each library of linear algebra has at the moment."""
    return [library["num_threads"] for library in threadpool_info() if library["user_api"] == "blas"]


def test_linear_algebra_works_in_one_thread_meanwhile_and_in_as_many_as_before_afterwards(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seen: list[list[int]] = []
    whole = LogisticRegression.fit
    monkeypatch.setattr(LogisticRegression, "fit", lambda *given: (seen.append(threads()), whole(*given))[1])
    features, classes = blobs([3, 3], 2.0)
    with threadpool_limits(2, user_api="blas"):
        before = threads()
        fit(features, classes, 2)
        assert threads() == before
    assert len(seen) == 1 and set(seen[0]) == {1}


def test_lessons_that_overlap_leave_the_threads_as_they_were(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[list[int]] = []
    first_is_in, second_is_in, first_has_left = Event(), Event(), Event()
    whole = LogisticRegression.fit

    def overlapping(*given: Any) -> Any:
        if not first_is_in.is_set():
            first_is_in.set()
            second_is_in.wait(0.2)  # in vain where they take turns
        else:
            second_is_in.set()
            assert first_has_left.wait(10)
        seen.append(threads())
        return whole(*given)

    def lesson() -> None:
        fit(*blobs([3, 3], 2.0), 2)
        first_has_left.set()

    monkeypatch.setattr(LogisticRegression, "fit", overlapping)
    with threadpool_limits(2, user_api="blas"):
        OpenBLASController.clear_controlling_thread(force=True)  # else no other thread may set a limit
        with ThreadPoolExecutor(2) as pool:
            jobs = [pool.submit(lesson)]
            assert first_is_in.wait(10)
            jobs.append(pool.submit(lesson))
            for job in jobs:
                job.result()
        assert set(threads()) == {2}
    assert seen == [[1] * len(seen[0])] * 2
