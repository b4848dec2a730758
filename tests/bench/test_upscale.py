"""The benchmark of upscaling: the gate, the figures, the order of its rounds, and what it prints."""

import json
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from bench import upscale as bench
from cvdemo.images import ImageArray
from cvdemo.upscale.catalogue import list_networks

Ways = dict[str, Callable[[ImageArray], ImageArray]]


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Two generated pictures as set5, one as set14 and one as another set."""
    for name, count in (("set5", 2), ("set14", 1), ("Urban", 1)):
        (tmp_path / name).mkdir()
        for index in range(count):
            picture = bench.timed_picture(48)[: 48 - index]
            Image.fromarray(picture).save(tmp_path / name / f"{index}.png")
    return tmp_path


@pytest.fixture
def any_data(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The gate stands open; the list fills with the scales that it was asked for."""
    asked: list[int] = []
    monkeypatch.setattr(bench, "check_gate", lambda name, psnr, scale: asked.append(scale))
    return asked


def run(capsys: pytest.CaptureFixture[str], data: Path, *options: str) -> str:
    bench.main(["--data", str(data), "--rounds", "1", "--side-px", "48", *options])
    return capsys.readouterr().out


def test_other_pictures_are_not_compared(data: Path) -> None:
    with pytest.raises(SystemExit, match="not that data or protocol, no comparison is made"):
        bench.main(["--data", str(data)])


def test_without_set5_nothing_is_measured(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="set5"):
        bench.main(["--data", str(tmp_path)])


def test_the_tables(data: Path, any_data: list[int], capsys: pytest.CaptureFixture[str]) -> None:
    printed = run(capsys, data).splitlines()
    assert set(any_data) == {2, 3, 4}
    assert printed[0] == "| set5, 2 pictures: PSNR (dB) / SSIM | x2 | x3 | x4 |"
    assert "| published: SRCNN 9-5-5 (Dong et al. 2016) | 36.66 / 0.9542 | 32.75 / 0.9090 | 30.48 / 0.8628 |" in printed
    assert "| published: FSRCNN (Dong et al. 2016) | 37.00 / 0.9558 | 33.16 / 0.9140 | 30.71 / 0.8657 |" in printed
    assert "| published: SRCNN 9-5-5 (Dong et al. 2016) | 32.42 / 0.9063 | 29.28 / 0.8209 | 27.49 / 0.7503 |" in printed
    (peer,) = (line for line in printed if line.startswith("| OpenCV INTER_CUBIC |"))
    assert peer.count("(1.0x)") == 3
    assert printed[-1].startswith("Time: results of 48 x 48 px, median of 1 interleaved rounds, one thread, the page ")


def test_json_of_any_sets(data: Path, any_data: list[int], capsys: pytest.CaptureFixture[str]) -> None:
    result = json.loads(run(capsys, data, "--sets", "urban", "--json"))
    assert result["n"] == {"set5": 2, "urban": 1} and set(result["quality"]) == {"set5", "urban"}
    networks = {value for scale in (2, 3, 4) for value in list_networks(scale)}
    assert set(result["quality"]["urban"]) == {"bicubic"} | networks
    for figures in result["quality"]["urban"]["9-5-5"].values():
        assert 5 < figures["psnr"] < 60 and 0 < figures["ssim"] <= 1
    assert set(result["cpu_seconds_per_megapixel"]) == {"2", "3", "4"}
    for times in result["cpu_seconds_per_megapixel"].values():
        assert {"Pillow BICUBIC", "9-5-5, torch", "9-5-5, this project's page"} <= set(times)
        assert all(seconds > 0 for seconds in times.values())


def test_every_way_gives_the_size_and_engines_agree() -> None:
    image = bench.timed_picture(20)
    results = {name: enlarge(image) for name, enlarge in bench.resizers(3).items()}
    assert {result.shape for result in results.values()} == {(60, 60, 3)}
    assert {result.dtype for result in results.values()} == {np.dtype(np.uint8)}
    assert len(results) == 10
    for value in ("fast", "photo", "9-5-5"):
        pair = [results[f"{value}, {engine}"].astype(int) for engine in ("torch", "this project's page")]
        assert np.abs(pair[0] - pair[1]).max() <= 1
    ours, peer = (results[name].astype(int) for name in ("our bicubic, equal to MATLAB's", "Pillow BICUBIC"))
    assert np.abs(ours - peer)[6:-6, 6:-6].max() <= 2  # the same kernel; the edges differ


def test_rounds_are_interleaved_and_the_first_is_not_timed(monkeypatch: pytest.MonkeyPatch) -> None:
    order: list[str] = []
    clock = iter([0, 100, 0, 200, 0, 1, 0, 5, 0, 3, 0, 4, 0, 2, 0, 6])
    monkeypatch.setattr(time, "process_time", lambda: float(next(clock)))

    def way(name: str) -> Callable[[ImageArray], ImageArray]:
        return lambda image: order.append(name) or np.zeros((1000, 500, 3), np.uint8)

    times = bench.seconds_per_megapixel({"a": way("a"), "b": way("b")}, np.zeros((1, 1, 3), np.uint8), rounds=3)
    assert order == ["a", "b"] * 4
    assert times == {"a": 4.0, "b": 10.0}  # medians of 1, 3, 2 and 5, 4, 6 s for half a megapixel


@pytest.mark.parametrize("options", [["--side-px", "50"], ["--rounds", "0"]])
def test_odd_options_are_refused(data: Path, options: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        bench.main(["--data", str(data), *options])
    assert "multiple of 12" in capsys.readouterr().err
