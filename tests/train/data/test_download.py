"""Downloads from a server on this machine: checked, whole or not at all, unpacked."""

import functools
import hashlib
import io
import tarfile
import threading
import zipfile
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from train.data import download as downloading
from train.data.download import OFFICIAL, OfficialFile, download, fetch, unpack

CONTENT = bytes(range(256)) * 5000  # more than one block


class Server(HTTPServer):
    """Answers from `files` and counts what it was asked."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.files: dict[str, bytes] = {"/data.bin": CONTENT}
        self.asked: list[str] = []

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.server_port}{path}"


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        self.server.asked.append(self.path)
        content = self.server.files.get(self.path.removesuffix("?short"))
        if content is None:
            self.send_error(404)
            return
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content[:1000] if self.path.endswith("?short") else content)

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as server:
        thread = threading.Thread(target=functools.partial(server.serve_forever, poll_interval=0.01))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.mark.parametrize("algorithm", ["md5", "sha256"])
def test_a_file_with_the_right_digest_arrives_and_is_not_fetched_again(
    server: Server, tmp_path: Path, algorithm: str
) -> None:
    digest = {algorithm: hashlib.new(algorithm, CONTENT).hexdigest()}
    told: list[tuple[int, int]] = []
    target = tmp_path / "new" / "data.bin"
    for _ in range(2):
        assert download(server.url("/data.bin"), target, progress=lambda *p: told.append(p), **digest) == target
    assert target.read_bytes() == CONTENT and server.asked == ["/data.bin"]
    assert told[-1] == (len(CONTENT), len(CONTENT)) and len(told) > 1
    target.write_bytes(b"damaged")
    download(server.url("/data.bin"), target, **digest)
    assert target.read_bytes() == CONTENT and len(server.asked) == 2


@pytest.mark.parametrize("path", ["/data.bin", "/data.bin?short"])
def test_another_digest_leaves_nothing(server: Server, tmp_path: Path, path: str) -> None:
    wanted = hashlib.md5(CONTENT).hexdigest() if path.endswith("short") else "0" * 32
    with pytest.raises(ValueError, match=f"has md5 .*, expected {wanted}"):
        download(server.url(path), tmp_path / "data.bin", md5=wanted)
    assert list(tmp_path.iterdir()) == []


def test_an_address_that_does_not_answer_is_named(server: Server, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"cannot fetch .*/none \(HTTP Error 404.* by hand"):
        download(server.url("/none"), tmp_path / "data.bin", md5="0" * 32)
    with pytest.raises(FileNotFoundError, match="refused"):
        download("http://127.0.0.1:1/data.bin", tmp_path / "data.bin", md5="0" * 32)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("url", "digests"),
    [("http://x/y", {}), ("http://x/y", {"md5": "0", "sha256": "0"}), ("file:///etc/hostname", {"md5": "0"})],
)
def test_one_digest_and_an_http_address_are_needed(tmp_path: Path, url: str, digests: dict[str, str]) -> None:
    with pytest.raises(ValueError, match="need an http address and one of sha256 and md5"):
        download(url, tmp_path / "data.bin", **digests)


def archive_of(kind: str) -> bytes:
    stream = io.BytesIO()
    if kind == "zip":
        with zipfile.ZipFile(stream, "w") as zipped:
            zipped.writestr("set/train/a.txt", "inside")
    else:
        with tarfile.open(fileobj=stream, mode="w:gz") as tarred:
            info = tarfile.TarInfo("set/train/a.txt")
            info.size = 6
            tarred.addfile(info, io.BytesIO(b"inside"))
    return stream.getvalue()


@pytest.mark.parametrize("kind", ["zip", "tar.gz"])
def test_a_data_set_is_fetched_and_unpacked_once(
    server: Server, tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.files[f"/set.{kind}"] = archive = archive_of(kind)
    file = OfficialFile(url=server.url(f"/set.{kind}"), md5=hashlib.md5(archive).hexdigest(), unpacks_to="set")
    plain = OfficialFile(url=server.url("/data.bin"), md5=hashlib.md5(CONTENT).hexdigest())
    monkeypatch.setattr(downloading, "OFFICIAL", {"some": (file, plain)})
    for _ in range(2):
        fetch("some", tmp_path)
    assert (tmp_path / "set/train/a.txt").read_text() == "inside"
    assert server.asked == [f"/set.{kind}", "/data.bin"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["data.bin", "set", f"set.{kind}"]
    with pytest.raises(ValueError, match="no address for 'other'; there are some"):
        fetch("other", tmp_path)


def test_an_archive_without_the_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.zip").write_bytes(archive_of("zip"))
    with pytest.raises(ValueError, match="holds no folder other"):
        unpack(tmp_path / "a.zip", tmp_path, "other")
    assert [path.name for path in tmp_path.iterdir()] == ["a.zip"]


def test_members_that_climb_out_of_the_folder_are_refused(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "a.tar", "w") as tarred:
        tarred.addfile(tarfile.TarInfo("set/../../escaped.txt"))
    with pytest.raises(tarfile.OutsideDestinationError):
        unpack(tmp_path / "a.tar", tmp_path / "in", "set")
    assert not (tmp_path / "escaped.txt").exists()


def test_the_official_files_have_sums() -> None:
    assert set(OFFICIAL) == {"cifar10", "fashion-mnist", "flowers", "imagenette", "tiny-imagenet"}
    assert OFFICIAL["cifar10"][0].md5 == "c58f30108f718f92721af3b95e74349a"
    assert len(OFFICIAL["fashion-mnist"]) == 4
    assert [file.unpacks_to for file in OFFICIAL["flowers"]] == ["jpg", "", ""]
    for file in (file for files in OFFICIAL.values() for file in files):
        assert len(file.md5) == 32 and file.url.startswith("http")
