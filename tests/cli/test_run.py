"""Runs of the command line: folders, failures, capitals; a stand-in takes the networks' place."""

import argparse
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from cvdemo.__main__ import run
from cvdemo.cli.parser import config_from, make_parser, one_of, parse
from cvdemo.cli.run import main
from cvdemo.cli.verbs import PICTURE_VERBS, Work
from cvdemo.errors import WeightsError
from cvdemo.images import ImageArray, read_image
from cvdemo.sample.generate import SampleConfig
from tests.helpers.command_line import StandIn, below
from tests.helpers.png_files import save_png


def red(name: str) -> None:
    save_png(np.tile(np.array([255, 0, 0], np.uint8), (8, 8, 1)), name)


def test_recursion_keeps_sub_folders(here: Path, stand_in: StandIn, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["upscale", "photos", "out", "--recursive"]) == 0
    assert below("out") == ["a.png", "b.png", "sub/c.png"]
    printed = capsys.readouterr()
    assert printed.out.splitlines()[2] == "sub/c.png -> out/sub/c.png: turned" and printed.err == ""


def test_a_batch_goes_on_whatever_a_picture_is(
    here: Path, stand_in: StandIn, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    Path("photos/0.png").symlink_to("gone")
    Path("photos/1.png").write_bytes(b"no picture")
    red("photos/2.png")
    Path("photos/caf\udce9\n.png").write_bytes(Path("a.png").read_bytes())
    os.mkfifo("photos/z.png")
    assert main(["upscale", "photos", "out"]) == 2
    assert below("out") == ["a.png", "b.png", "caf\udce9\n.png"]
    printed = capsys.readouterr()
    assert printed.out.splitlines()[-1] == r"caf\udce9\n.png -> out/caf\udce9\n.png: turned"
    sub, link, no_picture, unexpected, pipe = printed.err.splitlines()
    assert sub == "Sub-folders are skipped without --recursive: sub."
    assert link == "0.png: The link leads nowhere."
    assert no_picture.startswith("1.png: The file is not a picture")
    assert unexpected.startswith("2.png: Something unexpected went wrong; it is logged under number ")
    assert pipe.startswith("z.png: photos/z.png is not a regular file")
    number = unexpected[-7:-1]
    assert f"Number {number}: Traceback" in caplog.text and "IndexError: list index out of range" in caplog.text


def test_a_folder_that_cannot_be_read_is_a_failure(
    here: Path, stand_in: StandIn, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    scandir: Any = os.scandir

    def guarded(path: str) -> Any:
        if Path(path).name == "sub":
            raise PermissionError(13, "Permission denied", path)
        return scandir(path)

    monkeypatch.setattr(os, "scandir", guarded)
    assert main(["upscale", "photos", "out", "--recursive"]) == 2
    assert below("out") == ["a.png", "b.png"]
    assert capsys.readouterr().err == "photos/sub: The folder cannot be read: Permission denied.\n"


def test_a_file_that_cannot_be_read_is_a_failure(
    here: Path, stand_in: StandIn, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = Path.open

    def guarded(self: Path, *arguments: Any, **options: Any) -> Any:
        if self.name == "a.jpg":
            raise PermissionError(13, "Permission denied", str(self))
        return opened(self, *arguments, **options)

    monkeypatch.setattr(Path, "open", guarded)
    assert main(["upscale", "photos", "out"]) == 2
    assert below("out") == ["b.png"]
    assert "a.jpg: The file cannot be read: Permission denied.\n" in capsys.readouterr().err


def test_what_is_wrong_with_targets_is_said_before_a_network_is_loaded(
    here: Path, noise: ImageArray, stand_in: StandIn, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("out").mkdir()
    Path("out/b.json").write_text("mine")
    save_png(noise, "b.png")
    for arguments, sentence in [
        (["upscale", "a.png", "b.png"], "There is already b.png: give another OUT, or --overwrite."),  # upscale *.png
        (["detect", "photos", "out"], "There is already out/b.json: give another OUT, or --overwrite."),
        (["upscale", "photos", "photos"], "The result would overwrite photos/b.png: give another OUT."),
        (["upscale", "photos", "photos", "--overwrite"], "The result would overwrite photos/b.png: give another OUT."),
        (["stylize", "a.png", "b.png", "--style", "b.png", "--overwrite"], "The result would overwrite b.png: give"),
        (["upscale", "photos", "b.png"], "OUT has to be a folder, as IN is one; b.png is a file."),
        (["upscale", "photos", "-"], "Standard output is one picture, and IN a folder: give a folder as OUT."),
        (["upscale", "a.png", "-", "--json"], "Standard output holds a picture or --json, not both"),
        (["stylize", "-", "x.png", "--style", "-"], "Standard input is one picture: IN or --style, not both."),
        (["upscale", "a.png", ""], "OUT is empty."),
        (["upscale", "", "x.png"], "IN is empty."),
        (["upscale", "a.png", "x.png", "--format", "jpg"], "--format is for folders"),
        (["sample", "b.png"], "There is already b.png: give another OUT, or --overwrite."),
        (["sample", "b.png", "--format", "jpg", "--overwrite"], "--format is for folders"),
        (["sample", "-", "--json"], "Standard output holds a picture or --json, not both"),
        (["sample", ""], "OUT is empty."),
    ]:
        assert main(arguments) == 2, arguments
        printed = capsys.readouterr()
        assert sentence in printed.err and printed.err.count("\n") == 1 and printed.out == ""
    assert not stand_in.prepared
    np.testing.assert_array_equal(read_image("b.png"), noise)
    assert Path("out/b.json").read_text() == "mine"


def test_overwrite_replaces_results(here: Path, noise: ImageArray, stand_in: StandIn) -> None:
    save_png(noise, "b.png")
    assert main(["upscale", "a.png", "b.png", "--overwrite"]) == 0
    np.testing.assert_array_equal(read_image("b.png"), noise[::-1])


def test_no_result_is_lost_to_another(here: Path, noise: ImageArray, stand_in: StandIn) -> None:
    Path("in").mkdir()
    for name in ("a.jpg.png", "a.png", "b.png"):
        save_png(noise, f"in/{name}")
    Image.fromarray(noise).save("in/a.jpg")
    assert main(["detect", "in", "out"]) == 0
    names = ("a.jpg", "a.jpg.png", "a.png")
    assert below("out") == sorted([f"{name}{end}" for name in names for end in (".png", ".json")] + ["b.json", "b.png"])


def test_ctrl_c_is_one_line(here: Path, stand_in: StandIn, capsys: pytest.CaptureFixture[str]) -> None:
    stand_in.stop_at = 1
    assert main(["upscale", "photos", "out", "--recursive"]) == 130
    printed = capsys.readouterr()
    assert printed.err == "Stopped; 1 of 3 pictures are done.\n" and len(printed.out.splitlines()) == 1
    assert below("out") == ["a.png"]
    stand_in.stop_at = stand_in.seen
    assert main(["upscale", "a.png", "new.png"]) == 130
    assert capsys.readouterr().err == "Stopped.\n" and not Path("new.png").exists()


@pytest.mark.parametrize(
    ("arguments", "name", "value"),
    [
        (["dream", "a.png", "o.png", "--layer", "BLOCK4"], "layer", "block4"),
        (["Dream", "a.png", "o.png", "--layer", "Block4"], "layer", "block4"),
        (["detect", "a.png", "o.png", "--detector", "IMAGENET"], "detector", "imagenet"),
        (["CLASSIFY", "a.png", "--model", "ImageNet"], "model", "imagenet"),
        (["upscale", "a.png", "o.png", "--network", "Auto"], "network", "auto"),
    ],
)
def test_choices_by_any_capitals(arguments: list[str], name: str, value: str, here: Path, stand_in: StandIn) -> None:
    assert main(arguments) == 0
    ((config, _),) = stand_in.prepared
    assert getattr(config, name) == value


@pytest.mark.parametrize("written", ["furry-faces", "Furry faces", "FURRY_FACES", " furry  faces"])
def test_presets_as_the_page_writes_them(written: str, here: Path, stand_in: StandIn) -> None:
    assert main(["dream", "a.png", "o.png", "--preset", written, "--device", "CPU"]) == 0
    ((config, args),) = stand_in.prepared
    assert config == PICTURE_VERBS["dream"].presets["furry-faces"] and args.device == "cpu"


def test_former_names_of_presets_still_work(here: Path, stand_in: StandIn) -> None:
    assert main(["dream", "a.png", "o.png", "--preset", "Neon maze"]) == 0
    ((config, _),) = stand_in.prepared
    assert config == PICTURE_VERBS["dream"].presets["carved-wood"]


def test_a_layer_that_is_given_takes_the_place_of_the_presets_objective(here: Path, stand_in: StandIn) -> None:
    assert main(["dream", "a.png", "o.png", "--layer", "block4"]) == 0
    assert main(["dream", "a.png", "o.png", "--objective", "block9:41 - 0.5*block9:3", "--overwrite"]) == 0
    goals = [str(config.goal) for config, _ in stand_in.prepared]  # type: ignore[attr-defined]  # DreamConfigs
    assert goals == ["block4", "block9:41 - 0.5*block9:3"]


def test_an_objective_that_cannot_be_read_is_refused(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["dream", "a.png", "o.png", "--objective", "block8 + "])
    assert "Character 10 of the objective 'block8 + ': a layer" in capsys.readouterr().err


def test_the_generator_by_any_capitals() -> None:
    args = parse(make_parser(), ["SAMPLE", "out", "--generator", "DCGAN-Fashion"])
    assert config_from(args, SampleConfig()).generator == "dcgan_fashion"


def test_what_is_no_choice_is_left_for_argparse_to_refuse(capsys: pytest.CaptureFixture[str]) -> None:
    assert one_of(["a-b"])("c") == "c"
    with pytest.raises(SystemExit, match="2"):
        main(["dream", "a.png", "o.png", "--preset", "cats"])
    assert "argument --preset: invalid choice: 'cats'" in capsys.readouterr().err


def test_the_style_picture_is_named(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("bad.jpg").write_bytes(b"no picture")
    assert main(["stylize", "a.png", "o.png", "--style", "bad.jpg"]) == 2
    assert capsys.readouterr().err.startswith("The style picture, bad.jpg: The file is not a picture")


@pytest.mark.parametrize("error", [RuntimeError("boom"), MemoryError(), RecursionError()])
def test_what_nobody_foresaw_is_one_sentence_with_a_log(
    error: Exception, here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def prepare(config: Any, args: argparse.Namespace) -> Work:
        raise error

    monkeypatch.setitem(PICTURE_VERBS, "upscale", replace(PICTURE_VERBS["upscale"], prepare=prepare))
    monkeypatch.setattr("tempfile.tempdir", str(here))
    assert run(["upscale", "a.png", "out.png"]) == 2
    sentence, place = capsys.readouterr().err.splitlines()
    assert sentence.startswith("Something unexpected went wrong; it is logged under number ")
    log = Path(place.removeprefix("The log is ").removesuffix("."))
    text = log.read_text()
    assert text.startswith(f"Number {sentence[-7:-1]}: Traceback") and type(error).__name__ in text


def test_what_can_be_mended_leaves_no_log(
    here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def prepare(config: Any, args: argparse.Namespace) -> Work:
        raise WeightsError("weights/x is missing.")

    monkeypatch.setitem(PICTURE_VERBS, "upscale", replace(PICTURE_VERBS["upscale"], prepare=prepare))
    monkeypatch.setattr("tempfile.tempdir", str(here))
    assert run(["upscale", "a.png", "out.png"]) == 2
    assert capsys.readouterr().err == "weights/x is missing.\n" and below(".")[0] == "a.png"
