"""Device choice, one-time loading, deadlines."""

import os
import threading
import time
from pathlib import Path

import pytest
import torch

from cvdemo.runtime import Deadline, load_once, resolve_device, stopping_when, usable_cores


def test_auto_is_the_gpu_where_there_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert resolve_device("auto").type == "cuda"
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert resolve_device("auto").type == "cpu"
    with pytest.raises(ValueError, match="no CUDA GPU is visible"):
        resolve_device("cuda:0")


def test_many_threads_load_once_and_share() -> None:
    calls: list[str] = []

    @load_once
    def slow(name: str) -> list[str]:
        calls.append(name)
        time.sleep(0.05)
        return [name]

    results: list[list[str]] = []
    threads = [threading.Thread(target=lambda: results.append(slow("a"))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert calls == ["a"] and all(result is results[0] for result in results)
    assert slow("b") == ["b"] and calls == ["a", "b"]


def test_arguments_mean_the_same_however_they_are_written() -> None:
    calls: list[tuple[str, str]] = []

    @load_once
    def load(name: str = "a", device: str = "auto") -> object:
        calls.append((name, device))
        return object()

    assert load() is load("a") is load(name="a", device="auto") is load("a", "auto")
    assert calls == [("a", "auto")]


def test_a_failed_load_is_tried_again() -> None:
    outcomes = iter([OSError("gone"), 7])

    @load_once
    def flaky() -> int:
        outcome = next(outcomes)
        if isinstance(outcome, OSError):
            raise outcome
        assert isinstance(outcome, int)
        return outcome

    with pytest.raises(OSError, match="gone"):
        flaky()
    assert flaky() == 7 == flaky()


def test_deadlines_expire_and_none_never_does() -> None:
    assert Deadline(0).expired
    assert not Deadline(60).expired and not Deadline(None).expired
    assert Deadline(60).elapsed_ms < 1000


def test_a_deadline_ends_when_nobody_waits() -> None:
    """In the thread that made it and in any other, for as long as the deadline lives; not for those made elsewhere."""
    left = threading.Event()
    with stopping_when(left.is_set):
        deadline = Deadline(60)
        endless = Deadline()
    other = Deadline(60)
    assert not deadline.expired and not deadline.abandoned
    left.set()
    assert deadline.expired and deadline.abandoned and endless.expired
    assert not other.expired and not other.abandoned


QUOTAS = [
    ({}, None),
    ({"cpu.max": "max 100000"}, None),
    ({"cpu.max": "100000 100000"}, 1),
    ({"cpu.max": "50000 100000"}, 1),
    ({"cpu.max": "150000 100000"}, 1),
    ({"cpu.max": "rubbish"}, None),
    ({"cpu/cpu.cfs_quota_us": "-1", "cpu/cpu.cfs_period_us": "100000"}, None),
    ({"cpu/cpu.cfs_quota_us": "100000", "cpu/cpu.cfs_period_us": "100000"}, 1),
]


@pytest.mark.parametrize(("files", "expected"), QUOTAS)
def test_a_container_has_the_cores_of_its_share(tmp_path: Path, files: dict[str, str], expected: int | None) -> None:
    for name, content in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(content + "\n", encoding="ascii")
    of_machine = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    assert usable_cores(tmp_path) == (of_machine if expected is None else expected)


def test_what_is_loaded_by_forward_only_work_still_takes_gradients() -> None:
    """A network that a classification loads is explained later."""
    load = load_once(lambda: torch.ones(3))
    with torch.inference_mode():
        loaded = load()
    assert not loaded.is_inference()
    pixels = torch.ones(3, requires_grad=True)
    (loaded * pixels).sum().backward()
    assert pixels.grad is not None and pixels.grad.tolist() == [1, 1, 1]
