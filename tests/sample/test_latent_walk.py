"""The walk: frames on the way, one seam fewer than frames, a film that is whole or absent."""

from pathlib import Path

import av
import numpy as np
import pytest
import torch

from cvdemo.errors import InputError
from cvdemo.nets.dcgan import Generator
from cvdemo.runtime import Deadline
from cvdemo.sample.generate import generate, latents
from cvdemo.sample.latent_walk import WalkConfig, enlarged, film_steps, walk_steps
from cvdemo.sample.latents import loop

CONFIG = WalkConfig(seconds=2, fps=10, enlarge=1)


@pytest.fixture(params=[3, 1], ids=["colour", "grey"])
def tiny(request: pytest.FixtureRequest) -> Generator:
    generator = Generator(latent_dim=5, width=4, channels=request.param, size=16).eval().requires_grad_(False)
    for parameter in generator.parameters():
        torch.nn.init.normal_(parameter, std=0.5)
    return generator


def test_frames_are_the_loops_pictures_some_at_a_time(tiny: Generator) -> None:
    stops = latents(3, 5, seed=1)
    steps = list(walk_steps(tiny, stops, CONFIG))
    assert [(step.done, step.total, len(step.frames)) for step in steps] == [(16, 20, 16), (20, 20, 4)]
    frames = np.stack([frame for step in steps for frame in step.frames])
    np.testing.assert_array_equal(frames, np.stack(generate(tiny, loop(stops, 20))))
    np.testing.assert_array_equal(frames[0], generate(tiny, stops[:1])[0])


def test_the_film_shows_the_frames(tiny: Generator, tmp_path: Path) -> None:
    path, stops = tmp_path / "walk.mp4", latents(3, 5, seed=1)
    config = WalkConfig(seconds=2, fps=10, enlarge=4)
    done = [(step.done, path.exists()) for step in film_steps(path, tiny, stops, config)]
    assert done == [(16, False), (20, False)]
    with av.open(path) as film:
        shown = [frame.to_ndarray(format="rgb24") for frame in film.decode(video=0)]
    assert len(shown) == 20 and shown[0].shape == (64, 64, 3)
    expected = enlarged(generate(tiny, stops[:1])[0], 4)
    errors = [np.abs(frame.astype(int) - expected).mean() for frame in shown]
    assert np.argmin(errors) == 0 and errors[0] < 10  # noise, the worst that H.264 can meet


def test_a_deadline_leaves_no_film_and_says_what_helps(tiny: Generator, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="Time ran out after 16 of 20 frames: choose a shorter film"):
        list(film_steps(tmp_path / "walk.mp4", tiny, latents(2, 5, seed=1), CONFIG, Deadline(0)))
    assert not list(tmp_path.iterdir())


def test_a_walk_that_is_given_up_leaves_nothing(tiny: Generator, tmp_path: Path) -> None:
    steps = film_steps(tmp_path / "walk.mp4", tiny, latents(2, 5, seed=1), CONFIG)
    next(steps)
    steps.close()  # type: ignore[attr-defined]  # an Iterator that is a generator
    assert not list(tmp_path.iterdir())


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
