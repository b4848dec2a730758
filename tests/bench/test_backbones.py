"""The comparison of backbones: sizes, turns, and the share of pictures that are named rightly."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from bench import backbones
from cvdemo.images import Preprocessing
from cvdemo.nets.efficientnet_lite import EfficientNetLite
from train.classify.import_backbone import PREPROCESSING


def always(index: int) -> backbones.Candidate:
    """A network that names one class, whatever it sees."""
    logits = torch.zeros(1, 1000)
    logits[0, index] = 1
    fields: dict[str, Any] = {**PREPROCESSING, "input_px": 32, "resize_px": 40}
    return backbones.Candidate(lambda pixels: logits, Preprocessing(**fields), 1_000_000)


def test_a_candidate_answers_at_its_own_size() -> None:
    torch.manual_seed(0)
    found = backbones.candidate("lite1", EfficientNetLite(variant="lite1").eval())
    assert (found.preprocessing.input_px, found.preprocessing.resize_px) == (240, 272)
    assert found.forward(torch.zeros(1, 3, 240, 240)).shape == (1, 1000)


def test_networks_take_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backbones, "ANSWERS", 2)
    times = backbones.times_ms({"lite0": always(0), "lite1": always(1)}, rounds=3)
    assert [len(found) for found in times.values()] == [3, 3]


def test_the_share_of_right_names(tmp_path: Path) -> None:
    for name in list(backbones.CLASSES)[:10]:
        (tmp_path / name).mkdir()
        Image.new("RGB", (48, 40)).save(tmp_path / name / "a.png")
    pictures = backbones.pictures_in(tmp_path)
    assert len(pictures) == 10
    hits = backbones.right({"lite0": always(155), "lite1": always(3)}, pictures)
    assert hits["lite0"].mean(axis=0).tolist() == [0.1, pytest.approx(hits["lite0"][:, 1].mean())]
    assert hits["lite1"][:, 0].sum() == 0
    row = backbones.table({"lite0": always(155)}, {"free cores": {"lite0": [8.0, 9.0, 30.0]}}, {"lite0": np.eye(2)})
    assert row.splitlines()[-1] == "| lite0 | 1.00 | 2.0 | 75.1 | 9.0 | 50.0 | 50.0 |"
    row = backbones.table({"lite2, stored": always(155)}, {}, {})
    assert row.splitlines()[-1] == "| lite2, stored | 1.00 | 2.0 | 77.6 |"
