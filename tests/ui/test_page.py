"""The page as a whole: it starts fast, loads nothing unasked, asks no other host, and refuses bad input in words."""

import http.client
import os
import subprocess
import sys
from pathlib import Path

import httpx
import pytest
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError
from PIL import Image
from playwright.sync_api import Page, expect

from cvdemo.ui.page import TABS
from tests.test_images import png_header_only
from tests.ui.conftest import ROOT, Server

ENDPOINTS = {
    "/classify": ["image", "model", "ten_crop"],
    "/detect": ["image", "detector", "score_threshold", "nms_iou"],
    "/dream": ["image", "preset", "octaves", "octave_scale", "steps", "step_size", "layer", "seed"],
    "/stylize": ["content", "style", "content_weight", "style_weight", "tv_weight", "size", "seed"],
    "/sample": ["generator", "count", "seed", "truncation"],
    "/upscale": ["image", "scale"],
}


def test_it_answers_within_eight_seconds(running: Server) -> None:
    """In seconds of CPU time, which a busy test machine does not stretch; it starts on one core, so wall time <= it."""
    assert running.start_cpu_s < 8


def test_building_the_page_loads_no_model() -> None:
    code = (
        "import torch, cvdemo.ui.page as page\n"
        "torch.nn.Module.load_state_dict = None\n"
        "import cvdemo.weights as weights\n"
        "weights.parse_safetensors = None\n"
        "page.build_page()\n"
        "print('built')"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.stdout.strip().endswith("built"), done.stderr


def test_the_tabs_stand_in_order(page: Page) -> None:
    expect(page.locator("#tabs button[role=tab]:visible")).to_have_text([tab.title for tab in TABS])
    assert [tab.slug for tab in TABS] == ["classify", "detect", "dream", "style", "sample", "upscale"]


def test_the_endpoints_are_the_public_interface(client: Client) -> None:
    named = client.view_api(return_format="dict")["named_endpoints"]
    assert set(named) == set(ENDPOINTS)
    for name, expected in ENDPOINTS.items():
        parameters = [parameter["parameter_name"] for parameter in named[name]["parameters"]]
        assert parameters[: len(expected)] == expected, name
        required = [p["parameter_name"] for p in named[name]["parameters"] if not p["parameter_has_default"]]
        assert set(required) <= {"image", "content", "style"}, name


def test_the_page_asks_no_other_host_for_anything(page: Page, server: str) -> None:
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.reload()
    expect(page.locator("#classify-run")).to_be_visible()
    page.wait_for_timeout(2000)  # fonts and late chunks
    assert asked
    assert {url for url in asked if not url.startswith((server, "data:", "blob:"))} == set()


@pytest.mark.parametrize("tab", TABS, ids=lambda tab: tab.slug)
def test_every_tab_fits_a_phone(phone: Page, server: str, tab: object) -> None:
    slug = tab.slug  # type: ignore[attr-defined]
    phone.goto(f"{server}/?tab={slug}")
    expect(phone.locator(f"#{slug}-run")).to_be_visible()
    expect(phone.locator(f"#{slug}-share")).to_be_attached()
    assert phone.evaluate("document.documentElement.scrollWidth") <= 390
    assert phone.locator(f"#tab-{slug} .method-note a").count() >= 1


BAD_FILES = {
    "empty.png": (b"", "The file is empty"),
    "words.png": (b"these are words, not pixels", "not a picture that can be read"),
    "drawing.svg": (b'<svg xmlns="http://www.w3.org/2000/svg"></svg>', "SVG drawings cannot be read"),
    "huge.png": (png_header_only(20000, 10000), "The picture is 200 megapixels; the limit is 40"),
}


def bad_file(folder: Path, name: str) -> Path:
    path = folder / name
    path.write_bytes(BAD_FILES[name][0])
    return path


@pytest.mark.parametrize("name", BAD_FILES)
def test_bad_files_are_answered_with_a_sentence(client: Client, tmp_path: Path, name: str) -> None:
    with pytest.raises(AppError, match=BAD_FILES[name][1]):
        client.predict(image=handle_file(bad_file(tmp_path, name)), api_name="/classify")


@pytest.mark.parametrize("endpoint", ["/detect", "/dream", "/upscale"])
def test_every_picture_endpoint_refuses_in_the_same_words(client: Client, tmp_path: Path, endpoint: str) -> None:
    with pytest.raises(AppError, match="The picture is 200 megapixels; the limit is 40"):
        client.predict(image=handle_file(bad_file(tmp_path, "huge.png")), api_name=endpoint)


def test_a_bad_file_shows_its_sentence_on_the_page(page: Page, tmp_path: Path) -> None:
    page.set_input_files("#classify-image input[type=file]", bad_file(tmp_path, "huge.png"))
    expect(page.locator(".toast-body.error")).to_contain_text("200 megapixels; the limit is 40")
    assert "Traceback" not in page.content()


def test_a_strip_and_a_pixel_are_handled_or_refused(client: Client, tmp_path: Path) -> None:
    Image.new("RGB", (1, 5000), "navy").save(tmp_path / "strip.png")
    with pytest.raises(AppError, match="its longer side may be at most 50 times"):
        client.predict(image=handle_file(tmp_path / "strip.png"), api_name="/classify")
    Image.new("RGB", (1, 1), "navy").save(tmp_path / "pixel.png")
    assert len(client.predict(image=handle_file(tmp_path / "pixel.png"), api_name="/classify")["confidences"]) == 5


def test_a_body_over_the_limit_is_refused(server: str) -> None:
    connection = http.client.HTTPConnection(server.removeprefix("http://"), timeout=30)
    connection.putrequest("POST", "/gradio_api/upload")
    connection.putheader("Content-Length", str(10**9))
    connection.endheaders()
    assert connection.getresponse().status == 413
    connection.close()


def test_a_body_without_a_length_is_cut_off(server: str) -> None:
    block = b"x" * 2**20

    def endless() -> object:
        for _ in range(60):
            yield block

    headers = {"content-type": "multipart/form-data; boundary=b"}
    try:
        status = httpx.post(f"{server}/gradio_api/upload", content=endless(), headers=headers, timeout=30).status_code  # type: ignore[arg-type]
    except httpx.HTTPError:
        return  # the server hung up while the body was still coming
    assert status >= 400


@pytest.mark.parametrize("url", ["http://127.0.0.1:1/x.png", "https://example.com/x.png", "HTTP://example.com/x"])
def test_files_of_other_hosts_are_not_served(server: str, url: str) -> None:
    assert httpx.get(f"{server}/gradio_api/file={url}").status_code == 403


def test_files_of_this_machine_are_not_served(server: str) -> None:
    assert httpx.get(f"{server}/gradio_api/file={ROOT / 'pyproject.toml'}").status_code in (403, 404)


def test_a_missing_weight_names_the_file_and_the_command(tmp_path: Path) -> None:
    code = (
        "import cvdemo.weights, pathlib, shutil\n"
        f"folder = pathlib.Path({str(tmp_path)!r})\n"
        "shutil.copytree(cvdemo.weights.WEIGHTS_DIR, folder / 'w')\n"
        "(folder / 'w' / 'efficientnet_lite0.safetensors').unlink()\n"
        "cvdemo.weights.WEIGHTS_DIR = folder / 'w'\n"
        "from cvdemo.ui.classify import classify_endpoint\n"
        "from cvdemo.ui.common import example_picture, guarded\n"
        "import gradio\n"
        "try:\n    guarded(classify_endpoint)(example_picture('lion'))\n"
        "except gradio.Error as error:\n    print(error.message)"
    )
    environment = {**os.environ, "HF_HUB_OFFLINE": "1"}
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=environment, capture_output=True, text=True)
    assert "weights/efficientnet_lite0.safetensors is missing; restore it with `git checkout" in done.stdout


def test_a_data_url_is_refused_in_words(server: str) -> None:
    """A picture inside the JSON never touches the upload limits, so it is not taken."""
    payload = {"data": [{"url": "data:image/png;base64,AAAA", "meta": {"_type": "gradio.FileData"}}, "imagenet", False]}
    answer = httpx.post(f"{server}/gradio_api/call/classify", json=payload)
    if answer.status_code == 200:
        events = httpx.get(f"{server}/gradio_api/call/classify/{answer.json()['event_id']}", timeout=30).text
        assert "event: error" in events
    else:
        assert answer.status_code >= 400
