"""A `Recipe` for a classifier on the backbone, from its parts: data set, task, hyper-parameters.

What is published holds only what differs from the backbone. It is measured on the test pictures as the page would
see them: the whole picture at one size, in float32; its mirror image, averaged in, beside it.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from cvdemo.classify import load_network
from cvdemo.images import Preprocessing
from cvdemo.nets.efficientnet_lite import EfficientNetLite, fold_batch_norm
from cvdemo.weights import entry_of
from train.checkpoint import load
from train.classifier_recipe import publish_classifier
from train.device import channels_last
from train.features import (
    BACKBONE,
    Examples,
    FeatureConfig,
    Features,
    FeatureTask,
    backbone,
    extract,
    features_of,
    noise_examples,
    outputs,
    preprocessing_at,
    read_features,
    read_picture,
)
from train.files import Listing
from train.finetune import FineTuneConfig, FineTuneTask
from train.recipe import Context, PublishOptions, Recipe, command_of
from train.scores import timed_result
from train.sources import Labelled

PROTOCOL = "rank-1 and rank-5 accuracy, %, the whole picture at {px} px, bicubic, float32"
TEN_CROP_PROTOCOL = "; ten_crop_rank1: averaged with its mirror image, which is what ten crops come to"
_DRY_RUN_PICTURES = 32

TransferConfig = FeatureConfig | FineTuneConfig


@dataclass(frozen=True, kw_only=True)
class TransferData:
    """A data set of picture files.

    Attributes:
        name: as in the manifest, with where it comes from. licence: of the weights made from it.
        read: the folder given with --data and "train", "validation" or "test" -> files.
        labels: file in weights/labels. classes: K.
        test_split: what "test" is, in words.
        ten_crop: whether the accuracy with ten crops is measured too, which doubles the time.
    """

    name: str
    licence: str
    read: Callable[[Path, str], Listing]
    labels: str
    classes: int
    test_split: str
    ten_crop: bool

    def examples(self, data: Path, split: str) -> Examples:
        """The files of a split."""
        files, labels, class_names = self.read(data, split)
        return Examples(files, torch.from_numpy(labels), class_names)


@dataclass(frozen=True, kw_only=True)
class TransferSpec:
    """What one recipe adds to the shared machinery.

    Attributes:
        recipe: its name on the command line. weight: the name of what it makes in the manifest.
        data: the data set.
        config: `FeatureConfig` or `FineTuneConfig`, or one that extends them: it says which of the two it is.
        notes: Markdown for the card.
    """

    recipe: str
    weight: str
    data: TransferData
    config: type[FeatureConfig] | type[FineTuneConfig]
    notes: str

    def build(self, config: TransferConfig, context: Context) -> FeatureTask | FineTuneTask:
        """The task on the training and validation splits; on noise without data."""
        if isinstance(config, FineTuneConfig):
            train, validation = (self._examples(config, context, split) for split in ("train", "validation"))
            return FineTuneTask(config, train, validation, context.device, context.amp)
        data, held_out = (self._features(config, context, split) for split in ("train", "validation"))
        return FeatureTask(config, data, held_out, context.device, context.amp)

    def _examples(self, config: TransferConfig, context: Context, split: str) -> Examples:
        if context.data is not None:
            return self.data.examples(context.data, split)
        names = [f"class {i}" for i in range(self.data.classes)]
        return noise_examples(names, config.input_px, _DRY_RUN_PICTURES, seed=config.seed + (split == "validation"))

    def _features(self, config: FeatureConfig, context: Context, split: str) -> Features:
        """From the file beside the pictures, which is made first where it is not there."""
        if context.data is None:
            examples = self._examples(config, context, split)
            values = torch.cat(list(features_of(examples, config, context.device, context.amp)))
            return Features(values, examples.labels, examples.class_names)
        target = context.data / f"features_{self.recipe}_{config.input_px}_{split}.h5"
        listing = self.data.read(context.data, split)
        return read_features(extract(listing, target, config, context.device, context.amp))

    def evaluate(self, name: str, context: Context) -> dict[str, Any]:
        """The accuracy of a published weight on the test split, with and without its mirror image."""
        input_px = Preprocessing.from_manifest(entry_of(name).preprocessing).input_px
        return self._measured(load_network(name), input_px, context)[0]

    def _measured(self, network: nn.Module, input_px: int, context: Context) -> tuple[dict[str, Any], Tensor, Examples]:
        """JSON-ready accuracy on the test split; the logits of the plain pictures, and the pictures."""
        if context.data is None:
            raise ValueError("accuracy needs the test pictures: give --data")
        test = self.data.examples(context.data, "test")
        assert isinstance(network, EfficientNetLite)
        folded = channels_last(fold_batch_norm(network).to(context.device))
        began = time.monotonic()
        views = outputs(
            folded,
            map(read_picture, test.pictures),
            preprocessing_at(input_px),
            context.device,
            mirrored=self.data.ten_crop,
        )
        logits = torch.cat(list(views))  # (N, V, K)
        result = timed_result(logits[:, 0], test.labels, (time.monotonic() - began) / logits.shape[1])
        result |= {"split": self.data.test_split, "protocol": PROTOCOL.format(px=input_px)}
        if self.data.ten_crop:
            averaged = logits.softmax(dim=2).mean(dim=1).log()
            result["ten_crop_rank1"] = timed_result(averaged, test.labels, 1.0)["rank1"]
            result["protocol"] += TEN_CROP_PROTOCOL
        return result, logits[:, 0], test

    def publish(self, config: TransferConfig, out: Path, context: Context, options: PublishOptions) -> str:
        """Measures what will be stored, laid over the backbone, on the test split; then stores it."""
        state = load(out / options.checkpoint)
        task = self.build(config, context)
        network = task.networks[task.product]
        network.load_state_dict(state["ema"])
        stored = task.stored(network)
        result, logits, test = self._measured(laid_over_backbone(stored), config.input_px, context)
        result["split"] += "; training pictures held out chose " + (
            "the checkpoint" if isinstance(config, FineTuneConfig) else "the strength of L2"
        )
        fields = {
            "network": {"name": "efficientnet_lite", "num_classes": self.data.classes, "base": BACKBONE},
            "preprocessing": entry_of(BACKBONE).preprocessing
            | {"input_px": config.input_px, "resize_px": config.input_px},
            "recipe": self.recipe,
            "command": command_of(self.recipe, config),
            "dataset": self.data.name,
            "licence": self.data.licence,
            "seed": config.seed,
            "hardware": state["hardware"],
            "hours": round((state["seconds"] + task.prepared_seconds) / 3600, 2),
        }
        name = options.name or self.weight
        no_pictures = np.empty((len(test.labels), 0, 0, 3), np.uint8)
        labelled = Labelled(no_pictures, test.labels.numpy(), test.class_names)
        publish_classifier(
            name, stored, fields, result, logits, labelled, self.data.labels, self.notes, options.weights_dir
        )
        return name

    def as_recipe(self, goal: str, dry_run: dict[str, Any]) -> Recipe:
        """This as an entry of `RECIPES`; see there for the arguments."""
        return Recipe(
            name=self.recipe,
            dataset=self.data.name,
            goal=goal,
            weights=(self.weight,),
            config=self.config,
            dry_run=dry_run,
            build=self.build,
            publish=self.publish,
            evaluate=self.evaluate,
        )


def laid_over_backbone(stored: dict[str, Tensor]) -> EfficientNetLite:
    """The network that the page makes of stored tensors: the backbone's where there is none."""
    network = EfficientNetLite(num_classes=len(stored["classifier.bias"]))
    lent = {key: tensor for key, tensor in backbone().state_dict().items() if not key.startswith("classifier.")}
    network.load_state_dict(lent | stored)
    return network.eval()
