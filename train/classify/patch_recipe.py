"""What the recipes share that go the book's way: HDF5, mean subtraction, random patches, ten crops.

See `train.data.preprocess`. The mean is that of the training pictures; it stands in the manifest's preprocessing. A
weight is measured on the central patch and on ten crops, from pictures packed as those of training were.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from cvdemo.classify.classifier import load_network
from cvdemo.eight_bits import from_eight_bits, in_eight_bits
from cvdemo.images import Preprocessing
from cvdemo.nets.build import build_network
from cvdemo.weights import entry_of, load_labels
from train.classify.classifier_recipe import default_optimizers, publish_classifier
from train.classify.classifier_task import predict
from train.classify.measures import timed_result
from train.classify.patch_task import PatchConfig, PatchTask
from train.classify.transfer_data import TransferData
from train.data.datasets import READINGS, LabelledPictures, SealedSplit
from train.data.hdf5 import Hdf5Dataset
from train.data.preprocess import Normalisation, central_logits, mean_subtraction, stored, ten_crop_logits
from train.data.read_pictures import Listing
from train.data.splits import PictureSet
from train.engine.checkpoint import State, hours_of, load
from train.engine.class_names import check_classes, order_of
from train.engine.config_options import config_of
from train.engine.progress import Progress
from train.engine.training_task import with_steps
from train.publishing.card_words import About, checkpoint_words, own_classes, split_words
from train.publishing.lineage import changed_on_the_way, settings_of
from train.publishing.publish import paragraphs
from train.publishing.recipe import Context, PublishOptions, RecipeOfDataSet, command_of

PROTOCOL = (
    "rank-1 and rank-5 accuracy, %, squares of {stored} px, central {side} px, bicubic, float32; "
    "ten_crop_rank1: mean probability of ten crops"
)


class Prepared(nn.Module):
    """A classifier with how its pictures are prepared, which its tensors do not tell."""

    def __init__(self, network: nn.Module, preprocessing: Preprocessing) -> None:
        super().__init__()
        self.network, self.preprocessing = network, preprocessing


@dataclass(frozen=True)
class SplitFiles:
    """The files of a split to measure on, which are packed at the size that a network wants once that is known."""

    listing: Listing
    split: str = "test"

    @property
    def class_names(self) -> list[str]:
        return self.listing.class_names

    @property
    def labels(self) -> Tensor:
        return torch.from_numpy(self.listing.labels)

    def in_order(self, names: Sequence[str], whose: str) -> SplitFiles:
        """The same files with labels in the order of `names`; see `order_of`."""
        files, labels, found = self.listing
        return SplitFiles(Listing(files, order_of(names, whose, found)[labels], list(names)), self.split)


@dataclass(frozen=True, kw_only=True)
class PatchRecipe(RecipeOfDataSet):
    """A `Recipe` for a classifier that learns from patches: what one adds to the shared machinery.

    Attributes:
        name: on the command line. weight: the name of what it makes in the manifest.
        goal, dry_run: see `Recipe`.
        data: the data set.
        config: frozen dataclass of its hyper-parameters.
        network: config -> `network` of the manifest entry: {"name", **constructor arguments}.
        notes: Markdown for the card.
    """

    name: str
    weight: str
    goal: str
    dry_run: dict[str, Any]
    data: TransferData
    config: type[PatchConfig]
    network: Callable[[Any], dict[str, Any]]
    notes: str
    losses = ("loss",)

    @property
    def made_from(self) -> TransferData:
        return self.data

    def build(self, config: PatchConfig, context: Context) -> PatchTask:
        """The task on the training split; on noise without data.

        Raises:
            ValueError: fewer than two classes, splits with other classes, settings that do not fit the number of
                pictures, or pictures that cannot be read.
        """
        build_network(self.network(config))  # settings are refused before pictures are packed
        data, validation, normalisation = self._training_pictures(config, context)
        torch.manual_seed(config.seed)
        network = build_network(self._network(config, len(data.class_names))).to(context.device)
        optimizers = default_optimizers(network, config)
        task = PatchTask(config, network, optimizers, data, validation, normalisation, context.device, context.amp)
        counts = {"train": len(data), "validation": len(validation) if validation else 0}
        task.trained_on = {**counts, "mean": list(normalisation.mean)}
        return task

    def _training_pictures(
        self, config: PatchConfig, context: Context
    ) -> tuple[PictureSet, PictureSet | None, Normalisation]:
        if context.data is None:
            train, held_out = (self._noise(config, count) for count in (4 * config.batch_size, 8))
            return train, held_out, Normalisation((0.5, 0.5, 0.5), (1.0, 1.0, 1.0))
        listing, others = self._listings(config, context.data)
        file = self._packed(listing, "train" if others else "train_and_validation", config.stored_px, context)
        validation = self._packed(others, "validation", config.stored_px, context) if others else None
        return file, validation, mean_subtraction(file)

    def _noise(self, config: PatchConfig, count: int) -> LabelledPictures:
        """Noise pictures of every class in turn, for --dry-run."""
        side = config.stored_px
        pictures = np.random.default_rng(config.seed).integers(0, 256, (count, side, side, 3), dtype=np.uint8)
        names = [f"class {i}" for i in range(self.data.classes)]
        return LabelledPictures(pictures, np.arange(count, dtype=np.int64) % len(names), names)

    def _listings(self, config: PatchConfig, data: Path) -> tuple[Listing, Listing | None]:
        """Files to train on and those that choose the checkpoint; refused before any is read where they do not fit."""
        train = self.data.read(data, "train")
        names = train.class_names
        check_classes(names, str(data))
        held_out = self.data.listing(data, "validation", names, "the training split")
        if not config.validation:
            labels = np.concatenate([train.labels, held_out.labels])
            train = Listing([*train.files, *held_out.files], labels, names)
        with_steps(config, len(train.files))
        with suppress(FileNotFoundError):  # no test split is needed before something is measured
            self.data.listing(data, "test", names, "the training split")
        return train, held_out if config.validation else None

    def _packed(self, listing: Listing, split: str, stored_px: int, context: Context) -> Hdf5Dataset:
        assert context.data is not None
        beside = context.data / f"pictures_{self.name}_{stored_px}_{split}.h5"
        counter = Progress(len(listing.files)).counter(f"pictures packed into {beside.name}")
        return stored(listing, beside, stored_px, cache=context.cache, progress=counter)

    def _network(self, config: Any, classes: int) -> dict[str, Any]:
        """The manifest's `network` for data with so many classes."""
        return self.network(config) | {"num_classes": classes}

    def classes(self, context: Context) -> list[str]:
        """The classes of the training split."""
        assert context.data is not None
        return self.data.read(context.data, "train").class_names

    def split(self, test: SplitFiles) -> str:
        """A test split in words, with its number of pictures."""
        what = "test pictures" if self.data.is_own(test.class_names) else self.data.test_split
        return split_words(test.listing.labels, test.class_names, what)

    def test(self, context: Context) -> SplitFiles:
        """The test split.

        Raises:
            ValueError: no data.
        """
        if context.data is None:
            raise ValueError("accuracy needs the test pictures: give --data")
        return SplitFiles(self.data.read(context.data, "test"))

    def validation(self, context: Context, settings: Mapping[str, Mapping[str, Any]]) -> SplitFiles:
        """The validation split, which several runs held out, by their settings.

        Raises:
            ValueError: no data, or a run was trained on these pictures too.
        """
        if context.data is None:
            raise ValueError("the validation pictures are those of --data: give it")
        if trained_on_all := [name for name, of_run in settings.items() if not of_run["validation"]]:
            raise ValueError(f"{', '.join(trained_on_all)} held no validation pictures out (--validation 0)")
        names = self.classes(context)
        return SplitFiles(self.data.listing(context.data, "validation", names, "the training split"), "validation")

    def evaluate(self, name: str, context: Context) -> dict[str, Any]:
        """The accuracy of a published weight on the test split, by one crop and by ten.

        Raises:
            ValueError: no data, or their classes are not those of the weight.
        """
        test = self.test(context).in_order(load_labels(name), name)
        return self.measured(self.load_weight(name), test, context)[0]

    def load_weight(self, name: str) -> Prepared:
        """The network of a published weight, on the CPU."""
        return Prepared(load_network(name), Preprocessing.from_manifest(entry_of(name).preprocessing))

    def load_run(self, checkpoint: Path) -> Prepared:
        """The averaged network of a run, on the CPU."""
        state = load(checkpoint)
        config = config_of(state["config"], self.config)
        network = build_network(self._network(config, len(state["class_names"])))
        network.load_state_dict(state["ema"])
        return Prepared(network.eval(), Preprocessing.from_manifest(preprocessing_of(config, state)))

    def predict(self, network: nn.Module, test: SplitFiles, context: Context) -> tuple[Tensor, Tensor]:
        """Logits (N, K) of what `load_run` or `load_weight` gave on the test split, and its labels (N,)."""
        return self._logits(network, test, context, ten_crop=False), test.labels

    def _logits(self, network: nn.Module, test: SplitFiles, context: Context, *, ten_crop: bool) -> Tensor:
        assert isinstance(network, Prepared)
        inner, how = network.network.to(context.device), network.preprocessing
        pictures = self._packed(test.listing, test.split, how.resize_px, context)
        views = (ten_crop_logits if ten_crop else central_logits)(inner, how.input_px)
        return predict(inner, pictures, Normalisation(how.mean, how.std), context.device, views=views)

    def measured(self, network: Prepared, test: SplitFiles, context: Context) -> tuple[dict[str, Any], Tensor]:
        """JSON-ready accuracy on the test split, and the logits of the central patches."""
        began = time.monotonic()
        logits = self._logits(network, test, context, ten_crop=False)
        result = timed_result(logits, test.labels, time.monotonic() - began)
        averaged = self._logits(network, test, context, ten_crop=True)
        result["ten_crop_rank1"] = timed_result(averaged, test.labels, 1.0)["rank1"]
        how = network.preprocessing
        protocol = PROTOCOL.format(stored=how.resize_px, side=how.input_px)
        return result | {"split": self.split(test), "protocol": protocol}, logits

    def publish(self, config: PatchConfig, out: Path, context: Context, options: PublishOptions) -> str:
        """Measures the averaged network, kernels and matrices in eight bits, on the test split; then stores it."""
        path = out / options.checkpoint
        state, network = load(path), self.load_run(path)
        kept = in_eight_bits(network.network.state_dict())
        network.network.load_state_dict(from_eight_bits(kept))  # what is measured is what is stored
        name = options.name or self.weight
        sealed = SealedSplit(lambda: self.test(context), out / READINGS)
        readings = sealed.readings
        names = state["class_names"]
        test = sealed.read(f"publishing {name}").in_order(names, f"the run in {out}")
        result, logits = self.measured(network, test, context)
        about = self._about(names, state["trained_on"], len(test.listing.labels), config.input_px)
        fields = {
            "network": self._network(config, len(names)),
            "preprocessing": preprocessing_of(config, state),
            "recipe": self.name,
            "command": command_of(self.name, config),
            "settings": settings_of(asdict(config)),
            "dataset": about.dataset,
            "licence": about.licence,
            "seed": config.seed,
            "hardware": state["hardware"],
            "hours": hours_of(out),
        }
        result["split"] += f"; {checkpoint_words(state, path.name, readings)}"
        notes = paragraphs(about.notes, changed_on_the_way(state))
        labelled = LabelledPictures(np.empty((len(test.labels), 0, 0, 3), np.uint8), test.listing.labels, names)
        publish_classifier(name, kept, fields, result, logits, labelled, self.data.labels, notes, options, out)
        return name

    def _about(self, names: Sequence[str], trained_on: Mapping[str, Any], tested: int, input_px: int) -> About:
        """What the card tells of the data: the recipe's words, or those of other pictures."""
        counts = {key: trained_on[key] for key in ("train", "validation") if trained_on[key]} | {"test": tested}
        if not self.data.is_own(names, sum(counts.values())):
            return About(self.data.name, self.data.licence, self.notes)
        return own_classes(names, counts, input_px)


def preprocessing_of(config: PatchConfig, state: State) -> dict[str, Any]:
    """The manifest's `preprocessing` of a run: its sizes, and the mean of the pictures that it was trained on."""
    mean = list(state["trained_on"]["mean"])
    sizes = {"input_px": config.input_px, "resize_px": config.stored_px}
    return {**sizes, "mean": mean, "std": [1.0] * len(mean), "interpolation": "bicubic"}
