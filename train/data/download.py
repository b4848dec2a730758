"""Data sets from where their makers publish them: fetched, checked against a known digest, unpacked.

Cats and dogs are not among them: Kaggle gives them to its members only (kaggle.com/c/dogs-vs-cats).
"""

from __future__ import annotations

import hashlib
import os
import secrets
import shutil
import tarfile
import urllib.request
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path
from typing import Any

from torchvision.datasets import CIFAR10, FashionMNIST, Flowers102, Imagenette

from train.engine.writing import DISK, named

_BLOCK_BYTES = 1 << 20
_TIMEOUT_S = 60.0  # without a byte


@dataclass(frozen=True, kw_only=True)
class OfficialFile:
    """One file of a data set.

    Attributes:
        url: its address.
        md5: 32 hex digits.
        unpacks_to: folder that the archive holds; empty for a file that is used as it is.
    """

    url: str
    md5: str
    unpacks_to: str = ""


_IMAGENETTE_URL, _IMAGENETTE_MD5 = Imagenette._ARCHIVES["160px"]

# torchvision keeps the addresses and sums of all but the last
OFFICIAL: dict[str, tuple[OfficialFile, ...]] = {
    "cifar10": (OfficialFile(url=CIFAR10.url, md5=CIFAR10.tgz_md5, unpacks_to=CIFAR10.base_folder),),
    "fashion-mnist": tuple(
        OfficialFile(url=FashionMNIST.mirrors[0] + name, md5=md5) for name, md5 in FashionMNIST.resources
    ),
    "flowers": tuple(
        OfficialFile(url=Flowers102._download_url_prefix + name, md5=md5, unpacks_to="jpg" if kind == "image" else "")
        for kind, (name, md5) in Flowers102._file_dict.items()
    ),
    "imagenette": (OfficialFile(url=_IMAGENETTE_URL, md5=_IMAGENETTE_MD5, unpacks_to="imagenette2-160"),),
    "tiny-imagenet": (
        OfficialFile(
            url="http://cs231n.stanford.edu/tiny-imagenet-200.zip",
            md5="90528d7ca1a48142e341f4ef8d21d0de",
            unpacks_to="tiny-imagenet-200",
        ),
    ),
}


def fetch(name: str, folder: Path, progress: Callable[[int, int], None] = lambda done, total: None) -> None:
    """Brings the data set `name` of `OFFICIAL` into `folder`, unpacked as `train.data.datasets` expects it.

    What is there already is not fetched again.

    Raises:
        ValueError: no such data set, or a file with another digest.
        FileNotFoundError: a file cannot be fetched.
    """
    if name not in OFFICIAL:
        raise ValueError(f"no address for {name!r}; there are {', '.join(OFFICIAL)}")
    for file in OFFICIAL[name]:
        if file.unpacks_to and (folder / file.unpacks_to).exists():
            continue
        archive = download(file.url, folder / file.url.rsplit("/", 1)[1], md5=file.md5, progress=progress)
        if file.unpacks_to:
            unpack(archive, folder, file.unpacks_to)


def download(
    url: str,
    target: Path,
    *,
    sha256: str = "",
    md5: str = "",
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Path:
    """`target`, which is fetched unless it is there with the right digest; it is never there in part.

    Args:
        url: http or https.
        sha256, md5: one of them, in hex.
        progress: told the bytes received and their total, 0 where the server does not say.

    Raises:
        ValueError: what came has another digest; or not exactly one digest, or another kind of address, is given.
        FileNotFoundError: the address cannot be reached or the connection broke.
    """
    if bool(sha256) == bool(md5) or not url.startswith(("http://", "https://")):
        raise ValueError(f"need an http address and one of sha256 and md5, got {url!r}, {sha256=}, {md5=}")
    algorithm, wanted = ("sha256", sha256) if sha256 else ("md5", md5)
    if target.exists() and _digest(target, algorithm) == wanted:
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    with _temporary(target) as partial:
        try:
            _receive(url, partial, progress)
        except (OSError, HTTPException) as error:
            if isinstance(error, OSError) and error.errno in DISK:  # a full disk is not the network's
                raise named(error, target) from error
            raise FileNotFoundError(f"cannot fetch {url} ({error}); bring it to {target} by hand") from error
        if (found := _digest(partial, algorithm)) != wanted:
            raise ValueError(f"{url} has {algorithm} {found}, expected {wanted}")
        partial.replace(target)
    return target


def unpack(archive: Path, folder: Path, name: str) -> Path:
    """`folder / name` out of a tar or zip archive that holds it; it is never there in part.

    Raises:
        ValueError: the archive holds no such folder.
    """
    with _temporary(folder / name) as partial:
        partial.mkdir(parents=True)
        if zipfile.is_zipfile(archive):
            with zipfile.ZipFile(archive) as zipped:
                zipped.extractall(partial)
        else:
            with tarfile.open(archive) as tarred:
                tarred.extractall(partial, filter="data")
        if not (partial / name).is_dir():
            raise ValueError(f"{archive} holds no folder {name}")
        (partial / name).replace(folder / name)
    return folder / name


def _receive(url: str, partial: Path, progress: Callable[[int, int], None]) -> None:
    with urllib.request.urlopen(url, timeout=_TIMEOUT_S) as answer, partial.open("wb") as file:
        total, done = int(answer.headers.get("Content-Length") or 0), 0
        while block := answer.read(_BLOCK_BYTES):
            file.write(block)
            done += len(block)
            progress(done, total)
        file.flush()
        os.fsync(file.fileno())


def _digest(path: Path, algorithm: str) -> str:
    hasher: Any = hashlib.new(algorithm, usedforsecurity=False)
    with path.open("rb") as file:
        while block := file.read(_BLOCK_BYTES):
            hasher.update(block)
    digest: str = hasher.hexdigest()
    return digest


@contextmanager
def _temporary(target: Path) -> Iterator[Path]:
    """A name beside `target`, of which nothing remains afterwards."""
    partial = target.with_name(f"{target.name}.{secrets.token_hex(4)}.partial")
    try:
        yield partial
    finally:
        if partial.is_dir():
            shutil.rmtree(partial)
        partial.unlink(missing_ok=True)
