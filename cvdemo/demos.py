"""The demos: which function answers which request."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from cvdemo.classify.run import (
    ClassifyRequest,
    ExplainRequest,
    FeatureMapsRequest,
    FoolRequest,
    run_classify,
    run_explain,
    run_feature_maps,
    run_fool,
)
from cvdemo.classify.teach import ClassifyTaughtRequest, TeachRequest, run_classify_taught, run_teach
from cvdemo.demo import Request, Run, Step
from cvdemo.detect.run import (
    DetectRequest,
    DetectVideoRequest,
    MotionRequest,
    run_detect,
    run_detect_video,
    run_motion,
)
from cvdemo.dream.run import DreamRequest, run_dream
from cvdemo.dream.zoom_film import DreamFilmRequest, run_dream_film
from cvdemo.sample.run import (
    ArithmeticRequest,
    InterpolateRequest,
    PicksRequest,
    SampleRequest,
    WalkRequest,
    run_arithmetic,
    run_interpolate,
    run_picks,
    run_sample,
    run_walk,
)
from cvdemo.style.run import (
    InstantFrameRequest,
    InstantRequest,
    StyleRequest,
    run_instant,
    run_instant_frame,
    run_style,
)
from cvdemo.style.video import StyleVideoRequest, run_style_video
from cvdemo.upscale.run import UpscaleRequest, run_upscale

RUNS: Mapping[type[Request], Run] = {
    ClassifyRequest: run_classify,
    ExplainRequest: run_explain,
    FoolRequest: run_fool,
    TeachRequest: run_teach,
    ClassifyTaughtRequest: run_classify_taught,
    FeatureMapsRequest: run_feature_maps,
    SampleRequest: run_sample,
    PicksRequest: run_picks,
    InterpolateRequest: run_interpolate,
    ArithmeticRequest: run_arithmetic,
    WalkRequest: run_walk,
    DetectRequest: run_detect,
    DetectVideoRequest: run_detect_video,
    MotionRequest: run_motion,
    UpscaleRequest: run_upscale,
    DreamRequest: run_dream,
    DreamFilmRequest: run_dream_film,
    StyleRequest: run_style,
    InstantRequest: run_instant,
    InstantFrameRequest: run_instant_frame,
    StyleVideoRequest: run_style_video,
}


def run(request: Request) -> Iterator[Step[Any]]:
    """The steps of any demo's request, in this thread.

    Raises:
        ValueError: no demo takes such a request.
        DemoError: what the visitor can mend; see `cvdemo.errors`.
    """
    if type(request) not in RUNS:
        raise ValueError(f"no demo takes a {type(request).__name__}; there are {[kind.__name__ for kind in RUNS]}")
    yield from RUNS[type(request)](request)
