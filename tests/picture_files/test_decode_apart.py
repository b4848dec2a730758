"""Decoding in a process of its own: its limits, and what is said when it gives no answer."""

import io
import json
import os
import signal
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cvdemo.errors import InputError
from cvdemo.images import read_image
from cvdemo.picture_files import decode_apart
from cvdemo.picture_files.decoding import Request
from cvdemo.runtime import stopping_when
from tests.helpers.files_from_parts import encoded

CHILDREN = {
    "dies": ("import os; os.abort()", RuntimeError, "gave no answer; its exit status: -6"),
    "hangs": (
        "import time; time.sleep(100)",
        InputError,
        r"^The file took longer than 1 s to read; save it as a smaller JPEG\.$",
    ),
    "computes for ever": (
        "import os, signal; os.kill(os.getpid(), signal.SIGXCPU)",
        InputError,
        r"^The file took longer than 20 s of computing to read; save it as a smaller JPEG\.$",
    ),
    "is killed for memory": (
        "import os, signal; os.kill(os.getpid(), signal.SIGKILL)",
        InputError,
        r"^The file takes more memory to read than there is; save it as a smaller JPEG\.$",
    ),
    "says nothing": ("pass", RuntimeError, "its exit status: 0"),
    "cannot import": ("import nothing_of_this_name", RuntimeError, "its exit status: 1"),
    "talks nonsense": ("print('nonsense')", RuntimeError, "gave no answer"),
    "talks nonsense and goes on": (
        "import time; print('nonsense', flush=True); time.sleep(100)",
        RuntimeError,
        "its exit status: None",
    ),
    "sends too little": ("print('{\"shape\": [100, 100, 3]}')", RuntimeError, "gave no answer"),
    "claims too much": ("print('{\"shape\": [100000, 100000, 3]}')", RuntimeError, "gave no answer"),
    "claims less than nothing": ("print('{\"shape\": [-5, -5, 3]}')", RuntimeError, "gave no answer"),
    "sends another kind": ("print('[1]')", RuntimeError, "gave no answer"),
}


def run_instead(code: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """From here on `code` is the decoding process."""
    program = folder / "python"
    program.write_text(f"#!{sys.executable}\n{code}\n")
    program.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(program))


@pytest.mark.parametrize("name", CHILDREN)
def test_what_becomes_of_the_decoding_process_is_told_as_it_is(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    code, kind, told = CHILDREN[name]
    run_instead(code, tmp_path, monkeypatch)
    monkeypatch.setattr(decode_apart, "DECODING_WALL_S", 1.0 if name == "hangs" else 60.0)
    monkeypatch.setattr(decode_apart, "DECODING_EXIT_S", 0.5 if name == "talks nonsense and goes on" else 20.0)
    with pytest.raises(kind, match=told):
        decode_apart.decode_apart(b"anything", Request())


def test_a_decoding_process_that_cannot_start_is_not_the_fault_of_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "executable", str(tmp_path / "nothing"))
    with pytest.raises(FileNotFoundError):
        decode_apart.decode_apart(b"anything", Request())


def test_the_decoding_process_ends_when_its_visitor_leaves(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    noted = tmp_path / "pid"
    code = f"import os, time; open({str(noted)!r}, 'w').write(str(os.getpid())); time.sleep(100)"
    run_instead(code, tmp_path, monkeypatch)
    with stopping_when(lambda: noted.exists() and bool(noted.read_text())), pytest.raises(InputError, match="nobody"):
        decode_apart.decode_apart(b"anything", Request())
    with pytest.raises(ProcessLookupError):
        os.kill(int(noted.read_text()), 0)


def test_a_lack_of_memory_in_the_decoding_process_is_told_so(
    monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    def decode(data: bytes, request: Request, elsewhere: None) -> None:
        raise MemoryError

    monkeypatch.setattr(decode_apart, "decode", decode)
    monkeypatch.setattr(decode_apart, "_limit", lambda: None)
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"anything")))
    decode_apart.main([json.dumps(asdict(Request()))])
    assert "takes more memory to read than there is" in json.loads(capfdbinary.readouterr().out)["error"]


def test_the_decoding_process_keeps_the_users_path_of_modules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    noted = tmp_path / "path"
    run_instead(f"import os; open({str(noted)!r}, 'w').write(os.environ['PYTHONPATH'])", tmp_path, monkeypatch)
    root = Path(decode_apart.__file__).resolve().parents[2]
    for users, expected in (("/one:/two", f"{root}:/one:/two"), ("", str(root))):
        monkeypatch.setenv("PYTHONPATH", users)
        with pytest.raises(RuntimeError):
            decode_apart.decode_apart(b"anything", Request())
        assert noted.read_text() == expected


def test_the_decoding_process_has_a_limit_of_computing_time() -> None:
    begin = "from cvdemo.picture_files import decode_apart; decode_apart.DECODING_CPU_S = 1"
    program = f"{begin}; decode_apart._limit()\nwhile True: pass"
    ended = subprocess.run([sys.executable, "-c", program])
    assert ended.returncode == -signal.SIGXCPU


def test_the_decoding_process_may_write_no_file_and_take_no_more_memory(tmp_path: Path) -> None:
    program = (
        "import json, sys; from cvdemo.picture_files import decode_apart; decode_apart._limit()\n"
        "told = []\n"
        "try: open(sys.argv[1], 'w').write('x' * 100000)\n"
        "except OSError: told.append('no file')\n"
        "try: bytearray(2**31)\n"
        "except MemoryError: told.append('no memory')\n"
        "print(json.dumps(told))"
    )
    command = [sys.executable, "-c", "import signal; signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n" + program]
    told = subprocess.run([*command, str(tmp_path / "f")], capture_output=True, check=True).stdout
    assert json.loads(told) == ["no file", "no memory"]


@pytest.mark.slow
def test_a_large_picture_is_the_same_from_its_own_process() -> None:
    rng = np.random.default_rng(2)
    image = np.kron(rng.integers(0, 256, (85, 85, 4), dtype=np.uint8), np.ones((50, 50, 1), np.uint8))
    data = encoded(Image.fromarray(image), compress_level=1)
    np.testing.assert_array_equal(read_image(data, keep_alpha=True), image)
