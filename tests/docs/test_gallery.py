"""The gallery: every picture is small and made by the command beside it; and the page of features names what is."""

import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cvdemo.cli import verbs
from cvdemo.cli.parser import make_parser, parse
from cvdemo.dream import run as dream_run
from cvdemo.example_pictures import example_picture
from cvdemo.images import read_image
from cvdemo.ops.video import write_mp4
from scripts import gallery
from scripts.gallery import FOLDER, PAGE, PICTURE_BYTES, PICTURES, SIDE_PX, command_of, facts_of, known_seconds, page
from scripts.gallery_pictures import DREAMS, MASKS, PAINTINGS, Picture
from tests.docs.code_blocks import ROOT
from tests.dream.tiny_network import TinyNetwork

FEATURES = (ROOT / "docs/features.md").read_text(encoding="utf-8")
WHOLE_BYTES = 2_000_000
WITHOUT_A_PICTURE = {
    "a gradient of one strength",
    "tiles for large pictures",
    "Laplacian smoothing",
    "the recipe that made a picture",
    "no seams",
    "large pictures without running out of memory",
    "optimiser and steps",
    "averaged iterates",
    "total variation",
    "time for 512 px",
    "how much memory a size takes",
    "speed on a CPU",
    "no seams of tiles",
    "weights whose link does not die",
}


def test_there_are_twelve_of_each_and_all_are_made() -> None:
    assert len(DREAMS) == len(PAINTINGS) == 12
    assert list(known_seconds()) == list(PICTURES)
    assert {path.stem for path in FOLDER.glob("*.webp")} == set(PICTURES)


def test_the_page_is_that_of_the_table() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(known_seconds())


def test_pictures_are_small() -> None:
    files = list(FOLDER.glob("*.webp"))
    assert sum(file.stat().st_size for file in files) < WHOLE_BYTES
    for file in files:
        with Image.open(file) as picture:
            assert max(picture.size) <= SIDE_PX and file.stat().st_size <= PICTURE_BYTES


def test_every_command_names_what_is_laid_out(tmp_path: Path) -> None:
    gallery.lay_inputs(tmp_path)
    for name in PICTURES:
        verb, source, target, *options = command_of(name)
        assert Path(target).stem == name
        named = [source, *(word for word in options if word.endswith((".jpg", ".png")))]
        assert not [word for word in named if not (tmp_path / Path(word).name).is_file()]
        args = parse(make_parser(), [verb, source, target, *options])
        assert "seconds" not in args  # by steps: on a busy machine the same picture


def test_masks_are_parts_of_their_photographs() -> None:
    for mask in MASKS.values():
        with Image.open(example_picture(mask.photograph)) as photograph:
            share = np.asarray(mask.drawn(photograph.size)).mean() / 255
        assert 0.02 < share < 0.8


def test_facts_are_those_of_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    words = {
        "plain": "dream lion.jpg --preset peacock --mask cup_mask.png",
        "guided": "dream lion.jpg --guide mosaic.jpg --objective guide:block8 --colour 1 --parameterisation fourier",
        "dive": "dream-film lion.jpg --preset tartan --frames 9 --zoom 1.1 --turn-deg 2",
        "mixed": "stylize lion.jpg --style mosaic.jpg --also ink_wash.jpg 0.5 --keep-colours luminance --strength 0.5",
        "parted": "stylize lion.jpg --style mosaic.jpg --also ink_wash.jpg 1 --mask cup_mask.png --size 1024",
    }
    made = {name: Picture("", text) for name, text in words.items()}
    monkeypatch.setattr(gallery, "PICTURES", made)
    facts = {name: facts_of(name) for name in words}
    assert facts["plain"] == {
        "Preset": "peacock", "Objective": "`class:peacock + 0.4*block8 + 0.7*block9:23`", "Colour": "0.65",
        "Only in": "the cup",
    }  # fmt: skip
    assert facts["guided"]["Guide"] == "mosaic" and facts["guided"]["Parameterisation"] == "fourier"
    assert facts["guided"]["Objective"] == "`guide:block8`" and facts["guided"]["Colour"] == "1"
    assert facts["dive"]["Frames"] == "1, 4, 6 and 9, each enlarged 1.1 times and turned by 2° over the one before"
    assert facts["mixed"]["Style"] == "mosaic, ink wash with weight 0.5"
    assert facts["mixed"]["Colours"] == "the picture's, exactly" and facts["mixed"]["Strength"] == "0.5"
    assert facts["parted"]["Style"] == "mosaic, ink wash in the cup" and facts["parted"]["Size"] == "1024 px"


def test_a_picture_is_what_its_command_makes(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(gallery, "FOLDER", tmp_path / "docs")
    monkeypatch.setattr(gallery, "PICTURES", {"small": Picture("", "dream lion.jpg --steps 1 --size-px 128")})
    network = TinyNetwork()
    for module in (dream_run, verbs):
        monkeypatch.setattr(module, "load_dream_network", lambda device: network)
    gallery.lay_inputs(gallery.WORK)
    assert gallery.make("small") > 0
    assert gallery.make("small") > 0  # again, in its place
    whole = read_image(gallery.WORK / "small.png").astype(int)
    shown = read_image(tmp_path / "docs" / "small.webp").astype(int)
    assert whole.shape == shown.shape and abs(whole - shown).mean() < 8


def test_of_a_film_the_first_and_the_last_frame_are_shown_and_two_between(tmp_path: Path) -> None:
    frames = [np.full((64, 64, 3), grey, np.uint8) for grey in (20, 60, 90, 120, 160, 190, 230)]
    shown = gallery.shown_of(write_mp4(frames, tmp_path / "a.mp4", fps=15)).astype(int)
    assert shown.shape == (128, 128, 3)
    middles = shown[[32, 32, 96, 96], [32, 96, 32, 96], 0]
    np.testing.assert_allclose(middles, [20, 90, 160, 230], atol=6)


def test_the_tests_that_features_are_held_by_exist() -> None:
    named = re.findall(r"`(test_\w+)` in `(tests/[\w/]+\.py)`", FEATURES)
    assert len(named) > 25
    for name, file in named:
        assert f"def {name}(" in (ROOT / file).read_text(encoding="utf-8")


def test_every_feature_is_answered_and_shown() -> None:
    rows = [
        row.split(" | ")
        for row in FEATURES.partition("\n## Memory")[0].splitlines()
        if row.startswith("| ") and not row.startswith(("| What", "| Asked"))
    ]
    for row in rows:
        assert row[-2].startswith(("yes", "no"))
        assert re.search(r"`|\]\(|the gallery|line above", row[-1])
    unseen = {row[0].removeprefix("| ") for row in rows if not re.search(r"<img |dream-channels|line above", row[-1])}
    assert unseen == WITHOUT_A_PICTURE
