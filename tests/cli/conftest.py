"""A stand-in in the place of every verb, and a folder of pictures."""

from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from cvdemo.cli.verbs import PICTURE_VERBS
from cvdemo.images import ImageArray
from tests.helpers.command_line import StandIn
from tests.helpers.png_files import save_png


@pytest.fixture
def stand_in(monkeypatch: pytest.MonkeyPatch) -> StandIn:
    made = StandIn()
    for name, verb in PICTURE_VERBS.items():
        monkeypatch.setitem(PICTURE_VERBS, name, replace(verb, prepare=made.prepare))
    return made


@pytest.fixture
def here(noise: ImageArray, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder: a.png, and photos with a.jpg, b.png and sub/c.png."""
    monkeypatch.chdir(tmp_path)
    Path("photos/sub").mkdir(parents=True)
    for name in ("a.png", "photos/b.png", "photos/sub/c.png"):
        save_png(noise, name)
    Image.fromarray(noise).save("photos/a.jpg")
    return tmp_path
