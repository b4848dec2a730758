"""What nobody foresaw: logged with its trace under a short number, and told in one sentence with that number.

For the two places where errors become sentences, the page and the command line. What a visitor can mend is a
`DemoError` and does not come here.
"""

import logging
import os
import secrets
import tempfile
import traceback
from pathlib import Path

from cvdemo.limits import TRACE_LENGTH

logger = logging.getLogger(__name__)


def report_unexpected(error: BaseException) -> str:
    """The sentence for whoever waits; the log gets the trace under the number that the sentence tells.

    Nothing of the error itself is in the sentence: it may name paths of the machine.
    """
    number = secrets.token_hex(3)
    logger.error("Number %s: %s", number, _trace_of(error))
    return f"Something unexpected went wrong; it is logged under number {number}."


def _trace_of(error: BaseException) -> str:
    """The trace as text that any log can hold: cut in the middle where it is long, no lone surrogates."""
    text = "".join(traceback.format_exception(type(error), error, error.__traceback__)).rstrip()
    if len(text) > TRACE_LENGTH:
        half = TRACE_LENGTH // 2
        text = f"{text[:half]}\n[{len(text) - 2 * half} characters left out]\n{text[-half:]}"
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


class TemporaryLog(logging.Handler):
    """A log for a program without one: a fresh file in the folder for temporary files, made when it is first needed.

    As a context manager it listens from its beginning to its end.

    Attributes:
        path: of the file; None as long as there is nothing to tell.
    """

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.path: Path | None = None

    def emit(self, record: logging.LogRecord) -> None:
        try:
            if self.path is None:
                number, name = tempfile.mkstemp(prefix="cvdemo-", suffix=".log")
                os.close(number)
                self.path = Path(name)
            with self.path.open("a", encoding="utf-8") as file:
                file.write(self.format(record) + "\n")
        except OSError:  # a full disk: without a log the sentence still stands
            return

    def __enter__(self) -> "TemporaryLog":
        logger.addHandler(self)
        return self

    def __exit__(self, *error: object) -> None:
        logger.removeHandler(self)
