"""What systems leave among pictures: one rule for the command line and for training."""

import pytest

from cvdemo import images
from cvdemo.cli import sources as cli_files
from cvdemo.images import is_system
from train.data import picture_files


def test_there_is_one_rule() -> None:
    for reader in (cli_files, picture_files):
        assert vars(reader)["is_system"] is images.is_system


@pytest.mark.parametrize("name", [".DS_Store", "._a.jpg", "Thumbs.db", "DESKTOP.INI", "@eaDir", "$RECYCLE.BIN"])
def test_system_files_are_known_in_any_case(name: str) -> None:
    assert is_system(name)


@pytest.mark.parametrize("name", ["a.jpg", "thumbs.jpg", "desktop", "eaDir"])
def test_pictures_and_folders_are_not(name: str) -> None:
    assert not is_system(name)
