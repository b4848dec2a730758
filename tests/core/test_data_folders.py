from pathlib import Path

import pytest

from cvdemo import data_folders
from cvdemo.data_folders import data_folder, how_to_restore
from cvdemo.example_pictures import example_picture

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def bundled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of an installed package, with weights in it."""
    (tmp_path / "weights").mkdir()
    monkeypatch.setattr(data_folders, "_BUNDLED", tmp_path)
    return tmp_path


def test_a_checkout_has_its_folders_at_the_top() -> None:
    assert data_folder("weights") == ROOT / "weights"
    assert data_folder("examples") == ROOT / "examples"
    assert how_to_restore("weights/x.txt") == "restore it with `git checkout HEAD -- weights/x.txt`"


def test_an_installed_package_has_them_inside(bundled: Path) -> None:
    assert data_folder("weights") == bundled / "weights"
    assert "pip install" in how_to_restore("weights/x.txt")
    assert "git" not in how_to_restore("weights/x.txt")


def test_example_pictures_are_the_projects_own_or_gradios() -> None:
    assert Path(example_picture("chelsea")) == ROOT / "examples" / "chelsea.jpg"
    assert Path(example_picture("cheetah")).parts[-3:-1] == ("media_assets", "images")
    with pytest.raises(FileNotFoundError, match="no example picture 'nothing'"):
        example_picture("nothing")
