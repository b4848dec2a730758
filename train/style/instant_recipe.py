"""A recipe for a network that repaints in any style: its data, its measure beside the optimiser's, and publishing."""

from __future__ import annotations

import io
import warnings
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from cvdemo.nets.backbone import load_backbone
from cvdemo.nets.style_net import STATISTICS_LAYERS, StyleNet
from cvdemo.style.feed_forward import make_style_net, read_style_net
from cvdemo.weights import entry_of
from train.data.read_pictures import each_read, read_resized
from train.engine.checkpoint import BEST, hours_of, load
from train.engine.config_options import config_of
from train.engine.monitor import curves_of
from train.publishing.lineage import changed_on_the_way, settings_of
from train.publishing.publish import checked_name, paragraphs
from train.publishing.publish import publish as publish_weight
from train.publishing.recipe import Context, PublishOptions, command_of
from train.style.instant_task import InstantTask, InstantTrainingConfig
from train.style.measures import OPTIMISER_STEPS, Pairs, by_network, by_optimiser, measure, untouched
from train.style.pictures import PAINTINGS, PHOTOGRAPHS, WHERE, PictureFiles, files_of, hold_out, noise_pictures

HELD_OUT = 24  # pairs
PROTOCOL = (
    f"mean over held-out pairs of the weighted sum of content, log(1 + style) and total variation; untouched: only the "
    f"style's colours; optimised: {OPTIMISER_STEPS} steps of the optimiser at this size; float32"
)

_NOISE_PICTURES = 4


@dataclass(frozen=True, kw_only=True)
class InstantStyleRecipe:
    """A `Recipe` for a network that repaints.

    Attributes:
        name: on the command line. weight: the name of what it makes in the manifest.
        goal, dataset: see `Recipe`.
        licence: of the weights, and what is known of that of the pictures.
        config: frozen dataclass of its hyper-parameters.
        dry_run: see `Recipe`.
        notes: Markdown for the card.
    """

    name: str
    weight: str
    goal: str
    dataset: str
    licence: str
    config: type[InstantTrainingConfig]
    dry_run: dict[str, Any]
    notes: str
    where = WHERE
    losses = ("loss",)
    download = None

    @property
    def weights(self) -> tuple[str, ...]:
        return (self.weight,)

    def build(self, config: InstantTrainingConfig, context: Context) -> InstantTask:
        """The task on the context's data; on coloured blots without data."""
        features = load_backbone(context.device)
        if context.data is None:
            blots = noise_pictures(_NOISE_PICTURES, config.crop_px, config.seed)
            squares = np.stack([blots.read(index) for index in range(len(blots))])
            return InstantTask(config, blots, blots, (squares, squares), features, context.amp)
        photographs, held_photographs = hold_out(files_of(context.data, PHOTOGRAPHS), HELD_OUT)
        paintings, held_paintings = hold_out(files_of(context.data, PAINTINGS), HELD_OUT)
        pairs = squares_of(held_photographs, config.crop_px), squares_of(held_paintings, config.crop_px)
        task = InstantTask(config, PictureFiles(photographs), PictureFiles(paintings), pairs, features, context.amp)
        task.trained_on = {PHOTOGRAPHS: len(photographs), PAINTINGS: len(paintings)}
        return task

    def evaluate(self, name: str, context: Context) -> dict[str, Any]:
        """Losses of a published network on held-out pairs, with those that say what they mean.

        Raises:
            ValueError: no data.
        """
        entry = entry_of(name)
        config = config_of(entry.settings or {}, self.config)
        return measure_all(read_style_net(name), config, context)

    def publish(self, config: InstantTrainingConfig, out: Path, context: Context, options: PublishOptions) -> str:
        """Measures the averaged network in float16 and stores it with its last preview and its curves."""
        name = checked_name(options.name or self.weight)
        state, hours = load(out / options.checkpoint), hours_of(out)
        stored = {key: tensor.half() if tensor.ndim > 1 else tensor for key, tensor in state["ema"].items()}
        network = make_style_net(config.network).eval()
        network.load_state_dict(stored)  # what is measured is what is stored
        result = measure_all(network, config, context)
        chosen = f"step {state['step']} of {config.steps}"
        chosen += ", chosen by these pairs" if options.checkpoint == BEST else ""
        shown, files = _pictures(name, out, state["step"])
        publish_weight(
            name,
            stored,
            task=options.task("style"),
            network=config.network,
            preprocessing={"range": [0, 1], "colour": "rgb", "statistics": list(STATISTICS_LAYERS)},
            labels=None,
            recipe=self.name,
            command=command_of(self.name, config),
            dataset=_trained_words(self.dataset, state.get("trained_on") or {}),
            licence=self.licence,
            seed=config.seed,
            earlier=tuple(state.get("earlier", ())),
            hardware=state["hardware"],
            hours=hours,
            settings=settings_of(asdict(config)),
            metric=_metric(name, result, chosen),
            notes=paragraphs(self.notes, shown, changed_on_the_way(state)),
            files=files,
            weights_dir=options.weights_dir,
        )
        return name


def squares_of(files: list[Path], side_px: int) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """The central squares of pictures, (N, side, side, 3)."""
    return np.stack(list(each_read(files, lambda path: read_resized(path, side_px))))


def held_out_pairs(data: Path, side_px: int) -> Pairs:
    """The pairs that are not trained on: squares of photographs and of paintings."""
    photographs, paintings = (hold_out(files_of(data, name), HELD_OUT)[1] for name in (PHOTOGRAPHS, PAINTINGS))
    return squares_of(photographs, side_px), squares_of(paintings, side_px)


def measure_all(network: StyleNet, config: InstantTrainingConfig, context: Context) -> dict[str, Any]:
    """Losses of the network, of pictures left as they are and of optimised ones, on held-out pairs.

    Raises:
        ValueError: no data.
    """
    if context.data is None:
        raise ValueError("losses need held-out pictures: give --data")
    features, weights = load_backbone(context.device), config.weights
    pairs = held_out_pairs(context.data, config.crop_px)
    ways = {
        "": by_network(network.to(context.device)),
        "untouched_": untouched,
        "optimised_": by_optimiser(features, weights),
    }
    result: dict[str, Any] = {"n": len(pairs[0]), "side_px": config.crop_px, "protocol": PROTOCOL}
    for way, paint in ways.items():
        losses = measure(paint, pairs, features, weights)
        result |= {f"{way}{name}": round(value, 4) for name, value in losses.items()}
    return result


def _metric(name: str, result: dict[str, Any], chosen: str) -> dict[str, Any]:
    """The manifest's `metric` of a result of `measure_all`; `chosen` tells the step, and by what."""
    return {
        "name": "loss of style transfer",
        "value": {key: result[key] for key in ("loss", "untouched_loss", "optimised_loss", "content", "style")},
        "protocol": f"{result['protocol']}; squares of {result['side_px']} px",
        "split": f"{result['n']} pairs held out of training; {chosen}",
        "n": result["n"],
        "command": f"python -m train evaluate {name} --data DIR --json",
    }


def _trained_words(dataset: str, trained_on: dict[str, Any]) -> str:
    """The data set with the numbers of pictures that were there."""
    return f"{dataset}: " + " and ".join(f"{count:,} {kind}" for kind, count in trained_on.items())


def _pictures(name: str, out: Path, step: int) -> tuple[str, dict[str, bytes]]:
    """Markdown that shows the run's curves and its preview next to a step, and those files."""
    files = {f"{name}_curves.png": curves_of(out, InstantTask.metric, InstantTask.higher_is_better)}
    previews = sorted(out.glob("preview_*.png"), key=lambda path: abs(int(path.stem.split("_")[1]) - step))
    if previews:
        files[f"{name}.png"] = _small(previews[0])
    else:
        warnings.warn(f"{out} has no preview to show on the card", stacklevel=2)
    return "\n\n".join(f"![{file}]({file})" for file in files), files


def _small(preview: Path) -> bytes:
    """A sheet for the card, half as wide and with a palette: a tenth of the bytes."""
    with Image.open(preview) as sheet:
        half = sheet.convert("RGB").reduce(2).quantize(256)
    data = io.BytesIO()
    half.save(data, format="PNG", optimize=True)
    return data.getvalue()
