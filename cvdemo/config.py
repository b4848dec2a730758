"""Settings with a default, a unit and a range, told once.

A demo's config is a frozen dataclass whose fields are made by `setting`. The page builds its sliders, and the
command line its options, from the same field; the dataclass itself refuses values out of range.
"""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from cvdemo.errors import InputError, brief

SETTING_KEY = "cvdemo"
SEED_MAX = 2**31 - 1  # seeds stay whole numbers in every browser, and fit a C int


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


class SettingError(InputError, ValueError):
    """A value that a setting cannot take: a broken contract for a caller, a plain sentence for a visitor."""


@dataclass(frozen=True, kw_only=True)
class Config:
    """Base of every config: checks each described field when it is made, and brings it to its own type.

    A whole number that arrives as 2.0, as sliders and JSON send it, becomes the int 2.

    Raises:
        SettingError: a value is no number, no whole number, out of range or not among the choices; names the field,
            the range and the value.
    """

    def __post_init__(self) -> None:
        for name, described in settings_of(self).items():
            value = _checked(name, getattr(self, name), default_of(type(self), name), described)
            object.__setattr__(self, name, value)


def _checked(name: str, value: Any, default: Any, described: Setting) -> Any:
    """The value as the field's own type."""
    if described.choices is not None:
        if isinstance(value, bool | list) or value not in described.choices:
            raise SettingError(f"{name} must be one of {list(described.choices)}, got {brief(value)}")
        return described.choices[described.choices.index(value)]
    if isinstance(default, bool):
        if not isinstance(value, bool):
            raise SettingError(f"{name} must be true or false, got {brief(value)}")
        return value
    if isinstance(default, str):
        if not isinstance(value, str):
            raise SettingError(f"{name} must be a text, got {brief(value)}")
        return value
    if value is None and default is None:
        return None
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise SettingError(f"{name} must be a number, got {brief(value)}")
    low, high = described.minimum, described.maximum
    if low is not None and not low <= value:
        raise SettingError(f"{name} must be at least {low}, got {brief(value)}")
    if high is not None and not value <= high:
        raise SettingError(f"{name} must be at most {high}, got {brief(value)}")
    if isinstance(default, int):
        if value != int(value):
            raise SettingError(f"{name} must be a whole number, got {brief(value)}")
        return int(value)
    return value
