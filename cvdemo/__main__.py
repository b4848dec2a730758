"""The six demos from a shell, on files and folders: `python -m cvdemo TASK IN OUT [options]`.

The same functions as on the page; the options of a task are the settings of its config. What cannot be done is said
in one sentence on standard error, with exit code 2. Here stands what holds for any command line: Ctrl-C and a closed
pipe are no errors, and what nobody foresaw is logged and told in one sentence.
"""

import contextlib
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from cvdemo.incidents import TemporaryLog, report_unexpected


def run(argv: Sequence[str] | None = None) -> int:
    """Runs one command line as a program; returns its exit code. No error leaves it."""
    if sys.stderr is None:  # started without one; libraries write to it unasked
        sys.stderr = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115  # open until the program ends
    with TemporaryLog() as log:
        code = _guarded(argv)
        if log.path is not None:
            _complain(f"The log is {log.path}.")
    return code


def _guarded(argv: Sequence[str] | None) -> int:
    try:  # loading takes seconds, in which Ctrl-C may come: the imports stand inside
        from cvdemo.cli.console import FAILED, OutputLost, discard_what_cannot_be_written, flush, say
        from cvdemo.cli.run import main
    except KeyboardInterrupt:
        return _stopped()
    except ModuleNotFoundError as error:
        _complain(f"The Python package {error.name} is missing: is the project's environment active?")
        return 2
    except Exception as error:  # an installation that is broken in a way nobody foresaw: logged, and one sentence
        _complain(report_unexpected(error))
        return 2
    try:
        try:
            code = main(argv)
        except SystemExit as error:  # argparse has said what there is to say
            code = error.code if isinstance(error.code, int) else 0
        except KeyboardInterrupt:
            code = _stopped()
        except OutputLost:
            raise
        except Exception as error:  # nobody foresaw it: it is logged, and told in one sentence
            say(report_unexpected(error))
            code = FAILED
        flush()
    except OutputLost as lost:
        if lost.exit_code == FAILED:
            _complain(str(lost))
        discard_what_cannot_be_written()
        return lost.exit_code
    return code


def _stopped() -> int:
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # a second Ctrl-C ends at once
    _complain("Stopped.")
    return 130


def _complain(line: str) -> None:
    with contextlib.suppress(OSError):  # nobody reads it
        print(line, file=sys.stderr)


if __name__ == "__main__":
    sys.exit(run())
