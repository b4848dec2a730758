"""The table of first visits."""

from bench.first_load import Visit, row


def test_a_row_holds_the_medians() -> None:
    visits = [Visit(0.5, 2.0, 400_000, 60), Visit(0.1, 1.0, 410_000, 61), Visit(0.2, 3.0, 420_000, 62)]
    assert row(visits) == "| 0.20 | 2.00 | 410 | 61 |"
