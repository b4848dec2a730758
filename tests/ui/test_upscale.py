"""The Upscale tab in a browser, and its endpoint."""

import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError
from PIL import Image
from playwright.sync_api import Browser, Page, expect

from cvdemo.images import ImageArray, on_white, read_image
from cvdemo.picture_files.jpeg_quality import jpeg_quality
from cvdemo.ui.upscale import CLOSEUP_HW, CLOSEUP_ZOOM, PREVIEW_SIDE_PX
from cvdemo.ui.upscale_parts import AUTOMATIC
from cvdemo.ui.wiring.controls import example_picture
from cvdemo.upscale.catalogue import list_networks, network_named
from cvdemo.upscale.upscale import UpscaleConfig, load_network
from tests.helpers.png_files import save_png
from tests.helpers.untrained_upscale_weights import add_fast
from tests.helpers.upscaled import upscaled
from tests.ui.browser_steps import open_page
from tests.ui.page_server import serve

CHELSEA_WH = (451, 300)


@pytest.fixture
def page(blank: Page) -> Page:
    """Every test opens a link of its own."""
    return blank


@pytest.fixture
def tab(page: Page, server: str) -> Page:
    page.goto(f"{server}/?tab=upscale")
    expect(page.locator("#upscale-run")).to_be_visible()
    return page


@pytest.fixture(scope="module")
def trial(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A page that has an untrained fast network too, for x2 and x3 but not for x4."""
    folder = tmp_path_factory.mktemp("trial")
    with serve(folder, CVDEMO_WEIGHTS=str(add_fast(folder / "weights", scales=(2, 3)))) as server:
        yield server.url


@pytest.fixture
def trial_tab(browser: Browser, trial: str) -> Iterator[Page]:
    for page in open_page(browser, trial, 1280, 900):
        page.goto(f"{trial}/?tab=upscale")
        expect(page.locator("#upscale-run")).to_be_visible()
        yield page


@pytest.fixture(scope="module")
def trial_client(trial: str, tmp_path_factory: pytest.TempPathFactory) -> Client:
    return Client(trial, verbose=False, download_files=str(tmp_path_factory.mktemp("client")))


def load(page: Page, picture: str | Path) -> None:
    page.set_input_files("#upscale-image input[type=file]", picture)


def natural_sizes(page: Page, elem_id: str) -> list[list[int]]:
    pictures = page.locator(f"#{elem_id} img")
    expect(pictures).to_have_count(2)
    return [
        image.evaluate("async i => { await i.decode(); return [i.naturalWidth, i.naturalHeight] }")
        for image in pictures.all()
    ]


def numbers(page: Page, row: int) -> list[float]:
    cells = page.locator("#upscale-quality tbody tr").nth(row).locator("td").all_inner_texts()
    return [float(re.sub(r"[^0-9.+-]", "", cell)) for cell in cells[1:]]


def disc() -> ImageArray:
    """(50, 60, 4): an orange disc, half transparent on its right, on transparent black."""
    picture = np.zeros((50, 60, 4), np.uint8)
    rows, cols = np.mgrid[:50, :60]
    picture[np.hypot(rows - 25, cols - 30) < 20] = (220, 120, 40, 255)
    picture[:, 30:, 3] //= 2
    return picture


def test_the_result_is_twice_as_large(tab: Page, tmp_path: Path) -> None:
    load(tab, example_picture("chelsea"))
    expect(tab.locator("#upscale-status")).to_contain_text("451 × 300 → 902 × 600 pixels in")
    assert natural_sizes(tab, "upscale-result") == [[902, 600]] * 2
    with tab.expect_download() as download:
        tab.click("#upscale-download")
    assert download.value.suggested_filename == "upscaled-x2-chelsea.png"
    download.value.save_as(tmp_path / "result.png")
    assert read_image(tmp_path / "result.png").shape == (600, 902, 3)


def test_it_is_nearer_the_original_than_bicubic(tab: Page) -> None:
    tab.locator("#UpscaleConfig-shrink_first input").check()
    tab.locator("#upscale-scale label").nth(1).click()
    load(tab, example_picture("chelsea"))
    expect(tab.locator("#upscale-quality strong").first).to_contain_text("% less error")
    tab.click("#upscale-quality summary")
    expect(tab.locator("#upscale-quality table")).to_be_visible()
    bicubic, restored, gain = (numbers(tab, row) for row in range(3))
    assert restored[0] > bicubic[0] + 0.3 and restored[1] > bicubic[1]
    assert gain[0] == pytest.approx(restored[0] - bicubic[0], abs=0.011)
    expect(tab.locator("#upscale-status")).to_contain_text("150 × 100 → 450 × 300")


def test_an_example_runs_at_one_click(tab: Page) -> None:
    tab.locator("#tab-upscale .gallery button, #tab-upscale .gallery-item").nth(2).click()
    expect(tab.locator("#upscale-status")).to_contain_text("pixels in")
    assert natural_sizes(tab, "upscale-closeup") == [[CLOSEUP_HW[1] * CLOSEUP_ZOOM, CLOSEUP_HW[0] * CLOSEUP_ZOOM]] * 2


def test_a_link_restores_the_settings(page: Page, server: str) -> None:
    last = list(list_networks(2))[-1]
    page.goto(f"{server}/?tab=upscale&scale=4&network={last}&shrink_first=true")
    expect(page.locator("#upscale-scale input").nth(2)).to_be_checked()
    expect(page.locator(f"#UpscaleConfig-network input[value='{last}']")).to_be_checked()
    expect(page.locator("#UpscaleConfig-shrink_first input")).to_be_checked()


def test_a_result_too_large_is_one_sentence(tab: Page, tmp_path: Path) -> None:
    load(tab, save_png(np.zeros((4000, 6000, 3), np.uint8), tmp_path / "large.png"))
    words = "The result would be 96 megapixels; the limit is 40: choose a smaller enlargement or picture."
    expect(tab.locator(".toast-body.error")).to_contain_text(words)


def test_the_networks_of_the_scale_are_offered_with_what_they_gain(trial_tab: Page) -> None:
    networks = trial_tab.locator("#UpscaleConfig-network label")
    expect(networks).to_have_text(["Quick: 55 % less error", re.compile(r"Classic of 2014, slower: \d\d % less error")])
    expect(networks.nth(0).locator("input")).to_be_checked()
    expect(trial_tab.locator("#UpscaleConfig-network")).to_contain_text("on five test pictures at ×2")
    trial_tab.locator("#upscale-scale label").nth(2).click()
    expect(networks).to_have_text([re.compile(r"Classic of 2014, slower: \d\d % less error")])
    expect(networks.nth(0).locator("input")).to_be_checked()
    expect(trial_tab.locator("#UpscaleConfig-network")).to_contain_text("on five test pictures at ×4")


def test_the_chosen_network_runs_and_stays_chosen(trial_tab: Page) -> None:
    status = trial_tab.locator("#upscale-status")
    load(trial_tab, example_picture("chelsea"))
    expect(status).to_contain_text("Quick: 451 × 300 → 902 × 600 pixels in")
    trial_tab.locator("#UpscaleConfig-network label").nth(1).click()
    trial_tab.locator("#upscale-scale label").nth(1).click()
    expect(trial_tab.locator("#UpscaleConfig-network")).to_contain_text("pictures at ×3")
    expect(trial_tab.locator("#UpscaleConfig-network input").nth(1)).to_be_checked()
    trial_tab.locator("#UpscaleConfig-shrink_first input").check()
    trial_tab.click("#upscale-run")
    expect(status).to_contain_text("Classic of 2014: 150 × 100 → 450 × 300 pixels in")
    expect(trial_tab.locator("#upscale-quality")).to_contain_text("SRCNN 9-5-5")


def test_the_endpoint_takes_a_network(trial_client: Client) -> None:
    pictures = []
    for call in ({}, {"network": "fast"}, {"network": "9-5-5"}):
        sent = handle_file(example_picture("chelsea"))
        _, path = trial_client.predict(image=sent, scale=2, api_name="/upscale", **call)
        pictures.append(read_image(path).astype(int))
    np.testing.assert_array_equal(pictures[0], pictures[1])
    assert np.abs(pictures[1] - pictures[2]).max() > 3


def test_the_endpoint_names_the_networks_there_are(trial_client: Client) -> None:
    with pytest.raises(AppError, match="For scale 4 the networks are 9-5-5, not 'fast': choose one of them"):
        trial_client.predict(
            image=handle_file(example_picture("chelsea")), scale=4, network="fast", api_name="/upscale"
        )


def test_a_jpeg_takes_the_network_for_photographs_and_the_page_says_so(tab: Page, tmp_path: Path) -> None:
    expect(tab.locator("#UpscaleConfig-network label").first).to_have_text(AUTOMATIC)
    expect(tab.locator("#UpscaleConfig-network input[value='auto']")).to_be_checked()
    pixels = read_image(example_picture("chelsea"))[100:200, 100:220]
    Image.fromarray(pixels).save(tmp_path / "phone.jpg", quality=60)
    load(tab, tmp_path / "phone.jpg")
    expect(tab.locator("#upscale-status")).to_contain_text(
        "For photographs, because your file is a JPEG of quality 60: 120 × 100 →"
    )
    tab.locator("#upscale-image button[aria-label='Remove Image']").click()
    load(tab, save_png(pixels, tmp_path / "drawing.png"))
    expect(tab.locator("#upscale-status")).to_contain_text("Quick, because your file is not a JPEG: 120 × 100 →")


def test_the_endpoint_goes_by_the_file_too(client: Client, tmp_path: Path) -> None:
    pixels = read_image(example_picture("chelsea"))[100:200, 100:220]
    Image.fromarray(pixels).save(tmp_path / "phone.jpg", quality=60)
    decoded = read_image(tmp_path / "phone.jpg")
    sent = {"jpeg": tmp_path / "phone.jpg", "png": Path(save_png(decoded, tmp_path / "phone.png"))}
    got = {}
    for kind, path in sent.items():
        _, png = client.predict(image=handle_file(path), api_name="/upscale")
        got[kind] = read_image(png)
    for kind, value in {"jpeg": "photo", "png": "fast"}.items():
        expected = upscaled(decoded, load_network(network_named(2, value)), UpscaleConfig()).image
        assert np.abs(got[kind].astype(int) - expected).max() <= 1, kind


def test_alpha_comes_back(tab: Page, tmp_path: Path) -> None:
    picture = disc()
    load(tab, save_png(picture, tmp_path / "disc.png"))
    expect(tab.locator("#upscale-status")).to_contain_text("60 × 50 → 120 × 100 pixels in")
    with tab.expect_download() as download:
        tab.click("#upscale-download")
    download.value.save_as(tmp_path / "result.png")
    result = read_image(tmp_path / "result.png", keep_alpha=True)
    np.testing.assert_array_equal(result, upscaled(picture, load_network(network_named(2)), UpscaleConfig()).image)


def test_the_endpoint_keeps_alpha_and_shows_it_on_white(client: Client, tmp_path: Path) -> None:
    picture = disc()
    sent = handle_file(save_png(picture, tmp_path / "disc.png"))
    (_, after), path = client.predict(image=sent, scale=3, api_name="/upscale")
    expected = upscaled(picture, load_network(network_named(3)), UpscaleConfig(scale=3))
    np.testing.assert_array_equal(read_image(path, keep_alpha=True), expected.image)
    shown = read_image(after, keep_alpha=True)
    np.testing.assert_array_equal(shown[..., :3], on_white(expected.image))
    assert (shown[0, 0] == 255).all()


def test_cancelling_stops_and_the_next_run_works(tab: Page, tmp_path: Path) -> None:
    tab.locator("#UpscaleConfig-network input[value='9-5-5']").check()  # slow enough to be stopped
    load(tab, save_png(np.zeros((1500, 3000, 3), np.uint8), tmp_path / "long.png"))
    status = tab.locator("#upscale-status")
    expect(status).to_contain_text(re.compile(r"Piece \d+ of 128"))
    tab.click("#upscale-cancel")
    expect(status).to_have_text("Cancelled.")
    tab.wait_for_timeout(1500)
    expect(status).to_have_text("Cancelled.")
    tab.locator("#tab-upscale .gallery button, #tab-upscale .gallery-item").first.click()
    expect(status).to_contain_text("902 × 600 pixels in")


def test_nothing_of_the_picture_before_stays_beside_an_error(tab: Page, tmp_path: Path) -> None:
    tab.locator("#UpscaleConfig-shrink_first input").check()
    load(tab, example_picture("chelsea"))
    expect(tab.locator("#upscale-quality summary")).to_be_visible()
    expect(tab.locator("#upscale-download")).to_be_visible()
    tab.locator("#UpscaleConfig-shrink_first input").uncheck()
    tab.locator("#upscale-image button[aria-label='Remove Image']").click()
    load(tab, save_png(np.zeros((3001, 4000, 3), np.uint8), tmp_path / "large.png"))
    expect(tab.locator(".toast-body.error")).to_contain_text("the limit is 40")
    expect(tab.locator("#upscale-quality table")).to_have_count(0)
    expect(tab.locator("#upscale-download")).to_be_hidden()
    expect(tab.locator("#upscale-result img")).to_have_count(0)
    expect(tab.locator("#upscale-status")).not_to_contain_text("pixels in")


def test_running_without_a_picture_says_what_to_do(tab: Page) -> None:
    tab.click("#upscale-run")
    expect(tab.locator(".toast-body.error")).to_contain_text("Please choose a picture first.")


def test_a_phone_shows_it_all(phone: Page, server: str) -> None:
    phone.goto(f"{server}/?tab=upscale")
    load(phone, example_picture("chelsea"))
    expect(phone.locator("#upscale-download")).to_be_visible()
    assert phone.evaluate("document.documentElement.scrollWidth") <= 390


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_the_endpoint_gives_what_the_library_gives(client: Client, scale: int) -> None:
    pair, path = client.predict(image=handle_file(example_picture("chelsea")), scale=scale, api_name="/upscale")
    picture = read_image(example_picture("chelsea"))
    quality = jpeg_quality(Path(example_picture("chelsea")).read_bytes())
    network = load_network(network_named(scale, jpeg_quality=quality))
    expected = upscaled(picture, network, UpscaleConfig(scale=scale))
    png = read_image(path)
    assert path.endswith(".png") and png.shape == (CHELSEA_WH[1] * scale, CHELSEA_WH[0] * scale, 3)
    assert np.abs(png.astype(int) - expected.image).max() <= 1
    before, after = (read_image(side) for side in pair)
    assert before.shape == after.shape and max(before.shape) <= PREVIEW_SIDE_PX
    if scale < 4:  # x4 is reduced for the slider
        np.testing.assert_array_equal(after, png)
        assert np.abs(before.astype(int) - expected.bicubic).max() <= 1


def test_the_endpoint_needs_no_scale(client: Client) -> None:
    _, path = client.predict(image=handle_file(example_picture("chelsea")), api_name="/upscale")
    assert read_image(path).shape == (600, 902, 3)


def test_the_endpoint_refuses_other_scales(client: Client) -> None:
    with pytest.raises(AppError, match="5"):
        client.predict(image=handle_file(example_picture("chelsea")), scale=5, api_name="/upscale")


@pytest.mark.parametrize("size_hw", [(1, 1), (1, 40), (50, 1)])
def test_a_line_of_pixels_is_enlarged(client: Client, tmp_path: Path, size_hw: tuple[int, int]) -> None:
    line = np.random.default_rng(0).integers(0, 256, (*size_hw, 3), dtype=np.uint8)
    _, path = client.predict(image=handle_file(save_png(line, tmp_path / "line.png")), scale=3, api_name="/upscale")
    assert read_image(path).shape == (size_hw[0] * 3, size_hw[1] * 3, 3)
