"""Decoding in a process of its own, for HEIC and for pictures whose decoding takes much memory.

HEIC is read by libheif and libde265 (pillow-heif), in which memory faults that a file can use have been found year
after year. A process that holds nothing else, may write no file and has limits of memory and time can crash or hang
without harm to the page, and gives all its memory back. It costs a quarter of a second.

The child, `python -m cvdemo.picture_files.decode_apart REQUEST`, reads the file from its standard input and answers
with one line of JSON, `{"shape": [h, w, c]}` or `{"error": sentence}`, and the pixels.
"""

import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import IO, Any

import numpy as np

from cvdemo.errors import InputError
from cvdemo.limits import (
    DECODING_ANSWER_BYTES,
    DECODING_CPU_S,
    DECODING_EXIT_S,
    DECODING_KILL_S,
    DECODING_MEMORY_BYTES,
    DECODING_WALL_S,
)
from cvdemo.picture_files.decoding import SAVE_AS_JPEG, ImageArray, Request, decode, is_heic, too_much_memory

POLL_S = 0.2  # how soon the process ends after its visitor has left


class _Watch:
    """Kills a process whose time is over or whose visitor has left; `late` tells the former, `left` the latter."""

    def __init__(self, child: subprocess.Popen[bytes]) -> None:
        from cvdemo.runtime import Deadline  # it imports torch, for which the child has neither time nor memory

        self.late = self.left = False
        self._child, self._over = child, threading.Event()
        self._deadline = Deadline(DECODING_WALL_S)  # made here: it is the calling thread that knows its visitor
        self._thread = threading.Thread(target=self._poll, name="watch-decoding", daemon=True)
        self._thread.start()

    def _poll(self) -> None:
        while not self._over.wait(POLL_S):
            if self._deadline.expired:
                self.left = self._deadline.abandoned
                self.late = not self.left
                self._child.kill()
                return

    def stop(self) -> None:
        self._over.set()
        self._thread.join()


def decode_apart(data: bytes, request: Request) -> ImageArray:
    """`cvdemo.picture_files.decoding.decode` in a process of its own.

    Raises:
        InputError: as there, and where the process took too long or too much memory, or the visitor has left.
        RuntimeError: it ended for another reason and gave no answer.
        OSError: it could not be started.
    """
    command = [sys.executable, "-W", "ignore", "-m", "cvdemo.picture_files.decode_apart", json.dumps(asdict(request))]
    with tempfile.TemporaryFile() as file:
        file.write(data)
        file.seek(0)
        child = subprocess.Popen(
            command, stdin=file, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=_environment()
        )
        with child:  # closes the pipe and waits
            watch = _Watch(child)
            try:
                assert child.stdout is not None  # it is a pipe
                image = _answer(child.stdout, request)
                if image is None:
                    with suppress(subprocess.TimeoutExpired):
                        child.wait(DECODING_EXIT_S)
                    raise _no_answer(child.poll(), watch, request.file)
                return image
            finally:
                child.kill()
                watch.stop()


def _environment() -> dict[str, str]:
    """This process's, with this package where Python finds it before anything that the user has put there."""
    paths = [str(Path(__file__).resolve().parents[2]), os.environ.get("PYTHONPATH", "")]
    return {**os.environ, "OPENBLAS_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(filter(None, paths))}


def _no_answer(status: int | None, watch: _Watch, file: str) -> Exception:
    """Why the process gave no pixels; `status` is that of its end, None where it still runs."""
    if watch.left:
        return InputError(f"{file} was not read to its end, because nobody waits for it any more.")
    if watch.late:
        return InputError(f"{file} took longer than {DECODING_WALL_S:g} s to read; save it as a smaller JPEG.")
    if status is not None and status == -getattr(signal, "SIGXCPU", 0):
        return InputError(
            f"{file} took longer than {DECODING_CPU_S} s of computing to read; save it as a smaller JPEG."
        )
    if status is not None and status == -getattr(signal, "SIGKILL", 0):  # by the system: nobody else kills it
        return too_much_memory(file)
    return RuntimeError(f"the decoding process gave no answer; its exit status: {status}")


def _answer(pipe: IO[bytes], request: Request) -> ImageArray | None:
    """The pixels that the child sends; None where it does not send what it should: it may be in a stranger's hands."""
    try:
        header = json.loads(pipe.readline(DECODING_ANSWER_BYTES))
        if "error" in header:
            raise InputError(str(header["error"]))
        height, width, channels = (int(number) for number in header["shape"])
    except (ValueError, KeyError, TypeError):
        return None
    allowed = 0 < height * width <= request.max_megapixels * 1e6 and min(height, width) > 0
    if not allowed or channels not in ((3, 4) if request.keep_alpha else (3,)):
        return None
    image: ImageArray = np.empty((height, width, channels), np.uint8)
    left = image.data.cast("B")
    while left and (count := pipe.readinto(left)):  # type: ignore[attr-defined]  # a BufferedReader; typed as IO
        left = left[count:]
    return None if left else image


def _limit() -> None:
    import resource  # where there is none, on Windows, the limit of time is left

    wanted = {
        resource.RLIMIT_AS: (DECODING_MEMORY_BYTES, DECODING_MEMORY_BYTES),
        resource.RLIMIT_CPU: (DECODING_CPU_S, DECODING_CPU_S + DECODING_KILL_S),
        resource.RLIMIT_FSIZE: (0, 0),
        resource.RLIMIT_CORE: (0, 0),
    }
    for kind, soft_and_hard in wanted.items():
        with suppress(ValueError, OSError):  # a stricter limit stands already
            resource.setrlimit(kind, soft_and_hard)


def _register_heic(file: str) -> None:
    try:
        import pillow_heif
    except ImportError as error:
        raise InputError(f"{file} is HEIC, which needs the package pillow-heif; {SAVE_AS_JPEG}.") from error
    pillow_heif.register_heif_opener(thumbnails=False, decode_threads=1)


def main(arguments: list[str]) -> None:
    """Decodes standard input as the one argument, a `Request` in JSON, asks."""
    with suppress(ImportError):
        _limit()
    request = Request(**json.loads(arguments[0]))
    header: dict[str, Any]
    image = None
    try:
        data = sys.stdin.buffer.read()
        if is_heic(data):
            _register_heic(request.file)
        image = decode(data, request, elsewhere=None)
        header = {"shape": image.shape}
    except InputError as error:
        header = {"error": str(error)}
    except MemoryError:
        header = {"error": str(too_much_memory(request.file))}
    sys.stdout.buffer.write(json.dumps(header).encode() + b"\n")
    if image is not None:
        sys.stdout.buffer.write(np.ascontiguousarray(image).data.cast("B"))
    sys.stdout.buffer.flush()


if __name__ == "__main__":
    main(sys.argv[1:])
