"""The objects of a video: each frame is searched, its boxes steadied, drawn and encoded; the result is an mp4 file."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from cvdemo.demo import Step, seconds_left
from cvdemo.detect.candidates import SCORE_FLOOR
from cvdemo.detect.detector import Detector
from cvdemo.detect.drawing import draw_detections
from cvdemo.detect.exports import counted
from cvdemo.detect.selection import DetectConfig, Detections, select
from cvdemo.detect.tracks import Tracker
from cvdemo.images import ImageArray
from cvdemo.limits import VIDEO_SEARCHED_MEGAPIXELS
from cvdemo.ops.read_video import Video
from cvdemo.ops.video import Film
from cvdemo.runtime import Deadline

PREVIEW_EVERY_S = 0.5  # of the video, between two previews
CRF = 23  # x264's default: the frames have been through a codec before


@dataclass(frozen=True)
class DetectedVideo:
    """An annotated video.

    Attributes:
        mp4: the file, without sound. frames, fps, size_wh: of it.
        most_at_once: the largest number of each class in a frame, the most first.
        notes: what is missing, each a sentence: sound, an end that was cut off.
    """

    mp4: bytes
    frames: int
    fps: float
    size_wh: tuple[int, int]
    most_at_once: dict[str, int]
    notes: tuple[str, ...]

    @property
    def seconds(self) -> float:
        """Length of the film."""
        return self.frames / self.fps

    @property
    def in_words(self) -> str:
        """The most things of each class at once: "3 people, 1 dog"; "nothing found" where there is nothing."""
        return ", ".join(counted(count, label) for label, count in self.most_at_once.items()) or "nothing found"

    def as_dict(self) -> dict[str, Any]:
        """What programs are told of it."""
        return {
            "frames": self.frames,
            "fps": round(self.fps, 3),
            "seconds": round(self.seconds, 2),
            "size_wh": list(self.size_wh),
            "most_at_once": self.most_at_once,
            "notes": list(self.notes),
        }


def video_steps(
    data: bytes, detector: Detector, config: DetectConfig, deadline: Deadline
) -> Iterator[Step[DetectedVideo]]:
    """A step a frame, some with the annotated frame as preview; the last carries the film.

    If the deadline comes first, the film ends there and its step is not complete; the first frame is always in it.
    The frame in which it comes may be searched only in part, which the notes tell. Never crop by crop: a frame would
    take as long as the whole film may.

    Raises:
        InputError: the video is too large or cannot be read.
    """
    config = replace(config, megapixels=min(config.megapixels, VIDEO_SEARCHED_MEGAPIXELS), crop_by_crop=False)
    tracker, most, size_wh, in_part = Tracker(config.least_score), Counter[str](), (0, 0), 0
    with TemporaryDirectory(prefix="cvdemo-video-") as folder, Video(data) as video:
        path = Path(folder) / "detected.mp4"
        stopped = False
        with Film(path, video.fps, crf=CRF) as film:
            for image in video.frames():
                drawn, found = _frame(image, detector, config, tracker, deadline)
                film.add(drawn)
                in_part += not found.complete
                most |= Counter(found.labels)
                size_wh = found.size_wh
                stopped = deadline.expired
                if stopped:
                    break
                yield _step(film.frames, video, deadline, drawn)
        notes = _notes(video, stopped=stopped, in_part=in_part)
        ranked = dict(sorted(most.items(), key=lambda item: (-item[1], item[0])))
        result = DetectedVideo(path.read_bytes(), film.frames, video.fps, size_wh, ranked, notes)
        total = max(film.frames, video.count) if stopped else film.frames
        yield Step(done=film.frames, total=total, preview=drawn, result=result, complete=not stopped)


def _frame(
    image: ImageArray, detector: Detector, config: DetectConfig, tracker: Tracker, deadline: Deadline
) -> tuple[ImageArray, Detections]:
    """The annotated frame and its steady boxes; they are not complete where the deadline cut the search."""
    *_, step = detector.scan(image, config, deadline)
    weak = select(step.scan, replace(config, score_threshold=max(SCORE_FLOOR, tracker.weak)))
    found = tracker.follow(weak)
    return draw_detections(image, found), found


def _step(frames: int, video: Video, deadline: Deadline, drawn: ImageArray) -> Step[DetectedVideo]:
    total = max(frames, video.count)
    shows = (frames - 1) % max(1, round(PREVIEW_EVERY_S * video.fps)) == 0
    left = seconds_left(deadline, frames, total)
    return Step(done=frames, total=total, seconds_left=left, preview=drawn if shows else None)


def _notes(video: Video, *, stopped: bool, in_part: int) -> tuple[str, ...]:
    searched = f"{counted(in_part, 'frame')} searched only in part: time ran out."
    return (*video.notes(stopped=stopped), *([searched] if in_part else []))
