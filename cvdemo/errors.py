"""What a visitor can mend, as exceptions with one sentence to act on.

    DemoError               shown to the visitor as it is
    |-- InputError          the picture or the settings that came in; config.SettingError is one
    |-- WeightsError        a weight file that is missing, altered or out of reach
    |-- RoomError           the page's folder holds as much as it may
    |-- BusyError           as many jobs wait as may
    `-- LeftError           nobody waits for the result any more

A caller who breaks a function's contract gets `ValueError` with the received values instead.
"""

import reprlib
from typing import Any

BRIEF = 40  # characters of a value in a message or a log: enough to know it again, too few to flood either

_repr = reprlib.Repr()
_repr.maxstring = _repr.maxlong = _repr.maxother = BRIEF
_repr.maxlevel = 3


class DemoError(Exception):
    """Something the visitor can mend; `str(error)` is one plain sentence that says how."""


class InputError(DemoError):
    """The picture or a setting cannot be used; the message says what was wrong and what is accepted."""


class WeightsError(DemoError):
    """A weight file is missing, altered or out of reach; the message names it and how to restore it."""


class RoomError(DemoError):
    """The folder of uploads and results is full; the message says when to try again."""


class BusyError(DemoError):
    """As many jobs wait as may; the message says when to try again."""


class LeftError(DemoError):
    """The one who asked has left or cancelled, or the page closes, before there is any result."""


def brief(value: Any) -> str:
    """`repr(value)` in at most `BRIEF` characters, for messages and logs; a long value costs no time or memory."""
    if isinstance(value, int) and value.bit_length() > 4 * BRIEF:  # Python refuses to print the longest ones
        return f"a number of {value.bit_length()} bits"
    text = _repr.repr(value)
    return text if len(text) <= BRIEF else text[: BRIEF - 3] + "..."
