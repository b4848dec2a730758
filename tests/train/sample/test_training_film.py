"""The training film: previews in order with their steps, as large as allowed."""

from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

from train.sample import training_film as gan_film
from train.sample.training_film import FPS, training_film


def previews(run: Path, steps: range, noise: bool = False) -> None:
    rng = np.random.default_rng(0)
    for step in steps:
        grid = np.full((32, 32, 3), min(step, 255), np.uint8)
        if noise:
            grid = rng.integers(0, 256, (128, 128, 3), dtype=np.uint8)
        Image.fromarray(grid).save(run / f"preview_{step:07d}.png")


def frames(path: Path) -> list[np.ndarray]:
    with av.open(path) as container:
        assert container.streams.video[0].codec_context.name == "h264"
        return [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]


def test_the_film_shows_the_previews_in_order_and_stands_at_the_end(tmp_path: Path) -> None:
    previews(tmp_path, range(0, 250, 50))
    (tmp_path / "curves.png").write_bytes(b"no preview")
    shown = frames(training_film(tmp_path, tmp_path / "film.mp4", 16, last_step=200))
    assert shown[0].shape == (36, 16, 3)
    values = [round(float(frame[:14].mean())) for frame in shown]
    assert values[: 5 * FPS : FPS] == pytest.approx([0, 50, 100, 150, 200], abs=4)  # a second each, for they are few
    assert len(shown) == 4 * FPS + 24 and values[-1] == pytest.approx(200, abs=4)
    assert shown[0][20:].min() < 150 < shown[0][20:].max()  # the step below


def test_later_previews_are_left_out(tmp_path: Path) -> None:
    previews(tmp_path, range(0, 250, 50))
    assert len(frames(training_film(tmp_path, tmp_path / "film.mp4", 16, last_step=120))) == 2 * FPS + 24


def test_long_runs_are_thinned_evenly(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gan_film, "_FRAMES", 3)
    previews(tmp_path, range(0, 250, 50))
    values = [frame[:14].mean() for frame in frames(training_film(tmp_path, tmp_path / "film.mp4", 16, last_step=999))]
    assert values[: 3 * FPS : FPS] == pytest.approx([0, 100, 200], abs=4)


@pytest.mark.parametrize(("count", "total"), [(61, 60 * 2 + 24), (200, 199 + 24)])
def test_a_film_of_many_pictures_shows_each_for_less(count: int, total: int, tmp_path: Path) -> None:
    previews(tmp_path, range(count))
    assert len(frames(training_film(tmp_path, tmp_path / "film.mp4", 16, last_step=999))) == total


@pytest.mark.slow
def test_a_film_that_is_too_large_gets_coarser(tmp_path: Path) -> None:
    previews(tmp_path, range(6), noise=True)
    fine = training_film(tmp_path, tmp_path / "fine.mp4", 128, last_step=9).stat().st_size
    small = training_film(tmp_path, tmp_path / "small.mp4", 128, last_step=9, max_bytes=fine // 3)
    assert small.stat().st_size <= fine // 3
    with pytest.raises(ValueError, match=r"more than 100, at the coarsest"):
        training_film(tmp_path, tmp_path / "tiny.mp4", 128, last_step=9, max_bytes=100)
    assert not (tmp_path / "tiny.mp4").exists()


def test_a_run_without_previews_says_so(tmp_path: Path) -> None:
    previews(tmp_path, range(50, 60))
    with pytest.raises(FileNotFoundError, match=r"no preview.*up to step 40"):
        training_film(tmp_path, tmp_path / "film.mp4", 16, last_step=40)
