"""The picture under way: Adam with moments that go along from scale to scale, and the average of its iterates."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from cvdemo.images import resize
from cvdemo.style.targets import Losses

ADAM_BETAS = (0.9, 0.99)  # as in style-transfer-pytorch
AVERAGE_DECAY = 0.97  # at most
AVERAGED_SHARE = 0.2  # of a scale's steps that the average mostly holds: with few steps, early ones would spoil it
SHORTEST_AVERAGE = 3.0  # steps

Gradient = Callable[[Tensor, int], tuple[Tensor, Losses]]  # of a picture at a step, and the losses it saw


class IterateAverage:
    """Exponential moving average of a tensor with the start's bias divided out, as in Adam."""

    def __init__(self, decay: float) -> None:
        self.decay = decay
        self.total: Tensor | None = None
        self.weight = 0.0

    def update(self, value: Tensor) -> None:
        if self.total is None:
            self.total = torch.zeros_like(value)
        self.total.lerp_(value.detach(), 1 - self.decay)
        self.weight = self.weight * self.decay + 1 - self.decay

    @property
    def value(self) -> Tensor:
        """The average.

        Raises:
            ValueError: nothing was averaged.
        """
        if self.total is None:
            raise ValueError("nothing was averaged yet")
        return self.total / self.weight


def average_decay(steps: int) -> float:
    """The decay of the average for a scale of so many steps."""
    return min(AVERAGE_DECAY, 1 - 1 / max(SHORTEST_AVERAGE, AVERAGED_SHARE * steps))


class Painting:
    """A picture (1, 3, H, W) in [0, 1] that is optimised at one scale.

    Args:
        step_size: Adam's learning rate.
        before: the same picture at the scale before, whose moments are taken over.
    """

    def __init__(self, pixels: Tensor, step_size: float, before: Painting | None = None) -> None:
        self.pixels = pixels.detach().clone().requires_grad_()
        self.adam = torch.optim.Adam([self.pixels], lr=step_size, betas=ADAM_BETAS, fused=True)  # no copies between
        self.average = IterateAverage(AVERAGE_DECAY)
        self.steps = 0
        if before is not None and before.steps:
            self.adam.state[self.pixels] = carried(before.adam.state[before.pixels], self._size_hw)

    @property
    def _size_hw(self) -> tuple[int, int]:
        return self.pixels.shape[-2], self.pixels.shape[-1]

    def step(self, gradient: Gradient) -> Losses:
        """Takes one step down the gradient; returns the losses before it."""
        self.pixels.grad, found = gradient(self.pixels, self.steps)
        self.adam.step()
        self.pixels.grad = None  # the next one is made beside no other
        with torch.no_grad():
            self.pixels.clamp_(0, 1)
        self.average.update(self.pixels)
        self.steps += 1
        return found

    def at_scale(self, size_hw: tuple[int, int], step_size: float) -> Painting:
        """The averaged picture at another size, with the moments."""
        return Painting(resize(self.average.value, size_hw), step_size, self)


def carried(state: dict[str, Tensor], size_hw: tuple[int, int]) -> dict[str, Tensor]:
    """Adam's state of a picture for the same picture at another size.

    Losses are means over the picture, so a pixel's gradient shrinks as pixels grow in number, and the moments with it.
    Bilinear enlargement keeps the second moment from going below 0.
    """
    height, width = state["exp_avg"].shape[-2:]
    ratio = height * width / (size_hw[0] * size_hw[1])
    return {
        "step": state["step"].clone(),
        "exp_avg": _resized(state["exp_avg"], size_hw) * ratio,
        "exp_avg_sq": (_resized(state["exp_avg_sq"], size_hw) * ratio**2).clamp(min=0),
    }


def _resized(moments: Tensor, size_hw: tuple[int, int]) -> Tensor:
    # they only grow: antialiasing changes nothing, but without it the last digit depends on the number of threads
    return F.interpolate(moments, size_hw, mode="bilinear", antialias=True)
