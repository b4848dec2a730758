"""What the recipes of detectors share: boxes of pictures become a PlaceNet in `weights/`.

A recipe says what its classes are and how its splits are read. What is published holds, in eight bits, what differs
from the backbone.
"""

from __future__ import annotations

import shutil
import weakref
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from cvdemo.eight_bits import from_eight_bits, in_eight_bits
from cvdemo.images import Preprocessing
from cvdemo.nets.backbone import BACKBONE
from cvdemo.nets.build import NOT_ARGUMENTS
from cvdemo.nets.place_net import PlaceNet, lent_by
from cvdemo.weights import WEIGHTS_DIR, entry_of, load_state_dict
from train.data.data_set import DataSet
from train.data.datasets import READINGS, SealedSplit
from train.detect.annotations import Annotated, truth_of
from train.detect.place_measure import PROTOCOL, SizedFinder, finder_of, map50, measured, page_threshold
from train.detect.place_task import PlaceConfig, PlaceTask
from train.engine.checkpoint import State, hours_of, load
from train.engine.monitor import curves_of
from train.publishing.card_words import checkpoint_words
from train.publishing.lineage import changed_on_the_way, settings_of
from train.publishing.publish import paragraphs, write_atomically
from train.publishing.publish import publish as publish_weight
from train.publishing.recipe import Context, PublishOptions, RecipeOfDataSet, command_of

SPLITS = ("train", "validation", "test")
DRY_RUN = {"input_px": 96, "train_px": (64, 96), "batch_size": 4, "width": 16, "published_px": (96,)}
_DRY_RUN_PICTURES, _DRY_RUN_PX = 24, 96


@dataclass(frozen=True, kw_only=True)
class BoxData(DataSet):
    """A set of pictures with boxes.

    Attributes:
        name, licence, where, official: see `DataSet`.
        labels: names of the classes, by index. labels_file: in `weights/labels`.
        read: folder and split, one of `SPLITS` -> its pictures.
        test_split: the test pictures in words, their number apart.
        others: pictures of other sets that have these classes, by the name of the set; none of them is learnt from.
    """

    labels: tuple[str, ...]
    labels_file: str
    read: Callable[[Path, str], list[Annotated]]
    test_split: str
    others: Mapping[str, Callable[[Path], list[Annotated]]] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class PlaceRecipe(RecipeOfDataSet):
    """A `Recipe` for a PlaceNet: what one adds to the shared machinery.

    Attributes:
        name: on the command line. weight: the name of what it makes in the manifest.
        goal, dry_run: see `Recipe`.
        data: the pictures with boxes.
        config: their hyper-parameters.
        notes: Markdown for the card.
    """

    name: str
    weight: str
    goal: str
    data: BoxData
    config: type[PlaceConfig]
    notes: str
    dry_run: dict[str, Any] = field(default_factory=lambda: dict(DRY_RUN))
    losses = ("loss", "class_loss", "box_loss")
    chosen_by = PlaceTask.metric  # the measure that picks checkpoint and size

    @property
    def made_from(self) -> BoxData:
        return self.data

    def build(self, config: PlaceConfig, context: Context) -> PlaceTask:
        """The task on the training and validation splits; on drawn rectangles without data."""
        if context.data is None:
            folder = Path(mkdtemp(prefix="cvdemo_"))
            drawn = drawn_pictures(folder, len(self.data.labels), config.seed)
            task = PlaceTask(config, self.data.labels, drawn, drawn[:2], context.device, context.amp)
            weakref.finalize(task, shutil.rmtree, folder)
            return task
        train, validation = (self.data.read(context.data, split) for split in SPLITS[:2])
        task = PlaceTask(config, self.data.labels, train, validation, context.device, context.amp)
        task.trained_on = {"train": len(train), "validation": len(validation)}
        return task

    def evaluate(self, name: str, context: Context) -> dict[str, Any]:
        """Average precisions of a published weight on the test split.

        Raises:
            ValueError: no data.
        """
        return self.measured_with(name, load_state_dict(name), context)

    def measured_with(self, name: str, tensors: Mapping[str, Tensor], context: Context) -> dict[str, Any]:
        """What `evaluate` gives of a published weight that has these tensors, as a file stores them.

        Raises:
            ValueError: no data.
        """
        entry = entry_of(name)
        network = PlaceNet(**{key: value for key, value in entry.network.items() if key not in NOT_ARGUMENTS})
        preprocessing = Preprocessing.from_manifest(entry.preprocessing)
        network = laid_over_backbone(tensors, network)
        finder = self._finder(network, preprocessing, preprocessing.input_px)
        return self._measured(finder, self.test(context), context, entry.settings or {})

    def test(self, context: Context) -> list[Annotated]:
        """The test split.

        Raises:
            ValueError: no data.
        """
        if context.data is None:
            raise ValueError("average precision needs the test pictures: give --data")
        return self.data.read(context.data, "test")

    def _finder(self, network: PlaceNet, preprocessing: Preprocessing, input_px: int) -> SizedFinder:
        return finder_of(network, preprocessing, input_px)

    def _measured(
        self, finder: SizedFinder, test: Sequence[Annotated], context: Context, settings: Mapping[str, Any]
    ) -> dict[str, Any]:
        """What is measured on the test split; `settings` are those of the run."""
        result = measured(finder, test, self.data.labels, page_threshold(self.weight), context.curve)
        split = f"{result['n']:,} {self.data.test_split}, {result['boxes']:,} boxes"
        return {**result, "split": split, "protocol": PROTOCOL.format(px=finder.input_px)}

    def publish(self, config: PlaceConfig, out: Path, context: Context, options: PublishOptions) -> str:
        """Stores what differs from the backbone, at the size that is best on the validation pictures, measured.

        Raises:
            ValueError: no data.
        """
        if context.data is None:
            raise ValueError("publishing measures on the validation and test pictures: give --data")
        path, name = out / options.checkpoint, options.name or self.weight
        state, spec = load(path), {"num_classes": len(self.data.labels), **config.network}
        network = PlaceNet(**spec)
        network.load_state_dict(state["ema"])
        stored = in_eight_bits(difference(self._finished(network, config, context.data)))
        finder = self._best_size(laid_over_backbone(stored, PlaceNet(**spec)), config, context.data)
        sealed = SealedSplit(lambda: self.test(context), out / READINGS)
        readings = sealed.readings
        result = self._measured(finder, sealed.read(f"publishing {name}"), context, asdict(config))
        write_labels(options.weights_dir or WEIGHTS_DIR, self.data.labels_file, self.data.labels)
        publish_weight(
            name,
            stored,
            task=options.task("detect"),
            network={"name": "place_net", **spec, "base": BACKBONE},
            preprocessing=asdict(finder.preprocessing) | {"input_px": finder.input_px, "resize_px": finder.input_px},
            labels=self.data.labels_file,
            metric=self.metric_of(name, result, checkpoint_words(state, path.name, readings)),
            notes=self._notes(name, result, state),
            files={f"{name}_curves.png": curves_of(out, self.chosen_by, True)},
            weights_dir=options.weights_dir,
            hours=hours_of(out),
            **self._origin(config, state),
        )
        return name

    def _origin(self, config: PlaceConfig, state: State) -> dict[str, Any]:
        """Fields of the manifest entry that tell how the weight was made."""
        return {
            "recipe": self.name,
            "command": command_of(self.name, config),
            "dataset": trained_words(self.data.name, state.get("trained_on") or {}),
            "licence": self.data.licence,
            "seed": config.seed,
            "hardware": state["hardware"],
            "settings": settings_of(asdict(config)),
            "earlier": tuple(state.get("earlier", ())),
        }

    def _notes(self, name: str, result: Mapping[str, Any], state: State) -> str:
        """Markdown for the card: what fails, each class's precision, the run's curves."""
        curves = f"![Curves of the training]({name}_curves.png)"
        return paragraphs(self.notes, precision_table(result["ap50"]), changed_on_the_way(state), curves)

    def _finished(self, network: PlaceNet, config: PlaceConfig, data: Path) -> PlaceNet:
        """The trained network as it is stored."""
        return network

    def _best_size(self, network: PlaceNet, config: PlaceConfig, data: Path) -> SizedFinder:
        """The network at that of `published_px` which is best on the validation pictures."""
        lite0 = Preprocessing.from_manifest(entry_of(BACKBONE).preprocessing)
        finder = self._finder(network, lite0, config.input_px)
        sizes = [finder.at(px) for px in config.published_px or (config.input_px,)]
        if len(sizes) == 1:
            return sizes[0]
        reached = self._validated(sizes, data)
        for each, value in zip(sizes, reached, strict=True):
            print(f"validation, longer side {each.input_px} px: {self.chosen_by} {value:.4f}")
        return sizes[reached.index(max(reached))]

    def _validated(self, finders: Sequence[SizedFinder], data: Path) -> list[float]:
        """mAP@0.5 of each on the validation pictures."""
        validation = self.data.read(data, "validation")
        return [map50(finder, validation, len(self.data.labels)) for finder in finders]

    def metric_of(self, name: str, result: Mapping[str, Any], chosen: str) -> dict[str, Any]:
        """The manifest's `metric` of what was measured; `chosen` tells the step, and by what."""
        return _metric(name, result, chosen)


def difference(network: PlaceNet) -> dict[str, Tensor]:
    """What of the network differs from the backbone in float16; floats in float16."""
    lent = {key: _half(tensor) for key, tensor in lent_by(load_state_dict(BACKBONE), network).items()}
    mine = {key: _half(tensor.cpu()) for key, tensor in network.state_dict().items()}
    return {key: tensor for key, tensor in mine.items() if key not in lent or not torch.equal(tensor, lent[key])}


def _half(tensor: Tensor) -> Tensor:
    return tensor.half() if tensor.is_floating_point() else tensor


def laid_over_backbone(stored: Mapping[str, Tensor], network: PlaceNet) -> PlaceNet:
    """The network, in eval mode, with stored tensors, the backbone's where there is none."""
    network.load_state_dict(lent_by(load_state_dict(BACKBONE), network) | from_eight_bits(stored))
    return network.eval()


def trained_words(name: str, trained_on: Mapping[str, int]) -> str:
    """The data set with the numbers of pictures that a run was given."""
    counts = {"train": "to train", "validation": "to choose the checkpoint and the size of pictures"}
    words = [f"{trained_on[split]:,} pictures {use}" for split, use in counts.items() if split in trained_on]
    return "; ".join([name, ", ".join(words)]) if words else name


def write_labels(weights_dir: Path, file: str, labels: Sequence[str]) -> None:
    """Writes the names of the classes, one a line, to `weights_dir/labels`."""
    folder = weights_dir / "labels"
    folder.mkdir(parents=True, exist_ok=True)
    write_atomically(folder / file, "".join(f"{label}\n" for label in labels).encode())


def precision_table(ap50: Mapping[str, float]) -> str:
    """The classes' average precisions as Markdown, best first; nothing for one class."""
    if len(ap50) < 2:
        return ""
    rows = sorted(ap50.items(), key=lambda item: -item[1])
    return "\n".join(["| class | AP@0.5 |", "|---|---|", *(f"| {label} | {value:.3f} |" for label, value in rows)])


def _metric(name: str, result: Mapping[str, Any], chosen: str) -> dict[str, Any]:
    """The manifest's `metric` of a result of `evaluate`; `chosen` tells the step, and by what."""
    return {
        "name": "mAP@0.5 (area); 11-point: as VOC had it until 2009; coco: mean over IoU 0.5 to 0.95, 101 points",
        "value": {
            "map50": result["map50"],
            "map50_11_point": result["map50_11_point"],
            "map_coco": result["map_coco"],
        },
        "protocol": result["protocol"],
        "split": f"{result['split']}; {chosen}",
        "n": result["n"],
        "command": f"python -m train evaluate {name} --data DIR --json",
    }


def drawn_pictures(folder: Path, classes: int, seed: int, count: int = _DRY_RUN_PICTURES) -> list[Annotated]:
    """Pictures with one bright rectangle each, drawn into files."""
    generator = np.random.default_rng(seed)
    found = []
    for number in range(count):
        picture = generator.integers(0, 80, (_DRY_RUN_PX, _DRY_RUN_PX, 3), np.uint8)
        x, y, wide, high = (int(value) for value in generator.integers(16, 48, 4))
        picture[y : y + high, x : x + wide] = generator.integers(120, 255, 3, np.uint8)
        path = folder / f"{number}.png"
        Image.fromarray(picture).save(path)
        truth = truth_of([[x, y, x + wide, y + high]], [number % classes])
        found.append(Annotated(path, (_DRY_RUN_PX, _DRY_RUN_PX), truth))
    return found
