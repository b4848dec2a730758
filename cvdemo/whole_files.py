"""Files that nobody ever sees in part: written under another name beside their place, then renamed."""

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


@contextmanager
def written_beside(path: Path, data: bytes, *, suffix: str = "", on_disk: bool = False) -> Iterator[Path]:
    """A file with `data` in the folder of `path`, which the block renames to `path`; unrenamed, it is removed.

    The folder is made. Whoever renames several files together enters all of these contexts first: then either all are
    whole, or none has its name.

    Args:
        suffix: behind the name of `path`, so that what a killed process left is written over by the next; empty: a
            hidden name that nobody else has.
        on_disk: whether the data must survive a power failure, which takes a moment.

    Raises:
        OSError: it cannot be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(path.name + suffix if suffix else f".cvdemo-{secrets.token_hex(8)}.part")
    try:
        with unfinished.open("wb" if suffix else "xb") as file:
            file.write(data)
            if on_disk:
                file.flush()
                os.fsync(file.fileno())
        yield unfinished
    finally:
        with suppress(OSError):  # what came before it is told
            unfinished.unlink()


def write_whole(path: Path, data: bytes, *, suffix: str = "", on_disk: bool = False) -> None:
    """Replaces `path` by `data`: at every moment it is the old file or the whole new one. See `written_beside`."""
    with written_beside(path, data, suffix=suffix, on_disk=on_disk) as unfinished:
        unfinished.replace(path)
