"""The Detect tab: a choice of detectors, and four ways to use one: a picture, several, a camera, a video."""

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
from cvdemo.ui.detect.controls import LIVE, SEARCH, SLIDERS, detector_choice, in_figures, open_number, own_values
from cvdemo.ui.detect.picture import build_picture
from cvdemo.ui.detect.results import save_png_quickly
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
    "A window slides over the picture at several sizes, each window is named, and non-maximum suppression keeps the "
    "best of those that overlap ([Viola and Jones 2001](https://doi.org/10.1109/CVPR.2001.990517)). All windows of a "
    "size share their convolutions ([Sermanet et al. 2014](https://arxiv.org/abs/1312.6229)). Objects, faces and blood "
    "cells are found by networks that were trained with boxes: at every place of a grid they tell the class and the "
    "distances to the four edges of the box ([Tian et al. 2019](https://arxiv.org/abs/1904.01355))."
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
) -> tuple[str, dict[str, Any]]:
    """The picture with its boxes (PNG, longer side 1280 px at most), and the boxes in pixels of the picture sent.

    Without `score_threshold`, `nms_iou` or `agnostic_nms_iou` the detector's own is taken. `one_name` and `fit_boxes`
    say something to `imagenet` alone, which classifies windows.
    """
    config = DetectConfig(
        detector=detector,
        score_threshold=score_threshold,
        nms_iou=nms_iou,
        one_name=one_name,
        fit_boxes=fit_boxes,
        agnostic_nms_iou=agnostic_nms_iou,
    )
    picture = load_picture(image)
    request = DetectRequest(image=picture, config=config, time_limit_s=DETECT_S)
    last: Step[DetectResult] = last_step(run(request))
    found = last.result
    assert found is not None  # `last_step` has seen to it
    warn_if_incomplete(
        last, f"Stopped at the limit of {DETECT_S:g} s before the finest level: small objects may be missing."
    )
    return save_png_quickly(draw_detections(to_canvas(picture), found.detections)), found.detections.as_dict()


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
    interface = [parts["image"], choice.detector, *(open_number(name) for name in SLIDERS)]
    interface += [parts["one_name"], parts["fit_boxes"], open_number("agnostic_nms_iou")]
    endpoint("detect", given(run, detect_endpoint), interface, [parts["result"], gr.JSON(visible=False)])
    return settings


TAB = Tab(slug="detect", title="Detect", build=build)
