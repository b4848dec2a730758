"""Teaching: how long the features and the regression take: `python -m bench.teach`.

Pictures of noise at the size of a phone's smaller photographs, in memory, in five classes; what the network makes of
them does not change its time. With `--large` also of 12 megapixels, where reading takes long. A lesson goes the page's
way: the backend gives it the cores that are free.
"""

from __future__ import annotations

import argparse
import io
import os
import time
from collections.abc import Callable

import numpy as np
import torch
from PIL import Image

from cvdemo import backends
from cvdemo.classify.taught_head import features_of
from cvdemo.classify.teach import TeachRequest, read_reduced
from cvdemo.images import ImageArray

CLASSES = 5
SMALL_HW, LARGE_HW = (480, 640), (3024, 4032)
HEADINGS = (
    "| pictures | read, ms | features, ms | regression and leaving out, ms | all, ms | all, ms of CPU |\n"
    "|---|---:|---:|---:|---:|---:|"
)


def jpeg(size_hw: tuple[int, int], seed: int) -> bytes:
    """A photograph's worth of smooth noise."""
    rng = np.random.default_rng(seed)
    coarse = Image.fromarray(rng.integers(0, 256, (size_hw[0] // 16, size_hw[1] // 16, 3), dtype=np.uint8))
    data = io.BytesIO()
    coarse.resize(size_hw[::-1], Image.Resampling.BICUBIC).save(data, format="JPEG", quality=92)
    return data.getvalue()


def milliseconds(work: Callable[[], None]) -> float:
    started = time.perf_counter()
    work()
    return 1000 * (time.perf_counter() - started)


def lesson(pictures: list[ImageArray]) -> tuple[float, float]:
    """Milliseconds for the features of all pictures, and for the regression with all that are left out."""
    request = TeachRequest(
        labels=tuple(f"class {k}" for k in range(CLASSES)),
        pictures=tuple(tuple(pictures[k::CLASSES]) for k in range(CLASSES)),
    )
    started, looked_at, ended = time.perf_counter(), 0.0, 0.0
    for step in backends.run(request):
        ended = time.perf_counter()
        if step.done == len(pictures):
            looked_at = ended
    return 1000 * (looked_at - started), 1000 * (ended - looked_at)


def row(title: str, size_hw: tuple[int, int], count: int) -> str:
    """A line of the table."""
    files, pictures = [jpeg(size_hw, seed) for seed in range(count)], list[ImageArray]()
    cpu = time.process_time()
    read = milliseconds(lambda: pictures.extend(read_reduced(file) for file in files))
    features, regression = lesson(pictures)
    spent = 1000 * (time.process_time() - cpu)
    cells = (read, features, regression, read + features + regression, spent)
    return f"| {count} {title} | " + " | ".join(f"{cell:.0f}" for cell in cells) + " |"


def main(argv: list[str] | None = None) -> None:
    """Prints the table, and what was measured on what."""
    parser = argparse.ArgumentParser(prog="python -m bench.teach", description=__doc__)
    parser.add_argument("--pictures", type=int, default=50)
    parser.add_argument("--large", action="store_true", help="photographs of 12 megapixels too")
    args = parser.parse_args(argv)
    load = os.getloadavg()[0]
    features_of(read_reduced(jpeg(SMALL_HW, 0)))  # loads the network
    lesson([read_reduced(jpeg(SMALL_HW, seed)) for seed in range(2 * CLASSES)])  # and the regression
    print(HEADINGS)
    print(row("of 640 x 480 px", SMALL_HW, args.pictures))
    if args.large:
        print(row("of 4032 x 3024 px", LARGE_HW, args.pictures))
    print(f"\n{CLASSES} classes, {torch.get_num_threads()} threads of {os.cpu_count()}; load before {load:.1f}")


if __name__ == "__main__":
    main()
