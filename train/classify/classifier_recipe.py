"""What the recipes of classifiers share, from a data set and hyper-parameters to weights. See `train.recipes.lenet`."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from cvdemo.classify.classifier import load_network
from cvdemo.eight_bits import from_eight_bits, in_eight_bits
from cvdemo.images import to_batch
from cvdemo.nets.build import build_network
from cvdemo.weights import WEIGHTS_DIR, entry_of, load_labels
from train.classify.classifier_task import ClassifierConfig, ClassifierTask, predict, side_px
from train.classify.data_source import Source as Source
from train.classify.measures import confusion_matrix, draw_confusion, timed_result
from train.data.augment import tta_views
from train.data.datasets import READINGS, LabelledPictures, SealedSplit, hold_out_last
from train.data.splits import Labels
from train.engine.checkpoint import hours_of, load
from train.engine.class_names import check_classes, order_of
from train.engine.config_options import config_of
from train.engine.optimisers import optimizers_for
from train.engine.training_task import with_steps
from train.publishing.card_words import About, checkpoint_words, own_classes, split_words
from train.publishing.curves_card import curves_of_run
from train.publishing.lineage import changed_on_the_way, settings_of
from train.publishing.publish import checked_name, paragraphs, write_atomically
from train.publishing.publish import publish as publish_weight
from train.publishing.recipe import Context, PublishOptions, RecipeOfDataSet, command_of

PROTOCOL = "rank-1 and rank-5 accuracy, %, one view a picture, float32"


@dataclass(frozen=True, kw_only=True)
class ClassifierRecipe(RecipeOfDataSet):
    """A `Recipe` for a classifier of small pictures: what one adds to the shared machinery.

    Attributes:
        name: on the command line. weight: the name of what it makes in the manifest.
        goal, dry_run: see `Recipe`.
        source: the data set.
        config: frozen dataclass of its hyper-parameters.
        network: config -> `network` of the manifest entry: {"name", **constructor arguments}.
        optimizers: network, config -> optimisers by name.
        prepare: called once with the new network and normalised training pictures, (N, C, H, W).
        notes: Markdown for the card.
        averages_views: whether accuracy with test-time augmentation is measured too: it takes six times as long.
    """

    name: str
    weight: str
    goal: str
    dry_run: dict[str, Any]
    source: Source
    config: type[ClassifierConfig]
    network: Callable[[Any], dict[str, Any]]
    optimizers: Callable[[nn.Module, Any], dict[str, Optimizer]] | None = None
    prepare: Callable[[nn.Module, Tensor], None] | None = None
    notes: str = ""
    averages_views: bool = True
    losses = ("loss",)

    @property
    def made_from(self) -> Source:
        return self.source

    def build(self, config: ClassifierConfig, context: Context) -> ClassifierTask:
        """The task on the training split, less the validation pictures; on noise without data."""
        if context.data is not None:
            self._refuse_early(config, context.data)
        torch.manual_seed(config.seed)
        build_network(self.network(config))  # settings are refused before pictures are packed
        data, validation = self._training_pictures(config, context)
        check_classes(data.class_names, str(context.data))
        torch.manual_seed(config.seed)
        network = build_network(self._network(config, len(data.class_names)))
        make = self.optimizers or default_optimizers
        if self.prepare:
            self.prepare(network, self._sample(data))
        network.to(context.device)  # before the optimisers take its weights
        task = ClassifierTask(
            config,
            network,
            make(network, config),
            data,
            validation,
            self.source.normalisation,
            context.device,
            context.amp,
        )
        task.trained_on = {"train": len(data), "validation": len(validation or ()), "resize": context.resize}
        return task

    def _refuse_early(self, config: ClassifierConfig, data: Path) -> None:
        """Refuses classes and settings by the names and numbers of picture files, before any is read or packed.

        Raises:
            ValueError: fewer than two classes, other ones in the test split, or settings that do not fit the numbers.
        """
        side_px(0, config.first_px, self.source.size_px)
        train = self.source.found(data, "train")
        if train is None:
            return
        _, labels, names = train.listing
        check_classes(names, str(train.root))
        kept, _ = self._parts(labels, names, config)
        with_steps(config, len(kept))
        if test := self.source.found(data, "test"):  # none is needed before something is measured
            order_of(names, f"the training split {train.root}", test.listing.class_names, f"those in {test.root}")

    def _parts(self, labels: Labels, names: Sequence[str], config: ClassifierConfig) -> tuple[Labels, Labels]:
        """Indices of the pictures to train on and of those for validation."""
        if config.validation % len(names):
            raise ValueError(f"validation must be a multiple of {len(names)}, got {config.validation}")
        try:
            return hold_out_last(labels, config.validation // len(names))
        except ValueError as error:
            raise ValueError(f"{error}: give a smaller --validation, or 0") from error

    def _network(self, config: Any, classes: int) -> dict[str, Any]:
        """The manifest's `network` for data with so many classes."""
        return self.network(config) | {"num_classes": classes}

    def _training_pictures(
        self, config: ClassifierConfig, context: Context
    ) -> tuple[LabelledPictures, LabelledPictures | None]:
        if context.data is None:
            return self.source.generated(4 * config.batch_size, config.seed), self.source.generated(32, config.seed + 1)
        full = self.source.pictures("train", context)
        if not config.validation:
            return full, None
        kept, held_out = self._parts(full.labels, full.class_names, config)
        return full.take(kept), full.take(held_out)

    def _sample(self, data: LabelledPictures, count: int = 5000) -> Tensor:
        """Normalised pictures spread evenly over the data, which are sorted by class."""
        every = max(1, len(data) // count)
        return self.source.normalisation(to_batch(data.pictures[::every]))

    def evaluate(self, name: str, context: Context) -> dict[str, Any]:
        """The accuracy of a published weight on the test split, with and without test-time augmentation.

        Raises:
            ValueError: no data, or their classes are not those of the weight.
        """
        test = self.test(context).in_order(load_labels(name), name)
        return self.measured(self.load_weight(name).to(context.device), test, context)[0]

    def load_weight(self, name: str) -> nn.Module:
        """The network of a published weight, on the CPU.

        Raises:
            ValueError: its pictures are prepared otherwise than this recipe prepares them.
        """
        theirs, ours = entry_of(name).preprocessing, self._preprocessing()
        if theirs != ours:
            raise ValueError(f"{name} was made for {theirs}, {self.name} measures with {ours}")
        return load_network(name)

    def test(self, context: Context) -> LabelledPictures:
        """The test split.

        Raises:
            ValueError: no data.
        """
        return self.source.pictures("test", context)

    def validation(self, context: Context, settings: Mapping[str, Mapping[str, Any]]) -> LabelledPictures:
        """The validation pictures of several runs, by their settings: of each class the last ones, as many as all have.

        Raises:
            ValueError: a run held none out.
        """
        if trained_on_all := [name for name, of_run in settings.items() if not of_run["validation"]]:
            raise ValueError(f"{', '.join(trained_on_all)} held no validation pictures out (--validation 0)")
        fewest = min(of_run["validation"] for of_run in settings.values())
        full = self.source.pictures("train", context)
        _, held_out = self._parts(full.labels, full.class_names, replace(self.config(), validation=fewest))
        return full.take(held_out)

    def classes(self, context: Context) -> list[str]:
        """The classes of the training split."""
        found = self.source.found(context.data, "train") if context.data else None
        return found.listing.class_names if found else self.source.pictures("train", context).class_names

    def split(self, test: LabelledPictures) -> str:
        """A test split in words, with its number of pictures."""
        own = self.source.is_own(test.class_names, {"test": len(test)})
        return split_words(test.labels, test.class_names, "test pictures" if own else self.source.test_split)

    def measured(self, network: nn.Module, test: LabelledPictures, context: Context) -> tuple[dict[str, Any], Tensor]:
        """JSON-ready accuracy on the test split, and the logits that it comes from."""
        began = time.monotonic()
        logits = predict(network, test.pictures, self.source.normalisation, context.device)
        labels = torch.from_numpy(test.labels)
        result = timed_result(logits, labels, time.monotonic() - began)
        if self.averages_views:
            averaged = predict(
                network, test.pictures, self.source.normalisation, context.device, views=lambda x: _averaged(network, x)
            )
            result["tta_rank1"] = timed_result(averaged, labels, 1.0)["rank1"]
        return result | {"split": self.split(test), "protocol": PROTOCOL}, logits

    def predict(self, network: nn.Module, test: LabelledPictures, context: Context) -> tuple[Tensor, Tensor]:
        """Logits (N, K) of what `load_run` or `load_weight` gave on the test split, and its labels (N,)."""
        logits = predict(network, test.pictures, self.source.normalisation, context.device)
        return logits, torch.from_numpy(test.labels)

    def load_run(self, checkpoint: Path) -> nn.Module:
        """The averaged network of a run, on the CPU."""
        state = load(checkpoint)
        classes = len(state.get("class_names") or ()) or self.source.num_classes
        network = build_network(self._network(config_of(state["config"], self.config), classes))
        network.load_state_dict(state["ema"])
        return network.eval()

    def publish(self, config: ClassifierConfig, out: Path, context: Context, options: PublishOptions) -> str:
        """Measures the averaged network, kernels and matrices in eight bits, on the test split; then stores it.

        A checkpoint of an earlier version holds no class names: those of the training split of the data are taken.
        """
        path = out / options.checkpoint
        state, hours = load(path), hours_of(out)
        network = self.load_run(path)
        stored = in_eight_bits(network.state_dict())
        network.load_state_dict(from_eight_bits(stored))  # what is measured is what is stored
        name = options.name or self.weight
        sealed = SealedSplit(lambda: self.test(context), out / READINGS)
        readings = sealed.readings
        names = state.get("class_names") or self.classes(context)
        test = sealed.read(f"publishing {name}").in_order(names, f"the run in {out}")
        result, logits = self.measured(network.to(context.device), test, context)
        trained_on = dict(state.get("trained_on", {}))
        about = self._about(names, trained_on, len(test))
        fields = {
            "network": self._network(config, len(names)),
            "preprocessing": self._preprocessing(),
            "recipe": self.name,
            "command": command_of(self.name, config, resize=trained_on.get("resize", False)),
            "settings": settings_of(asdict(config)),
            "dataset": about.dataset,
            "licence": about.licence,
            "seed": config.seed,
            "hardware": state["hardware"],
            "hours": hours,
        }
        result["split"] = f"{result['split']}; {checkpoint_words(state, path.name, readings)}"
        notes = paragraphs(about.notes, changed_on_the_way(state))
        publish_classifier(name, stored, fields, result, logits, test, self.source.labels, notes, options, out)
        return name

    def _about(self, names: Sequence[str], trained_on: Mapping[str, Any], tested: int) -> About:
        """What the card tells of the data: the recipe's words, or those of other pictures."""
        counts = {key: trained_on[key] for key in ("train", "validation") if trained_on.get(key)}
        whole = {"train": sum(counts.values())} if counts else {}  # earlier checkpoints hold no numbers
        if not self.source.is_own(names, whole | {"test": tested}):
            return About(self.source.name, self.source.licence, self.notes)
        return own_classes(names, {**counts, "test": tested}, self.source.size_px)

    def _preprocessing(self) -> dict[str, Any]:
        source = self.source
        return {
            "input_px": source.size_px,
            "resize_px": source.size_px,
            "mean": list(source.normalisation.mean),
            "std": list(source.normalisation.std),
            "interpolation": "bicubic",
            **({"colour": "grey"} if source.channels == 1 else {}),
            **({"ground": "dark"} if source.dark_ground else {}),
        }


def _averaged(network: nn.Module, pixels: Tensor) -> Tensor:
    """Mean probability over the views of test-time augmentation, as logits."""
    probabilities = [weight * network(view).float().softmax(dim=1) for view, weight in tta_views(pixels)]
    return torch.stack(probabilities).sum(dim=0).log()


def default_optimizers(network: nn.Module, config: ClassifierConfig) -> dict[str, Optimizer]:
    """The optimisers that the config names, as `optimizers_for` makes them."""
    return optimizers_for(
        network,
        config.optimizer,
        config.lr,
        lr_rest=config.lr_rest,
        momentum=config.momentum,
        weight_decay=config.weight_decay,
    )


def labels_file_for(name: str, usual: str, class_names: Sequence[str], folder: Path) -> str:
    """The file for a weight's class names: its own, where the recipe's usual one holds other classes for others."""
    there = folder / usual
    if there.exists() and there.read_text(encoding="utf-8").splitlines() != list(class_names):
        return f"{name}.txt"
    return usual


def _write_labels(name: str, usual: str, class_names: Sequence[str], folder: Path) -> str:
    """Writes a weight's class names; the name of their file."""
    folder.mkdir(parents=True, exist_ok=True)
    file = labels_file_for(name, usual, class_names, folder)
    write_atomically(folder / file, "".join(f"{label}\n" for label in class_names).encode())
    return file


def publish_classifier(
    name: str,
    stored: dict[str, Tensor],
    fields: dict[str, Any],
    result: dict[str, Any],
    logits: Tensor,
    test: LabelledPictures,
    labels_file: str,
    notes: str,
    options: PublishOptions,
    run: Path | None = None,
) -> None:
    """Writes a measured classifier: weight, manifest entry, card, class names, its confusion matrix and curves as PNG.

    Args:
        fields: of the manifest entry, but for the task, the labels and the metric.
        result: from `timed_result`, with "split" and "protocol" added.
        logits, test: what it was measured on.
        labels_file: name in the folder `labels` of the weights.
        run: folder of the run that made it, whose curves the card shows; None: `notes` tell of them.
    """
    checked_name(name)
    folder = options.weights_dir or WEIGHTS_DIR
    labels_file = _write_labels(name, labels_file, test.class_names, folder / "labels")
    counts = confusion_matrix(logits, torch.from_numpy(test.labels))
    draw_confusion(counts, test.class_names).save(folder / f"{name}_confusion.png", optimize=True)
    pace = f"{result['pictures_per_second']} pictures/s"
    files, curves = curves_of_run(name, run)
    drawing = f"![Confusion matrix: rows are true classes, columns answers]({name}_confusion.png)"
    publish_weight(
        name,
        stored,
        task=options.task("classify"),
        labels=labels_file,
        metric=_metric(name, result, resize=" --resize " in fields["command"]),
        notes=paragraphs(notes, curves, f"Measured in {result['seconds']} s ({pace}).", drawing),
        weights_dir=options.weights_dir,
        files=files,
        **fields,
    )


def _metric(name: str, result: Mapping[str, Any], *, resize: bool) -> dict[str, Any]:
    """What was measured, as a manifest entry tells it."""
    values = {key: value for key, value in result.items() if key in {"rank1", "rank5"} or key.endswith("_rank1")}
    return {
        "name": "accuracy, %",
        "value": values,
        "protocol": result["protocol"],
        "split": result["split"],
        "n": result["n"],
        "command": f"python -m train evaluate {name}{' --resize' if resize else ''} --data DIR --json",
    }
