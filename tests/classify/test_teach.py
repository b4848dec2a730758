"""A lesson: what is learnt, which pictures are doubtful, the steps, the deadline, and every lesson that is none."""

import io
import pickle
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from PIL import Image

from cvdemo.classify import teach
from cvdemo.classify.few_pictures import left_out
from cvdemo.classify.taught_head import load_head, save_head
from cvdemo.classify.teach import (
    LEFT_OUT_LOOKS,
    ClassifyTaughtRequest,
    Taught,
    TeachRequest,
    Verdict,
    check_classes,
    in_turns,
    read_reduced,
)
from cvdemo.demo import Step, last_step, result_of
from cvdemo.demos import run
from cvdemo.errors import InputError
from cvdemo.images import ImageArray
from tests.helpers.hand_turned_clock import Clock, set_clock
from tests.helpers.taught import BLUE, GREEN, RED, colour_features, shades, use_colours

COLOURS = TeachRequest(labels=("red", "green", "blue"), pictures=(shades(RED, 4), shades(GREEN, 5), shades(BLUE, 3)))


@pytest.fixture(autouse=True)
def _colours(monkeypatch: pytest.MonkeyPatch) -> None:
    use_colours(monkeypatch)


def lesson(request: TeachRequest) -> Taught:
    taught: Taught = result_of(run(request))
    return taught


def answer(taught: Taught, image: ImageArray) -> str:
    return str(result_of(run(ClassifyTaughtRequest(image=image, head=taught.head))).labels[0])


def test_what_was_taught_is_known_again_in_pictures_not_taught() -> None:
    taught = lesson(COLOURS)
    assert taught.head.labels == ("red", "green", "blue") and taught.counts == (4, 5, 3)
    for colour, name in ((RED, "red"), (GREEN, "green"), (BLUE, "blue")):
        assert {answer(taught, picture) for picture in shades(colour, 5, seed=9)} == {name}
    assert (taught.right, len(taught.verdicts), taught.doubtful) == (12, 12, ())
    assert taught.in_words == "12 of 12 right when tested on its own pictures"


def test_two_classes_of_two_pictures_are_enough() -> None:
    taught = lesson(TeachRequest(labels=(" red ", "blue"), pictures=(shades(RED, 2), shades(BLUE, 2))))
    assert taught.head.labels == ("red", "blue") and answer(taught, shades(BLUE, 1, seed=5)[0]) == "blue"


def test_a_picture_in_the_wrong_class_is_doubtful() -> None:
    reds = (*shades(RED, 4), shades(BLUE, 1, seed=3)[0])
    taught = lesson(TeachRequest(labels=("red", "blue"), pictures=(reds, shades(BLUE, 5))))
    (doubtful, *_) = taught.doubtful
    assert (doubtful.label, doubtful.index, doubtful.answer, doubtful.right) == ("red", 4, "blue", False)
    assert doubtful.in_words.startswith("red? It looks like blue (")
    assert taught.right < len(taught.verdicts) == 10
    told = taught.as_dict()
    assert told["labels"] == ["red", "blue"] and told["pictures"] == [5, 5] and told["left_out"] == 10
    assert told["verdicts"][4]["doubtful"] and told["verdicts"][4]["answer"] == "blue"
    assert [(v["label"], v["index"]) for v in told["verdicts"]] == [("red", i) for i in range(5)] + [
        ("blue", i) for i in range(5)
    ]


def test_the_most_doubtful_comes_first_and_the_unsure_are_doubtful() -> None:
    sure, unsure = Verdict("a", 0, "a", 0.9, 0.9), Verdict("a", 1, "a", 0.4, 0.4)
    wrong = Verdict("b", 0, "a", 0.1, 0.9)
    taught = Taught(lesson(COLOURS).head, (2, 1), (sure, unsure, wrong), 1.0)
    assert taught.doubtful == (wrong, unsure) and unsure.in_words == "a (40%)"


def test_classes_get_other_names_and_the_rest_stays() -> None:
    taught = lesson(COLOURS)
    renamed = taught.with_labels(["crimson", " lime ", "navy"])
    assert renamed.head.labels == ("crimson", "lime", "navy") and renamed.head.weight is taught.head.weight
    assert {each.label for each in renamed.verdicts} == set(renamed.head.labels) and renamed.right == taught.right
    assert answer(renamed, shades(GREEN, 1, seed=9)[0]) == "lime"
    with pytest.raises(InputError, match="A class has no name"):
        taught.with_labels(["crimson", "", "navy"])


def test_there_is_a_step_for_each_picture_looked_at_and_each_left_out() -> None:
    steps: list[Step[Taught]] = list(run(COLOURS))
    assert [step.done for step in steps] == list(range(1, 25)) and {step.total for step in steps} == {24}
    assert all(step.result is None for step in steps[:-1]) and steps[-1].result is not None and steps[-1].complete


def test_pictures_are_looked_at_in_turns() -> None:
    assert in_turns([3, 1, 2]) == [(0, 0), (1, 0), (2, 0), (0, 1), (2, 1), (0, 2)]


def test_a_request_and_a_result_pickle() -> None:
    request = pickle.loads(pickle.dumps(COLOURS))
    assert request.labels == COLOURS.labels
    for sent, given in zip(request.pictures, COLOURS.pictures, strict=True):
        np.testing.assert_array_equal(np.stack(sent), np.stack(given))
    original = lesson(COLOURS)
    taught = pickle.loads(pickle.dumps(original))
    for head in (taught.head, load_head(save_head(taught.head))):
        np.testing.assert_array_equal(head.weight, original.head.weight)
        np.testing.assert_array_equal(head.bias, original.head.bias)
        assert head.labels == original.head.labels
    assert (taught.counts, taught.verdicts) == (original.counts, original.verdicts)


def slow_features(monkeypatch: pytest.MonkeyPatch, clock: Clock) -> None:
    """Each picture takes a second."""

    def features(image: ImageArray, device: str = "auto") -> Any:
        clock.passes(1)
        return colour_features(image)

    monkeypatch.setattr(teach, "features_of", features)


def timed(seconds: float) -> TeachRequest:
    return TeachRequest(labels=COLOURS.labels, pictures=COLOURS.pictures, time_limit_s=seconds)


def test_where_time_runs_out_the_head_is_of_the_pictures_so_far(monkeypatch: pytest.MonkeyPatch) -> None:
    slow_features(monkeypatch, set_clock(monkeypatch))
    last = last_step(run(timed(8)))
    taught = last.result
    assert taught is not None and not last.complete
    assert taught.counts == (3, 3, 2) and len(taught.verdicts) == 1
    assert answer(taught, shades(GREEN, 1, seed=7)[0]) == "green"


@pytest.mark.parametrize(
    ("count", "words"),
    [
        (1, "Only 1 of 12 pictures was tested: too few to say how good it is"),
        (5, "Only 5 of 12 pictures were tested: too few to say how good it is"),
        (6, "6 of 6 right when tested on its own pictures, 6 not tested"),
        (12, "12 of 12 right when tested on its own pictures"),
    ],
)
def test_how_good_it_is_is_said_when_half_of_the_pictures_were_left_out(count: int, words: str) -> None:
    taught = lesson(COLOURS)
    assert replace(taught, verdicts=taught.verdicts[:count]).in_words == words


def test_the_time_left_is_measured_for_looking_and_leaving_out_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = set_clock(monkeypatch)
    slow_features(monkeypatch, clock)

    def slowly(*given: Any) -> Any:
        for shares in left_out(*given):
            clock.passes(0.1)
            yield shares

    monkeypatch.setattr(teach, "left_out", slowly)
    left = [step.seconds_left for step in run(COLOURS)]
    looks = teach.lesson_looks([4, 4, 4])
    assert looks == pytest.approx(12 + 12 * 3 * LEFT_OUT_LOOKS)
    assert left[0] is None  # the first picture may have prepared the network
    assert left[1:12] == pytest.approx([looks - looked_at for looked_at in range(2, 13)])
    assert left[12:] == pytest.approx([0.1 * (12 - out) for out in range(1, 13)])


def test_too_little_time_for_two_pictures_of_each_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    slow_features(monkeypatch, set_clock(monkeypatch))
    with pytest.raises(InputError, match="The time of 5 s ran out after 5 pictures"):
        last_step(run(timed(5)))


@pytest.mark.parametrize(
    ("labels", "counts", "message"),
    [
        (["red"], [5], "needs 2 to 10 classes; these are 1"),
        (["red", "blue"], [5, 1], "The class blue needs 2 pictures or more; it has 1"),
        (["red", "blue"], [51, 2], "The class red has 51 pictures; the limit is 50"),
        (["a", "b", "c"], [40, 40, 40], "These are 120 pictures; the limit is 100 in all"),
        (["red", "Red"], [5, 5], "Two classes are named red"),
    ],
)
def test_a_lesson_that_is_none_is_one_sentence(labels: list[str], counts: list[int], message: str) -> None:
    with pytest.raises(InputError, match=message):
        check_classes(labels, counts)
    with pytest.raises(InputError, match=message):
        lesson(TeachRequest(labels=tuple(labels), pictures=tuple((shades(RED, 1)[0],) * count for count in counts)))


def test_labels_and_counts_have_to_agree() -> None:
    with pytest.raises(ValueError, match="got 2 labels and 1 counts"):
        check_classes(["a", "b"], [2])


def test_pictures_that_all_look_the_same_are_told() -> None:
    same = (shades(RED, 1)[0],) * 2
    with pytest.raises(InputError, match="All pictures look the same to the network"):
        lesson(TeachRequest(labels=("a", "b"), pictures=(same, same)))


def test_a_large_picture_waits_reduced() -> None:
    data = io.BytesIO()
    Image.fromarray(np.zeros((1000, 2000, 3), np.uint8)).save(data, format="JPEG")
    assert read_reduced(data.getvalue()).shape == (320, 640, 3)
