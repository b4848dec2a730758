"""GIF films: frames, length and repetition as asked, and never larger than allowed."""

import io

import numpy as np
import pytest
from PIL import Image

from cvdemo.images import ImageArray
from cvdemo.ops.gif import SMALLEST_SIDE_PX, Gif


def noises(count: int, height: int = 40, width: int = 60) -> list[ImageArray]:
    return list(np.random.default_rng(0).integers(0, 256, (count, height, width, 3), dtype=np.uint8))


def gif_of(frames: list[ImageArray], fps: float = 15, side_px: int = 320) -> Gif:
    gif = Gif(fps, side_px)
    for frame in frames:
        gif.add(frame)
    return gif


def opened(data: bytes) -> Image.Image:
    return Image.open(io.BytesIO(data))


def test_it_holds_the_frames_at_their_speed_and_repeats() -> None:
    flats = [np.full((40, 60, 3), value, np.uint8) for value in (0, 100, 200)]
    with opened(gif_of(flats).encoded()) as film:
        assert film.format == "GIF" and film.n_frames == 3 and film.size == (60, 40)  # type: ignore[attr-defined]
        assert film.info["loop"] == 0
        durations = []
        for number, flat in enumerate(flats):
            film.seek(number)
            durations.append(film.info["duration"])
            np.testing.assert_allclose(np.asarray(film.convert("RGB")), flat, atol=4)
    assert sum(durations) == 200  # 3 / 15 s, in hundredths: 70 + 60 + 70 ms


def test_frames_are_kept_no_larger_than_asked() -> None:
    with opened(gif_of(noises(2), side_px=30).encoded()) as film:
        assert film.size == (30, 20)


def test_a_film_that_is_too_large_gets_smaller_frames() -> None:
    gif = gif_of(noises(6))
    whole = gif.encoded()
    half = gif.encoded(len(whole) // 2)
    assert len(whole) // 4 < len(half) <= len(whole) // 2
    with opened(half) as film:
        assert film.n_frames == 6 and max(film.size) < 60  # type: ignore[attr-defined]  # of GIF files


def test_the_smallest_frames_are_given_whatever_the_limit() -> None:
    with opened(gif_of(noises(2)).encoded(1)) as film:
        assert max(film.size) == SMALLEST_SIDE_PX


def test_nothing_is_no_film() -> None:
    with pytest.raises(ValueError, match="need at least one frame"):
        Gif(15).encoded()


@pytest.mark.parametrize("fps", [0, 51])
def test_a_speed_that_players_do_not_keep_to_is_refused(fps: float) -> None:
    with pytest.raises(ValueError, match=r"need fps in 1\.\.50"):
        Gif(fps)
