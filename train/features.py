"""Transfer learning: features of the pretrained backbone, logistic regression on them, and what its recipes share.

The backbone's 1280 pooled activations describe a picture well enough that a linear classifier on them tells classes
apart that it was never trained on (J. Donahue et al., "DeCAF", ICML 2014; the book's ResNet-50 features reach 98.69 %
on cats and dogs). They are computed once, as the page would feed the network, stored in HDF5 and read from there.
Standardising is part of the regression and folded into the weights at the end: what is published is a classifier for
the backbone and nothing else.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

import h5py
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cvdemo.classify import load_network, prepare
from cvdemo.images import Preprocessing, center_crop, normalise
from cvdemo.nets.efficientnet_lite import HEAD_CHANNELS, EfficientNetLite, fold_batch_norm
from cvdemo.weights import entry_of
from train.device import autocast, channels_last
from train.distributed import shard
from train.engine import LoopConfig, Task, epoch_indices, with_steps
from train.files import Listing, Pictures, fingerprint, read_rgb
from train.hdf5 import Hdf5Dataset, Hdf5Writer
from train.optim import lr_factor
from train.progress import Progress
from train.scores import measure

BACKBONE = "efficientnet_lite0"

_BATCH = 8  # pictures at a time: their activations stay in the cache; 5.4 ms a picture of 160 px, 6.6 ms by four


@dataclass(frozen=True, kw_only=True)
class FeatureConfig(LoopConfig):
    """Hyper-parameters of the regression."""

    input_px: int = 224  # to which the shorter side is brought, >= 32; the central square is seen
    mirrored: bool = True  # train on features of mirror images too
    epochs: int = 20
    batch_size: int = 500
    evaluate_every: int = 1
    log_every: int = 50
    preview_every: int = 0
    ema_decay: float = 0.0
    lr: float = 2e-3  # of Adam, falling to 0 by a cosine
    l2: tuple[float, ...] = (1e-4, 3e-4, 1e-3, 3e-3)  # half the penalty on squared weights; validation chooses one
    label_smoothing: float = 0.0  # [0, 1)


@dataclass(frozen=True)
class Examples:
    """Pictures with classes.

    Attributes:
        pictures: files, read when they are wanted; or (N, H, W, 3) uint8.
        labels: (N,) int64. class_names: by label.
    """

    pictures: Sequence[Path] | Pictures
    labels: Tensor
    class_names: list[str]


@dataclass(frozen=True)
class Features:
    """Features of pictures in memory.

    Attributes:
        values: (N, V, D) float16: V views of each picture, the first as it is.
        labels: (N,) int64. class_names: by label.
        seconds: that extraction took.
    """

    values: Tensor
    labels: Tensor
    class_names: list[str]
    seconds: float = 0.0


def backbone() -> EfficientNetLite:
    """The pretrained network, in eval mode, without gradients."""
    network = load_network(BACKBONE)
    assert isinstance(network, EfficientNetLite)
    return network


def preprocessing_at(input_px: int) -> Preprocessing:
    """The backbone's preprocessing, but for the size: the shorter side becomes `input_px`."""
    published = Preprocessing.from_manifest(entry_of(BACKBONE).preprocessing)
    return replace(published, input_px=input_px, resize_px=input_px)


def read_picture(source: Path | Pictures) -> Pictures:
    """(H, W, 3) uint8 of a picture file, or of a picture itself."""
    return read_rgb(source) if isinstance(source, Path) else source


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


def pooled_by(network: EfficientNetLite, device: torch.device) -> Callable[[Tensor], Tensor]:
    """Pixels -> (B, 1280) pooled in float32, by a copy of the network with folded norms."""
    folded = channels_last(fold_batch_norm(network).to(device))
    return lambda pixels: folded.maps(pixels).float().mean(dim=(2, 3))


def features_of(examples: Examples, config: FeatureConfig, device: torch.device, amp: bool) -> Iterator[Tensor]:
    """Batches (B, V, 1280) float16 of the pictures' features."""
    pictures = map(read_picture, examples.pictures)
    pooled = pooled_by(backbone(), device)
    at_size = preprocessing_at(config.input_px)
    for batch in outputs(pooled, pictures, at_size, device, amp=amp, mirrored=config.mirrored):
        yield batch.half()


def extract(listing: Listing, target: Path, config: FeatureConfig, device: torch.device, amp: bool) -> Path:
    """`target`, an HDF5 file of (V, 1280) float16 features; made anew unless it is of these files and settings.

    Raises:
        PermissionError: it must be made, and its folder cannot be written.
    """
    mark = mark_of(listing, config)
    if target.exists():
        with h5py.File(target, "r", locking=False) as file:
            if file.attrs.get("fingerprint") == mark:
                return target
    if not os.access(target.parent, os.W_OK):
        raise PermissionError(f"features are kept in {target}, which cannot be written: give a copy of the data")
    examples = Examples(listing.files, torch.from_numpy(listing.labels), listing.class_names)
    write_features(features_of(examples, config, device, amp), listing, target, config, mark)
    return target


def mark_of(listing: Listing, config: FeatureConfig) -> str:
    """A fingerprint of files, labels, backbone and settings."""
    root = Path(os.path.commonpath(listing.files))
    network = entry_of(BACKBONE).sha256
    labels = listing.labels.tolist()
    return fingerprint(
        root, listing.files, labels=labels, network=network, input_px=config.input_px, mirrored=config.mirrored
    )


def write_features(batches: Iterable[Tensor], listing: Listing, target: Path, config: FeatureConfig, mark: str) -> None:
    """Writes batches (B, V, 1280) float16 and the listing's labels to `target`, with the seconds it took."""
    attributes: dict[str, int | str] = {"input_px": config.input_px, "backbone": BACKBONE, "fingerprint": mark}
    shape = (1 + config.mirrored, HEAD_CHANNELS)
    names = listing.class_names
    progress, began = Progress(len(listing.files)), time.monotonic()
    with Hdf5Writer(target, shape, np.float16, key="features", class_names=names, attributes=attributes) as writer:
        for batch in batches:
            writer.add(batch.numpy(), listing.labels[writer.count : writer.count + len(batch)])
            progress.update(writer.count, target.name)
        writer.attributes["seconds"] = time.monotonic() - began
    progress.close()


def read_features(path: Path) -> Features:
    """All features of a file made by `extract`."""
    dataset = Hdf5Dataset(path)
    with h5py.File(path, "r", locking=False) as file:
        seconds = float(file.attrs["seconds"])
    return Features(torch.from_numpy(dataset.read()), torch.from_numpy(dataset.labels), dataset.class_names, seconds)


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
    prepared_seconds: float

    def __init__(
        self, config: FeatureConfig, data: Features, validation: Features, device: torch.device, amp: bool
    ) -> None:
        self.config: FeatureConfig = with_steps(config, len(data.labels))
        self.device, self.amp = device, amp
        self.data, self.validation = data, validation
        self.prepared_seconds = data.seconds + validation.seconds
        plain = data.values[:, 0].float()
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
        indices = shard(epoch_indices(step, config.batch_size, len(self.data.labels), config.seed))
        views = shard(torch.randint(self.data.values.shape[1], (config.batch_size,), generator=generator))
        labels = self.data.labels[indices].to(self.device)
        with autocast(self.device, self.amp):
            logits = self.heads(self.data.values[indices, views].to(self.device).float()).float()
        loss = F.cross_entropy(
            logits.flatten(0, 1), labels.repeat(len(logits)), label_smoothing=config.label_smoothing
        ) * len(logits)
        penalty = (self.l2 * self.heads.weight.square().sum(dim=(1, 2))).sum() / 2
        self.optimizers["heads"].zero_grad(set_to_none=True)
        self.backward(loss + penalty)
        self.update()
        hits = (logits.detach().argmax(dim=2) == labels).float().mean(dim=1)
        return {"loss": loss.detach() / len(logits), "rank1": 100 * hits.max()}

    def evaluate(self, network: nn.Module) -> dict[str, float]:
        """Rank-1 and rank-5 (per cent), loss and L2 of the classifier with the lowest loss on the validation set."""
        assert isinstance(network, SoftmaxHeads)
        scores = self.scores(network)
        best = _lowest_loss(scores)
        chosen = scores[best]
        return {
            "rank1": chosen["rank1"],
            "rank5": chosen["rank5"],
            "validation_loss": chosen["loss"],
            "l2": self.config.l2[best],
        }

    def stored(self, network: nn.Module) -> dict[str, Tensor]:
        """The classifier that `evaluate` chooses, for the backbone's features as they come."""
        assert isinstance(network, SoftmaxHeads)
        weight, bias = network.folded(_lowest_loss(self.scores(network)))
        return {"classifier.weight": weight.cpu(), "classifier.bias": bias.cpu()}

    @torch.inference_mode()
    def scores(self, heads: SoftmaxHeads) -> list[dict[str, float]]:
        """`measure` on the validation set of each classifier."""
        logits = heads(self.validation.values[:, 0].to(self.device).float()).cpu()
        return [measure(of_one, self.validation.labels) for of_one in logits]


def _lowest_loss(scores: Sequence[dict[str, float]]) -> int:
    return min(range(len(scores)), key=lambda index: scores[index]["loss"])


def noise_examples(class_names: Sequence[str], size_px: int, count: int, seed: int) -> Examples:
    """Noise pictures of every class in turn, for --dry-run."""
    rng = np.random.default_rng(seed)
    pictures = rng.integers(0, 256, (count, size_px, size_px, 3), dtype=np.uint8)
    return Examples(pictures, torch.arange(count) % len(class_names), list(class_names))
