"""SMOTE: what it makes and what it leaves alone; weights; and that both help a regression on unbalanced features."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from train.classify.balance import balanced, samples_of, smote
from train.classify.features import FeatureConfig, Features, FeatureTask
from train.classify.measures import recalls
from train.data.read_pictures import Listing
from train.engine.loop import seeded
from train.recipes import cats_dogs_features

CPU = torch.device("cpu")


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def crowd(counts: list[int], seed: int = 0, views: int = 1) -> tuple[Tensor, Tensor]:
    """Features (N, V, 4) of classes of these sizes around centres that overlap a little."""
    labels = torch.arange(len(counts)).repeat_interleave(torch.tensor(counts))
    centres = 1.5 * torch.eye(len(counts), 4)
    values = centres[labels] + torch.randn(len(labels), 4, generator=generator(seed))
    return values[:, None].repeat(1, views, 1) + torch.arange(views)[:, None] * 10.0, labels


def test_every_class_has_as_many_as_the_largest_and_what_was_there_comes_first() -> None:
    values, labels = crowd([40, 7, 3])
    more, more_labels = smote(values, labels, generator())
    assert more_labels.bincount().tolist() == [40, 40, 40]
    assert torch.equal(more[:50], values) and torch.equal(more_labels[:50], labels)
    assert samples_of("smote", labels.numpy()) == 120 and samples_of("weights", labels.numpy()) == 50


def test_the_synthetic_of_two_lie_on_the_line_between_them() -> None:
    values = torch.tensor([[[0.0, 0.0]], [[4.0, 2.0]], *[[[9.0, 9.0]]] * 102])
    labels = torch.tensor([0, 0, *[1] * 102])
    made = smote(values, labels, generator())[0][104:, 0]
    assert len(made) == 100
    assert torch.allclose(made[:, 0], 2 * made[:, 1])
    assert made[:, 0].min() >= 0 and made[:, 0].max() <= 4 and 1.5 < made[:, 0].mean() < 2.5
    assert made[:, 0].std() > 0.9  # uniform on [0, 4]: 1.15


def test_lines_end_at_the_nearest() -> None:
    """Two groups of a class far from each other: nothing is made between them."""
    near, far = torch.randn(6, 1, 2, generator=generator()), 100 + torch.randn(6, 1, 2, generator=generator(1))
    values = torch.cat([near, far, torch.zeros(400, 1, 2)])
    labels = torch.tensor([0] * 12 + [1] * 400)
    made = smote(values, labels, generator(), neighbours=3)[0][412:, 0]
    assert ((made.abs() < 5).all(dim=1) | ((made - 100).abs() < 5).all(dim=1)).all()
    assert any(20 < value < 80 for value in smote(values, labels, generator(), neighbours=11)[0][412:, 0, 0])


def test_each_sample_begins_as_many_lines_as_the_others() -> None:
    corners = torch.tensor([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0]])[:, None]
    values = torch.cat([corners, torch.full((9, 1, 2), 5.0)])
    labels = torch.tensor([0] * 3 + [1] * 9)
    made = smote(values, labels, generator(), neighbours=1)[0][12:, 0]
    # the nearest of (0, 1) and (1, 0) is (0, 0): two lines for each of the three
    assert len(made) == 6 and (made[:, 1] > 0).sum() >= 2 and (made[:, 0] > 0).sum() >= 2


def test_all_views_are_made_of_the_same_two() -> None:
    values, labels = crowd([30, 5], views=2)
    made = smote(values, labels, generator())[0][35:]
    assert torch.allclose(made[:, 1], made[:, 0] + 10, atol=1e-5)


def test_half_precision_stays_and_the_generator_decides() -> None:
    values, labels = crowd([30, 5])
    first, again, other = (smote(values.half(), labels, generator(seed))[0] for seed in (0, 0, 1))
    assert first.dtype == torch.float16 and torch.equal(first, again) and not torch.equal(first, other)


def test_one_sample_alone_has_no_neighbour() -> None:
    values, labels = crowd([5, 1])
    with pytest.raises(ValueError, match="one alone has no neighbour"):
        smote(values, labels, generator())
    single, its_label = crowd([1, 1])
    assert torch.equal(smote(single, its_label, generator())[0], single)  # nothing is wanted


def test_weights_are_those_of_rare_classes_and_add_no_samples() -> None:
    values, labels = crowd([30, 10])
    same, _, weights = balanced("weights", values, labels, 2, generator())
    assert torch.equal(same, values) and (weights[1] / weights[0]).item() == pytest.approx(3)
    assert balanced("none", values, labels, 2, generator())[2].tolist() == [1, 1]


def regression(balance: str) -> FeatureTask:
    config = FeatureConfig(
        epochs=0, steps=150, batch_size=60, lr=0.05, l2=(1e-3, 1.0), evaluate_every=0, balance=balance
    )
    names = ["frequent", "rare"]
    train, validation = (Features(*crowd([190, 10], seed), names) for seed in (0, 1))
    task = FeatureTask(config, train, validation, CPU, False)
    for step in range(config.steps):
        task.step(step, seeded("step", 0, step))
    return task


def recall_of_rare(task: FeatureTask) -> float:
    values, labels = crowd([500, 500], seed=2)
    return float(recalls(task.heads(values[:, 0])[0].detach(), labels)[1])


@pytest.mark.parametrize("balance", ["weights", "smote"])
def test_balance_finds_more_of_the_rare(balance: str) -> None:
    plain, better = regression("none"), regression(balance)
    assert recall_of_rare(plain) < 0.6 < 0.75 < recall_of_rare(better)
    assert len(better.data.labels) == 200  # the pictures, which the card counts
    measured = better.evaluate(better.heads)
    assert 0 < measured["balanced_accuracy"] <= 100
    assert "balanced_accuracy" not in plain.evaluate(plain.heads)


def test_the_strength_is_chosen_by_the_loss_that_counts_classes_alike() -> None:
    task = regression("weights")
    logits = task.heads(task.validation.values[:, 0]).detach()
    each = [
        torch.nn.functional.cross_entropy(logits[0][task.validation.labels == c], torch.full((n,), c)).item()
        for c, n in ((0, 190), (1, 10))
    ]
    assert task.scores(task.heads)[0]["loss"] == pytest.approx(sum(each) / 2, rel=1e-4)


def test_an_epoch_with_smote_is_longer() -> None:
    config = FeatureConfig(epochs=2, batch_size=20, l2=(1e-3,))
    data = Features(*crowd([60, 20]), ["a", "b"])
    steps = [
        FeatureTask(replace(config, balance=way), data, data, CPU, False).config.steps for way in ("none", "smote")
    ]
    assert steps == [8, 12]


def test_the_recorded_steps_of_a_run_with_smote_are_accepted() -> None:
    """`refresh` gives a run its steps too; they are checked before any picture is read."""
    listing = Listing([Path("a.png")] * 80, np.repeat([0, 1], [60, 20]), ["cat", "dog"])
    data = replace(cats_dogs_features.CATS_DOGS, read=lambda data, split: listing)
    recipe = replace(cats_dogs_features.RECIPE, data=data)
    config = cats_dogs_features.CatsDogsConfig(balance="smote", epochs=2, batch_size=20, steps=12)
    recipe._refuse_early(config, Path())
    with pytest.raises(ValueError, match="2 epochs are 8 steps"):
        recipe._refuse_early(replace(config, balance="none"), Path())
