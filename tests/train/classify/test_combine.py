"""Every rule that makes one answer of several: known answers, and what is chosen from the pictures that it is given."""

import math

import numpy as np
import pytest
import torch
from sklearn.model_selection import train_test_split
from torch import Tensor

from train.classify import combine
from train.classify.combine import (
    FITTED,
    FIXED,
    METHODS,
    choose_weights,
    correlation,
    fit,
    leave_one_out,
    majority_vote,
    mean_probability,
    rank_average,
    right_probability,
    weighted_mean,
)


def from_probabilities(*members: list[list[float]]) -> Tensor:
    """Logits (M, N, K) of members with these probabilities."""
    return torch.tensor(members, dtype=torch.float64).log()


# of one picture: two members are a little for class 0, one is all for class 1
TWO_AGAINST_ONE = from_probabilities([[0.5, 0.4, 0.1]], [[0.5, 0.4, 0.1]], [[0.01, 0.98, 0.01]])


def test_the_mean_of_probabilities_is_not_the_mean_of_logits() -> None:
    sure, unsure = torch.tensor([[10.0, 0.0]]), torch.tensor([[0.0, 1.0]])
    expected = (sure.softmax(1) + unsure.softmax(1)) / 2
    assert torch.allclose(mean_probability(torch.stack([sure, unsure])).exp(), expected)


def test_the_mean_follows_the_sure_and_the_vote_the_many() -> None:
    assert mean_probability(TWO_AGAINST_ONE).argmax().item() == 1
    assert majority_vote(TWO_AGAINST_ONE).argmax().item() == 0
    assert majority_vote(TWO_AGAINST_ONE)[0].floor().tolist() == [2, 1, 0]


def test_the_mean_probability_decides_where_votes_are_equal() -> None:
    tie = from_probabilities([[0.6, 0.3, 0.1]], [[0.05, 0.9, 0.05]])
    assert majority_vote(tie).argmax().item() == 1


def test_ranks_are_summed_over_members() -> None:
    # class 0: ranks 2, 2, 0; class 1: 1, 1, 2; class 2: 0, 0, 1
    members = from_probabilities([[0.5, 0.4, 0.1]], [[0.5, 0.4, 0.1]], [[0.01, 0.7, 0.29]])
    assert rank_average(members)[0].floor().tolist() == [4, 4, 1]
    assert rank_average(members).argmax().item() == 1  # of two equals the one with the higher mean probability


def test_ranks_do_not_feel_how_sure_a_member_is() -> None:
    hot = TWO_AGAINST_ONE.clone()
    hot[2] *= 50
    assert torch.equal(rank_average(hot).floor(), rank_average(TWO_AGAINST_ONE).floor())


def test_weights_weigh_probabilities() -> None:
    members = from_probabilities([[0.8, 0.2]], [[0.4, 0.6]])
    assert weighted_mean(members, torch.tensor([0.25, 0.75])).exp()[0].tolist() == pytest.approx([0.5, 0.5])
    assert torch.allclose(weighted_mean(members, torch.tensor([0.5, 0.5])), mean_probability(members))


def two_members(share: float, n: int = 200) -> tuple[Tensor, Tensor]:
    """One is right with 0.8 on that share of the pictures and with 0.2 on the rest, the other the other way round."""
    first = torch.arange(n) < round(share * n)
    right = torch.stack([torch.where(first, 0.8, 0.2), torch.where(first, 0.2, 0.8)]).double()
    return torch.stack([right, 1 - right], dim=2).log(), torch.zeros(n, dtype=torch.int64)


@pytest.mark.parametrize(("share", "weight"), [(0.5, 0.5), (0.65, 0.75), (0.35, 0.25), (0.8, 1.0), (1.0, 1.0)])
def test_weights_have_the_lowest_cross_entropy(share: float, weight: float) -> None:
    """The derivative of share * log(0.2 + 0.6 w) + (1 - share) * log(0.8 - 0.6 w) is 0 at w = (share - 0.2) / 0.6."""
    weights = choose_weights(*two_members(share))
    assert weights[0].item() == pytest.approx(weight, abs=0.01)
    assert weights.sum().item() == pytest.approx(1)


def blind_and_seeing(seed: int, n: int = 120) -> tuple[Tensor, Tensor]:
    """Three classes; a member of noise, and one that knows the class and names the next one: wrong every time."""
    generator = torch.Generator().manual_seed(seed)
    labels = torch.arange(n) % 3
    shifted = torch.nn.functional.one_hot((labels + 1) % 3, 3).float()
    noise = torch.randn(2, n, 3, generator=generator)
    return torch.stack([noise[0], 3 * shifted + 0.5 * noise[1]]), labels


@pytest.mark.parametrize("method", ["stacking", "blending"])
def test_a_regression_learns_what_no_weights_can(method: combine.Method) -> None:
    logits, labels = blind_and_seeing(0)
    others, truth = blind_and_seeing(1)
    scores = fit(method, logits, labels)(others)
    assert scores.shape == (120, 3)
    assert scores.exp().sum(dim=1).tolist() == pytest.approx([1.0] * 120, abs=1e-4)
    assert (scores.argmax(dim=1) == truth).double().mean() > 0.95
    weighted = fit("weights", logits, labels)(others)
    assert (weighted.argmax(dim=1) == truth).double().mean() < 0.5


def test_what_is_added_to_all_logits_of_a_picture_changes_no_answer() -> None:
    logits, labels = blind_and_seeing(0)
    others, _ = blind_and_seeing(1)
    for method, rule in [*FIXED.items(), *((name, fit(name, logits, labels)) for name in FITTED)]:
        assert torch.allclose(rule(others + 5), rule(others), atol=1e-3), method


def test_blending_keeps_a_part_of_the_pictures_back() -> None:
    """Nothing is learnt from that part: the rule is as good where its answers are wiped out, and no good without the
    others."""
    logits, labels = blind_and_seeing(0)
    _, kept_back = train_test_split(
        np.arange(120), test_size=combine.KEPT_BACK, stratify=labels.numpy(), random_state=0
    )
    assert len(kept_back) == 40
    rest = np.setdiff1d(np.arange(120), kept_back)
    for wiped, least, most in ((kept_back, 0.95, 1.0), (rest, 0.0, 0.5)):
        given = logits.clone()
        given[:, wiped] = 0.0
        right = (fit("blending", given, labels)(logits).argmax(dim=1) == labels).double().mean()
        assert least <= right <= most


@pytest.mark.parametrize("method", ["stacking", "blending"])
@pytest.mark.parametrize("strengths", [(1e-9, 1.0), (1.0, 1e-9)])
def test_the_strength_of_the_penalty_is_chosen(
    method: combine.Method, strengths: tuple[float, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(combine, "STRENGTHS", strengths)
    logits, labels = blind_and_seeing(0)
    sure = fit(method, logits, labels)(logits).exp().amax(dim=1)
    assert sure.mean() > 0.9  # with 1e-9 every class has a third


@pytest.mark.parametrize("method", ["stacking", "blending"])
def test_a_regression_needs_every_class(method: combine.Method) -> None:
    logits, labels = blind_and_seeing(0)
    few = torch.where(labels == 2, 1, labels)
    few[:2] = 2
    with pytest.raises(ValueError, match="3 pictures or more of each class, one class has 2"):
        fit(method, logits, few)


def test_every_method_is_fixed_or_fitted() -> None:
    assert set(METHODS) == set(FIXED) | set(FITTED) and not set(FIXED) & set(FITTED)
    with pytest.raises(ValueError, match="vote learns nothing from pictures; weights, stacking, blending do"):
        fit("vote", *two_members(0.5))


def test_the_probability_of_the_right_class() -> None:
    members = from_probabilities([[0.8, 0.2], [0.3, 0.7]], [[0.4, 0.6], [0.9, 0.1]])
    assert right_probability(members, torch.tensor([0, 1])).flatten().tolist() == pytest.approx([0.8, 0.7, 0.4, 0.1])


def test_correlation_of_a_known_answer() -> None:
    """One member, its opposite, and one that has nothing to do with them."""
    right = torch.tensor([[0.2, 0.4, 0.6, 0.8], [0.8, 0.6, 0.4, 0.2], [0.3, 0.7, 0.7, 0.3]]).double()
    logits = torch.stack([right, 1 - right], dim=2).log()
    expected = np.array([[1.0, -1, 0], [-1, 1, 0], [0, 0, 1]])
    assert correlation(logits, torch.zeros(4, dtype=torch.int64)) == pytest.approx(expected, abs=1e-6)


def test_a_member_without_an_opinion_has_no_correlation() -> None:
    logits, labels = two_members(0.5)
    matrix = correlation(torch.cat([logits, torch.zeros_like(logits[:1])]), labels)
    assert math.isnan(matrix[0, 2]) and matrix[0, 1] == pytest.approx(-1)


def test_the_variance_of_the_mean_is_the_mean_of_the_covariances() -> None:
    """The reason why the correlation is that of the right class's probability."""
    logits, labels = blind_and_seeing(0)
    right = right_probability(logits, labels).double().numpy()
    spread = np.outer(right.std(axis=1), right.std(axis=1))
    assert right.mean(axis=0).var() == pytest.approx((correlation(logits, labels) * spread).mean())


def test_each_member_is_left_out_in_turn() -> None:
    without = leave_one_out(TWO_AGAINST_ONE)
    assert len(without) == 3
    assert torch.allclose(without[2], mean_probability(TWO_AGAINST_ONE[:2]))
    assert [scores.argmax().item() for scores in without] == [1, 1, 0]
    with pytest.raises(ValueError, match="cannot be left out of one"):
        leave_one_out(TWO_AGAINST_ONE[:1])


@pytest.mark.parametrize("shape", [(2, 3), (0, 2, 3), (2, 0, 3)])
def test_answers_of_other_shapes_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"need logits \(members, pictures, classes\)"):
        mean_probability(torch.zeros(shape))
