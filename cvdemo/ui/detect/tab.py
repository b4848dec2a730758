"""The Detect tab: a choice of detectors, and four ways to use one: a picture, several, a camera, a video."""

from collections.abc import Mapping
from typing import Any

import gradio as gr
from gradio.components import Component

from cvdemo.demo import Run, Step, last_step
from cvdemo.detect.drawing import draw_detections, to_canvas
from cvdemo.detect.run import DetectRequest, DetectResult
from cvdemo.detect.selection import DetectConfig
from cvdemo.limits import DETECT_S
from cvdemo.ui.detect.batch import build_batch
from cvdemo.ui.detect.camera import build_camera
from cvdemo.ui.detect.controls import LIVE, SEARCH, detector_choice, follows, in_figures, open_number, own_values
from cvdemo.ui.detect.examples import EXAMPLES
from cvdemo.ui.detect.picture import build_picture, lane_of
from cvdemo.ui.detect.results import found_stem, save_png_quickly
from cvdemo.ui.detect.video import build_video
from cvdemo.ui.wiring.controls import (
    Tab,
    endpoint,
    given,
    load_picture,
    method_note,
    share_button,
    warn_if_incomplete,
)

NOTE = (
    "There are two ways. In the first, a window slides over the picture at several sizes, and a network names what is "
    "in each window. Non-maximum suppression keeps the best of the windows that overlap "
    "([Viola and Jones 2001](https://doi.org/10.1109/CVPR.2001.990517)). All windows of one size share their "
    "convolutions ([Sermanet et al. 2014](https://arxiv.org/abs/1312.6229)). In the second way, the network was "
    "trained with boxes. At every place of a grid it tells the class and the distances to the four edges of the "
    "box ([Tian et al. 2019](https://arxiv.org/abs/1904.01355)). Objects, faces and blood cells are found in this way."
)


INTERFACE = (  # in the order of `detect_endpoint`
    *("image", "detector", "score_threshold", "nms_iou", "one_name", "fit_boxes", "agnostic_nms_iou"),
    *("suppression", "max_upscale", "megapixels", "min_object_px", "max_object_px"),
)


def detect_endpoint(
    run: Run,
    image: str | None,
    detector: str = DetectConfig.detector,
    score_threshold: float | None = DetectConfig.score_threshold,
    nms_iou: float | None = DetectConfig.nms_iou,
    one_name: bool = DetectConfig.one_name,
    fit_boxes: bool = DetectConfig.fit_boxes,
    agnostic_nms_iou: float | None = DetectConfig.agnostic_nms_iou,
    suppression: str = DetectConfig.suppression,
    max_upscale: float | None = DetectConfig.max_upscale,
    megapixels: float = DetectConfig.megapixels,
    min_object_px: int = DetectConfig.min_object_px,
    max_object_px: int = DetectConfig.max_object_px,
) -> tuple[str, dict[str, Any]]:
    """The picture with its boxes (PNG, longer side 1280 px at most), and the boxes in pixels of the picture sent.

    Without `score_threshold`, `nms_iou`, `agnostic_nms_iou` or `max_upscale` the detector's own is taken. `one_name`
    and `fit_boxes` say something to `imagenet` alone, which classifies windows. Small things in large pictures need
    more `megapixels`.
    """
    config = DetectConfig(**{name: value for name, value in locals().items() if name not in ("run", "image")})
    picture = load_picture(image)
    request = DetectRequest(image=picture, config=config, time_limit_s=DETECT_S)
    last: Step[DetectResult] = last_step(run(request))
    found = last.result
    assert found is not None  # `last_step` has seen to it
    warn_if_incomplete(last, f"Stopped at the limit of {DETECT_S:g} s before the smallest things: some may be missing.")
    drawn = draw_detections(to_canvas(picture), found.detections)
    return save_png_quickly(drawn, found_stem(detector, image)), found.detections.as_dict()


def build(run: Run) -> dict[str, Component]:
    """Draws the tab, whose work `run` does; returns the settings that a shared link restores."""
    choice = detector_choice()
    with gr.Tabs(elem_id="detect-ways", overflow_behavior="wrap"):
        with gr.Tab("One picture", id="picture"):
            parts = build_picture(run, choice)
            settings = {name: parts[name] for name in (*LIVE, *SEARCH, "detector", "view")}
            share_button("detect", settings)
        with gr.Tab("Several", id="several"):
            batch = build_batch(run, choice)
        with gr.Tab("Camera", id="camera"):
            camera = build_camera(run, choice)
        with gr.Tab("Video", id="video"):
            video = build_video(run, choice)
    choice.sets({name: parts[name] for name in own_values(DetectConfig.detector)}, batch, camera, video)
    method_note(NOTE + in_figures())
    _endpoint(run, parts)
    return settings


def _endpoint(run: Run, parts: Mapping[str, Component]) -> None:
    """Registers `/detect`. What may be left to the detector has fields of its own: the page's always have a value."""
    left_open = own_values(DetectConfig.detector)
    fields = [open_number(name) if name in left_open else parts[name] for name in INTERFACE]
    outputs = [parts["result"], gr.JSON(visible=False)]
    endpoint("detect", given(run, detect_endpoint), fields, outputs, lane_of(INTERFACE))


def _first(path: str) -> DetectRequest:
    detector = EXAMPLES[0].detector
    own: dict[str, Any] = dict(own_values(detector))
    config = DetectConfig(detector=detector, **own)
    return DetectRequest(image=load_picture(path), config=config, time_limit_s=DETECT_S)


TAB = Tab(slug="detect", title="Detect", build=build, first=_first, follows=follows)
