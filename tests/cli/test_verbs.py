"""The command line, in process: options from configs, single pictures, folders, errors in one sentence."""

import io
import json
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from cvdemo.cli.run import main
from cvdemo.cli.sources import Sent
from cvdemo.cli.verbs import PICTURE_VERBS
from cvdemo.demo import last_step
from cvdemo.demos import run
from cvdemo.dream.presets import DEFAULT_PRESET, PRESETS
from cvdemo.dream.run import DreamRequest
from cvdemo.example_pictures import example_picture
from cvdemo.images import ImageArray, read_image
from cvdemo.nets.srcnn import SRCNN
from cvdemo.style.optimise import StyleConfig
from cvdemo.style.run import StyleRequest
from cvdemo.upscale.catalogue import UpscaleChoice, list_networks, network_named
from cvdemo.upscale.network import DetailNetwork, prepared
from cvdemo.upscale.upscale import UpscaleConfig, UpscaleStep, upscale_steps
from tests.helpers.png_files import save_png
from tests.helpers.upscaled import upscaled


@pytest.fixture
def small_srcnn(monkeypatch: pytest.MonkeyPatch) -> SRCNN:
    """A small random SRCNN takes the place of the real one, for all scales."""
    small = SRCNN(kernels=(5, 1, 3), channels=(4, 3)).eval().requires_grad_(False)
    for module in ("cvdemo.cli.verbs", "cvdemo.upscale.run"):
        monkeypatch.setattr(f"{module}.load_network", lambda choice, device: prepared(small, choice.scale))
    return small


@pytest.fixture
def folder(noise: ImageArray, tmp_path: Path) -> Path:
    """Two pictures and a text."""
    source = tmp_path / "in"
    source.mkdir()
    save_png(noise, source / "b.png")
    Image.fromarray(noise[:20, :30]).save(source / "a.JPG", format="JPEG")
    (source / "notes.txt").write_text("no picture")
    return source


def size_wh(path: str | Path) -> tuple[int, int]:
    height, width = read_image(path).shape[:2]
    return width, height


def test_upscale_is_the_function_of_the_page(noise: ImageArray, small_srcnn: SRCNN, tmp_path: Path) -> None:
    save_png(noise, tmp_path / "in.png")
    assert main(["upscale", str(tmp_path / "in.png"), str(tmp_path / "out.png"), "--scale", "3"]) == 0
    expected = upscaled(noise, prepared(small_srcnn, 3), UpscaleConfig(scale=3)).image
    np.testing.assert_array_equal(read_image(tmp_path / "out.png"), expected)


def test_upscale_keeps_alpha(noise: ImageArray, small_srcnn: SRCNN, tmp_path: Path) -> None:
    rgba = np.dstack([noise, np.tile(np.arange(64, dtype=np.uint8) * 4, (48, 1))])
    save_png(rgba, tmp_path / "in.png")
    assert main(["upscale", str(tmp_path / "in.png"), str(tmp_path / "out.png")]) == 0
    expected = upscaled(rgba, prepared(small_srcnn, 2), UpscaleConfig()).image
    written = read_image(tmp_path / "out.png", keep_alpha=True)
    assert written.shape == (96, 128, 4)
    np.testing.assert_array_equal(written, expected)


def test_upscale_takes_the_network_that_is_named(
    noise: ImageArray, small_srcnn: SRCNN, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def load(choice: UpscaleChoice, device: str) -> DetailNetwork:
        asked.append(choice.value)
        return prepared(small_srcnn, choice.scale)

    monkeypatch.setattr("cvdemo.upscale.run.load_network", load)
    save_png(noise, tmp_path / "in.png")
    for options in ([], ["--network", "9-5-5"]):
        assert main(["upscale", str(tmp_path / "in.png"), str(tmp_path / "out.png"), "--overwrite", *options]) == 0
    assert asked == [next(iter(list_networks(2))), "9-5-5"]


def test_upscale_goes_by_each_file_of_a_folder(
    folder: Path, small_srcnn: SRCNN, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """a.JPG is a JPEG of Pillow's quality of 75, b.png is none."""
    asked: list[int | None] = []

    def named(scale: int, value: str, *, jpeg_quality: int | None) -> UpscaleChoice:
        asked.append(jpeg_quality)
        return network_named(scale, value)

    monkeypatch.setattr("cvdemo.upscale.run.network_named", named)
    assert main(["upscale", str(folder), str(tmp_path / "out")]) == 0
    assert asked == [75, None]


@pytest.mark.parametrize("options", [[], ["--shrink-first"]])
def test_upscale_computes_bicubic_only_to_measure(
    options: list[str], noise: ImageArray, small_srcnn: SRCNN, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[bool] = []

    def steps(*args: Any, with_bicubic: bool) -> Iterator[UpscaleStep]:
        asked.append(with_bicubic)
        return upscale_steps(*args, with_bicubic=with_bicubic)

    monkeypatch.setattr("cvdemo.upscale.run.upscale_steps", steps)
    save_png(noise, tmp_path / "in.png")
    assert main(["upscale", str(tmp_path / "in.png"), str(tmp_path / "out.png"), *options]) == 0
    assert asked == [bool(options)]


def test_a_folder_gives_a_folder(
    folder: Path, small_srcnn: SRCNN, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "made" / "out"
    assert main(["upscale", str(folder), str(out)]) == 0
    assert {path.name: size_wh(path) for path in out.iterdir()} == {"a.png": (60, 40), "b.png": (128, 96)}
    printed = capsys.readouterr()
    assert printed.out.splitlines()[0] == f"a.JPG -> {out / 'a.png'}: 60 x 40 px"
    assert printed.err == "Skipped, since they do not end like pictures: notes.txt.\n"  # and no bar: no terminal


def test_a_terminal_gets_a_progress_bar(
    folder: Path, small_srcnn: SRCNN, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    terminal = io.StringIO()
    terminal.isatty = lambda: True  # type: ignore[method-assign]  # a terminal for the test
    monkeypatch.setattr(sys, "stderr", terminal)
    assert main(["upscale", str(folder), str(tmp_path / "out")]) == 0
    shown = terminal.getvalue()
    assert "a.JPG" in shown and "0/2" in shown and "2/2" in shown.replace("2.0/2", "2/2")


def test_a_bad_picture_does_not_stop_the_folder(
    folder: Path, small_srcnn: SRCNN, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "aa.png").write_bytes(b"\x89PNG\r\n\x1a\n cut off")
    assert main(["upscale", str(folder), str(tmp_path / "out")]) == 2
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["a.png", "b.png"]
    _, line = capsys.readouterr().err.splitlines()
    assert line.startswith("aa.png: The ") and line.endswith(".")


def test_pictures_of_one_name_keep_their_suffix(folder: Path, small_srcnn: SRCNN, tmp_path: Path) -> None:
    Image.fromarray(read_image(folder / "a.JPG")).save(folder / "a.webp")
    assert main(["upscale", str(folder), str(tmp_path / "out")]) == 0
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["a.JPG.png", "a.webp.png", "b.png"]


def test_measuring_writes_psnr_and_ssim(
    noise: ImageArray, small_srcnn: SRCNN, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    save_png(noise, tmp_path / "in.png")
    assert main(["upscale", str(tmp_path / "in.png"), str(tmp_path / "out.png"), "--shrink-first"]) == 0
    measured = json.loads((tmp_path / "out.json").read_text())
    assert set(measured) == {"bicubic", "network"} and set(measured["network"]) == {"psnr", "ssim"}
    assert 5 < measured["bicubic"]["psnr"] < 30
    assert f"bicubic {measured['bicubic']['psnr']:.2f} dB" in capsys.readouterr().out


def test_classify_prints_a_line_and_writes_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["classify", example_picture("cheetah"), str(tmp_path / "out.json"), "--device", "cpu"]) == 0
    classes = json.loads((tmp_path / "out.json").read_text())["classes"]
    assert classes[0]["label"] == "cheetah" and len(classes) == 5
    line = capsys.readouterr().out
    assert line.startswith(f"cheetah.jpg -> {tmp_path / 'out.json'}: cheetah ")
    assert line.count(" %") == 5 and line.endswith(" under 1 %\n")
    assert main(["classify", example_picture("lion"), "--ten-crop"]) == 0
    assert capsys.readouterr().out.startswith("lion.jpg: lion ")


def test_detect_draws_and_writes_json(tmp_path: Path) -> None:
    options = ["--megapixels", "0.1", "--max-upscale", "0.5", "--device", "cpu"]
    assert main(["detect", example_picture("cheetah"), str(tmp_path / "out.png"), *options]) == 0
    found = json.loads((tmp_path / "out.json").read_text())
    assert found["size_wh"] == list(size_wh(example_picture("cheetah"))) and found["windows"] > 0
    assert all(set(box) == {"label", "score", "xyxy"} for box in found["detections"])
    assert (tmp_path / "out.png").is_file()


def test_dream_changes_the_picture_and_a_seed_repeats(tmp_path: Path) -> None:
    options = ["--size-px", "128", "--octaves", "1", "--steps", "2", "--device", "cpu"]
    outputs = [tmp_path / f"{n}.png" for n in (1, 2)]
    for output in outputs:
        assert main(["dream", example_picture("lion"), str(output), *options]) == 0
    dreams = [read_image(output) for output in outputs]
    np.testing.assert_array_equal(dreams[0], dreams[1])
    assert max(dreams[0].shape) == 128


def test_dream_follows_a_guide_within_a_mask(tmp_path: Path) -> None:
    lion = read_image(example_picture("lion"))
    mask = np.zeros(lion.shape[:2], np.uint8)
    mask[:, : lion.shape[1] // 2] = 255
    Image.fromarray(mask).save(tmp_path / "mask.png")
    small = [
        "--size-px",
        "128",
        "--octaves",
        "1",
        "--steps",
        "2",
        "--device",
        "cpu",
        "--mask",
        str(tmp_path / "mask.png"),
    ]
    outputs = [tmp_path / f"{name}.png" for name in ("plain", "guided")]
    assert main(["dream", example_picture("lion"), str(outputs[0]), *small]) == 0
    assert main(["dream", example_picture("lion"), str(outputs[1]), *small, "--guide", example_picture("coffee")]) == 0
    plain, guided = (read_image(output) for output in outputs)
    middle = plain.shape[1] // 2
    assert not np.array_equal(plain[:, : middle - 8], guided[:, : middle - 8])
    np.testing.assert_array_equal(plain[:, middle + 1 :], guided[:, middle + 1 :])


def test_a_mask_of_another_size_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["dream", example_picture("lion"), str(tmp_path / "o.png"), "--mask", example_picture("coffee")]
    assert main([*arguments, "--size-px", "128"]) == 2
    assert "The mask has to be as large as the picture" in capsys.readouterr().err


def test_pictures_beside_in_are_named_when_they_cannot_be_read(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for option in ("guide", "mask"):
        missing = str(tmp_path / "none.png")
        assert main(["dream", example_picture("lion"), str(tmp_path / "o.png"), f"--{option}", missing]) == 2
        assert f"The {option} picture, {missing}: There is no file" in capsys.readouterr().err
    assert main(["dream", "-", str(tmp_path / "o.png"), "--guide", "-"]) == 2
    assert "Standard input is one picture: IN or --guide, not both." in capsys.readouterr().err
    lion = example_picture("lion")
    assert main(["dream", example_picture("coffee"), lion, "--guide", lion, "--overwrite"]) == 2


def test_stylize_takes_the_size_asked_for(tmp_path: Path) -> None:
    options = ["--style", example_picture("coffee"), "--size", "128", "--scales", "1", "--steps", "2"]
    assert main(["stylize", example_picture("lion"), str(tmp_path / "out.png"), *options, "--device", "cpu"]) == 0
    assert max(size_wh(tmp_path / "out.png")) == 128


def test_dream_and_stylize_are_the_runs_of_the_page(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lion, coffee = (read_image(example_picture(name)) for name in ("lion", "coffee"))
    small = ["--size", "128", "--scales", "1", "--steps", "2"]
    preset = replace(PRESETS[DEFAULT_PRESET], size_px=128, octaves=1, steps=2)
    requests = {
        "dream": DreamRequest(image=lion, config=preset),
        "stylize": StyleRequest(content=lion, style=coffee, config=StyleConfig(size=128, scales=1, steps=2)),
    }
    options = {
        "dream": ["--size-px", "128", "--octaves", "1", "--steps", "2"],
        "stylize": [*small, "--style", example_picture("coffee")],
    }
    measured = {"dream": ["objective"], "stylize": ["content_loss", "style_loss", "tv_loss"]}
    for verb, request in requests.items():
        output = tmp_path / f"{verb}.png"
        assert main([verb, example_picture("lion"), str(output), *options[verb], "--json"]) == 0
        last = last_step(run(request))
        np.testing.assert_array_equal(read_image(output), last.result.image)
        data = json.loads(capsys.readouterr().out)
        assert {name: data[name] for name in measured[verb]} == {name: last.measures[name] for name in measured[verb]}


def test_an_option_takes_precedence_over_the_preset(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    seen = []
    verb = PICTURE_VERBS["stylize"]
    monkeypatch.setitem(
        PICTURE_VERBS,
        "stylize",
        type(verb)(**{**vars(verb), "prepare": lambda config, args: seen.append(config) or _nothing}),
    )
    common = ["stylize", example_picture("lion"), str(tmp_path / "out.png"), "--style", "x.png", "--overwrite"]
    assert main([*common, "--preset", "bold-strokes", "--style-weight", "3"]) == 0
    assert main(common) == 0
    bold, plain = seen
    preset = verb.presets["bold-strokes"]
    assert (bold.style_weight, bold.style_scale) == (3, preset.style_scale)  # type: ignore[attr-defined]  # a StyleConfig
    assert plain == verb.presets["balanced"]


def _nothing(sent: Sent, report: object) -> object:
    from cvdemo.cli.verbs import Result

    return Result("nothing", sent.image)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["upscale", "gone.png", "out.png"], "There is no file or folder gone.png."),
        (["upscale", "empty", "out"], "There is no picture in the folder empty."),
        (
            ["upscale", "a.png", "out.gif"],
            "OUT has to end in .png, .jpg, .jpeg or .webp, or be a folder (new ones end in /)",
        ),
        (["upscale", "a.png", "a.png"], "The result would overwrite a.png: give another OUT."),
        (["upscale", "a.png", "a.png/out.png"], "cannot be written"),
        (["stylize", "a.png", "out.png", "--style", "gone.jpg"], "There is no file gone.jpg."),
        (["sample", "out", "--generator", "nobody"], "There is no generator named 'nobody'"),
    ],
)
def test_what_cannot_be_done_is_one_sentence(
    arguments: list[str],
    sentence: str,
    noise: ImageArray,
    small_srcnn: SRCNN,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("empty").mkdir()
    save_png(noise, "a.png")
    assert main(arguments) == 2
    printed = capsys.readouterr()
    assert sentence in printed.err and printed.err.count("\n") == 1 and printed.out == ""
    np.testing.assert_array_equal(read_image("a.png"), noise)
