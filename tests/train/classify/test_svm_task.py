"""Support vector machines on features: what scikit-learn solves is what the heads hold, one strength a step."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from sklearn.svm import LinearSVC

from tests.train.classify.test_features import CPU, SMALL, blobs
from train.classify.features import Features
from train.classify.svm_task import SvmTask, rows_of
from train.engine.loop import Trainer, seeded

CONFIG = replace(SMALL, classifier="svm", l2=(1e-3, 1e-1, 10.0), epochs=20, steps=0, evaluate_every=1)


def test_each_strength_is_a_step_and_validation_chooses_one(tmp_path: Path) -> None:
    task = SvmTask(CONFIG, blobs(300, 0), blobs(90, 1), CPU, False)
    assert (task.config.epochs, task.config.steps) == (0, 3)
    trainer = Trainer(task, task.config, tmp_path / "run")
    assert trainer.run()
    scores = task.evaluate(task.heads)
    assert scores["rank1"] > 95 and scores["l2"] in CONFIG.l2
    lengths = task.heads.weight.detach().square().sum(dim=(1, 2))
    assert lengths[0] > lengths[1] > lengths[2] > 0  # a stronger penalty, shorter weights
    assert (tmp_path / "run" / "best.pt").exists()


def test_the_heads_answer_as_the_solver_does() -> None:
    data = blobs(120, 0, views=1)
    task = SvmTask(replace(CONFIG, l2=(1e-2,)), data, data, CPU, False)
    logs = task.step(0, seeded("step", 0, 0))
    standard = (data.values[:, 0].float() - task.heads.mean) * task.heads.scale
    solver = LinearSVC(C=1 / (1e-2 * 120), random_state=0).fit(standard.numpy(), data.labels.numpy())
    wanted = torch.from_numpy(solver.decision_function(standard.numpy())).float()
    torch.testing.assert_close(task.heads(data.values[:, 0].float())[0], wanted, atol=1e-2, rtol=1e-2)
    assert logs["rank1"] > 95 and logs["loss"] > 0


def test_a_rare_class_is_balanced() -> None:
    """Without weights or SMOTE, a machine with a strong penalty forgets a class of one picture in thirty."""
    full = blobs(300, 0, views=1)
    rare = torch.cat([(full.labels != 0).nonzero()[:, 0], (full.labels == 0).nonzero()[:4, 0]])
    data = replace(full, values=full.values[rare], labels=full.labels[rare])
    found = {}
    for balance in ("none", "weights", "smote"):
        task = SvmTask(replace(CONFIG, l2=(10.0,), balance=balance), data, full, CPU, False)
        task.step(0, seeded("step", 0, 0))
        assert task.evaluate(task.heads)["l2"] == 10.0
        answers = task.heads(full.values[:, 0].float())[0].argmax(dim=1)
        found[balance] = float((answers == 0)[full.labels == 0].float().mean())
    assert found["none"] < 0.5 < min(found["weights"], found["smote"])


def test_of_two_classes_the_rows_are_opposite_and_an_unseen_class_never_wins() -> None:
    features = torch.tensor([[0.0, 1.0], [1.0, 0.0], [0.1, 1.0], [1.0, 0.1]]).numpy()
    solver = LinearSVC().fit(features, [0, 2, 0, 2])
    weight, bias = rows_of(solver, 3)
    assert torch.equal(weight[0], -weight[2]) and torch.equal(weight[1], torch.zeros(2)) and bias[1] == -1
    margins = torch.from_numpy(features) @ weight.T + bias
    assert margins.argmax(dim=1).tolist() == [0, 2, 0, 2]
    difference = torch.from_numpy(solver.decision_function(features)).float()
    torch.testing.assert_close(margins[:, 2] - margins[:, 0], difference)


@pytest.mark.parametrize("evaluate_every", [0, 1])
def test_measures_stay_off_where_they_are(evaluate_every: int) -> None:
    data: Features = blobs(30, 0)
    task = SvmTask(replace(CONFIG, evaluate_every=evaluate_every), data, data, CPU, False)
    assert bool(task.config.evaluate_every) == bool(evaluate_every)
