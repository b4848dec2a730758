"""The verb `teach` and `classify --head`: a folder of folders, what is told, and everything that is refused."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cvdemo.classify.taught_head import load_head, save_head
from cvdemo.cli.run import main
from tests.helpers.png_files import save_png
from tests.helpers.taught import BLUE, GREEN, RED, colour_head, shades, use_colours


@pytest.fixture
def things(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder has things/red with four pictures, things/blue with three and a text, and a hidden folder."""
    use_colours(monkeypatch)
    monkeypatch.chdir(tmp_path)
    for name, pictures in {"red": shades(RED, 4), "blue": shades(BLUE, 3)}.items():
        (tmp_path / "things" / name).mkdir(parents=True)
        for number, picture in enumerate(pictures):
            save_png(picture, tmp_path / "things" / name / f"{number}.png")
    (tmp_path / "things/blue/notes.txt").write_text("no picture")
    (tmp_path / "things/.cache").mkdir()
    (tmp_path / "things/loose.txt").write_text("of no class")
    return tmp_path / "things"


def test_a_folder_of_folders_becomes_a_head_that_names_a_picture(
    things: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["teach", "things", "head.safetensors"]) == 0
    assert capsys.readouterr().out == "head.safetensors: 7 of 7 right when tested on its own pictures (leave-one-out)\n"
    assert load_head(Path("head.safetensors").read_bytes()).labels == ("blue", "red")
    save_png(shades(RED, 1, seed=8)[0], "new.png")
    assert main(["classify", "new.png", "--head", "head.safetensors"]) == 0
    assert capsys.readouterr().out.startswith("new.png: red ")
    assert main(["classify", "new.png", "new.json", "--head", "head.safetensors"]) == 0
    assert [entry["label"] for entry in json.loads(Path("new.json").read_text())["classes"]] == ["red", "blue"]


def test_json_tells_every_verdict(things: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["teach", "things", "head.safetensors", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["output"], told["labels"], told["pictures"]) == ("head.safetensors", ["blue", "red"], [3, 4])
    assert told["right"] == told["left_out"] == len(told["verdicts"]) == 7


def test_a_doubtful_picture_is_named(things: Path, capsys: pytest.CaptureFixture[str]) -> None:
    save_png(shades(BLUE, 1, seed=4)[0], things / "red" / "sky.png")
    assert main(["teach", "things", "head.safetensors"]) == 0
    assert "doubtful: red/sky.png: red? It looks like blue (" in capsys.readouterr().out


def test_a_picture_that_cannot_be_read_is_named_and_the_others_are_taught(
    things: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (things / "red" / "broken.jpg").write_bytes(b"\xff\xd8 no picture")
    assert main(["teach", "things", "head.safetensors"]) == 2
    captured = capsys.readouterr()
    assert captured.err.startswith("red/broken.jpg: The file ") and "7 of 7 right" in captured.out
    assert Path("head.safetensors").is_file()


def test_a_head_that_exists_is_kept_without_overwrite(things: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("head.safetensors").write_text("precious")
    assert main(["teach", "things", "head.safetensors"]) == 2
    assert "There is already head.safetensors" in capsys.readouterr().err
    assert Path("head.safetensors").read_text() == "precious"
    assert main(["teach", "things", "head.safetensors", "--overwrite"]) == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["none", "head.safetensors"], "FOLDER has to be a folder with a sub-folder for each class; none is not."),
        (["things/red", "head.safetensors"], "A head needs 2 to 10 classes; these are 0."),
        (["things", "head.onnx"], "HEAD has to end in .safetensors; it is head.onnx."),
    ],
)
def test_what_cannot_be_taught_is_one_sentence(
    things: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    assert main(["teach", *arguments]) == 2
    assert capsys.readouterr().err.strip() == message


def test_a_class_without_pictures_or_with_one_is_told(things: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (things / "green").mkdir()
    assert main(["teach", "things", "head.safetensors"]) == 2
    assert "There is no picture in the folder things/green." in capsys.readouterr().err
    save_png(shades(GREEN, 1)[0], things / "green" / "a.png")
    assert main(["teach", "things", "head.safetensors"]) == 2
    assert "The class green needs 2 pictures or more; it has 1." in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--head", "none.safetensors"], "The head none.safetensors cannot be read: No such file or directory."),
        (["--head", "things"], "The head things cannot be read"),
        (["--head", "new.png"], "The file is not a taught head"),
        (["--head", "head.safetensors", "--ten-crop"], "--ten-crop changes nothing with --head: please leave it out."),
        (["--head", "head.safetensors", "--model", "imagenet"], "--model changes nothing with --head"),
    ],
)
def test_a_head_that_cannot_be_used_is_one_sentence(
    things: Path, capsys: pytest.CaptureFixture[str], options: list[str], message: str
) -> None:
    Image.fromarray(np.zeros((8, 8, 3), np.uint8)).save("new.png")
    Path("head.safetensors").write_bytes(save_head(colour_head("red", "green")))
    assert main(["classify", "new.png", *options]) == 2
    assert message in capsys.readouterr().err
