"""Data parallel training in several processes started by torchrun: gloo on CPUs, NCCL on GPUs.

    torchrun --nproc-per-node 2 -m train RECIPE --data DIR --out DIR

Every process draws the same joint batch and computes on its own rows; gradients are averaged before each update, so
that the weights are those of one process with the joint batch, up to the rounding of sums in another order. Where
BatchNorm trains this does not hold: each process normalises by its own rows, as a single one does by its micro-batches.
Buffers such as its statistics are averaged after every step: at each step boundary all processes hold the same
networks, and the checkpoint of one is the checkpoint of all. In one
process everything here does nothing. The folder of the run must be visible to all processes.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from importlib import import_module
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn

# the others wait while the first process evaluates
_TIMEOUT = timedelta(hours=2)


def init_from_environment(device: torch.device) -> torch.device:
    """The device of this process, after it has joined the others that torchrun started; `device` without torchrun.

    On a GPU each process takes the one of its local rank; flags and Python objects travel over gloo even then.
    """
    if int(os.environ.get("WORLD_SIZE", "1")) == 1 or dist.is_initialized():
        return device
    if device.type == "cuda":
        device = torch.device("cuda", int(os.environ["LOCAL_RANK"]))
        torch.cuda.set_device(device)
    # Its functions hold the group that is there when they are imported, as torch.optim does. Holding none, they leave
    # `leave` the last to do so; else gloo's threads live on and may abort an interpreter that is ending.
    import_module("torch.distributed.nn.functional")
    dist.init_process_group("cpu:gloo,cuda:nccl" if device.type == "cuda" else "gloo", timeout=_TIMEOUT)
    return device


def leave() -> None:
    """Leaves the group; call it at the end of a run."""
    if dist.is_initialized():
        dist.destroy_process_group()


def rank() -> int:
    """Number of this process, from 0."""
    return dist.get_rank() if dist.is_initialized() else 0


def world_size() -> int:
    """How many processes train together."""
    return dist.get_world_size() if dist.is_initialized() else 1


def is_main() -> bool:
    """Whether this is the process that writes, prints and evaluates."""
    return rank() == 0


def shard(joint: Tensor) -> Tensor:
    """This process's rows of a joint batch (B, ...), (B / world_size, ...): all of them in one process.

    Raises:
        ValueError: the rows cannot be shared out evenly; then the mean of means were not the joint mean.
    """
    if len(joint) % world_size():
        raise ValueError(f"{len(joint)} rows cannot be shared evenly by {world_size()} processes")
    rows = len(joint) // world_size()
    return joint[rank() * rows : (rank() + 1) * rows]


@torch.no_grad()
def average(tensors: Iterable[Tensor]) -> None:
    """Replaces floating tensors by their mean over all processes, with one message for each dtype and device."""
    if world_size() == 1:
        return
    groups: dict[tuple[torch.dtype, torch.device], list[Tensor]] = {}
    for tensor in tensors:
        groups.setdefault((tensor.dtype, tensor.device), []).append(tensor)
    for members in groups.values():
        flat = torch.cat([tensor.reshape(-1) for tensor in members])
        dist.all_reduce(flat)
        flat /= world_size()
        for tensor, part in zip(members, torch.split(flat, [tensor.numel() for tensor in members]), strict=True):
            tensor.copy_(part.view(tensor.shape))


def average_gradients(parameters: Iterable[nn.Parameter]) -> None:
    """Replaces each gradient by its mean over all processes; a parameter must have one in all of them or in none."""
    average(parameter.grad for parameter in parameters if parameter.grad is not None)


def average_buffers(networks: Iterable[nn.Module]) -> None:
    """Replaces floating buffers (BatchNorm's statistics) by their mean over all processes; counters agree anyway."""
    average(buffer for network in networks for buffer in network.buffers() if buffer.is_floating_point())


@torch.no_grad()
def broadcast_networks(networks: Iterable[nn.Module]) -> None:
    """Gives every process the weights and buffers of the first."""
    if world_size() > 1:
        for network in networks:
            for tensor in network.state_dict().values():
                whole = tensor.contiguous()
                dist.broadcast(whole, src=0)
                tensor.copy_(whole)


def average_values(values: Mapping[str, Tensor]) -> dict[str, float]:
    """Scalars as floats, each the mean over all processes."""
    if world_size() == 1:
        return {name: value.item() for name, value in values.items()}
    means = torch.tensor([value.item() for value in values.values()], dtype=torch.float64)
    average([means])
    return dict(zip(values, means.tolist(), strict=True))


def any_of(*flags: bool) -> list[bool]:
    """Each flag, True in all processes where one of them raised it."""
    if world_size() == 1:
        return list(flags)
    raised = torch.tensor(flags, dtype=torch.uint8)
    dist.all_reduce(raised, op=dist.ReduceOp.MAX)
    return [bool(flag) for flag in raised.tolist()]


def from_main(value: Any) -> Any:
    """The first process's value; the others wait for it."""
    if world_size() == 1:
        return value
    box = [value]
    dist.broadcast_object_list(box, src=0)
    return box[0]


def gathered(value: Any) -> list[Any]:
    """The values of all processes, by rank."""
    if world_size() == 1:
        return [value]
    values: list[Any] = [None] * world_size()
    dist.all_gather_object(values, value)
    return values


def wait() -> None:
    """Returns when all processes have come here."""
    any_of(False)


@contextmanager
def main_first() -> Iterator[None]:
    """Context that the first process leaves before the others enter: it downloads or packs, they find the file."""
    if not is_main():
        wait()
    yield
    if is_main():
        wait()
