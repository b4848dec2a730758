"""Films: what goes in comes out again, of every size, and files are whole or absent."""

from collections.abc import Iterator
from pathlib import Path

import av
import numpy as np
import pytest

from cvdemo.images import ImageArray
from cvdemo.ops.video import Film, write_mp4


def flat(colour: tuple[int, int, int], height: int = 32, width: int = 48) -> ImageArray:
    return np.full((height, width, 3), colour, np.uint8)


def decoded(path: Path) -> list[ImageArray]:
    """Every frame; the matrix is read from the file's own tag."""
    with av.open(path) as container:
        return [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]


COLOURS = [(250, 10, 20), (20, 240, 30), (10, 30, 230), (128, 128, 128), (255, 255, 255)]


def test_frames_come_back_in_order_and_colour(tmp_path: Path) -> None:
    path = write_mp4((flat(colour) for colour in COLOURS), tmp_path / "a.mp4", fps=10, crf=10)
    frames = decoded(path)
    assert len(frames) == 5
    for frame, colour in zip(frames, COLOURS, strict=True):
        assert np.abs(frame.astype(int) - colour).max() <= 4


def test_it_is_what_browsers_play(tmp_path: Path) -> None:
    path = write_mp4([flat(c) for c in COLOURS], tmp_path / "a.mp4", fps=12.5)
    with av.open(path) as container:
        stream = container.streams.video[0]
        assert (stream.codec_context.name, stream.codec_context.pix_fmt) == ("h264", "yuv420p")
        assert stream.average_rate == 12.5
        assert stream.duration is not None and stream.time_base is not None
        assert float(stream.duration * stream.time_base) == pytest.approx(5 / 12.5)
    data = path.read_bytes()
    assert 0 < data.index(b"moov") < data.index(b"mdat")  # the index first: it plays while it loads


def test_the_file_says_how_its_colours_were_made(tmp_path: Path) -> None:
    with av.open(write_mp4([flat(c) for c in COLOURS], tmp_path / "a.mp4")) as container:
        context = container.streams.video[0].codec_context
        assert (context.colorspace, context.color_primaries, context.color_trc) == (1, 1, 1)  # BT.709
        assert context.color_range == 1  # 16 to 235


@pytest.mark.parametrize(("height", "width"), [(33, 48), (32, 47), (31, 33), (2, 2)])
def test_odd_sides_get_their_edge_twice(tmp_path: Path, height: int, width: int) -> None:
    ramp = np.linspace(0, 200, height * width).reshape(height, width, 1).repeat(3, 2).astype(np.uint8)
    frame = decoded(write_mp4([ramp] * 3, tmp_path / "a.mp4", crf=4))[1]
    assert frame.shape == (height + height % 2, width + width % 2, 3)
    assert np.abs(frame[:height, :width].astype(int) - ramp).max() <= 8
    assert np.abs(frame[-1].astype(int) - frame[height - 1]).max() <= 8


def test_one_frame_is_a_film(tmp_path: Path) -> None:
    assert len(decoded(write_mp4([flat((9, 99, 199))], tmp_path / "a.mp4"))) == 1


def test_a_higher_crf_is_a_smaller_file(tmp_path: Path) -> None:
    noise = list(np.random.default_rng(0).integers(0, 256, (4, 64, 64, 3), dtype=np.uint8))
    good, small = (write_mp4(noise, tmp_path / f"{crf}.mp4", crf=crf) for crf in (10, 40))
    assert small.stat().st_size < good.stat().st_size / 2


def test_frames_of_different_sizes_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"frames of one size, got \(32, 50, 3\) after \(32, 48, 3\)"):
        write_mp4([flat((0, 0, 0)), flat((0, 0, 0), width=50)], tmp_path / "a.mp4")
    assert not list(tmp_path.iterdir())


def test_no_frames_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"at least one frame, got none for .*a\.mp4"):
        write_mp4([], tmp_path / "a.mp4")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("frame", [np.zeros((4, 4), np.uint8), np.zeros((4, 4, 1), np.uint8), np.zeros((4, 4, 3))])
def test_what_is_no_picture_is_refused(tmp_path: Path, frame: ImageArray) -> None:
    with pytest.raises(ValueError, match=r"need uint8 \(H, W, 3\) frames, got "):
        write_mp4([frame], tmp_path / "a.mp4")


@pytest.mark.parametrize(("fps", "crf"), [(0, 18), (241, 18), (24, -1), (24, 52)])
def test_settings_out_of_range_are_refused(tmp_path: Path, fps: float, crf: int) -> None:
    with pytest.raises(ValueError, match=f"got fps={fps}, crf={crf}"):
        write_mp4([flat((0, 0, 0))], tmp_path / "a.mp4", fps, crf=crf)


def test_a_failure_leaves_the_old_film_and_nothing_else(tmp_path: Path) -> None:
    path = write_mp4([flat((1, 2, 3))], tmp_path / "a.mp4")
    before = path.read_bytes()

    def breaks() -> Iterator[ImageArray]:
        yield flat((4, 5, 6))
        raise RuntimeError("stopped")

    with pytest.raises(RuntimeError, match="stopped"):
        write_mp4(breaks(), path)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_a_film_counts_its_frames(tmp_path: Path) -> None:
    with Film(tmp_path / "a.mp4") as film:
        film.add(flat((1, 2, 3)))
        film.add(flat((1, 2, 3)))
    assert film.frames == 2
    assert len(decoded(film.path)) == 2
