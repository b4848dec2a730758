"""Detection beside OpenCV's Haar cascade, in one run: average precision, time a picture, and false faces.

`python -m bench.detect --faces DIR --voc DIR --bccd DIR`: the folders of the recipes face-detector, objects-detector
and bccd-detector; `python -m train RECIPE --help` says what lies in them. Rows without their folder are left out;
`--rows` chooses, `--n` takes so many pictures of each set, evenly spread. Every detector of this project answers as on
the page, by `cvdemo.detect.run.run_detect` at its defaults; for average precision its boxes count down to the lowest
score that is kept. The row `choices` takes any of the page's detectors, on every set whose classes it has, by one
protocol: `--detectors` chooses, see `bench.detect_choices`.

Haar, and with `--peer` networks in the Ultra-Light format, see every picture in turn with ours, with equally many
threads; see `bench.detect_peers`. Boxes on CMU+MIT are compared in the framing of that set; see
`train.detect.face_data`.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import torch

from bench.detect_angles import angle_rows
from bench.detect_answers import detect, measured, measured_beside, spread
from bench.detect_choices import box_sets, choice_rows
from bench.detect_closer import closer_rows
from bench.detect_levels import level_rows
from bench.detect_peers import haar, ultra_light
from bench.detect_rows import COMPARED_WH, Row, Timed, clocked, plain, smooth_noise
from bench.detect_windows import valid_row
from bench.machine import cpu_name, versions
from cvdemo.detect.candidates import SCORE_FLOOR
from cvdemo.detect.detector import DETECTORS
from cvdemo.detect.run import DetectResult
from cvdemo.detect.selection import DetectConfig
from cvdemo.runtime import PROCESS_THREADS
from cvdemo.weights import entry_of
from train.data.read_pictures import read_rgb
from train.detect.annotations import Annotated
from train.detect.average_precision import mean_average_precision
from train.detect.face_data import SCENE_FOLDS, TEST_FOLDS, cmu_mit, fddb, scene_files
from train.detect.face_measure import ALLOWED_FALSE, face_values, in_squares
from train.recipes import bccd_detector, objects_detector

TIMED_WH = (500, 375)  # the usual size of VOC's pictures
PEER = "faces, a peer in the Ultra-Light format"
BESIDE_OBJECTS = (
    "a first try on the same pictures .556; published, on the whole test set with other training data, so not "
    "comparable: DPM v5 .337, R-CNN .585, SSD300 .74 to .77"
)
BESIDE_CELLS = "YOLOv3 .84, as published, on a split of its own"


def face_rows(folder: Path, n: int, peers: Sequence[Path] = ()) -> Iterator[Row]:
    """AP on both sets, and the time a picture: each set's mean, and the mean of the two; the same of the peers."""
    config = DetectConfig(detector="face")
    sets = {
        "CMU+MIT, validation half": (cmu_mit(folder), "at least .960 / .930"),
        "FDDB, fold 9": (fddb(folder, TEST_FOLDS), "at least .965 / .930"),
    }
    others = [haar(), *(ultra_light(peer, PROCESS_THREADS) for peer in peers)]
    times: list[list[dict[str, float]]] = []
    pictures = 0
    of_peers: dict[str, list[dict[str, float]]] = {}
    for name, (every, target) in sets.items():
        items = spread(every, n)
        ours, theirs = measured_beside(items, config, others)
        found = in_squares(ours.found) if name.startswith("CMU") else ours.found
        truths = [item.truth for item in items]
        mine, of_haar, *of_peers[name] = (face_values(one, truths) for one in (found, *(each.found for each in theirs)))
        recalls = ", ".join(f"{mine[f'recall_at_{count}']:.3f}" for count in ALLOWED_FALSE)
        allowed = ", ".join(map(str, ALLOWED_FALSE))
        yield Row(
            f"faces, {name}: AP (area) at IoU 0.3 / 0.5",
            {**mine, "haar": of_haar, "n": len(items), "boxes": sum(len(item.truth.classes) for item in items)},
            f"{_two(mine)}; recall at {allowed} false boxes in all pictures, IoU 0.5: {recalls}",
            target,
            f"Haar {_two(of_haar)}",
        )
        times.append([ours.mean_ms, *(timed.mean_ms for timed in theirs)])
        pictures += len(items)
    yield _time_row(times, pictures, peers)
    for index, peer in enumerate(peers):
        yield _peer_row(peer, {name: values[index] for name, values in of_peers.items()}, times, pictures, index)
    if not peers:
        yield Row(f"{PEER}: AP (area) at IoU 0.3 / 0.5, time a picture", {}, "", "", "not run: no file")


def _two(values: Mapping[str, float]) -> str:
    return f"{values['ap30']:.3f} / {values['ap50']:.3f}"


def _means(times: Sequence[Sequence[dict[str, float]]], index: int) -> dict[str, float]:
    """The means over sets of each set's mean."""
    return {name: statistics.fmean(row[index][name] for row in times) for name in ("ms", "cpu_ms")}


def _time_row(times: Sequence[Sequence[dict[str, float]]], pictures: int, peers: Sequence[Path]) -> Row:
    """Milliseconds a picture, of this project, of Haar and of the peers."""
    mine, *theirs = (_means(times, index) for index in range(len(times[0])))
    others = dict(zip(("Haar", *(peer.stem for peer in peers)), theirs, strict=True))
    shares = {name: mine["ms"] / other["ms"] for name, other in others.items()}
    said = " and ".join(f"{share:.2f} of {name}'s" for name, share in shares.items())
    targets = ["half of Haar's", *(f"{peer.stem}'s" for peer in peers[:1])]
    return Row(
        "faces: time a picture, mean of both sets",
        {**mine, "beside": others, "shares": shares, "n": pictures},
        f"{_took(mine)}; {said}",
        f"at most {' and at most '.join(targets)}",
        ", ".join(f"{name} {_took(other)}" for name, other in others.items()),
    )


def _took(mean: Mapping[str, float]) -> str:
    return f"{mean['ms']:.0f} ms ({mean['cpu_ms']:.0f} ms of CPU)"


def _peer_row(
    peer: Path,
    values: Mapping[str, dict[str, float]],
    times: Sequence[Sequence[dict[str, float]]],
    pictures: int,
    index: int,
) -> Row:
    """AP and time of a network in the Ultra-Light format, the one of that index."""
    mean = _means(times, 2 + index)  # after ours and Haar's
    said = "; ".join(f"{name} {_two(value)}" for name, value in values.items())
    return Row(
        f"{PEER}, {peer.stem}: AP (area) at IoU 0.3 / 0.5, time a picture",
        {**values, **mean, "file": peer.name, "n": pictures},
        "",
        "",
        f"{said}; {_took(mean)}",
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
    goal = "at least .660, aim .720"
    yield _map_row("objects, internal split of VOC 2007 test", timed, items, len(labels), goal, BESIDE_OBJECTS)
    usual = [i for i, item in enumerate(items) if item.size_wh == TIMED_WH]
    if usual:
        mean = {name: statistics.fmean(column[i] for i in usual) for name, column in _columns(timed).items()}
        yield Row(
            "objects: time at {} x {} px".format(*TIMED_WH),
            {**mean, "n": len(usual)},
            _took(mean),
            "at most 150 ms",
            "",
        )


def _columns(timed: Timed) -> dict[str, list[float]]:
    return {"ms": timed.clock_ms, "cpu_ms": timed.cpu_ms}


def cell_rows(folder: Path, n: int) -> Iterator[Row]:
    """mAP on BCCD's test split."""
    items = spread(bccd_detector.read_split(folder, "test"), n)
    timed = measured(items, DetectConfig(detector="bccd"))
    goal, classes = "at least .840, aim .900", len(bccd_detector.BCCD_LABELS)
    yield _map_row("blood cells, test split of BCCD", timed, items, classes, goal, BESIDE_CELLS)


def _map_row(what: str, timed: Timed, items: Sequence[Annotated], classes: int, target: str, beside: str) -> Row:
    truths = [item.truth for item in items]
    area, eleven = (mean_average_precision(timed.found, truths, 0.5, classes, kind) for kind in ("area", "11-point"))
    return Row(
        f"{what}: mAP@0.5 (area)",
        {"map50": area, "map50_11_point": eleven, "n": len(items), **timed.mean_ms},
        f"{area:.3f} (11-point {eleven:.3f}); {timed.mean_ms['ms']:.0f} ms a picture",
        target,
        beside,
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
        {"ms": whole_ms, "crops_ms": crops_ms, "difference": difference, "windows": whole.scan.windows, "n": 1},
        f"{crops_ms / whole_ms:.0f} times as fast: {whole_ms:.0f} ms, {whole.scan.windows} windows, scores within "
        f"{plain(difference)}",
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


def table(rows: Sequence[Row]) -> str:
    """Markdown; n is the number of pictures."""
    lines = ["| what | n | this project | target | beside it |", "|---|---:|---|---|---|"]
    cells = ((row.what, f"{row.values.get('n', '')}", row.words, row.target, row.beside) for row in rows)
    return "\n".join([*lines, *(f"| {' | '.join(each)} |" for each in cells)])


def sources(args: argparse.Namespace) -> dict[str, Callable[[], Iterator[Row]]]:
    """What gives the rows, by name, of those whose folder is given."""
    given: dict[str, tuple[Path | None, Callable[[Path, int], Iterator[Row]]]] = {
        "faces": (args.faces, partial(face_rows, peers=args.peer)),
        "scenes": (args.faces, scene_rows),
        "angles": (args.faces, angle_rows),
        "objects": (args.voc, object_rows),
        "cells": (args.bccd, cell_rows),
    }
    found: dict[str, Callable[[], Iterator[Row]]] = {}
    for name, (folder, rows) in given.items():
        if folder is not None:
            found[name] = partial(rows, folder, args.n)
    sets = partial(box_sets, args.faces, args.voc, args.bccd, args.n)
    found["choices"] = lambda: choice_rows(args.detectors, list(sets()))
    return {**found, "crops": crop_row, "closer": closer_rows, "valid": valid_row, "levels": level_rows}


ROWS = ("faces", "scenes", "angles", "objects", "cells", "choices", "crops", "closer", "valid", "levels")


def make_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m bench.detect", description=__doc__)
    parser.add_argument("--faces", type=Path, help="folder of the recipe face-detector")
    parser.add_argument("--voc", type=Path, help="folder of the recipe objects-detector")
    parser.add_argument("--bccd", type=Path, help="folder of the recipe bccd-detector")
    words = "face detectors in the Ultra-Light format, that whose time is the goal first; see bench/detect_peers.py"
    parser.add_argument("--peer", type=Path, nargs="+", default=[], metavar="FILE", help=words)
    parser.add_argument(
        "--detectors",
        nargs="+",
        choices=list(DETECTORS),
        default=list(DETECTORS),
        help="of the row choices; all by default",
    )
    parser.add_argument("--rows", nargs="+", choices=ROWS, default=list(ROWS), help="what is measured; all by default")
    parser.add_argument("--n", type=int, default=0, help="pictures of each set; 0: all")
    words = "of every detector; ONNX Runtime takes those that the process began with: set OMP_NUM_THREADS for others"
    parser.add_argument("--threads", type=int, default=PROCESS_THREADS, choices=[PROCESS_THREADS], help=words)
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of the table")
    return parser


def main(argv: list[str] | None = None) -> None:
    """Prints on what it was measured, and the table."""
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
        "cpu": cpu_name(),
        "cpu_cores": os.cpu_count(),
        "load_before": round(load, 1),
        "versions": versions(),
    }
    if args.json:
        print(json.dumps({"rows": {row.what: dict(row.values) for row in rows}} | about))
        return
    software = ", ".join(f"{name} {version}" for name, version in versions().items())
    print(f"{cpu_name()}, {args.threads} threads of {os.cpu_count()}; load before {load:.1f}; {software}\n")
    print(table(rows))


if __name__ == "__main__":
    main()
