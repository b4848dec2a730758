"""The walk: frames on the way, one seam fewer than frames, a playable film, also where the time runs out."""

import io
import tempfile
from pathlib import Path

import av
import numpy as np
import pytest
import torch

from cvdemo.errors import InputError
from cvdemo.images import ImageArray
from cvdemo.nets.dcgan import Generator
from cvdemo.runtime import Deadline
from cvdemo.sample.generate import generate, latents
from cvdemo.sample.latent_walk import WalkConfig, enlarged, film_steps
from cvdemo.sample.latents import loop

CONFIG = WalkConfig(seconds=2, fps=10, enlarge=1)


@pytest.fixture(params=[3, 1], ids=["colour", "grey"])
def tiny(request: pytest.FixtureRequest) -> Generator:
    generator = Generator(latent_dim=5, width=4, channels=request.param, size=16).eval().requires_grad_(False)
    for parameter in generator.parameters():
        torch.nn.init.normal_(parameter, std=0.5)
    return generator


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder in which temporary files are made."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def frames_of(film: bytes) -> list[ImageArray]:
    with av.open(io.BytesIO(film)) as container:
        return [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]


def test_the_film_shows_the_frames_of_the_loop(tiny: Generator, temporary: Path) -> None:
    stops, config = latents(3, 5, seed=1), WalkConfig(seconds=2, fps=10, enlarge=4)
    steps = list(film_steps(tiny, stops, config))
    assert [(step.done, step.total, step.result is None) for step in steps] == [(16, 20, True), (20, 20, False)]
    assert steps[-1].complete and steps[-1].result is not None
    shown = frames_of(steps[-1].result)
    assert len(shown) == 20 and shown[0].shape == (64, 64, 3)
    drawn = [enlarged(picture, 4) for picture in generate(tiny, loop(stops, 20))]
    np.testing.assert_array_equal(drawn[0], enlarged(generate(tiny, stops[:1])[0], 4))
    for number, step in zip((15, 19), steps, strict=True):
        np.testing.assert_array_equal(step.preview, drawn[number])
    errors = [np.abs(frame.astype(int) - drawn[0]).mean() for frame in shown]
    assert np.argmin(errors) == 0 and errors[0] < 10  # noise, the worst that H.264 can meet
    assert not list(temporary.iterdir())


def test_a_deadline_gives_the_film_so_far(tiny: Generator, temporary: Path) -> None:
    (step,) = film_steps(tiny, latents(2, 5, seed=1), CONFIG, Deadline(0))
    assert (step.done, step.total, step.complete) == (16, 20, False) and step.result is not None
    assert len(frames_of(step.result)) == 16
    assert not list(temporary.iterdir())


def test_a_walk_that_is_given_up_leaves_nothing(tiny: Generator, temporary: Path) -> None:
    steps = film_steps(tiny, latents(2, 5, seed=1), CONFIG)
    next(steps)
    assert list(temporary.iterdir())
    steps.close()  # type: ignore[attr-defined]  # an Iterator that is a generator
    assert not list(temporary.iterdir())


@pytest.mark.parametrize(("field", "value"), [("seconds", 1), ("seconds", 31), ("fps", 9), ("stops", 1)])
def test_settings_out_of_range_are_refused(field: str, value: float) -> None:
    with pytest.raises(InputError, match=f"{field} must be at (least|most)"):
        WalkConfig(**{field: value})


def test_frames_of_a_film() -> None:
    assert WalkConfig().frames == 192
    assert WalkConfig(seconds=2.5, fps=15).frames == 38


def test_enlarging_keeps_flats_and_sizes() -> None:
    flat = np.full((3, 5, 3), (10, 200, 90), np.uint8)
    assert enlarged(flat, 1) is flat
    np.testing.assert_array_equal(enlarged(flat, 4), np.full((12, 20, 3), (10, 200, 90), np.uint8))
