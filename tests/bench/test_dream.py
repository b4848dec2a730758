"""The bench of dreams: the peer's step, ours, and the table."""

from dataclasses import replace

import pytest
import torch

from bench import dream as bench
from bench.dream import Peer, Times, our_step, table
from cvdemo.dream.deepdream import DreamConfig
from cvdemo.dream.objectives import measure
from cvdemo.images import to_tensor
from cvdemo.nets.backbone import load_backbone

CONFIG = DreamConfig(layer="block3", jitter_px=16)


def test_the_peer_raises_the_same_objective() -> None:
    pixels = to_tensor(bench.picture((96, 64)))
    peer = Peer(pixels, CONFIG.goal)
    for _ in range(4):
        peer.step()
    before, after = (measure(each.detach(), load_backbone("cpu"), CONFIG.goal).item() for each in (pixels, peer.pixels))
    assert after > 1.05 * before
    assert peer.pixels.min() >= 0 and peer.pixels.max() <= 1


def test_our_step_goes_on_from_where_it_was() -> None:
    pixels = to_tensor(bench.picture((96, 64)))
    before = pixels.clone()
    step = our_step(pixels, CONFIG)
    step()
    step()
    assert torch.equal(pixels, before)


def test_times_are_medians_of_rounds(monkeypatch: pytest.MonkeyPatch) -> None:
    seconds = iter([(9.0, 9.0), (1.0, 0.1), (3.0, 0.3), (2.0, 0.2)])
    monkeypatch.setattr(bench, "SIZE_WH", (96, 64))
    monkeypatch.setattr(bench, "dream_seconds", lambda image, config: next(seconds))
    monkeypatch.setattr(bench, "milliseconds_a_step", lambda step: step() or 5.0)
    assert bench.times(CONFIG, 3) == Times(2.0, 0.2, 5.0, 5.0)


def test_a_dream_is_timed_until_its_first_preview_and_its_end() -> None:
    config = replace(CONFIG, size_px=128, octaves=1, steps=3)
    whole_s, preview_s = bench.dream_seconds(bench.picture((96, 64)), config)
    assert 0 < preview_s < whole_s


def test_the_table_has_the_rows_and_the_ratio() -> None:
    lines = list(table(Times(2, 0.2, 60, 100), Times(4, 0.4, 90, 100), 1500.4, 1600.4))
    assert lines[4:] == [
        "| a step, CPU ms | 60 | 90 | |",
        "| a step of neural-dream's algorithm, CPU ms | 100 | 100 | |",
        "| our step, times theirs | 0.60 | 0.90 | 0.8 |",
        "| peak memory at 12 megapixels, MB | 1500 | | 2000 |",
        "| the same with mask, guide, Fourier space and half the strength, MB | 1600 | | |",
    ]
    assert lines[2] == "| dream, 512 x 288 px, default, s | 2.00 | 4.00 | 2.5 |"
