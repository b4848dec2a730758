"""The Detect tab: one scan by the network, then sliders, filter and views that answer at once from what it kept."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import gradio as gr
from gradio.components import Component

from cvdemo.config import settings_of
from cvdemo.demo import Lane, Run, Step, last_step
from cvdemo.detect.candidates import Scan
from cvdemo.detect.detector import DETECTORS
from cvdemo.detect.drawing import draw_detections, to_canvas
from cvdemo.detect.exports import TABLE_HEADERS
from cvdemo.detect.run import DetectRequest, DetectResult
from cvdemo.detect.selection import DetectConfig, select
from cvdemo.images import ImageArray
from cvdemo.limits import DETECT_S, STATE_S
from cvdemo.ui.detect_results import (
    BOXES,
    VIEWS,
    Look,
    class_choices,
    count_boxes,
    present,
    save_png_quickly,
    status,
)
from cvdemo.ui.wiring.controls import (
    Tab,
    control,
    endpoint,
    example_picture,
    given,
    light,
    load_picture,
    method_note,
    picture_input,
    picture_output,
    share_button,
    warn_if_incomplete,
)
from cvdemo.ui.wiring.guard import guarded
from cvdemo.ui.wiring.parts import SETTLED_MS, Part, wire

NOTE = (
    "A classifier becomes a detector: a window slides over the picture at several sizes, each window is named, and "
    "non-maximum suppression keeps the best of those that overlap "
    "([Viola and Jones 2001](https://doi.org/10.1109/CVPR.2001.990517)). All windows of a "
    "size share their convolutions ([Sermanet et al. 2014](https://arxiv.org/abs/1312.6229)), and each box is fitted "
    "to what spoke for its class ([Zhou et al. 2016](https://arxiv.org/abs/1512.04150))."
)
EXAMPLES = ("cheetah", "lion", "coffee", "astronaut", "chelsea")
NO_FILE = gr.update(value=None, interactive=False)
LIVE = ("score_threshold", "nms_iou", "one_name", "fit_boxes")  # act on the kept candidates
SEARCH = ("pyramid_factor", "max_upscale", "megapixels", "crop_by_crop")  # act on the next run


@dataclass(frozen=True)
class Session:
    """What the live controls work on.

    Attributes:
        canvas: the picture at the size at which it is drawn. scan: all that was found on it.
        look: the one in which the run has shown it. detector: what found it.
    """

    canvas: ImageArray
    scan: Scan
    look: Look
    detector: str


def detect_endpoint(
    run: Run,
    image: str | None,
    detector: str = DetectConfig.detector,
    score_threshold: float | None = DetectConfig.score_threshold,
    nms_iou: float | None = DetectConfig.nms_iou,
    one_name: bool = DetectConfig.one_name,
    fit_boxes: bool = DetectConfig.fit_boxes,
) -> tuple[str, dict[str, Any]]:
    """The picture with its boxes (PNG, longer side 1280 px at most), and the boxes in pixels of the picture sent.

    Without `score_threshold` or `nms_iou` the detector's own is taken.
    """
    config = DetectConfig(
        detector=detector,
        score_threshold=score_threshold,
        nms_iou=nms_iou,
        one_name=one_name,
        fit_boxes=fit_boxes,
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


def _detect_on_page(run: Run, path: str | None, detector: str, view: str, *values: Any) -> Iterator[tuple[Any, ...]]:
    """After each pyramid level all that `_show` gives, what the live controls need, and the classes found.

    So a run that is cancelled leaves nothing of the picture before it. Between levels only the status moves. Boxes are
    shown meanwhile, and at last the view that was chosen when the run began.
    """
    config = DetectConfig(detector=detector, **dict(zip((*LIVE, *SEARCH), values, strict=True)))
    picture = load_picture(path)
    canvas, shown, boxes = to_canvas(picture), None, 0
    for step in run(DetectRequest(image=picture, config=config, time_limit_s=DETECT_S)):
        found: DetectResult | None = step.result or step.partial
        look = Look(view if step.result else BOXES, (), values[: len(LIVE)])
        if found is not None and (step.done, look) != shown:
            shown, boxes = (step.done, look), len(found.detections.scores)
            png, line, *listed = present(canvas, found.scan, found.detections, look)
            kept = Session(canvas, found.scan, look, detector), gr.update(choices=class_choices(found.scan), value=[])
            yield png, line if step.result else _progress(step, boxes), *listed, *kept
        else:
            line = status(step.result.scan, step.result.detections) if step.result else _progress(step, boxes)
            yield gr.skip(), line, *(gr.skip() for _ in range(5))


def _progress(step: Step[DetectResult], boxes: int) -> str:
    return f"Level {step.done} of {step.total}: {step.measures['windows']:g} windows, {count_boxes(boxes)}"


def _show(session: Session | None, view: str, only: list[int] | None, *values: Any) -> tuple[Any, ...]:
    """Picture, status, table and downloads for the controls as they stand; no network runs."""
    if session is None:
        return tuple(gr.skip() for _ in range(5))
    look = _look(view, only, values)
    config = DetectConfig(detector=session.detector, **dict(zip(LIVE, values, strict=True)))
    found = select(session.scan, config, look.only)
    return present(session.canvas, session.scan, found, look)


def _look(view: str, only: list[int] | None, values: tuple[Any, ...]) -> Look:
    return Look(view, tuple(only or ()), values)


def _show_if_moved(before: str, session: Session | None, *controls: Any) -> tuple[Any, ...]:
    """After a run: what `_show` gives where controls have moved meanwhile; that it was cancelled stays told."""
    view, only, *values = controls
    if session is None or session.look == _look(view, only, tuple(values)):
        return tuple(gr.skip() for _ in range(5))
    png, line, *listed = _show(session, *controls)
    return png, gr.skip() if before.startswith("Cancelled") else line, *listed


def own_values(detector: str) -> dict[str, float]:
    """The detector's own values of the sliders, by their names."""
    config = DetectConfig(detector=detector)
    return {"score_threshold": config.least_score, "nms_iou": config.most_overlap}


def _results() -> dict[str, Component]:
    """The right-hand column: view, picture, status, the controls that act at once, table, downloads."""
    parts: dict[str, Component] = {"view": gr.Radio(list(VIEWS), value=VIEWS[0], label="Show", elem_id="detect-view")}
    parts["result"] = picture_output("Detections", show_label=False, elem_id="detect-result")
    parts["status"] = gr.Markdown(elem_id="detect-status", elem_classes="status")
    with gr.Row():
        own = own_values(DetectConfig.detector)
        parts |= {name: control(DetectConfig, name, min_width=200, value=own[name]) for name in LIVE[:2]}
    parts["only"] = gr.Dropdown([], value=[], multiselect=True, label="Only these classes", elem_id="detect-classes")
    parts["table"] = gr.Dataframe(
        headers=TABLE_HEADERS,
        datatype="str",
        column_widths=["28%", "18%", "27%", "27%"],
        label="Boxes, in pixels of your picture",
        interactive=False,
        max_height=260,
        wrap=True,
        elem_id="detect-table",
    )
    with gr.Row():
        for kind in ("json", "csv"):
            name = f"Download {kind.upper()}"
            parts[kind] = gr.DownloadButton(name, size="sm", min_width=120, interactive=False, elem_id=f"detect-{kind}")
    return parts


def build(run: Run) -> dict[str, Component]:
    """Draws the tab, whose work `run` does; returns the settings that a shared link restores."""
    with gr.Row():
        with gr.Column(min_width=300):
            image = picture_input(elem_id="detect-image")
            with gr.Row():
                start = gr.Button("Detect", variant="primary", elem_id="detect-run")
                cancel = gr.Button("Cancel", elem_id="detect-cancel", min_width=80, scale=0)
            gr.Examples([[example_picture(name)] for name in EXAMPLES], [image], label="Try one of these")
            with gr.Accordion("More settings", open=False, elem_id="detect-more"):
                controls = {name: control(DetectConfig, name) for name in LIVE[2:]}
                gr.Markdown("For the next run:")
                titles = [(kind.title, name) for name, kind in DETECTORS.items()]
                controls |= {name: control(DetectConfig, name) for name in SEARCH}
                controls["detector"] = control(DetectConfig, "detector", choices=titles)
        with gr.Column(min_width=300, scale=2):
            parts = controls | _results()
    settings = {name: parts[name] for name in (*LIVE, *SEARCH, "detector", "view")}
    share_button("detect", settings)
    method_note(NOTE)
    _wire(run, image, start, cancel, parts)
    interface = [image, parts["detector"], *(_open(name) for name in LIVE[:2]), *(parts[name] for name in LIVE[2:])]
    endpoint("detect", given(run, detect_endpoint), interface, [parts["result"], gr.JSON(visible=False)])
    return settings


def _open(name: str) -> gr.Number:
    """A hidden field of the endpoint for a setting that may be left to the detector."""
    described = settings_of(DetectConfig)[name]
    return gr.Number(None, label=described.label, minimum=described.minimum, maximum=described.maximum, visible=False)


def _wire(run: Run, image: gr.Image, start: gr.Button, cancel: gr.Button, parts: dict[str, Component]) -> None:
    """The run; and after it, or at any touch of a live control, the view of what it kept."""
    session = gr.State(time_to_live=STATE_S)
    touched: list[Any] = [parts[name] for name in ("view", "only", *LIVE)]
    shown = [parts[name] for name in ("result", "status", "table", "json", "csv")]
    inputs = [image, *(parts[name] for name in ("detector", "view", *LIVE, *SEARCH))]
    slow_if = inputs.index(parts["crop_by_crop"])
    part = Part(
        name="detect",
        lane=lambda values: Lane.SLOW if values[slow_if : slow_if + 1] == [True] else Lane.QUICK,
        inputs=inputs,
        needs=[image],
        outputs=[*shown, session, parts["only"]],
        empty={parts["only"]: gr.update(choices=[], value=[]), **{parts[kind]: NO_FILE for kind in ("json", "csv")}},
        status=parts["status"],
        cancelled_text="Cancelled; what was found stays.",
    )
    own = [parts[name] for name in LIVE[:2]]
    chosen: Any = parts["detector"]
    light([chosen.input], lambda detector: [*own_values(detector).values()], [parts["detector"]], own)
    watch = {image: 0, parts["detector"]: 0, **{parts[name]: SETTLED_MS for name in SEARCH}}
    events = wire(part, given(run, _detect_on_page), run=[start.click], watch=watch, cancel=cancel)
    light([component.input for component in touched], _show, [session, *touched], shown)
    for event in events:
        event.success(
            guarded(_show_if_moved),
            [parts["status"], session, *touched],
            shown,
            api_visibility="private",
            show_progress="hidden",
        )


TAB = Tab(slug="detect", title="Detect", build=build)
