"""The zoom film on the Dream tab: its handlers with a stand-in for the work; in a browser, `test_dream_page.py`."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import gradio as gr
import numpy as np
import pytest

from cvdemo.demo import Step
from cvdemo.dream.deepdream import DreamConfig
from cvdemo.dream.picture_recipe import dreamed_png
from cvdemo.dream.presets import PRESETS
from cvdemo.dream.zoom_film import DreamFilm, DreamFilmRequest, ZoomFilmConfig
from cvdemo.images import ImageArray
from cvdemo.limits import DREAM_FILM_S
from cvdemo.ui import dream_film
from cvdemo.ui.dream import TAB
from cvdemo.ui.wiring.controls import example_picture
from tests.ui.tab_handlers import drawn, endpoint_of

CHELSEA = example_picture("chelsea")
CONFIG = DreamConfig(layer="block5", steps=7, seed=11)


class StandIn:
    """Does what a film of 4 frames does, in no time; keeps the requests."""

    def __init__(self, done: int = 4) -> None:
        self.requests: list[DreamFilmRequest] = []
        self.done = done

    def __call__(self, request: DreamFilmRequest) -> Iterator[Step[DreamFilm]]:
        self.requests.append(request)
        grey = np.full((40, 60, 3), 90, np.uint8)
        for number in range(1, self.done + 1):
            yield Step(done=number, total=4, preview=grey, seconds_left=None if number == 1 else 4.0 - number)
        film = DreamFilm({name: name.encode() for name in request.formats}, self.done, 4)
        yield Step(done=self.done, total=4, preview=grey, result=film, complete=self.done == 4)


@pytest.fixture
def dreamed(noise: ImageArray, tmp_path: Path) -> str:
    """The file of a dream."""
    path = tmp_path / "dream.png"
    path.write_bytes(dreamed_png(noise, CONFIG))
    return str(path)


def film_button(run: Any) -> Any:
    """What "Make the film" starts."""
    functions = drawn(lambda: TAB.build(run)).fns.values()
    return [each.fn for each in functions if getattr(each.fn, "__name__", "") == "_film_on_page"][-1]


def values(**chosen: Any) -> list[Any]:
    config = ZoomFilmConfig(**chosen)
    return [getattr(config, name) for name in dream_film.FILM_SETTINGS]


def test_the_page_shows_each_frame_and_then_the_film(dreamed: str, noise: ImageArray) -> None:
    stand_in = StandIn()
    *running, last = film_button(stand_in)(dreamed, None, *values(frames=4, zoom=1.1))
    assert [status for *_, status in running] == [
        "Frame 1 of 4",
        "Frame 2 of 4, about 2 s left",
        "Frame 3 of 4, about 1 s left",
        "Frame 4 of 4, about 0 s left",
    ]
    assert all(Path(frame.value["path"]).suffix == ".jpeg" and frame.visible for _, frame, *_ in running)
    film, frame, gif, status = last
    assert Path(film).name == "zoom-film-dream.mp4" and Path(film).read_bytes() == b"mp4"
    assert not frame.visible and gif.visible and Path(gif.value["path"]).read_bytes() == b"gif"
    assert status.startswith("4 frames in ")
    (request,) = stand_in.requests
    assert request.config == CONFIG and request.film == ZoomFilmConfig(frames=4, zoom=1.1)
    assert request.formats == ("mp4", "gif") and request.time_limit_s == DREAM_FILM_S
    np.testing.assert_array_equal(request.image, noise)


def test_the_page_says_when_the_time_limit_ended_it(dreamed: str) -> None:
    *_, (_, _, gif, status) = film_button(StandIn(done=2))(dreamed, None, *values())
    assert "It stopped at the limit of 120 s, after 2 of 4 frames: the film ends there." in status
    assert Path(gif.value["path"]).name == "zoom-film-dream_incomplete.gif"


@pytest.mark.parametrize("path", [None, CHELSEA], ids=["nothing", "a preview"])
def test_there_is_no_film_of_what_is_no_finished_dream(path: str | None) -> None:
    with pytest.raises(gr.Error, match="There is no finished dream to dive into"):
        list(film_button(StandIn())(path, None, *values()))


def test_the_endpoint_streams_frames_and_gives_the_file(dreamed: str) -> None:
    stand_in = StandIn()
    outputs = list(endpoint_of(TAB, stand_in, "dream_film")(dreamed, frames=4, format="gif", guide=CHELSEA))
    assert [file for _, file in outputs[:-1]] == [None] * 4
    assert all(Path(frame).suffix == ".jpeg" for frame, _ in outputs)
    assert Path(outputs[-1][1]).name == "zoom-film-dream.gif" and Path(outputs[-1][1]).read_bytes() == b"gif"
    (request,) = stand_in.requests
    assert request.config == CONFIG and request.formats == ("gif",) and request.guide is not None


def test_what_is_sent_goes_before_the_recipe_and_the_preset(dreamed: str) -> None:
    stand_in = StandIn()
    call = endpoint_of(TAB, stand_in, "dream_film")
    for given in ({"seed": 4.0}, {"preset": "Tartan"}, {"preset": "Tartan", "layer": "block3"}):
        list(call(dreamed, **given))
    list(call(CHELSEA))
    own, eyes, layer, plain = (request.config for request in stand_in.requests)
    assert own == replace(CONFIG, seed=4) and eyes == PRESETS["Tartan"] and plain == DreamConfig()
    assert (layer.layer, layer.objective) == ("block3", "")


@pytest.mark.parametrize(("done", "warnings"), [(2, 1), (4, 0)])
def test_the_endpoint_says_when_the_time_limit_stopped_it(
    done: int, warnings: int, dreamed: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
    monkeypatch.setattr(gr, "Warning", said.append)
    *_, (_, path) = endpoint_of(TAB, StandIn(done), "dream_film")(dreamed)
    assert len(said) == warnings and all("after 2 of 4 frames" in text for text in said)
    assert Path(path).name == ("zoom-film-dream.mp4" if done == 4 else "zoom-film-dream_incomplete.mp4")
