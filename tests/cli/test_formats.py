"""Which files the command line writes: formats by their endings, folders, standard streams; never over another."""

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cvdemo.cli.run import main
from cvdemo.images import ImageArray, read_image
from cvdemo.nets.dcgan import Generator
from tests.helpers.command_line import StandIn, below, format_of


def test_formats_by_the_ending(here: Path, stand_in: StandIn) -> None:
    for name, expected in {"o.png": "PNG", "o.JPG": "JPEG", "o.jpeg": "JPEG", "o.webp": "WEBP"}.items():
        assert main(["upscale", "a.png", name]) == 0
        assert format_of(Path(name).read_bytes()) == expected
    assert main(["upscale", "photos", "out", "--format", "WebP"]) == 0
    assert below("out") == ["a.webp", "b.webp"] and format_of(Path("out/a.webp").read_bytes()) == "WEBP"
    assert main(["detect", "a.png", "boxes.jpg"]) == 0
    assert json.loads(Path("boxes.json").read_text()) == {"answer": 42}


def test_a_new_folder_for_one_file(here: Path, stand_in: StandIn) -> None:
    assert main(["upscale", "a.png", "new/deep/"]) == 0
    assert main(["classify", "a.png", "new/deep/"]) == 0
    assert below("new") == ["deep/a.json", "deep/a.png"]


class Binary(io.TextIOWrapper):
    """A text stream whose bytes can be looked at."""

    @property
    def held(self) -> bytes:
        self.flush()
        held = self.buffer.raw if isinstance(self.buffer, io.BufferedWriter) else self.buffer
        assert isinstance(held, io.BytesIO)
        return held.getvalue()


def test_standard_input_and_output(
    here: Path, noise: ImageArray, stand_in: StandIn, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    def feed() -> Binary:
        out = Binary(io.BytesIO(), encoding="utf-8")
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(Path("a.png").read_bytes())))
        monkeypatch.setattr("sys.stdout", out)
        return out

    out = feed()
    assert main(["upscale", "-", "-"]) == 0
    np.testing.assert_array_equal(read_image(out.held), noise[::-1])
    out = feed()
    assert main(["upscale", "-", "-", "--format", "webp"]) == 0
    assert format_of(out.held) == "WEBP"
    out = feed()
    assert main(["classify", "-", "-"]) == 0
    assert json.loads(out.held) == {"file": "-", "size_wh": [64, 48], "answer": 42}
    feed()
    assert main(["upscale", "-", "new/"]) == 0
    assert below("new") == ["stdin.png"]
    err = capsys.readouterr().err.splitlines()
    assert err == ["standard input: turned"] * 2


def test_without_a_standard_output(
    here: Path, stand_in: StandIn, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.stdout", None)
    assert main(["upscale", "a.png", "out.png"]) == 0
    for arguments in (["upscale", "a.png", "-"], ["classify", "a.png", "--json"]):
        assert main(arguments) == 2
    assert capsys.readouterr().err == "There is no standard output.\n" * 2


@pytest.fixture
def small_generator(monkeypatch: pytest.MonkeyPatch) -> None:
    generator = Generator(latent_dim=5, width=4, size=16).eval().requires_grad_(False)
    monkeypatch.setattr("cvdemo.sample.run.load_generator", lambda name, device: generator)


def test_samples_are_never_overwritten_either(
    here: Path, small_generator: None, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    film = ["--seconds", "2", "--fps", "10", "--enlarge", "1"]
    for arguments in (["out.v1/", "--count", "2"], ["g.webp"], ["walk.mp4", *film]):
        assert main(["sample", *arguments]) == 0
        before = {name: Path(name).read_bytes() for name in below(".")}
        with monkeypatch.context() as nothing_is_made:
            nothing_is_made.setattr("cvdemo.sample.run.load_generator", None)
            assert main(["sample", *arguments]) == 2
        assert {name: Path(name).read_bytes() for name in below(".")} == before
        assert main(["sample", *arguments, "--overwrite"]) == 0
    assert below("out.v1") == ["dcgan_anime_seed0_01.png", "dcgan_anime_seed0_02.png"]
    assert format_of(Path("g.webp").read_bytes()) == "WEBP"
    capsys.readouterr()
    assert main(["sample", "new", "--count", "1", "--format", "JPG", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told == {"output": "new", "files": ["new/dcgan_anime_seed0_01.jpg"], "pictures": 1}
