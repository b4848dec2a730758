"""Accuracies of known answers, and the drawing of the confusion matrix."""

import numpy as np
import pytest
import torch

from train.classify.measures import (
    balanced_accuracy,
    confusion_matrix,
    draw_confusion,
    measure,
    measure_balanced,
    recalls,
    timed_result,
)

LABELS = torch.tensor([0, 1, 2, 0])
LOGITS = torch.tensor([[3.0, 1, 0], [2, 1, 0], [0, 0.5, 2], [0, 1, 5]])  # right, second, right, third


def test_ranks_of_a_known_answer() -> None:
    wide = torch.zeros(2, 10)
    wide[0, :6] = torch.tensor([1.0, 2, 3, 4, 5, 6])  # class 1 is fifth, class 0 is sixth
    wide[1, :6] = torch.tensor([1.0, 2, 3, 4, 5, 6])
    scores = measure(wide, torch.tensor([1, 0]))
    assert scores["rank1"] == 0 and scores["rank5"] == 50
    assert measure(LOGITS, LABELS)["rank1"] == 50 and measure(LOGITS, LABELS)["rank5"] == 100


def test_loss_of_an_undecided_network_is_the_logarithm_of_the_classes() -> None:
    assert measure(torch.zeros(4, 3), LABELS)["loss"] == pytest.approx(np.log(3))


def test_a_result_tells_the_pace() -> None:
    result = timed_result(LOGITS, LABELS, seconds=0.5)
    assert result["n"] == 4 and result["pictures_per_second"] == 8 and result["rank1"] == 50


@pytest.mark.parametrize(("logits", "labels"), [(LOGITS, LABELS[:2]), (LOGITS[:0], LABELS[:0]), (LOGITS[0], LABELS)])
def test_what_does_not_fit_together_is_refused(logits: torch.Tensor, labels: torch.Tensor) -> None:
    with pytest.raises(ValueError, match=r"need \(N, K\) logits"):
        measure(logits, labels)


def test_confusion_counts_true_by_answer() -> None:
    assert confusion_matrix(LOGITS, LABELS).tolist() == [[1, 0, 1], [1, 0, 0], [0, 0, 1]]


def test_the_drawing_is_blue_where_right_and_orange_where_wrong() -> None:
    picture = np.asarray(draw_confusion(np.array([[3, 0], [2, 0]]), ["cat", "dog"])).astype(int)
    blue = (picture[..., 2] > 200) & (picture[..., 0] < 60)
    orange = (picture[..., 0] > 200) & (picture[..., 2] < 60)
    assert 1500 < blue.sum() < 52 * 52 and 1500 < orange.sum() < 52 * 52


def test_many_classes_are_drawn_without_names() -> None:
    picture = draw_confusion(np.eye(200, dtype=np.int64), [f"class {i}" for i in range(200)])
    assert picture.size == (800, 800)
    assert picture.getpixel((2, 2)) == (37, 99, 235) and picture.getpixel((6, 2)) == (255, 255, 255)


def test_a_class_without_a_name_is_refused() -> None:
    with pytest.raises(ValueError, match="one name for each class"):
        draw_confusion(np.eye(3, dtype=np.int64), ["cat", "dog"])


def test_recall_by_class_and_their_mean() -> None:
    logits = torch.eye(3)[torch.tensor([0, 1, 1, 0, 0, 1])]
    labels = torch.tensor([0, 0, 0, 0, 1, 1])  # two of four, one of two, none of the third class
    assert recalls(logits, labels)[:2].tolist() == [0.5, 0.5] and np.isnan(recalls(logits, labels)[2])
    uneven = torch.tensor([0, 0, 0, 0, 0, 1])
    assert recalls(logits, uneven)[:2].tolist() == [0.6, 1] and balanced_accuracy(logits, uneven) == pytest.approx(80)


def test_the_balanced_loss_counts_classes_alike() -> None:
    logits = torch.tensor([[2.0, 0], [2, 0], [2, 0], [2, 0]])
    right, wrong = np.log(1 + np.exp(-2)), np.log(1 + np.exp(2))
    measured = measure_balanced(logits, torch.tensor([0, 0, 0, 1]))
    assert measured["loss"] == pytest.approx((right + wrong) / 2)
    assert measured["balanced_accuracy"] == 50
