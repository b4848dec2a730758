"""The zoom film: its frames, the same twice, cut short by a deadline, ended by a visitor, in both formats."""

import io
import pickle
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from PIL import Image

from cvdemo.demo import Step, last_step
from cvdemo.demos import run
from cvdemo.dream import zoom_film
from cvdemo.dream.deepdream import DreamConfig, dream
from cvdemo.dream.zoom_film import DreamFilm, DreamFilmRequest, ZoomFilmConfig, dived
from cvdemo.errors import InputError, LeftError
from cvdemo.images import ImageArray
from cvdemo.limits import DREAM_FILM_FRAMES
from cvdemo.runtime import stopping_when
from tests.dream.tiny_network import TinyNetwork
from tests.helpers.hand_turned_clock import set_clock

FILM = ZoomFilmConfig(frames=4, fps=10, film_px=128, frame_steps=1)
CONFIG = DreamConfig(layer="block1", jitter_px=8, seed=3)


@pytest.fixture(autouse=True)
def tiny(monkeypatch: pytest.MonkeyPatch) -> None:
    """A tiny network in place of the real one."""
    network = TinyNetwork()
    monkeypatch.setattr(zoom_film, "load_dream_network", lambda device: network)


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder in which temporary files are made."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


@pytest.fixture
def soft() -> ImageArray:
    """(48, 64, 3) of smooth colours, which H.264 keeps."""
    across, down = np.meshgrid(np.linspace(40, 210, 64), np.linspace(60, 180, 48))
    return np.stack([across, down, 250 - across], axis=-1).astype(np.uint8)


def steps_of(image: ImageArray, film: ZoomFilmConfig = FILM, **others: Any) -> list[Step[DreamFilm]]:
    return list(run(DreamFilmRequest(image=image, config=others.pop("config", CONFIG), film=film, **others)))


def frames_in(mp4: bytes) -> list[ImageArray]:
    with av.open(io.BytesIO(mp4)) as container:
        return [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]


def test_every_frame_is_shown_and_is_in_the_film(soft: ImageArray, temporary: Path) -> None:
    *steps, last = steps_of(soft)
    assert [(step.done, step.total) for step in steps] == [(n, 4) for n in (1, 2, 3, 4)]
    assert all(step.result is None and step.complete for step in steps)
    assert last.complete and last.result is not None and (last.result.frames, last.result.wanted) == (4, 4)
    shown = frames_in(last.result.files["mp4"])
    assert list(last.result.files) == ["mp4"] and len(shown) == 4
    for step, frame in zip(steps, shown, strict=True):
        assert step.preview is not None and step.preview.shape == frame.shape == (96, 128, 3)
        assert np.abs(step.preview.astype(int) - frame).mean() < 12  # the dream's fine colours lose most
    assert not list(temporary.iterdir())


def test_it_begins_with_the_picture_and_dreams_from_there(noise: ImageArray) -> None:
    large = np.asarray(Image.fromarray(noise).resize((128, 96), Image.Resampling.NEAREST))
    first, second, *_ = steps_of(large)
    np.testing.assert_array_equal(first.preview, large)
    assert second.preview is not None
    moved = dived(large, FILM.zoom, FILM.turn_deg).astype(int)
    assert 0.5 < np.abs(second.preview - moved).mean() < 30
    assert np.abs(second.preview - moved).mean() < np.abs(second.preview - large.astype(int)).mean()


def test_a_seed_repeats_and_two_differ(soft: ImageArray) -> None:
    films = [last_step(steps_of(soft, config=replace(CONFIG, seed=seed))).result for seed in (3, 3, 4)]
    once, again, other = (film.files["mp4"] for film in films if film is not None)
    assert once == again != other


def test_colours_stay_those_of_the_first_frame(soft: ImageArray) -> None:
    steps = steps_of(soft, replace(FILM, frames=6, frame_steps=2), config=replace(CONFIG, step_size=10))
    first, last = steps[0].preview, steps[-1].preview
    assert first is not None and last is not None
    np.testing.assert_allclose(last.mean(axis=(0, 1)), first.mean(axis=(0, 1)), atol=3)
    np.testing.assert_allclose(last.std(axis=(0, 1)), first.std(axis=(0, 1)), rtol=0.1)


@pytest.mark.parametrize("formats", [("gif",), ("mp4", "gif")])
def test_it_is_made_in_the_formats_that_are_asked_for(soft: ImageArray, formats: tuple[str, ...]) -> None:
    last = last_step(steps_of(soft, formats=formats))
    assert last.result is not None and set(last.result.files) == set(formats)
    with Image.open(io.BytesIO(last.result.files["gif"])) as gif:
        assert gif.n_frames == 4 and gif.size == (128, 96)  # type: ignore[attr-defined]  # of GIF files


@pytest.mark.parametrize("formats", [(), ("avi",), ("mp4", "avi")])
def test_another_format_is_refused(noise: ImageArray, formats: tuple[str, ...]) -> None:
    with pytest.raises(ValueError, match="need formats of"):
        steps_of(noise, formats=formats)


def test_a_deadline_gives_the_film_so_far(noise: ImageArray, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = set_clock(monkeypatch)

    def slow(*args: Any, **others: Any) -> Any:
        clock.passes(10)
        return dream(*args, **others)

    monkeypatch.setattr(zoom_film, "dream", slow)
    *steps, last = steps_of(noise, time_limit_s=25, formats=("mp4", "gif"))
    assert [step.seconds_left for step in steps] == [None, 15, 5]  # what the limit leaves, once that is less
    assert (last.done, last.total, last.complete) == (3, 4, False)
    assert last.result is not None and (last.result.frames, last.result.wanted) == (3, 4)
    assert len(frames_in(last.result.files["mp4"])) == 3 and last.result.files["gif"].startswith(b"GIF89a")


def test_a_visitor_who_has_left_ends_it_at_once_and_nothing_is_packed(noise: ImageArray, temporary: Path) -> None:
    with stopping_when(lambda: True):
        steps = run(DreamFilmRequest(image=noise, config=CONFIG, film=FILM, formats=("mp4", "gif")))
        assert next(steps).done == 1
        with pytest.raises(LeftError):  # a page that cancels takes any such error for its own doing
            list(steps)
    assert not list(temporary.iterdir())


def test_a_film_that_is_given_up_leaves_nothing(noise: ImageArray, temporary: Path) -> None:
    steps = run(DreamFilmRequest(image=noise, config=CONFIG, film=FILM))
    next(steps)
    assert list(temporary.iterdir())
    steps.close()  # type: ignore[attr-defined]  # an Iterator that is a generator
    assert not list(temporary.iterdir())


def test_it_pickles(noise: ImageArray) -> None:
    request = DreamFilmRequest(image=noise, config=CONFIG, film=replace(FILM, frames=2), guide=noise)
    steps = list(run(pickle.loads(pickle.dumps(request))))
    first, last = (pickle.loads(pickle.dumps(step)) for step in (steps[0], steps[-1]))
    np.testing.assert_array_equal(first.preview, steps[0].preview)
    assert last.result.files == steps[-1].result.files


def test_a_channel_the_layer_lacks_is_refused(noise: ImageArray) -> None:
    with pytest.raises(InputError, match="channels 0 to 3"):
        steps_of(noise, config=replace(CONFIG, channel=4))


@pytest.mark.parametrize(("field", "value"), [("frames", 1), ("frames", DREAM_FILM_FRAMES + 1), ("zoom", 0.9)])
def test_settings_out_of_range_are_refused(field: str, value: float) -> None:
    with pytest.raises(InputError, match=f"{field} must be at (least|most)"):
        ZoomFilmConfig(**{field: value})


def test_a_dive_enlarges_about_the_centre() -> None:
    dot = np.zeros((65, 65, 3), np.uint8)
    dot[32, 48] = 255  # 16 px to the right of the centre
    assert np.argmax(dived(dot, 1.25, 0.0)[32, :, 0]) == 52  # 20 px
    assert np.argmax(dived(dot, 1.0, 90.0)[:, 32, 0]) == 16  # turned to the left, it stands above


def test_a_dive_without_zoom_and_turn_changes_nothing_and_corners_are_never_black(noise: ImageArray) -> None:
    np.testing.assert_array_equal(dived(noise, 1.0, 0.0), noise)
    assert dived(np.full((40, 60, 3), 200, np.uint8), 1.0, 10.0).min() == 200
