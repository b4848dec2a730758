"""What all ways of detecting on the page share: the detector, its own sliders, and which setting acts when."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import gradio as gr
from gradio.components import Component
from gradio.events import Dependency

from cvdemo.config import settings_of
from cvdemo.detect.detector import DETECTORS
from cvdemo.detect.selection import DetectConfig
from cvdemo.errors import WeightsError
from cvdemo.ui.several.fields import followed_by
from cvdemo.ui.wiring.controls import control, light
from cvdemo.weights import load_manifest

SLIDERS = ("score_threshold", "nms_iou")  # each detector has its own defaults
OF_WINDOWS = ("fit_boxes", "one_name", "pyramid_factor", "crop_by_crop")  # hidden where no windows are classified
LIVE = (*SLIDERS, "agnostic_nms_iou", "suppression", "fit_boxes", "one_name")  # act on the kept candidates
SEARCH = ("min_object_px", "max_object_px", "max_upscale", "megapixels", "pyramid_factor", "crop_by_crop")
WHAT_YOU_SEE = {
    "objects": "Draws a box round each thing, and counts them. It knows 20 kinds: person; bird, cat, cow, dog, horse, "
    "sheep; aeroplane, bicycle, boat, bus, car, motorbike, train; bottle, chair, dining table, potted plant, sofa, TV. "
    "Things of one kind that stand close or overlap may share a box.",
    "face": "Draws a box round each face, and counts them. It finds turned faces too, and ones tilted by up to 30 "
    "degrees; at 45 degrees it finds two of three. For small faces in large photographs, choose a higher "
    f"“{settings_of(DetectConfig)['megapixels'].label}”.",
    "bccd": "Draws a box round each red cell, white cell and platelet in a stained blood smear, and counts them.",
    "imagenet": "Gives names and places for the best of 1,000 kinds. Several things of one kind may share a box.",
    "haar": "Faces from the front, as programs found them in 2001. For comparison. (OpenCV's Haar cascade)",
    "people_hog": "Standing people, as programs found them in 2005. For comparison. (OpenCV's HOG detector)",
}

FOUND = (
    "On {n} test photographs (FDDB, fold 9) it found {share:.0f} of 100 faces, and showed {fddb_false_shown} false "
    "boxes."
)


def what_you_see(detector: str) -> str:
    """What the detector puts on a picture and, where that was measured, how much of it it finds."""
    metric = _metric(detector)
    share = _values(metric).get("fddb_recall_shown")
    told = [] if share is None else [FOUND.format(n=metric["n"], share=100 * share, **_values(metric))]
    return " ".join([WHAT_YOU_SEE[detector], *told])


def in_figures() -> str:
    """The mean average precision of each detector that was trained with boxes, as the manifest has it.

    In hundredths: the manifest's four digits are rounded, and would be rounded twice as thousandths.
    """
    figures = {name: _values(_metric(name)).get("map50") for name in DETECTORS}
    told = [f"{name} {share:.2f}" for name, share in figures.items() if share is not None]
    return f" Their mean average precision at IoU 0.5: {', '.join(told)}." if told else ""


def _metric(detector: str) -> Mapping[str, Any]:
    """That of a detector's weight; empty where there is none, or the manifest cannot be read."""
    try:
        entry = load_manifest().get(DETECTORS[detector].weight or "")
    except WeightsError:
        return {}
    return entry.metric if entry else {}


def _values(metric: Mapping[str, Any]) -> Mapping[str, float]:
    """What was measured, by name; empty where it has one value without a name."""
    value = metric.get("value")
    return value if isinstance(value, Mapping) else {}


def own_values(detector: str) -> dict[str, float]:
    """The detector's own values of what it has its own for, by the names of the controls."""
    config = DetectConfig(detector=detector)
    own = {"score_threshold": config.least_score, "nms_iou": config.most_overlap}
    return own | {"agnostic_nms_iou": config.most_overlap_of_classes, "max_upscale": config.kind.max_upscale}


def follows(restored: Mapping[str, Any]) -> Mapping[str, Any]:
    """What a link brings along: the own values of the detector that it names."""
    return own_values(restored["detector"]) if "detector" in restored else {}


def shown_for(detector: str, name: str) -> Any:
    """Whether a control says anything to the detector, as gradio's `visible`: hidden ones stay on the page."""
    return True if name not in OF_WINDOWS or DETECTORS[detector].classifies_windows else "hidden"


def live_config(detector: str, values: tuple[Any, ...]) -> DetectConfig:
    """The settings that choose among what a detector has kept; `values` are those of `LIVE`."""
    return DetectConfig(detector=detector, **dict(zip(LIVE, values, strict=True)))


@dataclass(frozen=True)
class Choice:
    """The detector that is chosen, for all ways of detecting.

    Attributes:
        detector: the dropdown. told: the line on what the visitor will see.
    """

    detector: Any
    told: gr.Markdown

    def sets(self, linked: Mapping[str, Component], *others: Mapping[str, Component]) -> None:
        """Wires it: another choice is described, and controls of these names get the detector's own values.

        Args:
            linked: controls that a link or an example sets beside the detector (see `own_values`). They get them only
                where the visitor chooses: who sets the detector in another way sets these too.
        """
        names = [name for group in others for name in group]
        controls = [control for group in others for control in group.values()]

        def own(detector: str) -> list[Any]:
            values = own_values(detector)
            return [values[name] for name in linked]

        def described(detector: str) -> list[Any]:
            values = own_values(detector)
            return [what_you_see(detector), *(values[name] for name in names)]

        light([self.detector.input], own, [self.detector], list(linked.values()))
        light([self.detector.change], described, [self.detector], [self.told, *controls])

    def shows(self, controls: Mapping[str, Component], accordion: gr.Accordion) -> None:
        """Wires it: of the controls by their names, those are in sight that say something to the detector.

        Again when the accordion that holds them opens: what is told to a closed one is lost.
        """

        def shown(detector: str) -> list[Any]:
            return [gr.update(visible=shown_for(detector, name)) for name in controls]

        light([self.detector.change, accordion.expand], shown, [self.detector], list(controls.values()))


def detector_choice() -> Choice:
    """The dropdown of detectors by their titles, and one line on what the visitor will see."""
    titles = [(kind.title, name) for name, kind in DETECTORS.items()]
    detector = control(DetectConfig, "detector", choices=titles, label="Look for", info=None)
    told = gr.Markdown(what_you_see(DetectConfig.detector), elem_id="detect-told", elem_classes="method-note")
    return Choice(detector, told)


def sliders(prefix: str = "DetectConfig") -> dict[str, Component]:
    """Score and overlap at the default detector's own values; the prefix begins their element ids."""
    own = own_values(DetectConfig.detector)
    return {
        name: control(DetectConfig, name, value=own[name], min_width=140, elem_id=f"{prefix}-{name}")
        for name in SLIDERS
    }


def act_on_what_was_kept(
    touched: Sequence[Any],
    show: Callable[..., Any],
    after: Callable[..., Any],
    *,
    session: gr.State,
    status: Component,
    shown: Sequence[Component],
    runs: Sequence[Dependency],
) -> None:
    """Wires live controls: a touch shows what the session keeps as they stand, and a run is followed by the same.

    Args:
        touched: the controls. shown: outputs of both handlers.
        show: takes the session and the controls. after: takes the status before them; what a run has shown may stay.
    """
    light([component.input for component in touched], show, [session, *touched], shown)
    followed_by(runs, after, [status, session, *touched], shown)


def open_number(name: str) -> gr.Number:
    """A hidden field of the endpoint for a setting that may be left to the detector."""
    described = settings_of(DetectConfig)[name]
    return gr.Number(None, label=described.label, minimum=described.minimum, maximum=described.maximum, visible=False)
