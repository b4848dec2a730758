"""A `Recipe` for a DCGAN from its parts: data set and hyper-parameters. See train/recipes/dcgan_fashion.py."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from cvdemo.dcgan import read_generator
from cvdemo.nets.dcgan import Generator
from cvdemo.weights import entry_of
from train.checkpoint import BEST, hours_of, load
from train.gan import GanConfig, GanTask, generated
from train.gan_card import card_pictures
from train.hdf5 import Pictures, packed_folder, read_pictures
from train.lineage import changed_on_the_way, settings_of
from train.lite0 import RealFeatures, feature_cache
from train.progress import Progress
from train.publish import paragraphs
from train.publish import publish as publish_weight
from train.recipe import Context, PublishOptions, Recipe, command_of
from train.sample_quality import PROTOCOL, SampleQuality, rounded

_MEASURE_SEED = 2026
_BASELINE = "A generator to compare with; the page does not offer it."  # instead of a recipe's notes


def folder_or_file(data: Path, size: int) -> Pictures:
    """Pictures of an HDF5 file, or central squares of those in a folder, packed into `FOLDER_SIZE.h5` beside it."""
    if not data.is_dir():
        return read_pictures(data)
    target = data.with_name(f"{data.name}_{size}.h5")
    note = f"pictures packed into {target.name}"
    return read_pictures(packed_folder(data, target, size, lambda total: Progress(total).counter(note)))


@dataclass(frozen=True, kw_only=True)
class GanSpec:
    """What one recipe for a generator adds to the shared machinery.

    Attributes:
        recipe: its name on the command line. weight: the name of what it makes in the manifest.
        dataset: in words, with where it comes from.
        licence: of the weights, and what is known of that of the pictures.
        config: frozen dataclass of its hyper-parameters.
        notes: Markdown for the card: what it draws and where it fails.
        where: what --data holds, a sentence for people.
        read: what is given with --data and a size in px -> (N, size, size, C) uint8.
        channels: C, 3 or 1.
        download: fetches the data set into a folder, if it has a public address.
    """

    recipe: str
    weight: str
    dataset: str
    licence: str
    config: type[GanConfig]
    notes: str
    where: str = "DIR is a folder of pictures, or an HDF5 file that one was packed into"
    read: Callable[[Path, int], Pictures] = folder_or_file
    channels: int = 3
    download: Callable[[Path], None] | None = None

    def build(self, config: GanConfig, context: Context) -> GanTask:
        """The task on the context's data; noise pictures without data."""
        if context.data is None:
            shape = (4 * config.batch_size, config.size, config.size, self.channels)
            noise = np.random.default_rng(config.seed).integers(0, 256, shape, dtype=np.uint8)
            return GanTask(config, noise, context.device, context.amp)
        pictures = self.read(context.data, config.size)
        cache = feature_cache(context.data, config.size, context.amp)
        return GanTask(config, pictures, context.device, context.amp, cache)

    def evaluate(self, name: str, context: Context) -> dict[str, Any]:
        """FD-Lite0 and KID-Lite0 of a published generator with their floors; see `measure`.

        The split tells where the pictures are not those that it was trained on.
        """
        generator = read_generator(name)
        real = self.real(generator.size, context)
        result = measure(generator.to(context.device), real, context)
        if real.digest != entry_of(name).metric["pictures"]:
            result["split"] = "other pictures than it was trained on"
        return result

    def real(self, size: int, context: Context) -> RealFeatures:
        """Features of the context's pictures at `size` px.

        Raises:
            ValueError: no data.
        """
        if context.data is None:
            raise ValueError("FD-Lite0 needs real pictures: give --data")
        cache = feature_cache(context.data, size, context.amp)
        return RealFeatures(self.read(context.data, size), context.device, context.amp, cache)

    def publish(self, config: GanConfig, out: Path, context: Context, options: PublishOptions) -> str:
        """Measures the averaged generator, its convolutions in float16; stores it with the pictures for its card."""
        name = options.name or self.weight
        if not name.isidentifier():
            raise ValueError(f"need a name of letters, digits and underscores, got {name!r}")
        state, hours = load(out / options.checkpoint), hours_of(out)
        shape = {key: getattr(config, key) for key in ("latent_dim", "width", "size")} | {"channels": self.channels}
        stored = {key: t.half() if t.ndim == 4 else t for key, t in state["ema"].items()}
        generator = Generator(**shape).eval().to(context.device)
        generator.load_state_dict(stored)  # what is measured is what is stored
        real = self.real(config.size, context)
        drawn, pictures = card_pictures(name, generator, real, out, state["step"])
        result = measure(generator, real, context)
        chosen = f", chosen by FD-Lite0 of {config.fd_pictures:,}" if options.checkpoint == BEST else ""
        result["split"] += f"; step {state['step']} of {config.steps} of {config.batch_size} pictures{chosen}"
        publish_weight(
            name,
            stored,
            task=options.task("sample"),
            network={"name": "dcgan", **shape},
            preprocessing={
                "latents": "N(0, 1)", "range": [-1, 1], "colour": "RGB" if self.channels == 3 else "grey"
            },
            labels=None,
            recipe=self.recipe,
            command=command_of(self.recipe, config),
            dataset=self.dataset,
            licence=self.licence,
            seed=config.seed,
            hardware=state["hardware"],
            hours=hours,
            settings=settings_of(asdict(config)),
            earlier=tuple(state.get("earlier", ())),
            metric=_metric(name, result) | {"pictures": real.digest},
            notes=paragraphs(_BASELINE if options.baseline else self.notes, drawn, changed_on_the_way(state)),
            files=pictures,
            weights_dir=options.weights_dir,
        )  # fmt: skip
        return name

    def as_recipe(self, goal: str, dry_run: dict[str, Any]) -> Recipe:
        """This as an entry of `RECIPES`; see there for the arguments."""
        return Recipe(
            name=self.recipe,
            dataset=self.dataset,
            where=self.where,
            goal=goal,
            weights=(self.weight,),
            config=self.config,
            dry_run=dry_run,
            build=self.build,
            publish=self.publish,
            evaluate=self.evaluate,
            download=self.download,
        )


def _metric(name: str, result: dict[str, Any]) -> dict[str, Any]:
    """What was measured, as a manifest entry tells it."""
    return {
        "name": "FD-Lite0, KID-Lite0",
        "value": {key: result[key] for key in ("fd_lite0", "fd_floor", "kid_lite0", "kid_error", "kid_floor")},
        "protocol": f"{PROTOCOL}, float32; floor: other real pictures in the place of generated ones",
        "split": result["split"],
        "n": result["n"],
        "command": f"python -m train evaluate {name} --data DIR --pictures {result['n']} --json",
    }


def measure(generator: Generator, real: RealFeatures, context: Context) -> dict[str, Any]:
    """FD-Lite0, KID-Lite0 and their floors, JSON-ready.

    Args:
        generator: in eval mode, on the context's device.
        real: of the pictures it was trained on.
        context: `pictures` is the n of generated and of other real pictures, at most half of the data; they are held
            against 10,000 real ones, or what is left.
    """
    quality = SampleQuality(real, context.pictures)
    fakes = generated(generator, quality.samples, _MEASURE_SEED, context.device)
    return {
        **rounded(quality.of(fakes)),
        "n": quality.samples,
        "n_real": quality.reference,
        "seed": _MEASURE_SEED,
        "protocol": PROTOCOL,
        "split": "training pictures",
    }
