"""What a visitor can mend, as exceptions with one sentence to act on.

    DemoError               shown to the visitor as it is
    |-- InputError          the picture or the settings that came in; config.SettingError is one
    `-- WeightsError        a weight file that is missing, altered or out of reach

A caller who breaks a function's contract gets `ValueError` with the received values instead.
"""


class DemoError(Exception):
    """Something the visitor can mend; `str(error)` is one plain sentence that says how."""


class InputError(DemoError):
    """The picture or a setting cannot be used; the message says what was wrong and what is accepted."""


class WeightsError(DemoError):
    """A weight file is missing, altered or out of reach; the message names it and how to restore it."""
