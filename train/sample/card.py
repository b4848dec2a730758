"""What the card of a generator shows: samples nobody picked, their nearest training pictures, curves, and a film."""

from __future__ import annotations

import io
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from PIL import Image

from cvdemo.images import ImageArray
from cvdemo.nets.dcgan import Generator
from cvdemo.sample.generate import latents
from train.data.hdf5 import Pictures
from train.engine.monitor import curves_of
from train.engine.writing import write_whole
from train.sample.lite0_features import RealFeatures
from train.sample.nearest_neighbours import contact_sheet, find_neighbours
from train.sample.sample_task import PREVIEW_SIDE, SampleTask, from_signed, square_grid
from train.sample.training_film import training_film

CARD_SEED, CARD_TRUNCATION = 0, 0.7  # of the samples in the grid; those held against training pictures have 1

NEIGHBOURS = "neighbours.png"  # in a run's folder: samples and the training pictures nearest to them

_SIDE = 8  # of the grid
_COMPARED = 16  # samples whose nearest training pictures are shown
_FILM_PX = 384  # of the square of previews in the film, at most


def card_pictures(
    name: str, generator: Generator, real: RealFeatures, run: Path, last_step: int, *, shows_real: bool = True
) -> tuple[str, dict[str, bytes]]:
    """Film, curves, grid and neighbours of a generator: Markdown that shows them, and the files by name.

    Args:
        name: of the weight; the files are called after it.
        generator: in eval mode.
        real: of all its training pictures.
        run: folder of its training, with records and previews.
        last_step: of the checkpoint; what came later is not in the film.
        shows_real: whether training pictures may be given out; else the sheet with them stays in the run's folder.

    Raises:
        FileNotFoundError: the run has no previews.
        ValueError: the film is too large, see `training_film`.
    """
    side = min(PREVIEW_SIDE, max(1, _FILM_PX // generator.size)) * generator.size
    with TemporaryDirectory() as folder:  # first, because it may fail and neighbours take minutes
        film = training_film(run, Path(folder) / "film.mp4", side, last_step).read_bytes()
    samples = card_samples(generator, _SIDE**2, CARD_TRUNCATION)
    near, sheet = _nearest(name, generator, real, run, shows_real=shows_real)
    files = {
        f"{name}_film.mp4": film,
        f"{name}_curves.png": curves_of(run, SampleTask.metric, False),
        f"{name}_grid.png": _as_png(square_grid(samples)),
        **sheet,
    }
    text = (
        f"![{len(samples)} samples]({name}_grid.png)\n\n"
        f"{len(samples)} samples: seed {CARD_SEED}, truncation {CARD_TRUNCATION}, unpicked.\n\n"
        f"{near} Mirrored copies count too.\n\n"
        f"![Curves of the training]({name}_curves.png)\n\n"
        f"[The training as a film]({name}_film.mp4): fixed latents, the step below. Measures in the curves are of "
        "fewer pictures, and in the run's precision.\n"
    )
    return text, files


def _nearest(
    name: str, generator: Generator, real: RealFeatures, run: Path, *, shows_real: bool
) -> tuple[str, dict[str, bytes]]:
    """How near samples come to training pictures: Markdown, and the sheet that shows it, if it may be given out."""
    compared = card_samples(generator, _COMPARED, 1.0)
    found = find_neighbours(compared, real)
    sheet = _as_png(contact_sheet(compared, real.pictures, found))
    samples = f"The first {_COMPARED} of them at truncation 1"
    if not shows_real:
        write_whole(run / NEIGHBOURS, sheet)
        return f"{samples} were held against the training pictures. {found.sentence()}", {}
    file = f"{name}_neighbours.png"
    shown = f"![Samples, each followed by its nearest training pictures]({file})\n\n{samples}"
    return f"{shown}, each with its nearest training pictures, and distances. {found.sentence()}", {file: sheet}


@torch.no_grad()
def card_samples(generator: Generator, count: int, truncation: float) -> Pictures:
    """The first pictures that the page draws of seed 0 at a truncation, (count, size, size, C) uint8."""
    points = latents(count, generator.latent_dim, CARD_SEED, truncation)
    return from_signed(generator(points.to(next(generator.parameters()).device)))


def _as_png(image: ImageArray) -> bytes:
    data = io.BytesIO()
    Image.fromarray(image).save(data, format="PNG", optimize=True)
    return data.getvalue()
