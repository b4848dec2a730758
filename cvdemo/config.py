"""Settings with a default, a unit and a range, told once.

The config of a demo, or of a training recipe, is a frozen dataclass whose fields are made by `setting`. The page builds
its sliders, and the command lines their options, from the same field; the dataclass itself refuses values out of range.
A subclass that gives a field another default keeps its description.
"""

import dataclasses
import math
import operator
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from cvdemo.errors import InputError, brief

SETTING_KEY = "cvdemo"
SEED_MAX = 2**31 - 1  # seeds stay whole numbers in every browser, and fit a C int


@dataclass(frozen=True, kw_only=True)
class Setting:
    """What a field may hold, or each value of a field of several.

    Attributes:
        label: on the page. help: a sentence or two. unit: of the numbers.
        minimum, maximum: allowed themselves. above, below: not allowed themselves. step: of a slider.
        choices: the only values. choice_words: what the page calls them, by value.
        min_count: of a field of several values, how many at least.
    """

    label: str = ""
    help: str = ""
    unit: str = ""
    minimum: float | None = None
    maximum: float | None = None
    above: float | None = None
    below: float | None = None
    step: float | None = None
    choices: tuple[Any, ...] | None = None
    choice_words: Mapping[Any, str] = field(default_factory=dict)
    min_count: int = 0

    @property
    def help_on_choices(self) -> str:
        """The help text, and what each choice means, for those who see its value alone."""
        others = {value: words for value, words in self.choice_words.items() if not words.startswith(str(value))}
        told = [f"{value}: {words}" for value, words in others.items()]
        return " ".join(filter(None, [self.help, f"{'; '.join(told)}." if told else ""]))

    @property
    def range_words(self) -> str:
        """The allowed numbers in words, "0 to 1" or "at least 0 and below 1"; empty where any number is."""
        if self.minimum is not None and self.maximum is not None:
            return f"{self.minimum:g} to {self.maximum:g}"
        bounds = {"at least": self.minimum, "above": self.above, "at most": self.maximum, "below": self.below}
        return " and ".join(f"{words} {bound:g}" for words, bound in bounds.items() if bound is not None)


def setting(
    default: Any,
    label: str = "",
    *,
    help: str = "",
    unit: str = "",
    minimum: float | None = None,
    maximum: float | None = None,
    above: float | None = None,
    below: float | None = None,
    step: float | None = None,
    choices: Sequence[Any] | None = None,
    choice_words: Mapping[Any, str] | None = None,
    min_count: int = 0,
) -> Any:
    """A dataclass field with `default` that knows its label, help text, unit and allowed values; see `Setting`."""
    described = Setting(
        label=label,
        help=help,
        unit=unit,
        minimum=minimum,
        maximum=maximum,
        above=above,
        below=below,
        step=step,
        choices=None if choices is None else tuple(choices),
        choice_words=choice_words or {},
        min_count=min_count,
    )
    return dataclasses.field(default=default, metadata={SETTING_KEY: described})


def settings_of(config: "type[Config] | Config") -> dict[str, Setting]:
    """The described fields of a config, by field name, in the order of definition."""
    kind = config if isinstance(config, type) else type(config)
    described = {field.name: _description(kind, field.name) for field in dataclasses.fields(kind)}
    return {name: setting for name, setting in described.items() if setting is not None}


def _description(config: "type[Config]", name: str) -> Setting | None:
    """Of a field: its own, or that of the class it is inherited from."""
    for kind in config.__mro__:
        field = vars(kind).get("__dataclass_fields__", {}).get(name)
        if field is not None and SETTING_KEY in field.metadata:
            described: Setting = field.metadata[SETTING_KEY]
            return described
    return None


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
    if isinstance(default, tuple):
        return _checked_items(name, value, default, described)
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
            raise SettingError(f"{name} must be text, got {brief(value)}")
        return value
    if value is None and default is None:
        return None
    return _checked_number(name, value, described, whole=isinstance(default, int))


def _checked_items(name: str, values: Any, default: tuple[Any, ...], described: Setting) -> tuple[Any, ...]:
    """Several values as a tuple; each is of the kind of the default's first, or one of the choices."""
    if not isinstance(values, tuple | list):
        raise SettingError(f"{name} must be several values, got {brief(values)}")
    if len(values) < described.min_count:
        raise SettingError(f"{name} must have at least {described.min_count} values, got {brief(values)}")
    like = default[0] if default else ""
    return tuple(_checked(name, value, like, described) for value in values)


def _checked_number(name: str, value: Any, described: Setting, *, whole: bool) -> float:
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise SettingError(f"{name} must be a number, got {brief(value)}")
    for bound, words, fits in (
        (described.minimum, "at least", operator.ge),
        (described.maximum, "at most", operator.le),
        (described.above, "above", operator.gt),
        (described.below, "below", operator.lt),
    ):
        if bound is not None and not fits(value, bound):
            raise SettingError(f"{name} must be {words} {bound}, got {brief(value)}")
    if not whole:
        return value
    if not math.isfinite(value) or value != int(value):
        raise SettingError(f"{name} must be a whole number, got {brief(value)}")
    return int(value)
