"""The Upscale tab in a browser, and its endpoint."""

import re
from pathlib import Path

import numpy as np
import pytest
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError
from playwright.sync_api import Page, expect

from cvdemo.images import ImageArray, read_image, save_png
from cvdemo.srcnn import Quality, UpscaleConfig, Upscaled, load_srcnn, upscale
from cvdemo.ui.common import example_picture
from cvdemo.ui.upscale import CLOSEUP_HW, CLOSEUP_ZOOM, PREVIEW_SIDE_PX, busiest_place, closeup, preview, quality_table

CHELSEA_WH = (451, 300)


@pytest.fixture
def tab(page: Page, server: str) -> Page:
    page.goto(f"{server}/?tab=upscale")
    expect(page.locator("#upscale-run")).to_be_visible()
    return page


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


def difference_of_two() -> Upscaled:
    """Two flat pictures that differ in one patch at (700, 1500)."""
    bicubic = np.full((900, 2000, 3), 90, np.uint8)
    image = bicubic.copy()
    image[690:710, 1480:1520] = 200
    return Upscaled(image, bicubic)


def test_the_result_is_twice_as_large(tab: Page, tmp_path: Path) -> None:
    load(tab, example_picture("chelsea"))
    expect(tab.locator("#upscale-status")).to_contain_text("451 × 300 → 902 × 600 pixels in")
    assert natural_sizes(tab, "upscale-result") == [[902, 600]] * 2
    with tab.expect_download() as download:
        tab.click("#upscale-download")
    assert download.value.suggested_filename == "chelsea_x2.png"
    download.value.save_as(tmp_path / "result.png")
    assert read_image(tmp_path / "result.png").shape == (600, 902, 3)


def test_it_is_nearer_the_original_than_bicubic(tab: Page) -> None:
    tab.locator("#UpscaleConfig-shrink_first input").check()
    tab.locator("#upscale-scale label").nth(1).click()
    load(tab, example_picture("chelsea"))
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
    page.goto(f"{server}/?tab=upscale&scale=4&shrink_first=true")
    expect(page.locator("#upscale-scale input").nth(2)).to_be_checked()
    expect(page.locator("#UpscaleConfig-shrink_first input")).to_be_checked()


def test_a_result_too_large_is_one_sentence(tab: Page, tmp_path: Path) -> None:
    load(tab, save_png(np.zeros((4000, 6000, 3), np.uint8), tmp_path / "large.png"))
    words = "The result would be 96 megapixels; the limit is 40: choose a smaller scale or picture."
    expect(tab.locator(".toast-body.error")).to_contain_text(words)


def test_cancelling_stops_and_the_next_run_works(tab: Page, tmp_path: Path) -> None:
    load(tab, save_png(np.zeros((1500, 3000, 3), np.uint8), tmp_path / "long.png"))
    status = tab.locator("#upscale-status")
    expect(status).to_contain_text(re.compile(r"Tile \d+ of 128"))
    tab.click("#upscale-cancel")
    tab.wait_for_timeout(1500)
    stopped = status.inner_text()
    tab.wait_for_timeout(1500)
    assert status.inner_text() == stopped and "Tile" in stopped
    tab.locator("#tab-upscale .gallery button, #tab-upscale .gallery-item").first.click()
    expect(status).to_contain_text("902 × 600 pixels in")


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
    expected = upscale(picture, load_srcnn(scale), UpscaleConfig(scale=scale))
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


def test_the_close_up_finds_the_difference() -> None:
    rows, columns = busiest_place(difference_of_two(), (120, 180))
    assert rows.start <= 690 and rows.stop >= 710 and rows.stop - rows.start == 120
    assert columns.start <= 1480 and columns.stop >= 1520 and columns.stop - columns.start == 180


def test_the_pairs_are_of_one_size() -> None:
    result = difference_of_two()
    for pair in (preview(result), closeup(result)):
        assert pair[0].shape == pair[1].shape
    assert preview(result)[0].shape == (720, 1600, 3)
    assert closeup(result)[1].shape == (CLOSEUP_HW[0] * CLOSEUP_ZOOM, CLOSEUP_HW[1] * CLOSEUP_ZOOM, 3)


@pytest.mark.parametrize("size_hw", [(1, 1), (1, 3000), (60, 500)])
def test_the_close_up_of_a_small_or_narrow_result(size_hw: tuple[int, int]) -> None:
    flat: ImageArray = np.zeros((*size_hw, 3), np.uint8)
    shown = closeup(Upscaled(flat, flat))[0]
    expected = min(size_hw[0], CLOSEUP_HW[0]) * CLOSEUP_ZOOM, min(size_hw[1], CLOSEUP_HW[1]) * CLOSEUP_ZOOM
    assert shown.shape[:2] == expected


def test_a_flat_picture_comes_back_identical_and_the_table_says_so() -> None:
    perfect = Quality(psnr=float("inf"), ssim=1.0)
    assert quality_table(perfect, perfect).count("identical") == 2
    assert "nan" not in quality_table(perfect, perfect) and "inf" not in quality_table(perfect, perfect)
