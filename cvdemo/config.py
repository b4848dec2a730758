"""Settings with a default, a unit and a range, told once.

A demo's config is a frozen dataclass whose fields are made by `setting`. The page builds its sliders, and the
command line its options, from the same field; the dataclass itself refuses values out of range.
"""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

SETTING_KEY = "cvdemo"


@dataclass(frozen=True, kw_only=True)
class Setting:
    """What a field may hold: `minimum` <= value <= `maximum` in `step`s, or one of `choices`."""

    label: str
    help: str = ""
    unit: str = ""
    minimum: float | None = None
    maximum: float | None = None
    step: float | None = None
    choices: tuple[Any, ...] | None = None


def setting(
    default: Any,
    label: str,
    *,
    help: str = "",
    unit: str = "",
    minimum: float | None = None,
    maximum: float | None = None,
    step: float | None = None,
    choices: Sequence[Any] | None = None,
) -> Any:
    """A dataclass field with `default` that knows its label, help text, unit and allowed values."""
    described = Setting(
        label=label,
        help=help,
        unit=unit,
        minimum=minimum,
        maximum=maximum,
        step=step,
        choices=None if choices is None else tuple(choices),
    )
    return dataclasses.field(default=default, metadata={SETTING_KEY: described})


def settings_of(config: "type[Config] | Config") -> dict[str, Setting]:
    """The described fields of a config, by field name, in the order of definition."""
    return {f.name: f.metadata[SETTING_KEY] for f in dataclasses.fields(config) if SETTING_KEY in f.metadata}


def default_of(config: type["Config"], name: str) -> Any:
    """The default value of one field."""
    return {f.name: f.default for f in dataclasses.fields(config)}[name]


@dataclass(frozen=True, kw_only=True)
class Config:
    """Base of every config: checks each described field against its range when it is made.

    Raises:
        ValueError: a value is out of range or not among the choices; names field, value and range.
    """

    def __post_init__(self) -> None:
        for name, described in settings_of(self).items():
            _check(name, getattr(self, name), described)


def _check(name: str, value: Any, described: Setting) -> None:
    if described.choices is not None and value not in described.choices:
        raise ValueError(f"{name} must be one of {list(described.choices)}, got {value!r}")
    low, high = described.minimum, described.maximum
    if low is not None and value is not None and not low <= value:
        raise ValueError(f"{name} must be at least {low}, got {value!r}")
    if high is not None and value is not None and not value <= high:
        raise ValueError(f"{name} must be at most {high}, got {value!r}")
