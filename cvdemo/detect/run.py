"""One way to run what the Detect demo does: the objects of a picture, of a video, and the windows in motion."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import ClassVar

from cvdemo.demo import Lane, Request, Step, lane_by_pixels, seconds_left
from cvdemo.detect.candidates import Scan
from cvdemo.detect.detector import load_detector
from cvdemo.detect.motion import MotionFilm, motion_steps
from cvdemo.detect.selection import DetectConfig, Detections, select
from cvdemo.detect.video import DetectedVideo, video_steps
from cvdemo.errors import InputError
from cvdemo.images import ImageArray
from cvdemo.runtime import Deadline


@dataclass(frozen=True, kw_only=True, eq=False)
class DetectRequest(Request):
    """The objects of a picture, uint8 (H, W, 3) RGB. The time limit begins once the network is loaded."""

    image: ImageArray
    config: DetectConfig = field(default_factory=DetectConfig)

    @property
    def lane(self) -> Lane:
        """See `detect_lane`."""
        return detect_lane(self.config, self.image.shape[0] * self.image.shape[1])


def detect_lane(config: DetectConfig, picture_pixels: float) -> Lane:
    """The lane of a search, by what it computes.

    Crop by crop takes many times longer; a large level takes a second for each megapixel.

    Args:
        picture_pixels: height times width; infinite where it is not known.
    """
    if config.crop_by_crop and config.kind.classifies_windows:
        return Lane.SLOW
    return lane_by_pixels(config.finest_pixels(picture_pixels))


@dataclass(frozen=True, kw_only=True, eq=False)
class DetectVideoRequest(Request):
    """The objects of a video, the bytes of a file; see `cvdemo.detect.video`."""

    usual_lane: ClassVar[Lane] = Lane.SLOW

    video: bytes
    config: DetectConfig = field(default_factory=DetectConfig)


@dataclass(frozen=True, kw_only=True, eq=False)
class MotionRequest(Request):
    """The windows of a scan in motion, as a film; see `cvdemo.detect.motion`.

    Attributes:
        image: the picture at any size, uint8 (H, W, 3). scan: of it. detections: the boxes with which the film ends.
    """

    image: ImageArray
    scan: Scan
    detections: Detections


@dataclass(frozen=True)
class DetectResult:
    """All candidates of a scan, for other thresholds later, and the boxes that the request's settings keep."""

    scan: Scan
    detections: Detections


def run_detect_video(request: DetectVideoRequest) -> Iterator[Step[DetectedVideo]]:
    """One step a frame, see `video_steps`. The time limit begins once the network is loaded.

    Raises:
        InputError: the video is too large or cannot be read.
    """
    detector = load_detector(request.config.detector, request.device)
    yield from video_steps(request.video, detector, request.config, Deadline(request.time_limit_s))


def run_motion(request: MotionRequest) -> Iterator[Step[MotionFilm]]:
    """One step a frame, see `motion_steps`. No network runs.

    Raises:
        InputError: the scan does not tell what its windows said.
    """
    if not request.scan.levels:
        raise InputError(
            "This method does not tell how sure it was at each place; look for something else to watch the search."
        )
    yield from motion_steps(request.image, request.scan, request.detections, Deadline(request.time_limit_s))


def run_detect(request: DetectRequest) -> Iterator[Step[DetectResult]]:
    """One step a pyramid level, coarse to fine; `partial` is what was found so far.

    Crop by crop there are steps between the levels too, without `partial`. All carry the `windows` scored as a measure.
    Where time runs out, one more step carries the result without the finer levels. The first level is always scored.
    """
    detector = load_detector(request.config.detector, request.device)
    deadline = Deadline(request.time_limit_s)
    found: DetectResult | None = None
    for scanned in detector.scan(request.image, request.config, deadline):
        is_new = found is None or scanned.scan is not found.scan
        if found is None or is_new:
            found = DetectResult(scanned.scan, select(scanned.scan, request.config))
        yield Step(
            done=scanned.done,
            total=scanned.total,
            seconds_left=seconds_left(deadline, scanned.share, 1.0),
            partial=found if is_new else None,
            measures={"windows": scanned.windows},
            result=found if scanned.scan.complete else None,
            share=scanned.share,
        )
    if found is not None and not found.scan.complete:
        measures = {"windows": found.scan.windows}
        yield Step(done=scanned.done, total=scanned.total, measures=measures, result=found, complete=False)
