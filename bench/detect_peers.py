"""Face detectors of others for `bench.detect`: OpenCV's Haar cascade, and a network in the Ultra-Light format.

Haar is `haarcascade_frontalface_alt2` with scaleFactor 1.1: minNeighbors 1 and the votes of the last stage for average
precision, minNeighbors 3, OpenCV's default, for its time.

The Ultra-Light format is that of Ultra-Light-Fast-Generic-Face-Detector-1MB (Linzaer, MIT; RFB-320 and its kin): an
ONNX file that takes 1x3xHxW, RGB as (x - 127) / 128, the picture stretched to that size, and gives scores (1, N, 2) and
boxes (1, N, 4) in shares of the picture. Its boxes are suppressed at IoU 0.3 as its own programs do; scores from 0.01
count for average precision, from 0.7, its own threshold, for its time.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import onnxruntime

from bench.detect_rows import Finder
from cvdemo.images import ImageArray
from cvdemo.ops.suppression import hard_nms
from train.detect.average_precision import Found

HAAR_FILE = "haarcascade_frontalface_alt2.xml"
HAAR_SCALE, HAAR_NEIGHBOURS, HAAR_DEFAULT_NEIGHBOURS = 1.1, 1, 3
ULTRA_LIGHT_MEAN, ULTRA_LIGHT_SPREAD, ULTRA_LIGHT_NMS_IOU = 127, 128, 0.3
ULTRA_LIGHT_FLOOR, ULTRA_LIGHT_THRESHOLD = 0.01, 0.7


@dataclass(frozen=True)
class Peer:
    """A detector beside ours.

    Attributes:
        find: all its boxes, for average precision. timed: the call that people make.
    """

    find: Finder
    timed: Callable[[ImageArray], object]


def haar() -> Peer:
    """OpenCV's cascade."""
    cascade = cv2.CascadeClassifier(haar_file())
    return Peer(haar_finder(HAAR_NEIGHBOURS), partial(_plain_haar, cascade))


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


def _plain_haar(cascade: Any, picture: ImageArray) -> object:
    grey = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)
    return cascade.detectMultiScale(grey, HAAR_SCALE, HAAR_DEFAULT_NEIGHBOURS)


def ultra_light(file: Path, threads: int) -> Peer:
    """A network in the Ultra-Light format.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: its inputs and outputs are not those of the format.
    """
    if not file.is_file():
        raise FileNotFoundError(f"{file} is no file")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3  # its files warn of each of their tensors
    session = onnxruntime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])
    shape, last = session.get_inputs()[0].shape, sorted(str(output.shape[-1]) for output in session.get_outputs())
    if len(shape) != 4 or shape[1] != 3 or not all(isinstance(side, int) for side in shape[2:]) or last != ["2", "4"]:
        raise ValueError(f"{file}: need 1x3xHxW -> (1, N, 2) and (1, N, 4), got {shape} -> (..., {', '.join(last)})")
    return Peer(
        partial(_faces_of, session, ULTRA_LIGHT_FLOOR),
        partial(_faces_of, session, ULTRA_LIGHT_THRESHOLD),
    )


def _faces_of(session: onnxruntime.InferenceSession, threshold: float, picture: ImageArray) -> Found:
    """The faces of uint8 (H, W, 3), in its px."""
    given = session.get_inputs()[0]
    height, width = given.shape[2:]
    small = cv2.resize(picture, (width, height), interpolation=cv2.INTER_LINEAR).astype(np.float32)
    pixels = ((small - ULTRA_LIGHT_MEAN) / ULTRA_LIGHT_SPREAD).transpose(2, 0, 1)[None]
    scores, boxes = sorted(session.run(None, {given.name: pixels}), key=lambda output: output.shape[-1])
    likely = scores[0, :, 1] >= threshold
    own, xyxy = scores[0, likely, 1], boxes[0, likely] * np.tile(picture.shape[1::-1], 2).astype(np.float32)
    classes = np.zeros(len(own), np.int64)
    kept = hard_nms(xyxy, own, classes, ULTRA_LIGHT_NMS_IOU)
    return Found(xyxy[kept], own[kept], classes[kept])
