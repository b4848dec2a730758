"""What the verb `stylize` takes beside its settings."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from cvdemo.cli import verbs
from cvdemo.cli.run import main
from cvdemo.cli.stylize import with_value
from cvdemo.demo import Step
from cvdemo.images import ImageArray
from cvdemo.style.feed_forward import InstantConfig
from cvdemo.style.run import InstantRequest, StyleRequest, Stylized
from tests.helpers import instant_weights
from tests.helpers.png_files import save_png


@pytest.fixture
def here(tmp_path: Path, noise: ImageArray, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with some pictures, in which the command line runs."""
    monkeypatch.chdir(tmp_path)
    for number, name in enumerate(("a", "style", "second", "start")):
        save_png(np.roll(noise, number, axis=0), f"{name}.png")
    half = np.zeros(noise.shape[:2], np.uint8)
    half[:, 32:] = 255
    Image.fromarray(half).save("mask.png")
    return tmp_path


@pytest.fixture
def requests(monkeypatch: pytest.MonkeyPatch) -> list[StyleRequest]:
    """What is asked for, by command lines that do no work."""
    asked: list[StyleRequest] = []

    def run(request: StyleRequest) -> Any:
        asked.append(request)
        measures = dict.fromkeys(("content_loss", "style_loss", "tv_loss"), 0.5)
        yield Step(done=1, total=1, measures=measures, result=Stylized(request.content, 1, 1))

    monkeypatch.setattr(verbs, "run", run)
    monkeypatch.setattr(verbs, "load_backbone", lambda device: None)
    monkeypatch.setattr(verbs, "load_painter", lambda device: None)
    return asked


def test_pictures_beside_in_are_read(here: Path, requests: list[StyleRequest]) -> None:
    options = [
        "--style",
        "style.png",
        "--also",
        "second.png",
        "0.5",
        "--mask",
        "mask.png",
        "--start-image",
        "start.png",
    ]
    assert main(["stylize", "a.png", "out.png", *options, "--seconds", "5", "--keep-colours", "luminance"]) == 0
    (request,) = requests
    assert (request.config.seconds, request.config.keep_colours) == (5.0, "luminance")
    ((second, weight),) = request.styles
    assert weight == 0.5 and not np.array_equal(second, request.style)
    assert request.mask is not None and request.mask.shape == (48, 64)
    assert request.mask[:, :32].max() == 0 and request.mask[:, 32:].min() == 255
    assert request.start_image is not None and request.content.shape == (48, 64, 3)


def test_a_style_alone_is_enough(here: Path, requests: list[StyleRequest]) -> None:
    assert main(["stylize", "a.png", "out.png", "--style", "style.png"]) == 0
    (request,) = requests
    assert (request.styles, request.mask, request.start_image, request.config.seconds) == ((), None, None, None)


@pytest.mark.parametrize(
    ("options", "kept"),
    [
        (["--keep-colours"], "statistics"),
        (["--no-keep-colours"], "no"),
        (["--keep-colours", "--size", "128"], "statistics"),
        (["--keep-colours", "Luminance"], "luminance"),
        ([], "no"),
    ],
)
def test_colours_are_kept_by_the_switches_of_old(
    here: Path, requests: list[StyleRequest], options: list[str], kept: str
) -> None:
    assert main(["stylize", *options, "a.png", "out.png", "--style", "style.png"]) == 0
    assert requests[0].config.keep_colours == kept


def test_other_words_are_left_alone() -> None:
    words = ["stylize", "a.png", "--keep-colours", "statistics", "--size", "128"]
    assert with_value(words) == words


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--also", "gone.png", "1"], "The style picture, gone.png: There is no file gone.png."),
        (["--also", "second.png", "much"], "The weight of --also must be a number, got much."),
        (["--mask", "gone.png"], "The mask, gone.png: There is no file gone.png."),
        (["--start-image", "gone.png"], "The start picture, gone.png: There is no file gone.png."),
        (["--mask", "-", "--also", "-", "1"], "Standard input is one picture: --mask or --also, not both."),
    ],
)
def test_what_cannot_be_used_is_named(
    here: Path, requests: list[StyleRequest], capsys: pytest.CaptureFixture[str], options: list[str], sentence: str
) -> None:
    assert main(["stylize", "a.png", "out.png", "--style", "style.png", *options]) == 2
    assert capsys.readouterr().err == f"{sentence}\n"
    assert not requests


@pytest.mark.parametrize("name", ["style.png", "second.png", "mask.png", "start.png"])
def test_pictures_that_are_read_are_never_replaced(
    here: Path, requests: list[StyleRequest], capsys: pytest.CaptureFixture[str], name: str
) -> None:
    options = ["--style", "style.png", "--also", "second.png", "1", "--mask", "mask.png", "--start-image", "start.png"]
    assert main(["stylize", "a.png", name, *options, "--overwrite"]) == 2
    assert f"The result would overwrite {name}" in capsys.readouterr().err


def test_instant_takes_one_pass_and_the_same_pictures(here: Path, requests: list[Any]) -> None:
    options = ["--style", "style.png", "--also", "second.png", "0.5", "--mask", "mask.png", "--strength", "0.5"]
    assert main(["stylize", "a.png", "out.png", *options, "--instant"]) == 0
    assert (
        main(["stylize", "a.png", "two.png", *options, "--instant", "--preset", "bold-strokes", "--size", "4096"]) == 0
    )
    first, second = requests
    assert isinstance(first, InstantRequest) and first.config == InstantConfig(strength=0.5)
    assert first.content.shape == (48, 64, 3) and first.styles[0][1] == 0.5 and first.mask is not None
    assert second.config == InstantConfig(strength=0.5, style_scale=1.4, size=4096)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--instant", "--steps", "3"], "--steps changes nothing with --instant: please leave it out."),
        (["--instant", "--start", "noise"], "--start changes nothing with --instant: please leave it out."),
        (
            ["--instant", "--start-image", "start.png"],
            "--start-image changes nothing with --instant: please leave it out.",
        ),
        (["--instant", "--steadiness", "0.5"], "--steadiness changes nothing in a picture: please leave it out."),
        (["--steadiness", "0.5"], "--steadiness changes nothing in a picture: please leave it out."),
    ],
)
def test_what_the_instant_style_does_not_take_is_told(
    here: Path, requests: list[Any], capsys: pytest.CaptureFixture[str], options: list[str], sentence: str
) -> None:
    assert main(["stylize", "a.png", "out.png", "--style", "style.png", *options]) == 2
    assert capsys.readouterr().err == f"{sentence}\n" and not requests


def test_without_its_weight_the_instant_style_is_one_sentence(
    here: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    instant_weights.use(instant_weights.without_instant(here / "weights"), monkeypatch)
    assert main(["stylize", "a.png", "out.png", "--style", "style.png", "--instant"]) == 2
    said = "There is no instant style here: its network, instant_style, is not among the weights.\n"
    assert capsys.readouterr().err == said and not Path("out.png").exists()
