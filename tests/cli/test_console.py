"""The command line as a program: closed pipes, Ctrl-C, full disks and standard streams, in processes of their own."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from cvdemo.cli.console import printable
from cvdemo.images import ImageArray, read_image
from tests.helpers.png_files import save_png

ROOT = Path(__file__).resolve().parents[2]
COMMAND = [sys.executable, "-m", "cvdemo"]
STAND_IN = """
import dataclasses, signal, sys, time
signal.signal(signal.SIGINT, signal.default_int_handler)  # whatever this was started with
from cvdemo.cli import verbs
seen = []

def work(sent, report):
    if len(seen) == 2 and "--scale" in sys.argv:
        print("waiting", file=sys.stderr, flush=True)
        time.sleep(60)
    seen.append(sent.image)
    return verbs.Result("done", sent.image)

verbs.PICTURE_VERBS["upscale"] = dataclasses.replace(verbs.PICTURE_VERBS["upscale"], prepare=lambda config, args: work)
from cvdemo.__main__ import run
sys.exit(run())
"""
WITHOUT_TORCH = """
import sys

class Finder:
    def find_spec(self, name, path=None, target=None):
        if name == "torch":
            raise {error}

sys.meta_path.insert(0, Finder())
from cvdemo.__main__ import run
sys.exit(run(["--help"]))
"""
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "PYTHONUNBUFFERED": ""}  # "" is off


def program(code: str) -> list[str]:
    return [sys.executable, "-c", code]


@pytest.fixture
def here(noise: ImageArray, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder: `in` with 0.png to 3.png."""
    monkeypatch.chdir(tmp_path)
    Path("in").mkdir()
    for n in range(4):
        save_png(noise, f"in/{n}.png")
    return tmp_path


def closed_pipe() -> int:
    """The end to write to of a pipe that nobody reads."""
    read, write = os.pipe()
    os.close(read)
    return write


@pytest.mark.parametrize(
    ("text", "encoding", "shown"),
    [
        ("plain é", "utf-8", "plain é"),
        ("caf\udce9", "utf-8", r"caf\udce9"),
        ("two\nlines\ttab\r", "utf-8", r"two\nlines\ttab\r"),
        ("\x1b[2J\x9b2J\u2028", "utf-8", r"\x1b[2J\x9b2J\u2028"),
        ("é 猫", "ascii", r"\xe9 \u732b"),
        ("é", None, "é"),
    ],
)
def test_any_name_is_one_line(text: str, encoding: str | None, shown: str) -> None:
    assert printable(text, encoding) == shown


@pytest.mark.slow
@pytest.mark.parametrize("arguments", [["--help"], ["upscale", "--help"]])
def test_help_into_a_closed_pipe_ends_quietly(arguments: list[str], here: Path) -> None:
    pipe = closed_pipe()
    done = subprocess.run([*COMMAND, *arguments], stdout=pipe, stderr=subprocess.PIPE, env=ENVIRONMENT, check=False)
    os.close(pipe)
    assert (done.returncode, done.stderr) == (141, b"")


@pytest.mark.slow
@pytest.mark.parametrize("options", [["out"], ["out", "--json"], None])
def test_a_run_into_a_closed_pipe_ends_quietly(options: list[str] | None, here: Path) -> None:
    pipe = closed_pipe()
    arguments = ["upscale", "in", *options] if options else ["upscale", "in/0.png", "-"]
    done = subprocess.run(
        [*program(STAND_IN), *arguments], stdout=pipe, stderr=subprocess.PIPE, env=ENVIRONMENT, check=False
    )
    os.close(pipe)
    assert (done.returncode, done.stderr) == (141, b"")


@pytest.mark.slow
def test_messages_that_nobody_reads_end_quietly(here: Path) -> None:
    Path("in/notes.txt").write_text("no picture")
    pipe = closed_pipe()
    done = subprocess.run(
        [*program(STAND_IN), "upscale", "in", "out"], stdout=pipe, stderr=pipe, env=ENVIRONMENT, check=False
    )
    os.close(pipe)
    assert done.returncode == 141


@pytest.mark.slow
@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
def test_a_full_disk_behind_standard_output_is_one_sentence(here: Path) -> None:
    command = [*program(STAND_IN), "upscale", "in", "out"]
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, env=ENVIRONMENT, check=False)
    assert done.returncode == 2
    assert done.stderr == b"The output cannot be written: No space left on device.\n"


@pytest.mark.slow
def test_ctrl_c_is_one_line(here: Path) -> None:
    with subprocess.Popen(
        [*program(STAND_IN), "upscale", "in", "out", "--scale", "2"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=ENVIRONMENT,
        text=True,
    ) as process:
        assert process.stderr is not None
        assert process.stderr.readline() == "waiting\n"
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=30)
    assert (process.returncode, err) == (130, "Stopped; 2 of 4 pictures are done.\n")
    assert len(out.splitlines()) == 2 and sorted(path.name for path in Path("out").iterdir()) == ["0.png", "1.png"]


def test_ctrl_c_while_the_program_loads_is_one_line(here: Path) -> None:
    code = WITHOUT_TORCH.format(error="KeyboardInterrupt")
    done = subprocess.run(program(code), capture_output=True, env=ENVIRONMENT, text=True, check=False)
    assert (done.returncode, done.stderr, done.stdout) == (130, "Stopped.\n", "")


def test_a_package_that_is_missing_is_named(here: Path) -> None:
    code = WITHOUT_TORCH.format(error="ModuleNotFoundError(\"No module named 'torch'\", name='torch')")
    done = subprocess.run(program(code), capture_output=True, env=ENVIRONMENT, text=True, check=False)
    assert done.returncode == 2 and done.stdout == ""
    assert done.stderr == "The Python package torch is missing: is the project's environment active?\n"


def test_a_broken_installation_is_one_sentence_with_a_log(here: Path) -> None:
    code = WITHOUT_TORCH.format(error="ImportError('libgomp.so.1: cannot open shared object file')")
    environment = {**ENVIRONMENT, "TMPDIR": str(here)}
    done = subprocess.run(program(code), capture_output=True, env=environment, text=True, check=False)
    assert done.returncode == 2 and done.stdout == ""
    sentence, place = done.stderr.splitlines()
    assert sentence.startswith("Something unexpected went wrong; it is logged under number ")
    assert "ImportError: libgomp.so.1" in Path(place.removeprefix("The log is ").removesuffix(".")).read_text()


@pytest.mark.slow
def test_a_pipe_of_pictures(here: Path, noise: ImageArray) -> None:
    """The real program and network: a picture in, a picture out, and nothing else on standard output."""
    data = Path("in/0.png").read_bytes()
    done = subprocess.run(
        [*COMMAND, "upscale", "-", "-"], input=data, capture_output=True, env=ENVIRONMENT, check=False
    )
    assert (done.returncode, done.stderr) == (0, b"standard input: 128 x 96 px\n")
    enlarged = read_image(done.stdout)
    assert enlarged.shape == (96, 128, 3)
    assert np.abs(enlarged[::2, ::2].astype(int) - noise).mean() < 40


@pytest.mark.slow
def test_names_that_are_not_utf_8_on_any_terminal(here: Path) -> None:
    Path("in/caf\udce9.png").write_bytes(Path("in/0.png").read_bytes())
    Path("in/gone\udce9.png").symlink_to("nowhere")
    for encoding in ("utf-8", "ascii"):
        done = subprocess.run(
            [*program(STAND_IN), "upscale", "in", "out", "--overwrite"],
            capture_output=True,
            env={**ENVIRONMENT, "PYTHONIOENCODING": encoding},
            check=False,
        )
        assert done.returncode == 2
        assert done.stdout.splitlines()[-1] == rb"caf\udce9.png -> out/caf\udce9.png: done"
        assert done.stderr == rb"gone\udce9.png: The link leads nowhere." + b"\n"


@pytest.mark.slow
def test_started_without_any_stream(here: Path) -> None:
    command = " ".join([sys.executable, "-m", "cvdemo", "upscale", "in/gone.png", "out.png", "<&-", ">&-", "2>&-"])
    assert subprocess.run(command, shell=True, env=ENVIRONMENT, check=False).returncode == 2
