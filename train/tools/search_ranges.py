"""What a search draws from: the ranges of a recipe's settings, declared in its config or given by hand."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from cvdemo.config import Setting, default_of, settings_of
from train.engine.config_options import config_of
from train.engine.loop import LoopConfig

# trials are compared at equal evaluations: what says when those are cannot differ between them
_LENGTHS = ("steps", "epochs", "evaluate_every", "log_every", "preview_every", "checkpoint_seconds")


@dataclass(frozen=True, kw_only=True)
class Range:
    """The values of one setting.

    Attributes:
        low, high: of a number, both included.
        log: whether it is drawn evenly over its logarithm.
        whole: whether it is a whole number.
        choices: the values of a setting that is no number; empty for one that is.
    """

    name: str
    low: float = 0.0
    high: float = 0.0
    log: bool = False
    whole: bool = False
    choices: tuple[Any, ...] = ()

    @property
    def words(self) -> str:
        """The range for people."""
        if self.choices:
            return f"{self.name}: {', '.join(map(str, self.choices))}"
        return f"{self.name}: {self.low:g} to {self.high:g}{', by its logarithm' if self.log else ''}"


def ranges_of(texts: Sequence[str], config: type[LoopConfig]) -> list[Range]:
    """The ranges that are asked for, each as `NAME`, `NAME=LOW:HIGH`, `NAME=LOW:HIGH:log` or `NAME=VALUE,VALUE`.

    Raises:
        ValueError: no range at all, one setting twice, or one that cannot be searched like that.
    """
    if not texts:
        raise ValueError("a search needs a --range or more, for example --range lr=1e-4:1e-1:log")
    found = [_range_of(text, config) for text in texts]
    names = [each.name for each in found]
    if twice := {name for name in names if names.count(name) > 1}:
        raise ValueError(f"each setting has one range, but these are given twice: {', '.join(sorted(twice))}")
    return found


def _range_of(text: str, config: type[LoopConfig]) -> Range:
    name, _, values = text.partition("=")
    name = name.strip().replace("-", "_")
    described = settings_of(config).get(name)
    if described is None:
        raise ValueError(f"there is no setting named {name!r}; there are {', '.join(settings_of(config))}")
    if name in _LENGTHS:
        raise ValueError(f"{name} cannot be searched: trials are compared at equal evaluations of runs of one length")
    default = default_of(config, name)
    if isinstance(default, tuple):
        raise ValueError(f"{name} holds several values; a search draws single ones")
    if isinstance(default, bool) or described.choices is not None:
        all_choices = (False, True) if described.choices is None else described.choices
        return Range(name=name, choices=_chosen(name, values, all_choices))
    if not isinstance(default, int | float):
        raise ValueError(f"{name} is no number and has no choices: it cannot be searched")
    return _numbers(name, values, described, config, whole=isinstance(default, int))


def _chosen(name: str, values: str, choices: Sequence[Any]) -> tuple[Any, ...]:
    if not values:
        return tuple(choices)
    by_name = {str(choice).lower(): choice for choice in choices}
    wanted = [word.strip().lower() for word in values.split(",")]
    if len(set(wanted)) < 2 or not set(wanted) <= set(by_name):
        raise ValueError(f"{name} needs two or more of {', '.join(map(str, choices))}, with commas, got {values!r}")
    return tuple(by_name[word] for word in dict.fromkeys(wanted))


def _numbers(name: str, values: str, described: Setting, config: type[LoopConfig], *, whole: bool) -> Range:
    if not values and (described.minimum is None or described.maximum is None):
        declared = f"it is only declared to be {described.range_words}" if described.range_words else "it has no limits"
        raise ValueError(f"give the range of {name} as {name}=LOW:HIGH or {name}=LOW:HIGH:log: {declared}")
    words = values.split(":") if values else [str(described.minimum), str(described.maximum)]
    log = len(words) == 3 and words[2] == "log"
    try:
        low, high = (float(word) for word in (words[:2] if log else words))
    except ValueError as error:
        raise ValueError(f"the range of {name} is LOW:HIGH or LOW:HIGH:log, got {values!r}") from error
    if not (math.isfinite(low) and math.isfinite(high) and low < high) or (log and low <= 0):
        raise ValueError(f"need {'0 < ' if log else ''}low < high of {name}, got {low:g} and {high:g}")
    for bound in (low, high):
        config_of({name: int(bound) if whole and bound == int(bound) else bound}, config)  # refuses what it cannot be
    return Range(name=name, low=low, high=high, log=log, whole=whole)
