"""Where training runs."""

import random

import numpy as np
import pytest
import torch

from tests.train.tiny_tasks import equal
from train.engine.device import (
    amp_is_fast,
    autocast,
    bf16_is_fast,
    channels_last,
    describe_hardware,
    half_precision,
    hashed_seed,
    pick_device,
    preserved_rng,
    rng_state,
    seed_everything,
    set_rng_state,
)

CPU = torch.device("cpu")


def draws() -> list[float]:
    """One number from each global generator."""
    return [random.random(), float(np.random.random()), torch.rand(1).item()]  # noqa: NPY002


def test_auto_takes_what_is_there() -> None:
    assert pick_device("auto").type == ("cuda" if torch.cuda.is_available() else "cpu")


@pytest.mark.skipif(torch.cuda.is_available(), reason="needs a machine without CUDA")
def test_cuda_is_not_silently_replaced() -> None:
    with pytest.raises(ValueError, match="no CUDA device"):
        pick_device("cuda")


def test_autocast_switches() -> None:
    conv, x = torch.nn.Conv2d(1, 1, 3), torch.rand(1, 1, 4, 4)
    for amp, dtype in ((True, torch.bfloat16), (False, torch.float32)):
        with autocast(torch.device("cpu"), amp):
            assert conv(x).dtype == dtype


def test_channels_last_changes_layout_not_values() -> None:
    conv = torch.nn.Conv2d(3, 4, 3)
    before = conv.weight.detach().clone()
    assert channels_last(conv).weight.is_contiguous(memory_format=torch.channels_last)
    assert torch.equal(conv.weight, before)


def test_hardware_is_named() -> None:
    assert isinstance(bf16_is_fast(torch.device("cpu")), bool)
    assert "threads" in describe_hardware(torch.device("cpu"))


@pytest.mark.parametrize(
    ("kind", "has_bfloat16", "dtype", "fast"),
    [
        ("cpu", False, torch.bfloat16, False),
        ("cpu", True, torch.bfloat16, True),
        ("cuda", True, torch.bfloat16, True),
        ("cuda", False, torch.float16, True),  # before Ampere
    ],
)
def test_float16_is_for_gpus_without_bfloat16(
    kind: str, has_bfloat16: bool, dtype: torch.dtype, fast: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("train.engine.device.bf16_is_fast", lambda device: has_bfloat16)
    assert half_precision(torch.device(kind)) == dtype
    assert amp_is_fast(torch.device(kind)) is fast


def test_a_seed_fixes_every_generator() -> None:
    runs = []
    for seed in (1, 1, 2):
        seed_everything(seed)
        runs.append(draws())
    assert runs[0] == runs[1]
    assert all(a != b for a, b in zip(runs[0], runs[2], strict=True))


def test_generators_continue_from_where_they_were() -> None:
    seed_everything(3)
    draws()
    state = rng_state(CPU)
    expected = draws()
    seed_everything(4)
    set_rng_state(state, CPU)
    assert draws() == expected


def test_what_draws_in_between_changes_nothing() -> None:
    before = rng_state(CPU)
    with pytest.raises(KeyError), preserved_rng(CPU):
        draws()
        raise KeyError
    assert equal(before, rng_state(CPU))


def test_seeds_of_different_purposes_differ() -> None:
    assert len({hashed_seed(*key) for key in [("a", 1), ("a", 2), ("b", 1), ("a", 1, 2), ("a", 12)]}) == 5
    assert 0 <= hashed_seed("a", 1) < 2**32
