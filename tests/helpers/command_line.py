"""For tests of the command line: a stand-in for the networks of its verbs, and what lies in a folder."""

import argparse
import io
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from cvdemo.cli.sources import Sent
from cvdemo.cli.verbs import Report, Result, Work
from cvdemo.images import on_white


class StandIn:
    """In the place of every verb: turns pictures upside down; a red pixel in the corner is an error nobody foresaw."""

    def __init__(self) -> None:
        self.prepared: list[tuple[Any, argparse.Namespace]] = []
        self.stop_at: int | None = None
        self.seen = 0

    def prepare(self, config: Any, args: argparse.Namespace) -> Work:
        self.prepared.append((config, args))
        return self.work

    def work(self, sent: Sent, report: Report) -> Result:
        image = sent.image
        if self.seen == self.stop_at:
            raise KeyboardInterrupt
        self.seen += 1
        if (on_white(image)[0, 0] == (255, 0, 0)).all():
            raise IndexError("list index out of range")
        return Result("turned", np.ascontiguousarray(image[::-1]), {"answer": 42})


def below(folder: str) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in Path(folder).rglob("*") if path.is_file())


def format_of(data: bytes) -> str | None:
    with Image.open(io.BytesIO(data)) as picture:
        return picture.format
