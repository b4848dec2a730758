"""Detection beside OpenCV's Haar cascade, in one run: average precision, time a picture, and false faces.

`python -m bench.detect --faces DIR --voc DIR --bccd DIR`: the folders of the recipes face-detector, objects-detector
and bccd-detector; `python -m train RECIPE --help` says what lies in them. Rows without their folder are left out;
`--rows` chooses, `--n` takes so many pictures of each set, evenly spread. Every detector of this project answers as on
the page, by `cvdemo.detect.run.run_detect` at its defaults; for average precision its boxes count down to the lowest
score that is kept.

Haar is `haarcascade_frontalface_alt2` with scaleFactor 1.1: minNeighbors 1 and the votes of the last stage for average
precision, minNeighbors 3, OpenCV's default, for its time. Both see every picture in turn, with equally many threads.
Boxes on CMU+MIT are compared in the framing of that set; see `train.detect.face_data`.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import cv2
import numpy as np
import onnxruntime
import torch

from cvdemo.demo import result_of
from cvdemo.detect.candidates import SCORE_FLOOR
from cvdemo.detect.detector import DETECTORS
from cvdemo.detect.run import DetectRequest, DetectResult, run_detect
from cvdemo.detect.selection import DetectConfig
from cvdemo.images import ImageArray
from cvdemo.runtime import PROCESS_THREADS
from cvdemo.weights import entry_of
from train.data.read_pictures import read_rgb
from train.detect.annotations import Annotated
from train.detect.average_precision import Found, mean_average_precision
from train.detect.face_data import SCENE_FOLDS, TEST_FOLDS, cmu_mit, fddb, scene_files
from train.detect.face_measure import ALLOWED_FALSE, candidates_kept, face_values, in_squares
from train.recipes import bccd_detector, objects_detector

HAAR_FILE = "haarcascade_frontalface_alt2.xml"
HAAR_SCALE, HAAR_NEIGHBOURS, HAAR_DEFAULT_NEIGHBOURS = 1.1, 1, 3
TIMED_WH = (500, 375)  # the usual size of VOC's pictures
COMPARED_WH = (640, 480)  # crop by crop

T = TypeVar("T")
Finder = Callable[[ImageArray], Found]


@dataclass(frozen=True)
class Row:
    """One line of the table.

    Attributes:
        what: is measured. values: by name, for --json. words: the same for people.
        target: of this project. beside: what others reach, measured in this run unless it says otherwise.
    """

    what: str
    values: Mapping[str, Any]
    words: str
    target: str
    beside: str


@dataclass(frozen=True)
class Timed:
    """Answers to pictures, and milliseconds that each took: on the clock and of CPU."""

    found: list[Found]
    clock_ms: list[float]
    cpu_ms: list[float]

    @property
    def mean_ms(self) -> dict[str, float]:
        """Means a picture."""
        return {"ms": statistics.fmean(self.clock_ms), "cpu_ms": statistics.fmean(self.cpu_ms)}


def detect(picture: ImageArray, config: DetectConfig) -> DetectResult:
    """One picture by the one way to run."""
    return result_of(run_detect(DetectRequest(image=picture, config=config)))


def all_boxes(result: DetectResult, config: DetectConfig) -> Found:
    """The boxes of a result down to the lowest score that the scan keeps; no network runs."""
    return candidates_kept(result.scan, config)


def haar_file() -> str:
    """The cascade that OpenCV's wheel brings."""
    return str(Path(cv2.data.haarcascades) / HAAR_FILE)  # type: ignore[attr-defined]  # its stubs leave it out


def haar_finder(neighbours: int) -> Finder:
    """OpenCV's cascade, scored by the votes of its last stage."""
    cascade = cv2.CascadeClassifier(haar_file())

    def find(picture: ImageArray) -> Found:
        grey = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)
        found, _, votes = cascade.detectMultiScale3(grey, HAAR_SCALE, neighbours, outputRejectLevels=True)
        boxes = np.asarray(found, np.float32).reshape(-1, 4)
        xyxy = np.concatenate([boxes[:, :2], boxes[:, :2] + boxes[:, 2:]], axis=1)
        return Found(xyxy, np.asarray(votes, np.float32).reshape(-1), np.zeros(len(boxes), np.int64))

    return find


def plain_haar(picture: ImageArray, cascade: Any) -> object:
    """What is timed: the call that people make."""
    grey = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)
    return cascade.detectMultiScale(grey, HAAR_SCALE, HAAR_DEFAULT_NEIGHBOURS)


def clocked(work: Callable[[], Any]) -> tuple[Any, float, float]:
    """What the work gives, and its milliseconds on the clock and of CPU."""
    clock, cpu = time.perf_counter(), time.process_time()
    value = work()
    return value, 1000 * (time.perf_counter() - clock), 1000 * (time.process_time() - cpu)


def measured(items: Sequence[Annotated], config: DetectConfig) -> Timed:
    """This project's answers to pictures, after one that is not timed."""
    detect(read_rgb(items[0].path), config)
    timed = Timed([], [], [])
    for item in items:
        picture = read_rgb(item.path)
        result, clock_ms, cpu_ms = clocked(partial(detect, picture, config))
        timed.found.append(all_boxes(result, config))
        timed.clock_ms.append(clock_ms)
        timed.cpu_ms.append(cpu_ms)
    return timed


def measured_beside_haar(items: Sequence[Annotated], config: DetectConfig) -> tuple[Timed, Timed]:
    """As `measured`, with the cascade's answers to each picture in turn."""
    cascade = cv2.CascadeClassifier(haar_file())
    find, ours, theirs = haar_finder(HAAR_NEIGHBOURS), Timed([], [], []), Timed([], [], [])
    detect(read_rgb(items[0].path), config)
    for item in items:
        picture = read_rgb(item.path)
        result, clock_ms, cpu_ms = clocked(partial(detect, picture, config))
        ours.found.append(all_boxes(result, config))
        _, haar_ms, haar_cpu_ms = clocked(partial(plain_haar, picture, cascade))
        theirs.found.append(find(picture))
        for timed, pair in ((ours, (clock_ms, cpu_ms)), (theirs, (haar_ms, haar_cpu_ms))):
            timed.clock_ms.append(pair[0])
            timed.cpu_ms.append(pair[1])
    return ours, theirs


def face_rows(folder: Path, n: int) -> Iterator[Row]:
    """AP on both sets, and the time a picture: each set's mean, and the mean of the two."""
    config = DetectConfig(detector="face")
    sets = {
        "CMU+MIT, validation half": (cmu_mit(folder), "at least .960 / .930"),
        "FDDB, fold 9": (fddb(folder, TEST_FOLDS), "at least .965 / .930"),
    }
    times: list[tuple[dict[str, float], dict[str, float]]] = []
    for name, (every, target) in sets.items():
        items = spread(every, n)
        ours, haar = measured_beside_haar(items, config)
        found = in_squares(ours.found) if name.startswith("CMU") else ours.found
        truths = [item.truth for item in items]
        mine, theirs = face_values(found, truths), face_values(haar.found, truths)
        recalls = ", ".join(f"{mine[f'recall_at_{count}']:.3f}" for count in ALLOWED_FALSE)
        yield Row(
            f"faces, {name}: AP (area) at IoU 0.3 / 0.5",
            {**mine, "haar": theirs, "n": len(items), "boxes": sum(len(item.truth.classes) for item in items)},
            f"{mine['ap30']:.3f} / {mine['ap50']:.3f}; recall at {', '.join(map(str, ALLOWED_FALSE))} false: {recalls}",
            target,
            f"Haar {theirs['ap30']:.3f} / {theirs['ap50']:.3f}",
        )
        times.append((ours.mean_ms, haar.mean_ms))
    yield _time_row(times)


def _time_row(times: Sequence[tuple[dict[str, float], dict[str, float]]]) -> Row:
    """Milliseconds a picture: the mean over sets of each set's mean."""
    mine, theirs = (
        {name: statistics.fmean(pair[index][name] for pair in times) for name in ("ms", "cpu_ms")} for index in (0, 1)
    )
    share = mine["ms"] / theirs["ms"]
    return Row(
        "faces: time a picture, mean of both sets",
        {**mine, "haar": theirs, "share_of_haar": share},
        f"{mine['ms']:.0f} ms, {share:.2f} of Haar's ({mine['cpu_ms']:.0f} ms of CPU)",
        "at most half of Haar's",
        f"Haar {theirs['ms']:.0f} ms ({theirs['cpu_ms']:.0f} ms of CPU)",
    )


def scene_rows(folder: Path, n: int) -> Iterator[Row]:
    """Faces found where none are, at the default threshold: in scenes that were not learnt from, and in all."""
    held_out = int((entry_of(DETECTORS["face"].weight or "").settings or {}).get("held_out_fold", -1))
    parts = {"not learnt from": scene_files(folder, held_out, held_out=True)} if held_out >= 0 else {}
    parts["all, most of them learnt from"] = scene_files(folder, -1, held_out=False)
    config = DetectConfig(detector="face")
    for name, every in parts.items():
        files = spread(every, n)
        false = [len(detect(read_rgb(path), config).detections.scores) for path in files]
        yield Row(
            f"false faces in scenes without any ({name})",
            {"false": sum(false), "n": len(files), "threshold": config.least_score},
            f"{sum(false)} in {len(files)}: {sum(false) / len(files):.2f} a picture",
            "at most 0.20 a picture",
            f"one fold of {SCENE_FOLDS}" if name == "not learnt from" else "",
        )


def object_rows(folder: Path, n: int) -> Iterator[Row]:
    """mAP on the test split of VOC, and the time of pictures of its usual size."""
    items, labels = spread(objects_detector.read_split(folder, "test"), n), objects_detector.VOC_LABELS
    timed = measured(items, DetectConfig(detector="objects"))
    yield _map_row("objects, internal split of VOC 2007 test", timed, items, len(labels), "at least .660, aim .720")
    usual = [i for i, item in enumerate(items) if item.size_wh == TIMED_WH]
    if usual:
        mean = {name: statistics.fmean(column[i] for i in usual) for name, column in _columns(timed).items()}
        yield Row(
            "objects: time at {} x {} px".format(*TIMED_WH),
            {**mean, "n": len(usual)},
            f"{mean['ms']:.0f} ms ({mean['cpu_ms']:.0f} ms of CPU)",
            "at most 150 ms",
            "",
        )


def _columns(timed: Timed) -> dict[str, list[float]]:
    return {"ms": timed.clock_ms, "cpu_ms": timed.cpu_ms}


def cell_rows(folder: Path, n: int) -> Iterator[Row]:
    """mAP on BCCD's test split."""
    items = spread(bccd_detector.read_split(folder, "test"), n)
    timed = measured(items, DetectConfig(detector="bccd"))
    yield _map_row(
        "blood cells, test split of BCCD", timed, items, len(bccd_detector.BCCD_LABELS), "at least .840, aim .900"
    )


def _map_row(what: str, timed: Timed, items: Sequence[Annotated], classes: int, target: str) -> Row:
    truths = [item.truth for item in items]
    area, eleven = (mean_average_precision(timed.found, truths, 0.5, classes, kind) for kind in ("area", "11-point"))
    return Row(
        f"{what}: mAP@0.5 (area)",
        {"map50": area, "map50_11_point": eleven, "n": len(items), **timed.mean_ms},
        f"{area:.3f} (11-point {eleven:.3f}); {timed.mean_ms['ms']:.0f} ms a picture",
        target,
        "",
    )


def crop_row() -> Iterator[Row]:
    """The classifier slid over a picture, fully convolutional against one crop at a time."""
    picture = smooth_noise(COMPARED_WH)
    config = DetectConfig(detector="imagenet", score_threshold=SCORE_FLOOR)
    detect(picture, config)
    whole, whole_ms, _ = clocked(partial(detect, picture, config))
    crops, crops_ms, _ = clocked(partial(detect, picture, replace(config, crop_by_crop=True)))
    difference = score_difference(whole, crops)
    yield Row(
        "fully convolutional against crop by crop, {} x {} px".format(*COMPARED_WH),
        {"ms": whole_ms, "crops_ms": crops_ms, "difference": difference, "windows": whole.scan.windows},
        f"{crops_ms / whole_ms:.0f} times as fast: {whole_ms:.0f} ms, {whole.scan.windows} windows, scores within "
        f"{difference:.0e}",
        "at least 50 times",
        f"crop by crop {crops_ms:.0f} ms",
    )


def score_difference(a: DetectResult, b: DetectResult) -> float:
    """The largest difference of the best score of any window.

    Raises:
        ValueError: they have other windows.
    """
    if a.scan.windows != b.scan.windows or len(a.scan.levels) != len(b.scan.levels):
        raise ValueError(f"windows differ: {a.scan.windows} and {b.scan.windows}")
    pairs = zip(a.scan.levels, b.scan.levels, strict=True)
    return max(float(np.abs(one.best - other.best).max()) for one, other in pairs)


def smooth_noise(size_wh: tuple[int, int]) -> ImageArray:
    """uint8 (H, W, 3); what is on a picture does not change the time of a network."""
    width, height = size_wh
    coarse = np.random.default_rng(0).integers(0, 256, (height // 16, width // 16, 3), dtype=np.uint8)
    return np.asarray(cv2.resize(coarse, size_wh, interpolation=cv2.INTER_CUBIC), np.uint8)


def spread(items: Sequence[T], n: int) -> Sequence[T]:
    """`n` of them, evenly spread; all of them for 0."""
    return items if not n or n >= len(items) else [items[i * len(items) // n] for i in range(n)]


def table(rows: Sequence[Row]) -> str:
    """Markdown."""
    lines = ["| what | this project | target | beside it |", "|---|---|---|---|"]
    return "\n".join([*lines, *(f"| {row.what} | {row.words} | {row.target} | {row.beside} |" for row in rows)])


def sources(args: argparse.Namespace) -> dict[str, Callable[[], Iterator[Row]]]:
    """What gives the rows, by name, of those whose folder is given."""
    given: dict[str, tuple[Path | None, Callable[[Path, int], Iterator[Row]]]] = {
        "faces": (args.faces, face_rows),
        "scenes": (args.faces, scene_rows),
        "objects": (args.voc, object_rows),
        "cells": (args.bccd, cell_rows),
    }
    found: dict[str, Callable[[], Iterator[Row]]] = {}
    for name, (folder, rows) in given.items():
        if folder is not None:
            found[name] = partial(rows, folder, args.n)
    return {**found, "crops": crop_row}


ROWS = ("faces", "scenes", "objects", "cells", "crops")


def make_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m bench.detect", description=__doc__)
    parser.add_argument("--faces", type=Path, help="folder of the recipe face-detector")
    parser.add_argument("--voc", type=Path, help="folder of the recipe objects-detector")
    parser.add_argument("--bccd", type=Path, help="folder of the recipe bccd-detector")
    parser.add_argument("--rows", nargs="+", choices=ROWS, default=list(ROWS), help="what is measured; all by default")
    parser.add_argument("--n", type=int, default=0, help="pictures of each set; 0: all")
    words = "of every detector; ONNX Runtime takes those that the process began with: set OMP_NUM_THREADS for others"
    parser.add_argument("--threads", type=int, default=PROCESS_THREADS, choices=[PROCESS_THREADS], help=words)
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of the table")
    return parser


def main(argv: list[str] | None = None) -> None:
    """Prints the table, and under it what was measured on what."""
    parser = make_parser()
    args = parser.parse_args(argv)
    if args.n < 0:
        parser.error("--n has to be 0 or more")
    torch.set_num_threads(args.threads)
    cv2.setNumThreads(args.threads)
    load = os.getloadavg()[0]
    try:
        rows = [row for name, made in sources(args).items() if name in args.rows for row in made()]
    except (ValueError, OSError) as error:
        raise SystemExit(str(error)) from error
    about = {
        "threads": args.threads,
        "cpu_cores": os.cpu_count(),
        "load_before": round(load, 1),
        "versions": {"torch": torch.__version__, "onnxruntime": onnxruntime.__version__, "opencv": cv2.__version__},
    }
    if args.json:
        print(json.dumps({"rows": {row.what: dict(row.values) for row in rows}} | about))
        return
    print(table(rows))
    versions = ", ".join(f"{name} {version}" for name, version in about["versions"].items())
    print(f"\n{args.threads} threads of {os.cpu_count()}; load before {load:.1f}; {versions}")


if __name__ == "__main__":
    main()
