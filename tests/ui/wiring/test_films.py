"""Films on the page: before the work begins nothing is told of how long another video took; then its request tells."""

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import gradio as gr
import pytest

from cvdemo.errors import InputError
from cvdemo.ui.serving.estimates import Estimates
from cvdemo.ui.wiring import parts
from cvdemo.ui.wiring.films import chosen_video, film_part
from cvdemo.ui.wiring.parts import Part, interruptible
from tests.ui.tab_handlers import drawn


def test_a_film_is_not_said_to_take_as_long_as_another_video(monkeypatch: pytest.MonkeyPatch) -> None:
    event: Any = SimpleNamespace(_id="b", alive=True, session_hash="s", fn=SimpleNamespace(_id=1, fn=None), data=None)
    estimates, made = Estimates(), list[Part]()
    estimates.finish("a")
    estimates.ended(SimpleNamespace(_id="a", fn=event.fn, data=None), 60.0)  # type: ignore[arg-type]  # an event's part
    monkeypatch.setattr(parts, "running_event", lambda: event)
    monkeypatch.setattr(parts, "of_page", lambda: estimates)

    def draw() -> None:
        status = gr.Markdown()
        made.append(film_part("film", [], [], gr.Image(), gr.Video(), status))

    def work() -> Iterator[Any]:
        estimates.begin("b", 8.0)
        yield gr.skip(), gr.skip(), "Frame 1 of 9"

    drawn(draw)
    assert [line for *_, line in interruptible(work, made[0])()] == ["Frame 1 of 9. About 8 s left."]


def test_without_a_video_it_says_what_to_do() -> None:
    with pytest.raises(InputError, match="Please choose a video first"):
        chosen_video(None)
