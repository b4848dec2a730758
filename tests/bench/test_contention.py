"""The benches of contention: what they count, with work that takes no time."""

import time
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pytest

from bench import contention, threads
from bench.load import busy_processes, found
from cvdemo.backends.free_cores import STAT, FreeCores
from cvdemo.classify.run import ClassifyRequest
from cvdemo.demo import Request, Step


def test_ratios_compare_the_steps_that_every_trial_has() -> None:
    """Later steps of a style are of larger pictures."""
    alone = [[1.0, 1.0, 8.0], [1.0, 1.0, 8.0], [9.0, 9.0, 8.0]]
    beside = [[2.0, 2.0], [2.0, 3.0], [2.0, 2.0]]
    assert contention.ratio(beside, alone) == 2.0


def test_steps_are_timed_until_the_time_is_over() -> None:
    ended: list[bool] = []

    def run(request: Request) -> Iterator[Step[str]]:
        try:
            for done in range(1, 1000):
                time.sleep(0.01)
                yield Step(done=done, total=1000)
        finally:
            ended.append(True)

    times = contention.step_seconds(run, Request(), 0.1)
    assert 1 <= len(times) <= 12 and min(times) >= 0.009 and ended


@dataclass(frozen=True, kw_only=True, eq=False)
class OfASeed(Request):
    seed: int


def test_each_demo_that_needs_pictures_alone_is_measured(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(contention, "RUNS", {ClassifyRequest: None, OfASeed: None})
    made = contention.requests()
    assert list(made) == ["ClassifyRequest"]
    request = made["ClassifyRequest"]
    assert isinstance(request, ClassifyRequest) and request.image.ndim == 3
    assert capsys.readouterr().out == "OfASeed is not measured: it needs seed.\n"


@pytest.mark.parametrize(("value", "met"), [(1.09, "yes"), (1.1, "yes"), (1.11, "no")])
def test_a_row_says_whether_its_target_is_met(value: float, met: str) -> None:
    row = contention.Row("forward", value, 1.1, note="9 and 8 ms")
    assert str(row) == f"| forward | {value:.2f} x | 1.1 x | {met} | 9 and 8 ms |"


def test_the_load_is_found_and_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(FreeCores, "look", lambda self: setattr(self, "busy_by_others", 1.25))
    assert found(0).startswith("Load found: 1.2 of ") and found(0).endswith("no number below is of free cores.")
    monkeypatch.setattr(FreeCores, "look", lambda self: setattr(self, "busy_by_others", 0.04))
    assert found(0).endswith("busy with other work.")


@pytest.mark.skipif(not STAT.exists(), reason="the system does not tell what its cores do")
def test_a_busy_process_is_busy_within_the_block() -> None:
    cores = FreeCores()
    with busy_processes():
        cores.look()
        time.sleep(1.0)
        cores.look()
        assert cores.busy_by_others > 0.2


def test_the_table_of_threads_has_a_row_for_each_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threads.Setting, "__post_init__", lambda self: None)
    settings = [threads.Setting("1", "300000", 1), threads.Setting("2", "0", 1)]
    for factor, setting in enumerate(settings, start=1):
        for condition in threads.CONDITIONS:
            for ms in (1.0, 100.0, 10.0):
                setting.times[condition].append(dict.fromkeys(threads.WORK, factor * ms))
    assert threads.table(settings).splitlines()[2:] == [
        "| 1, 300000 | 10 | 10 | 10 | 10 |",
        "| 2, 0 | 20 | 20 | 20 | 20 |",
    ]


def test_the_works_run() -> None:
    for work in threads.works().values():
        assert threads.milliseconds(work, 1) > 0


def test_the_peer_is_the_same_network() -> None:
    import torch

    from cvdemo.nets.efficientnet_lite import EfficientNetLite

    torch.manual_seed(0)
    network, crop = EfficientNetLite(num_classes=5).eval(), torch.rand(1, 3, 64, 64)
    (answer,) = contention._peer(network, crop).run(None, {"crop": crop.numpy()})
    with torch.no_grad():
        np.testing.assert_allclose(answer, network(crop).numpy(), atol=1e-4)
