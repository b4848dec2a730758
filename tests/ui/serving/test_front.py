"""What the server sends before anything of gradio's runs: the page's own name, preview card, header and pictures."""

import re
from pathlib import Path

import gradio
import httpx
import jinja2
import pytest
from PIL import Image

from cvdemo.finished import CARD, CARD_WH, FOLDER, ICON, SHEETS, path_of, small
from cvdemo.ui.page import TABS
from cvdemo.ui.serving.front import WELCOME, OwnLoader, lean, own_template
from cvdemo.ui.wiring.first_look import LOOKS, promise

GRADIO = Path(gradio.__file__).parent / "templates" / "frontend" / "index.html"


def metas(page: str) -> dict[str, str]:
    return dict(re.findall(r'<meta (?:name|property)="([^"]+)"\s+content="([^"]*)"', page))


def test_a_preview_of_the_page_is_its_own() -> None:
    loader = jinja2.DictLoader(
        {"frontend/index.html": "{% raw %}" + GRADIO.read_text(encoding="utf-8") + "{% endraw %}"}
    )
    page = jinja2.Environment(loader=OwnLoader(loader), autoescape=True).get_template("frontend/index.html").render()
    found = metas(page)
    assert "<title>cvdemo: six classics of computer vision, live</title>" in page
    assert found["og:title"].startswith("cvdemo") and found["description"] == found["og:description"]
    assert (
        found["og:image"] == "{{ config['root'] }}/finished/card.jpg" and found["twitter:card"] == "summary_large_image"
    )
    assert not [text for text in found.values() if "radio" in text]
    assert page.index('id="welcome"') < page.index("<gradio-app")
    assert page.count("window.parent !== window") == 1


def test_the_address_in_the_card_is_a_whole_one() -> None:
    source = own_template(GRADIO.read_text(encoding="utf-8"))
    (image,) = re.findall(r'og:image" content="(.*?)"', source)
    rendered = jinja2.Environment(autoescape=True).from_string(image).render(config={"root": "https://demo.example"})
    assert rendered == "https://demo.example/finished/card.jpg"


def test_the_page_brings_no_description_for_programs() -> None:
    config = {"title": "cvdemo", "components": [{"id": 1, "props": {"value": 2}, "api_info": {}, "example_inputs": 3}]}
    assert lean(config) == {"title": "cvdemo", "components": [{"id": 1, "props": {"value": 2}}]}
    assert len(config["components"][0]) == 4  # which others still read
    assert "config | lean | toorjson" in own_template(GRADIO.read_text(encoding="utf-8"))


def test_another_template_is_refused() -> None:
    with pytest.raises(RuntimeError, match=r"made for gradio 6\.31; its template has no one place '<gradio-app'"):
        own_template(GRADIO.read_text(encoding="utf-8").replace("<gradio-app", "<app"))


def test_the_finished_results_are_there_and_small() -> None:
    with Image.open(path_of(CARD)) as card, Image.open(path_of(ICON)) as icon:
        assert card.size == CARD_WH == (1200, 630) and icon.size == (192, 192)
    assert path_of(CARD).stat().st_size < 100_000
    assert sum(path.stat().st_size for path in FOLDER.iterdir()) < 400_000
    named = [file for look in LOOKS.values() for file, _ in look.pictures]
    named += [small(tab) for tab in WELCOME] + [sheet.file for sheet in SHEETS]
    assert [file for file in named if not path_of(file).is_file()] == []
    assert list(WELCOME) == list(LOOKS) == [tab.slug for tab in TABS]


def test_a_tab_promises_what_was_measured_and_else_no_time() -> None:
    assert promise(None) == "What you get"
    assert [promise(seconds).removeprefix("What you get, in ") for seconds in (0.02, 0.34, 15.8)] == [
        "less than 0.1 s",
        "about 0.3 s",
        "about 16 s",
    ]


def test_the_server_sends_it(server: str) -> None:
    page = httpx.get(server).text
    card = httpx.get(metas(page)["og:image"])
    assert metas(page)["og:image"].startswith(server) and card.headers["content-type"] == "image/jpeg"
    icon = httpx.get(f"{server}/favicon.ico")
    assert icon.content == path_of(ICON).read_bytes() == httpx.get(f"{server}/finished/{ICON}").content
    assert httpx.get(f"{server}/finished/../README.md").status_code == 404
    assert httpx.get(f"{server}/finished/%2e%2e/README.md").status_code == 404
