"""The blocks of code in the documentation, for the tests that read or run them."""

import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted([*(ROOT / "docs").rglob("*.md"), *ROOT.glob("[A-Z]*.md")])
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```", re.DOTALL | re.MULTILINE)


def blocks(language: str) -> Iterator[tuple[str, str]]:
    """Page and text of every block of code in a language."""
    for page in PAGES:
        for found, text in BLOCK.findall(page.read_text(encoding="utf-8")):
            if found == language:
                yield page.name, text


def block_with(language: str, words: str) -> str:
    """The one block of a language that has these words in it."""
    (text,) = [text for _, text in blocks(language) if words in text]
    return text
