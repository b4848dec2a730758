"""The networks to choose from and the Explain part, on a page whose weights folder holds small untrained networks."""

import json
import re
from collections.abc import Iterator

import numpy as np
import pytest
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError
from playwright.sync_api import Browser, Locator, Page, expect

from cvdemo.images import read_image
from cvdemo.ui.wiring.controls import example_picture
from tests.helpers.untrained_weights import THINGS, make_weights
from tests.ui.browser_steps import open_page
from tests.ui.page_server import serve


@pytest.fixture(scope="module")
def trial(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("trial")
    with serve(folder, CVDEMO_WEIGHTS=str(make_weights(folder / "weights"))) as server:
        yield server.url


@pytest.fixture(scope="module")
def trial_client(trial: str, tmp_path_factory: pytest.TempPathFactory) -> Client:
    return Client(trial, verbose=False, download_files=str(tmp_path_factory.mktemp("client")))


@pytest.fixture
def trial_page(browser: Browser, trial: str) -> Iterator[Page]:
    yield from open_page(browser, trial, 1280, 900)


@pytest.fixture
def trial_phone(browser: Browser, trial: str) -> Iterator[Page]:
    yield from open_page(browser, trial, 390, 844)


def classify(page: Page, url: str, model: str) -> None:
    """Waits until the link has chosen the network: what is sent before would be answered by another one."""
    page.goto(f"{url}/?tab=classify&model={model}")
    expect(page.locator("#ClassifyConfig-model input")).not_to_have_value(re.compile("^1,000 kinds"))
    page.set_input_files("#classify-image input[type=file]", example_picture("cheetah"))
    expect(page.locator("#classify-status")).to_contain_text("Done in")


def best_class(page: Page) -> str:
    """The first class that can be explained; the heading says "not sure" of one under 30 %."""
    return str(page.locator("#classify-explain label").first.text_content()).strip()


def fool(page: Page) -> None:
    page.locator("#fool button").first.click()
    page.locator("#fool-run").click()
    expect(page.locator("#fool-report")).to_contain_text("Found in")
    for name in ("before", "changed", "difference"):
        expect(page.locator(f"#fool-{name} img")).to_be_visible()


def test_the_networks_are_listed_with_their_accuracy(trial_page: Page) -> None:
    trial_page.locator("#ClassifyConfig-model input").click()
    options = trial_page.locator("#ClassifyConfig-model [role=option]")
    expect(options).to_have_count(6)
    expect(options.nth(1)).to_contain_text("10 kinds of animals and vehicles: right 94 times out of 100")
    expect(trial_page.locator("#classify-about")).to_contain_text("Knows 1,000 kinds")
    options.nth(1).click()
    expect(trial_page.locator("#classify-about")).to_contain_text("Knows airplane")


def test_another_network_answers_at_once(trial_page: Page, trial: str) -> None:
    classify(trial_page, trial, "cifar10")
    trial_page.locator("#ClassifyConfig-model input").click()
    trial_page.locator("#ClassifyConfig-model [role=option]", has_text="Cats and dogs").first.click()
    expect(trial_page.locator("#classify-explain input")).to_have_count(2)
    expect(trial_page.locator("#classify-result h2")).to_have_text(re.compile("^(cat|dog)$"))


def test_saliency_takes_the_place_of_the_heat_map(trial_page: Page, trial: str) -> None:
    classify(trial_page, trial, "cifar10")
    overlay = trial_page.locator("#classify-overlay img")
    before = str(overlay.get_attribute("src"))
    trial_page.locator("#classify-method label").nth(1).click()
    expect(overlay).not_to_have_attribute("src", before)


@pytest.mark.parametrize("model", ["cifar10", "clothes", "cifar10_ensemble"])
def test_a_network_is_fooled(trial_page: Page, trial: str, model: str) -> None:
    classify(trial_page, trial, model)
    answer = best_class(trial_page)
    fool(trial_page)
    words = str(trial_page.locator("#fool-report").text_content()).strip()
    assert words.startswith(answer) and "of 255 steps" in words and "times stronger" in words


def test_a_new_answer_clears_the_old_change(trial_page: Page, trial: str) -> None:
    classify(trial_page, trial, "cifar10")
    fool(trial_page)
    trial_page.click("#classify-run")
    expect(trial_page.locator("#fool-changed img")).to_have_count(0)
    expect(trial_page.locator("#fool-report")).not_to_contain_text("Found in")


def test_fooling_fits_a_phone(trial_phone: Page, trial: str) -> None:
    classify(trial_phone, trial, "clothes")
    fool(trial_phone)
    assert trial_phone.evaluate("document.documentElement.scrollWidth") <= 390


def look(page: Page) -> Locator:
    """Opens the part and asks for the channels; the picture that comes."""
    page.locator("#layers button").first.click()
    page.locator("#layers-run").click()
    expect(page.locator("#layers-report")).to_contain_text("Done in")
    sheet = page.locator("#layers-sheet img")
    expect(sheet).to_be_visible()
    return sheet


def test_the_layers_are_those_of_the_chosen_network(trial_page: Page, trial: str) -> None:
    classify(trial_page, trial, "cifar10_mini")
    look(trial_page)
    expect(trial_page.locator("#layers-report")).to_contain_text("Channels of layer 5 (160 channels")
    layer = trial_page.locator("#layers-layer input")
    expect(layer).to_have_value("The middle one")
    layer.click()
    options = trial_page.locator("#layers-layer [role=option]")
    expect(options).to_have_count(12)
    options.nth(2).click()
    expect(trial_page.locator("#layers-report")).to_contain_text("Channels of layer 1 (64 channels")


def test_the_channels_that_decide_follow_the_class_that_is_explained(trial_page: Page, trial: str) -> None:
    classify(trial_page, trial, "cifar10")
    answer = best_class(trial_page)
    trial_page.locator("#layers button").first.click()
    trial_page.locator("#layers-show label").nth(1).click()
    expect(trial_page.locator("#layers-layer")).to_be_hidden()
    trial_page.locator("#layers-run").click()
    expect(trial_page.locator("#layers-report")).to_contain_text(f"that decide for {answer}")
    other = trial_page.locator("#classify-explain label").nth(1)
    name = str(other.text_content()).strip()
    other.click()
    expect(trial_page.locator("#layers-report")).to_contain_text(f"that decide for {name}")


def test_a_new_answer_clears_the_channels(trial_page: Page, trial: str) -> None:
    classify(trial_page, trial, "cifar10")
    look(trial_page)
    trial_page.click("#classify-run")
    expect(trial_page.locator("#layers-sheet img")).to_have_count(0)
    expect(trial_page.locator("#layers-report")).not_to_contain_text("Done in")


def test_the_channels_fit_a_phone(trial_phone: Page, trial: str) -> None:
    classify(trial_phone, trial, "clothes")
    look(trial_phone)
    assert trial_phone.evaluate("document.documentElement.scrollWidth") <= 390


@pytest.mark.parametrize("show", ["layer", "answer"])
def test_the_endpoint_gives_a_sheet_of_channels(trial_client: Client, show: str) -> None:
    picture, call = handle_file(example_picture("lion")), {"model": "cifar10", "show": show, "channels": 7}
    sheet, numbers = trial_client.predict(image=picture, api_name="/feature_maps", **call)
    assert read_image(sheet).shape == (2 * (160 + 30) + 8, 4 * 168 + 8, 3)
    assert len(numbers["channels"]) == 7 and (numbers["class"] in THINGS) == (show == "answer")


@pytest.mark.parametrize("model", ["cifar10", "clothes"])
def test_the_endpoint_gives_a_picture_with_another_answer(trial_client: Client, model: str) -> None:
    picture = handle_file(example_picture("lion"))
    changed, difference, sizes = trial_client.predict(image=picture, model=model, api_name="/fool")
    answers = trial_client.predict(image=handle_file(changed), model=model, api_name="/classify")
    assert answers["label"] == sizes["after"]["label"] != sizes["before"]["label"]
    assert read_image(changed).shape == read_image(difference).shape
    assert set(json.loads(json.dumps(sizes))) == {"before", "after", "l2", "rms", "largest", "amplification"}
    assert 0 < sizes["rms"] <= sizes["largest"] < 128


@pytest.mark.parametrize("method", ["grad_cam", "saliency"])
def test_the_endpoint_explains_a_class_by_its_name(trial_client: Client, method: str) -> None:
    picture, call = handle_file(example_picture("lion")), {"model": "cifar10", "method": method}
    found = [
        read_image(trial_client.predict(image=picture, class_name=name, api_name="/explain", **call))
        for name in THINGS[:2]
    ]
    assert found[0].shape == found[1].shape and not np.array_equal(*found)


def test_an_unknown_class_is_answered_with_a_sentence(trial_client: Client) -> None:
    picture = handle_file(example_picture("lion"))
    for endpoint in ("/explain", "/fool"):
        with pytest.raises(AppError, match="This network has no class named 'shop'; it has ship"):
            trial_client.predict(image=picture, model="cifar10", class_name="shop", api_name=endpoint)
