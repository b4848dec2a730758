"""What the recipes of classifiers on the backbone share: data set, task and hyper-parameters become weights.

What is published holds only what differs from the backbone. It is measured on the test pictures as the page would
see them: the shorter side brought to one size, the central square of it, in float32; with its mirror image averaged in
beside it.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from cvdemo.classify.classifier import load_network
from cvdemo.eight_bits import from_eight_bits, in_eight_bits
from cvdemo.images import Preprocessing
from cvdemo.nets.backbone import BACKBONE
from cvdemo.nets.efficientnet_lite import EfficientNetLite, fold_batch_norm
from cvdemo.weights import entry_of, load_labels
from train.classify.balance import Balance, samples_of
from train.classify.classifier_recipe import publish_classifier
from train.classify.features import (
    FeatureConfig,
    Features,
    FeatureTask,
    SoftmaxHeads,
    backbone,
    extract,
    features_of,
    mark_of,
    outputs,
    preprocessing_at,
    read_features,
    seconds_of,
)
from train.classify.finetune import FineTuneConfig, FineTuneTask
from train.classify.measures import timed_result
from train.classify.svm_task import SvmTask
from train.classify.transfer_data import TransferData, TransferPictures, noise_pictures, read_picture, try_all_files
from train.data.datasets import READINGS, LabelledPictures, SealedSplit
from train.data.packing import made_from
from train.data.read_pictures import each_read
from train.engine.checkpoint import load, load_last
from train.engine.class_names import check_classes, order_of
from train.engine.device import channels_last
from train.engine.monitor import METRICS_FILE, read_records
from train.engine.training_task import with_steps
from train.engine.writing import can_write_in
from train.publishing.card_words import About, checkpoint_words, own_classes, split_words
from train.publishing.lineage import changed_on_the_way, settings_of
from train.publishing.publish import paragraphs
from train.publishing.recipe import Context, PublishOptions, RecipeOfDataSet, command_of

PROTOCOL = "rank-1 and rank-5 accuracy, %, shorter side brought to {px} px, central square, bicubic, float32"
TEN_CROP_PROTOCOL = "; ten_crop_rank1: averaged with its mirror image, which ten crops of this square come to"
MARGINS = "It is a support vector machine: what the page shows as probability is the softmax of its margins."
BLOCK = "head"  # the layer whose activations are classified unless a recipe says otherwise
_DRY_RUN_PICTURES = 32

TransferConfig = FeatureConfig | FineTuneConfig


class Sized(nn.Module):
    """A classifier with the side of its pictures in px, which its tensors do not tell."""

    def __init__(self, network: nn.Module, input_px: int) -> None:
        super().__init__()
        self.network, self.input_px = network, input_px


@dataclass(frozen=True, kw_only=True)
class TransferRecipe(RecipeOfDataSet):
    """A `Recipe` for a classifier on the backbone: what one adds to the shared machinery.

    Attributes:
        name: on the command line. weight: the name of what it makes in the manifest.
        goal, dry_run: see `Recipe`.
        data: the data set.
        config: `FeatureConfig` or `FineTuneConfig`, or one that extends them: it says which of the two it is.
        notes: Markdown for the card.
    """

    name: str
    weight: str
    goal: str
    dry_run: dict[str, Any]
    data: TransferData
    config: type[FeatureConfig] | type[FineTuneConfig]
    notes: str
    losses = ("loss",)

    @property
    def made_from(self) -> TransferData:
        return self.data

    def build(self, config: TransferConfig, context: Context) -> FeatureTask | FineTuneTask:
        """The task on the training and validation splits; on noise without data.

        Raises:
            ValueError: fewer than two classes, splits with other classes, settings that do not fit the number of
                pictures, or pictures that cannot be read.
        """
        if context.data is not None:
            self._refuse_early(config, context.data)
        task: FeatureTask | FineTuneTask
        if isinstance(config, FineTuneConfig):
            train, validation = (self._examples(config, context, split) for split in ("train", "validation"))
            if context.data is not None:
                try_all_files([*train.pictures, *validation.pictures])
            task = FineTuneTask(config, train, validation, context.device, context.amp)
        else:
            data, held_out = (self._features(config, context, split) for split in ("train", "validation"))
            kind = SvmTask if config.classifier == "svm" else FeatureTask
            task = kind(config, data, held_out, context.device, context.amp)
        task.trained_on = {"train": len(task.data.labels), "validation": len(task.validation.labels)}
        return task

    def _refuse_early(self, config: TransferConfig, data: Path) -> None:
        """Refuses classes and settings before any picture is read."""
        train = self.data.read(data, "train")
        check_classes(train.class_names, str(data))
        if getattr(config, "classifier", "") != "svm":  # which takes all pictures at once
            balance: Balance = config.balance if isinstance(config, FeatureConfig) else "none"
            with_steps(config, samples_of(balance, train.labels))
        for split in ("validation", "test"):
            try:
                other = self.data.read(data, split).class_names
            except FileNotFoundError:
                if split == "test":  # none is needed before something is measured
                    continue
                raise
            order_of(train.class_names, "the training split", other, f"those of the {split} split")

    def _examples(self, config: TransferConfig, context: Context, split: str) -> TransferPictures:
        if context.data is not None:
            return self.data.examples(context.data, split, *self._trained(context))
        names = [f"class {i}" for i in range(self.data.classes)]
        return noise_pictures(names, config.input_px, _DRY_RUN_PICTURES, seed=config.seed + (split == "validation"))

    def _features(self, config: FeatureConfig, context: Context, split: str) -> Features:
        """From the file beside the pictures, which is made first where it is not there."""
        if context.data is None:
            examples = self._examples(config, context, split)
            values = torch.cat(list(features_of(examples, config, context.device, context.amp)))
            return Features(values, examples.labels, examples.class_names)
        listing = self.data.listing(context.data, split, *self._trained(context))
        target = self._features_file(config, context, split, mark_of(listing, config, context.amp))
        return read_features(extract(listing, target, config, context.device, context.amp))

    def _features_file(self, config: FeatureConfig, context: Context, split: str, mark: str = "") -> Path:
        """Beside the pictures, or in the context's cache where nothing can be written there; see `mark_of`."""
        assert context.data is not None
        layer = "" if config.block == BLOCK else f"{config.block}_"
        beside = context.data / f"features_{self.name}_{config.input_px}_{layer}{split}.h5"
        if context.cache is None or can_write_in(beside.parent):
            return beside
        context.cache.mkdir(parents=True, exist_ok=True)
        kept = context.cache / beside.name
        current = made_from(beside, mark) if mark else beside.exists()
        return beside if current and not kept.exists() else kept

    def classes(self, context: Context) -> list[str]:
        """The classes of the training split."""
        assert context.data is not None
        return self.data.read(context.data, "train").class_names

    def _trained(self, context: Context) -> tuple[list[str], str]:
        """The classes that other splits must have too, and whose they are."""
        return self.classes(context), "the training split"

    def split(self, test: TransferPictures) -> str:
        """A test split in words, with its number of pictures."""
        what = "test pictures" if self.data.is_own(test.class_names) else self.data.test_split
        return split_words(test.labels.numpy(), test.class_names, what)

    def evaluate(self, name: str, context: Context) -> dict[str, Any]:
        """The accuracy of a published weight on the test split, with and without its mirror image.

        Raises:
            ValueError: no data, or their classes are not those of the weight.
        """
        test = self.test(context).in_order(load_labels(name), name)
        return self.measured(self.load_weight(name), test, context)[0]

    def test(self, context: Context) -> TransferPictures:
        """The test split.

        Raises:
            ValueError: no data.
        """
        if context.data is None:
            raise ValueError("accuracy needs the test pictures: give --data")
        return self.data.examples(context.data, "test")

    def validation(self, context: Context, settings: Mapping[str, Mapping[str, Any]]) -> TransferPictures:
        """The validation split, which every run holds out, whatever its settings.

        Raises:
            ValueError: no data.
        """
        if context.data is None:
            raise ValueError("the validation pictures are those of --data: give it")
        return self.data.examples(context.data, "validation", *self._trained(context))

    def measured(self, network: nn.Module, test: TransferPictures, context: Context) -> tuple[dict[str, Any], Tensor]:
        """JSON-ready accuracy of a `Sized` network on the test split, and the logits of the plain pictures."""
        assert isinstance(network, Sized)
        began, input_px = time.monotonic(), network.input_px
        logits = _logits(network.network, input_px, test, context, mirrored=self.data.ten_crop)
        result = timed_result(logits[:, 0], test.labels, (time.monotonic() - began) / logits.shape[1])
        result |= {"split": self.split(test), "protocol": PROTOCOL.format(px=input_px)}
        if self.data.ten_crop:
            averaged = logits.softmax(dim=2).mean(dim=1).log()
            result["ten_crop_rank1"] = timed_result(averaged, test.labels, 1.0)["rank1"]
            result["protocol"] += TEN_CROP_PROTOCOL
        return result, logits[:, 0]

    def predict(self, network: nn.Module, test: TransferPictures, context: Context) -> tuple[Tensor, Tensor]:
        """Logits (N, K) of what `load_run` or `load_weight` gave on the test split, and its labels (N,)."""
        assert isinstance(network, Sized)
        return _logits(network.network, network.input_px, test, context, mirrored=False)[:, 0], test.labels

    def load_weight(self, name: str) -> Sized:
        """The network of a published weight, on the CPU."""
        return Sized(load_network(name), Preprocessing.from_manifest(entry_of(name).preprocessing).input_px)

    def load_run(self, checkpoint: Path) -> Sized:
        """The averaged network of a run, on the CPU; of a regression, with the L2 that validation chose.

        Raises:
            ValueError: a regression that was not measured at the checkpoint's step, so that nothing was chosen.
        """
        return Sized(self.network_of(checkpoint), load(checkpoint)["config"]["input_px"])

    def network_of(self, checkpoint: Path) -> EfficientNetLite:
        """The averaged network of a run, on the CPU; of a regression, with the L2 that validation chose.

        Raises:
            ValueError: a regression that was not measured at the checkpoint's step, so that nothing was chosen.
        """
        state = load(checkpoint)
        config, weights = state["config"], state["ema"]
        classes = len(state.get("class_names") or ()) or self.data.classes
        if "l2" in config:  # runs of both kinds join one ensemble
            heads = SoftmaxHeads(len(config["l2"]), classes, weights["mean"], weights["scale"])
            heads.load_state_dict(weights)
            weight, bias = heads.folded(_chosen(checkpoint, state["step"], config["l2"]))
            return laid_over_backbone(
                {"classifier.weight": weight, "classifier.bias": bias}, config.get("block", BLOCK)
            )
        network = EfficientNetLite(num_classes=classes)
        network.load_state_dict(weights)
        return network.eval()

    def publish(self, config: TransferConfig, out: Path, context: Context, options: PublishOptions) -> str:
        """Measures what will be stored, laid over the backbone, on the test split; then stores it.

        A checkpoint of an earlier version holds no class names: those of the training split of the data are taken.
        """
        path = out / options.checkpoint
        state, seconds = load(path), load_last(out)["seconds"]
        if context.data is not None and isinstance(config, FeatureConfig):
            files = [self._features_file(config, context, split) for split in ("train", "validation")]
            seconds += sum(map(seconds_of, files))
        stored = difference(self.network_of(path))
        name, names = options.name or self.weight, state.get("class_names") or self.classes(context)
        sealed = SealedSplit(lambda: self.test(context), out / READINGS)
        readings = sealed.readings
        test = sealed.read(f"publishing {name}").in_order(names, f"the run in {out}")
        block = config.block if isinstance(config, FeatureConfig) else BLOCK
        network = Sized(laid_over_backbone(from_eight_bits(stored), block), config.input_px)
        result, logits = self.measured(network, test, context)
        result["split"] += "; " + checkpoint_words(state, path.name, readings)
        if isinstance(config, FeatureConfig):
            result["split"] += "; validation chose the strength of L2"
        preprocessing = {"input_px": config.input_px, "resize_px": config.input_px}
        about = self._about(names, state.get("trained_on", {}), len(test.labels), config.input_px)
        margins = MARGINS if getattr(config, "classifier", "") == "svm" else ""
        notes = paragraphs(about.notes, margins, changed_on_the_way(state))
        fields = {
            "network": {"name": "efficientnet_lite", "num_classes": len(names), "base": BACKBONE, **layer_of(block)},
            "preprocessing": entry_of(BACKBONE).preprocessing | preprocessing,
            "recipe": self.name,
            "command": command_of(self.name, config),
            "settings": settings_of(asdict(config)),
            "dataset": about.dataset,
            "licence": about.licence,
            "seed": config.seed,
            "hardware": state["hardware"],
            "hours": round(seconds / 3600, 2),
        }
        labels = self.data.labels
        publish_classifier(name, stored, fields, result, logits, _labelled(test), labels, notes, options, out)
        return name

    def _about(self, names: Sequence[str], trained_on: Mapping[str, int], tested: int, input_px: int) -> About:
        """What the card tells of the data: the recipe's words, or those of other pictures."""
        counts = {**trained_on, "test": tested}
        if not self.data.is_own(names, sum(counts.values()) if trained_on else None):  # earlier ones hold no numbers
            return About(self.data.name, self.data.licence, self.notes)
        return own_classes(names, counts, input_px)


def _logits(network: nn.Module, input_px: int, test: TransferPictures, context: Context, *, mirrored: bool) -> Tensor:
    """(N, V, K) float32 on the CPU; V = 2 with the mirror images."""
    assert isinstance(network, EfficientNetLite)
    folded = channels_last(fold_batch_norm(network).to(context.device))
    pictures = each_read(test.pictures, read_picture)
    return torch.cat(list(outputs(folded, pictures, preprocessing_at(input_px), context.device, mirrored=mirrored)))


def _labelled(test: TransferPictures) -> LabelledPictures:
    """The labels and class names, with pictures of 0 px: the files differ in size."""
    return LabelledPictures(np.empty((len(test.labels), 0, 0, 3), np.uint8), test.labels.numpy(), test.class_names)


def _chosen(checkpoint: Path, step: int, l2: Sequence[float]) -> int:
    """Which of the strengths was best on the validation pictures at a checkpoint's step, by the run's records."""
    records = read_records(checkpoint.with_name(METRICS_FILE))
    found = [record["l2"] for record in records if record["step"] == step and "l2" in record]
    if not found:
        raise ValueError(f"{checkpoint} is of step {step}, at which validation chose no L2; take best.pt")
    return l2.index(found[-1])


def difference(network: EfficientNetLite) -> dict[str, Tensor]:
    """What of the network differs from the backbone, its classifier always; in eight bits."""
    base = backbone().state_dict()
    mine = {key: tensor.cpu() for key, tensor in network.state_dict().items()}
    kept = {k: t for k, t in mine.items() if k.startswith("classifier.") or not torch.equal(t, base[k])}
    return in_eight_bits(kept)


def layer_of(block: str) -> dict[str, str]:
    """What a network's manifest entry says of the layer that is classified: nothing of the last one."""
    return {} if block == BLOCK else {"layer": block}


def laid_over_backbone(stored: dict[str, Tensor], block: str = BLOCK) -> EfficientNetLite:
    """The network that the page makes of stored tensors: the backbone's where there is none.

    Args:
        block: the layer whose activations are classified.
    """
    network = EfficientNetLite(num_classes=len(stored["classifier.bias"]), layer=block)
    lent = {key: tensor for key, tensor in backbone().state_dict().items() if not key.startswith("classifier.")}
    network.load_state_dict(lent | stored)
    return network.eval()
