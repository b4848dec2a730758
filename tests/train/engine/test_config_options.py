"""Options and their help come from the fields of a config."""

import argparse
from dataclasses import dataclass
from typing import Literal, get_args

import pytest

from cvdemo.config import Config, setting
from train.engine.config_options import add_config_options, config_from, config_of

Kind = Literal["a", "b"]


@dataclass(frozen=True, kw_only=True)
class Base(Config):
    rate: float = setting(0.5, help="how fast, in % of all", minimum=0, below=1)
    side_px: int = setting(64, help="of a picture", unit="px", minimum=8)
    kind: Kind = setting("a", help="which one", choices=get_args(Kind))
    scale: int = setting(2, help="of both", choices=(2, 3))
    flips: bool = setting(True, help="mirrored too")
    sizes: tuple[int, ...] = setting((3, 5), help="of the layers", minimum=1)
    span: tuple[float, float] = setting((1.0, 1.0), help="from and to")
    names: tuple[str, ...] = setting((), help="what is done", choices=("x", "y"))


@dataclass(frozen=True, kw_only=True)
class Recipe(Base):
    side_px: int = 32


def parsed(*words: str) -> Recipe:
    parser = argparse.ArgumentParser()
    add_config_options(parser, Recipe)
    return config_from(parser.parse_args(words), Recipe)


def test_help_tells_meaning_unit_range_and_default() -> None:
    parser = argparse.ArgumentParser(formatter_class=lambda prog: argparse.HelpFormatter(prog, width=200))
    add_config_options(parser, Recipe)
    text = parser.format_help()
    for words in (
        "how fast, in % of all [at least 0 and below 1]; default 0.5",
        "of a picture [px, at least 8]; default 32",
        "{a,b}",
        "--flips, --no-flips",
        "of the layers [at least 1]; default (3, 5)",
    ):
        assert words in text


def test_options_become_a_config() -> None:
    assert parsed() == Recipe()
    words = [
        "--rate",
        "0.25",
        "--side-px",
        "8",
        "--kind",
        "b",
        "--scale",
        "3",
        "--no-flips",
        "--sizes",
        "7",
        "--span",
        "1",
        "2",
        "--names",
        "y",
        "x",
    ]
    expected = Recipe(
        rate=0.25, side_px=8, kind="b", scale=3, flips=False, sizes=(7,), span=(1.0, 2.0), names=("y", "x")
    )
    assert parsed(*words) == expected
    assert parsed("--names").names == ()


@pytest.mark.parametrize("words", [["--kind", "c"], ["--scale", "4"], ["--span", "1"], ["--names", "z"]])
def test_what_cannot_be_is_refused_by_the_parser(words: list[str]) -> None:
    with pytest.raises(SystemExit):
        parsed(*words)


def test_values_out_of_range_are_refused_by_the_config() -> None:
    with pytest.raises(ValueError, match="side_px must be at least 8, got 7"):
        parsed("--side-px", "7")


def test_recorded_lists_become_tuples() -> None:
    assert config_of({"sizes": [1, 2]}, Recipe).sizes == (1, 2)
