"""A `Recipe` for a classifier from its parts: data set, network, hyper-parameters. See train/recipes/lenet.py."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from cvdemo.classify import load_network
from cvdemo.nets.build import build_network
from cvdemo.weights import WEIGHTS_DIR, entry_of, load_labels
from train.augment import tta_views
from train.checkpoint import BEST, hours_of, load
from train.classification import ClassifierConfig, ClassifierTask, Normalisation, predict, to_pixels
from train.download import fetch
from train.lineage import changed_on_the_way, settings_of
from train.optim import optimizers_for
from train.progress import Progress
from train.publish import publish as publish_weight
from train.publish import write_atomically
from train.recipe import Context, PublishOptions, Recipe, command_of, config_of
from train.scores import confusion_matrix, draw_confusion, timed_result
from train.sources import READINGS, Labelled, SealedSplit, hold_out_last

PROTOCOL = "rank-1 and rank-5 accuracy, %, one view a picture, float32"


@dataclass(frozen=True, kw_only=True)
class Source:
    """A data set of pictures of one size.

    Attributes:
        name: as in the manifest, with where it comes from.
        licence: of the weights made from it.
        read: the folder given with --data and "train" or "test" -> pictures.
        labels: file in weights/labels.
        size_px, channels: of a picture; num_classes: K.
        normalisation: of its pixels.
        test_split: what "test" is, in words.
        dark_ground: whether things are bright on black, so that other pictures must be inverted for the network.
        where: what the folder holds and where it comes from, a sentence for people.
        official: its name in `train.download`, if it has a public address.
    """

    name: str
    licence: str
    read: Callable[[Path, Literal["train", "test"]], Labelled]
    labels: str
    size_px: int
    num_classes: int
    normalisation: Normalisation
    test_split: str
    channels: int = 3
    dark_ground: bool = False
    where: str = ""
    official: str = ""

    def download(self, folder: Path) -> None:
        """Fetches it into a folder, unless it is there."""
        bar = Progress(100)
        fetch(self.official, folder, lambda done, total: bar.update(100 * done // max(total, 1), "% fetched"))

    def generated(self, count: int, seed: int) -> Labelled:
        """Noise pictures of every class, for --dry-run."""
        rng = np.random.default_rng(seed)
        pictures = rng.integers(0, 256, (count, self.size_px, self.size_px, self.channels), dtype=np.uint8)
        names = [f"class {i}" for i in range(self.num_classes)]
        return Labelled(pictures, np.arange(count, dtype=np.int64) % self.num_classes, names)


@dataclass(frozen=True, kw_only=True)
class ClassifierSpec:
    """What one classification recipe adds to the shared machinery.

    Attributes:
        recipe: its name on the command line. weight: the name of what it makes in the manifest.
        source: the data set.
        config: frozen dataclass of its hyper-parameters.
        network: config -> `network` of the manifest entry: {"name", **constructor arguments}.
        optimizers: network, config -> optimisers by name.
        prepare: called once with the new network and normalised training pictures, (N, C, H, W).
        notes: Markdown for the card.
    """

    recipe: str
    weight: str
    source: Source
    config: type[ClassifierConfig]
    network: Callable[[Any], dict[str, Any]]
    optimizers: Callable[[nn.Module, Any], dict[str, Optimizer]] | None = None
    prepare: Callable[[nn.Module, Tensor], None] | None = None
    notes: str = ""

    def build(self, config: ClassifierConfig, context: Context) -> ClassifierTask:
        """The task on the training split, less the validation pictures; on noise without data."""
        data, validation = self._training_pictures(config, context)
        torch.manual_seed(config.seed)
        network = build_network(self.network(config))
        make = self.optimizers or default_optimizers
        if self.prepare:
            self.prepare(network, self._sample(data))
        network.to(context.device)  # before the optimisers take its weights
        return ClassifierTask(
            config,
            network,
            make(network, config),
            data,
            validation,
            self.source.normalisation,
            context.device,
            context.amp,
        )

    def _training_pictures(self, config: ClassifierConfig, context: Context) -> tuple[Labelled, Labelled | None]:
        if context.data is None:
            return self.source.generated(4 * config.batch_size, config.seed), self.source.generated(32, config.seed + 1)
        full = self.source.read(context.data, "train")
        if not config.validation:
            return full, None
        if config.validation % self.source.num_classes:
            raise ValueError(f"validation must be a multiple of {self.source.num_classes}, got {config.validation}")
        kept, held_out = hold_out_last(full.labels, config.validation // self.source.num_classes)
        return full.take(kept), full.take(held_out)

    def _sample(self, data: Labelled, count: int = 5000) -> Tensor:
        """Normalised pictures spread evenly over the data, which are sorted by class."""
        every = max(1, len(data) // count)
        return self.source.normalisation(to_pixels(data.pictures[::every], torch.device("cpu")))

    def evaluate(self, name: str, context: Context) -> dict[str, Any]:
        """The accuracy of a published weight on the test split, with and without test-time augmentation."""
        test = self.test(context)
        if test.class_names != load_labels(name):
            raise ValueError(f"{name} knows the classes {load_labels(name)}, the data have {test.class_names}")
        return self._measured(self.load_weight(name).to(context.device), test, context)[0]

    def load_weight(self, name: str) -> nn.Module:
        """The network of a published weight, on the CPU.

        Raises:
            ValueError: its pictures are prepared otherwise than this recipe prepares them.
        """
        theirs, ours = entry_of(name).preprocessing, self._preprocessing()
        if theirs != ours:
            raise ValueError(f"{name} was made for {theirs}, {self.recipe} measures with {ours}")
        return load_network(name)

    def test(self, context: Context) -> Labelled:
        """The test split.

        Raises:
            ValueError: no data.
        """
        if context.data is None:
            raise ValueError("accuracy needs the test pictures: give --data")
        return self.source.read(context.data, "test")

    def _measured(self, network: nn.Module, test: Labelled, context: Context) -> tuple[dict[str, Any], Tensor]:
        """JSON-ready accuracy on the test split, and the logits that it comes from."""
        began = time.monotonic()
        logits = predict(network, test.pictures, self.source.normalisation, context.device)
        labels = torch.from_numpy(test.labels)
        result = timed_result(logits, labels, time.monotonic() - began)
        averaged = predict(
            network, test.pictures, self.source.normalisation, context.device, views=lambda x: _averaged(network, x)
        )
        result["tta_rank1"] = timed_result(averaged, labels, 1.0)["rank1"]
        return result | {"split": self.source.test_split, "protocol": PROTOCOL}, logits

    def predict(self, network: nn.Module, test: Labelled, context: Context) -> tuple[Tensor, Tensor]:
        """Logits (N, K) of what `load_run` or `load_weight` gave on the test split, and its labels (N,)."""
        logits = predict(network, test.pictures, self.source.normalisation, context.device)
        return logits, torch.from_numpy(test.labels)

    def load_run(self, checkpoint: Path) -> nn.Module:
        """The averaged network of a run, on the CPU."""
        state = load(checkpoint)
        network = build_network(self.network(config_of(state["config"], self.config)))
        network.load_state_dict(state["ema"])
        return network.eval()

    def publish(self, config: ClassifierConfig, out: Path, context: Context, options: PublishOptions) -> str:
        """Measures the averaged network, its convolutions in float16, on the test split; then stores it."""
        path = out / options.checkpoint
        state, hours = load(path), hours_of(out)
        network = self.load_run(path)
        stored = {key: t.half() if t.ndim == 4 else t for key, t in network.state_dict().items()}
        network.load_state_dict(stored)  # what is measured is what is stored
        name = options.name or self.weight
        sealed = SealedSplit(lambda: self.test(context), out / READINGS)
        readings = sealed.readings
        test = sealed.read(f"publishing {name}")
        result, logits = self._measured(network.to(context.device), test, context)
        notes = f"{self.notes.strip()}\n\n{changed_on_the_way(state)}"
        fields = {
            "network": self.network(config),
            "preprocessing": self._preprocessing(),
            "recipe": self.recipe,
            "command": command_of(self.recipe, config),
            "settings": settings_of(asdict(config)),
            "dataset": self.source.name,
            "licence": self.source.licence,
            "seed": config.seed,
            "hardware": state["hardware"],
            "hours": hours,
        }
        result["split"] = f"{result['split']}; {told(state, path.name, readings)}"
        publish_classifier(name, stored, fields, result, logits, test, self.source.labels, notes, options)
        return name

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

    def as_recipe(self, goal: str, dry_run: dict[str, Any]) -> Recipe:
        """This as an entry of `RECIPES`; see there for the arguments."""
        return Recipe(
            name=self.recipe,
            dataset=self.source.name,
            goal=goal,
            weights=(self.weight,),
            config=self.config,
            dry_run=dry_run,
            build=self.build,
            publish=self.publish,
            evaluate=self.evaluate,
            test=self.test,
            predict=self.predict,
            load_run=self.load_run,
            load_weight=self.load_weight,
            where=self.source.where,
            download=self.source.download if self.source.official else None,
        )


def told(state: dict[str, Any], file: str, readings: int) -> str:
    """Which checkpoint a measured network is from, and whether the run's test split had been read before."""
    chosen = "chosen by validation" if file == BEST else "not chosen"
    times = "once" if readings == 1 else f"{readings} times"
    again = f"; read {times} before for this run" if readings else ""
    return f"step {state['step']} of {state['config']['steps']}, {chosen}{again}"


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


def publish_classifier(
    name: str,
    stored: dict[str, Tensor],
    fields: dict[str, Any],
    result: dict[str, Any],
    logits: Tensor,
    test: Labelled,
    labels_file: str,
    notes: str,
    options: PublishOptions,
) -> None:
    """Writes a measured classifier: weight, manifest entry, card, class names, and its confusion matrix as PNG.

    Args:
        fields: of the manifest entry, but for the task, the labels and the metric.
        result: from `timed_result`, with "split" and "protocol" added.
        logits, test: what it was measured on.
        labels_file: name in the folder `labels` of the weights.
    """
    if not name.isidentifier():
        raise ValueError(f"need a name of letters, digits and underscores, got {name!r}")
    folder = options.weights_dir or WEIGHTS_DIR
    (folder / "labels").mkdir(parents=True, exist_ok=True)
    write_atomically(folder / "labels" / labels_file, "".join(f"{n}\n" for n in test.class_names).encode())
    counts = confusion_matrix(logits, torch.from_numpy(test.labels))
    draw_confusion(counts, test.class_names).save(folder / f"{name}_confusion.png", optimize=True)
    values = {key: value for key, value in result.items() if key in {"rank1", "rank5"} or key.endswith("_rank1")}
    pace = f"{result['pictures_per_second']} pictures/s"
    drawing = f"![Confusion matrix: rows are true classes, columns answers]({name}_confusion.png)"
    publish_weight(
        name,
        stored,
        task=options.task("classify"),
        labels=labels_file,
        metric={
            "name": "accuracy, %",
            "value": values,
            "protocol": result["protocol"],
            "split": result["split"],
            "n": result["n"],
            "command": f"python -m train evaluate {name} --data DIR --json",
        },
        notes=f"{notes.strip()}\n\nMeasured in {result['seconds']} s ({pace}).\n\n{drawing}",
        weights_dir=options.weights_dir,
        **fields,
    )
