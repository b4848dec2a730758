"""How much work a request is, and what it took on the reference machine.

Requests are of one kind where their settings are alike, but for those that only say how much there is to do: steps,
sizes, counts. Of those their work is told in units to which the time is proportional, such as steps times what a step
costs.

`REFERENCE_S` compares kinds: seconds of CPU time that a unit took in one thread (x86, torch 2.11, each the second run,
beside other work). Only their ratios count. A machine with other ratios gets wrong seconds until a run of the kind has
ended.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cvdemo.classify.explain import ExplainConfig
from cvdemo.classify.run import ClassifyRequest, ExplainRequest, FeatureMapsRequest, FoolRequest
from cvdemo.classify.teach import TeachRequest, lesson_looks
from cvdemo.demo import Request
from cvdemo.detect.run import DetectRequest, DetectVideoRequest
from cvdemo.detect.selection import DetectConfig
from cvdemo.dream.deepdream import full_size, octave_sizes
from cvdemo.dream.run import DreamRequest
from cvdemo.dream.zoom_film import DreamFilmRequest
from cvdemo.errors import DemoError
from cvdemo.limits import VIDEO_SEARCHED_MEGAPIXELS
from cvdemo.ops.read_video import Video
from cvdemo.pace import FIXED_PX, STYLE_FIXED_PX, step_work
from cvdemo.sample.run import InterpolateRequest, SampleRequest, WalkRequest
from cvdemo.style.run import InstantRequest, StyleRequest
from cvdemo.style.scales import scale_sizes
from cvdemo.style.video import StyleVideoRequest
from cvdemo.upscale.run import UpscaleRequest

FIXED_PICTURES = 4.0  # what a drawing takes beside its pictures, in pictures
FIXED_MEGAPIXELS = 0.05  # what a search takes beside the pixels of its finest size
FIXED_FRAME = 5.0  # what a frame of a walk takes beside its pixels, in pictures as large as they are drawn
GRAD_CAM_CROPS, SALIENCY_CROPS = 1.0, 4.0  # what a heat map of parts, and a noisy copy, take, in crops
# seconds of one thread for a megapixel: a JPEG is read, or made small for a screen; a PNG is packed at level 6, at 1
READ_S, SHOWN_S, PNG_S, QUICK_PNG_S = 0.01, 0.012, 0.20, 0.05
PLAIN = (bool, int, float, str, type(None))
Units = Callable[[Any], float]


@dataclass(frozen=True)
class Reference:
    """What a request takes on the reference machine: the seconds, and the family whose speed is most like its own."""

    family: str
    seconds: float


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


def chosen_s(request: Request) -> float | None:
    """The seconds that a request says it takes, if it does."""
    return request.config.seconds if isinstance(request, StyleRequest) else None


def reference_of(request: Request) -> Reference | None:
    """None where nobody has measured such a request, or it says itself what it takes."""
    if type(request) not in REFERENCE_S or chosen_s(request) is not None:
        return None
    family, unit_s = REFERENCE_S[type(request)]
    _, units = work_of(request)
    return Reference(family, units * (unit_s(request) if callable(unit_s) else unit_s))


def _settings(config: Any, without: set[str]) -> Hashable:
    if not dataclasses.is_dataclass(config):
        return ()
    values = ((field.name, getattr(config, field.name)) for field in dataclasses.fields(config))
    return tuple((name, value) for name, value in values if name not in without and isinstance(value, PLAIN))


def _one(request: Any) -> float:
    return 1.0


def _pixels(size_hw: tuple[int, ...]) -> float:
    return float(size_hw[0] * size_hw[1])


def _steps_work(steps: int, sizes: Sequence[tuple[int, int]], fixed_px: float = FIXED_PX) -> float:
    """So many steps at each size."""
    return steps * sum(step_work(_pixels(size_hw), fixed_px) for size_hw in sizes)


def _classified(request: ClassifyRequest) -> float:
    """Crops that are looked at, and what the explanation takes."""
    return (10.0 if request.config.ten_crop else 1.0) + (_crops(request.explain) if request.explain else 0.0)


def _crops(config: ExplainConfig) -> float:
    return GRAD_CAM_CROPS if config.method == "grad_cam" else SALIENCY_CROPS * config.samples


def _explained(request: ExplainRequest) -> float:
    return 1.0 + _crops(request.config)


def _taught(request: TeachRequest) -> float:
    """Pictures that are looked at, and what leaving each out takes, in such pictures."""
    return lesson_looks([len(pictures) for pictures in request.pictures])


def _searched(config: DetectConfig, pixels: float) -> float:
    """Megapixels of the finest size that a picture is searched at, and what every picture takes."""
    return FIXED_MEGAPIXELS + config.finest_pixels(pixels) / 1e6


def _detected(request: DetectRequest) -> float:
    return _searched(request.config, _pixels(request.image.shape))


def _detected_film(request: DetectVideoRequest) -> float:
    """As of pictures, of all frames."""
    config = request.config
    config = dataclasses.replace(config, megapixels=min(config.megapixels, VIDEO_SEARCHED_MEGAPIXELS))
    with Video(request.video) as video:
        return video.count * _searched(config, _pixels(video.coded_hw))


def _drawn(request: SampleRequest) -> float:
    return FIXED_PICTURES + request.config.count


def _between(request: InterpolateRequest) -> float:
    return FIXED_PICTURES + request.count


def _walked(request: WalkRequest) -> float:
    """Pictures that the frames, which are enlarged and encoded, are as large as."""
    return request.config.frames * (FIXED_FRAME + request.config.enlarge**2)


def _upscaled(request: UpscaleRequest) -> float:
    shrinks = request.config.shrink_first
    return _pixels(request.image.shape) * (1 if shrinks else request.config.scale**2)


def _dreamt(request: DreamRequest) -> float:
    config = request.config
    sizes = octave_sizes(full_size(request.image.shape[:2], config.size_px), config.octaves, config.octave_scale)
    return _steps_work(config.steps, sizes)


def _dreamt_film(request: DreamFilmRequest) -> float:
    """Steps of all frames but the first, which is the picture."""
    film = request.film
    return _steps_work((film.frames - 1) * film.frame_steps, [full_size(request.image.shape[:2], film.film_px)])


def _painted(request: StyleRequest) -> float:
    config = request.config
    if config.seconds is not None:  # by time, whatever its size
        return config.seconds
    sizes = scale_sizes(request.content.shape[:2], config.size, config.scales)
    return _steps_work(config.steps, sizes, STYLE_FIXED_PX)


def _painted_at_once(request: InstantRequest) -> float:
    (size_hw,) = scale_sizes(request.content.shape[:2], request.config.size, 1)
    return _pixels(size_hw)


def _painted_film(request: StyleVideoRequest) -> float:
    """Pixels of all frames, as of pictures that are painted at once."""
    with Video(request.video) as video:
        (size_hw,) = scale_sizes(video.coded_hw, request.config.size, 1)
        return video.count * _pixels(size_hw)


def _searched_pixel_s(request: DetectRequest | DetectVideoRequest) -> float:
    return DETECTOR_S.get(request.config.detector, DETECTOR_S["objects"])


def _upscaled_pixel_s(request: UpscaleRequest) -> float:
    """The quick networks work at the size of the picture; 9-5-5 at that of the result, which is the unit."""
    return 0.66e-6 if request.config.network == "9-5-5" else 0.04e-6 + 0.55e-6 / request.config.scale**2


DREAM_AMOUNTS = ("octaves", "octave_scale", "steps", "step_size", "size_px", "detail", "jitter_px")
DETECT_AMOUNTS = ("megapixels", "max_upscale", "score_threshold", "nms_iou", "agnostic_nms_iou")
# the work of a request, and the settings that are told by it, or that hardly change the time of a unit
UNITS: Mapping[type[Request], tuple[Units, tuple[str, ...]]] = {
    ClassifyRequest: (_classified, ("samples", "noise", "class_name")),
    ExplainRequest: (_explained, ("samples", "noise", "class_name")),
    TeachRequest: (_taught, ()),
    DetectRequest: (_detected, DETECT_AMOUNTS),
    DetectVideoRequest: (_detected_film, DETECT_AMOUNTS),
    SampleRequest: (_drawn, ("count", "truncation")),
    InterpolateRequest: (_between, ()),
    WalkRequest: (_walked, ("seconds", "fps", "stops", "enlarge")),
    UpscaleRequest: (_upscaled, ("tile_px",)),
    DreamRequest: (_dreamt, DREAM_AMOUNTS),
    DreamFilmRequest: (
        _dreamt_film,
        (*DREAM_AMOUNTS, "frames", "fps", "zoom", "turn_deg", "frame_steps", "film_px"),
    ),
    InstantRequest: (_painted_at_once, ("size", "strength")),
    StyleVideoRequest: (_painted_film, ("size", "strength", "steadiness")),
    StyleRequest: (
        _painted,
        ("scales", "steps", "size", "step_size", "content_weight", "style_weight", "tv_weight", "keep_colours"),
    ),
}
DETECTOR_S = {"objects": 0.33, "face": 0.22, "bccd": 0.25, "imagenet": 0.36}
# the family of a request, and the seconds of a unit on the reference machine
REFERENCE_S: Mapping[type[Request], tuple[str, float | Units]] = {
    ClassifyRequest: ("classify", 0.0113),
    ExplainRequest: ("classify", 0.0113),
    FoolRequest: ("classify", 0.83),
    FeatureMapsRequest: ("classify", 0.39),
    TeachRequest: ("teach", 0.0085),
    DetectRequest: ("detect", _searched_pixel_s),
    DetectVideoRequest: ("detect", _searched_pixel_s),
    SampleRequest: ("sample", 440e-6),
    InterpolateRequest: ("sample", 440e-6),
    WalkRequest: ("walk", 215e-6),
    UpscaleRequest: ("upscale", _upscaled_pixel_s),
    DreamRequest: ("dream", 0.38e-6),
    DreamFilmRequest: ("dream", 0.38e-6),
    InstantRequest: ("instant", 0.85e-6),
    StyleVideoRequest: ("instant", 0.85e-6),
    StyleRequest: ("style", 0.40e-6),
}
