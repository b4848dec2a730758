"""Decoding in a process of its own, for HEIC and for pictures whose decoding takes much memory.

HEIC is read by libheif and libde265 (pillow-heif), in which memory faults that a file can use have been found year
after year. A process that holds nothing else, may write no file and has limits of memory and time can crash or hang
without harm to the page, and gives all its memory back. It costs a quarter of a second.

The child, `python -m cvdemo.decode_apart REQUEST`, reads the file from its standard input and answers with one line of
JSON, `{"shape": [h, w, c]}` or `{"error": sentence}`, and the pixels.
"""

import json
import os
import subprocess
import sys
import tempfile
import threading
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import IO, Any

import numpy as np

from cvdemo.decoding import SAVE_AS_JPEG, ImageArray, Request, damaged, decode, is_heic
from cvdemo.errors import InputError

MAX_MEMORY_BYTES = 2**31  # address space; 40 megapixels of WebP with alpha take 1.2 GB
MAX_CPU_S = 20  # 40 megapixels take 3 s
MAX_WALL_S = 60.0  # on a busy machine
MAX_HEADER_BYTES = 2000


def decode_apart(data: bytes, request: Request) -> ImageArray:
    """`cvdemo.decoding.decode` in a process of its own.

    Raises:
        InputError: as there, and where the process died, took too long, or asked for too much memory.
    """
    environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1", "PYTHONPATH": str(Path(__file__).resolve().parents[1])}
    command = [sys.executable, "-W", "ignore", "-m", "cvdemo.decode_apart", json.dumps(asdict(request))]
    with tempfile.TemporaryFile() as file:
        file.write(data)
        file.seek(0)
        child = subprocess.Popen(
            command, stdin=file, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=environment
        )
        watch = threading.Timer(MAX_WALL_S, child.kill)
        watch.start()
        try:
            assert child.stdout is not None  # it is a pipe
            image = _answer(child.stdout, request)
        finally:
            watch.cancel()
            child.kill()
            with child:  # closes the pipe and waits
                pass
    if image is None:
        raise damaged(request.file, data)
    return image


def _answer(pipe: IO[bytes], request: Request) -> ImageArray | None:
    """The pixels that the child sends; None where it does not send what it should: it may be in a stranger's hands."""
    try:
        header = json.loads(pipe.readline(MAX_HEADER_BYTES))
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

    wanted: dict[int, int] = {
        resource.RLIMIT_AS: MAX_MEMORY_BYTES,
        resource.RLIMIT_CPU: MAX_CPU_S,
        resource.RLIMIT_FSIZE: 0,
        resource.RLIMIT_CORE: 0,
    }
    for kind, most in wanted.items():
        with suppress(ValueError, OSError):  # a stricter limit stands already
            resource.setrlimit(kind, (most, most))


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
    sys.stdout.buffer.write(json.dumps(header).encode() + b"\n")
    if image is not None:
        sys.stdout.buffer.write(np.ascontiguousarray(image).data.cast("B"))
    sys.stdout.buffer.flush()


if __name__ == "__main__":
    main(sys.argv[1:])
