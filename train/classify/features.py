"""Transfer learning: features of the pretrained backbone, logistic regression on them, and what its recipes share.

The backbone's 1280 pooled activations, or those of an earlier block, describe a picture well enough that a linear
classifier on them tells classes apart that it was never trained on (J. Donahue et al., "DeCAF", ICML 2014; the book's
ResNet-50 features reach 98.69 % on cats and dogs). They are computed once, as the page would feed the network, stored
in HDF5 and read from there. Standardising is part of the regression and folded into the weights at the end: what is
published is a classifier for the backbone and nothing else.
"""

from __future__ import annotations

import io
import os
import shutil
import signal
import threading
import time
import zipfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from types import FrameType
from typing import Literal, get_args

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cvdemo.classify.classifier import load_network, prepare
from cvdemo.config import setting
from cvdemo.images import Preprocessing, center_crop, normalise
from cvdemo.nets.backbone import BACKBONE
from cvdemo.nets.efficientnet_lite import LAYER_NAMES, EfficientNetLite, fold_batch_norm, layer_channels
from cvdemo.weights import entry_of
from train.classify.balance import Balance, balanced, samples_of
from train.classify.measures import measure, measure_balanced
from train.classify.transfer_data import TransferPictures, read_picture
from train.data.hdf5 import Hdf5Dataset, Hdf5Writer, opened
from train.data.packing import made_from
from train.data.read_pictures import Listing, Pictures, each_read, fingerprint
from train.engine.device import autocast, channels_last
from train.engine.distributed import shard
from train.engine.loop import LoopConfig, Task, epoch_indices, seeded, with_steps
from train.engine.progress import Progress
from train.engine.schedules import lr_factor
from train.engine.writing import can_write_in, write_whole

SMALLEST_PX = 32  # the backbone halves a picture five times

_SHARD = 1024  # pictures whose features are kept at a time while extraction goes on, a multiple of _BATCH
_BATCH = 8  # pictures at a time: their activations stay in the cache; 5.4 ms a picture of 160 px, 6.6 ms by four


ClassifierName = Literal["logistic", "svm"]


@dataclass(frozen=True, kw_only=True)
class FeatureConfig(LoopConfig):
    """Hyper-parameters of the regression."""

    input_px: int = setting(
        224, help="to which the shorter side is brought; the central square is seen", unit="px", minimum=SMALLEST_PX
    )
    mirrored: bool = setting(True, help="train on features of mirror images too")
    block: str = setting(
        "head", help="layer of the backbone whose averaged activations are the features", choices=LAYER_NAMES
    )
    classifier: ClassifierName = setting(
        "logistic", help="logistic regression, or a linear support vector machine", choices=get_args(ClassifierName)
    )
    epochs: int = 20
    batch_size: int = 500
    evaluate_every: int = setting(1, help="0: no measures; else one after each epoch", minimum=0)
    log_every: int = 50
    preview_every: int = 0
    ema_decay: float = 0.0
    lr: float = setting(2e-3, help="learning rate of Adam, falling to 0 by a cosine", minimum=0)
    l2: tuple[float, ...] = setting(
        (1e-4, 3e-4, 1e-3, 3e-3),
        help="half the penalty on squared weights; validation chooses one",
        minimum=0,
        min_count=1,
    )
    label_smoothing: float = setting(
        0.0, help="share of each target that is spread over all classes", minimum=0, below=1
    )
    balance: Balance = setting(
        "none",
        help="for classes with few pictures: weights in the loss, or synthetic features in training (SMOTE)",
        choices=get_args(Balance),
    )


@dataclass(frozen=True)
class Features:
    """Features of pictures in memory.

    Attributes:
        values: (N, V, D) float16: V views of each picture, the first as it is.
        labels: (N,) int64. class_names: by label.
    """

    values: Tensor
    labels: Tensor
    class_names: list[str]


def backbone() -> EfficientNetLite:
    """The pretrained network, in eval mode, without gradients."""
    network = load_network(BACKBONE)
    assert isinstance(network, EfficientNetLite)
    return network


def preprocessing_at(input_px: int) -> Preprocessing:
    """The backbone's preprocessing, but for the size: the shorter side becomes `input_px`."""
    published = Preprocessing.from_manifest(entry_of(BACKBONE).preprocessing)
    return replace(published, input_px=input_px, resize_px=input_px)


@torch.inference_mode()
def outputs(
    function: Callable[[Tensor], Tensor],
    pictures: Iterable[Pictures],
    preprocessing: Preprocessing,
    device: torch.device,
    *,
    amp: bool = False,
    mirrored: bool = False,
) -> Iterator[Tensor]:
    """Batches (B, V, D) float32 on the CPU of what `function` makes of each picture; V = 2 with its mirror image.

    Args:
        function: normalised pixels (B, 3, s, s) -> (B, D).
        pictures: (H, W, 3) uint8, prepared as the page prepares them.
    """
    left = iter(pictures)
    while group := list(islice(left, _BATCH)):
        crops = [center_crop(prepare(picture, preprocessing, device), preprocessing.input_px) for picture in group]
        pixels = normalise(torch.cat(crops), preprocessing)
        views = [pixels, pixels.flip(3)] if mirrored else [pixels]
        with autocast(device, amp):
            found = [function(view.contiguous(memory_format=torch.channels_last)).float() for view in views]
        yield torch.stack(found, dim=1).cpu()


def pooled_by(network: EfficientNetLite, device: torch.device, block: str = "head") -> Callable[[Tensor], Tensor]:
    """Pixels -> (B, C) of a layer pooled in float32, 1280 of the head, by a copy of the network with folded norms."""
    folded = channels_last(fold_batch_norm(network).to(device))
    return lambda pixels: folded.features(pixels, [block])[block].float().mean(dim=(2, 3))


def features_of(pictures: TransferPictures, config: FeatureConfig, device: torch.device, amp: bool) -> Iterator[Tensor]:
    """Batches (B, V, C) float16 of the pictures' features; 1280 of the head."""
    pooled = pooled_by(backbone(), device, config.block)
    at_size = preprocessing_at(config.input_px)
    for batch in outputs(
        pooled, each_read(pictures.pictures, read_picture), at_size, device, amp=amp, mirrored=config.mirrored
    ):
        yield batch.half()


def extract(listing: Listing, target: Path, config: FeatureConfig, device: torch.device, amp: bool) -> Path:
    """`target`, an HDF5 file of (V, C) float16 features; made anew unless it is of these files and settings.

    What is done is kept beside it, so that the same call goes on where an earlier one ended, by a kill or otherwise.

    Raises:
        SystemExit: SIGTERM came.
        PermissionError: it must be made, and its folder cannot be written.
        ValueError: pictures cannot be read; all of them are listed.
    """
    mark = mark_of(listing, config, amp)
    if made_from(target, mark):
        return target
    if not can_write_in(target.parent):
        raise PermissionError(f"features are kept in {target}, which cannot be written: give a copy of the data")
    folder = _shard_folder(target, mark)
    try:
        with _ended_by_sigterm():
            shards = _extract_shards(listing, target, config, device, amp, mark)
            write_features(shards, listing, target, config, mark)
        shutil.rmtree(folder)
    finally:
        if not any(folder.glob("*.npz")):  # nothing to go on from
            shutil.rmtree(folder, ignore_errors=True)
    return target


def _shard_folder(target: Path, mark: str) -> Path:
    return target.with_name(f"{target.name}.{mark}.parts")


def _extract_shards(
    listing: Listing, target: Path, config: FeatureConfig, device: torch.device, amp: bool, mark: str
) -> list[Path]:
    """Files with `values` (n, V, C) float16 of `_SHARD` pictures each, and the `seconds` they took."""
    folder, count = _shard_folder(target, mark), len(listing.files)
    for other in target.parent.glob(f"{target.name}.*.parts"):
        if other != folder:  # of other pictures or settings
            shutil.rmtree(other)
    folder.mkdir(exist_ok=True)
    shards = [folder / f"{start:09d}.npz" for start in range(0, count, _SHARD)]
    done = next((i for i, shard in enumerate(shards) if not zipfile.is_zipfile(shard)), len(shards))
    left = slice(done * _SHARD, None)
    pictures = TransferPictures(listing.files[left], torch.from_numpy(listing.labels[left]), listing.class_names)
    progress = Progress(count, start=min(done * _SHARD, count))
    batches = features_of(pictures, config, device, amp)
    for number in range(done, len(shards)):
        began, values = time.monotonic(), []
        for batch in islice(batches, _SHARD // _BATCH):
            values.append(batch.numpy())
            progress.update(min(number * _SHARD + _BATCH * len(values), count), target.name)
        _save_shard(shards[number], np.concatenate(values), time.monotonic() - began)
    progress.close()
    return shards


def _save_shard(path: Path, values: npt.NDArray[np.float16], seconds: float) -> None:
    stream = io.BytesIO()
    np.savez(stream, values=values, seconds=seconds)
    write_whole(path, stream.getvalue())


@contextmanager
def _ended_by_sigterm() -> Iterator[None]:
    """SIGTERM raises SystemExit, so that files cut short are removed; without effect but in the main thread."""

    def end(signum: int, frame: FrameType | None) -> None:
        raise SystemExit("stopped while features are extracted; the same command goes on")

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def mark_of(listing: Listing, config: FeatureConfig, amp: bool) -> str:
    """A fingerprint of files, labels, backbone and settings."""
    root = Path(os.path.commonpath(listing.files))
    network = entry_of(BACKBONE).sha256
    settings: dict[str, object] = {"network": network, "input_px": config.input_px, "mirrored": config.mirrored}
    if not amp:  # unnamed in 16 bits, as in the files made before this was told apart
        settings["amp"] = False
    if config.block != "head":  # likewise
        settings["block"] = config.block
    return fingerprint(root, listing.files, labels=listing.labels.tolist(), **settings)


def write_features(shards: Iterable[Path], listing: Listing, target: Path, config: FeatureConfig, mark: str) -> None:
    """Writes features and the listing's labels to `target`, with the seconds that extraction took."""
    attributes: dict[str, int | str] = {"input_px": config.input_px, "backbone": BACKBONE, "fingerprint": mark}
    seconds = 0.0
    shape = (1 + config.mirrored, layer_channels()[config.block])
    names = listing.class_names
    with Hdf5Writer(target, shape, np.float16, key="features", class_names=names, attributes=attributes) as writer:
        for shard in shards:
            with np.load(shard) as held:
                values, seconds = held["values"], seconds + float(held["seconds"])
            writer.add(values, listing.labels[writer.count : writer.count + len(values)])
        writer.attributes["seconds"] = seconds


def read_features(path: Path) -> Features:
    """All features of a file made by `extract`."""
    dataset = Hdf5Dataset(path)
    return Features(torch.from_numpy(dataset.read()), torch.from_numpy(dataset.labels), dataset.class_names)


def seconds_of(path: Path) -> float:
    """The seconds that `extract` took to make a file.

    Raises:
        FileNotFoundError: it is not there.
    """
    if not path.exists():
        raise FileNotFoundError(f"no {path}: the time of extraction, which it holds, is part of the hours of a run")
    with opened(path) as file:
        return float(file.attrs["seconds"])


class SoftmaxHeads(nn.Module):
    """Several linear classifiers side by side on the same standardised features.

    Args:
        count: L, how many. classes: K.
        mean, std: (D,), of the training features; constant features, of no use, are divided by 1.
    """

    def __init__(self, count: int, classes: int, mean: Tensor, std: Tensor) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(count, classes, len(mean)))
        self.bias = nn.Parameter(torch.zeros(count, classes))
        self.register_buffer("mean", mean)
        self.register_buffer("scale", torch.where(std > 1e-6, 1 / std.clamp_min(1e-6), torch.ones_like(std)))
        self.mean: Tensor
        self.scale: Tensor

    def forward(self, features: Tensor) -> Tensor:
        """(B, D) -> (L, B, K) logits."""
        standard = (features - self.mean) * self.scale
        logits = F.linear(standard, self.weight.flatten(0, 1), self.bias.flatten())  # (B, L * K)
        return logits.view(-1, *self.bias.shape).transpose(0, 1)

    def folded(self, index: int) -> tuple[Tensor, Tensor]:
        """Weight (K, D) and bias (K,) of one of them, for features as they come."""
        weight = self.weight.detach()[index] * self.scale
        return weight, self.bias.detach()[index] - weight @ self.mean


class FeatureTask(Task):
    """Multinomial logistic regression with L2, one classifier for each strength, all at once.

    The loss is the sum over the classifiers of cross-entropy + l2 / 2 * squared weights; under Adam, which scales each
    weight by itself, they learn as if alone.

    Args:
        config: hyper-parameters; its epochs become steps here.
        data: training features. validation: those that choose the strength.
    """

    product = "heads"
    metric = "validation_loss"
    higher_is_better = False
    gap = ("train_loss", "validation_loss")

    def __init__(
        self, config: FeatureConfig, data: Features, validation: Features, device: torch.device, amp: bool
    ) -> None:
        self.config: FeatureConfig = with_steps(config, samples_of(config.balance, data.labels.numpy()))
        self.device, self.amp = device, amp
        self.data, self.validation = data, validation
        self.class_names = data.class_names
        self.values, self.labels, weights = balanced(
            config.balance, data.values, data.labels, len(data.class_names), seeded("smote", config.seed, 0)
        )
        self.class_weights = weights.to(device)
        plain = self.values[:, 0].float()
        heads = SoftmaxHeads(len(config.l2), len(data.class_names), plain.mean(dim=0), plain.std(dim=0))
        self.heads = heads.to(device)
        self.l2 = torch.tensor(config.l2, device=device)
        self.networks = {"heads": self.heads}
        self.optimizers = {"heads": torch.optim.Adam(self.heads.parameters(), config.lr)}

    def lr_factor(self, step: int) -> float:
        return lr_factor("cosine", step, self.config.steps)

    def step(self, step: int, generator: torch.Generator) -> dict[str, Tensor]:
        """One step on a batch of pictures, each in one of its views."""
        config = self.config
        indices = shard(epoch_indices(step, config.batch_size, len(self.labels), config.seed))
        views = shard(torch.randint(self.values.shape[1], (config.batch_size,), generator=generator))
        labels = self.labels[indices].to(self.device)
        with autocast(self.device, self.amp):
            logits = self.heads(self.values[indices, views].to(self.device).float()).float()
        every, smoothing = labels.repeat(len(logits)), config.label_smoothing
        losses = F.cross_entropy(logits.flatten(0, 1), every, reduction="none", label_smoothing=smoothing)
        loss = (losses * self.class_weights[every]).mean() * len(logits)
        penalty = (self.l2 * self.heads.weight.square().sum(dim=(1, 2))).sum() / 2
        self.optimizers["heads"].zero_grad(set_to_none=True)
        self.backward(loss + penalty)
        self.update()
        hits = (logits.detach().argmax(dim=2) == labels).float().mean(dim=1)
        return {"loss": loss.detach() / len(logits), "rank1": 100 * hits.max()}

    def evaluate(self, network: nn.Module) -> dict[str, float]:
        """Rank-1 and rank-5 (per cent), loss and L2 of the classifier that the validation set chooses."""
        assert isinstance(network, SoftmaxHeads)
        scores = self.scores(network)
        best = self.best_of(scores)
        chosen = scores[best]
        chosen["validation_loss"] = chosen.pop("loss")
        return chosen | {"l2": self.config.l2[best]}

    @torch.inference_mode()
    def scores(self, heads: SoftmaxHeads) -> list[dict[str, float]]:
        """`measure` on the validation set of each classifier; where classes are balanced, each counts the same."""
        logits, labels = heads(self.validation.values[:, 0].to(self.device).float()).cpu(), self.validation.labels
        if self.config.balance == "none":
            return [measure(of_one, labels) for of_one in logits]
        return [measure(of_one, labels) | measure_balanced(of_one, labels) for of_one in logits]

    def best_of(self, scores: list[dict[str, float]]) -> int:
        """Which classifier is chosen by its measures: the one with the lowest loss."""
        return min(range(len(scores)), key=lambda index: scores[index]["loss"])
