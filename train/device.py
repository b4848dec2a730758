"""Where training runs and in which precision."""

from __future__ import annotations

import os
from contextlib import AbstractContextManager
from typing import TypeVar

import torch
from torch import nn

N = TypeVar("N", bound=nn.Module)


def pick_device(name: str) -> torch.device:
    """The device called "cpu", "cuda" or "cuda:N"; "auto" takes CUDA where there is one.

    Raises:
        ValueError: CUDA was asked for and is not there.
    """
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    device = torch.device(name)
    if device.type == "cuda" and not torch.cuda.is_available():
        raise ValueError(f"no CUDA device for {name!r}: use --device cpu or auto")
    return device


def bf16_is_fast(device: torch.device) -> bool:
    """Whether bfloat16 convolutions run in hardware: AMX on a CPU, tensor cores on a GPU.

    Measured on two cores with AMX: DCGAN at 64 px 180 pictures/s against 78 in float32.
    """
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported())
    return bool(torch.cpu.get_capabilities().get("amx_bf16", False))


def autocast(device: torch.device, amp: bool) -> AbstractContextManager[None]:
    """Context in which convolutions and products run in bfloat16, if `amp`."""
    return torch.autocast(device.type, torch.bfloat16, enabled=amp)


def channels_last(network: N) -> N:
    """The same network with its convolution weights laid out channels last, which convolutions then keep."""
    with torch.no_grad():
        for parameter in network.parameters():
            if parameter.ndim == 4:
                parameter.data = parameter.data.contiguous(memory_format=torch.channels_last)
    return network


def describe_hardware(device: torch.device) -> str:
    """One phrase for the manifest: the GPU's name, or the CPU's instruction set and the threads used."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    capability = "AMX" if bf16_is_fast(device) else torch.backends.cpu.get_cpu_capability()
    return f"x86 CPU with {capability}, {torch.get_num_threads()} of {os.cpu_count()} threads"
