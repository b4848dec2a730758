"""Runs of the command line: folders, failures, JSON, formats, capitals; a stand-in takes the networks' place."""

import argparse
import io
import json
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
from cvdemo.cli.verbs import TASKS, Report, Result, Work
from cvdemo.errors import WeightsError
from cvdemo.images import ImageArray, on_white, read_image
from cvdemo.nets.dcgan import Generator
from cvdemo.sample.generate import SampleConfig
from tests.helpers.png_files import save_png


class StandIn:
    """In the place of every task: turns pictures upside down; a red pixel in the corner is an error nobody foresaw."""

    def __init__(self) -> None:
        self.prepared: list[tuple[Any, argparse.Namespace]] = []
        self.stop_at: int | None = None
        self.seen = 0

    def prepare(self, config: Any, args: argparse.Namespace) -> Work:
        self.prepared.append((config, args))
        return self.work

    def work(self, image: ImageArray, report: Report) -> Result:
        if self.seen == self.stop_at:
            raise KeyboardInterrupt
        self.seen += 1
        if (on_white(image)[0, 0] == (255, 0, 0)).all():
            raise IndexError("list index out of range")
        return Result("turned", np.ascontiguousarray(image[::-1]), {"answer": 42})


@pytest.fixture
def stand_in(monkeypatch: pytest.MonkeyPatch) -> StandIn:
    made = StandIn()
    for name, task in TASKS.items():
        monkeypatch.setitem(TASKS, name, replace(task, prepare=made.prepare))
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


def below(folder: str) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in Path(folder).rglob("*") if path.is_file())


def format_of(data: bytes) -> str | None:
    with Image.open(io.BytesIO(data)) as picture:
        return picture.format


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
    assert pipe.startswith("z.png: photos/z.png is no regular file")
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


def test_formats_by_the_ending(here: Path, stand_in: StandIn) -> None:
    for name, expected in {"o.png": "PNG", "o.JPG": "JPEG", "o.jpeg": "JPEG", "o.webp": "WEBP"}.items():
        assert main(["upscale", "a.png", name]) == 0
        assert format_of(Path(name).read_bytes()) == expected
    assert main(["upscale", "photos", "out", "--format", "WebP"]) == 0
    assert below("out") == ["a.webp", "b.webp"] and format_of(Path("out/a.webp").read_bytes()) == "WEBP"
    assert main(["detect", "a.png", "boxes.jpg"]) == 0
    assert json.loads(Path("boxes.json").read_text()) == {"answer": 42}


BOXES = {
    "size_wh": [64, 48],
    "detections": [{"label": "face", "score": 0.5, "xyxy": [1.0, 2.0, 4.0, 6.0]}],
}


@pytest.fixture
def boxes(stand_in: StandIn, monkeypatch: pytest.MonkeyPatch) -> None:
    """The stand-in finds a face in every picture."""
    monkeypatch.setattr(stand_in, "work", lambda image, report: Result("1 face", image, BOXES))


def test_coco_and_csv_are_one_file_of_all_pictures(here: Path, boxes: None, capsys: pytest.CaptureFixture[str]) -> None:
    Path("photos/0.png").write_bytes(b"no picture")
    options = ["--detector", "haar", "--coco", "all/coco.json", "--csv", "all.csv"]
    assert main(["detect", "photos", "--recursive", *options]) == 2  # one picture cannot be read
    coco = json.loads(Path("all/coco.json").read_text(encoding="utf-8"))
    assert [image["file_name"] for image in coco["images"]] == ["a.jpg", "b.png", "sub/c.png"]
    assert coco["categories"] == [{"id": 1, "name": "face"}] and len(coco["annotations"]) == 3
    lines = Path("all.csv").read_text(encoding="utf-8").splitlines()
    assert lines[0] == "file,label,score,x1,y1,x2,y2" and lines[3] == "sub/c.png,face,0.5,1.0,2.0,4.0,6.0"
    assert below("photos") == ["0.png", "a.jpg", "b.png", "sub/c.png"]
    capsys.readouterr()
    assert main(["detect", "a.png", "--detector", "haar", "--csv", "all.csv"]) == 2
    assert "There is already all.csv: give another OUT, or --overwrite." in capsys.readouterr().err
    assert main(["detect", "a.png", "out.png", "--detector", "haar", "--csv", "all.csv", "--overwrite"]) == 0
    assert len(Path("all.csv").read_text(encoding="utf-8").splitlines()) == 2 and Path("out.png").exists()


def test_a_new_folder_for_one_file(here: Path, stand_in: StandIn) -> None:
    assert main(["upscale", "a.png", "new/deep/"]) == 0
    assert main(["classify", "a.png", "new/deep/"]) == 0
    assert below("new") == ["deep/a.json", "deep/a.png"]


@pytest.mark.parametrize("verb", ["classify", "detect", "upscale"])
def test_json_is_all_that_is_printed(
    verb: str, here: Path, stand_in: StandIn, capsys: pytest.CaptureFixture[str]
) -> None:
    measuring = ["--shrink-first"] if verb == "upscale" else []
    assert main([verb, "a.png", "--json", *measuring]) == 0
    printed = capsys.readouterr()
    size = {"size_wh": [64, 48]}
    assert json.loads(printed.out) == {"file": "a.png", **size, "answer": 42} and printed.err == ""
    Path("photos/0.png").write_bytes(b"no picture")
    Path("photos/caf\udce9.png").write_bytes(Path("a.png").read_bytes())
    assert main([verb, "photos", "out", "--json", *measuring]) == 2
    printed = capsys.readouterr()
    lines = [json.loads(line) for line in printed.out.splitlines()]
    suffix = "json" if verb == "classify" else "png"
    assert lines == [
        {"file": f"photos/{name}", "output": f"out/{Path(name).stem}.{suffix}", **size, "answer": 42}
        for name in ("a.jpg", "b.png", "caf\udce9.png")
    ]
    assert printed.out.isascii() and "0.png: The file is not a picture" in printed.err


def test_out_may_only_be_left_out_where_there_is_something_to_tell(here: Path, stand_in: StandIn) -> None:
    for arguments in (["dream", "a.png", "--json"], ["upscale", "a.png", "--json"], ["detect", "a.png"]):
        with pytest.raises(SystemExit, match="2"):
            main(arguments)
    assert not stand_in.prepared


class Binary(io.TextIOWrapper):
    """A text stream whose bytes can be looked at."""

    @property
    def held(self) -> bytes:
        self.flush()
        held = self.buffer.raw if isinstance(self.buffer, io.BufferedWriter) else self.buffer
        assert isinstance(held, io.BytesIO)
        return held.getvalue()


def test_standard_input_and_output(
    here: Path, noise: ImageArray, stand_in: StandIn, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    def feed() -> Binary:
        out = Binary(io.BytesIO(), encoding="utf-8")
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(Path("a.png").read_bytes())))
        monkeypatch.setattr("sys.stdout", out)
        return out

    out = feed()
    assert main(["upscale", "-", "-"]) == 0
    np.testing.assert_array_equal(read_image(out.held), noise[::-1])
    out = feed()
    assert main(["upscale", "-", "-", "--format", "webp"]) == 0
    assert format_of(out.held) == "WEBP"
    out = feed()
    assert main(["classify", "-", "-"]) == 0
    assert json.loads(out.held) == {"file": "-", "size_wh": [64, 48], "answer": 42}
    feed()
    assert main(["upscale", "-", "new/"]) == 0
    assert below("new") == ["stdin.png"]
    err = capsys.readouterr().err.splitlines()
    assert err == ["standard input: turned"] * 2


def test_without_a_standard_output(
    here: Path, stand_in: StandIn, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.stdout", None)
    assert main(["upscale", "a.png", "out.png"]) == 0
    for arguments in (["upscale", "a.png", "-"], ["classify", "a.png", "--json"]):
        assert main(arguments) == 2
    assert capsys.readouterr().err == "There is no standard output.\n" * 2


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


@pytest.mark.parametrize("written", ["dogs-and-fur", "Dogs and fur", "DOGS_AND_FUR", " dogs and  fur"])
def test_presets_as_the_page_writes_them(written: str, here: Path, stand_in: StandIn) -> None:
    assert main(["dream", "a.png", "o.png", "--preset", written, "--device", "CPU"]) == 0
    ((config, args),) = stand_in.prepared
    assert config == TASKS["dream"].presets["dogs-and-fur"] and args.device == "cpu"


def test_the_generator_by_any_capitals() -> None:
    args = parse(make_parser(), ["SAMPLE", "out", "--generator", "DCGAN-Fashion"])
    assert config_from(args, SampleConfig()).generator == "dcgan_fashion"


def test_what_is_no_choice_is_left_for_argparse_to_refuse(capsys: pytest.CaptureFixture[str]) -> None:
    assert one_of(["a-b"])("c") == "c"
    with pytest.raises(SystemExit, match="2"):
        main(["dream", "a.png", "o.png", "--preset", "cats"])
    assert "argument --preset: invalid choice: 'cats'" in capsys.readouterr().err


def test_all_tasks_tell_programs_of_what_they_can_say(
    here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The measures of the real tasks: dream its objective, style its three losses."""
    small = ["--steps", "1", "--device", "cpu", "--json"]
    assert main(["dream", "a.png", "d.png", "--octaves", "1", "--size-px", "128", *small]) == 0
    style = ["--style", "photos/a.jpg", "--scales", "1", "--size", "128"]
    assert main(["stylize", "a.png", "s.png", *style, *small]) == 0
    dream, stylize = (json.loads(line) for line in capsys.readouterr().out.splitlines())
    assert set(dream) == {"file", "output", "size_wh", "objective"} and dream["size_wh"][0] == 128
    assert set(stylize) - {"file", "output", "size_wh"} == {"content_loss", "style_loss", "tv_loss"}
    assert below(".") == ["a.png", "d.png", "photos/a.jpg", "photos/b.png", "photos/sub/c.png", "s.png"]


def test_the_style_picture_is_named(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("bad.jpg").write_bytes(b"no picture")
    assert main(["stylize", "a.png", "o.png", "--style", "bad.jpg"]) == 2
    assert capsys.readouterr().err.startswith("The style picture, bad.jpg: The file is not a picture")


@pytest.fixture
def small_generator(monkeypatch: pytest.MonkeyPatch) -> None:
    generator = Generator(latent_dim=5, width=4, size=16).eval().requires_grad_(False)
    monkeypatch.setattr("cvdemo.sample.run.load_generator", lambda name, device: generator)


def test_samples_are_never_overwritten_either(
    here: Path, small_generator: None, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    film = ["--seconds", "2", "--fps", "10", "--enlarge", "1"]
    for arguments in (["out.v1/", "--count", "2"], ["g.webp"], ["walk.mp4", *film]):
        assert main(["sample", *arguments]) == 0
        before = {name: Path(name).read_bytes() for name in below(".")}
        with monkeypatch.context() as nothing_is_made:
            nothing_is_made.setattr("cvdemo.sample.run.load_generator", None)
            assert main(["sample", *arguments]) == 2
        assert {name: Path(name).read_bytes() for name in below(".")} == before
        assert main(["sample", *arguments, "--overwrite"]) == 0
    assert below("out.v1") == ["dcgan_anime_seed0_01.png", "dcgan_anime_seed0_02.png"]
    assert format_of(Path("g.webp").read_bytes()) == "WEBP"
    capsys.readouterr()
    assert main(["sample", "new", "--count", "1", "--format", "JPG", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told == {"output": "new", "files": ["new/dcgan_anime_seed0_01.jpg"], "pictures": 1}


@pytest.mark.parametrize("error", [RuntimeError("boom"), MemoryError(), RecursionError()])
def test_what_nobody_foresaw_is_one_sentence_with_a_log(
    error: Exception, here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def prepare(config: Any, args: argparse.Namespace) -> Work:
        raise error

    monkeypatch.setitem(TASKS, "upscale", replace(TASKS["upscale"], prepare=prepare))
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

    monkeypatch.setitem(TASKS, "upscale", replace(TASKS["upscale"], prepare=prepare))
    monkeypatch.setattr("tempfile.tempdir", str(here))
    assert run(["upscale", "a.png", "out.png"]) == 2
    assert capsys.readouterr().err == "weights/x is missing.\n" and below(".")[0] == "a.png"
