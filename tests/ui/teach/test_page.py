"""Teach in a browser, from empty to a right answer on pictures not taught; its head saved and loaded; its endpoints."""

import base64
import re
from pathlib import Path

import pytest
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError
from playwright.sync_api import Browser, Locator, Page, expect

from cvdemo.example_pictures import example_picture
from tests.ui.browser_steps import open_page, out_of_reach
from tests.ui.wiring.test_going import SHOWN_WHOLE

KINDS = {"glass": "stained_glass", "sea": "woodcut_waves", "ink": "ink_wash"}
CAMERA_BUTTON = "#teach-camera button[aria-label='capture photo']"


STOP_AT_3 = """new MutationObserver((_, watching) => {
    if (!document.querySelector("#burst p")?.textContent.startsWith("Picture 3 ")) return;
    watching.disconnect();
    document.querySelector("#burst button").click();
}).observe(document.body, { childList: true, subtree: true })"""


# of a class: no button lies over a picture
UNCOVERED = """field => {
    const boxes = (selector) => [...field.querySelectorAll(selector)].map((found) => found.getBoundingClientRect());
    const left = Math.min(...boxes(".icon-button-wrapper .icon-button").map((box) => box.left));
    return boxes(".thumbnail-lg").every((box) => box.right <= left);
}"""


def drawings(kind: str, count: int = 5) -> list[str]:
    return [example_picture(f"taught/{kind}_{seed}") for seed in range(11, 11 + count)]


def new(kind: str) -> str:
    """A drawing that is never taught."""
    return example_picture(f"taught/{kind}_16")


def open_teach(page: Page) -> None:
    page.get_by_role("tab", name="Teach your own classes").click()
    expect(page.locator("#teach-run")).to_be_visible()


def fill_class(page: Page, number: int, name: str, pictures: list[str]) -> None:
    page.locator(f"#teach-name-{number} :is(input, textarea)").fill(name)
    page.set_input_files(f"#teach-pictures-{number} input[type=file]", pictures)
    expect(thumbnails(page, number)).to_have_count(len(pictures))


def thumbnails(page: Page, number: int) -> Locator:
    return page.locator(f"#teach-pictures-{number} .thumbnail-lg img")


def try_picture(page: Page, path: str) -> None:
    page.set_input_files("#teach-try-image input[type=file]", path)


def test_from_nothing_to_right_answers_and_the_head_saved_and_loaded(page: Page, tmp_path: Path, server: str) -> None:
    open_teach(page)
    page.click("#teach-more")
    for number, (name, kind) in enumerate(KINDS.items(), 1):
        fill_class(page, number, name, drawings(kind))
    page.click("#teach-run")
    expect(page.locator("#teach-status")).to_contain_text("of 15 right when tested on its own pictures")
    expect(page.locator("#teach-status")).to_contain_text("Taught glass (5), sea (5) and ink (5)")
    answer = page.locator("#teach-answer h2")
    try_picture(page, new("woodcut_waves"))
    expect(answer).to_have_text("sea")
    with page.expect_file_chooser() as choosing:  # at one press, and the picture stays until another is chosen
        page.locator("#teach-try-image button[aria-label='Upload file']").click()
    expect(page.locator("#teach-try-image img")).to_be_visible()
    choosing.value.set_files(new("ink_wash"))
    expect(answer).to_have_text("ink")
    with page.expect_download() as downloading:
        page.click("#teach-download")
    saved = tmp_path / downloading.value.suggested_filename
    downloading.value.save_as(saved)
    assert saved.name == "taught-glass-sea-ink.safetensors" and saved.stat().st_size < 30_000
    page.goto(server)
    open_teach(page)
    with page.expect_file_chooser() as choosing:
        page.click("#teach-load")
    choosing.value.set_files(saved)
    expect(page.locator("#teach-status")).to_contain_text("It knows glass, sea and ink again.")
    try_picture(page, new("stained_glass"))
    expect(page.locator("#teach-answer h2")).to_have_text("glass")


def test_the_example_is_there_at_one_click_and_a_change_takes_its_results_away(page: Page) -> None:
    open_teach(page)
    page.click("#teach-example")
    for number in (1, 2, 3):
        expect(thumbnails(page, number)).to_have_count(5)
    page.click("#teach-run")
    expect(page.locator("#teach-status")).to_contain_text("right when tested")
    page.locator("#teach-tried button").nth(1).click()
    expect(page.locator("#teach-answer h2")).to_have_text("waves")
    name = page.locator("#teach-name-2 :is(input, textarea)")
    name.fill("the sea")
    name.press("Enter")
    expect(page.locator("#teach-answer h2")).to_have_text("the sea")
    expect(page.locator("#teach-status")).to_contain_text("the sea (5)")
    assert page.locator("#teach-pictures-1").evaluate(UNCOVERED)
    expect(page.locator("#teach-count-1")).to_have_text("5 pictures")
    page.locator("#teach-pictures-1 .delete-button").first.click(force=True)
    expect(page.locator("#teach-status")).to_contain_text("The pictures have changed. Press Teach again.")
    expect(page.get_by_role("button", name="Teach again")).to_have_css("outline-width", "3px")
    expect(page.locator("#teach-count-1")).to_have_text("4 pictures")
    expect(page.locator("#teach-try-status")).to_contain_text("Press Teach again first.")
    expect(page.locator("#teach-download")).to_be_disabled()
    page.click("#teach-run")
    expect(page.locator("#teach-status")).to_contain_text("of 14 right")
    expect(page.locator("#teach-answer h2")).to_have_text("the sea")
    page.click("#teach-anew")
    expect(page.locator("#teach-status p")).to_have_count(0)
    expect(page.locator("#teach-count-1")).to_have_text("")
    expect(page.locator("#teach-download")).to_be_disabled()


def test_the_results_stay_while_the_visitor_looks_elsewhere(page: Page) -> None:
    open_teach(page)
    page.click("#teach-example")
    expect(thumbnails(page, 3)).to_have_count(5)
    page.click("#teach-run")
    expect(page.locator("#teach-status")).to_contain_text("right when tested")
    page.get_by_role("tab", name="Detect").click()
    expect(page.locator("#teach-run")).to_be_hidden()
    page.get_by_role("tab", name="Classify").click()
    page.get_by_role("tab", name="Name what it shows").click()
    open_teach(page)
    page.wait_for_timeout(500)
    expect(page.locator("#teach-status")).to_contain_text("right when tested")
    expect(thumbnails(page, 1)).to_have_count(5)


def test_a_picture_in_the_wrong_class_is_shown(page: Page) -> None:
    open_teach(page)
    fill_class(page, 1, "glass", [*drawings("stained_glass", 4), new("ink_wash")])
    name = "*ink* [ink](//b.org) www.b.org $$x$$"
    fill_class(page, 2, name, drawings("ink_wash"))
    page.click("#teach-run")
    expect(page.locator("#teach-doubtful")).to_contain_text(f"glass? It looks like {name}")
    expect(page.locator("#teach-status")).to_contain_text(f"Taught glass (5) and {name} (5)")
    page.get_by_role("button", name=f"Move to {name}: doubtful picture 1, now in glass").focus()
    page.keyboard.press("Enter")
    expect(page.locator("#teach-count-2")).to_have_text("6 pictures")
    expect(page.locator("#teach-doubtful li")).to_have_count(0)
    expect(page.get_by_role("button", name="Teach again")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("#teach-status")).to_contain_text("10 of 10 right")
    expect(page.locator("#teach-status")).to_contain_text(f"Taught glass (4) and {name} (6)")


def test_too_little_is_told_in_words(page: Page) -> None:
    open_teach(page)
    page.click("#teach-run")
    expect(page.locator(".toast-body.error")).to_contain_text("Please add a few pictures to two classes at least.")


def test_files_chosen_together_are_sent_one_by_one(page: Page) -> None:
    sent: list[str] = []
    page.on("request", lambda request: sent.append(request.url) if "/upload?" in request.url else None)
    open_teach(page)
    fill_class(page, 1, "glass", drawings("stained_glass", 3))
    assert len(sent) == 3


def test_the_camera_fills_a_class_at_one_press(page: Page) -> None:
    open_teach(page)
    page.click("#teach-burst-2")
    expect(page.locator("#burst")).to_contain_text(re.compile(r"Picture \d of 8"))
    expect(page.locator("#burst video")).to_have_css("transform", "none")  # not mirrored, as its pictures are
    expect(thumbnails(page, 2)).to_have_count(8)
    expect(page.locator("#burst")).to_have_count(0)
    page.evaluate(STOP_AT_3)
    page.click("#teach-burst-2")
    expect(page.locator("#burst")).to_have_count(1)
    expect(page.locator("#burst")).to_have_count(0)
    expect(thumbnails(page, 2)).to_have_count(8 + 3)


def drawing_as_camera(kind: str) -> str:
    """A script that puts a drawing, moving from side to side, in the place of the camera."""
    data = base64.b64encode(Path(new(kind)).read_bytes()).decode()
    return f"""navigator.mediaDevices.getUserMedia = async () => {{
        const drawing = new Image();
        drawing.src = "data:image/jpeg;base64,{data}";
        await drawing.decode();
        const canvas = Object.assign(document.createElement("canvas"), {{width: 480, height: 480}});
        let tick = 0;
        setInterval(() => canvas.getContext("2d").drawImage(drawing, 5 * Math.sin(tick++ / 10), 0, 480, 480), 50);
        return canvas.captureStream();
    }};"""


def test_live_it_names_what_the_camera_sees(browser: Browser, server: str) -> None:
    for page in open_page(browser, server, 1280, 900, drawing_as_camera("ink_wash")):
        open_teach(page)
        page.get_by_role("tab", name="Live").click()
        page.locator("#teach-camera [title='grant webcam access'] button").click()
        page.locator(CAMERA_BUTTON).click()
        expect(page.locator("#teach-live-status")).to_contain_text("Teach it first")
        page.locator(CAMERA_BUTTON).click()
        page.click("#teach-example")
        expect(thumbnails(page, 3)).to_have_count(5)
        page.click("#teach-run")
        expect(page.locator("#teach-status")).to_contain_text("right when tested")
        page.locator(CAMERA_BUTTON).click()
        expect(page.locator("#teach-live h2")).to_have_text("ink")
        expect(page.locator("#teach-live-status")).to_contain_text("frames a second")


def test_on_a_phone_it_fits(phone: Page) -> None:
    open_teach(phone)
    phone.click("#teach-example")
    expect(thumbnails(phone, 3)).to_have_count(5)
    assert phone.evaluate("document.documentElement.scrollWidth") <= 390
    phone.click("#teach-run")
    expect(phone.locator("#going")).to_contain_text("of 15 right when tested on its own pictures.")
    assert phone.evaluate(SHOWN_WHOLE)
    assert out_of_reach(phone, "#teach-run") == []


def test_the_endpoints_teach_and_answer(client: Client) -> None:
    files = [handle_file(path) for kind in KINDS.values() for path in drawings(kind, 3)]
    head, report = client.predict(classes=dict.fromkeys(KINDS, 3), files=files, api_name="/teach")
    assert report["labels"] == list(KINDS) and report["left_out"] == 9 and report["right"] >= 7
    for name, kind in KINDS.items():
        answer = client.predict(image=handle_file(new(kind)), head=handle_file(head), api_name="/classify_taught")
        shares = [entry["confidence"] for entry in answer["confidences"]]
        assert answer["label"] == name and sum(shares) == pytest.approx(1, abs=1e-3)


def test_the_endpoints_refuse_in_words(client: Client, tmp_path: Path) -> None:
    picture = handle_file(new("ink_wash"))
    with pytest.raises(AppError, match="classes speak of 4 pictures, and files are 1"):
        client.predict(classes={"a": 2, "b": 2}, files=[picture], api_name="/teach")
    with pytest.raises(AppError, match="is not a taught head"):
        client.predict(image=picture, head=picture, api_name="/classify_taught")
