"""What a command line says: results on standard output, everything else on standard error, a bar on a terminal only.

Names of files may hold anything: bytes that are not UTF-8, line ends, codes that steer a terminal. What cannot be
shown is escaped, so that a message is always one line and never an error of its own.
"""

import contextlib
import io
import os
import re
import sys
from typing import IO, TextIO

from tqdm import tqdm

CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029]")
BROKEN_PIPE = 141  # what a shell reports of a program that SIGPIPE, 13, has ended: 128 + 13
FAILED = 2


class OutputLost(Exception):
    """Standard output or error takes nothing more: its reader has gone, or a disk is full."""

    def __init__(self, error: OSError) -> None:
        super().__init__(f"The output cannot be written: {error.strerror}.")
        self.exit_code = BROKEN_PIPE if isinstance(error, BrokenPipeError) else FAILED


def printable(text: str, encoding: str | None = "utf-8") -> str:
    """The text on one line, with escapes for what the encoding lacks and for control characters."""
    line = CONTROL.sub(lambda match: match[0].encode("unicode_escape").decode("ascii"), text)
    encoding = encoding or "utf-8"
    return line.encode(encoding, "backslashreplace").decode(encoding)


def tell(line: str) -> None:
    """One line on standard output, at once, so that a reader of the pipe sees it now.

    Raises:
        OutputLost: nobody reads it, or it cannot be written.
    """
    _write(line, sys.stdout)


def say(line: str) -> None:
    """One line on standard error. Raises `OutputLost` as `tell` does."""
    _write(line, sys.stderr)


def tell_bytes(data: bytes) -> None:
    """A picture on standard output. Raises `OutputLost` as `tell` does."""
    try:
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()
    except OSError as error:
        raise OutputLost(error) from error


def _write(line: str, stream: TextIO | None) -> None:
    if stream is None:  # the program was started without one
        return
    try:
        tqdm.write(printable(line, stream.encoding), file=stream)
        stream.flush()
    except OSError as error:
        raise OutputLost(error) from error


def flush() -> None:
    """Brings out what argparse has printed. Raises `OutputLost` as `tell` does."""
    try:
        for stream in (sys.stdout, sys.stderr):
            if stream is not None:
                stream.flush()
    except OSError as error:
        raise OutputLost(error) from error


def discard_what_cannot_be_written() -> None:
    """Lets the interpreter end quietly: it flushes both streams, and would complain of one that is broken."""
    for stream in (sys.stdout, sys.stderr):
        try:
            if stream is not None:
                stream.flush()
        except OSError:
            _point_to_nothing(stream)


def _point_to_nothing(stream: IO[str]) -> None:
    with contextlib.suppress(OSError, io.UnsupportedOperation):  # a stream without a file needs no such care
        nothing = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nothing, stream.fileno())
        os.close(nothing)
