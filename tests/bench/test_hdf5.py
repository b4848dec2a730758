"""The benchmark of readers: all give the same batches, and the table says how they compare."""

from pathlib import Path

import pytest
import torch

from bench import hdf5


def test_all_readers_give_the_same_pictures(tmp_path: Path) -> None:
    hdf5.draw_pictures(tmp_path / "in", 25, 16)
    readers, part = hdf5.datasets(tmp_path / "in", 12, tmp_path)
    assert len(part.files) == 12 and len(readers) == 4
    batches = {name: list(hdf5.passes(dataset, 5, 0)["shuffled"]()) for name, dataset in readers.items()}
    wanted = batches.pop("loose files")
    peer = [(pictures.permute(0, 2, 3, 1), labels) for pictures, labels in batches.pop("torchvision ImageFolder")]
    for others in [peer, *batches.values()]:
        for (pictures, labels), (other, other_labels) in zip(wanted, others, strict=True):
            assert torch.equal(pictures, other) and torch.equal(labels, other_labels)


def test_rates_are_of_the_fastest_pass() -> None:
    batches = [(torch.zeros(4, 1), torch.zeros(4)), (torch.zeros(2, 1), torch.zeros(2))]
    passes: list[int] = []
    rate = hdf5.pictures_per_second(lambda: passes.append(1) or batches, rounds=3)
    assert len(passes) == 4 and rate > 6


def test_the_table_names_the_ratio_to_the_peer() -> None:
    rows = {"HDF5": [2000.0, 1500.0, 10.0, 1.0], "torchvision ImageFolder": [1000.0, 1000.0, 10.0, 2.0], "b": [500.0]}
    lines = hdf5.table(rows).splitlines()
    assert lines[2] == "| HDF5 | 2,000 (2.0x) | 1,500 (1.5x) | 10 (1.0x) | 1 (0.5x) |"
    assert lines[4] == "| b | 500 (0.5x) |  |  |  |"


@pytest.mark.slow
def test_the_command_prints_a_row_for_each_reader(capsys: pytest.CaptureFixture[str]) -> None:
    hdf5.main(["--pictures", "20", "--rounds", "1", "--batch-size", "8"])
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(" | ")[0] for line in lines[2:7]] == [
        "| HDF5, raw",
        "| HDF5, JPEG",
        "| loose files",
        "| torchvision ImageFolder",
        "| HDF5, raw, by `batches`",
    ]
    assert lines[-1].startswith("20 pictures of 64 x 64 px (noise)")
