"""What the Teach part does with pictures and answers: requests, values that the page shows, and what is refused."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import gradio as gr
import numpy as np
import pytest
from gradio.components.gallery import GalleryData

from cvdemo import demos
from cvdemo.classify.classifier import Prediction
from cvdemo.classify.taught_head import load_head, save_head
from cvdemo.classify.teach import ClassifyTaughtRequest, Taught, TeachRequest
from cvdemo.demo import Step, last_step
from cvdemo.errors import InputError, WeightsError
from cvdemo.limits import TEACH_CLASSES
from cvdemo.ui.serving.field_values import checked
from cvdemo.ui.serving.uploads import NOT_UPLOADED
from cvdemo.ui.teach import classes
from cvdemo.ui.teach.answers import NOT_TAUGHT_AGAIN, answer_on_page, build_answers
from cvdemo.ui.teach.api import classify_taught_endpoint, teach_endpoint
from cvdemo.ui.teach.camera import NOT_TAUGHT, frame_on_page
from cvdemo.ui.teach.classes import TOO_FEW, chosen, paths_of
from cvdemo.ui.teach.lesson import KEPT, NOTE, load_on_page, teach_on_page
from cvdemo.ui.teach.taught_lesson import (
    CHANGED,
    NOTHING,
    OUTDATED,
    STILL_DOUBTFUL,
    TESTED,
    UNCHANGED,
    after_change,
    follow_fields,
    mend_on_page,
)
from cvdemo.ui.wiring.live_camera import Rate, camera_field
from cvdemo.ui.wiring.theme import STATIC
from tests.helpers.png_files import save_png
from tests.helpers.taught import BLUE, RED, colour_head, shades, use_colours
from tests.ui.camera_frames import jpeg_of
from tests.ui.stand_in import StandIn
from tests.ui.tab_handlers import drawn

STATUS, DOUBTFUL, FILE, HEAD, MARK, LESSON = range(6)
ANSWER = Prediction(["red", "blue"], [0.9, 0.1], [0, 1])


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The page's folder with red_0.png to red_4.png and as many blue ones; lessons go by colours."""
    use_colours(monkeypatch)
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path))
    for name, colour in {"red": RED, "blue": BLUE}.items():
        for number, picture in enumerate(shades(colour, 5)):
            save_png(picture, tmp_path / f"{name}_{number}.png")
    return tmp_path


def paths(folder: Path, name: str, count: int = 5) -> list[str]:
    return [str(folder / f"{name}_{number}.png") for number in range(count)]


def fields(*given: tuple[str, list[str]]) -> list[Any]:
    """The values of all classes, of which only the first are filled."""
    rest = TEACH_CLASSES - len(given)
    names = [name for name, _ in given] + [f"Class {number}" for number in range(rest)]
    return [*names, *(pictures for _, pictures in given), *([] for _ in range(rest))]


def test_a_lesson_tells_how_far_it_is_and_then_how_good(folder: Path) -> None:
    values = fields(("red", paths(folder, "red")), (" blue ", paths(folder, "blue", 3)))
    *on_the_way, last = teach_on_page(demos.run, *values)
    lines = [output[STATUS] for output in on_the_way]
    assert lines[0] == "Reading picture 1 of 8" and lines[7] == "Reading picture 8 of 8"
    assert lines[8] == "Looking at picture 1 of 8" and lines[-1] == "Testing picture 7 of 8"
    assert all(value == gr.skip() for output in on_the_way for value in output[1:])
    assert last[STATUS].startswith(
        f"**8 of 8 right when tested on its own pictures.** {TESTED} Taught red (5) and blue (3)"
    )
    assert last[DOUBTFUL] == ""
    assert last[HEAD].labels == ("red", "blue") and len(last[MARK]) == 8
    saved = load_head(Path(last[FILE]["value"]).read_bytes())
    assert saved.labels == ("red", "blue") and Path(last[FILE]["value"]).name == "taught-red-blue.safetensors"


def test_doubtful_pictures_are_shown_with_what_they_look_like(folder: Path) -> None:
    wrong = [*paths(folder, "red", 4), str(folder / "blue_4.png")]
    *_, last = teach_on_page(demos.run, *fields(("red", wrong), ("blue", paths(folder, "blue", 4))))
    assert "The picture below looks like another class" in last[STATUS]
    (doubt,) = last[LESSON].doubts
    assert (doubt.path, doubt.number, doubt.to) == (wrong[4], 0, 1)
    assert "<p>red? It looks like blue (" in last[DOUBTFUL] and ">Move to blue<" in last[DOUBTFUL]
    assert 'aria-label="Remove: doubtful picture 1, now in red">Remove<' in last[DOUBTFUL]


def test_a_picture_that_cannot_be_read_is_named_and_the_places_stay_right(folder: Path) -> None:
    (folder / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n broken")
    reds = [str(folder / "broken.png"), *paths(folder, "red", 3), str(folder / "blue_4.png")]
    *_, last = teach_on_page(demos.run, *fields(("red", reds), ("blue", paths(folder, "blue", 4))))
    assert "\n- broken\\.png\\: The file" in last[STATUS] and "red (4)" in last[STATUS]
    assert last[LESSON].doubts[0].path == reds[4]


def test_a_class_of_which_too_few_can_be_read_is_told(folder: Path) -> None:
    (folder / "broken.png").write_bytes(b"no picture")
    values = fields(("red", [*paths(folder, "red", 1), str(folder / "broken.png")]), ("blue", paths(folder, "blue")))
    with pytest.raises(InputError, match="The class red needs 2 pictures or more; it has 1"):
        list(teach_on_page(demos.run, *values))


def test_classes_without_pictures_do_not_count(folder: Path) -> None:
    values = fields(("red", paths(folder, "red")), ("empty", []), ("blue", paths(folder, "blue")))
    assert [name for name, _ in chosen(values)] == ["red", "blue"]
    with pytest.raises(InputError, match=TOO_FEW):
        chosen(fields(("red", paths(folder, "red"))))


def test_nothing_is_read_where_there_are_too_many(folder: Path) -> None:
    run = StandIn()
    with pytest.raises(InputError, match="The class red has 51 pictures; the limit is 50"):
        list(teach_on_page(run, *fields(("red", ["/nowhere.png"] * 51), ("blue", paths(folder, "blue")))))


def test_a_lesson_cut_short_says_so_and_its_file_too(folder: Path) -> None:
    def cut(request: TeachRequest) -> Iterator[Step[Taught]]:
        last: Step[Taught] = last_step(demos.run(request))
        assert last.result is not None
        yield replace(last, result=replace(last.result, verdicts=last.result.verdicts[:1]), complete=False)

    values = fields(("red", paths(folder, "red")), ("blue", paths(folder, "blue")))
    with pytest.warns(UserWarning, match="Time ran out"):  # outside a page; on it the visitor sees it
        *_, last = teach_on_page(cut, *values)
    assert last[STATUS].startswith("**Only 1 of 10 pictures was tested: too few to say how good it is.** Taught red")
    assert last[STATUS].endswith("Time ran out: not all pictures were looked at and tested.")
    assert Path(last[FILE]["value"]).name == "taught-red-blue_incomplete.safetensors"


def test_names_are_shown_letter_by_letter(folder: Path) -> None:
    link, broken = "[blue](https://example.org)", folder / "_no_ *picture*.png"
    broken.write_bytes(b"no picture")
    values = fields(("*cup*", [*paths(folder, "red"), str(broken)]), (link, paths(folder, "blue")))
    *_, last = teach_on_page(demos.run, *values)
    shown = r"\*cup\*", r"\[blue\]\(https\:\/\/example\.org\)"
    assert f"Taught {shown[0]} (5) and {shown[1]} (5)" in last[STATUS]
    assert "\n- \\_no\\_ \\*picture\\*\\.png\\: The file" in last[STATUS]
    assert last[HEAD].labels == ("*cup*", link)
    loaded = load_on_page(last[FILE]["value"])
    assert loaded[STATUS].startswith(f"**It knows {shown[0]} and {shown[1]} again.**")


def test_a_class_that_is_renamed_keeps_what_was_taught(folder: Path) -> None:
    wrong = [*paths(folder, "red", 4), str(folder / "blue_4.png")]
    values = fields(("Class 1", []), ("red", wrong), ("blue", paths(folder, "blue", 4)))
    *_, before = teach_on_page(demos.run, *values)
    lesson, pictures = before[LESSON], values[TEACH_CLASSES:]
    assert follow_fields(lesson, *values) == UNCHANGED
    after = follow_fields(lesson, "none", " crimson ", "navy", *values[3:])
    assert after[HEAD].labels == ("crimson", "navy") and after[HEAD].weight is before[HEAD].weight
    assert load_head(Path(after[FILE]["value"]).read_bytes()).labels == ("crimson", "navy")
    assert "Taught crimson (5) and navy (4)" in after[STATUS] and after[MARK] != before[MARK]
    assert "<p>crimson? It looks like navy (" in after[DOUBTFUL] and ">Move to navy<" in after[DOUBTFUL]
    again = follow_fields(after[LESSON], *values)
    assert again[STATUS] == before[STATUS] and again[DOUBTFUL] == before[DOUBTFUL]
    with pytest.raises(InputError, match="Two classes are named red"):
        follow_fields(lesson, "none", "red", "red", *values[3:TEACH_CLASSES], *pictures)


def test_once_the_pictures_are_others_it_asks_to_teach_again_and_keeps_the_doubtful_ones(folder: Path) -> None:
    wrong = [*paths(folder, "red", 4), str(folder / "blue_4.png")]
    *_, last = teach_on_page(demos.run, *fields(("red", wrong), ("blue", paths(folder, "blue", 4))))
    fewer = fields(("<crimson>", wrong[1:]), ("blue", paths(folder, "blue", 4)))
    changed = follow_fields(last[LESSON], *fewer)
    assert changed == after_change(last[MARK], last[LESSON], *fewer) and len(changed) == len(last)
    assert changed[STATUS] == f"{CHANGED} {STILL_DOUBTFUL}" and changed[HEAD] is None
    assert "&lt;crimson&gt;? It looks like blue (" in changed[DOUBTFUL]
    again = fields(("red", wrong[:4]), ("blue", paths(folder, "blue", 3)))
    mended = after_change(changed[MARK], changed[LESSON], *again)
    assert (mended[STATUS], mended[DOUBTFUL]) == (CHANGED, "")
    assert after_change("", None, *again) == NOTHING  # nothing was learnt before
    assert after_change(changed[MARK], changed[LESSON], *fields()) == NOTHING  # all pictures are gone


@pytest.mark.parametrize(("asked", "left", "right"), [("move 0", 4, 5), ("remove 0", 4, 4)])
def test_a_doubtful_picture_is_moved_or_removed(folder: Path, asked: str, left: int, right: int) -> None:
    wrong = [*paths(folder, "red", 4), str(folder / "blue_4.png")]
    values = fields(("red", wrong), ("blue", paths(folder, "blue", 4)))
    *_, last = teach_on_page(demos.run, *values)
    mended = mend_on_page(asked, last[LESSON], *values)
    shown, (reds, blues, *others) = mended[: len(last)], mended[len(last) :]
    assert (shown[STATUS], shown[DOUBTFUL], shown[HEAD]) == (CHANGED, "", None)
    assert reds == wrong[:left] and (blues == gr.skip() or blues == [*paths(folder, "blue", 4), wrong[4]])
    assert (len(blues) if isinstance(blues, list) else 4) == right and others == [gr.skip()] * 8
    now = fields(("red", wrong[:4]), ("blue", paths(folder, "blue", 4)))
    for refused, lesson, given in ((asked, last[LESSON], now), ("move 1", last[LESSON], values), (asked, None, values)):
        with pytest.raises(InputError, match="not there any more"):
            mend_on_page(refused, lesson, *given)


def test_the_names_of_a_loaded_head_are_its_own(folder: Path) -> None:
    (folder / "saved.safetensors").write_bytes(save_head(colour_head("red", "green")))
    loaded = load_on_page(str(folder / "saved.safetensors"))
    assert follow_fields(loaded[LESSON], *fields(("other", paths(folder, "red")))) == UNCHANGED


def test_a_head_comes_back_from_a_file(folder: Path) -> None:
    (folder / "saved.safetensors").write_bytes(save_head(colour_head("red", "green", "blue")))
    loaded = load_on_page(str(folder / "saved.safetensors"))
    assert loaded[STATUS] == "**It knows red, green and blue again.** Show it something."
    assert loaded[HEAD].labels == ("red", "green", "blue") and load_on_page(str(folder / "saved.safetensors"))[MARK]
    with pytest.raises(InputError, match="is not a taught head"):
        load_on_page(paths(folder, "red")[0])
    with pytest.raises(InputError, match="Please choose a file first"):
        load_on_page(None)


def test_a_new_picture_is_named_by_the_head_of_the_session(folder: Path) -> None:
    head, run = colour_head("red", "blue"), StandIn(Step(done=1, total=1, result=ANSWER))
    assert answer_on_page(run, paths(folder, "red")[0], "a mark", head) == ({"red": 0.9, "blue": 0.1}, "")
    (request,) = run.requests
    assert isinstance(request, ClassifyTaughtRequest) and request.head is head
    assert answer_on_page(StandIn(), paths(folder, "red")[0], "", None) == (None, NOT_TAUGHT)
    assert answer_on_page(StandIn(), paths(folder, "red")[0], OUTDATED, None) == (None, NOT_TAUGHT_AGAIN)


def test_a_frame_is_named_and_a_failure_ends_no_stream() -> None:
    frame, head = jpeg_of(np.full((48, 64, 3), 90, np.uint8)), colour_head("red", "blue")
    label, line, rate = frame_on_page(StandIn(Step(done=1, total=1, result=ANSWER)), frame, head, Rate())
    assert label == {"red": 0.9, "blue": 0.1} and line == "" and len(rate.answered_at) == 1
    assert frame_on_page(StandIn(), frame, None, None)[:2] == (None, NOT_TAUGHT)
    assert frame_on_page(StandIn(), None, head, None)[:2] == (gr.skip(), gr.skip())

    def fails(request: ClassifyTaughtRequest) -> Iterator[Step[Any]]:
        raise WeightsError("There is no weight named 'x'.")
        yield

    assert frame_on_page(fails, frame, head, None)[:2] == (gr.skip(), "There is no weight named 'x'.")
    assert "not a picture" in frame_on_page(StandIn(), b"no picture", head, None)[1]


def test_live_the_camera_is_that_of_the_burst_and_not_mirrored() -> None:
    """A head that was taught on pictures as they are would see their mirror images."""
    page = drawn(lambda: build_answers(StandIn(), gr.State(), gr.Textbox()))
    picture, live = [block.webcam_options for block in page.blocks.values() if isinstance(block, gr.Image)]
    assert picture == live and live.constraints is not None
    asked = dict(live.constraints["video"])
    assert live.mirror is False and asked.pop("facingMode") == {"ideal": "environment"}
    assert 'facingMode: { ideal: "environment" }' in (STATIC / "burst.js").read_text(encoding="utf-8")
    of_detect = camera_field("detect").webcam_options
    assert of_detect.mirror is True and of_detect.constraints == {"video": asked}


def test_page_and_documentation_say_the_same_of_what_is_kept() -> None:
    documented = Path(__file__).parents[3] / "docs/how-to/teach.md"
    assert KEPT in NOTE and KEPT in documented.read_text(encoding="utf-8")


def test_the_endpoint_takes_the_files_of_each_class_in_order(folder: Path) -> None:
    files = [*paths(folder, "red", 3), *paths(folder, "blue", 2)]
    head, report = teach_endpoint(demos.run, {"red": 3, "blue": 2}, files)
    assert report["labels"] == ["red", "blue"] and report["pictures"] == [3, 2] and report["right"] == 5
    answer = classify_taught_endpoint(demos.run, paths(folder, "blue")[4], head)
    assert next(iter(answer)) == "blue" and sum(answer.values()) == pytest.approx(1)


@pytest.mark.parametrize(
    ("sent", "count", "message"),
    [
        (None, 2, "classes must be an object"),
        ([2, 2], 4, "classes must be an object"),
        ({"red": "2", "blue": 2}, 4, "classes must be an object"),
        ({"red": True, "blue": 2}, 3, "classes must be an object"),
        ({"red": -1, "blue": 2}, 1, "classes must be an object"),
        ({"red": 2, "blue": 2}, 5, "classes speak of 4 pictures, and files are 5"),
        ({"red": 4, "blue": 1}, 5, "The class blue needs 2 pictures or more"),
        ({}, 0, "needs 2 to 10 classes; these are 0"),
    ],
)
def test_classes_that_do_not_fit_the_files_are_one_sentence(folder: Path, sent: Any, count: int, message: str) -> None:
    with pytest.raises(InputError, match=message):
        teach_endpoint(StandIn(), sent, paths(folder, "red", count))


def test_an_endpoint_without_a_head_asks_for_one(folder: Path) -> None:
    with pytest.raises(InputError, match="Please give a head"):
        classify_taught_endpoint(StandIn(), paths(folder, "red")[0], None)


def test_the_example_fills_three_classes_with_copies(folder: Path) -> None:
    shown, _, *rest = classes._fill_example()
    groups, names, galleries = rest[:TEACH_CLASSES], rest[TEACH_CLASSES:-TEACH_CLASSES], rest[-TEACH_CLASSES:]
    assert shown == 3 and [group["visible"] for group in groups] == [True] * 3 + [False] * 7
    assert names[:4] == ["stained glass", "waves", "ink", "Class 4"]
    assert [len(pictures) for pictures in galleries] == [5, 5, 5] + [0] * 7
    assert all(Path(path).is_relative_to(folder) and Path(path).is_file() for path in galleries[0])


def test_classes_are_added_up_to_ten() -> None:
    shown = 2
    for expected in (*range(3, TEACH_CLASSES + 1), TEACH_CLASSES):
        shown, more, *groups = classes._show_one_more(shown)
        assert shown == expected == sum(group["visible"] for group in groups)
    assert more["interactive"] is False


def gallery() -> gr.Gallery:
    return gr.Gallery(label="Pictures")


def test_of_a_gallery_only_uploads_and_their_names_are_taken(folder: Path) -> None:
    red, blue = paths(folder, "red")[0], paths(folder, "blue")[0]
    sent = [
        {"image": {"path": red, "orig_name": "x" * 1000, "url": "u" * 5000}, "caption": "c"},
        {"image": {"path": blue}},
    ]
    (taken,) = checked([gallery()], [sent])
    assert [item["image"]["path"] for item in taken] == [red, blue]
    assert all(set(item["image"]) == {"path", "orig_name", "meta"} and item["caption"] is None for item in taken)
    assert paths_of(GalleryData(root=taken)) == [red, blue] and paths_of(None) == []
    assert checked([gallery()], [None]) == [None]


@pytest.mark.parametrize(
    ("sent", "message"),
    [
        ([{"image": {"path": "/etc/passwd"}}], NOT_UPLOADED),
        ([{"image": {"url": "https://example.org/a.jpg"}}], NOT_UPLOADED),
        ([{"video": {"path": "/etc/passwd"}}], NOT_UPLOADED),
        ({"path": "/etc/passwd"}, NOT_UPLOADED),
        (["/etc/passwd"], NOT_UPLOADED),
        ([{}] * 501, "takes 500 files at most, got 501"),
    ],
)
def test_what_is_no_upload_is_refused_in_a_gallery(folder: Path, sent: Any, message: str) -> None:
    with pytest.raises(gr.Error, match=message):
        checked([gallery()], [sent])


def test_a_field_of_one_file_takes_one(folder: Path) -> None:
    path = paths(folder, "red")[0]
    for field in (gr.File(), gr.UploadButton()):
        (taken,) = checked([field], [{"path": path}])
        assert taken["path"] == path
        with pytest.raises(gr.Error, match="has to be uploaded"):
            checked([field], [[{"path": path}]])
