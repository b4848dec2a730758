"""A `Recipe` for a DCGAN from its parts: data set and hyper-parameters. See train/recipes/dcgan_fashion.py."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from cvdemo.dcgan import latents
from cvdemo.images import ImageArray
from cvdemo.nets.dcgan import Generator
from cvdemo.weights import WEIGHTS_DIR, load_manifest, load_state_dict
from train.checkpoint import LAST, State, load
from train.gan import PREVIEW_SIDE, GanConfig, GanTask, generated, square_grid, to_uint8
from train.gan_film import training_film
from train.hdf5 import Pictures, packed_folder, read_pictures
from train.lite0 import RealFeatures, feature_cache
from train.monitor import METRICS_FILE, curves, read_records
from train.neighbours import contact_sheet, find_neighbours
from train.plot import draw
from train.publish import publish as publish_weight
from train.publish import write_atomically
from train.recipe import Context, PublishOptions, Recipe, command_of
from train.sample_quality import PROTOCOL, SampleQuality, rounded

CARD_SEED, CARD_TRUNCATION = 0, 0.7  # of the samples in the card; nobody picked them

_MEASURE_SEED = 2026
_SIDE = 8  # of the grid in the card
_COMPARED = 16  # samples whose nearest training pictures are shown
_FILM_PX = 384  # of the square of previews in the film, at most


def folder_or_file(data: Path, size: int) -> Pictures:
    """Pictures of an HDF5 file, or central squares of those in a folder, packed into `FOLDER_SIZE.h5` beside it."""
    return read_pictures(packed_folder(data, data.with_name(f"{data.name}_{size}.h5"), size) if data.is_dir() else data)


@dataclass(frozen=True, kw_only=True)
class GanSpec:
    """What one recipe for a generator adds to the shared machinery.

    Attributes:
        recipe: its name on the command line. weight: the name of what it makes in the manifest.
        dataset: in words, with where it comes from.
        licence: of the weights, and what is known of that of the pictures.
        config: frozen dataclass of its hyper-parameters.
        notes: Markdown for the card: what it draws and where it fails.
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
        """FD-Lite0 and KID-Lite0 of a published generator with their floors; see `measure`."""
        entry = load_manifest()[name]
        generator = Generator(**{key: value for key, value in entry.network.items() if key != "name"})
        generator.load_state_dict(load_state_dict(name))
        return measure(generator.eval().to(context.device), self.real(generator.size, context), context)

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
        state = load(out / options.checkpoint)
        shape = {
            "latent_dim": config.latent_dim, "width": config.width, "channels": self.channels, "size": config.size
        }  # fmt: skip
        generator = Generator(**shape)
        generator.load_state_dict(state["ema"])
        stored = {key: t.half() if t.ndim == 4 else t for key, t in generator.state_dict().items()}
        generator.load_state_dict(stored)  # what is measured is what is stored
        generator.eval().to(context.device)
        real = self.real(config.size, context)
        result = measure(generator, real, context)
        folder = options.weights_dir or WEIGHTS_DIR
        folder.mkdir(parents=True, exist_ok=True)
        card = self._card(name, folder, generator, real, out, state)
        publish_weight(
            name,
            stored,
            task="sample",
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
            hours=round(load(out / LAST)["seconds"] / 3600, 2),
            metric=self._metric(name, result, state, config),
            notes=card,
            weights_dir=options.weights_dir,
        )  # fmt: skip
        return name

    def _metric(self, name: str, result: dict[str, Any], state: State, config: GanConfig) -> dict[str, Any]:
        values = {key: result[key] for key in ("fd_lite0", "fd_floor", "kid_lite0", "kid_error", "kid_floor")}
        return {
            "name": "FD-Lite0, KID-Lite0",
            "value": values,
            "protocol": f"{PROTOCOL}, float32; floor: other real pictures in the place of generated ones",
            "split": f"training pictures; after {state['step']} of {config.steps} steps of {config.batch_size}",
            "n": result["n"],
            "command": f"python -m train evaluate {name} --data DIR --pictures {result['n']} --json",
        }

    def _card(self, name: str, folder: Path, generator: Generator, real: RealFeatures, run: Path, state: State) -> str:
        """Writes grid, neighbours, curves and film beside the weight; the card's text with links to them."""
        samples = card_samples(generator, _SIDE**2)
        found = find_neighbours(samples[:_COMPARED], real)
        _store(square_grid(samples), folder / f"{name}_grid.png")
        _store(contact_sheet(samples[:_COMPARED], real.pictures, found), folder / f"{name}_neighbours.png")
        draw(curves(read_records(run / METRICS_FILE), GanTask.metric, False), folder / f"{name}_curves.png")
        side = min(PREVIEW_SIDE, max(1, _FILM_PX // generator.size)) * generator.size
        training_film(run, folder / f"{name}_film.mp4", side, state["step"])
        drawn = f"seed {CARD_SEED}, truncation {CARD_TRUNCATION}, unpicked"
        return (
            f"{self.notes.strip()}\n\n"
            f"![{len(samples)} samples]({name}_grid.png)\n\n{len(samples)} samples: {drawn}.\n\n"
            f"![Samples, each followed by its nearest training pictures]({name}_neighbours.png)\n\n"
            f"{found.sentence()} Each of the first {_COMPARED} samples of the grid with its nearest training pictures "
            "and their distances; mirrored copies count too.\n\n"
            f"![Curves of the training]({name}_curves.png)\n\n"
            f"[The training as a film]({name}_film.mp4): fixed latents, the step below. Measures in the curves are of "
            "fewer pictures and in the run's precision.\n"
        )

    def as_recipe(self, goal: str, dry_run: dict[str, Any]) -> Recipe:
        """This as an entry of `RECIPES`; see there for the arguments."""
        return Recipe(
            name=self.recipe,
            dataset=self.dataset,
            goal=goal,
            weights=(self.weight,),
            config=self.config,
            dry_run=dry_run,
            build=self.build,
            publish=self.publish,
            evaluate=self.evaluate,
            download=self.download,
        )


def measure(generator: Generator, real: RealFeatures, context: Context) -> dict[str, Any]:
    """FD-Lite0, KID-Lite0 and their floors, JSON-ready.

    Args:
        generator: in eval mode, on the context's device.
        real: of the pictures it was trained on.
        context: `pictures` is the n of generated, of reference and of other real pictures; half of the data where they
            are fewer than 2 n.
    """
    quality = SampleQuality(real, context.pictures, context.pictures)
    fakes = generated(generator, quality.samples, _MEASURE_SEED, context.device)
    return {
        **rounded(quality.of(fakes)),
        "n": quality.samples,
        "n_real": quality.reference,
        "seed": _MEASURE_SEED,
        "protocol": PROTOCOL,
        "split": "training pictures",
    }


@torch.no_grad()
def card_samples(generator: Generator, count: int) -> Pictures:
    """The first pictures that the page draws of this seed and truncation, (count, size, size, C) uint8."""
    points = latents(count, generator.latent_dim, CARD_SEED, CARD_TRUNCATION)
    return to_uint8(generator(points.to(next(generator.parameters()).device)))


def _store(image: ImageArray, path: Path) -> None:
    data = io.BytesIO()
    Image.fromarray(image).save(data, format="PNG", optimize=True)
    write_atomically(path, data.getvalue())
