"""Which files a visitor may name: regular files in the page's own folder, and no more of them than an upload may have.

A field may also be sent the address of such a file, as the page tells it. Whatever else it is sent, a path elsewhere,
a folder, a pipe, a link that leads out, another URL or no file at all, gets the one sentence `NOT_UPLOADED`, so that
answers do not tell which files exist.
"""

import os
import stat
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO
from urllib.parse import unquote

import gradio as gr
from gradio.route_utils import API_PREFIX
from gradio.utils import get_upload_folder

from cvdemo.errors import InputError
from cvdemo.limits import UPLOAD_BYTES

NOT_UPLOADED = "The picture has to be uploaded as a file. Uploads are deleted after an hour; upload it again then."
PATH_LENGTH = 4096  # PATH_MAX of Linux
# Not blocking, so that a pipe without a writer does not hold the thread; a link as last component fails.
_OPEN = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0)


def refusal() -> gr.Error:
    """The one answer to everything that is no upload."""
    return gr.Error(NOT_UPLOADED, title="Sorry", print_exception=False)


@contextmanager
def open_regular(path: str) -> Iterator[BinaryIO]:
    """A regular file, opened for reading.

    Raises:
        OSError: there is none, or it is a link, a folder, a pipe or a device.
    """
    descriptor = os.open(path, _OPEN | getattr(os, "O_BINARY", 0))
    with os.fdopen(descriptor, "rb") as file:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise OSError(f"{path} is not a regular file")
        yield file


def uploaded_path(payload: Any) -> str:
    """The path of the file that a payload names.

    Raises:
        gr.Error: it names none, or one that is not a regular file in the page's folder.
    """
    path = payload.get("path") if isinstance(payload, Mapping) else getattr(payload, "path", None)
    if not isinstance(path, str) or not 0 < len(path) < PATH_LENGTH:
        raise refusal()
    uploads = get_upload_folder()
    try:
        folder, real = os.path.realpath(uploads), os.path.realpath(path)
        if os.path.commonpath([folder, real]) != folder:
            raise refusal()
        with open_regular(real):
            return str(Path(uploads) / os.path.relpath(real, folder))
    except (OSError, ValueError) as error:  # ValueError: a zero byte, a lone surrogate, another drive
        raise refusal() from error


def sent_path(payload: Any) -> str:
    """As `uploaded_path`, of what a field is sent; the address of a file of this page names that file.

    Nothing is fetched, whatever the host in the address. It is not for the route that serves files, which would.
    """
    path = payload.get("path") if isinstance(payload, Mapping) else None
    if isinstance(path, str) and path.lower().startswith(("http://", "https://")):
        _, route, named = path.partition(f"{API_PREFIX}/file=")
        return uploaded_path({"path": unquote(named)}) if route else uploaded_path(payload)
    return uploaded_path(payload)


def read_upload(path: str, what: str = "picture") -> bytes:
    """What is in a picture file, or in another one that `what` names, read with the limit of an upload.

    Raises:
        InputError: there is no such file any more, or it is larger than an upload may be.
    """
    try:
        with open_regular(path) as file:
            data = file.read(UPLOAD_BYTES + 1)
    except OSError as error:
        raise InputError(NOT_UPLOADED.replace("picture", what)) from error
    if len(data) > UPLOAD_BYTES:
        raise InputError(f"The {what} file is larger than {UPLOAD_BYTES >> 20} MB.")
    return data


def refuse_files(value: Any) -> None:
    """Raises the one sentence where a value holds, at any depth, an object with a path that is no upload.

    Gradio looks for such objects in the value of every component and would copy what they name.
    """
    todo = [value]
    while todo:
        item = todo.pop()
        if isinstance(item, Mapping):
            if "path" in item:
                uploaded_path(item)
            todo.extend(item.values())
        elif isinstance(item, list | tuple):
            todo.extend(item)
