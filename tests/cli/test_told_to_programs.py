"""What the command line tells programs: JSON, CSV and the form of COCO; a stand-in takes the networks' place."""

import json
from pathlib import Path

import pytest

from cvdemo.cli.run import main
from cvdemo.cli.verbs import Result
from tests.helpers.command_line import StandIn, below

BOXES = {
    "size_wh": [64, 48],
    "detections": [{"label": "face", "score": 0.5, "xyxy": [1.0, 2.0, 4.0, 6.0]}],
}


@pytest.fixture
def boxes(stand_in: StandIn, monkeypatch: pytest.MonkeyPatch) -> None:
    """The stand-in finds a face in every picture."""
    monkeypatch.setattr(stand_in, "work", lambda sent, report: Result("1 face", sent.image, BOXES))


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


def test_the_classes_of_all_pictures_are_one_table(
    here: Path, stand_in: StandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    classes = {"classes": [{"label": "cup", "probability": 0.75}, {"label": "bowl", "probability": 0.2}]}
    monkeypatch.setattr(stand_in, "work", lambda image, report: Result("cup 75.0 %", image, classes))
    assert main(["classify", "photos", "--csv", "all.csv"]) == 0
    assert Path("all.csv").read_text(encoding="utf-8").splitlines() == [
        "file,label_1,probability_1,label_2,probability_2",
        "a.jpg,cup,0.75,bowl,0.2",
        "b.png,cup,0.75,bowl,0.2",
    ]


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


def test_all_tasks_tell_programs_of_what_they_can_say(
    here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The measures of the real verbs: dream its objective, style its three losses."""
    small = ["--steps", "1", "--device", "cpu", "--json"]
    assert main(["dream", "a.png", "d.png", "--octaves", "1", "--size-px", "128", *small]) == 0
    style = ["--style", "photos/a.jpg", "--scales", "1", "--size", "128"]
    assert main(["stylize", "a.png", "s.png", *style, *small]) == 0
    dream, stylize = (json.loads(line) for line in capsys.readouterr().out.splitlines())
    assert set(dream) == {"file", "output", "size_wh", "objective"} and dream["size_wh"][0] == 128
    assert set(stylize) - {"file", "output", "size_wh"} == {"content_loss", "style_loss", "tv_loss"}
    assert below(".") == ["a.png", "d.png", "photos/a.jpg", "photos/b.png", "photos/sub/c.png", "s.png"]
