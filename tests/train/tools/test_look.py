"""`python -m train look`: the pictures that it writes, and what cannot be looked into."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from cvdemo.example_pictures import example_picture
from cvdemo.images import read_image
from train import __main__ as command_line
from train.engine.monitor import Monitor
from train.tools.look import filter_sheet, open_look, show_training

PICTURE = example_picture("cheetah")


def look(out: Path, *words: str) -> set[str]:
    """The names of the files that the command writes."""
    command_line.main(["look", "lenet_fashion_mnist", "--picture", PICTURE, "--out", str(out), "--steps", "2", *words])
    return {path.name for path in out.iterdir()}


def test_every_layer_is_shown_and_the_strongest_channels_of_the_middle_one_excited(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files = look(tmp_path, "--strongest", "3")
    assert files == {"filters.png", "maps_conv1.png", "maps_conv2.png", "excites_conv2_by_ascent.png"}
    assert read_image(tmp_path / "excites_conv2_by_ascent.png").shape[1] == 3 * (168 + 8) + 8
    said = capsys.readouterr().out
    assert said.count("wrote ") == 4 and "no curves of the training of lenet_fashion_mnist were kept" in said


def test_the_curves_published_and_those_of_a_run_say_when_the_gap_widened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run, weights = tmp_path / "run", tmp_path / "weights"
    weights.mkdir()
    monitor = Monitor(run, steps=4, metric="rank1", gap=("train_rank1", "rank1"))
    monitor.describe({})
    for step, (a, b) in enumerate([(50, 60.0), (70, 55.0), (80, 53.0), (90, 52.0)], 1):
        monitor.training(step, step, {"rank1": float(a)})
        monitor.evaluation(step, step, {"rank1": b})
    opened = open_look("lenet_fashion_mnist", tmp_path / "out", "cpu")
    show_training(opened, "lenet_fashion_mnist", run)
    said = capsys.readouterr().out
    assert "Training did not diverge. The gap between training and validation widened from step 1 on: rank1" in said
    assert (tmp_path / "out" / "curves.png").read_bytes() == (run / "curves.png").read_bytes()
    (weights / "lenet_fashion_mnist_curves.png").write_bytes((run / "curves.png").read_bytes())
    monkeypatch.setattr("train.tools.look.WEIGHTS_DIR", weights)
    show_training(opened, "lenet_fashion_mnist")
    assert capsys.readouterr().out == said
    with pytest.raises(FileNotFoundError, match="holds no records"):
        show_training(opened, "lenet_fashion_mnist", weights)


def test_one_layer_and_channels_by_ascent_and_by_data(tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    for level in (50, 150, 250):
        Image.fromarray(np.full((28, 28, 3), level, np.uint8)).save(data / f"{level}.png")
    files = look(tmp_path / "out", "--layer", "conv1", "--channel", "5", "2", "--data", str(data), "--pictures", "2")
    assert files == {
        *("filters.png", "maps_conv1.png", "excites_conv1_by_ascent.png"),
        *("excites_conv1_5_by_data.png", "excites_conv1_2_by_data.png"),
    }
    assert read_image(tmp_path / "out" / "excites_conv1_5_by_data.png").shape[1] == 4 * (168 + 8) + 8


def test_the_first_filters_are_pictures() -> None:
    network = nn.Sequential(nn.Conv2d(3, 9, 3), nn.Conv2d(9, 1, 3))
    nn.init.zeros_(network[0].weight)  # type: ignore[arg-type]  # a convolution's
    with torch.no_grad():
        network[0].weight[0, 0, 0, 0], network[0].weight[0, 1, 0, 1] = 2.0, -2.0  # type: ignore[index]  # likewise
    sheet = filter_sheet(network)
    assert sheet.shape == (2 * (72 + 30) + 8, 8 * 80 + 8, 3)
    first = sheet[8:80, 8:80]
    assert first[5, 5].tolist() == [255, 128, 128] and first[5, 30].tolist() == [128, 0, 128]
    assert first[60, 60].tolist() == [128] * 3


def test_filters_that_read_features_are_no_pictures() -> None:
    with pytest.raises(ValueError, match="reads 5 channels"):
        filter_sheet(nn.Conv2d(5, 1, 3))


def test_only_classifiers_are_looked_into(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="dcgan_anime is no classifier"):
        open_look("dcgan_anime", tmp_path)


def test_what_is_not_there_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="no layer named 'conv9'; it has conv1, conv2"):
        look(tmp_path, "--layer", "conv9")
    with pytest.raises(SystemExit, match="channels 0 to 31"):
        look(tmp_path, "--layer", "conv1", "--channel", "99")


@pytest.mark.parametrize("name", ["lenet_fashion_mnist", "cifar10", "tiny_imagenet_features"])
def test_layers_are_those_of_the_network(name: str, tmp_path: Path) -> None:
    opened = open_look(name, tmp_path, "cpu")
    modules = dict(opened.classifier.network.named_modules())
    assert opened.layers and all(layer.name in modules for layer in opened.layers)
