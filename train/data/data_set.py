"""What is told of a data set, and how it is fetched. How its pictures are read is for the kinds of recipes to say."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from train.data.download import fetch
from train.engine.progress import Progress


@dataclass(frozen=True, kw_only=True)
class DataSet:
    """A data set in words.

    Attributes:
        name: as in the manifest, with where it comes from. licence: of the weights made from it.
        where: what the folder given with --data holds and where it comes from, a sentence for people.
        official: its name in `train.data.download`, if it has a public address.
    """

    name: str
    licence: str
    where: str = ""
    official: str = ""

    def download(self, folder: Path) -> None:
        """Fetches it into a folder, unless it is there."""
        bar = Progress(100)
        fetch(self.official, folder, lambda done, total: bar.update(100 * done // max(total, 1), "% fetched"))
