"""A bar on a terminal, lines elsewhere."""

import io
import math

import pytest

from train.engine.progress import Progress, duration


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_lines_are_rare_elsewhere_but_the_last_is_shown() -> None:
    stream = io.StringIO()
    progress = Progress(100, stream=stream)
    for done in range(1, 101):
        progress.update(done, "loss 1")
    lines = stream.getvalue().splitlines()
    assert [line.split()[0] for line in lines] == ["1/100", "100/100"]
    assert lines[-1].endswith("loss 1")


def test_a_terminal_gets_one_line_redrawn() -> None:
    stream = Terminal()
    progress = Progress(2, stream=stream)
    progress.update(1)
    progress.update(2)
    text = stream.getvalue()
    assert text.count("\n") == 1
    assert "#" * 30 in text.split("\r")[-1]


def test_time_left_counts_from_where_a_resumed_run_began() -> None:
    stream = io.StringIO()
    Progress(10, start=5, stream=stream).update(5)
    assert stream.getvalue().startswith("5/10 0.00/s")


def test_a_line_of_its_own_stands_above_the_bar() -> None:
    stream = Terminal()
    progress = Progress(9, stream=stream)
    progress.update(1)
    progress.say("warning: something")
    progress.say("and more")
    assert stream.getvalue().endswith("\rwarning: something\x1b[K\nand more\n")


def test_a_stopped_bar_ends_its_line_once() -> None:
    stream = Terminal()
    progress = Progress(9, stream=stream)
    progress.update(1)
    progress.close()
    progress.close()
    assert stream.getvalue().count("\n") == 1 and stream.getvalue().endswith("\n")


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.4, "0 s"), (89, "89 s"), (90, "2 min"), (3600, "60 min"), (11_100, "3 h 05 min"), (math.nan, "?")],
)
def test_durations_read_well(seconds: float, text: str) -> None:
    assert duration(seconds) == text
