"""Pictures a second out of HDF5, out of loose files, and through torchvision's ImageFolder; one Markdown table.

`python -m bench.hdf5 --data DIR`, with DIR of class folders whose pictures have one size; without it, 2,000 pictures
of noise are drawn. Every reader gives the same batches of uint8 pictures and labels through the same DataLoader, in
the order of the files and shuffled; the last column of readers is HDF5 read in shuffled blocks without a DataLoader.
The files are in the page cache: each reader makes one pass before it is timed.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import torch
from PIL import Image
from torch.utils.data import DataLoader, Dataset, Subset
from torchvision.datasets import ImageFolder
from torchvision.transforms import PILToTensor

from train.data.hdf5 import Hdf5Dataset
from train.data.packing import pack_list
from train.data.read_pictures import Listing, class_files, read_rgb

Pass = Callable[[], Iterable[Any]]


class LooseFiles(Dataset[tuple[Any, int]]):
    """Pictures read one by one by this project's own reader."""

    def __init__(self, listing: Listing) -> None:
        self.listing = listing

    def __len__(self) -> int:
        return len(self.listing.files)

    def __getitem__(self, index: int) -> tuple[Any, int]:
        return read_rgb(self.listing.files[index]), int(self.listing.labels[index])


def draw_pictures(root: Path, count: int, side_px: int) -> None:
    """Writes `count` smooth pictures of noise in ten class folders, as JPEGs of quality 90."""
    random = np.random.default_rng(0)
    for index in range(count):
        folder = root / f"class{index % 10}"
        folder.mkdir(parents=True, exist_ok=True)
        coarse = random.integers(0, 256, (side_px // 4, side_px // 4, 3), dtype=np.uint8)
        picture = Image.fromarray(coarse).resize((side_px, side_px), Image.Resampling.BICUBIC)
        picture.save(folder / f"{index:05d}.jpg", quality=90)


def datasets(root: Path, count: int, folder: Path) -> tuple[dict[str, Dataset[Any]], Listing]:
    """The same pictures four ways; those of HDF5 are packed into `folder`.

    Args:
        root: class folders.
        count: pictures taken, spread evenly over them.
    """
    listing = class_files(root)
    image_folder = ImageFolder(str(root), transform=PILToTensor())
    suffixes = {".jpg", ".jpeg", ".png"}
    if [Path(path) for path, _ in image_folder.samples if Path(path).suffix.lower() in suffixes] != listing.files:
        raise ValueError(f"{root} holds other pictures than JPEG and PNG, or in another order")
    chosen = np.linspace(0, len(listing.files) - 1, min(count, len(listing.files))).astype(int)
    part = Listing([listing.files[index] for index in chosen], listing.labels[chosen], listing.class_names)
    pack_list(*part, folder / "raw.h5", None)
    pack_list(*part, folder / "jpeg.h5", None, jpeg=True)
    readers: dict[str, Dataset[Any]] = {
        "HDF5, raw": Hdf5Dataset(folder / "raw.h5"),
        "HDF5, JPEG": Hdf5Dataset(folder / "jpeg.h5"),
        "loose files": LooseFiles(part),
        "torchvision ImageFolder": Subset(image_folder, chosen.tolist()),
    }
    return readers, part


def passes(dataset: Dataset[Any], batch_size: int, workers: int) -> dict[str, Pass]:
    """One pass in the order of the files and one shuffled, through a DataLoader with so many workers."""

    def one(shuffle: bool) -> Pass:
        generator = torch.Generator().manual_seed(0)
        return lambda: DataLoader(dataset, batch_size, shuffle=shuffle, num_workers=workers, generator=generator)

    return {"in order": one(False), "shuffled": one(True)}


def pictures_per_second(make: Pass, rounds: int) -> float:
    """The best of `rounds` timed passes, workers' start included, after one that is not timed."""
    best = float("inf")
    for index in range(rounds + 1):
        start, seen = time.perf_counter(), 0
        for batch in make():
            seen += len(batch[1])
        if index:
            best = min(best, (time.perf_counter() - start) / seen)
    return 1 / best


def measured(readers: dict[str, Dataset[Any]], batch_size: int, rounds: int) -> Iterator[tuple[str, list[float]]]:
    """For each reader its name and pictures a second: 0 workers in order and shuffled, then 2 workers likewise."""
    for name, dataset in readers.items():
        makes = [make for workers in (0, 2) for make in passes(dataset, batch_size, workers).values()]
        yield name, [pictures_per_second(make, rounds) for make in makes]
    raw = readers["HDF5, raw"]
    assert isinstance(raw, Hdf5Dataset)
    blocks = [lambda: raw.batches(batch_size), lambda: raw.batches(batch_size, torch.Generator().manual_seed(0))]
    yield "HDF5, raw, by `batches`", [pictures_per_second(make, rounds) for make in blocks]


def table(rows: dict[str, list[float]], peer: str = "torchvision ImageFolder") -> str:
    """Markdown: pictures a second, and in brackets how many times the peer's."""
    heads = ["0 workers, in order", "0 workers, shuffled", "2 workers, in order", "2 workers, shuffled"]
    lines = ["| pictures/s | " + " | ".join(heads) + " |", "|---|" + "---:|" * len(heads)]
    for name, rates in rows.items():
        cells = [f"{rate:,.0f} ({rate / rows[peer][index]:.1f}x)" for index, rate in enumerate(rates)]
        lines.append(f"| {name} | " + " | ".join(cells + [""] * (len(heads) - len(cells))) + " |")
    return "\n".join(lines)


def main(argv: list[str] | None = None) -> None:
    """Prints the table, and under it what was measured on what."""
    parser = argparse.ArgumentParser(prog="python -m bench.hdf5", description=__doc__)
    parser.add_argument("--data", type=Path, help="folder of class folders; default: pictures of noise, 64 px")
    parser.add_argument("--pictures", type=int, default=2000)
    parser.add_argument("--batch-size", type=int, default=128)
    parser.add_argument("--rounds", type=int, default=3, help="timed passes, of which the best counts")
    args = parser.parse_args(argv)
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as scratch:
        root = args.data or Path(scratch) / "noise"
        if args.data is None:
            draw_pictures(root, args.pictures, 64)
        readers, part = datasets(root, args.pictures, Path(scratch))
        rows = dict(measured(readers, args.batch_size, args.rounds))
        height, width, _ = read_rgb(part.files[0]).shape
        raw_mb, jpeg_mb = ((Path(scratch) / name).stat().st_size / 1e6 for name in ("raw.h5", "jpeg.h5"))
        print(table(rows))
        print(f"\n{len(part.files)} pictures of {width} x {height} px ({root.name}), {raw_mb:.1f} MB raw, ", end="")
        print(f"{jpeg_mb:.1f} MB as JPEGs; batches of {args.batch_size}; best of {args.rounds} passes; ", end="")
        print(f"{os.cpu_count()} CPU cores, torch {torch.__version__}, h5py {h5py.__version__}")


if __name__ == "__main__":
    main()
