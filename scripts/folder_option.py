"""The one option of scripts that write pictures: where they are written."""

import argparse
from pathlib import Path


def asked_folder(description: str | None, usual: Path) -> Path:
    """The folder named on the command line, or the usual one; `--help` tells what the script does."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument(
        "folder", nargs="?", type=Path, default=usual, help="where they are written (default: %(default)s)"
    )
    folder: Path = parser.parse_args().folder
    return folder
