"""Files are whole at every moment, and what fails leaves nothing behind."""

import errno
import os
from pathlib import Path

import pytest

from cvdemo.whole_files import write_whole, written_beside


def test_a_file_is_replaced_by_the_whole_of_another(tmp_path: Path) -> None:
    target = tmp_path / "new" / "a.bin"
    write_whole(target, b"old")
    write_whole(target, b"newer")
    assert target.read_bytes() == b"newer" and [path.name for path in target.parent.iterdir()] == ["a.bin"]


@pytest.mark.parametrize("suffix", ["", ".partial"])
def test_until_it_is_renamed_the_old_file_stays(suffix: str, tmp_path: Path) -> None:
    target = tmp_path / "a.bin"
    target.write_bytes(b"old")
    with pytest.raises(KeyboardInterrupt), written_beside(target, b"new", suffix=suffix) as unfinished:
        assert unfinished.read_bytes() == b"new" and unfinished.parent == tmp_path
        raise KeyboardInterrupt
    assert target.read_bytes() == b"old" and list(tmp_path.iterdir()) == [target]


def test_a_named_remainder_is_written_over(tmp_path: Path) -> None:
    (tmp_path / "a.bin.partial").write_bytes(b"left by a process that was killed")
    write_whole(tmp_path / "a.bin", b"new", suffix=".partial")
    assert [path.name for path in tmp_path.iterdir()] == ["a.bin"]


def test_only_what_must_be_on_the_disk_waits_for_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(handle: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    write_whole(tmp_path / "a.bin", b"a")
    with pytest.raises(OSError, match="No space left"):
        write_whole(tmp_path / "b.bin", b"b", on_disk=True)
    assert [path.name for path in tmp_path.iterdir()] == ["a.bin"]
