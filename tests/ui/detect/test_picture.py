"""The Detect tab's handlers with a stand-in for the network: what is drawn and written, and how often."""

import inspect
import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gradio as gr
import numpy as np
import pytest
from PIL import Image

from cvdemo.config import settings_of
from cvdemo.demo import Lane, Run, Step
from cvdemo.detect.candidates import LevelScores, Scan
from cvdemo.detect.detector import DETECTORS
from cvdemo.detect.run import DetectRequest, DetectResult
from cvdemo.detect.selection import DetectConfig, select
from cvdemo.images import read_image
from cvdemo.limits import DETECT_S
from cvdemo.ui.detect import picture as detect_picture
from cvdemo.ui.detect import results as detect_results
from cvdemo.ui.detect import tab as detect_tab
from cvdemo.ui.detect.controls import LIVE, OF_WINDOWS, SEARCH, follows, own_values, shown_for
from cvdemo.ui.detect.picture import Session
from cvdemo.ui.detect.results import FILES
from cvdemo.ui.wiring import downloads
from tests.helpers.png_files import save_png

LEVELS = 3
VALUES = [own_values("imagenet").get(name, getattr(DetectConfig(), name)) for name in (*LIVE, *SEARCH)]
CONTROLS = VALUES[: len(LIVE)]
STATUS = 1  # places among a handler's outputs
SESSION = 6


def scan_of(levels: int) -> Scan:
    """A box of class "cat" a level, of falling scores; a window of one cell."""
    boxes = np.array([[20 * i, 0, 20 * i + 10, 10] for i in range(levels)], np.float32)
    of_levels = [LevelScores((32 + i, 32), np.full((1, 1), 0.9, np.float32), 32, 32, 16) for i in range(levels)]
    return Scan(
        (128, 64), ["cat", "dog"], tuple(of_levels), boxes, boxes,
        np.linspace(0.9, 0.5, levels, dtype=np.float32), np.zeros(levels, np.int64), levels, 5.0, levels == LEVELS,
    )  # fmt: skip


def stand_in(seen: list[DetectRequest], ends_after: int = LEVELS) -> Run:
    """A scan of three levels that takes no time, with a step between the first two; it may end early."""

    def run(request: DetectRequest) -> Iterator[Step[Any]]:
        seen.append(request)
        for level in range(1, ends_after + 1):
            found = DetectResult(scan_of(level), select(scan_of(level), request.config))
            result = found if level == LEVELS else None
            yield Step(done=level, total=LEVELS, partial=found, measures={"windows": level}, result=result)
            if level == 1:
                yield Step(done=1, total=LEVELS, measures={"windows": 32})
        if ends_after < LEVELS:
            yield Step(done=ends_after, total=LEVELS, measures={"windows": 1}, result=found, complete=False)

    return run


@pytest.fixture
def picture(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path / "files"))
    return str(save_png(np.full((64, 128, 3), 99, np.uint8), tmp_path / "picture.png"))


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """How often what takes time was called, by name."""
    counted: Counter[str] = Counter()

    def count(module: Any, name: str) -> None:
        function = getattr(module, name)

        def wrapper(*args: Any, **kwargs: Any) -> Any:
            counted[name] += 1
            return function(*args, **kwargs)

        monkeypatch.setattr(module, name, wrapper)

    for name in ("draw_detections", "draw_score_map", "draw_windows", "score_map", "png_bytes", "save_download"):
        count(detect_results, name)
    count(downloads, "save_download")
    for module in (detect_tab, detect_picture):
        count(module, "to_canvas")
    count(detect_tab, "draw_detections")
    count(detect_picture, "select")
    return counted


def on_page(run: Run, picture: str, view: str = "Boxes") -> list[tuple[Any, ...]]:
    return list(detect_picture._detect_on_page(run, picture, "imagenet", view, *VALUES))


def is_unchanged(outputs: tuple[Any, ...]) -> bool:
    return all(output == gr.skip() for output in outputs)


def test_each_level_is_drawn_and_written_once_and_nothing_after_the_last(picture: str, calls: Counter[str]) -> None:
    outputs = on_page(stand_in([]), picture)
    session = outputs[-1][SESSION]
    assert is_unchanged(detect_picture._show_if_moved("3 boxes.", session, "Boxes", [], *CONTROLS))
    once = {"to_canvas": 1, "draw_detections": LEVELS, "png_bytes": LEVELS, "save_download": (1 + len(FILES)) * LEVELS}
    assert calls == once  # no selection on the page, no score map: nobody asked for it


@pytest.mark.parametrize(("view", "drawn"), [("Score map", "draw_score_map"), ("Windows", "draw_windows")])
def test_the_chosen_view_takes_the_place_of_the_last_boxes(
    picture: str, calls: Counter[str], view: str, drawn: str
) -> None:
    outputs = on_page(stand_in([]), picture, view)
    assert is_unchanged(detect_picture._show_if_moved("", outputs[-1][SESSION], view, [], *CONTROLS))
    assert calls[drawn] == 1 and calls["draw_detections"] == LEVELS - 1
    assert calls["score_map"] == (view == "Score map")
    assert ("It looked at 3 places, with the picture at 3 sizes." in outputs[-1][STATUS]) == (view == "Windows")


def test_the_status_counts_windows_and_boxes_and_ends_with_the_summary(picture: str) -> None:
    lines = [output[STATUS] for output in on_page(stand_in([]), picture)]
    assert lines == [
        "Searching: size 1 of 3, 1 place looked at. 1 place: cat",
        "Searching: size 1 of 3, 32 places looked at. 1 place: cat",
        "Searching: size 2 of 3, 2 places looked at. 2 places: cat",
        "**3 places: cat.** Searched in 5 ms.",
    ]


def test_a_run_that_ends_early_says_so_and_draws_nothing_again(picture: str, calls: Counter[str]) -> None:
    outputs = on_page(stand_in([], ends_after=2), picture)
    assert outputs[-1][STATUS].endswith("Searched in 5 ms; stopped before the smallest things.")
    assert is_unchanged((outputs[-1][0], *outputs[-1][2:])) and calls["draw_detections"] == 2
    outputs = on_page(stand_in([], ends_after=2), picture, "Windows")
    assert outputs[-1][SESSION].look.view == "Windows" and calls["draw_windows"] == 1


def test_the_best_guess_is_of_the_classes_looked_at() -> None:
    scan = Scan(
        size_wh=(10, 10),
        labels=["person", "dog"],
        levels=(),
        windows_xyxy=np.zeros((2, 4), np.float32),
        fitted_xyxy=np.zeros((2, 4), np.float32),
        scores=np.array([0.99, 0.2], np.float32),
        classes=np.array([0, 1]),
        windows=2,
        elapsed_ms=1.0,
        complete=True,
    )
    nothing = select(scan, DetectConfig(score_threshold=1.0))
    assert detect_results._best_guess(scan, nothing).startswith("The best guess is person with 99%")
    assert detect_results._best_guess(scan, nothing, [1]).startswith("The best guess is dog with 20%")
    assert detect_results._best_guess(scan, nothing, [2]) == "The detector recognises nothing here. "


def test_controls_that_moved_meanwhile_are_obeyed_after_the_run(picture: str, calls: Counter[str]) -> None:
    session = on_page(stand_in([]), picture)[-1][SESSION]
    calls.clear()
    moved = [0.95, *CONTROLS[1:]]
    shown = detect_picture._show_if_moved("3 boxes.", session, "Boxes", [], *moved)
    assert (
        shown[STATUS].startswith("**Nothing found.** The best guess is cat with 90%") and calls["draw_detections"] == 1
    )
    assert (
        detect_picture._show_if_moved("Cancelled; what was found stays.", session, "Boxes", [], *moved)[STATUS]
        == gr.skip()
    )
    assert detect_picture._show_if_moved("", session, "Boxes", [1], *CONTROLS)[STATUS].startswith("**Nothing found.**")
    assert is_unchanged(detect_picture._show_if_moved("", None, "Boxes", [], *CONTROLS))


def test_a_run_that_was_cancelled_in_the_middle_shows_the_view_that_is_chosen(picture: str) -> None:
    session: Session = on_page(stand_in([]), picture, "Windows")[0][SESSION]
    assert session.look.view == "Boxes"
    assert detect_picture._show_if_moved("Cancelled.", session, "Windows", [], *CONTROLS)[0] != gr.skip()


def test_the_score_map_is_computed_once_a_touch(picture: str, calls: Counter[str]) -> None:
    session = on_page(stand_in([]), picture)[-1][SESSION]
    calls.clear()
    shown = detect_picture._show(session, "Score map", [0], *CONTROLS)
    assert "red 100%; the highest here is 90%" in shown[STATUS]
    assert calls["score_map"] == calls["draw_score_map"] == calls["select"] == 1 and not calls["draw_detections"]
    calls.clear()
    detect_picture._show(session, "Boxes", [], *CONTROLS)
    assert not calls["score_map"] and calls["draw_detections"] == 1


def test_the_files_hold_what_the_table_shows(picture: str) -> None:
    *_, (_, _, table, as_json, as_csv, as_coco, *_) = on_page(stand_in([]), picture)
    listed = json.loads(Path(as_json["value"]).read_text(encoding="utf-8"))["detections"]
    lines = Path(as_csv["value"]).read_text(encoding="utf-8").splitlines()
    assert [entry["score"] for entry in listed] == pytest.approx([0.9, 0.7, 0.5], abs=1e-3)
    assert table[0] == ["cat", "90.0%", "0,0", "10,10"] and len(table) == len(listed) == len(lines) - 1 == 3
    assert lines[1] == "cat,0.9,0.0,0.0,10.0,10.0"
    coco = json.loads(Path(as_coco["value"]).read_text(encoding="utf-8"))
    assert [box["bbox"] for box in coco["annotations"]] == [[0, 0, 10, 10], [20, 0, 10, 10], [40, 0, 10, 10]]


def test_a_detector_that_counts_says_how_many_of_what(picture: str) -> None:
    *_, (_, line, *_) = detect_picture._detect_on_page(stand_in([]), picture, "haar", "Boxes", *VALUES)
    assert line.startswith("**3 cats.** Searched in ")


def test_filter_and_sliders_act_on_picture_table_and_files_alike(picture: str) -> None:
    session = on_page(stand_in([]), picture)[-1][SESSION]
    moved = [0.6, *CONTROLS[1:]]
    png, _, table, as_json, as_csv, as_coco = detect_picture._show(session, "Boxes", [0], *moved)
    assert len(table) == len(json.loads(Path(as_json["value"]).read_text())["detections"]) == 2
    assert len(Path(as_csv["value"]).read_text().splitlines()) - 1 == 2
    assert len(json.loads(Path(as_coco["value"]).read_text())["annotations"]) == 2
    none = detect_picture._show(session, "Boxes", [1], *moved)
    assert none[2] == [] and not np.array_equal(read_image(png), read_image(none[0]))


def test_the_endpoint_draws_once_and_asks_for_what_it_was_given(picture: str, calls: Counter[str]) -> None:
    seen: list[DetectRequest] = []
    path, boxes = detect_tab.detect_endpoint(stand_in(seen), picture, score_threshold=0.6, nms_iou=0.2, one_name=False)
    (request,) = seen
    assert request.config == DetectConfig(score_threshold=0.6, nms_iou=0.2, one_name=False)
    assert request.image.shape == (64, 128, 3) and request.time_limit_s == DETECT_S
    assert len(boxes["detections"]) == 2 and max(read_image(path).shape) == 720
    assert calls == {"to_canvas": 1, "draw_detections": 1, "png_bytes": 1, "save_download": 1}


def test_the_endpoint_has_what_a_search_can_be_told(picture: str) -> None:
    """But for what teaches, and for what the step between sizes of `imagenet` is."""
    seen: list[DetectRequest] = []
    said = {"suppression": "soft", "max_upscale": 2.0, "megapixels": 12, "min_object_px": 9, "max_object_px": 99}
    detect_tab.detect_endpoint(stand_in(seen), picture, **said)
    assert seen[0].config == DetectConfig(**said)
    assert set(settings_of(DetectConfig)) - set(detect_tab.INTERFACE) == {"pyramid_factor", "crop_by_crop"}
    names = [name for name in inspect.signature(detect_tab.detect_endpoint).parameters if name != "run"]
    assert tuple(names) == detect_tab.INTERFACE


@pytest.mark.parametrize(("levels", "warnings"), [(3, 0), (1, 1)])
def test_the_endpoint_says_when_the_time_limit_stopped_it(
    picture: str, levels: int, warnings: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
    monkeypatch.setattr(gr, "Warning", said.append)
    _, boxes = detect_tab.detect_endpoint(stand_in([], ends_after=levels), picture)
    assert boxes["complete"] is (levels == 3)
    words = "Stopped at the limit of 60 s before the smallest things: some may be missing."
    assert said == [words] * warnings


def test_settings_of_windows_are_hidden_where_no_windows_are_classified() -> None:
    for detector in DETECTORS:
        hidden = {name for name in (*LIVE, *SEARCH) if shown_for(detector, name) == "hidden"}
        assert hidden == (set() if detector == "imagenet" else set(OF_WINDOWS))


LANE_NAMES = ("image", *detect_picture.OF_LANE)


def sent(picture: str, detector: str = "imagenet", **others: Any) -> list[Any]:
    """The values of `LANE_NAMES` as the browser sends them; the sliders stand at twice the picture's size."""
    values = {"max_upscale": 2.0, "megapixels": 40, "crop_by_crop": False, **others}
    return [{"path": picture, "meta": {"_type": "gradio.FileData"}}, detector, *values.values()]


@pytest.fixture
def large(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A picture of 2 megapixels."""
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path))
    Image.new("L", (2000, 1000)).save(tmp_path / "large.png")
    return str(tmp_path / "large.png")


@pytest.mark.parametrize(
    ("detector", "others", "lane"),
    [
        ("objects", {}, Lane.SLOW),
        ("objects", {"max_upscale": 1.0}, Lane.QUICK),
        ("objects", {"max_upscale": None}, Lane.SLOW),  # its own, 1.5
        ("objects", {"megapixels": 4.0}, Lane.QUICK),
        ("face", {"megapixels": 1.0, "crop_by_crop": True}, Lane.QUICK),  # hidden, and says nothing to it
        ("imagenet", {}, Lane.QUICK),  # never more than 2 megapixels
        ("imagenet", {"megapixels": 1.0, "crop_by_crop": True}, Lane.SLOW),
        ("haar", {"crop_by_crop": True}, Lane.QUICK),
        ("people_hog", {}, Lane.QUICK),
    ],
)
def test_what_is_computed_decides_on_the_lane(large: str, detector: str, others: dict[str, Any], lane: Lane) -> None:
    assert detect_picture.lane_of(LANE_NAMES)(sent(large, detector, **others)) is lane
    values = {"max_upscale": 2.0, "megapixels": 40, **others}
    request = DetectRequest(image=np.zeros((1000, 2000, 3), np.uint8), config=DetectConfig(detector=detector, **values))
    assert request.lane is lane  # the page and the backend agree


@pytest.mark.parametrize(
    "values",
    [[], ["a.png"], [None, "objects", None, 40.0, False], [None, "objects", 2.0, "40", False], [None, {}, 2, 40, True]],
)
def test_what_is_refused_at_once_does_not_wait(values: list[Any]) -> None:
    assert detect_picture.lane_of(LANE_NAMES)(values) is Lane.QUICK


def test_a_picture_of_unknown_size_has_the_lane_of_the_largest(large: str) -> None:
    Path(large).write_bytes(b"\0\0\0\x18ftypheic" + b"\0" * 50)
    assert detect_picture.lane_of(LANE_NAMES)(sent(large, "objects")) is Lane.SLOW
    assert detect_picture.lane_of(LANE_NAMES)(sent(large, "objects", megapixels=1.0)) is Lane.QUICK


@pytest.mark.parametrize("detector", DETECTORS)
def test_a_link_with_a_detector_brings_its_own_values_along(detector: str) -> None:
    assert follows({"detector": detector, "score_threshold": 0.5}) == own_values(detector)
    assert follows({"score_threshold": 0.5}) == {}


@pytest.mark.parametrize("name", ["score_threshold", "nms_iou", "agnostic_nms_iou", "max_upscale"])
def test_what_an_endpoint_call_says_counts_though_it_is_the_default_of_another_detector(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each detector's value sent to each other one."""
    monkeypatch.setattr(detect_tab, "load_picture", lambda path: np.zeros((8, 8, 3), np.uint8))
    for detector in DETECTORS:
        for other in DETECTORS:
            said = own_values(other)[name]
            with pytest.raises(Asked) as asked:
                detect_tab.detect_endpoint(ask, "a.png", detector, **{name: said})
            assert used(asked.value.request.config) == own_values(detector) | {name: said}


class Asked(Exception):
    """Ends a call with what it asks for."""

    def __init__(self, request: DetectRequest) -> None:
        super().__init__()
        self.request = request


def ask(request: DetectRequest) -> Iterator[Step[Any]]:
    raise Asked(request)


def used(config: DetectConfig) -> dict[str, Any]:
    """What a search takes of the settings that each detector has its own for."""
    values = {"score_threshold": config.least_score, "nms_iou": config.most_overlap}
    enlarged = config.finest_pixels(1.0) ** 0.5
    return values | {"agnostic_nms_iou": config.most_overlap_of_classes, "max_upscale": pytest.approx(enlarged)}


def test_every_setting_with_a_default_of_its_detector_is_brought_along() -> None:
    """Those of the config that may be left open."""
    left_open = {name for name, value in vars(DetectConfig()).items() if value is None}
    assert left_open == set(own_values("objects"))
