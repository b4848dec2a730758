"""Finished results that the page ships, so that it shows what it does before anything is asked of it.

`python -m scripts.finished_results` makes the files with the networks as they are on the page.
"""

from dataclasses import asdict, dataclass, fields, is_dataclass
from pathlib import Path
from typing import Any

from cvdemo.data_folders import data_folder
from cvdemo.demo import Request

FOLDER = data_folder("examples") / "finished"
CARD = "card.jpg"  # for previews of links to the page
CARD_WH = (1200, 630)
ICON = "icon.png"
ICON_PX = 192
MADE = "made.json"  # with which settings the results were made, by tab


@dataclass(frozen=True)
class Sheet:
    """Pictures of one seed, as the Sample tab draws them."""

    generator: str
    count: int
    seed: int
    truncation: float

    @property
    def file(self) -> str:
        return f"sheet_{self.generator}_{self.seed}.webp"


SHEETS = (
    Sheet("dcgan_anime", 16, 1, 0.7),
    Sheet("dcgan_anime", 9, 2024, 1.0),
    Sheet("dcgan_fashion", 16, 3, 0.7),
    Sheet("dcgan_plain", 16, 1, 0.7),
    Sheet("dcgan_faces", 16, 1, 0.7),
)
CLASSIFIED, DETECTED, DREAMED, PAINTED, ENLARGED = "cheetah", "street", "lion", "chelsea", "chelsea"  # pictures


def small(tab: str) -> str:
    """The file of a tab's result, small."""
    return f"small_{tab}.webp"


def path_of(file: str) -> Path:
    """Where a file of the finished results lies."""
    return FOLDER / file


def settings(request: Request) -> dict[str, Any]:
    """The configs of a request by field name, each as a dict that JSON can hold."""
    configs = {field.name: getattr(request, field.name) for field in fields(request)}
    return {
        name: asdict(value) for name, value in configs.items() if is_dataclass(value) and not isinstance(value, type)
    }
