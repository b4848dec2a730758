"""Where training runs."""

import pytest
import torch

from train.device import autocast, bf16_is_fast, channels_last, describe_hardware, pick_device


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
