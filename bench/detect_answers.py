"""The answers of this project's detectors to pictures with boxes, as on the page, timed, with peers in turn."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TypeVar

from bench.detect_peers import Peer
from bench.detect_rows import Timed, clocked
from cvdemo.demo import result_of
from cvdemo.detect.run import DetectRequest, DetectResult, run_detect
from cvdemo.detect.selection import DetectConfig
from cvdemo.images import ImageArray
from train.data.read_pictures import read_rgb
from train.detect.annotations import Annotated
from train.detect.average_precision import Found
from train.detect.face_measure import candidates_kept

T = TypeVar("T")


def detect(picture: ImageArray, config: DetectConfig) -> DetectResult:
    """One picture by the one way to run."""
    return result_of(run_detect(DetectRequest(image=picture, config=config)))


def all_boxes(result: DetectResult, config: DetectConfig) -> Found:
    """The boxes of a result down to the lowest score that the scan keeps; no network runs."""
    return candidates_kept(result.scan, config)


def measured(items: Sequence[Annotated], config: DetectConfig) -> Timed:
    """This project's answers to pictures, after one that is not timed."""
    ours, _ = measured_beside(items, config, [])
    return ours


def measured_beside(
    items: Sequence[Annotated], config: DetectConfig, peers: Sequence[Peer]
) -> tuple[Timed, list[Timed]]:
    """As `measured`, with the peers' answers to each picture in turn."""
    detect(read_rgb(items[0].path), config)
    ours, theirs = Timed([], [], []), [Timed([], [], []) for _ in peers]
    for item in items:
        picture = read_rgb(item.path)
        result, *took_ms = clocked(partial(detect, picture, config))
        ours.add(all_boxes(result, config), *took_ms)
        for peer, timed in zip(peers, theirs, strict=True):
            _, *took_ms = clocked(partial(peer.timed, picture))
            timed.add(peer.find(picture), *took_ms)
    return ours, theirs


def spread(items: Sequence[T], n: int) -> Sequence[T]:
    """`n` of them, evenly spread; all of them for 0."""
    return items if not n or n >= len(items) else [items[i * len(items) // n] for i in range(n)]
