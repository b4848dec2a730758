"""The programs of "Use from programs", run against the page as a reader would run them.

Held as they stand, but for the address of the page: Python with `gradio_client`, curl in bash, and JavaScript in the
Node.js that Playwright brings along. The npm package `@gradio/client` is not installed: in its place is the client that
Gradio itself ships for its pages, which is its source. Of what the snippet imports, that build lacks `handle_file`
alone: here it reads the file instead.
"""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import gradio
import httpx
import playwright
import pytest

from cvdemo.example_pictures import example_head, example_picture
from tests.docs.code_blocks import block_with
from tests.ui.page_server import Server

NODE = str(Path(playwright.__file__).parent / "driver/node")
DOCUMENTED = "http://127.0.0.1:7860"
CHUNKS = Path(gradio.__file__).parent / "templates/node/build/server/chunks"
CONNECT = "static async connect"  # in the class `Client`
HANDLE_FILE = """
import { readFileSync } from "node:fs";
export const handle_file = (path) => new Blob([readFileSync(path)]);
"""
LIMIT_S = 120

PYTHON = block_with("python", "Cats and dogs")
PAINTING = block_with("python", "/stylize")
TEACHING = block_with("python", "/teach")
BY_HEAD = block_with("python", 'handle_file("head.safetensors")')
SEVERAL = block_with("python", "/classify_several")
FETCH = block_with("js", "fetch(")
JAVASCRIPT = block_with("js", "@gradio/client")
CURL = block_with("sh", "/gradio_api")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A reader's folder, with a photograph of a cat in it."""
    shutil.copy(example_picture("chelsea"), tmp_path / "photo.jpg")
    return tmp_path


def output(command: list[str], folder: Path) -> str:
    """What a program prints; it must succeed and complain of nothing, but for what old Node.js calls experimental."""
    quiet = {**os.environ, "NODE_NO_WARNINGS": "1"}
    done = subprocess.run(command, cwd=folder, env=quiet, capture_output=True, text=True, check=False, timeout=LIMIT_S)
    assert done.returncode == 0 and not done.stderr, done.stdout + done.stderr
    return done.stdout


def at(server: str, program: str) -> str:
    """The program, with the address of the page that runs in the place of the documented one."""
    assert DOCUMENTED in program
    return program.replace(DOCUMENTED, server)


def install_shipped_client(folder: Path) -> None:
    """Puts Gradio's own build of the JavaScript client where Node.js looks for `@gradio/client`."""
    (source,) = [text for file in CHUNKS.glob("*.js") if CONNECT in (text := file.read_text(encoding="utf-8"))]
    name = re.findall(r"([\w$]+)=class *\{", source.partition(CONNECT)[0])[-1]
    source = re.sub(r"(from |import |import\()(['\"])\./", rf"\1\2{CHUNKS.as_uri()}/", source)
    package = folder / "node_modules/@gradio/client"
    package.mkdir(parents=True)
    (package / "package.json").write_text('{"type": "module", "exports": "./client.js"}', encoding="utf-8")
    (package / "client.js").write_text(f"{source}\nexport {{ {name} as Client }};\n{HANDLE_FILE}", encoding="utf-8")


def test_the_python_program_runs(running: Server, folder: Path) -> None:
    classified, *previews = output([sys.executable, "-c", at(running.url, PYTHON)], folder).strip().splitlines()[1:]
    assert "cat" in classified
    assert len(previews) > 2 and previews[0].endswith(".jpeg") and previews[-1].endswith(".png")


def test_the_program_of_a_painting_and_a_film_runs(running: Server, folder: Path) -> None:
    shutil.copy(example_picture("styles/mosaic"), folder / "style.jpg")
    painting, film = output([sys.executable, "-c", at(running.url, PAINTING)], folder).strip().splitlines()[1:]
    assert "painted-photo-like-" in painting and "anime-faces-film-seed-" in film


# quick ones, of all kinds of values
SHOWN = ("/classify", "/classify_several", "/classify_taught", "/detect", "/sample", "/teach", "/upscale")


def shown_programs(running: Server) -> dict[str, dict[str, str]]:
    """What the page's own description of the API shows for each endpoint."""
    described = httpx.get(f"{running.url}/gradio_api/info", timeout=60).json()["named_endpoints"]
    return {name: endpoint["code_snippets"] for name, endpoint in described.items()}


def test_the_programs_that_the_page_shows_run_in_python(running: Server, folder: Path) -> None:
    programs = shown_programs(running)
    printed = output([sys.executable, "-c", "\n".join(programs[name]["python"] for name in SHOWN)], folder)
    assert "'label': 'cheetah'" in printed and "'detections'" in printed and "anime-faces" in printed
    assert "taught-" in printed and "upscaled-x2-cheetah.png" in printed and "'label': 'ink'" in printed
    assert "classes-of-2-pictures.zip" in printed and "'not_reached': 0" in printed


def test_the_program_that_the_page_shows_runs_in_bash(running: Server, folder: Path) -> None:
    program = shown_programs(running)["/classify"]["bash"]
    assert '"label": "cheetah"' in output(["bash", "-euo", "pipefail", "-c", program], folder)


def test_the_program_that_the_page_shows_runs_in_javascript(running: Server, folder: Path) -> None:
    install_shipped_client(folder)
    handed = 'export const handle_file = (url) => ({ path: url, meta: { _type: "gradio.FileData" } });'
    client = folder / "node_modules/@gradio/client/client.js"
    client.write_text(client.read_text(encoding="utf-8").replace(HANDLE_FILE, handed), encoding="utf-8")
    program = f"{shown_programs(running)['/classify']['javascript']}\nprocess.exit();"
    (folder / "shown.mjs").write_text(program, encoding="utf-8")
    assert "cheetah" in output([NODE, "shown.mjs"], folder)


def test_the_program_of_a_lesson_runs(running: Server, folder: Path) -> None:
    pictures = {"cup": ("stained_glass", (11, 12)), "key": ("ink_wash", (11, 12, 13))}
    for name, (kind, seeds) in pictures.items():
        for number, seed in enumerate(seeds, 1):
            shutil.copy(example_picture(f"taught/{kind}_{seed}"), folder / f"{name}{number}.jpg")
    shutil.copy(example_picture("taught/ink_wash_16"), folder / "new.jpg")
    *_, report, answer = output([sys.executable, "-c", at(running.url, TEACHING)], folder).strip().splitlines()
    assert report == "5 of 5" and "'label': 'keyboard'" in answer


def test_the_program_that_uses_a_head_runs(running: Server, folder: Path) -> None:
    shutil.copy(example_head(), folder)
    shutil.copy(example_picture("taught/ink_wash_16"), folder / "new.jpg")
    new, photo = output([sys.executable, "-c", at(running.url, BY_HEAD)], folder).strip().splitlines()[1:]
    assert new.startswith("new.jpg ink 0.9") and photo.startswith("photo.jpg ")


def test_the_program_for_several_pictures_runs(running: Server, folder: Path) -> None:
    shutil.copy(example_picture("styles/mosaic"), folder / "style.jpg")
    photo, style, names, compared = output([sys.executable, "-c", at(running.url, SEVERAL)], folder).splitlines()[1:]
    assert photo == "photo.jpg tiger cat" and style.startswith("style.jpg ")
    assert names == "['upscaled-x2-photo.png', 'upscaled-x2-style.png']" and compared == "tiger cat tiger cat"


def test_the_curl_program_runs_in_bash(running: Server, folder: Path) -> None:
    printed = output(["bash", "-euo", "pipefail", "-c", at(running.url, CURL)], folder)
    assert printed.startswith('event: complete\ndata: [{"label": "tiger cat"')


def test_the_javascript_program_without_a_package_runs(running: Server, folder: Path) -> None:
    (folder / "classify.mjs").write_text(at(running.url, FETCH), encoding="utf-8")
    assert "label: 'tiger cat'" in output([NODE, "classify.mjs"], folder)


def test_the_javascript_program_runs_with_the_client_that_gradio_ships(running: Server, folder: Path) -> None:
    install_shipped_client(folder)
    (folder / "demos.mjs").write_text(at(running.url, JAVASCRIPT), encoding="utf-8")
    printed = output([NODE, "demos.mjs"], folder)
    previews = re.findall(rf"^{running.url}/\S+$", printed, re.MULTILINE)
    assert "tiger cat" in printed
    assert len(previews) > 2 and previews[0].endswith(".jpeg") and previews[-1].endswith(".png")


def test_the_javascript_program_names_endpoints_and_fields_of_the_page(running: Server) -> None:
    described = httpx.get(f"{running.url}/gradio_api/info", timeout=60).json()["named_endpoints"]
    calls = re.findall(r'client\.(?:predict|submit)\("(/\w+)", \{(.*)\}\)', JAVASCRIPT)
    assert [endpoint for endpoint, _ in calls] == ["/classify", "/dream"]
    for endpoint, fields in calls:
        known = {parameter["parameter_name"] for parameter in described[endpoint]["parameters"]}
        assert set(re.findall(r"(\w+):", fields)) <= known
