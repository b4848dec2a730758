"""The curves of a run beside the card of the weight that it made, and what the card says of them."""

from __future__ import annotations

from pathlib import Path

from train.engine.curves import description_of
from train.engine.monitor import METRICS_FILE, curves_of, read_records

NO_CURVES = "No curves of its training were kept."


def curves_file(name: str) -> str:
    """The file beside the card of weight `name`."""
    return f"{name}_curves.png"


def run_files(name: str, run: Path) -> dict[str, bytes]:
    """The curves of a run's folder by the name they are published under; nothing where it recorded nothing."""
    return {curves_file(name): curves_of(run)} if read_records(run / METRICS_FILE) else {}


def curves_words(name: str, picture: bytes | None) -> str:
    """Markdown for the card: the curves, and when training diverged and the gap widened; or that there are none."""
    if picture is None:
        return NO_CURVES
    return f"![Curves of the training]({curves_file(name)})\n\n{description_of(picture)}".strip()


def curves_of_run(name: str, run: Path | None) -> tuple[dict[str, bytes], str]:
    """What `run_files` and `curves_words` give; nothing where there is no run."""
    if run is None:
        return {}, ""
    files = run_files(name, run)
    return files, curves_words(name, files.get(curves_file(name)))
