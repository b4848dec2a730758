"""Options of the command line from the fields of a config, configs from their values, and the recipe in a command.

Help, range and choices stand in the field (`cvdemo.config.setting`), so that page, library and training tell them once.
"""

from __future__ import annotations

import argparse
import dataclasses
import typing
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from cvdemo.config import Config, Setting, default_of, settings_of

C = TypeVar("C", bound=Config)


def add_config_options(parser: argparse.ArgumentParser, config: type[Config]) -> None:
    """One option for each field, named after it, with the field's default; tuples take several values."""
    hints = typing.get_type_hints(config)
    for name, described in settings_of(config).items():
        default, hint = default_of(config, name), hints[name]
        options: dict[str, Any] = {"default": default, "help": _help(described, default).replace("%", "%%")}
        if hint is bool:
            options["action"] = argparse.BooleanOptionalAction
        else:
            items = typing.get_args(hint) if typing.get_origin(hint) is tuple else ()
            if items:
                options["nargs"] = "*" if items[-1] is ... else len(items)
            if described.choices:
                options |= {"choices": described.choices, "type": type(described.choices[0])}
            else:
                options["type"] = items[0] if items else hint
        parser.add_argument(option_of(name), **options)


def option_of(name: str) -> str:
    """The option of the field `name`."""
    return "--" + name.replace("_", "-")


def _help(described: Setting, default: Any) -> str:
    """What a field means, its unit and range, and its default."""
    limits = ", ".join(words for words in (described.unit, described.range_words) if words)
    return f"{described.help}{f' [{limits}]' if limits else ''}; default {default}"


def config_from(args: argparse.Namespace, config: type[C]) -> C:
    """The config with the values of parsed options.

    Raises:
        ValueError: the config refuses them.
    """
    return config_of({field.name: getattr(args, field.name) for field in dataclasses.fields(config)}, config)


def config_of(values: Mapping[str, Any], config: Callable[..., C]) -> C:
    """The config with these values; lists become tuples."""
    return config(**{name: tuple(value) if isinstance(value, list) else value for name, value in values.items()})


def recipe_in(command: str) -> str:
    """The recipe's name in a command line of training; empty where it is none."""
    words = command.split()
    return words[3] if words[:3] == ["python", "-m", "train"] and len(words) > 3 else ""
