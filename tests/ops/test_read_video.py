"""Videos read: frames at even times, upright, bounded; and what is no video."""

import io
from collections.abc import Sequence
from fractions import Fraction

import av
import numpy as np
import pytest

from cvdemo.errors import InputError
from cvdemo.images import ImageArray
from cvdemo.ops import read_video
from cvdemo.ops.read_video import Video, container_format, upright


def clip(
    greys: Sequence[int],
    times: Sequence[int] | None = None,
    *,
    fps: int = 10,
    size_wh: tuple[int, int] = (64, 48),
    format: str = "mp4",
    sound: bool = False,
) -> bytes:
    """A video of flat frames; `times` in frames, one after the other where there are none."""
    file = io.BytesIO()
    with av.open(file, "w", format=format) as container:
        stream = container.add_stream("libx264" if format != "webm" else "libvpx", rate=fps)
        stream.width, stream.height, stream.pix_fmt = *size_wh, "yuv420p"
        stream.codec_context.time_base = Fraction(1, fps)
        audio = container.add_stream("aac", rate=44100) if sound else None
        for at, grey in zip(times or range(len(greys)), greys, strict=True):
            frame = av.VideoFrame.from_ndarray(np.full((size_wh[1], size_wh[0], 3), grey, np.uint8), format="rgb24")
            frame.pts, frame.time_base = at, Fraction(1, fps)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
        if audio is not None:
            silence = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
            silence.sample_rate = 44100
            container.mux(audio.encode(silence))
            container.mux(audio.encode(None))
    return file.getvalue()


def greys_of(data: bytes) -> list[int]:
    """The mean of each frame that is read, to the nearest ten."""
    with Video(data) as video:
        return [round(float(image.mean()), -1).__int__() for image in video.frames()]


@pytest.mark.parametrize("format", ["mp4", "mov", "matroska", "avi", "webm"])
def test_frames_come_in_order_from_every_container(format: str) -> None:
    data = clip([0, 50, 100, 150, 200], format=format)
    assert greys_of(data) == [0, 50, 100, 150, 200]
    with Video(data) as video:
        frames = list(video.frames())
        assert video.fps == 10 and frames[0].shape == (48, 64, 3) and frames[0].dtype == np.uint8
        assert not video.has_sound and not video.progress.cut and not video.progress.damaged


def test_faster_videos_are_thinned_out_to_even_times() -> None:
    data = clip(list(range(0, 240, 10)), fps=60)
    with Video(data) as video:
        assert video.fps == 15 and video.count == 6
    assert greys_of(data) == [0, 40, 80, 120, 160, 200]


def test_frames_that_stay_longer_are_given_again() -> None:
    data = clip([0, 100, 200], [0, 1, 4])  # five tenths of a second: six frames a second on average
    assert greys_of(data) == [0, 100, 100]


def test_what_comes_after_the_limit_is_cut_and_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(read_video, "VIDEO_S", 0.3)
    with Video(clip([0, 50, 100, 150, 200])) as video:
        assert video.count == 3 and len(list(video.frames())) == 3 and video.progress.cut
    monkeypatch.setattr(read_video, "VIDEO_FASTEST_FPS", 2)  # more frames in a moment than any camera makes
    with Video(clip([0, 50, 100, 150, 200])) as video:
        assert len(list(video.frames())) == 1 and video.progress.cut


def test_sound_is_noticed_and_not_read() -> None:
    data = clip([0, 100], sound=True)
    with Video(data) as video:
        assert video.has_sound
    assert greys_of(data) == [0, 100]


def test_large_frames_are_shrunk_and_huge_ones_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(read_video, "VIDEO_SIDE_PX", 32)
    with Video(clip([0, 100])) as video:
        assert [frame.shape for frame in video.frames()] == [(24, 32, 3)] * 2
    monkeypatch.setattr(read_video, "VIDEO_MEGAPIXELS", 0.003)
    with (
        pytest.raises(InputError, match=r"The video has frames of 0.0 megapixels; the limit is 0.003"),
        Video(clip([0])),
    ):
        pass


def test_frames_are_turned_counter_clockwise_as_the_file_asks() -> None:
    image: ImageArray = np.zeros((2, 3, 3), np.uint8)
    image[0, 2] = 9  # the upper right corner
    assert upright(image, 0)[0, 2, 0] == 9 and upright(image, 0).shape == (2, 3, 3)
    assert upright(image, 90)[0, 0, 0] == 9 and upright(image, 90).shape == (3, 2, 3)
    assert upright(image, -90)[2, 1, 0] == 9 and upright(image, 180)[1, 0, 0] == 9


@pytest.mark.parametrize(
    "data", [b"", b"no video at all", b"#EXTM3U\nhttp://192.0.2.1/a.ts\n", b"\x00\x00\x00\x18ftypisom"]
)
def test_what_is_no_video_is_refused_in_words(data: bytes) -> None:
    with (
        pytest.raises(InputError, match=r"The video cannot be read|The file holds no moving picture"),
        Video(data) as video,
    ):
        list(video.frames())


def test_playlists_are_of_no_known_kind() -> None:
    assert container_format(b"#EXTM3U\n") is None and container_format(b"ffconcat version 1.0") is None
    assert container_format(clip([0])) == "mov" and container_format(clip([0], format="webm")) == "matroska"


def test_a_file_too_large_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(read_video, "VIDEO_BYTES", 1 << 20)
    with pytest.raises(InputError, match="The video has 2 MB; the limit is 1 MB"):
        Video(bytes(2 << 20))


def test_a_file_that_breaks_off_gives_what_can_be_read() -> None:
    rng = np.random.default_rng(0)
    data = clip(rng.integers(0, 255, 60).tolist(), format="matroska")
    with Video(data[: len(data) // 2]) as video:
        frames = list(video.frames())
    assert 0 < len(frames) < 60


def test_sound_alone_is_no_video() -> None:
    file = io.BytesIO()
    with av.open(file, "w", format="mp4") as container:
        audio = container.add_stream("aac", rate=44100)
        silence = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
        silence.sample_rate = 44100
        container.mux(audio.encode(silence))
        container.mux(audio.encode(None))
    with pytest.raises(InputError, match="The file holds no moving picture"), Video(file.getvalue()):
        pass
