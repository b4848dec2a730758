"""The verb of sampling: a folder and a grid, ways between pictures, sums, films."""

from pathlib import Path

import av
import numpy as np
import pytest
import torch

from cvdemo.cli.run import main
from cvdemo.images import ImageArray, read_image
from cvdemo.nets.dcgan import Generator
from cvdemo.sample.generate import generate, latents
from tests.helpers.png_files import save_png


@pytest.fixture
def small_generator(monkeypatch: pytest.MonkeyPatch) -> Generator:
    generator = Generator(latent_dim=5, width=4, size=16).eval().requires_grad_(False)
    for parameter in generator.parameters():
        torch.nn.init.normal_(parameter, std=0.5)
    monkeypatch.setattr("cvdemo.sample.run.load_generator", lambda name, device: generator)
    return generator


def test_sample_writes_a_folder_and_a_grid(small_generator: Generator, tmp_path: Path) -> None:
    options = ["--count", "5", "--seed", "7", "--truncation", "0.5"]
    assert main(["sample", str(tmp_path / "out"), *options]) == 0
    written = sorted((tmp_path / "out").iterdir())
    assert [path.name for path in written] == [f"dcgan_anime_seed7_{n:02d}.png" for n in range(1, 6)]
    expected = generate(small_generator, latents(5, 5, seed=7, truncation=0.5))
    np.testing.assert_array_equal(read_image(written[3]), expected[3])
    assert main(["sample", str(tmp_path / "grid.png"), *options]) == 0
    assert read_image(tmp_path / "grid.png").shape[:2] == (2 * 18 - 2, 3 * 18 - 2)


def test_sample_goes_through_picks(
    small_generator: Generator, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ["--through", "7:2", "9:1", "--count", "4", "--truncation", "0.5"]
    assert main(["sample", str(tmp_path / "out"), *options]) == 0
    written = sorted((tmp_path / "out").iterdir())
    assert [path.name for path in written] == [f"dcgan_anime_through_{n:02d}.png" for n in range(1, 5)]
    assert capsys.readouterr().out == f"{tmp_path / 'out'}: 4 pictures through 7:2, 9:1\n"
    ends = torch.stack([latents(2, 5, seed=7, truncation=0.5)[1], latents(1, 5, seed=9, truncation=0.5)[0]])
    for path, expected in zip((written[0], written[3]), generate(small_generator, ends), strict=True):
        assert np.abs(read_image(path).astype(int) - expected).max() <= 1


def test_sample_calculates(small_generator: Generator, tmp_path: Path) -> None:
    assert main(["sample", str(tmp_path / "sum.png"), "--arithmetic", "3:1", "3:1", "8:4"]) == 0
    (expected,) = generate(small_generator, latents(4, 5, seed=8, truncation=0.7)[3:])
    assert np.abs(read_image(tmp_path / "sum.png").astype(int) - expected).max() <= 1


@pytest.mark.parametrize(
    ("options", "words"),
    [([], "through 6 random points of seed 0"), (["--through", "1:1", "1:2", "5:9"], "through 1:1, 1:2, 5:9")],
)
def test_sample_walks(
    options: list[str],
    words: str,
    small_generator: Generator,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    target = tmp_path / "made" / "walk.mp4"
    assert main(["sample", str(target), *options, "--seconds", "2", "--fps", "10", "--enlarge", "2"]) == 0
    printed = capsys.readouterr()
    assert printed.out == f"{target}: 20 frames {words}\n" and printed.err == ""
    with av.open(target) as film:
        frames = [frame.to_ndarray(format="rgb24") for frame in film.decode(video=0)]
    assert len(frames) == 20 and frames[0].shape == (32, 32, 3)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["out", "--through", "7", "8:1"], "A picture is named SEED:NUMBER, such as 12:7; got '7'."),
        (["out", "--through", "7:0", "8:1"], "The pictures of a seed are numbered from 1 to 64; got '7:0'."),
        (
            ["out.gif"],
            "OUT must end in .png, .jpg, .jpeg, .webp or .mp4, or be a folder without a suffix; it is out.gif.",
        ),
        (["out.mp4", "--through", "7:1"], "--through needs two pictures or more; got 7:1."),
        (["out", "--through", "7:1"], "--through needs two pictures or more; got 7:1."),
        (["out.mp4", "--count", "4"], "--count changes nothing in a film: please leave it out."),
        (["out", "--stops", "3", "--fps", "12"], "--fps changes nothing in pictures: please leave it out."),
        (["out", "--through", "7:1", "7:2", "--seed", "3"], "--seed changes nothing in what goes through picks"),
        (["out.mp4", "--through", "7:1", "7:2", "--stops", "3"], "--stops changes nothing in what goes through picks"),
        (["out.png", "--arithmetic", "7:1", "7:2", "7:3", "--count", "4"], "--count changes nothing in A - B + C"),
        (["out.png", "--arithmetic", "7:1", "7:2", "7:3", "--seed", "4"], "--seed changes nothing in A - B + C"),
        (["out", "--through", "7:1", "7:1"], "There is no way from a picture to itself: pick two different ones."),
        (
            ["out", "--through", "7:1", "7:2", "--count", "1"],
            "The count includes both ends, so it is at least 2; 1 was asked for.",
        ),
        (["out.mp4", "--arithmetic", "1:1", "1:2", "1:3"], "A - B + C is one picture: OUT has to end in .png"),
        (["a.png/walk.mp4", "--seconds", "2"], "cannot be written"),
    ],
)
def test_what_sample_cannot_do_is_one_sentence(
    arguments: list[str],
    sentence: str,
    small_generator: Generator,
    noise: ImageArray,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    save_png(noise, "a.png")
    assert main(["sample", *arguments]) == 2
    printed = capsys.readouterr()
    assert sentence in printed.err and printed.err.count("\n") == 1 and printed.out == ""
    assert [path.name for path in tmp_path.iterdir()] == ["a.png"]
