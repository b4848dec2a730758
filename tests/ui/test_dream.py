"""The Dream tab in a browser, its endpoint, and its handlers with a stand-in for the work."""

import re
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import gradio as gr
import numpy as np
import pytest
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError
from PIL import Image
from playwright.sync_api import Page, expect

from cvdemo.demo import Step
from cvdemo.demos import run
from cvdemo.dream.deepdream import LAYER_WORDS, DreamConfig
from cvdemo.dream.picture_recipe import dreamed_png, read_recipe
from cvdemo.dream.presets import DEFAULT_PRESET, FORMER_NAMES, PRESETS, thumbnail_name
from cvdemo.dream.run import Dream, DreamRequest
from cvdemo.errors import InputError
from cvdemo.images import ImageArray
from cvdemo.limits import DREAM_S
from cvdemo.ui import dream as tab
from cvdemo.ui.dream_presets import CUSTOM, config_of, dream_css
from cvdemo.ui.wiring.controls import example_picture
from tests.ui.browser_steps import type_number
from tests.ui.tab_handlers import button_of, drawn, endpoint_of

SMALL = {"size_px": 128, "octaves": 1, "steps": 2}
CHELSEA = example_picture("chelsea")


def wait_for_the_link(page: Page, size_px: object = 128) -> None:
    """Opens the settings, which are not drawn before, and waits until the link has set them."""
    page.locator("#dream-more > button").click()
    expect(page.locator("#DreamConfig-size_px input[type=number]")).to_have_value(str(size_px))


def open_small(page: Page, server: str, **settings: object) -> None:
    """The tab with settings that, if none are given, take a second or two, and a picture, which starts it."""
    values = SMALL | settings
    query = "&".join(f"{name}={value}" for name, value in values.items())
    page.goto(f"{server}/?tab=dream&{query}")
    wait_for_the_link(page, values["size_px"])
    page.set_input_files("#dream-image input[type=file]", CHELSEA)
    expect(page.locator("#dream-image img")).to_be_visible()


def finished_dream(page: Page) -> bytes:
    """The file of the result, once it is done."""
    expect(page.locator("#dream-status")).to_contain_text("Done in")
    result = page.locator("#dream-result img")
    expect(result).to_have_attribute("src", re.compile(r"\.png$"))
    return page.request.get(str(result.get_attribute("src"))).body()


def test_the_dream_raises_its_objective(page: Page, server: str) -> None:
    open_small(page, server, steps=12)
    status = page.locator("#dream-status")
    expect(status).to_contain_text("Done in")
    start, end = re.findall(
        r"How strongly the network sees what it dreams of: ([\d.e+-]+) → ([\d.e+-]+)", status.inner_text()
    )[0]
    assert float(end) > 1.3 * float(start) > 0
    result = page.locator("#dream-result img")
    expect(result).to_have_attribute("src", re.compile(r"\.png$"))
    assert result.evaluate("image => [image.naturalWidth, image.naturalHeight]") == [128, 85]


def test_one_seed_repeats_and_two_differ_on_the_page(page: Page, server: str) -> None:
    files = []
    for seed in (3, 3, 4):
        open_small(page, server, seed=seed)
        files.append(finished_dream(page))
    assert files[0] == files[1] != files[2]


def test_a_dream_can_be_watched_and_cancelled(page: Page, server: str) -> None:
    open_small(page, server, size_px=512, octaves=4, steps=50)  # 200 steps: half a minute of one core
    expect(page.locator("#dream-result img")).to_have_attribute("src", re.compile(r"preview\.jpeg$"))
    expect(page.locator("#dream-status")).to_contain_text("Dreaming: round")
    page.click("#dream-cancel")
    expect(page.locator("#dream-status")).to_contain_text("Cancelled")
    page.wait_for_timeout(1500)
    expect(page.locator("#dream-status")).to_contain_text("Cancelled")


def test_a_preset_sets_the_controls_and_a_moved_control_makes_it_custom(page: Page, server: str) -> None:
    page.goto(f"{server}/?tab=dream")
    page.get_by_role("radio", name="Spider webs", exact=True).check()
    page.locator("#dream-more > button").click()
    expect(page.locator("#DreamConfig-layer input")).to_have_value(LAYER_WORDS["block9"])
    channel = page.locator("#DreamConfig-channel input[type=number]")
    expect(channel).to_have_value("41")
    objective = page.locator("#DreamConfig-objective :is(input, textarea)")
    expect(objective).to_have_value(PRESETS["Spider webs"].objective)
    type_number(channel, 42)
    expect(objective).to_have_value("")  # it would go before the channel
    expect(page.get_by_role("radio", name="Custom", exact=True)).to_be_checked()
    expect(channel).to_have_value("42")


def test_a_channel_the_layer_lacks_is_explained(page: Page, server: str) -> None:
    open_small(page, server, channel=319)
    expect(page.locator(".toast-body.error")).to_contain_text("This layer has channels 0 to 111")


def test_running_without_a_picture_says_what_to_do(page: Page, server: str) -> None:
    page.goto(f"{server}/?tab=dream")
    page.click("#dream-run")
    expect(page.locator(".toast-body.error")).to_contain_text("Please choose a picture first.")


def test_an_example_dreams_at_one_click_on_a_phone(phone: Page, server: str) -> None:
    query = "&".join(f"{name}={value}" for name, value in SMALL.items())
    phone.goto(f"{server}/?tab=dream&{query}")
    wait_for_the_link(phone)
    phone.locator("#tab-dream .gallery button").nth(1).click()
    expect(phone.locator("#dream-status")).to_contain_text("Done in")
    phone.get_by_role("button", name="Show the result").click()
    expect(phone.locator("#dream-result img")).to_be_in_viewport()
    assert phone.evaluate("document.documentElement.scrollWidth") <= 390


def dream(client: Client, **settings: object) -> np.ndarray:
    values = SMALL | settings
    path = client.predict(image=handle_file(CHELSEA), api_name="/dream", **values)
    assert Path(path).suffix == ".png"
    return np.array(Image.open(path))


def test_one_seed_repeats_and_two_differ(client: Client) -> None:
    first, repeated, other = (dream(client, seed=seed) for seed in (3, 3, 4))
    assert first.shape == (85, 128, 3)
    assert np.array_equal(first, repeated)
    assert not np.array_equal(first, other)


def test_the_endpoint_streams_previews(client: Client) -> None:
    job = client.submit(image=handle_file(CHELSEA), size_px=128, octaves=2, steps=12, api_name="/dream")
    pictures = [Path(path) for path in job]
    assert pictures[0].suffix == ".jpeg" and pictures[-1].suffix == ".png"


@pytest.mark.parametrize(("limit_s", "warnings"), [(0.0, 1), (60.0, 0)])
def test_the_endpoint_says_when_the_time_limit_stopped_it(
    limit_s: float, warnings: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
    monkeypatch.setattr(tab, "DREAM_S", limit_s)
    monkeypatch.setattr(gr, "Warning", said.append)
    *_, path = tab.dream_endpoint(run, CHELSEA, **SMALL)
    assert np.shape(pixels_of(path)) == (85, 128, 3)
    assert len(said) == warnings and all("It stopped at the limit of 0 s, after 1 of 2 steps." in text for text in said)


def test_what_is_sent_takes_the_place_of_the_presets_values(client: Client) -> None:
    preset = PRESETS["Tartan"]
    own = {"layer": preset.layer, "channel": preset.channel, "step_size": preset.step_size, "colour": preset.colour}
    tartan = dream(client, preset="Tartan")
    same = dream(client, preset="Custom", **own)
    other = dream(client, preset="Tartan", channel=42)
    assert np.array_equal(tartan, same)
    assert not np.array_equal(tartan, other)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"octaves": 99}, "octaves must be a number from 1 to 8"),
        ({"layer": "fc"}, "layer must be one of"),
        ({"preset": "x"}, "must be one of"),
    ],
)
def test_settings_out_of_range_are_explained(client: Client, settings: dict[str, object], message: str) -> None:
    with pytest.raises(AppError, match=message):
        dream(client, **settings)


def test_values_from_a_page_get_the_types_of_the_config() -> None:
    config = config_of(CUSTOM, {"octaves": 2.0, "step_size": 2, "layer": None})
    assert (config.octaves, config.step_size, config.layer) == (2, 2.0, DreamConfig().layer)
    assert isinstance(config.octaves, int) and isinstance(config.step_size, float)


def pixels_of(path: str) -> np.ndarray:
    assert path.endswith(".png")
    return np.asarray(Image.open(path))


class StandIn:
    """Does what a dream of 8 steps does, in no time; keeps the requests."""

    def __init__(self, done: int = 8, objectives: tuple[float, ...] = (1.5, 2.0, 12.25)) -> None:
        self.requests: list[DreamRequest] = []
        self.done, self.objectives = done, objectives

    def __call__(self, request: DreamRequest) -> Iterator[Step[Dream]]:
        self.requests.append(request)
        grey = np.full((40, 60, 3), 90, np.uint8)
        measures = {"objective": 1.5, "octave": 1, "octaves": 2}
        yield Step(done=1, total=8, preview=grey, measures=measures)
        yield Step(done=2, total=8, measures=measures)
        yield Step(done=5, total=8, preview=grey, measures=measures | {"octave": 2})
        result = Dream(np.full((85, 128, 3), 7, np.uint8), self.done, 8, self.objectives)
        yield Step(done=self.done, total=self.done, measures=measures, result=result, complete=self.done == 8)


def page_values(**settings: Any) -> list[Any]:
    """The inputs of the page's handler."""
    pictures = [CHELSEA, settings.get("mask"), settings.get("guide")]
    return [*pictures, settings.get("seed", 0), *(getattr(DreamConfig(), name) for name in tab.SETTINGS)]


def test_the_page_shows_how_far_the_dream_is_and_what_became_of_it() -> None:
    stand_in = StandIn()
    outputs = list(button_of(tab.TAB, stand_in)(*page_values(seed=9)))
    pictures, lines = zip(*outputs, strict=True)
    assert lines[:2] == (
        "Dreaming: round 1 of 2, step 1 of 8 (12\N{NO-BREAK SPACE}%)",
        "Dreaming: round 2 of 2, step 5 of 8 (62\N{NO-BREAK SPACE}%)",
    )
    assert re.fullmatch(r"Done in [\d.]+ m?s\. How strongly the network sees what it dreams of: 1\.5 → 12\.2", lines[2])
    assert len(outputs) == 3 and (pixels_of(pictures[2]) == 7).all()
    with Image.open(pictures[0]) as preview:
        assert preview.format == "JPEG" and preview.size == (512, 341)  # as large on the page as the result
    (request,) = stand_in.requests
    assert request.config == DreamConfig(seed=9) and request.image.shape == (300, 451, 3)
    assert (request.time_limit_s, request.preview_every_s) == (DREAM_S, tab.PREVIEW_EVERY_S)
    assert request.mask is None and request.guide is None


def test_the_objective_of_a_single_step_is_one_number() -> None:
    (*_, (_, line)) = button_of(tab.TAB, StandIn(objectives=(0.5,)))(*page_values())
    assert line.endswith("How strongly the network sees what it dreams of: 0.5")


def test_the_page_says_when_the_time_limit_stopped_it() -> None:
    (*_, (_, line)) = button_of(tab.TAB, StandIn(done=5))(*page_values())
    assert line.endswith("→ 12.2. It stopped at the limit of 90 s, after 5 of 8 steps.")


@pytest.mark.parametrize(("done", "warnings"), [(5, 1), (8, 0)])
def test_the_endpoint_gives_what_the_run_gives(done: int, warnings: int, monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    monkeypatch.setattr(gr, "Warning", said.append)
    stand_in = StandIn(done)
    *previews, picture = endpoint_of(tab.TAB, stand_in, "dream")(CHELSEA, "Tartan", steps=4.0)
    assert [Path(preview).suffix for preview in previews] == [".jpeg", ".jpeg"]
    assert (pixels_of(picture) == 7).all()
    (request,) = stand_in.requests
    assert (request.config.layer, request.config.steps) == ("block9", 4)
    assert request.time_limit_s == DREAM_S
    assert (
        said == ["It stopped at the limit of 90 s, after 5 of 8 steps. A smaller size leaves time for more."] * warnings
    )


def test_what_the_run_refuses_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def refusing(request: DreamRequest) -> Iterator[Step[Dream]]:
        raise InputError("This layer has channels 0 to 3.")
        yield  # a generator, as runs are

    with pytest.raises(gr.Error, match="channels 0 to 3"):
        list(button_of(tab.TAB, refusing)(*page_values()))


def test_the_result_carries_its_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    (*_, (path, _)) = button_of(tab.TAB, StandIn())(*page_values(seed=9))
    recipe = read_recipe(Path(path).read_bytes())
    assert recipe is not None and recipe.config == DreamConfig(seed=9) and not recipe.guided
    *_, path = endpoint_of(tab.TAB, StandIn(), "dream")(CHELSEA, "Tartan", steps=4.0, guide=CHELSEA)
    recipe = read_recipe(Path(path).read_bytes())
    assert recipe is not None and recipe.config == replace(PRESETS["Tartan"], steps=4) and recipe.guided


def half_white(folder: Path) -> str:
    """A mask, white in its left half, of another size than the picture."""
    mask = np.zeros((60, 90, 3), np.uint8)
    mask[:, :45] = 255
    Image.fromarray(mask).save(folder / "mask.png")
    return str(folder / "mask.png")


def test_a_mask_and_a_guide_reach_the_dream(tmp_path: Path) -> None:
    on_page, by_call = StandIn(), StandIn()
    list(button_of(tab.TAB, on_page)(*page_values(mask=half_white(tmp_path), guide=example_picture("cheetah"))))
    call = endpoint_of(tab.TAB, by_call, "dream")
    list(call(CHELSEA, mask=half_white(tmp_path), guide=example_picture("cheetah"), objective="block5", colour=1.0))
    for stand_in in (on_page, by_call):
        (request,) = stand_in.requests
        assert request.mask is not None and request.mask.shape == (300, 451) and request.mask.dtype == np.uint8
        assert (request.mask[:, :220] == 255).all() and (request.mask[:, 230:] == 0).all()
        assert request.guide is not None and request.guide.shape == (343, 502, 3)
    assert (by_call.requests[0].config.objective, by_call.requests[0].config.colour) == ("block5", 1.0)


def restorer() -> Any:
    """What a picture that is dropped in starts, beside the dream."""
    functions = drawn(lambda: tab.TAB.build(StandIn())).fns.values()
    (found,) = (function.fn for function in functions if getattr(function.fn, "__name__", "") == "restored")
    return found


def test_a_dropped_dream_brings_its_settings_along(tmp_path: Path, noise: ImageArray) -> None:
    config = DreamConfig(layer="block5", steps=7, seed=11, colour=0.2)
    (tmp_path / "a.png").write_bytes(dreamed_png(noise, config))
    preset, *values, told = restorer()(str(tmp_path / "a.png"))
    assert preset == CUSTOM
    assert dict(zip((*tab.SETTINGS, "seed"), values, strict=True)) == asdict(config)
    assert told.startswith("The settings of this dream are restored\\; the new one starts from the picture as it is")


def test_a_dropped_dream_of_a_preset_selects_it(tmp_path: Path, noise: ImageArray) -> None:
    (tmp_path / "a.png").write_bytes(dreamed_png(noise, replace(PRESETS["Tartan"], seed=11)))
    assert restorer()(str(tmp_path / "a.png"))[0] == "Tartan"


def test_another_picture_leaves_the_settings_as_they_are() -> None:
    *values, told = restorer()(CHELSEA)
    assert values == [gr.skip()] * (len(tab.SETTINGS) + 2) and told == ""


def test_former_names_of_presets_are_understood(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(FORMER_NAMES, "Spots", "Tartan")
    assert config_of("Spots", {}) == PRESETS["Tartan"]
    with pytest.raises(InputError, match="There is no preset 'Dots'"):
        config_of("Dots", {})


def test_a_layer_that_is_sent_goes_before_the_objective_of_a_preset() -> None:
    base = DreamConfig(objective="block8 + 0.3*block12")
    assert config_of(base, {"layer": "block5", "objective": None}).objective == ""
    assert config_of(base, {"steps": 5.0}).objective == base.objective


def test_each_preset_has_its_picture_in_the_css_by_its_address() -> None:
    css = dream_css()
    for number, name in enumerate(PRESETS, start=1):
        address = f"./presets/{thumbnail_name(name)}"
        assert f'label:nth-of-type({number})::before {{ background-image: url("{address}"); }}' in css
    assert css.count("./presets/") == len(PRESETS) and len(css) < 5_000


def test_the_page_begins_with_the_values_of_the_preset_that_is_chosen() -> None:
    fields: dict[str, Any] = {}
    drawn(lambda: fields.update(tab.TAB.build(StandIn())))
    assert fields.pop("preset").value == DEFAULT_PRESET
    assert {name: field.value for name, field in fields.items()} == asdict(PRESETS[DEFAULT_PRESET])
