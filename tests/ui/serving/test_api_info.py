"""What programs are told: every parameter with its meaning and range, every output with a name; programs that run."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from gradio_client import Client

from cvdemo.config import settings_of
from cvdemo.example_pictures import example_head
from cvdemo.ui.page import build_page
from cvdemo.ui.serving.snippets import code_snippets
from cvdemo.ui.wiring.api_words import WORDS
from tests.ui.stand_in import StandIn
from tests.ui.tab_handlers import with_a_loop

ROOT = "http://127.0.0.1:1/"


@pytest.fixture(scope="module")
def endpoints() -> dict[str, Any]:
    described: dict[str, Any] = with_a_loop(lambda: build_page(StandIn()).get_api_info())["named_endpoints"]
    return described


def test_every_parameter_has_words_and_every_output_a_name(endpoints: Mapping[str, Any]) -> None:
    assert set(endpoints) == {f"/{name}" for name in WORDS}
    for name, endpoint in endpoints.items():
        for parameter in endpoint["parameters"]:
            assert parameter["python_type"]["description"], (name, parameter["parameter_name"])
        words = WORDS[name[1:]]
        assert [output["label"] for output in endpoint["returns"]] == list(words.returns), name
        assert all(output["python_type"]["description"] for output in endpoint["returns"]), name


def test_settings_are_told_with_their_range_and_unit(endpoints: Mapping[str, Any]) -> None:
    count = 0
    for name, words in WORDS.items():
        configs = words.settings if isinstance(words.settings, tuple) else (words.settings,)
        settings = {setting: told for config in configs for setting, told in settings_of(config).items()}
        for parameter in endpoints[f"/{name}"]["parameters"]:
            setting = settings.get(parameter["parameter_name"])
            if parameter["parameter_name"] in words.parameters:
                continue
            if setting is None or setting.minimum is None or setting.maximum is None:
                continue
            description = parameter["python_type"]["description"]
            unit = f" {setting.unit}" if setting.unit else ""
            assert f"From {setting.minimum:.12g} to {setting.maximum:.12g}{unit}." in description, (name, description)
            count += 1
    assert count > 25


def test_words_of_an_endpoint_are_about_parameters_that_it_has(endpoints: Mapping[str, Any]) -> None:
    for name, words in WORDS.items():
        known = {parameter["parameter_name"] for parameter in endpoints[f"/{name}"]["parameters"]}
        assert {*words.parameters, *words.examples} <= known, name


def test_the_examples_are_files_of_the_page(endpoints: Mapping[str, Any]) -> None:
    example = endpoints["/classify"]["parameters"][0]["example_input"]
    assert Path(example["path"]).is_file() and example["orig_name"] == "cheetah.jpg"
    (classes, files) = (parameter["example_input"] for parameter in endpoints["/teach"]["parameters"])
    head = endpoints["/classify_taught"]["parameters"][1]["example_input"]
    assert (
        head["orig_name"] == "head.safetensors" and Path(head["path"]).read_bytes() == Path(example_head()).read_bytes()
    )
    assert sum(classes.values()) == len(files) and all(Path(file["path"]).is_file() for file in files)


def test_the_programs_hold_values_that_work(endpoints: Mapping[str, Any]) -> None:
    programs = code_snippets("/stylize", endpoints["/stylize"], ROOT, api_prefix="/gradio_api/")
    address = f"{ROOT}gradio_api/file={endpoints['/stylize']['parameters'][0]['example_input']['path']}"
    assert f'content=handle_file("{address}")' in programs["python"]
    compile(programs["python"], "snippet", "exec")
    assert f'content: handle_file("{address}")' in programs["javascript"] and "None" not in programs["javascript"]
    sent = json.loads(programs["bash"].split("-d '")[1].split("' | cut")[0])
    assert sent["content"]["path"] == address and sent["keep_colours"] == "no"


def test_text_with_quotes_stays_one_word_in_bash() -> None:
    parameter = {"parameter_name": "text", "parameter_has_default": True, "parameter_default": "it's"}
    assert "it'\\''s" in code_snippets("/x", {"parameters": [parameter]}, ROOT)["bash"]


def test_view_api_shows_the_words(client: Client) -> None:
    shown = client.view_api(return_format="str", print_info=False)
    assert isinstance(shown, str)
    assert "More sizes give shapes of more sizes. (Octaves) From 1 to 8." in shown and "-> dream" in shown
