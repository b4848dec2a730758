"""The benchmark of forward passes: all engines give the same logits, and ratios are those of the same round."""

import numpy as np
import pytest
import torch

from bench import forward
from cvdemo.classify.classifier import load_classifier


@torch.inference_mode()
def test_all_engines_give_the_same_logits() -> None:
    (member,) = load_classifier("lenet_fashion_mnist", "cpu").members
    ways = forward.engines(member, "lenet_fashion_mnist", 1)
    assert next(iter(ways)) == forward.PEER and {forward.OURS, forward.TORCH} < set(ways) and len(ways) == 5
    differences = forward.largest_differences(ways, torch.randn(1, 1, 28, 28))
    assert differences[forward.TORCH] == 0 and max(differences.values()) < 1e-4


def test_engines_take_turns_and_the_first_answer_is_not_timed() -> None:
    calls: list[str] = []
    ways: dict[str, forward.Engine] = {
        name: lambda pixels, name=name: calls.append(name) or np.zeros(1) for name in "ab"
    }
    times = forward.measured(ways, torch.zeros(1), rounds=2)
    answers = forward.ANSWERS + 1
    assert "".join(calls) == 2 * ("a" * answers + "b" * answers)
    assert [len(times[name]) for name in "ab"] == [2, 2]


def test_the_ratio_is_the_median_over_rounds() -> None:
    times = {forward.PEER: [(1.0, 1.0), (10.0, 1.0), (100.0, 1.0)], "b": [(2.0, 1.0), (15.0, 1.0), (900.0, 1.0)]}
    assert forward.ratio(times, "b") == 2.0
    row = forward.table("as found", times, {forward.PEER: 0.0, "b": 3e-6}).splitlines()[-1]
    assert row == "| b | 15.0 | 1.0 | 2.00 | 3e-06 |"


def test_the_command_prints_both_conditions(capsys: pytest.CaptureFixture[str]) -> None:
    forward.main(["--model", "lenet_fashion_mnist", "--rounds", "1"])
    text = capsys.readouterr().out
    assert "| as found |" in text and "| beside one busy process |" in text
    assert "| torch |" not in text and text.count(f"| {forward.OURS} |") == 2


def test_an_ensemble_is_refused_in_a_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        forward.main(["--model", "cifar10_ensemble"])
    assert "cifar10_ensemble is an ensemble: choose one of its members" in capsys.readouterr().err
