"""Weights in eight bits come back nearly as they were, and what has no scales exactly so."""

from __future__ import annotations

import pytest
import torch

from cvdemo.eight_bits import SCALE, SMALLEST, from_eight_bits, in_eight_bits


def _state() -> dict[str, torch.Tensor]:
    torch.manual_seed(0)
    kernel = torch.randn(64, 16, 3, 3) * torch.logspace(-3, 1, 64)[:, None, None, None]
    kernel[5] = 0
    return {
        "conv.weight": kernel,
        "head.weight": torch.randn(10, SMALLEST // 10 + 1),
        "small.weight": torch.randn(8, 4),
        "norm.weight": torch.randn(64),
        "norm.num_batches_tracked": torch.tensor(7),
    }


def test_each_channel_is_off_by_half_a_step_at_most() -> None:
    state = _state()
    back = from_eight_bits(in_eight_bits(state))
    assert back.keys() == state.keys()
    for key in ("conv.weight", "head.weight"):
        axes = tuple(range(1, state[key].ndim))
        step = state[key].abs().amax(dim=axes, keepdim=True) / 127
        assert ((back[key] - state[key]).abs() <= step / 2 + 1e-7).all()
    assert (back["conv.weight"][5] == 0).all()


def test_vectors_stay_and_small_matrices_are_halved() -> None:
    state = _state()
    stored = in_eight_bits(state)
    assert torch.equal(stored["norm.weight"], state["norm.weight"])
    assert stored["norm.num_batches_tracked"] == 7
    assert stored["small.weight"].dtype == torch.float16
    assert stored["conv.weight"].dtype == torch.int8 and stored["conv.weight" + SCALE].shape == (64, 1, 1, 1)


def test_a_file_of_float16_comes_back_as_it_is() -> None:
    halves = {key: tensor.half() if tensor.ndim > 1 else tensor for key, tensor in _state().items()}
    back = from_eight_bits(halves)
    assert all(back[key] is tensor for key, tensor in halves.items())


def test_scales_without_weights_are_refused() -> None:
    with pytest.raises(ValueError, match=r"conv\.weight"):
        from_eight_bits({"conv.weight" + SCALE: torch.ones(3, 1, 1, 1)})
