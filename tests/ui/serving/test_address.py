"""HOST and PORT: what is wrong with them is one sentence with the variable's name, and exit code 2."""

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from cvdemo.errors import InputError
from cvdemo.ui.page import launch_options
from cvdemo.ui.serving.address import TAKEN_LATER, address, ending_in_one_sentence

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture(autouse=True)
def _plain_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HOST", "PORT", "SPACE_ID"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def taken() -> Iterator[int]:
    """A port that another program listens on."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
    return port


@pytest.mark.parametrize(
    ("host", "space", "expected"),
    [
        (None, False, "127.0.0.1"),
        ("", False, "127.0.0.1"),
        (None, True, "0.0.0.0"),
        ("localhost", False, "localhost"),
        ("0.0.0.0", False, "0.0.0.0"),
    ],
)
def test_the_address_of_the_page(host: str | None, space: bool, expected: str, monkeypatch: pytest.MonkeyPatch) -> None:
    port = free_port()
    monkeypatch.setenv("PORT", str(port))
    if host is not None:
        monkeypatch.setenv("HOST", host)
    if space:
        monkeypatch.setenv("SPACE_ID", "someone/cvdemo")
    assert address() == (expected, port)
    options = launch_options()
    assert (options["server_name"], options["server_port"]) == (expected, port)


def test_the_usual_port(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cvdemo.ui.serving.address._try_to_bind", lambda host, port: None)
    assert address() == ("127.0.0.1", 7860)
    monkeypatch.setenv("PORT", "")
    assert address() == ("127.0.0.1", 7860)


@pytest.mark.parametrize(
    "port", ["abc", "0", "65536", "-1", "80.5", "1e4", " ", "\u0667\u0668\u0666\u0660", "9" * 5000]
)
def test_a_port_that_is_none(port: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PORT", port)
    with pytest.raises(InputError, match=r"^PORT has to be a whole number from 1 to 65535; it is '.*'\.$") as raised:
        address()
    assert len(str(raised.value)) < 120


@pytest.mark.parametrize("host", ["300.1.1.1", "192.0.2.1", "a..b", "x" * 300, "no host"])
def test_a_host_that_is_none(host: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOST", host)
    monkeypatch.setenv("PORT", str(free_port()))
    with pytest.raises(InputError, match=r"^HOST has to be an address of this machine, .* it is '.*'\.$") as raised:
        address()
    assert len(str(raised.value)) < 150


def test_a_port_that_is_taken(taken: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PORT", str(taken))
    for host in ("127.0.0.1", "0.0.0.0", "localhost"):
        monkeypatch.setenv("HOST", host)
        with pytest.raises(InputError, match=f"^Port {taken} is in use already: set PORT to another one"):
            address()


def test_a_port_that_is_not_permitted(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(self: object, place: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(socket.socket, "bind", refuse)
    monkeypatch.setenv("PORT", "80")
    with pytest.raises(InputError, match=r"^Port 80 is not permitted: set PORT to one from 1024 on\.$"):
        address()


def test_a_port_that_is_taken_while_the_page_is_built(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PORT", "8123")
    with pytest.raises(SystemExit, match="2"), ending_in_one_sentence():
        raise OSError("Cannot find empty port in range: 8123-8123. Set GRADIO_SERVER_PORT.")
    assert capsys.readouterr().err == "Port 8123 is in use already: set PORT to another one.\n"
    with pytest.raises(OSError, match="something else"), ending_in_one_sentence():
        raise OSError("something else")


@pytest.mark.slow
def test_gradio_still_says_it_in_those_words(taken: int) -> None:
    code = f"from gradio.http_server import start_server; start_server(None, '127.0.0.1', {taken})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert f"OSError: {TAKEN_LATER}" in done.stderr


@pytest.mark.slow
def test_the_program_ends_with_one_sentence(taken: int) -> None:
    """Once for real; the other sentences take the same way."""
    environment = {**os.environ, "PORT": str(taken), "HOST": "127.0.0.1"}
    done = subprocess.run(
        [sys.executable, "app.py"], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=120, check=False
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == f"Port {taken} is in use already: set PORT to another one.\n"
