"""Fooling: the change turns the answer, is small, whole, and the same twice; errors in words."""

import numpy as np
import pytest
import torch
from torch import nn

from cvdemo.classify.adversarial import FoolConfig, Fooled, Scores, fool_steps, least_change
from cvdemo.classify.classifier import Classifier, Member, load_classifier
from cvdemo.errors import InputError
from cvdemo.images import ImageArray, Preprocessing
from cvdemo.runtime import Deadline, stopping_when
from tests.classify.test_explain import Linear, classifier_of, small_resnet
from tests.helpers.whole_results import classify, fool


@pytest.fixture(scope="module")
def deep() -> Classifier:
    preprocessing = Preprocessing(input_px=32, resize_px=32, mean=(0.5,) * 3, std=(0.25,) * 3)
    return Classifier((Member(small_resnet(0), preprocessing),), list("abc"), torch.device("cpu"))


@pytest.fixture(scope="module")
def pair() -> Classifier:
    preprocessing = Preprocessing(input_px=32, resize_px=32, mean=(0.5,) * 3, std=(0.25,) * 3)
    members = tuple(Member(small_resnet(seed), preprocessing) for seed in (0, 1))
    return Classifier(members, list("abc"), torch.device("cpu"))


@pytest.mark.parametrize("kind", ["deep", "pair"])
@pytest.mark.parametrize("rank", [None, 1, 2])
def test_the_changed_picture_gets_the_other_answer(
    request: pytest.FixtureRequest, noise: ImageArray, kind: str, rank: int | None
) -> None:
    """These networks take pictures of 32 px as they are, so the changed crop can be classified like any picture."""
    classifier = request.getfixturevalue(kind)
    before = classify(noise, classifier)
    target = None if rank is None else before.classes[rank]
    found = fool(noise, classifier, target=target)
    again = classify(found.changed, classifier)
    assert again.classes == found.after.classes and again.classes[0] != before.classes[0]
    assert target is None or again.classes[0] == target
    assert found.before.classes == before.classes
    assert 0 < found.rms < 20


def test_it_is_the_same_twice(deep: Classifier, noise: ImageArray) -> None:
    first, second = fool(noise, deep), fool(noise, deep)
    assert np.array_equal(first.changed, second.changed)


def test_a_linear_network_is_fooled_by_the_shortest_way(noise: ImageArray) -> None:
    """The distance to the border is known: the lead over the norm of the difference of the weights."""
    classifier = classifier_of(Linear(8))
    found = fool(noise, classifier)
    levels = torch.from_numpy(found.crop).permute(2, 0, 1)[None].float()
    margin, gradient = Scores(levels, classifier).border(found.after.classes[0])
    shortest = -margin / float(gradient.norm())
    assert margin < 0 and shortest <= found.l2 < 1.2 * shortest + np.sqrt(3 * 64) / 2


def test_without_a_target_the_nearest_class_is_taken(noise: ImageArray) -> None:
    classifier = classifier_of(Linear(8))
    before = classify(noise, classifier)
    sizes = {target: fool(noise, classifier, target=target).l2 for target in before.classes[1:]}
    chosen = fool(noise, classifier)
    assert chosen.l2 == pytest.approx(min(sizes.values()))
    levels = torch.from_numpy(chosen.crop).permute(2, 0, 1)[None].float()
    assert Scores(levels, classifier).nearest_rival(before) == min(sizes, key=lambda target: sizes[target])


def test_the_least_change_is_whole_reaches_its_goal_and_stays_in_range() -> None:
    levels = torch.randint(0, 256, (1, 3, 6, 6)).float()
    gradient = torch.randn(1, 3, 6, 6)
    for needed in (0.5, 20.0, 2000.0):
        change = least_change(gradient, needed, levels)
        assert torch.equal(change, change.round())
        assert (levels + change).min() >= 0 and (levels + change).max() <= 255
        assert float((gradient * change).sum()) >= needed
        free = gradient * (needed / float(gradient.square().sum()))  # the shortest without grid and range
        assert change.norm() >= free.norm() - 1e-4


def test_what_is_out_of_reach_changes_all_it_can() -> None:
    levels = torch.full((1, 1, 2, 2), 100.0)
    change = least_change(torch.tensor([[[[1.0, -1.0], [2.0, 0.0]]]]), 1e9, levels)
    assert change.flatten().tolist() == [155, -100, 155, 0]
    assert least_change(torch.zeros(1, 1, 2, 2), 1.0, levels).abs().max() == 0
    assert least_change(torch.ones(1, 1, 2, 2), -1.0, levels).abs().max() == 0


def test_every_step_has_the_best_change_so_far_and_shows_it_when_it_is_new(deep: Classifier, noise: ImageArray) -> None:
    steps = list(fool_steps(noise, deep, FoolConfig(steps=12)))
    assert [step.done for step in steps] == list(range(1, len(steps) + 1)) and steps[-1].total == steps[-1].done
    best: Fooled | None = None
    for step in steps:
        assert (step.preview is not None) == (step.partial is not best)
        if step.preview is not None and step.partial is not None:
            assert np.array_equal(step.preview, step.partial.changed)
        best = step.partial
    assert best is not None and steps[-1].result is best and steps[-1].complete
    assert all(list(step.measures) == [best.after.labels[0]] for step in steps)


class Asked:
    """A question that is answered with yes from the n-th time on."""

    def __init__(self, patience: int) -> None:
        self.left = patience

    def __call__(self) -> bool:
        self.left -= 1
        return self.left < 0


def test_who_leaves_ends_the_search_with_the_best_so_far(deep: Classifier, noise: ImageArray) -> None:
    whole = list(fool_steps(noise, deep))
    first = next(step.done for step in whole if step.partial is not None)
    with stopping_when(Asked(first)):
        steps = list(fool_steps(noise, deep))
    last = steps[-1]
    assert last.done == len(steps) < len(whole) and not last.complete and last.total == 25
    assert last.result is not None and last.result.rms >= whole[-1].result.rms  # type: ignore[union-attr]  # it has one


def test_a_network_sees_each_picture_once(deep: Classifier, noise: ImageArray, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[bytes] = []
    logits = Classifier.logits
    monkeypatch.setattr(
        Classifier, "logits", lambda self, crops: seen.append(crops.detach().numpy().tobytes()) or logits(self, crops)
    )
    steps = list(fool_steps(noise, deep, FoolConfig(steps=4)))
    assert len(seen) == len(set(seen)) == len(steps)


def test_a_blind_network_cannot_be_fooled(noise: ImageArray) -> None:
    blind = Linear(8)
    nn.init.zeros_(blind.weight)
    with pytest.raises(InputError, match=r"The answer did not turn into [abc] within 3 steps"):
        fool(noise, classifier_of(blind), FoolConfig(steps=3))


def test_after_a_time_out_the_limit_is_named(noise: ImageArray) -> None:
    blind = Linear(8)
    nn.init.zeros_(blind.weight)
    with pytest.raises(InputError, match=r"The answer did not turn into [abc] within 0\.01 s; choose"):
        fool(noise, classifier_of(blind), FoolConfig(steps=200), deadline=Deadline(0.01))


def test_the_answer_itself_is_no_target(deep: Classifier, noise: ImageArray) -> None:
    with pytest.raises(InputError, match=r"The answer is [abc] already; choose another one to turn it into"):
        fool(noise, deep, target=classify(noise, deep).classes[0])


@pytest.mark.parametrize(("largest", "times"), [(1, 100), (2, 50), (5, 20), (100, 1), (255, 1)])
def test_the_difference_is_amplified_as_far_as_it_fits(largest: int, times: int, deep: Classifier) -> None:
    crop = np.zeros((4, 4, 3), np.uint8)
    changed = crop.copy()
    changed[0, 0] = largest
    prediction = classify(crop, deep)
    found = Fooled(crop, changed, prediction, prediction)
    assert found.amplification == times
    assert found.difference_picture()[0, 0, 0] == min(255, 128 + times * largest)
    assert found.difference_picture()[1, 1].tolist() == [128] * 3
    assert found.l2 == pytest.approx(largest * 3**0.5) and found.rms == pytest.approx(largest * (1 / 16) ** 0.5)


@pytest.mark.slow
def test_the_shipped_network_is_fooled_by_less_than_a_grey_level(cheetah: ImageArray) -> None:
    """On average: the root mean square over all pixels."""
    found = fool(cheetah, load_classifier(), FoolConfig(steps=12))
    assert found.before.labels[0] == "cheetah" != found.after.labels[0]
    assert found.rms < 1
