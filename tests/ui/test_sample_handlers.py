"""What the Sample tab does with its pictures: requests that a stand-in takes, and values that the page shows."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import gradio as gr
import numpy as np
import pytest

from cvdemo.demo import Request, Step
from cvdemo.errors import InputError
from cvdemo.sample.generate import Pick, SampleConfig
from cvdemo.sample.run import (
    ANGLE,
    ArithmeticRequest,
    InterpolateRequest,
    PickedPicture,
    PicksRequest,
    SampleRequest,
    WalkRequest,
)
from cvdemo.ui import sample, sample_api, sample_explore, sample_picks
from cvdemo.ui.wiring.controls import given
from tests.ui.stand_in import StandIn

PICTURE = np.full((16, 16, 3), 90, np.uint8)
A, B, C = Pick(seed=1, index=2), Pick(seed=2), Pick(seed=3)
WALK = (2.0, 10, 3, 1)  # seconds, fps, stops, enlarge


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path))
    return tmp_path


def download_of(button: Any) -> Path:
    """The file behind a download button."""
    return Path(button.value["path"])


class Drawing(StandIn):
    """Draws each pick as a flat picture of its own; anything else as `StandIn` does."""

    def __call__(self, request: Request) -> Iterator[Step[Any]]:
        if not isinstance(request, PicksRequest):
            yield from super().__call__(request)
            return
        self.requests.append(request)
        drawn = [PickedPicture(PICTURE + np.uint8(pick.seed), np.arange(5, dtype=np.float32)) for pick in request.picks]
        yield Step(done=1, total=1, result=drawn)


def test_the_endpoint_asks_for_the_pictures_of_a_seed() -> None:
    run = StandIn(Step(done=1, total=1, result=[PICTURE] * 3))
    assert len(sample.sample_endpoint(run, "dcgan_anime", 3.0, 5, 0.7)) == 3  # type: ignore[arg-type]  # as JSON sends it
    (request,) = run.requests
    assert isinstance(request, SampleRequest)
    assert request.config == SampleConfig(count=3, seed=5, truncation=0.7)


def test_the_page_shows_pictures_and_downloads_of_one_drawing() -> None:
    run = StandIn(Step(done=1, total=1, result=[PICTURE] * 5))
    gallery, status, sheet, archive, config = sample.sample_on_page(run, "dcgan_anime", 5, 12, 1.0)
    assert gallery.columns == 3 and status.startswith("5 pictures of seed 12 in") and config.seed == 12
    assert download_of(sheet).name == "anime-faces-seed-12-sheet.png"
    assert download_of(archive).name == "anime-faces-seed-12.zip"
    assert len(run.requests) == 1


def test_an_empty_seed_is_told() -> None:
    with pytest.raises(InputError, match="The seed is empty"):
        sample.sample_on_page(StandIn(), "dcgan_anime", 5, None, 1.0)


def test_a_click_draws_the_pick_once() -> None:
    run, click = Drawing(), cast(gr.SelectData, type("Click", (), {"index": 6}))
    shown = sample_picks.pick_on_page(run, SampleConfig(seed=12, truncation=0.5), click)
    pick, picture, name, plot, download = shown
    assert pick == Pick(seed=12, index=6, truncation=0.5) and picture[0, 0, 0] == 102
    assert name == "Picture 7 of seed 12, variety 0.5" and plot.count("<rect") == 5
    told = json.loads(download_of(download).read_text(encoding="utf-8"))
    assert (told["number"], told["index"], told["latent"]) == (7, 6, [0, 1, 2, 3, 4])
    assert len(run.requests) == 1
    with pytest.raises(InputError, match="Press “Generate” first"):
        sample_picks.pick_on_page(run, None, click)


def test_gradio_still_knows_that_a_click_wants_the_event() -> None:
    assert given(StandIn(), sample_picks.pick_on_page).__annotations__["event"] is gr.SelectData


def test_slots_are_drawn_together() -> None:
    run = Drawing()
    slots, html = sample_picks.use_as(run, 2, C, (A, None, None))
    assert slots == (A, None, C) and html.count("<img") == 2 and html.count("empty") == 2
    (request,) = run.requests
    assert isinstance(request, PicksRequest) and request.picks == (A, C)
    assert html.index("A: Picture 3 of seed 1") < html.index("C: Picture 1 of seed 3")
    emptied, html = sample_picks.clear_slots(run)
    assert emptied == (None, None, None) and "<img" not in html and len(run.requests) == 1
    with pytest.raises(InputError, match="Click a picture first; then it can be used as B"):
        sample_picks.use_as(run, 1, None, slots)


def test_the_way_from_a_to_b() -> None:
    run = StandIn(Step(done=4, total=4, result=[PICTURE] * 4, measures={ANGLE: 87.6}))
    gallery, strip, status = sample_explore.interpolate_on_page(run, (A, B, None), 4)
    (request,) = run.requests
    assert isinstance(request, InterpolateRequest) and request.picks == (A, B) and request.count == 4
    assert status.startswith("4 pictures in") and "88° apart" in status and gallery.columns == 4
    assert download_of(strip).name == "anime-faces-seed-1-no-03-to-seed-2-no-01.png"
    sample_api.interpolate_endpoint(run, "dcgan_anime", 1, 2, 2, 0, 8)
    assert isinstance(run.requests[1], InterpolateRequest) and run.requests[1].picks == (A, B)


def test_the_sum_of_three() -> None:
    run = Drawing(Step(done=1, total=1, result=PICTURE))
    html, result, status = sample_explore.calculate_on_page(run, (A, B, C))
    sums = [request for request in run.requests if isinstance(request, ArithmeticRequest)]
    assert [(request.a, request.b, request.c) for request in sums] == [(A, B, C)] and len(run.requests) == 2
    assert html.count("<img") == 3 and [html.count(f"<span>{sign}</span>") for sign in "−+="] == [1, 1, 1]
    assert result is PICTURE and status.startswith("Done in")
    with pytest.raises(InputError, match="but B and C are empty"):
        sample_explore.calculate_on_page(run, (A, None, None))


def test_a_walk_tells_its_frames_and_gives_the_film() -> None:
    run = StandIn(Step(done=16, total=20), Step(done=20, total=20, result=b"film"))
    first, last = sample_explore.walk_on_page(run, (None, None, None), "dcgan_anime", 7, 0.5, *WALK)
    (request,) = run.requests
    assert isinstance(request, WalkRequest) and request.picks == () and request.time_limit_s == 60
    assert request.source == Pick(seed=7, truncation=0.5) and request.config.stops == 3
    assert first[1] == "Frame 16 of 20"
    assert Path(last[0]).read_bytes() == b"film" and Path(last[0]).name == "anime-faces-film-seed-7.mp4"
    assert last[1].startswith("20 frames through 3 random pictures of seed 7 in")
    *_, (_, status) = sample_explore.walk_on_page(run, (A, None, C), "dcgan_anime", 7, 1.0, *WALK)
    assert status.startswith("20 frames through 2 picks in")


def test_a_walk_that_a_limit_ended_is_shown_and_told() -> None:
    run = StandIn(Step(done=16, total=20, result=b"film", complete=False))
    ((film, status),) = sample_explore.walk_on_page(run, (A, B, None), "dcgan_anime", 7, 1.0, *WALK)
    assert Path(film).read_bytes() == b"film"
    assert "Time ran out after 16 of 20 frames: the film ends there and does not loop" in status


def test_programs_get_the_film_and_hear_that_it_is_cut_short(monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    monkeypatch.setattr(gr, "Warning", said.append)
    whole = StandIn(Step(done=20, total=20, result=b"film"))
    film = Path(sample_api.walk_endpoint(whole, through=[[1, 2], [2, 0]]))
    assert film.read_bytes() == b"film" and film.name == "anime-faces-film-seed-1-no-03-seed-2-no-01.mp4" and not said
    (request,) = whole.requests
    assert isinstance(request, WalkRequest) and request.picks == (A, B) and request.time_limit_s == 60
    part = Path(sample_api.walk_endpoint(StandIn(Step(done=16, total=20, result=b"part", complete=False))))
    assert part.read_bytes() == b"part" and part.name == "anime-faces-film-seed-0_incomplete.mp4"
    assert said == ["Time ran out after 16 of 20 frames: the film ends there and does not loop; choose a shorter one."]


def test_nothing_to_enlarge_is_told() -> None:
    with pytest.raises(InputError, match="There is nothing to enlarge yet"):
        sample_explore.upscale_on_page(StandIn(), None, 2)
