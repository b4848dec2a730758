"""Several pictures at once on Classify and Upscale, and two networks on one picture, in a browser."""

import csv
import io
import zipfile
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

from cvdemo.example_pictures import example_picture
from cvdemo.images import read_image


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with two pictures, one of them below it, a broken one, and a file that is no picture."""
    (tmp_path / "photos" / "more").mkdir(parents=True)
    for name, place in (("cheetah", "cheetah.jpg"), ("lion", "more/lion.jpg")):
        (tmp_path / "photos" / place).write_bytes(Path(example_picture(name)).read_bytes())
    (tmp_path / "photos" / "broken.png").write_bytes(b"no picture")
    (tmp_path / "photos" / "notes.txt").write_bytes(b"words")
    return tmp_path / "photos"


def downloaded(page: Page, button: str) -> bytes:
    with page.expect_download() as download:
        page.click(button)
    return Path(download.value.path()).read_bytes()


def way(page: Page, tab: str) -> Locator:
    page.locator(f"#{tab}-ways [role=tab]:has-text('Several')").click()
    return page.locator(f"#{tab}-several-status")


def test_a_folder_is_named_in_a_table(page: Page, folder: Path) -> None:
    status = way(page, "classify")
    with page.expect_file_chooser() as chooser:
        page.click("#classify-several-folder")
    chooser.value.set_files(folder)
    expect(status).to_contain_text("2 pictures named in")
    expect(status).to_contain_text("broken.png: The file is not a picture that can be read")
    rows = page.locator("#classify-several-table tbody tr")
    expect(rows).to_have_count(2)
    expect(rows.nth(0)).to_contain_text("cheetah.jpg")
    expect(rows.nth(1).locator("strong")).to_contain_text("lion")
    table = list(csv.DictReader(io.StringIO(downloaded(page, "#classify-several-csv").decode())))
    assert [(row["file"], row["label_1"]) for row in table] == [("cheetah.jpg", "cheetah"), ("lion.jpg", "lion")]
    archive = zipfile.ZipFile(io.BytesIO(downloaded(page, "#classify-several-zip")))
    assert sorted(archive.namelist()) == ["classes.csv", "classes.json"]


def test_several_are_enlarged_into_a_zip(blank: Page, server: str) -> None:
    blank.goto(f"{server}/?tab=upscale")
    status = way(blank, "upscale")
    pictures = [example_picture("chelsea"), example_picture("lion")]
    blank.set_input_files("#upscale-several-files input[type=file]", pictures)
    blank.locator("#upscale-several-scale label").nth(1).click()
    expect(status).to_have_text("")  # it begins with the button
    blank.click("#upscale-several-run")
    expect(status).to_contain_text("2 pictures enlarged in")
    expect(blank.locator("#upscale-several-gallery .caption-label").first).to_contain_text("upscaled-x3-chelsea.png")
    archive = zipfile.ZipFile(io.BytesIO(downloaded(blank, "#upscale-several-zip")))
    assert read_image(archive.read("upscaled-x3-chelsea.png")).shape == (900, 1353, 3)
    assert sorted(archive.namelist()) == ["upscaled-x3-chelsea.png", "upscaled-x3-lion.png"]


def compare(page: Page) -> list[dict[str, float]]:
    """Asks two networks about one picture, then about another; returns the places of both answers."""
    page.set_input_files("#classify-image input[type=file]", example_picture("cheetah"))
    expect(page.locator("#classify-result h2")).to_have_text("cheetah")
    expect(page.locator("#classify-second-result")).to_be_hidden()
    page.locator("#classify-second input").click()
    page.locator("#classify-second [role=option]", has_text="Cats and dogs").first.click()
    expect(page.locator("#classify-second-result .confidence").first).to_be_visible()
    expect(page.locator("#classify-result h2")).to_have_text("cheetah")
    places = [page.locator(f"#{name}").bounding_box() for name in ("classify-result", "classify-second-result")]
    page.set_input_files("#classify-image input[type=file]", example_picture("lion"))
    expect(page.locator("#classify-result h2")).to_have_text("lion")
    expect(page.locator("#classify-second-result .confidence").first).to_be_visible()
    return [dict(place) for place in places if place is not None]


def test_two_networks_answer_beside_each_other(page: Page) -> None:
    first, second = compare(page)
    assert second["x"] > first["x"] + first["width"] - 1 and abs(second["y"] - first["y"]) < 2


def test_on_a_phone_two_networks_answer_below_each_other(phone: Page) -> None:
    first, second = compare(phone)
    assert second["y"] >= first["y"] + first["height"] and abs(second["x"] - first["x"]) < 2
