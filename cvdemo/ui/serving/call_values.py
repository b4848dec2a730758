"""How many values a call holds: those that are missing at its end are the defaults of their fields.

So an endpoint may get new inputs, and the shorter calls of older programs stay right. Which field has a default is
gradio's own rule, by which its clients and its description of the endpoints go: one that is not empty at first, or
whose parameter of the handler is None where it is not given.
"""

import inspect
from collections.abc import Sequence
from typing import Any

from gradio.block_function import BlockFunction

from cvdemo.ui.serving.field_values import wrong

_NONE = object()  # there is no default


def with_defaults(function: BlockFunction, values: Sequence[Any]) -> list[Any]:
    """The values, and for those that are missing at the end the defaults, up to the first field that has none."""
    filled = list(values)
    for default in _defaults(function)[len(filled) :]:
        if default is _NONE:
            break
        filled.append(default)
    return filled


def complete(function: BlockFunction, values: Sequence[Any]) -> list[Any]:
    """A value for each input of a handler. Where the page's own scripts send more than that, the rest is dropped.

    Raises:
        gr.Error: there are too few, or a program sent too many.
    """
    most = len(function.inputs)
    filled = with_defaults(function, values)
    if len(filled) < most or (len(values) > most and function.api_visibility == "public"):
        least = max((i + 1 for i, default in enumerate(_defaults(function)) if default is _NONE), default=0)
        span = f"{most}" if least == most else f"{least} to {most}"
        raise wrong(f"The call needs {span} value{'' if span == '1' else 's'}, got {len(values)}.")
    return filled[:most]


def _defaults(function: BlockFunction) -> list[Any]:
    """The default of each input, `_NONE` where it has none."""
    parameters = list(inspect.signature(function.fn).parameters.values()) if function.fn else []
    optional = [parameter.default is None for parameter in parameters]
    optional += [False] * (len(function.inputs) - len(optional))
    return [_default(block, left_out) for block, left_out in zip(function.inputs, optional, strict=False)]


def _default(block: Any, optional: bool) -> Any:
    if block.stateful:
        return None  # it is the session's
    value = getattr(block, "value", None)
    return _NONE if value is None and not optional else value
