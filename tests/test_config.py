"""Settings: defaults, ranges and choices come from one place and are enforced."""

from dataclasses import FrozenInstanceError, dataclass

import pytest

from cvdemo.config import Config, default_of, setting, settings_of


@dataclass(frozen=True, kw_only=True)
class Example(Config):
    steps: int = setting(10, "Steps", minimum=1, maximum=20, step=1, unit="steps", help="How many.")
    layer: str = setting("a", "Layer", choices=("a", "b"))
    plain: int = 3


def test_settings_are_described_in_order() -> None:
    described = settings_of(Example)
    assert list(described) == ["steps", "layer"]
    assert described["steps"].unit == "steps" and described["layer"].choices == ("a", "b")
    assert default_of(Example, "steps") == 10 and default_of(Example, "plain") == 3


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"steps": 0}, "steps must be at least 1, got 0"),
        ({"steps": 21}, "steps must be at most 20, got 21"),
        ({"steps": float("nan")}, "steps must be at least 1, got nan"),
        ({"layer": "c"}, r"layer must be one of \['a', 'b'\], got 'c'"),
    ],
)
def test_values_out_of_range_are_refused(values: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Example(**values)  # type: ignore[arg-type]


def test_limits_are_allowed_and_configs_are_frozen() -> None:
    assert Example(steps=1).steps == 1 and Example(steps=20).steps == 20
    with pytest.raises(FrozenInstanceError):
        Example().steps = 2  # type: ignore[misc]
