"""Settings: defaults, ranges and choices come from one place and are enforced."""

from dataclasses import FrozenInstanceError, dataclass

import pytest

from cvdemo.config import Config, Setting, default_of, setting, settings_of
from cvdemo.errors import InputError


@dataclass(frozen=True, kw_only=True)
class Example(Config):
    steps: int = setting(10, "Steps", minimum=1, maximum=20, step=1, unit="steps", help="How many.")
    layer: str = setting("a", "Layer", choices=("a", "b"))
    plain: int = 3
    rate: float = setting(0.5, "Rate", minimum=0, maximum=1)
    scale: int = setting(2, "Scale", choices=(2, 3))
    on: bool = setting(False, "On")
    title: str = setting("a", "Title")
    limit: int | None = setting(None, "Limit", minimum=1)
    decay: float = setting(0.9, help="Of an average.", minimum=0, below=1)
    share: float = setting(0.5, above=0, maximum=1)
    seed: int = setting(0)
    sizes: tuple[int, ...] = setting((3, 5), minimum=1, min_count=1)
    names: tuple[str, ...] = setting((), choices=("x", "y"))


@dataclass(frozen=True, kw_only=True)
class Other(Example):
    steps: int = 15
    names: tuple[str, ...] = ("x",)


def test_settings_are_described_in_order() -> None:
    described = settings_of(Example)
    assert list(described) == [
        "steps",
        "layer",
        "rate",
        "scale",
        "on",
        "title",
        "limit",
        "decay",
        "share",
        "seed",
        "sizes",
        "names",
    ]
    assert described["steps"].unit == "steps" and described["layer"].choices == ("a", "b")
    assert default_of(Example, "steps") == 10 and default_of(Example, "plain") == 3


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"steps": 0}, "steps must be at least 1, got 0"),
        ({"steps": 21}, "steps must be at most 20, got 21"),
        ({"steps": float("nan")}, "steps must be at least 1, got nan"),
        ({"steps": None}, "steps must be a number, got None"),
        ({"steps": "3"}, "steps must be a number, got '3'"),
        ({"steps": True}, "steps must be a number, got True"),
        ({"steps": 2.5}, r"steps must be a whole number, got 2\.5"),
        ({"steps": float("inf")}, "steps must be at most 20, got inf"),
        ({"on": None}, "on must be true or false, got None"),
        ({"scale": None}, r"scale must be one of \[2, 3\], got None"),
        ({"title": 3}, "title must be text, got 3"),
        ({"limit": 0}, "limit must be at least 1, got 0"),
        ({"decay": 1}, "decay must be below 1, got 1"),
        ({"decay": float("nan")}, "decay must be at least 0, got nan"),
        ({"share": 0}, "share must be above 0, got 0"),
        ({"seed": float("nan")}, "seed must be a whole number, got nan"),
        ({"seed": float("inf")}, "seed must be a whole number, got inf"),
        ({"sizes": (3, 0)}, "sizes must be at least 1, got 0"),
        ({"sizes": (3, 2.5)}, r"sizes must be a whole number, got 2\.5"),
        ({"sizes": ()}, r"sizes must have at least 1 values, got \(\)"),
        ({"sizes": 3}, "sizes must be several values, got 3"),
        ({"names": ("x", "z")}, r"names must be one of \['x', 'y'\], got 'z'"),
        ({"layer": "c"}, r"layer must be one of \['a', 'b'\], got 'c'"),
    ],
)
def test_values_out_of_range_are_refused(values: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Example(**values)  # type: ignore[arg-type]  # wrong on purpose


def test_values_arrive_as_their_own_type() -> None:
    config = Example(steps=3.0, scale=3.0, rate=1)  # type: ignore[arg-type]  # wrong on purpose
    assert repr(config.steps) == "3" and repr(config.scale) == "3" and config.rate == 1 and config.limit is None


def test_a_visitor_gets_the_same_sentence() -> None:
    with pytest.raises(InputError, match="steps must be at least 1"):
        Example(steps=0)


def test_limits_are_allowed_and_configs_are_frozen() -> None:
    assert Example(steps=1).steps == 1 and Example(steps=20).steps == 20
    with pytest.raises(FrozenInstanceError):
        Example().steps = 2  # type: ignore[misc]  # frozen: wrong on purpose


def test_a_subclass_keeps_the_description_of_what_it_sets_anew() -> None:
    assert settings_of(Other) == settings_of(Example) and default_of(Other, "steps") == 15
    with pytest.raises(ValueError, match="steps must be at most 20, got 21"):
        Other(steps=21)
    with pytest.raises(ValueError, match="names must be one of"):
        Other(names=("z",))


def test_several_values_become_a_tuple() -> None:
    config = Example(sizes=[7.0, 9], names=["y", "x"])  # type: ignore[arg-type]  # as JSON sends them
    assert repr(config.sizes) == "(7, 9)" and config.names == ("y", "x")


@pytest.mark.parametrize(
    ("name", "words"),
    [("rate", "0 to 1"), ("decay", "at least 0 and below 1"), ("share", "above 0 and at most 1"), ("seed", "")],
)
def test_ranges_are_told_in_words(name: str, words: str) -> None:
    assert settings_of(Example)[name].range_words == words


def test_programs_are_told_what_each_choice_means() -> None:
    words = {"a": "the first", "b": "b: the second"}
    described = Setting(help="Which.", choices=("a", "b"), choice_words=words)
    assert described.help_on_choices == "Which. a: the first."  # the other one begins with its value
    assert Setting(help="Which.").help_on_choices == "Which." and Setting().help_on_choices == ""
