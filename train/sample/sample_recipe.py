"""What the recipes of generators share: data set and hyper-parameters become weights. See recipes/dcgan_fashion.py."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from cvdemo.eight_bits import from_eight_bits, in_eight_bits
from cvdemo.nets.dcgan import Generator
from cvdemo.sample.generate import read_generator
from cvdemo.weights import entry_of
from train.data.hdf5 import Pictures, drop_repeated, packed_folder, picture_files, read_pictures
from train.data.packing import folder_is_packed, read_list
from train.engine.checkpoint import BEST, State, hours_of, load
from train.engine.progress import Progress
from train.engine.writing import can_write_in, kept_at
from train.publishing.card_words import UNKNOWN_LICENCE, About
from train.publishing.lineage import changed_on_the_way, settings_of
from train.publishing.publish import checked_name, paragraphs
from train.publishing.publish import publish as publish_weight
from train.publishing.recipe import Context, PublishOptions, command_of
from train.sample.card import card_pictures
from train.sample.lite0_features import RealFeatures, digest_of, feature_cache
from train.sample.measures import PROTOCOL, SampleQuality, rounded
from train.sample.sample_task import SampleTask, SampleTrainingConfig, check_steps, generated, new_networks

_MEASURE_SEED = 2026
_COLOURS = {3: "RGB", 1: "grey"}  # by the number of channels
_UNKNOWN_PICTURES = "pictures given at publishing: the checkpoint, of an earlier version, names none"
_BASELINE = "A generator to compare with; the page offers it last."  # instead of a recipe's notes


def folder_or_file(data: Path, size: int, cache: Path | None = None, centre: float = 1.0) -> Pictures:
    """Pictures of an HDF5 file, or central squares of those in a folder, packed into `FOLDER_SIZE.h5` beside it.

    Args:
        centre: side of the squares, as a share of the pictures' shorter side; below 1 it is part of the file's name.
        cache: folder for that file where nothing can be written beside the pictures; without one they are read into
            memory.

    Raises:
        ValueError: a file that is no HDF5 file, or holds pictures of another size; or pictures cannot be read.
    """
    if not data.is_dir():
        pictures = read_pictures(data)
        if pictures.shape[1:3] != (size, size):
            height, width = pictures.shape[1:3]
            raise ValueError(
                f"{data} holds pictures of {width} x {height} px, not of {size} px: give --size {height}, or the "
                "folder that they come from, whose pictures are resized"
            )
        return pictures
    beside = data.with_name(f"{data.name}_{size}{'' if centre == 1 else f'_centre{round(100 * centre)}'}.h5")
    if not can_write_in(beside.parent) and folder_is_packed(data, beside, size, centre=centre):
        return read_pictures(beside)
    note = f"pictures packed into {beside.name}"
    if target := kept_at(beside, cache):
        return read_pictures(
            packed_folder(data, target, size, lambda total: Progress(total).counter(note), centre=centre)
        )
    return read_list(drop_repeated(picture_files(data)), size, centre)


@dataclass(frozen=True, kw_only=True)
class SampleRecipe:
    """A `Recipe` for a generator: what one adds to the shared machinery.

    Attributes:
        name: on the command line. weight: the name of what it makes in the manifest.
        goal, dry_run: see `Recipe`.
        dataset: in words, with where it comes from.
        licence: of the weights, and what is known of that of the pictures.
        config: frozen dataclass of its hyper-parameters.
        notes: Markdown for the card: what it draws and where it fails.
        where: what --data holds, a sentence for people.
        count: distinct pictures of the data set; other numbers are told as one's own pictures. 0: any number.
        read: what is given with --data and a size in px -> (N, size, size, C) uint8.
        centre: of pictures in a folder, the side of the square that is taken, as a share of their shorter side.
        channels: C, 3 or 1.
        shows_real: whether the card may show training pictures.
        download: fetches the data set into a folder, if it has a public address.
    """

    name: str
    weight: str
    goal: str
    dry_run: dict[str, Any]
    dataset: str
    licence: str
    config: type[SampleTrainingConfig]
    notes: str
    where: str = "DIR is a folder of pictures, or an HDF5 file that one was packed into"
    read: Callable[[Path, int], Pictures] = folder_or_file
    centre: float = 1.0
    channels: int = 3
    shows_real: bool = True
    count: int = 0
    download: Callable[[Path], None] | None = None
    losses = ("loss_d", "loss_g")

    @property
    def weights(self) -> tuple[str, ...]:
        return (self.weight,)

    def build(self, config: SampleTrainingConfig, context: Context) -> SampleTask:
        """The task on the context's data; noise pictures without data."""
        if context.data is None:
            shape = (4 * config.batch_size, config.size, config.size, self.channels)
            noise = np.random.default_rng(config.seed).integers(0, 256, shape, dtype=np.uint8)
            return SampleTask(config, noise, context.device, context.amp)
        self._refuse_early(config, context.data)
        pictures = self.pictures(config.size, context)
        cache = feature_cache(context.data, config.size, context.amp, context.cache)
        task = SampleTask(config, pictures, context.device, context.amp, cache)
        task.trained_on = {"pictures": len(pictures), "digest": digest_of(pictures)}
        return task

    def _refuse_early(self, config: SampleTrainingConfig, data: Path) -> None:
        """Refuses settings before pictures are packed: those of the networks, and more steps or pictures than fit.

        Raises:
            ValueError: they do not go together, or not with the number of files.
        """
        new_networks(config, self.channels, torch.device("cpu"))
        if self.read is folder_or_file and data.is_dir():  # of which some may be repeated
            check_steps(config, len(picture_files(data)))

    def pictures(self, size: int, context: Context) -> Pictures:
        """The context's pictures at `size` px."""
        assert context.data is not None
        if self.read is folder_or_file:
            return folder_or_file(context.data, size, context.cache, self.centre)
        return self.read(context.data, size)

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
        cache = feature_cache(context.data, size, context.amp, context.cache)
        return RealFeatures(self.pictures(size, context), context.device, context.amp, cache)

    def publish(self, config: SampleTrainingConfig, out: Path, context: Context, options: PublishOptions) -> str:
        """Measures the averaged generator, its kernels in eight bits; stores it with the pictures for its card.

        A bad name, and other pictures than the run was trained on, are a `ValueError`.
        """
        name = checked_name(options.name or self.weight)
        state, hours = load(out / options.checkpoint), hours_of(out)
        shape = {"latent_dim": config.latent_dim, "width": config.width, "size": config.size, "channels": self.channels}
        stored = in_eight_bits(state["ema"])
        generator = Generator(**shape).eval().to(context.device)
        generator.load_state_dict(from_eight_bits(stored))  # what is measured is what is stored
        real = self.real(config.size, context)
        known = refuse_other_pictures(state, real, out)
        drawn, files = card_pictures(name, generator, real, out, state["step"], shows_real=self.shows_real)
        result = measure(generator, real, context)
        words = _checkpoint_words(config, state["step"], real if options.checkpoint == BEST else None)
        result["split"] = f"{result['split'] if known else _UNKNOWN_PICTURES}; {words}"
        about = self._about(len(real.pictures), config.size)
        publish_weight(
            name,
            stored,
            task=options.task("sample"),
            network={"name": "dcgan", **shape},
            preprocessing={"latents": "N(0, 1)", "range": [-1, 1], "colour": _COLOURS[self.channels]},
            labels=None,
            recipe=self.name,
            command=command_of(self.name, config),
            dataset=about.dataset,
            licence=about.licence,
            seed=config.seed,
            hardware=state["hardware"],
            hours=hours,
            settings=settings_of(asdict(config)),
            earlier=tuple(state.get("earlier", ())),
            metric=_metric(name, result) | {"pictures": real.digest},
            notes=paragraphs(_BASELINE if options.baseline else about.notes, drawn, changed_on_the_way(state)),
            files=files,
            weights_dir=options.weights_dir,
        )
        return name

    def _about(self, count: int, size: int) -> About:
        """What the card tells of the data: the recipe's words, or those of another number of pictures."""
        if count == self.count or not self.count:
            return About(self.dataset, self.licence, self.notes)
        notes = (
            f"Draws pictures of {size} px from Gaussian latents, for the Sample tab. Nothing can be asked for but a "
            "seed. The kernels are stored in eight bits and run in float32."
        )
        return About(f"{count:,} distinct pictures of one's own at {size} px", UNKNOWN_LICENCE, notes)


def refuse_other_pictures(state: State, real: RealFeatures, out: Path) -> bool:
    """Whether a checkpoint tells what it was trained on; those of earlier versions do not.

    Raises:
        ValueError: it does, and the pictures are others: split, neighbours and floors would be told of the wrong ones.
    """
    trained_on = state.get("trained_on") or {}
    if "digest" not in trained_on:
        return False
    if trained_on["digest"] != real.digest:
        raise ValueError(
            f"{out} was trained on {trained_on['pictures']:,} pictures, and --data gives {len(real.pictures):,} "
            "others: a card tells of the training pictures, so give those"
        )
    return True


def _checkpoint_words(config: SampleTrainingConfig, step: int, chosen_by: RealFeatures | None) -> str:
    """Which checkpoint of a run a generator is from; `chosen_by`: what it was measured against, if that chose it."""
    words = f"step {step} of {config.steps} of {config.batch_size} pictures"
    if chosen_by is None:
        return words
    return f"{words}, chosen by FD-Lite0 of {SampleQuality(chosen_by, config.fd_pictures).samples:,}"


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
