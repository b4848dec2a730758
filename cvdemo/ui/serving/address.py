"""Where the page is served: HOST and PORT of the environment, tried first of all, so that what is wrong is said.

Gradio would name variables of its own, which this page does not read.
"""

import errno
import os
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from cvdemo.errors import InputError

DEFAULT_PORT = 7860  # the port that a Space forwards to
HIGHEST_PORT = 65535
USAGE_ERROR = 2
TAKEN_LATER = "Cannot find empty port"  # how gradio says that the port was taken after it was tried here


def address() -> tuple[str, int]:
    """HOST and PORT of the environment, or this machine alone (on a Space: every address) and 7860.

    Raises:
        InputError: one of them cannot be used; the sentence names the variable.
    """
    host = os.environ.get("HOST") or ("0.0.0.0" if "SPACE_ID" in os.environ else "127.0.0.1")
    text = os.environ.get("PORT") or str(DEFAULT_PORT)
    if not (text.isascii() and text.isdecimal() and 1 <= int(text[:6]) <= HIGHEST_PORT):
        raise InputError(f"PORT has to be a whole number from 1 to {HIGHEST_PORT}; it is {text[:40]!r}.")
    _try_to_bind(host, int(text))
    return host, int(text)


def _try_to_bind(host: str, port: int) -> None:
    """Raises `InputError` where a server cannot listen there."""
    wrong_host = f"HOST has to be an address of this machine, such as 127.0.0.1 or 0.0.0.0; it is {host[:40]!r}."
    try:
        places = socket.getaddrinfo(host.strip("[]"), port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        for family, kind, protocol, _, place in places:
            with socket.socket(family, kind, protocol) as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                probe.bind(place)
    except (socket.gaierror, UnicodeError) as error:
        raise InputError(wrong_host) from error
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise InputError(_in_use(port)) from error
        if error.errno in (errno.EACCES, errno.EPERM):
            raise InputError(f"Port {port} is not permitted: set PORT to one from 1024 on.") from error
        raise InputError(wrong_host) from error


def _in_use(port: int | str) -> str:
    return f"Port {port} is in use already: set PORT to another one."


@contextmanager
def ending_in_one_sentence() -> Iterator[None]:
    """Where the page cannot start, one sentence on standard error and exit code 2."""
    try:
        yield
    except InputError as error:
        print(error, file=sys.stderr)
        sys.exit(USAGE_ERROR)
    except OSError as error:
        if TAKEN_LATER not in str(error):
            raise
        print(_in_use(os.environ.get("PORT") or DEFAULT_PORT), file=sys.stderr)
        sys.exit(USAGE_ERROR)
