"""128 photographs of COCO as a second look at the detector of VOC's twenty classes, which learnt from other pictures.

T.-Y. Lin et al., "Microsoft COCO", ECCV 2014: the first 128 pictures of train2017 in YOLO's form, such as
lightly-ai/coco128_yolo has them. COCO has all twenty classes among its eighty, four under other names. Boxes of the
other sixty are left out: what is found on them is wrong unless it is a box of a class of VOC's as well. YOLO's form
does not tell which boxes are crowds or hard.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from train.detect.annotations import Annotated, read_yolo

COCO_LABELS = (
    "person", "bicycle", "car", "motorcycle", "airplane", "bus", "train", "truck", "boat", "traffic light",
    "fire hydrant", "stop sign", "parking meter", "bench", "bird", "cat", "dog", "horse", "sheep", "cow", "elephant",
    "bear", "zebra", "giraffe", "backpack", "umbrella", "handbag", "tie", "suitcase", "frisbee", "skis", "snowboard",
    "sports ball", "kite", "baseball bat", "baseball glove", "skateboard", "surfboard", "tennis racket", "bottle",
    "wine glass", "cup", "fork", "knife", "spoon", "bowl", "banana", "apple", "sandwich", "orange", "broccoli",
    "carrot", "hot dog", "pizza", "donut", "cake", "chair", "couch", "potted plant", "bed", "dining table", "toilet",
    "tv", "laptop", "mouse", "remote", "keyboard", "cell phone", "microwave", "oven", "toaster", "sink",
    "refrigerator", "book", "clock", "vase", "scissors", "teddy bear", "hair drier", "toothbrush",
)  # fmt: skip
COCO_NAMES = {
    "aeroplane": "airplane",
    "motorbike": "motorcycle",
    "sofa": "couch",
    "tv monitor": "tv",
}  # VOC's -> COCO's
SPLIT = "train2017"
WHERE = f"DIR holds images/{SPLIT} and object_detection/labels/{SPLIT}, as in github.com/lightly-ai/coco128_yolo"


def classes_of(labels: Sequence[str]) -> dict[int, int]:
    """From COCO's class to the index of the same class among VOC's labels.

    Raises:
        ValueError: a label that COCO does not have.
    """
    return {COCO_LABELS.index(COCO_NAMES.get(label, label)): index for index, label in enumerate(labels)}


def read_coco128(folder: Path, labels: Sequence[str]) -> list[Annotated]:
    """The pictures of a folder as `WHERE` tells, with the boxes of these classes.

    Raises:
        FileNotFoundError: the pictures or their texts are not there.
        ValueError: a line that is no box.
    """
    texts = folder / "object_detection" / "labels" / SPLIT
    return read_yolo(folder / "images" / SPLIT, texts, classes_of(labels))
