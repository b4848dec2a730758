"""Ranges of searched settings: those that are declared, those given by hand, and what cannot be searched."""

from dataclasses import dataclass

import pytest

from cvdemo.config import setting
from train.engine.loop import LoopConfig
from train.recipes.cifar10 import Cifar10Config
from train.tools.search_ranges import Range, ranges_of


@dataclass(frozen=True, kw_only=True)
class Settings(LoopConfig):
    """Settings of each kind."""

    lr: float = setting(0.1, minimum=0)
    share: float = setting(0.5, minimum=0, maximum=1)
    depth: int = setting(3, minimum=1, maximum=9)
    flip: bool = setting(True)
    kind: str = setting("a", choices=("a", "b", "c"))
    widths: tuple[int, ...] = setting((1, 2), minimum=1)
    start: str = setting("")


def one(text: str) -> Range:
    (found,) = ranges_of([text], Settings)
    return found


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("lr=1e-4:1e-1:log", Range(name="lr", low=1e-4, high=0.1, log=True)),
        ("lr=0:0.5", Range(name="lr", low=0.0, high=0.5)),
        ("share", Range(name="share", low=0.0, high=1.0)),
        ("depth", Range(name="depth", low=1, high=9, whole=True)),
        ("depth=2:4", Range(name="depth", low=2, high=4, whole=True)),
        ("flip", Range(name="flip", choices=(False, True))),
        ("kind", Range(name="kind", choices=("a", "b", "c"))),
        ("kind=c,a", Range(name="kind", choices=("c", "a"))),
        ("batch-size=8:64:log", Range(name="batch_size", low=8, high=64, log=True, whole=True)),
    ],
)
def test_a_range_is_read(text: str, expected: Range) -> None:
    assert one(text) == expected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("nothing", "no setting named 'nothing'; there are steps"),
        ("lr", r"give the range of lr as lr=LOW:HIGH .* only declared to be at least 0"),
        ("seed", "it has no limits"),
        ("lr=1:2:3", "is LOW:HIGH or LOW:HIGH:log, got '1:2:3'"),
        ("lr=a:b", "is LOW:HIGH or LOW:HIGH:log, got 'a:b'"),
        ("lr=2:1", "need low < high of lr, got 2 and 1"),
        ("lr=0:1:log", "need 0 < low < high of lr"),
        ("lr=0:inf", "need low < high"),
        ("lr=-1:1", "lr must be at least 0, got -1"),
        ("share=0:2", "share must be at most 1, got 2"),
        ("depth=1.5:3", "depth must be a whole number, got 1.5"),
        ("kind=a", "kind needs two or more of a, b, c, with commas, got 'a'"),
        ("kind=a,d", "kind needs two or more of a, b, c"),
        ("widths", "widths holds several values"),
        ("start", "start is no number and has no choices"),
        ("epochs=1:9", "epochs cannot be searched: trials are compared at equal evaluations"),
    ],
)
def test_what_cannot_be_searched_is_told(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        one(text)


def test_a_search_has_ranges_and_each_setting_one() -> None:
    with pytest.raises(ValueError, match="needs a --range or more"):
        ranges_of([], Settings)
    with pytest.raises(ValueError, match="given twice: lr"):
        ranges_of(["lr=1:2", "share", "lr=3:4"], Settings)


def test_a_real_recipe_declares_ranges() -> None:
    names = {
        each.name: each for each in ranges_of(["optimizer", "momentum=0.5:0.95", "alternate_flips"], Cifar10Config)
    }
    assert "muon" in names["optimizer"].choices and names["alternate_flips"].choices == (False, True)


def test_ranges_have_words() -> None:
    assert one("lr=1e-4:1e-1:log").words == "lr: 0.0001 to 0.1, by its logarithm"
    assert one("kind").words == "kind: a, b, c"
