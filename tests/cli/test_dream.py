"""`dream --recipe` and `dream-film`: where the settings come from, what is written, and what is refused."""

import io
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cvdemo.cli import dream_film
from cvdemo.cli.run import main
from cvdemo.cli.verbs import PICTURE_VERBS
from cvdemo.demo import Step
from cvdemo.dream import run as dream_run
from cvdemo.dream import zoom_film
from cvdemo.dream.deepdream import DreamConfig
from cvdemo.dream.picture_recipe import dreamed_png, read_recipe
from cvdemo.dream.zoom_film import DreamFilm, DreamFilmRequest, ZoomFilmConfig
from cvdemo.images import ImageArray
from tests.dream.tiny_network import TinyNetwork
from tests.helpers.command_line import StandIn

CONFIG = DreamConfig(layer="block5", steps=2, octaves=1, size_px=128, jitter_px=8, seed=4)


@pytest.fixture
def dreamed(here: Path, noise: ImageArray) -> Path:
    Path("dream.png").write_bytes(dreamed_png(noise, CONFIG))
    return Path("dream.png")


@pytest.fixture
def requests(monkeypatch: pytest.MonkeyPatch) -> list[DreamFilmRequest]:
    """What films were asked for; a stand-in makes them."""
    asked: list[DreamFilmRequest] = []

    def run(request: DreamFilmRequest) -> Iterator[Step[DreamFilm]]:
        asked.append(request)
        yield Step(done=1, total=2)
        yield Step(done=2, total=2, result=DreamFilm(dict.fromkeys(request.formats, b"film"), 2, 2))

    monkeypatch.setattr(dream_film, "run", run)
    return asked


def test_a_recipe_gives_the_settings_and_options_go_before_it(dreamed: Path, stand_in: StandIn) -> None:
    assert main(["dream", "a.png", "b.png", "--recipe", "dream.png", "--steps", "5"]) == 0
    ((config, _),) = stand_in.prepared
    assert config == replace(CONFIG, steps=5)


def test_what_is_missing_of_a_recipe_is_told(
    here: Path, noise: ImageArray, stand_in: StandIn, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("dream.png").write_bytes(dreamed_png(noise, CONFIG, guided=True).replace(b'"octaves": 1', b'"octavos": 1'))
    data = bytearray(Path("dream.png").read_bytes())
    assert read_recipe(bytes(data)) is None  # its checksum is wrong now, so that nothing of it is read
    assert main(["dream", "a.png", "b.png", "--recipe", "dream.png"]) == 2
    assert "dream.png holds no recipe: it has to be a PNG that was dreamed here" in capsys.readouterr().err
    Path("dream.png").write_bytes(dreamed_png(noise, CONFIG, guided=True))
    assert main(["dream", "a.png", "b.png", "--recipe", "dream.png"]) == 0
    assert capsys.readouterr().err == "It followed a guide picture, which is not in the file: please choose it again.\n"


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["dream", "a.png", "b.png", "--recipe", "none.png"], "There is no picture file none.png."),
        (["dream", "a.png", "b.png", "--recipe", "a.png"], "a.png holds no recipe"),
        (["dream-film", "none.png", "b.mp4"], "There is no picture file none.png."),
        (["dream-film", "a.png", "b.avi"], "OUT has to end in .mp4 or .gif; it is b.avi."),
        (["dream-film", "a.png", "taken.gif"], "There is already taken.gif: give another OUT, or --overwrite."),
        (["dream-film", "a.png", "b.gif", "--recipe", "a.png"], "a.png holds no recipe"),
        (["dream-film", "a.png", "b.gif", "--guide", "none.png"], "The guide picture, none.png: There is no file"),
        (["dream-film", "a.png", "b.gif", "--frames", "1"], "frames must be at least 2, got 1"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_what_cannot_be_used_is_said(
    arguments: list[str],
    sentence: str,
    here: Path,
    stand_in: StandIn,
    requests: list[DreamFilmRequest],
    capsys: pytest.CaptureFixture[str],
) -> None:
    Path("taken.gif").write_bytes(b"mine")
    try:
        code: object = main(arguments)
    except SystemExit as usage:
        code = usage.code
    assert code == 2 and sentence in capsys.readouterr().err
    assert not requests and not stand_in.prepared and Path("taken.gif").read_bytes() == b"mine"


def test_a_preset_and_a_recipe_exclude_each_other(dreamed: Path, capsys: pytest.CaptureFixture[str]) -> None:
    name = next(iter(PICTURE_VERBS["dream"].presets))
    for verb, output in (("dream", "b.png"), ("dream-film", "b.mp4")):
        with pytest.raises(SystemExit, match="2"):
            main([verb, "dream.png", output, "--preset", name, "--recipe", "dream.png"])
        assert "not allowed with argument" in capsys.readouterr().err


def test_a_film_takes_the_settings_of_the_picture_that_it_begins_with(
    dreamed: Path, noise: ImageArray, requests: list[DreamFilmRequest], capsys: pytest.CaptureFixture[str]
) -> None:
    presets = PICTURE_VERBS["dream"].presets
    name = list(presets)[1]
    assert main(["dream-film", "dream.png", "a.mp4", "--zoom", "1.1", "--seed", "7", "--device", "cpu"]) == 0
    assert capsys.readouterr().out == "dream.png -> a.mp4: 2 frames, 15 a second, 0.0 MB\n"
    assert main(["dream-film", "dream.png", "b.gif", "--preset", name.upper(), "--guide", "a.png", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told == {"file": "dream.png", "output": "b.gif", "frames": 2, "bytes": 4}
    assert (
        main(["dream-film", "a.png", "c.gif"]) == main(["dream-film", "a.png", "d.gif", "--recipe", "dream.png"]) == 0
    )
    own, preset, plain, other = requests
    assert own.config == replace(CONFIG, seed=7) and own.film == ZoomFilmConfig(zoom=1.1) and own.formats == ("mp4",)
    assert preset.config == presets[name] and preset.guide is not None and preset.formats == ("gif",)
    assert plain.config == DreamConfig() and other.config == CONFIG
    np.testing.assert_array_equal(own.image, noise)
    assert Path("a.mp4").read_bytes() == Path("b.gif").read_bytes() == b"film"


def test_a_dream_writes_its_recipe_and_a_film_begins_with_it(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    network = TinyNetwork()
    for module in (dream_run, zoom_film):
        monkeypatch.setattr(module, "load_dream_network", lambda device: network)
    monkeypatch.setattr("cvdemo.cli.verbs.load_dream_network", lambda device: network)
    small = ["--size-px", "128", "--octaves", "1", "--steps", "1", "--jitter-px", "8"]
    assert main(["dream", "a.png", "b.png", *small, "--layer", "block1"]) == 0
    recipe = read_recipe(Path("b.png").read_bytes())
    assert recipe is not None and (recipe.config.layer, recipe.config.size_px) == ("block1", 128)
    assert main(["dream-film", "b.png", "c.gif", "--frames", "2", "--film-px", "128", "--frame-steps", "1"]) == 0
    with Image.open(io.BytesIO(Path("c.gif").read_bytes())) as film:
        assert film.size == (128, 96)
