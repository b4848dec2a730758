"""The Detect tab in a browser, and its endpoint."""

import csv
import json
import re
import shutil
import zipfile
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import numpy as np
import pytest
from gradio_client import Client, handle_file
from PIL import Image
from playwright.sync_api import Page, expect

from cvdemo.example_pictures import example_picture
from cvdemo.ui.detect.controls import OF_WINDOWS
from cvdemo.ui.detect.examples import EXAMPLES
from tests.ui.browser_steps import run_of, type_number

OTHER_WAYS = {"Several": "detect-batch", "Camera": "detect-live", "Video": "detect-video"}  # by tab, which draws it
CHEETAH_XYXY = (83, 117, 378, 237)  # by hand, tail included, in the picture of 502 x 343 px


@pytest.fixture
def tab(page: Page, server: str) -> Page:
    """The way for one picture, with the detector whose weights the other demos share."""
    page.goto(f"{server}/?tab=detect&detector=imagenet")
    expect(page.locator("#detect-run")).to_be_visible()
    expect(page.locator("#DetectConfig-score_threshold input[type=number]")).to_have_value("0.35")
    return page


def detect(page: Page, name: str) -> None:
    """Uploads a picture, which runs it, and waits until the table is filled."""
    page.set_input_files("#detect-image input[type=file]", example_picture(name))
    expect(page.locator("#detect-status")).to_contain_text("Searched")


def slide(page: Page, name: str, value: float) -> None:
    """Types a value into the number field of a slider."""
    type_number(page.locator(f"#DetectConfig-{name} input[type=number]"), value)


def choose_example(page: Page, picture: str) -> None:
    """Clicks on the first example of that picture."""
    index = [example.picture for example in EXAMPLES].index(picture)
    page.locator("#detect-examples .gallery button").nth(index).click()


def rows(page: Page) -> Any:
    return page.locator("#detect-table [role=row][data-index]")


def source(page: Page) -> str:
    return str(page.locator("#detect-result img").get_attribute("src"))


def iou(a: Any, b: Any) -> float:
    width, height = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
    common = max(width, 0) * max(height, 0)
    return float(common / ((a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - common))


def test_a_cheetah_is_boxed_once_and_listed(tab: Page) -> None:
    detect(tab, "cheetah")
    expect(tab.locator("#detect-status")).to_contain_text("1 place: cheetah.")
    expect(rows(tab)).to_have_count(1)
    expect(rows(tab)).to_contain_text("cheetah")
    expect(tab.locator("#detect-result img")).to_be_visible()


def test_an_example_runs_at_one_click(tab: Page) -> None:
    choose_example(tab, "lion")
    expect(rows(tab)).to_contain_text("lion")


def test_several_objects_are_found_and_counted_by_the_default_detector(page: Page, server: str) -> None:
    page.goto(f"{server}/?tab=detect")
    detect(page, "people_and_cats")
    expect(page.locator("#detect-status")).to_contain_text("4 people, 2 cats.")
    expect(rows(page)).to_have_count(6)


def test_an_example_brings_its_detector(page: Page, server: str) -> None:
    page.goto(f"{server}/?tab=detect&detector=haar")
    expect(page.locator("#detect-told")).to_contain_text("as programs found them in 2001")
    choose_example(page, "coffee")
    expect(page.locator("#detect-told")).to_contain_text("the best of 1,000 kinds")
    expect(page.locator("#DetectConfig-score_threshold input[type=number]")).to_have_value("0.35")
    expect(page.locator("#detect-status")).to_contain_text("espresso")
    for tab, way in OTHER_WAYS.items():
        page.get_by_role("tab", name=tab, exact=True).click()
        expect(page.locator(f"#{way}-score_threshold input[type=number]")).to_have_value("0.35")


def test_another_detector_brings_its_own_sliders_and_runs(tab: Page) -> None:
    detect(tab, "astronaut")
    tab.locator("#DetectConfig-detector input").click()
    tab.get_by_role("option", name="2001").click()
    expect(tab.locator("#detect-status")).to_contain_text("2 faces.")
    for name in ("score_threshold", "nms_iou"):
        expect(tab.locator(f"#DetectConfig-{name} input[type=number]")).to_have_value("0.3")
    tab.locator("#detect-view label").nth(2).click()
    expect(tab.locator("#detect-status")).to_contain_text("This method does not tell")


def test_settings_of_windows_are_in_sight_where_they_say_something(page: Page, server: str) -> None:
    page.goto(f"{server}/?tab=detect")
    page.locator("#detect-more button").first.click()
    expect(page.locator("#DetectConfig-suppression")).to_be_visible()
    for name in OF_WINDOWS:
        expect(page.locator(f"#DetectConfig-{name}")).to_be_hidden()
    choose_example(page, "coffee")  # which brings `imagenet`
    for name in OF_WINDOWS:
        expect(page.locator(f"#DetectConfig-{name}")).to_be_visible()


def test_a_link_with_a_detector_alone_takes_its_own_sliders(page: Page, server: str) -> None:
    page.goto(f"{server}/?tab=detect&detector=people_hog")
    expect(page.locator("#DetectConfig-score_threshold input[type=number]")).to_have_value("0.3")
    page.goto(f"{server}/?tab=detect&detector=people_hog&score_threshold=0.6")
    expect(page.locator("#detect-told")).to_contain_text("Standing people")
    expect(page.locator("#DetectConfig-score_threshold input[type=number]")).to_have_value("0.6")
    for tab, way in {"One picture": "DetectConfig", **OTHER_WAYS}.items():
        page.get_by_role("tab", name=tab, exact=True).click()
        expect(page.locator(f"#{way}-nms_iou input[type=number]")).to_have_value("0.3")


def test_a_link_that_says_a_default_means_it(page: Page, server: str) -> None:
    """0.55 is the score of the default detector, 0.45 its overlap, 0.85 that between classes; none is that of faces."""
    said = {"score_threshold": "0.55", "nms_iou": "0.45", "agnostic_nms_iou": "0.85", "max_upscale": "1.5"}
    page.goto(f"{server}/?tab=detect&detector=face&{urlencode(said)}")
    expect(page.locator("#detect-told")).to_contain_text("Draws a box round each face")
    page.locator("#detect-more button").first.click()
    for name, value in said.items():
        expect(page.locator(f"#DetectConfig-{name} input[type=number]")).to_have_value(value)
    page.locator("#detect-ways [role=tab]:has-text('Several')").click()  # the link says nothing of the other ways
    expect(page.locator("#detect-batch-score_threshold input[type=number]")).to_have_value("0.64")


def test_sliders_act_at_once_without_another_scan(tab: Page) -> None:
    detect(tab, "chelsea")
    expect(tab.locator("#detect-status")).to_contain_text("1 place: Egyptian Mau.")
    scored = re.compile(r"Searched in [\d.]+ m?s")
    before = scored.search(str(tab.locator("#detect-status").text_content()))
    slide(tab, "score_threshold", 0.1)
    expect(tab.locator("#detect-status")).to_contain_text("2 places: ")
    slide(tab, "nms_iou", 1)
    expect(tab.locator("#detect-status")).not_to_contain_text("2 places: ")
    after = scored.search(str(tab.locator("#detect-status").text_content()))
    assert before is not None and after is not None and after[0] == before[0]  # the same milliseconds
    slide(tab, "score_threshold", 0.9)
    expect(tab.locator("#detect-status")).to_contain_text("Nothing found. The best guess is Egyptian Mau")


def test_the_class_filter_shows_what_a_better_class_hid(tab: Page) -> None:
    detect(tab, "chelsea")
    slide(tab, "score_threshold", 0.1)
    expect(rows(tab).first).to_contain_text("Egyptian Mau")
    tab.locator("#detect-classes input").click()
    tab.locator("#detect-classes [role=option]", has_text="tabby cat").click()
    expect(rows(tab).first).to_contain_text("tabby cat")
    expect(tab.locator("#detect-table")).not_to_contain_text("Egyptian Mau")


def test_the_views_differ(tab: Page) -> None:
    detect(tab, "lion")
    sources = [source(tab)]
    for nth, note in ((1, "red 100%"), (2, "A dot marks the middle of each")):
        tab.locator("#detect-view label").nth(nth).click()
        expect(tab.locator("#detect-status")).to_contain_text(note)
        sources.append(source(tab))
    assert len(set(sources)) == 3


def test_the_downloads_hold_what_is_shown(tab: Page, tmp_path: Path) -> None:
    detect(tab, "chelsea")
    slide(tab, "score_threshold", 0.1)
    expect(tab.locator("#detect-status")).to_contain_text("2 places: ")
    for kind in ("json", "csv", "coco"):
        with tab.expect_download() as download:
            tab.click(f"#detect-{kind}")
        download.value.save_as(tmp_path / f"boxes.{kind}")
    listed = json.loads((tmp_path / "boxes.json").read_text(encoding="utf-8"))["detections"]
    with (tmp_path / "boxes.csv").open(encoding="utf-8") as file:
        lines = list(csv.DictReader(file))
    assert len(listed) == len(lines) == 2
    assert [line["label"] for line in lines] == [entry["label"] for entry in listed]
    assert [float(line["x2"]) for line in lines] == [entry["xyxy"][2] for entry in listed]
    coco = json.loads((tmp_path / "boxes.coco").read_text(encoding="utf-8"))
    assert [box["score"] for box in coco["annotations"]] == [entry["score"] for entry in listed]


def test_the_windows_move_in_a_film_which_goes_with_its_picture(tab: Page) -> None:
    tab.locator("#detect-motion button").first.click()
    tab.click("#detect-motion-run")
    expect(tab.locator(".toast-body.error")).to_contain_text("detect something first")
    detect(tab, "lion")
    tab.click("#detect-motion-run")
    expect(tab.locator("#detect-motion-status")).to_contain_text("seconds of film in")
    expect(tab.locator("#detect-film video")).to_be_visible()
    detect(tab, "cheetah")
    expect(tab.locator("#detect-film video")).to_have_count(0)


def downloaded(page: Page, path: Path) -> Any:
    """The JSON behind the button."""
    with page.expect_download() as download:
        page.click("#detect-json")
    download.value.save_as(path)
    return json.loads(path.read_text(encoding="utf-8"))


def test_a_slow_scan_can_be_cancelled_and_what_it_found_stays(tab: Page, tmp_path: Path) -> None:
    detect(tab, "chelsea")
    expect(rows(tab)).to_contain_text("Egyptian Mau")
    tab.locator("#detect-more button").first.click()
    with run_of(tab, "chelsea"):
        tab.locator("#DetectConfig-crop_by_crop input").click()
    with run_of(tab, "astronaut"):
        tab.set_input_files("#detect-image input[type=file]", example_picture("astronaut"))
    status = tab.locator("#detect-status")
    expect(status).to_contain_text(re.compile("size [2-5] of 6"))
    tab.locator("#detect-cancel").evaluate("button => button.click()")  # at once: the run takes few seconds
    expect(status).to_have_text("Cancelled; what was found stays.")
    expect(tab.locator("#detect-table")).not_to_contain_text("Egyptian Mau")  # of the picture before
    found = downloaded(tab, tmp_path / "boxes.json")
    assert found["size_wh"] == [512, 512] and not found["complete"]
    slide(tab, "score_threshold", 0.2)
    expect(status).to_contain_text("stopped before the smallest things")
    tab.wait_for_timeout(4000)
    expect(status).to_contain_text("stopped before the smallest things")  # the run does not come back


def test_running_without_a_picture_says_what_to_do(tab: Page) -> None:
    tab.click("#detect-run")
    expect(tab.locator(".toast-body.error")).to_contain_text("Please choose a picture first.")


def test_a_link_restores_the_settings(page: Page, server: str) -> None:
    page.goto(f"{server}/?tab=detect&score_threshold=0.6&one_name=false&view=Windows")
    expect(page.locator("#DetectConfig-score_threshold input[type=number]")).to_have_value("0.6")
    expect(page.locator("#detect-view input[value=Windows]")).to_be_checked()


def test_nothing_is_wider_than_a_phone(phone: Page, server: str) -> None:
    phone.goto(f"{server}/?tab=detect")
    button = phone.locator("#detect-run").bounding_box()
    assert button is not None and button["y"] + button["height"] <= 844  # in reach without scrolling
    choose_example(phone, "cheetah")
    expect(phone.locator("#detect-status")).to_contain_text("Searched")
    assert phone.evaluate("document.documentElement.scrollWidth") <= 390


def test_several_pictures_give_a_gallery_and_a_zip(page: Page, server: str, tmp_path: Path) -> None:
    page.goto(f"{server}/?tab=detect&detector=haar")
    page.locator("#detect-ways [role=tab]:has-text('Several')").click()
    (tmp_path / "broken.jpg").write_bytes(b"no picture")
    pictures = [*map(example_picture, ("astronaut", "coffee")), str(tmp_path / "broken.jpg")]
    page.set_input_files("#detect-files input[type=file]", pictures)
    status = page.locator("#detect-batch-status")
    expect(status).to_contain_text("2 faces on 2 pictures.")
    expect(status).to_contain_text("broken.jpg: ")
    expect(page.locator("#detect-gallery .grid-container button")).to_have_count(2)
    type_number(page.locator("#detect-batch-score_threshold input[type=number]"), 1)
    expect(status).to_contain_text("Nothing on 2 pictures.")
    with page.expect_download() as download:
        page.click("#detect-batch-zip")
    download.value.save_as(tmp_path / "all.zip")
    with zipfile.ZipFile(tmp_path / "all.zip") as archive:
        assert "boxes/astronaut.jpg" in archive.namelist()
        assert json.loads(archive.read("coco.json"))["annotations"] == []


def test_several_pictures_can_be_searched_more_finely(page: Page, server: str) -> None:
    page.goto(f"{server}/?tab=detect&detector=haar")
    page.locator("#detect-ways [role=tab]:has-text('Several')").click()
    page.locator("#detect-batch-more button").first.click()
    type_number(page.locator("#detect-batch-megapixels input[type=number]"), 0.1)
    page.set_input_files("#detect-files input[type=file]", [example_picture("faces")])
    status = page.locator("#detect-batch-status")
    expect(status).to_contain_text("on 1 picture.")
    coarse = str(status.text_content()).split(" on ")[0]
    type_number(page.locator("#detect-batch-megapixels input[type=number]"), 2)
    page.click("#detect-batch-run")
    expect(status).to_contain_text("on 1 picture.")
    expect(status).not_to_contain_text(coarse)


def test_a_batch_can_be_cancelled_and_what_was_searched_is_shown(page: Page, server: str, tmp_path: Path) -> None:
    page.goto(f"{server}/?tab=detect&detector=imagenet")
    page.locator("#detect-ways [role=tab]:has-text('Several')").click()
    pictures = [str(shutil.copy(example_picture("animals"), tmp_path / f"{number}.jpg")) for number in range(20)]
    page.set_input_files("#detect-files input[type=file]", pictures)
    status = page.locator("#detect-batch-status")
    expect(status).to_contain_text(re.compile(r"Picture ([2-9]|1\d) of 20"))  # on free cores the second is short
    page.click("#detect-batch-cancel")
    expect(status).to_have_text("Cancelled; the pictures so far stay.")
    expect(page.locator("#detect-gallery .grid-container button").first).to_be_visible()
    assert page.locator("#detect-gallery .grid-container button").count() < 20


def test_a_folder_is_searched_for_pictures(page: Page, server: str, tmp_path: Path) -> None:
    page.goto(f"{server}/?tab=detect&detector=haar")
    page.locator("#detect-ways [role=tab]:has-text('Several')").click()
    folder = tmp_path / "folder"
    folder.mkdir()
    shutil.copy(example_picture("astronaut"), folder / "one.jpg")
    shutil.copy(example_picture("coffee"), folder / "two.jpg")
    (folder / "notes.txt").write_text("no picture")
    page.set_input_files("#tab-detect input[type=file][webkitdirectory]", folder)
    expect(page.locator("#detect-batch-status")).to_contain_text("on 2 pictures.")


def test_several_pictures_fit_a_phone(phone: Page, server: str) -> None:
    phone.goto(f"{server}/?tab=detect&detector=haar")
    phone.locator("#detect-ways [role=tab]:has-text('Several')").click()
    phone.set_input_files("#detect-files input[type=file]", [example_picture("astronaut"), example_picture("coffee")])
    expect(phone.locator("#detect-batch-status")).to_contain_text("on 2 pictures.")
    assert phone.evaluate("document.documentElement.scrollWidth") <= 390


def test_the_endpoint_keeps_its_contract(client: Client) -> None:
    path, found = client.predict(
        image=handle_file(example_picture("cheetah")),
        detector="imagenet",
        score_threshold=0.4,
        nms_iou=0.3,
        api_name="/detect",
    )
    with Image.open(path) as picture:
        assert picture.format == "PNG" and picture.width == 720
    assert set(found) == {"size_wh", "detections", "windows", "elapsed_ms", "complete"}
    assert found["size_wh"] == [502, 343] and found["windows"] > 100 and found["elapsed_ms"] > 0
    assert found["complete"] is True
    (cheetah,) = found["detections"]
    assert set(cheetah) == {"label", "score", "xyxy"} and cheetah["label"] == "cheetah" and cheetah["score"] > 0.9
    assert iou(cheetah["xyxy"], CHEETAH_XYXY) > 0.55


def test_the_endpoint_has_defaults_and_answers_in_pixels_of_what_was_sent(client: Client, tmp_path: Path) -> None:
    with Image.open(example_picture("cheetah")) as picture:
        picture.resize((2008, 1372)).save(tmp_path / "large.jpg")
    path, found = client.predict(image=handle_file(tmp_path / "large.jpg"), detector="imagenet", api_name="/detect")
    with Image.open(path) as picture:
        assert picture.width == 1280
    assert found["size_wh"] == [2008, 1372]
    assert iou(np.array(found["detections"][0]["xyxy"]) / 4, CHEETAH_XYXY) > 0.5
