"""How long requests will take, from how long such requests took.

Requests are alike where their settings are, but for those that only say how much there is to do: steps, sizes, counts.
Of those their work is told in units to which the time is proportional, such as steps times what a step costs. What is
remembered is the seconds that one unit took; the median of the last few is not moved by a network that was loaded
first. Of two it is the lower one, as it may have been loaded in the other. Of the first of its kind loading is taken
out, as far as its steps show it: see `Stopwatch`.
"""

from __future__ import annotations

import dataclasses
import threading
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Hashable, Mapping, Sequence
from statistics import median_low
from typing import Any

from cvdemo.classify.run import ClassifyRequest
from cvdemo.classify.teach import TeachRequest
from cvdemo.demo import Request, Step
from cvdemo.detect.run import DetectRequest, DetectVideoRequest
from cvdemo.dream.deepdream import full_size, octave_sizes
from cvdemo.dream.run import DreamRequest
from cvdemo.errors import DemoError
from cvdemo.ops.read_video import Video
from cvdemo.pace import step_work
from cvdemo.sample.run import InterpolateRequest, SampleRequest, WalkRequest
from cvdemo.style.run import InstantRequest, StyleRequest
from cvdemo.style.scales import scale_sizes
from cvdemo.style.video import StyleVideoRequest
from cvdemo.upscale.run import UpscaleRequest

REMEMBERED = 7  # last durations of a kind: the median of them forgets a slow hour soon
KINDS = 200  # that are remembered; the one unused for longest goes first
FIXED_PICTURES = 4.0  # what a drawing takes beside its pictures, in pictures
PLAIN = (bool, int, float, str, type(None))


class UnitTimes:
    """What one unit of work took, by its kind; for many threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._unit_s: OrderedDict[Hashable, deque[float]] = OrderedDict()

    def expected_s(self, kind: Hashable, units: float) -> float | None:
        """Seconds for so many units; None where no work of the kind has ended yet."""
        with self._lock:
            unit_s = self._unit_s.get(kind)
            return median_low(unit_s) * units if unit_s else None

    def note(self, kind: Hashable, units: float, took_s: float) -> None:
        """So many units, more than none, took so many seconds."""
        with self._lock:
            self._unit_s.setdefault(kind, deque(maxlen=REMEMBERED)).append(took_s / units)
            self._unit_s.move_to_end(kind)
            while len(self._unit_s) > KINDS:
                self._unit_s.popitem(last=False)


class Stopwatch:
    """What a run takes, from now on, and what it would take again."""

    def __init__(self) -> None:
        self._began = time.monotonic()
        self._first: tuple[float, int] | None = None  # when there was a step that had done something, and how much
        self._total = 0

    def stepped(self, step: Step[Any]) -> None:
        """The run has come to this step."""
        self._total = step.total
        if self._first is None and step.done > 0:
            self._first = time.monotonic(), step.done

    @property
    def took_s(self) -> float:
        return time.monotonic() - self._began

    @property
    def again_s(self) -> float:
        """What it took, but its first step no longer than those after it.

        The network is loaded before the first step, and its memory is prepared in it.
        """
        if self._first is None or self._first[1] >= self._total:
            return self.took_s
        at, done = self._first
        return min(self.took_s, (time.monotonic() - at) * self._total / (self._total - done))


class Durations:
    """What requests took, by kind; for many threads."""

    def __init__(self) -> None:
        self._times = UnitTimes()

    def expected_s(self, request: Request) -> float | None:
        """Seconds until the result, no more than the request's time limit; None where no such request has ended yet.

        Where none has, it is as of requests that work alike, if there are such: see `LIKE`.
        """
        (name, *settings), units = work_of(request)
        expected_s = self._times.expected_s((name, *settings), units)
        if expected_s is None and name in LIKE:
            expected_s = self._times.expected_s((LIKE[name], *settings), units)
        limit_s = request.time_limit_s
        return expected_s if expected_s is None or limit_s is None else min(expected_s, limit_s)

    def note(self, request: Request, took_s: float, again_s: float | None = None) -> None:
        """A request has ended with its whole result after so many seconds.

        Args:
            again_s: what it would take again; counts where it is the first of its kind. None: the same.
        """
        kind, units = work_of(request)
        first = self._times.expected_s(kind, units) is None
        self._times.note(kind, units, again_s if first and again_s is not None else took_s)


def work_of(request: Request) -> tuple[tuple[str, Hashable], float]:
    """The kind of a request, and its work in units of that kind, above 0."""
    units, amounts = UNITS.get(type(request), (_one, ()))
    configs = (getattr(request, name, None) for name in ("config", "explain", "film"))
    chosen = tuple(_settings(config, {"seed", *amounts}) for config in configs)
    try:
        work = units(request)
    except DemoError:  # it will be refused, with the sentence
        work = 1.0
    return (type(request).__name__, chosen), max(work, 1e-9)


def _settings(config: Any, without: set[str]) -> Hashable:
    if not dataclasses.is_dataclass(config):
        return ()
    values = ((field.name, getattr(config, field.name)) for field in dataclasses.fields(config))
    return tuple((name, value) for name, value in values if name not in without and isinstance(value, PLAIN))


def _one(request: Any) -> float:
    return 1.0


def _pixels(size_hw: tuple[int, ...]) -> float:
    return float(size_hw[0] * size_hw[1])


def _steps_work(steps: int, sizes: Sequence[tuple[int, int]]) -> float:
    """So many steps at each size."""
    return steps * sum(step_work(_pixels(size_hw)) for size_hw in sizes)


def _taught(request: TeachRequest) -> float:
    return float(sum(len(pictures) for pictures in request.pictures))


def _detected(request: DetectRequest) -> float:
    """Megapixels that are searched, and a tenth for what every picture takes."""
    return 0.1 + min(request.config.megapixels, _pixels(request.image.shape) / 1e6)


def _drawn(request: SampleRequest) -> float:
    return FIXED_PICTURES + request.config.count


def _between(request: InterpolateRequest) -> float:
    return FIXED_PICTURES + request.count


def _walked(request: WalkRequest) -> float:
    return float(request.config.seconds * request.config.fps)


def _upscaled(request: UpscaleRequest) -> float:
    shrinks = request.config.shrink_first
    return _pixels(request.image.shape) * (1 if shrinks else request.config.scale**2)


def _dreamt(request: DreamRequest) -> float:
    config = request.config
    sizes = octave_sizes(full_size(request.image.shape[:2], config.size_px), config.octaves, config.octave_scale)
    return _steps_work(config.steps, sizes)


def _painted(request: StyleRequest) -> float:
    config = request.config
    if config.seconds is not None:  # by time, whatever its size
        return config.seconds
    return _steps_work(config.steps, scale_sizes(request.content.shape[:2], config.size, config.scales))


def _painted_at_once(request: InstantRequest) -> float:
    (size_hw,) = scale_sizes(request.content.shape[:2], request.config.size, 1)
    return _pixels(size_hw)


def _painted_film(request: StyleVideoRequest) -> float:
    """Pixels of all frames, as of pictures that are painted at once."""
    with Video(request.video) as video:
        (size_hw,) = scale_sizes(video.coded_hw, request.config.size, 1)
        return video.count * _pixels(size_hw)


def _searched_film(request: DetectVideoRequest) -> float:
    """Megapixels of all frames, and a tenth for what each takes."""
    with Video(request.video) as video:
        return video.count * (0.1 + min(request.config.megapixels, _pixels(video.coded_hw) / 1e6))


Units = Callable[[Any], float]
DETECT_AMOUNTS = ("megapixels", "score_threshold", "nms_iou", "agnostic_nms_iou")
# by name, requests of the same units and settings, which tell the time of the first film
LIKE = {StyleVideoRequest.__name__: InstantRequest.__name__}
# the work of a request, and the settings that are told by it
UNITS: Mapping[type[Request], tuple[Units, tuple[str, ...]]] = {
    ClassifyRequest: (_one, ()),
    TeachRequest: (_taught, ()),
    DetectRequest: (_detected, DETECT_AMOUNTS),
    DetectVideoRequest: (_searched_film, DETECT_AMOUNTS),
    SampleRequest: (_drawn, ("count", "truncation")),
    InterpolateRequest: (_between, ()),
    WalkRequest: (_walked, ("seconds", "fps", "stops")),
    UpscaleRequest: (_upscaled, ("tile_px",)),
    DreamRequest: (_dreamt, ("octaves", "octave_scale", "steps", "step_size", "size_px", "detail", "jitter_px")),
    InstantRequest: (_painted_at_once, ("size", "strength")),
    StyleVideoRequest: (_painted_film, ("size", "strength", "steadiness")),
    StyleRequest: (
        _painted,
        ("scales", "steps", "size", "step_size", "content_weight", "style_weight", "tv_weight", "keep_colours"),
    ),
}
