"""Training of classifiers on pictures held in memory: the task that the classification recipes share."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import get_args

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.optim import Optimizer

from cvdemo.config import setting
from cvdemo.images import to_batch
from train.classify.losses import classification_loss
from train.classify.measures import measure
from train.data import augment
from train.data.augment import AugmentConfig
from train.data.datasets import class_weights
from train.data.preprocess import Normalisation as Normalisation
from train.data.splits import LabelledPictures, PictureSet
from train.engine.device import autocast, channels_last
from train.engine.distributed import shard
from train.engine.loop import LoopConfig, Task, epoch_indices, seeded, with_steps
from train.engine.optimisers import OptimizerName
from train.engine.schedules import ScheduleName, lr_factor

_MEASURE_PIXELS, _MEASURE_BATCH = 500 * 64 * 64, 500  # at a time while measuring: bounds memory
GROWTH_PX = 8  # sides of growing pictures are multiples of this: networks halve them three or four times


@dataclass(frozen=True, kw_only=True)
class ClassifierConfig(LoopConfig, AugmentConfig):
    """Hyper-parameters of a classifier, beside those of the loop and of augmentation."""

    steps: int = setting(0, help="optimiser steps; they follow from epochs, or are given instead of them", minimum=0)
    epochs: int = setting(10, help="passes over the training pictures; 0: steps count", minimum=0)
    evaluate_every: int = setting(1, help="0: no measures; else one after each epoch", minimum=0)
    batch_size: int = 256
    micro_batch: int = setting(
        500,
        help="pictures at a time within a batch: bounds memory, and BatchNorm sees this many",
        minimum=1,
    )
    log_every: int = 20
    preview_every: int = 0
    optimizer: OptimizerName = setting("sgd", help="what updates the weights", choices=get_args(OptimizerName))
    lr: float = setting(0.1, help="learning rate; of muon relative to the length of a filter", minimum=0)
    lr_rest: float = setting(0.1, help="with muon: of biases, norms and the classifier, which SGD trains", minimum=0)
    momentum: float = setting(0.9, help="of sgd, beside muon too, and of rmsprop", minimum=0, below=1)
    weight_decay: float = setting(5e-4, help="of weights with two dimensions or more", minimum=0)
    schedule: ScheduleName = setting("cosine", help="how the learning rates fall", choices=get_args(ScheduleName))
    warmup_fraction: float = setting(
        0.0, help="of all steps, over which the learning rates rise first", minimum=0, below=1
    )
    label_smoothing: float = setting(
        0.0, help="share of each target that is spread over all classes", minimum=0, below=1
    )
    alternate_flips: bool = setting(False, help="half of the pictures mirrored in even epochs, the others in odd ones")
    balance: bool = setting(False, help="weigh each class by how rare it is")
    validation: int = setting(
        5000,
        help="training pictures that choose the checkpoint; 0: train on all, and the last one counts",
        minimum=0,
    )
    first_px: int = setting(
        0,
        help=f"side of the pictures at the first steps, a multiple of {GROWTH_PX} that grows to the full side; 0: full",
        unit="px",
        minimum=0,
    )
    grow_until: float = setting(
        0.85, help="share of all steps after which pictures have their full side", above=0, maximum=1
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.first_px % GROWTH_PX:
            raise ValueError(f"first_px must be a multiple of {GROWTH_PX}, got {self.first_px}")


@dataclass(frozen=True, kw_only=True)
class MuonDefaults:
    """Other defaults of a `ClassifierConfig`: Muon on the convolutions, rates that fall linearly, mirrored pictures.

    To be named before it: `class OwnConfig(MuonDefaults, ClassifierConfig)`.
    """

    batch_size: int = 500
    micro_batch: int = 250
    ema_decay: float = 0.0
    optimizer: OptimizerName = "muon"
    lr: float = 0.12
    schedule: ScheduleName = "linear"
    label_smoothing: float = 0.1
    flip: bool = True


def side_px(grown: float, first_px: int, full_px: int) -> int:
    """Side (px) of square pictures that grow in steps of 8 from `first_px` to `full_px`, which `grown` = 1 reaches.

    Small pictures first make most steps cheap, and the last ones at the full side make up for them ("progressive
    resizing": J. Howard's entry to DAWNBench, 2018). With `first_px` 0 it is `full_px` throughout.

    Raises:
        ValueError: `first_px` is more than `full_px`.
    """
    if first_px > full_px:
        raise ValueError(f"pictures of {full_px} px cannot grow from {first_px}")
    if not first_px or grown >= 1:
        return full_px
    return int(first_px + (full_px - first_px) * grown) // GROWTH_PX * GROWTH_PX


class ClassifierTask(Task):
    """Cross-entropy on augmented batches, binary or categorical by the number of classes.

    Args:
        config: hyper-parameters; its epochs become steps here.
        network: normalised pixels -> logits.
        optimizers: of its weights.
        data: training pictures. validation: those that choose the checkpoint, or None.
        normalisation: of the pixels.
        device, amp: where, and whether in reduced precision.
    """

    product = "network"
    metric = "rank1"
    gap = ("train_rank1", "rank1")

    def __init__(
        self,
        config: ClassifierConfig,
        network: nn.Module,
        optimizers: dict[str, Optimizer],
        data: PictureSet,
        validation: PictureSet | None,
        normalisation: Normalisation,
        device: torch.device,
        amp: bool,
    ) -> None:
        config = config if validation else replace(config, evaluate_every=0)
        self.config: ClassifierConfig = with_steps(config, len(data))
        self.device, self.amp = device, amp
        self.network = channels_last(network.to(device))
        self.networks: dict[str, nn.Module] = {"network": self.network}
        self.optimizers = optimizers
        self.data, self.validation, self.normalisation = data, validation, normalisation
        self.class_names = data.class_names
        if config.mixup_alpha or config.cutmix_alpha:  # its training pictures show two things, those of validation one
            self.gap = ("", "")
        self.gap_after = self.first_full_step if config.first_px else 0  # smaller pictures are measured otherwise
        self.mirrored_first = torch.rand(len(data), generator=seeded("flip", config.seed, 0)) < 0.5
        weights = class_weights(data.labels, len(data.class_names)) if config.balance else None
        self.class_weights = None if weights is None else torch.as_tensor(weights, dtype=torch.float32, device=device)

    def lr_factor(self, step: int) -> float:
        return lr_factor(self.config.schedule, step, self.config.steps, self.config.warmup_fraction)

    def batch(self, step: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Augmented pixels (B, C, H, W) and soft targets (B, K) of this process's share of one step."""
        config = self.config
        indices = epoch_indices(step, config.batch_size, len(self.data), config.seed)
        pixels = to_batch(self.pictures(step, indices.numpy(), generator), self.device)
        pixels = self.normalisation(augment.jitter_colours(pixels, config, generator))
        labels = torch.from_numpy(self.data.labels[indices.numpy()]).to(self.device)
        if config.alternate_flips:
            epoch = step // (len(self.data) // config.batch_size)
            pixels = augment.alternating_flip(pixels, self.mirrored_first[indices], epoch)
        pixels = augment.augment_batch(pixels, config, generator)
        pixels, targets = augment.mix_batch(pixels, labels, len(self.data.class_names), config, generator)
        return shard(self.grown(pixels, step)), shard(targets)

    def pictures(self, step: int, indices: npt.NDArray[np.int64], generator: torch.Generator) -> npt.NDArray[np.uint8]:
        """The training pictures (B, H, W, C) of a step, before they are augmented."""
        return self.data.read(indices)

    @property
    def first_full_step(self) -> int:
        """The step, counted from 0, from which on pictures have their full side; the number of steps if none has."""
        steps = self.config.steps
        return next((step for step in range(steps) if step / steps / self.config.grow_until >= 1), steps)

    def side_px(self, step: int, full_px: int) -> int:
        """The side that pictures have at this step."""
        return side_px(step / self.config.steps / self.config.grow_until, self.config.first_px, full_px)

    def grown(self, pixels: Tensor, step: int) -> Tensor:
        """Augmented pictures at the side that they have at this step."""
        full_px = pixels.shape[-1]
        side = self.side_px(step, full_px)
        if side == full_px:
            return pixels
        return F.interpolate(pixels, (side, side), mode="bilinear", antialias=True, align_corners=False)

    def step(self, step: int, generator: torch.Generator) -> dict[str, Tensor]:
        """One step of every optimiser; gradients are summed over micro-batches."""
        pixels, targets = self.batch(step, generator)
        for optimizer in self.optimizers.values():
            optimizer.zero_grad(set_to_none=True)
        self.network.train()
        loss_sum, correct = torch.zeros((), device=self.device), torch.zeros((), device=self.device)
        size = self.config.micro_batch
        for x, target in zip(torch.split(pixels, size), torch.split(targets, size), strict=True):
            with autocast(self.device, self.amp):
                logits = self.network(x.contiguous(memory_format=torch.channels_last)).float()
            share = len(x) / len(pixels)
            loss = share * classification_loss(
                logits, target, label_smoothing=self.config.label_smoothing, class_weights=self.class_weights
            )
            self.backward(loss)
            loss_sum += loss.detach()
            correct += (logits.detach().argmax(dim=1) == target.argmax(dim=1)).sum()
        self.update()
        return {"loss": loss_sum, "rank1": 100 * correct / len(pixels)}

    def evaluate(self, network: nn.Module) -> dict[str, float]:
        """Rank-1, rank-5 (per cent) and loss on the validation pictures."""
        if self.validation is None:
            raise ValueError("no validation pictures: the configuration has validation = 0")
        logits = self.predicted(network, self.validation)
        return measure(logits, torch.from_numpy(self.validation.labels))

    def predicted(self, network: nn.Module, pictures: PictureSet) -> Tensor:
        """(N, K) logits of pictures as they are measured while training goes on."""
        return predict(network, pictures, self.normalisation, self.device, self.amp)


@torch.inference_mode()
def predict(
    network: nn.Module,
    pictures: npt.NDArray[np.uint8] | PictureSet,
    normalisation: Normalisation,
    device: torch.device,
    amp: bool = False,
    *,
    views: Callable[[Tensor], Tensor] | None = None,
) -> Tensor:
    """(N, K) float32 logits of uint8 pictures (N, H, W, C), on the CPU.

    Args:
        pictures: in memory, or read a batch at a time.
        views: maps normalised pixels (B, C, H, W) through the network its own way, for test-time augmentation.
    """
    network.eval()
    parts = []
    for batch in _measured_batches(pictures):
        pixels = normalisation(to_batch(batch, device))
        with autocast(device, amp):
            logits = (views or network)(pixels.contiguous(memory_format=torch.channels_last))
        parts.append(logits.float().cpu())
    return torch.cat(parts)


def _measured_batches(pictures: npt.NDArray[np.uint8] | PictureSet) -> Iterator[npt.NDArray[np.uint8]]:
    """The pictures in order, so many at a time as memory is meant for."""
    if isinstance(pictures, np.ndarray):
        pictures = LabelledPictures(pictures, np.zeros(len(pictures), np.int64))
    height, width = pictures.read(np.arange(1)).shape[1:3]
    size = max(1, min(_MEASURE_BATCH, _MEASURE_PIXELS // (height * width)))
    for batch, _ in pictures.batches(size):
        yield batch
