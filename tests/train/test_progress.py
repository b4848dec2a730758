"""A bar on a terminal, lines elsewhere."""

import io

from train.progress import Progress


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
