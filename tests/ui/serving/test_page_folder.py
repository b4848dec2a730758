"""The page's folder: its own, swept of what former pages left, within a quota, gone when the page ends."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from filelock import FileLock

from cvdemo.errors import RoomError
from cvdemo.limits import KEEP_FILES_S, UNFINISHED_S
from cvdemo.ui.serving import page_folder as files
from cvdemo.ui.serving.middleware import SHARE_TAKEN
from cvdemo.ui.serving.page_folder import PREFIX, Room, open_folder
from tests.ui.api_caller import Caller
from tests.ui.forked_pages import start_page
from tests.ui.page_server import ROOT, free_port, wait_until_it_answers

OLD_S = KEEP_FILES_S + 60


@pytest.fixture
def base(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path / "base"))
    return tmp_path / "base"


def made(path: Path, age_s: float = 0.0) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"picture")
    then = time.time() - age_s
    for aged in (path, path.parent):
        os.utime(aged, (then, then))
    return path


def test_a_page_has_a_folder_of_its_own_which_goes_with_it(base: Path) -> None:
    others = made(base / "others.png", OLD_S)
    folder = open_folder()
    assert os.environ["GRADIO_TEMP_DIR"] == str(folder.path)
    assert folder.real.parent == base and folder.path.resolve() == folder.real
    made(folder.path / "a" / "upload.png")
    folder.close()
    assert list(base.iterdir()) == [others]  # another program's file in the shared folder stays, however old
    assert not folder.path.exists() and not folder.path.is_symlink()


def test_its_path_says_nothing_of_the_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "alice"))
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path / "alice" / "pictures"))
    folder = open_folder()
    assert "alice" not in str(folder.path) and str(ROOT) not in str(folder.path)
    assert (tmp_path / "alice" / "pictures") in folder.real.parents
    folder.close()


def test_what_a_former_page_left_is_swept_by_age(base: Path) -> None:
    former = base / f"{PREFIX}former"
    old, young = made(former / "a" / "old.png", OLD_S), made(former / "b" / "young.png")
    gone = made(base / f"{PREFIX}gone" / "a" / "old.png", OLD_S)
    folder = open_folder()
    assert not old.exists() and young.exists() and not gone.parent.parent.exists()
    folder.close()


def test_the_files_of_a_page_that_runs_are_left_to_it(base: Path) -> None:
    old = made(base / f"{PREFIX}running" / "a" / "old.png", OLD_S)
    with FileLock(base / f"{PREFIX}running.lock"):
        folder = open_folder()
        assert old.exists()
        folder.close()


def test_a_film_that_is_being_written_keeps_its_folder(base: Path) -> None:
    """It is empty at first; what a killed page left of one goes by age."""
    empty, begun = base / f"{PREFIX}dream-aaaaaaaa", made(base / f"{PREFIX}walk-bbbbbbbb" / ".walk.mp4.1.part")
    left = made(base / f"{PREFIX}video-cccccccc" / ".detected.mp4.1.part", OLD_S)
    empty.mkdir()
    folder = open_folder()
    folder.sweep()
    assert empty.is_dir() and begun.exists() and not left.parent.exists()
    assert not list(base.glob(f"{PREFIX}*-*.lock"))
    folder.close()


def test_what_a_killed_page_left_of_a_film_is_swept_where_films_are_written(
    base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "system"))
    system = tmp_path / "system"
    system.mkdir()
    left = made(Path(tempfile.mkdtemp(prefix=f"{PREFIX}dream-")) / "film.mp4", OLD_S)
    begun = made(system / f"{PREFIX}motion-bbbbbbbb" / "film.mp4")
    others = [
        made(system / name / "a.txt", OLD_S) for name in ("cvdemo-dream-of-mine", "dream-aaaaaaaa", "cvdemo-walks")
    ]
    elsewhere = made(tmp_path / "elsewhere" / "a.txt", OLD_S)
    (system / f"{PREFIX}video-llllllll").symlink_to(elsewhere.parent)
    open_folder().close()
    assert not left.parent.exists() and begun.exists()
    assert all(path.exists() for path in [*others, elsewhere])


def test_closing_removes_what_a_job_still_writes(base: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = open_folder()
    late = iter([folder.real / "a" / "late.png", folder.real / "b" / "later.png"])
    remove = shutil.rmtree

    def remove_and_write(path: Path, **options: Any) -> None:
        remove(path, **options)
        for written in late:
            made(written)
            return

    monkeypatch.setattr(shutil, "rmtree", remove_and_write)
    folder.close()
    assert not folder.real.exists() and next(late, None) is None


def test_folders_of_other_users_are_left_to_them(base: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    left = made(base / f"{PREFIX}video-cccccccc" / "film.mp4", OLD_S)
    monkeypatch.setattr(os, "getuid", lambda: left.stat().st_uid + 1)
    open_folder().close()
    assert left.exists()


def test_a_sweep_keeps_the_pages_own_files(base: Path) -> None:
    folder = open_folder()
    own = made(folder.real / "a" / "example.jpg", OLD_S)
    folder.keep_what_is_there()
    old, young = made(folder.real / "b" / "old.png", OLD_S), made(folder.real / "c" / "young.png")
    cut_off, arriving = made(folder.real / "tmp1", UNFINISHED_S + 9), made(folder.real / "tmp2")
    folder.sweep()
    assert own.exists() and young.exists() and arriving.exists()
    assert not old.exists() and not cut_off.exists()
    folder.close()


def test_the_quota_refuses_with_a_sentence(base: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made(base / "a" / "picture.png")
    monkeypatch.setattr(files, "FILES_BYTES", 20)
    room = Room()
    room.check(13)
    with pytest.raises(RoomError, match="as many pictures as it can"):
        room.check(1)


def variables(base: Path, port: int) -> dict[str, str]:
    return {**os.environ, "PORT": str(port), "HOST": "127.0.0.1", "GRADIO_TEMP_DIR": str(base)}


@contextmanager
def page(base: Path, **others: str) -> Iterator[tuple[Any, Caller]]:
    """The page with its folder in `base`; killed at the end if it still runs."""
    port = free_port()
    process = start_page(base / "log.txt", variables(base, port) | others)
    try:
        wait_until_it_answers(f"http://127.0.0.1:{port}", process)
        with Caller(f"http://127.0.0.1:{port}") as caller:
            yield process, caller
    finally:
        process.kill()
        process.wait()


def refused(base: Path, environment: dict[str, str]) -> tuple[int, str]:
    """The exit code and all the words of a page that does not start."""
    log = base / "refused.txt"
    return start_page(log, environment).wait(), log.read_text(encoding="utf-8").strip()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_ending_removes_the_visitors_files(tmp_path: Path, number: int) -> None:
    """While a job runs and a stream is open, too."""
    with page(tmp_path) as (process, caller):
        path = Path(caller.upload()["path"])
        data = [caller.upload(), caller.upload(), 1.0, 10.0, 0.0, 768, 0, 1.0, False, "content", 4, 400]
        event = caller.post("stylize", data).json()["event_id"]
        with caller.http.stream("GET", f"/call/stylize/{event}") as stream:
            next(stream.iter_lines())
            assert path.exists()
            process.send_signal(number)
            assert process.wait(timeout=20) == 0
    assert not path.exists() and not list(tmp_path.glob(f"{PREFIX}*"))


def test_a_killed_pages_files_go_when_the_next_one_starts(tmp_path: Path) -> None:
    with page(tmp_path) as (process, caller):
        stored = caller.upload()["path"]
        kept = Path(stored).resolve()
        process.kill()
        process.wait()
    assert kept.exists()
    then = time.time() - OLD_S
    os.utime(kept, (then, then))
    with page(tmp_path) as (process, caller):
        assert not kept.exists()
        assert caller.http.get(f"/file={stored}").status_code == 403


def test_an_upload_without_room_is_refused_in_a_sentence(tmp_path: Path) -> None:
    """The whole folder's quota, and the share of it that one address may fill."""
    with page(tmp_path, **{"CVDEMO_FILES_BYTES": "8000000"}) as (_, caller):
        taken = [upload(caller, 900_000, number) for number in range(4)]
        assert [answer.status_code for answer in taken] == [200, 200, 507, 507]
        assert taken[-1].text == SHARE_TAKEN
        for last in range(2, 9):  # each within its share, until the folder is full
            with Caller(caller.url, local_address=f"127.0.0.{last}") as neighbour:
                taken += [upload(neighbour, 900_000, 10 * last + number) for number in range(2)]
        assert [answer.status_code for answer in taken[4:6]] == [200, 200]
        assert (taken[-1].status_code, taken[-1].text) == (507, files.FULL)


def upload(caller: Caller, size: int, number: int) -> httpx.Response:
    content = bytes([number]) * size
    return caller.http.post("/upload", files={"files": (f"{number}.bin", content)})


@pytest.mark.parametrize(
    ("name", "text", "told"),
    [
        ("PORT", "abc", "PORT has to be a whole number from 1 to 65535; it is 'abc'."),
        ("PORT", "70000", "PORT has to be a whole number from 1 to 65535; it is '70000'."),
        ("CVDEMO_FILES_BYTES", "much", "CVDEMO_FILES_BYTES must be a whole number of bytes above 0, got 'much'."),
    ],
)
def test_a_wrong_variable_is_one_sentence(tmp_path: Path, name: str, text: str, told: str) -> None:
    assert refused(tmp_path, variables(tmp_path, free_port()) | {name: text}) == (2, told)


def test_a_taken_port_is_one_sentence_of_the_program(tmp_path: Path) -> None:
    """`python app.py` itself, with its exit code and its standard error."""
    with page(tmp_path) as (_, caller):
        environment = variables(tmp_path, int(caller.url.rpartition(":")[2]))
        done = subprocess.run([sys.executable, "app.py"], cwd=ROOT, env=environment, capture_output=True, text=True)
        assert done.returncode == 2
        assert done.stderr.strip().endswith(f"Port {environment['PORT']} is in use already: set PORT to another one.")
        assert len(list(tmp_path.glob(f"{PREFIX}*.lock"))) == 1
