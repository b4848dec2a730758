"""Results as files: formats by their ending, whole or absent, never in the place of another."""

import errno
import io
import json
import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cvdemo.cli.output import encoded, json_bytes, write_files
from cvdemo.errors import InputError
from cvdemo.images import ImageArray, read_image


def test_png_is_lossless(noise: ImageArray) -> None:
    np.testing.assert_array_equal(read_image(encoded(noise, ".PNG")), noise)


@pytest.mark.parametrize(("suffix", "name"), [(".jpg", "JPEG"), (".jpeg", "JPEG"), (".webp", "WEBP")])
def test_the_others_are_close(suffix: str, name: str, cheetah: ImageArray) -> None:
    data = encoded(cheetah, suffix)
    assert Image.open(io.BytesIO(data)).format == name
    error = np.abs(read_image(data).astype(int) - cheetah)
    assert 0 < error.mean() < 4 and len(data) < cheetah.size / 2


def test_colour_is_kept_at_edges() -> None:
    """Red and blue columns of one pixel: with halved colour they would be the same purple."""
    columns = np.zeros((16, 16, 3), np.uint8)
    columns[:, ::2, 0], columns[:, 1::2, 2] = 200, 200
    error = np.abs(read_image(encoded(columns, ".jpg")).astype(int) - columns)
    assert error.mean() < 10


def test_alpha_is_kept_or_laid_on_white(noise: ImageArray) -> None:
    rgba = np.dstack([noise, np.zeros((48, 64), np.uint8)])
    for suffix in (".png", ".webp"):
        assert not read_image(encoded(rgba, suffix), keep_alpha=True)[..., 3].any()
    assert (read_image(encoded(rgba, ".jpg")) == 255).all()


def test_a_picture_too_wide_for_a_format() -> None:
    wide = np.zeros((1, 16384, 3), np.uint8)
    assert encoded(wide, ".png")
    with pytest.raises(InputError, match=r"^The result is 16384 x 1 pixels; WEBP ends at 16383 a side: choose PNG\.$"):
        encoded(wide, ".webp")
    with pytest.raises(InputError, match="JPEG ends at 65500"):
        encoded(np.zeros((65501, 1, 3), np.uint8), ".jpg")


def test_files_are_written_with_their_folders(tmp_path: Path) -> None:
    files = {tmp_path / "new" / "a.png": b"picture", tmp_path / "new" / "a.json": json_bytes({"label": "crème"})}
    write_files(files, overwrite=False)
    assert (tmp_path / "new" / "a.png").read_bytes() == b"picture"
    assert json.loads((tmp_path / "new" / "a.json").read_text(encoding="utf-8")) == {"label": "crème"}
    assert sorted(path.name for path in (tmp_path / "new").iterdir()) == ["a.json", "a.png"]


def test_files_have_the_usual_permissions(tmp_path: Path) -> None:
    (tmp_path / "usual").write_bytes(b"")
    write_files({tmp_path / "a.png": b"new"}, overwrite=False)
    assert (tmp_path / "a.png").stat().st_mode == (tmp_path / "usual").stat().st_mode


def test_what_exists_stays_without_overwrite(tmp_path: Path) -> None:
    (tmp_path / "b.png").write_bytes(b"old")
    files = {tmp_path / "a.png": b"new", tmp_path / "b.png": b"new"}
    with pytest.raises(InputError, match=r"^There is already .*b\.png"):
        write_files(files, overwrite=False)
    assert [path.name for path in tmp_path.iterdir()] == ["b.png"] and (tmp_path / "b.png").read_bytes() == b"old"
    write_files(files, overwrite=True)
    assert (tmp_path / "b.png").read_bytes() == b"new"


def test_a_link_is_followed(tmp_path: Path) -> None:
    (tmp_path / "far").mkdir()
    (tmp_path / "far" / "real.png").write_bytes(b"old")
    (tmp_path / "link.png").symlink_to(tmp_path / "far" / "real.png")
    write_files({tmp_path / "link.png": b"new"}, overwrite=True)
    assert (tmp_path / "link.png").is_symlink() and (tmp_path / "far" / "real.png").read_bytes() == b"new"


def test_a_full_disk_leaves_what_was_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.png").write_bytes(b"old")

    class Full(io.FileIO):
        def write(self, data: object) -> int:
            super().write(b"part")
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(Path, "open", lambda self, mode: Full(self, mode))
    with pytest.raises(InputError, match=r"a\.png cannot be written: No space left on device\.$"):
        write_files({tmp_path / "a.png": b"new"}, overwrite=True)
    assert [path.name for path in tmp_path.iterdir()] == ["a.png"] and (tmp_path / "a.png").read_bytes() == b"old"


def test_the_file_whose_name_is_refused_is_told(tmp_path: Path) -> None:
    """The one before it is there already, the one after it is not, and nothing is left of either."""
    (tmp_path / "b.png").mkdir()
    with pytest.raises(InputError, match=r"b\.png cannot be written"):
        write_files({tmp_path / name: b"new" for name in ("a.png", "b.png", "c.png")}, overwrite=True)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.png", "b.png"]


def test_a_file_is_whole_or_absent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the name is taken, all bytes are there already."""
    seen: list[bytes] = []
    replace = Path.replace

    def watched(self: Path, target: Path) -> Path:
        assert not target.exists() and self.parent == target.parent and self.name.startswith(".")
        seen.append(self.read_bytes())
        return replace(self, target)

    monkeypatch.setattr(Path, "replace", watched)
    write_files({tmp_path / "a.png": b"a", tmp_path / "a.json": b"b"}, overwrite=False)
    assert seen == [b"a", b"b"]


def test_a_name_as_long_as_can_be_is_written(tmp_path: Path) -> None:
    name = "x" * 251 + ".png"
    write_files({tmp_path / name: b"a"}, overwrite=False)
    assert (tmp_path / name).read_bytes() == b"a"
    with pytest.raises(InputError, match="cannot be written: File name too long"):
        write_files({tmp_path / ("x" + name): b"a"}, overwrite=False)
