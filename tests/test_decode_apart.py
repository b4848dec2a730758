"""Decoding in a process of its own: its limits, and what is said when it gives no answer."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cvdemo import decode_apart
from cvdemo.decoding import Request
from cvdemo.errors import InputError
from cvdemo.images import read_image
from tests.picture_files import encoded

CHILDREN = {
    "dies": "import os; os.abort()",
    "hangs": "import time; time.sleep(100)",
    "says nothing": "pass",
    "talks nonsense": "print('nonsense')",
    "sends too little": "print('{\"shape\": [100, 100, 3]}')",
    "claims too much": "print('{\"shape\": [100000, 100000, 3]}')",
    "claims less than nothing": "print('{\"shape\": [-5, -5, 3]}')",
    "sends another kind": "print('[1]')",
}


@pytest.mark.parametrize("name", CHILDREN)
def test_whatever_becomes_of_the_decoding_process_is_one_sentence(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "python"
    program.write_text(f"#!{sys.executable}\n{CHILDREN[name]}\n")
    program.chmod(0o755)
    monkeypatch.setattr(decode_apart.sys, "executable", str(program))
    monkeypatch.setattr(decode_apart, "MAX_WALL_S", 1.0)
    with pytest.raises(InputError, match="The file is damaged or cut off"):
        decode_apart.decode_apart(b"anything", Request())


def test_the_decoding_process_may_write_no_file_and_take_no_more_memory(tmp_path: Path) -> None:
    program = (
        "import json, sys; from cvdemo import decode_apart; decode_apart._limit()\n"
        "told = []\n"
        "try: open(sys.argv[1], 'w').write('x' * 100000)\n"
        "except OSError: told.append('no file')\n"
        "try: bytearray(2**31)\n"
        "except MemoryError: told.append('no memory')\n"
        "print(json.dumps(told))"
    )
    command = [sys.executable, "-c", "import signal; signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n" + program]
    told = decode_apart.subprocess.run([*command, str(tmp_path / "f")], capture_output=True, check=True).stdout
    assert json.loads(told) == ["no file", "no memory"]


def test_a_large_picture_is_the_same_from_its_own_process() -> None:
    rng = np.random.default_rng(2)
    image = np.kron(rng.integers(0, 256, (85, 85, 4), dtype=np.uint8), np.ones((50, 50, 1), np.uint8))
    data = encoded(Image.fromarray(image), compress_level=1)
    np.testing.assert_array_equal(read_image(data, keep_alpha=True), image)
