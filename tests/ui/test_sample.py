"""The Sample tab in a browser."""

import io
import json
import re
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import Page, Request, expect

from cvdemo.images import ImageArray, read_image
from cvdemo.sample.generate import Pick, SampleConfig, combine, generators, latents, load_generator
from tests.helpers.near_pictures import differs_at_most
from tests.helpers.whole_results import sample
from tests.ui.browser_steps import type_number

THUMBNAILS = "#sample-result .thumbnail-lg img"


@pytest.fixture
def page(blank: Page) -> Page:
    """Every test opens a link of its own."""
    return blank


@pytest.fixture
def tab(page: Page, server: str) -> Page:
    page.goto(f"{server}/?tab=sample")
    expect(page.locator("#sample-run")).to_be_visible()
    return page


def generated(page: Page, seed: int, count: int = 16) -> list[str | None]:
    """Addresses of the pictures once those of `seed` are there; gradio names files by their content."""
    expect(page.locator("#sample-status")).to_contain_text(f"{count} pictures of seed {seed} in")
    expect(page.locator(THUMBNAILS)).to_have_count(count)
    return [image.get_attribute("src") for image in page.locator(THUMBNAILS).all()]


def enter_seed(page: Page, seed: int) -> None:
    page.locator("#sample-seed input").fill(str(seed))
    page.locator("#sample-seed input").press("Tab")


def test_nothing_is_drawn_before_it_is_asked_for(tab: Page) -> None:
    tab.wait_for_timeout(1500)
    expect(tab.locator(THUMBNAILS)).to_have_count(0)
    expect(tab.locator("#sample-zip")).to_be_hidden()


def test_every_way_to_set_a_slider_draws(tab: Page) -> None:
    type_number(tab.locator("#SampleConfig-count input[type=number]"), 4)
    generated(tab, seed=0, count=4)
    tab.locator("#SampleConfig-count input[type=range]").press("ArrowRight")
    generated(tab, seed=0, count=5)
    expect(tab.locator("#SampleConfig-count button, #SampleConfig-truncation button")).to_have_count(0)


def test_two_seeds_differ_and_one_repeats(tab: Page) -> None:
    tab.click("#sample-run")
    first = generated(tab, seed=0)
    assert len(set(first)) == 16
    enter_seed(tab, 5)
    second = generated(tab, seed=5)
    assert not set(first) & set(second)
    enter_seed(tab, 0)
    assert generated(tab, seed=0) == first


def test_the_dice_draws_anew(tab: Page) -> None:
    tab.click("#sample-run")
    first = generated(tab, seed=0)
    tab.click("#sample-seed-dice")
    expect(tab.locator("#sample-status")).not_to_contain_text("of seed 0 ")
    seed = int(tab.locator("#sample-seed input").input_value())
    assert not set(first) & set(generated(tab, seed=seed))


def pick(page: Page, number: int, seed: int, slot: str | None = None) -> None:
    """Clicks a picture, counted from 1, and puts it into a slot."""
    page.locator(THUMBNAILS).nth(number - 1).click()
    expect(page.locator("#sample-pick-name")).to_contain_text(f"Picture {number} of seed {seed}, variety")
    if slot:
        page.click(f"#sample-use-{slot}")
        expect(page.locator(f"#sample-slots img[alt^='{slot}: Picture {number} of seed {seed},']")).to_be_visible()


def unfold(page: Page, name: str) -> None:
    page.locator(f"#sample-{name} .label-wrap").click()
    expect(page.locator(f"#sample-{name}-run")).to_be_visible()


def shown_picture(page: Page, elem_id: str) -> ImageArray:
    """The picture in an output field, as the server sends it."""
    image = page.locator(f"#{elem_id} img")
    expect(image).to_be_visible()
    return read_image(page.request.get(str(image.get_attribute("src"))).body())


def test_a_click_shows_the_picture_its_seed_and_its_numbers(tab: Page, tmp_path: Path) -> None:
    enter_seed(tab, 12)
    generated(tab, seed=12)
    pick(tab, 7, seed=12)
    expect(tab.locator("#sample-pick-name")).to_have_text("Picture 7 of seed 12, variety 0.7")
    assert differs_at_most(shown_picture(tab, "sample-pick"), sample(load_generator(), SampleConfig(seed=12))[6])
    dim = load_generator().latent_dim
    expect(tab.locator("#sample-latent svg rect")).to_have_count(dim)
    with tab.expect_download() as download:
        tab.click("#sample-latent-file")
    assert download.value.suggested_filename == "anime-faces-seed-12-no-07.json"
    told = json.loads(Path(download.value.path()).read_text())
    numbers = told.pop("latent")
    assert told == {"generator": "dcgan_anime", "seed": 12, "index": 6, "truncation": 0.7, "number": 7}
    np.testing.assert_allclose(numbers, latents(7, dim, seed=12, truncation=0.7)[6].numpy(), rtol=1e-6)


def test_picks_outlive_a_new_drawing_and_are_interpolated(tab: Page) -> None:
    tab.click("#sample-run")
    generated(tab, seed=0)
    pick(tab, 3, seed=0, slot="A")
    enter_seed(tab, 5)
    generated(tab, seed=5)
    pick(tab, 16, seed=5, slot="B")
    expect(tab.locator("#sample-slots figcaption").first).to_contain_text("A no. 3")
    unfold(tab, "interpolate")
    tab.click("#sample-interpolate-run")
    expect(tab.locator("#sample-interpolate-status")).to_contain_text("8 pictures in")
    images = tab.locator("#sample-between .thumbnail-lg img")
    expect(images).to_have_count(8)
    ends = [read_image(tab.request.get(str(images.nth(n).get_attribute("src"))).body()) for n in (0, 7)]
    assert differs_at_most(ends[0], sample(load_generator(), SampleConfig(seed=0))[2])
    assert differs_at_most(ends[1], sample(load_generator(), SampleConfig(seed=5))[15])
    with tab.expect_download() as strip:
        tab.click("#sample-interpolate-file")
    assert read_image(Path(strip.value.path())).shape == (64, 8 * 66 - 2, 3)


def test_a_walk_loops_and_plays_without_picks_and_through_them(tab: Page) -> None:
    unfold(tab, "walk")
    type_number(tab.locator("#WalkConfig-seconds input[type=number]"), 2)
    tab.click("#sample-walk-run")
    expect(tab.locator("#sample-walk-status")).to_contain_text("48 frames through 6 random pictures of seed 0 in")
    first = film(tab)
    assert (first["duration"], first["loop"], first["width"]) == (2, True, 256)
    tab.wait_for_function("document.querySelector('#sample-film video').currentTime > 0")  # it plays by itself
    tab.click("#sample-run")
    generated(tab, seed=0)
    pick(tab, 2, seed=0, slot="B")
    tab.click("#sample-walk-run")
    expect(tab.locator(".toast-body.error")).to_contain_text("A walk needs two picks or more, or none")
    pick(tab, 9, seed=0, slot="C")
    tab.click("#sample-walk-run")
    expect(tab.locator("#sample-walk-status")).to_contain_text("48 frames through 2 picks in")
    assert film(tab)["source"] != first["source"]


def test_a_walk_clears_the_film_before_it_and_can_be_cancelled(tab: Page) -> None:
    unfold(tab, "walk")
    type_number(tab.locator("#WalkConfig-seconds input[type=number]"), 2)
    tab.click("#sample-walk-run")
    assert film(tab)["duration"] == 2
    type_number(tab.locator("#WalkConfig-seconds input[type=number]"), 30)
    type_number(tab.locator("#WalkConfig-fps input[type=number]"), 30)  # as long as it can be, to be cancelled in time
    tab.click("#sample-walk-run")
    expect(tab.locator("#sample-walk-status")).to_contain_text("of 900")
    tab.click("#sample-walk-cancel")
    expect(tab.locator("#sample-walk-status")).to_have_text("Cancelled.")
    tab.click("#sample-run")
    generated(tab, seed=0)  # the queue is free again
    expect(tab.locator("#sample-film video")).to_have_count(0)


def film(page: Page) -> dict[str, Any]:
    """Source, length in s, width in px and whether it repeats, of the film once its header is loaded."""
    page.wait_for_function("document.querySelector('#sample-film video')?.readyState >= 1")
    described: dict[str, Any] = page.evaluate(
        "(() => { const v = document.querySelector('#sample-film video'); "
        "return {source: v.currentSrc, duration: v.duration, width: v.videoWidth, loop: v.loop}; })()"
    )
    return described


def test_what_needs_a_pick_says_so(tab: Page) -> None:
    toast = tab.locator(".toast-body.error").first
    close = tab.locator(".toast-body.error .toast-close")
    sentences = {
        "interpolate": "The way goes from A to B, but A and B are empty: click a picture, then press “Use as A”.",
        "arithmetic": "A − B + C takes three pictures, but A, B and C are empty",
        "upscale": "There is nothing to enlarge yet: click a picture first.",
    }
    tab.click("#sample-use-B")
    expect(toast).to_contain_text("Click a picture first; then it can be used as B.")
    for name, sentence in sentences.items():
        close.first.click()
        expect(toast).to_be_hidden()
        unfold(tab, name)
        tab.click(f"#sample-{name}-run")
        expect(toast).to_contain_text(sentence)


def test_a_slot_can_be_cleared(tab: Page) -> None:
    tab.click("#sample-run")
    generated(tab, seed=0)
    pick(tab, 1, seed=0, slot="A")
    tab.click("#sample-clear")
    expect(tab.locator("#sample-slots img")).to_have_count(0)


def test_an_example_runs_at_one_click(tab: Page) -> None:
    tab.locator("#sample-examples .gallery-item").nth(1).click()
    generated(tab, seed=2024, count=9)


def test_the_plain_generator_can_be_compared(tab: Page) -> None:
    tab.locator("#sample-examples .gallery-item").nth(3).click()
    generated(tab, seed=1)
    expect(tab.locator("#sample-generator input")).to_have_value("Anime faces, by the recipe of 2016, to compare")


def test_sixty_four_pictures_are_large_enough_to_be_seen(tab: Page) -> None:
    type_number(tab.locator("#SampleConfig-count input[type=number]"), 64)
    generated(tab, seed=0, count=64)
    widths = tab.locator(THUMBNAILS).evaluate_all("images => images.map(image => image.getBoundingClientRect().width)")
    assert min(widths) >= 115  # of 64 pixels
    rendering = tab.locator(THUMBNAILS).first.evaluate("image => getComputedStyle(image).imageRendering")
    assert rendering == "pixelated"  # each of them sharp


def test_sixteen_pictures_are_a_square(tab: Page) -> None:
    tab.click("#sample-run")
    generated(tab, seed=0)
    lefts = tab.locator(THUMBNAILS).evaluate_all("images => images.map(image => image.getBoundingClientRect().left)")
    assert len({round(left) for left in lefts}) == 4


def test_every_generator_can_be_chosen(tab: Page) -> None:
    tab.locator("#sample-generator input").click()
    expect(tab.locator("#sample-generator [role=option]")).to_contain_text(list(generators().values()))


def test_the_downloads_hold_what_is_shown(tab: Page, tmp_path: Path) -> None:
    enter_seed(tab, 3)
    generated(tab, seed=3)
    expected = sample(load_generator(), SampleConfig(seed=3))
    with tab.expect_download() as zipped:
        tab.click("#sample-zip")
    assert zipped.value.suggested_filename == "anime-faces-seed-3.zip"
    with zipfile.ZipFile(io.BytesIO(Path(zipped.value.path()).read_bytes())) as archive:
        assert archive.namelist() == [f"anime-faces-seed-3-no-{n:02d}.png" for n in range(1, 17)]
        assert differs_at_most(read_image(archive.read("anime-faces-seed-3-no-06.png")), expected[5])
    with tab.expect_download() as sheet:
        tab.click("#sample-grid")
    sheet.value.save_as(tmp_path / "grid.png")
    grid = read_image(tmp_path / "grid.png")
    assert grid.shape == (4 * 66 - 2, 4 * 66 - 2, 3)
    assert differs_at_most(grid[66:130, 66:130], expected[5])


def test_a_link_restores_the_settings_and_draws(page: Page, server: str) -> None:
    page.goto(f"{server}/?tab=sample&seed=77&count=4&truncation=0.5")
    generated(page, seed=77, count=4)
    pick(page, 1, seed=77)
    expect(page.locator("#sample-pick-name")).to_have_text("Picture 1 of seed 77, variety 0.5")


@pytest.mark.parametrize(("query", "count"), [("seed=0&generator=dcgan_anime", 16), ("count=4", 4)])
def test_a_link_to_the_first_seed_draws_too(page: Page, server: str, query: str, count: int) -> None:
    page.goto(f"{server}/?tab=sample&{query}")
    generated(page, seed=0, count=count)


def test_a_link_an_example_and_the_dice_draw_once(page: Page, server: str) -> None:
    """Each of them changes fields, and a change would start a drawing if the page took it for the visitor's."""
    drawings: list[list[Any]] = []

    def note(request: Request) -> None:
        data = json.loads(request.post_data or "{}").get("data") if "/queue/join" in request.url else None
        if data and data[0] == "dcgan_anime":
            drawings.append(data)

    page.on("request", note)
    page.goto(f"{server}/?tab=sample&seed=77&count=4&truncation=0.5")
    generated(page, seed=77, count=4)
    page.locator("#sample-examples .gallery-item").nth(1).click()
    generated(page, seed=2024, count=9)
    page.click("#sample-seed-dice")
    expect(page.locator("#sample-status")).not_to_contain_text("of seed 2024 ")
    seed = int(page.locator("#sample-seed input").input_value())
    generated(page, seed=seed, count=9)
    page.wait_for_timeout(1500)
    assert [data[1:] for data in drawings] == [[4, 77, 0.5], [9, 2024, 1], [9, seed, 1]]


def test_the_other_generator_draws_clothes_and_picks_do_not_mix(page: Page, server: str) -> None:
    page.goto(f"{server}/?tab=sample&generator=dcgan_fashion")
    first = generated(page, seed=0)
    assert len(set(first)) == 16
    pick(page, 2, seed=0, slot="A")
    clothes = shown_picture(page, "sample-pick")
    assert clothes.shape == (32, 32, 3) and np.ptp(clothes, axis=2).max() == 0  # grey
    page.locator("#sample-generator input").click()
    page.get_by_role("option", name="Anime faces", exact=True).click()
    expect(page.locator(THUMBNAILS).first).not_to_have_attribute("src", str(first[0]))
    pick(page, 2, seed=0, slot="B")
    assert shown_picture(page, "sample-pick").shape == (64, 64, 3)
    unfold(page, "interpolate")
    page.click("#sample-interpolate-run")
    expect(page.locator(".toast-body.error")).to_contain_text(
        "The picks come from different generators, Anime faces and Clothes: pick all from one."
    )


def test_an_empty_seed_says_what_to_do(tab: Page) -> None:
    tab.locator("#sample-seed input").fill("")
    tab.click("#sample-run")
    expect(tab.locator(".toast-body.error").first).to_contain_text("The seed is empty; please enter a whole number.")


def test_a_phone_shows_it_all(phone: Page, server: str) -> None:
    """On 390 px: picks, the sum, the way between and a picture enlarged, with nothing wider than the screen."""
    phone.goto(f"{server}/?tab=sample")
    phone.click("#sample-run")
    generated(phone, seed=0)
    for number, slot in ((4, "A"), (1, "B"), (8, "C")):
        pick(phone, number, seed=0, slot=slot)
    for name in ("interpolate", "arithmetic", "upscale"):
        unfold(phone, name)
        phone.click(f"#sample-{name}-run")
        expect(phone.locator(f"#sample-{name}-status")).to_contain_text(re.compile(r"in [\d.]+ m?s"))
    generator = load_generator()
    expected = combine(generator, *(Pick(index=index) for index in (3, 0, 7)))
    assert differs_at_most(shown_picture(phone, "sample-sum"), expected)
    expect(phone.locator("#sample-equation img")).to_have_count(3)
    enlarged = shown_picture(phone, "sample-restored")
    assert enlarged.shape == shown_picture(phone, "sample-bicubic").shape == (256, 256, 3)
    assert not np.array_equal(enlarged, shown_picture(phone, "sample-bicubic"))
    unfold(phone, "walk")
    assert phone.evaluate("document.documentElement.scrollWidth") <= 390
    wide = "[...document.querySelectorAll('#tab-sample *')].filter(e => e.getBoundingClientRect().right > 391).length"
    assert phone.evaluate(wide) == 0
