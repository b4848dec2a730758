"""The loss by the number of classes: binary for two, categorical for more."""

import pytest
import torch
import torch.nn.functional as F

from train.classify.losses import classification_loss

TWO = torch.tensor([[2.0, -1.0], [0.5, 0.0], [-3.0, 1.0]])
TARGETS = torch.tensor([[1.0, 0.0], [0.3, 0.7], [0.0, 1.0]])


def test_known_answers_of_the_binary_loss() -> None:
    one_output = torch.tensor([[0.0], [0.0]])
    assert classification_loss(one_output, torch.eye(2)).item() == pytest.approx(0.6931, abs=1e-4)
    sure = torch.tensor([[-20.0], [20.0]])
    assert classification_loss(sure, torch.eye(2)).item() == pytest.approx(0.0, abs=1e-6)
    assert classification_loss(sure, torch.eye(2).flip(1)).item() == pytest.approx(20.0)


@pytest.mark.parametrize("label_smoothing", [0.0, 0.2])
@pytest.mark.parametrize("class_weights", [None, torch.tensor([0.5, 2.0])])
def test_of_two_classes_one_output_two_outputs_and_the_categorical_loss_agree(
    label_smoothing: float, class_weights: torch.Tensor | None
) -> None:
    options = {"label_smoothing": label_smoothing, "class_weights": class_weights}
    two = classification_loss(TWO, TARGETS, **options)
    one = classification_loss(TWO[:, 1:] - TWO[:, :1], TARGETS, **options)
    categorical = F.cross_entropy(TWO, TARGETS, weight=class_weights, label_smoothing=label_smoothing)
    assert one.item() == pytest.approx(two.item(), abs=1e-6)
    assert two.item() == pytest.approx(categorical.item(), abs=1e-6)


def test_which_loss_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(F, "cross_entropy", lambda *_, **__: torch.tensor(-1.0))
    assert classification_loss(TWO, TARGETS).item() > 0  # binary
    assert classification_loss(torch.zeros(2, 3), torch.eye(3)[:2]).item() == -1  # categorical


def test_outputs_must_fit_the_classes() -> None:
    with pytest.raises(ValueError, match="1 outputs for 3 classes"):
        classification_loss(torch.zeros(2, 1), torch.eye(3)[:2])
