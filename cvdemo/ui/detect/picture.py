"""Detect on one picture: one scan, then sliders, class filter and views that answer at once from what it kept."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import gradio as gr
from gradio.components import Component

from cvdemo.config import default_of
from cvdemo.demo import Lane, Run, Step
from cvdemo.detect.candidates import Scan
from cvdemo.detect.drawing import to_canvas
from cvdemo.detect.run import DetectRequest, DetectResult, detect_lane
from cvdemo.detect.selection import DetectConfig, select
from cvdemo.errors import InputError
from cvdemo.images import ImageArray
from cvdemo.limits import DETECT_S, STATE_S
from cvdemo.ui.detect.controls import (
    LIVE,
    OF_WINDOWS,
    SEARCH,
    SLIDERS,
    Choice,
    act_on_what_was_kept,
    live_config,
    own_values,
    shown_for,
    sliders,
)
from cvdemo.ui.detect.examples import build_examples
from cvdemo.ui.detect.motion import build_motion
from cvdemo.ui.detect.results import (
    BOXES,
    FILES,
    VIEWS_IN_WORDS,
    Look,
    box_table,
    class_choices,
    found_stem,
    headline,
    places,
    present,
    status,
)
from cvdemo.ui.serving.lines import LaneOf, pixels_of_upload
from cvdemo.ui.wiring.controls import control, given, load_picture, picture_input, picture_output
from cvdemo.ui.wiring.downloads import NO_FILE, file_buttons
from cvdemo.ui.wiring.parts import SETTLED_MS, Part, wire

NO_FILM = (gr.skip(), gr.skip())  # a run empties the film when it begins, and then leaves it
OF_LANE = ("detector", "max_upscale", "megapixels", "crop_by_crop")  # settings by which a run has its lane, where sent
SHOWN = ("result", "status", "table", *FILES)  # outputs of `_show`, in order


@dataclass(frozen=True)
class Session:
    """What the live controls work on.

    Attributes:
        canvas: the picture at the size at which it is drawn. scan: all that was found on it.
        look: the one in which the run has shown it. detector: what found it.
        stem: of the names of its files, see `found_stem`.
    """

    canvas: ImageArray
    scan: Scan
    look: Look
    detector: str
    stem: str


def _detect_on_page(run: Run, path: str | None, detector: str, view: str, *values: Any) -> Iterator[tuple[Any, ...]]:
    """After each pyramid level all that `_show` gives, what the live controls need, and the classes found.

    So a run that is cancelled leaves nothing of the picture before it. Between levels only the status moves. Boxes are
    shown meanwhile, and at last the view that was chosen when the run began.
    """
    config = DetectConfig(detector=detector, **dict(zip((*LIVE, *SEARCH), values, strict=True)))
    picture = load_picture(path)
    canvas, stem, shown, said = to_canvas(picture), found_stem(detector, path), None, ""
    for step in run(DetectRequest(image=picture, config=config, time_limit_s=DETECT_S)):
        found: DetectResult | None = step.result or step.partial
        look = Look(view if step.result else BOXES, (), values[: len(LIVE)])
        if found is not None and (step.done, look) != shown:
            shown, said = (step.done, look), headline(found.detections, detector)
            png, line, *listed = present(canvas, found.scan, found.detections, look, detector, stem)
            kept = Session(canvas, found.scan, look, detector, stem)
            classes = gr.update(choices=class_choices([found.scan]), value=[])
            yield png, line if step.result else _progress(step, said), *listed, kept, classes, *NO_FILM
        else:
            line = status(step.result.scan, step.result.detections, detector) if step.result else _progress(step, said)
            yield gr.skip(), line, *(gr.skip() for _ in SHOWN), *NO_FILM


def _progress(step: Step[DetectResult], said: str) -> str:
    looked_at = places(int(step.measures["windows"]))
    return f"Searching: size {step.done} of {step.total}, {looked_at} looked at. {said}"


def _show(session: Session | None, view: str, only: list[int] | None, *values: Any) -> tuple[Any, ...]:
    """Picture, status, table and downloads for the controls as they stand; no network runs."""
    if session is None:
        return tuple(gr.skip() for _ in SHOWN)
    look = _look(view, only, values)
    found = select(session.scan, live_config(session.detector, values), look.only)
    return present(session.canvas, session.scan, found, look, session.detector, session.stem)


def _look(view: str, only: list[int] | None, values: tuple[Any, ...]) -> Look:
    return Look(view, tuple(only or ()), values)


def _show_if_moved(before: str, session: Session | None, *controls: Any) -> tuple[Any, ...]:
    """After a run: what `_show` gives where controls have moved meanwhile; that it was cancelled stays told."""
    view, only, *values = controls
    if session is None or session.look == _look(view, only, tuple(values)):
        return tuple(gr.skip() for _ in SHOWN)
    png, line, *listed = _show(session, *controls)
    return png, gr.skip() if before.startswith("Cancelled") else line, *listed


def _results() -> dict[str, Component]:
    """The right-hand column: view, picture, what was counted, the controls that act at once, table, downloads."""
    parts: dict[str, Component] = {
        "view": gr.Radio(list(VIEWS_IN_WORDS.items()), value=BOXES, label="Show", elem_id="detect-view")
    }
    parts["status"] = gr.Markdown(elem_id="detect-status", elem_classes="status")  # the count, before the picture
    parts["result"] = picture_output("Detections", show_label=False, elem_id="detect-result")
    with gr.Row():
        parts |= sliders()
    parts["only"] = gr.Dropdown([], value=[], multiselect=True, label="Show only", elem_id="detect-classes")
    parts["table"] = box_table("detect-table")
    return parts | file_buttons("detect", FILES)


def _control(name: str) -> Component:
    """One of "More settings", as it stands for the default detector."""
    value = own_values(DetectConfig.detector).get(name, default_of(DetectConfig, name))
    return control(DetectConfig, name, value=value, visible=shown_for(DetectConfig.detector, name))


def build_picture(run: Run, choice: Choice) -> dict[str, Component]:
    """Draws the way for one picture; returns its controls and results by name."""
    with gr.Row():
        with gr.Column(min_width=300):
            image = picture_input(elem_id="detect-image")
            with gr.Row():
                start = gr.Button("Detect", variant="primary", elem_id="detect-run")
                cancel = gr.Button("Cancel", elem_id="detect-cancel", min_width=80, scale=0)
            examples = build_examples(image, choice)
            with gr.Accordion("More settings", open=False, elem_id="detect-more") as more:
                controls = {name: _control(name) for name in LIVE[len(SLIDERS) :]}
                gr.Markdown("For the next run:")
                controls |= {name: _control(name) for name in SEARCH}
        with gr.Column(min_width=300, scale=2):
            parts = controls | _results()
    parts |= {"image": image, "detector": choice.detector}
    choice.shows({name: parts[name] for name in OF_WINDOWS}, more)
    examples.sets({name: parts[name] for name in own_values(DetectConfig.detector)})
    session = gr.State(time_to_live=STATE_S)
    motion = build_motion(run, session, [parts[name] for name in ("only", *LIVE)])
    _wire(run, session, start, cancel, parts, motion)
    return parts


def lane_of(names: Sequence[str]) -> LaneOf:
    """The lane of a run as `DetectRequest` has it; the names are those of the values that the browser sends."""

    def lane(values: Sequence[Any]) -> Lane:
        sent = dict(zip(names, values, strict=False))
        try:
            config = DetectConfig(**{name: sent[name] for name in OF_LANE if name in sent})
        except InputError:
            return Lane.QUICK  # it is refused at once, as is what sends no picture
        return detect_lane(config, pixels_of_upload(sent.get("image")))

    return lane


def _wire(
    run: Run, session: gr.State, start: gr.Button, cancel: gr.Button, parts: dict[str, Component], motion: Part
) -> None:
    """The run; and after it, or at any touch of a live control, the view of what it kept."""
    touched: list[Any] = [parts[name] for name in ("view", "only", *LIVE)]
    shown = [parts[name] for name in SHOWN]
    names = ("image", "detector", "view", *LIVE, *SEARCH)
    part = Part(
        name="detect",
        lane=lane_of(names),
        inputs=[parts[name] for name in names],
        needs=[parts["image"]],
        outputs=[*shown, session, parts["only"], *motion.outputs],
        empty={parts["only"]: gr.update(choices=[], value=[]), **{parts[kind]: NO_FILE for kind in FILES}},
        status=parts["status"],
        children=[motion],
        cancelled_text="Cancelled; what was found stays.",
    )
    watch = {parts["image"]: 0, **{parts[name]: SETTLED_MS for name in ("detector", *SEARCH)}}
    runs = wire(part, given(run, _detect_on_page), run=[start.click], watch=watch, cancel=cancel)
    act_on_what_was_kept(
        touched, _show, _show_if_moved, session=session, status=parts["status"], shown=shown, runs=runs
    )
