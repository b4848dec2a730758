"""What the Classify tab does with its answers: requests that a stand-in takes, and values that the page shows."""

import numpy as np
import pytest
from gradio.components.label import LabelData

from cvdemo.classify.adversarial import Fooled
from cvdemo.classify.classifier import Prediction
from cvdemo.classify.explain import Explanation
from cvdemo.classify.exports import in_per_cent
from cvdemo.classify.run import ClassifyRequest, ExplainedPrediction, ExplainRequest, FoolRequest
from cvdemo.demo import Step
from cvdemo.errors import InputError
from cvdemo.limits import EXPLAIN_S
from cvdemo.ui import classify, explain
from cvdemo.ui.classify_words import answer_label, endpoint_label
from cvdemo.ui.wiring.controls import example_picture, given
from tests.ui.stand_in import StandIn

LION = example_picture("lion")
CROP = np.full((32, 32, 3), 100, np.uint8)
EXPLANATION = Explanation(CROP, np.zeros((32, 32), np.float32), "grad_cam", 291)
ANSWER = ExplainedPrediction(["lion", "cheetah", "dog"], [0.7, 0.2, 0.05], [291, 293, 235], explanation=EXPLANATION)
BEFORE = Prediction(["lion"], [0.7], [291])


def fooled(levels: int) -> Fooled:
    return Fooled(CROP, CROP + np.uint8(levels), BEFORE, Prediction(["cheetah"], [0.51], [293]))


LARGE, SMALL = fooled(9), fooled(2)
SEARCH = [
    Step(done=1, total=5, measures={"cheetah": 0.02}),
    Step(done=2, total=5, partial=LARGE, preview=LARGE.changed, measures={"cheetah": 0.5}),
    Step(done=3, total=5, partial=LARGE, measures={"cheetah": 0.4}),
    Step(done=4, total=4, partial=SMALL, preview=SMALL.changed, measures={"cheetah": 0.5}, result=SMALL),
]


def test_the_endpoint_asks_for_no_explanation() -> None:
    run = StandIn(Step(done=1, total=1, result=BEFORE))
    assert classify.classify_endpoint(run, LION, "imagenet", True) == {"lion": 0.7}
    (request,) = run.requests
    assert isinstance(request, ClassifyRequest) and request.config.ten_crop and request.explain is None


def test_the_page_asks_once_for_the_answer_and_why() -> None:
    run = StandIn(Step(done=1, total=1, result=ANSWER))
    label, status, overlay, explained, target, *rest = classify.classify_on_page(
        run, LION, "imagenet", False, "saliency"
    )
    (request,) = run.requests
    assert isinstance(request, ClassifyRequest) and request.explain is not None
    assert request.explain.method == "saliency" and request.time_limit_s == EXPLAIN_S
    assert label == {"lion": 0.7, "cheetah": 0.2, "dog": 0.05} and status.startswith("Done in")
    assert overlay.shape == (320, 320, 3)
    assert explained.choices == [("lion", 291), ("cheetah", 293), ("dog", 235)] and explained.value == 291
    assert target.choices == [("the nearest", -1), ("cheetah", 293), ("dog", 235)]
    assert rest == ["", None, None, None, None, ""]
    assert len(explain.ANSWER_FIELDS) == 3 + len(rest)


def test_the_endpoint_explains_a_name() -> None:
    run = StandIn(Step(done=1, total=1, result=EXPLANATION))
    assert explain.explain_endpoint(run, LION, "imagenet", "grad_cam", "lion").shape == (320, 320, 3)
    (request,) = run.requests
    assert isinstance(request, ExplainRequest)
    assert (request.config.class_name, request.class_index, request.time_limit_s) == ("lion", None, 60)


@pytest.mark.parametrize(("chosen", "expected"), [(3, 3), (None, None), (1000, None)], ids=["a class", "none", "gone"])
def test_the_page_explains_the_class_that_was_chosen(chosen: int | None, expected: int | None) -> None:
    run = StandIn(Step(done=1, total=1, result=EXPLANATION))
    explain.explain_on_page(run, LION, "imagenet", "grad_cam", chosen)
    (request,) = run.requests
    assert isinstance(request, ExplainRequest) and request.class_index == expected


def test_the_search_is_told_and_its_pictures_come_when_they_are_new() -> None:
    run = StandIn(*SEARCH)
    shown = list(explain.fool_on_page(run, LION, "imagenet", explain.NEAREST))
    (request,) = run.requests
    assert isinstance(request, FoolRequest) and request.class_index is None and request.time_limit_s == 60
    assert [text.replace("\N{NO-BREAK SPACE}", " ") for text, *_ in shown[:1]] == ["Step 1: cheetah 2 %"]
    assert shown[1][0].endswith("Step 2: looking for a smaller change.")
    assert "lighter or darker by more than 2 of 255 steps" in shown[3][0] and "L2 norm" in shown[3][0]
    assert "Found in" in shown[3][0] and "limit" not in shown[3][0]
    new = [isinstance(pictures[0], np.ndarray) for _, *pictures in shown]
    assert new == [False, True, False, True]
    assert [picture.shape for picture in shown[1][1:]] == [(320, 320, 3)] * 3


def test_a_search_that_a_limit_ended_says_so() -> None:
    last = Step(done=2, total=5, partial=LARGE, preview=LARGE.changed, result=LARGE, complete=False)
    ((text, *_),) = explain.fool_on_page(StandIn(last), LION, "imagenet", 293)
    assert "; the limit of 60 s stopped the search for a smaller change.\n" in text


def test_the_endpoint_tells_the_sizes_of_the_change() -> None:
    run = StandIn(*SEARCH)
    changed, difference, sizes = explain.fool_endpoint(run, LION, "imagenet", "cheetah")
    (request,) = run.requests
    assert isinstance(request, FoolRequest) and request.config.class_name == "cheetah"
    assert np.array_equal(changed, SMALL.changed) and difference[0, 0, 0] == 128 + 2 * 50
    assert sizes["after"] == {"label": "cheetah", "probability": 0.51} and sizes["largest"] == 2


def test_a_handler_without_a_picture_asks_for_one() -> None:
    run = StandIn()
    for handler in (classify.classify_endpoint, explain.explain_endpoint, explain.fool_endpoint):
        with pytest.raises(InputError, match="Please choose a picture first"):
            given(run, handler)(None)
    assert run.requests == []


@pytest.mark.parametrize(("share", "headline"), [(0.29, "not sure"), (0.3, "lion")])
def test_a_doubtful_answer_is_called_one_on_the_page_and_not_to_programs(share: float, headline: str) -> None:
    answer = {"cat": 0.1, "lion": share}
    shown, sent = answer_label("label").postprocess(answer), endpoint_label().postprocess(answer)
    assert isinstance(shown, LabelData) and isinstance(sent, LabelData)
    assert (shown.label, sent.label) == (headline, "lion")
    assert shown.confidences == sent.confidences


def test_what_would_be_rounded_to_nothing_is_shown_and_sent_to_programs() -> None:
    answer = {"cat": 0.004, "dog": 0.0051, "lion": 0.99}
    shown, sent = answer_label("label").postprocess(answer), endpoint_label().postprocess(answer)
    assert isinstance(shown, LabelData) and isinstance(sent, LabelData)
    for data in (shown, sent):
        assert [one.label for one in data.confidences or []] == ["lion", "dog", "cat"]
    told = [in_per_cent(share) for share in (0.0, 0.004, 0.005, 0.99)]
    assert told == ["under\xa01\xa0%", "under\xa01\xa0%", "1\xa0%", "99\xa0%"]
