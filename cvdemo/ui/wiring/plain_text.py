"""Words of a visitor's within the page's Markdown: names of files and of classes."""

import re

_PUNCTUATION = re.compile(r"[!-/:-@\[-`{-~]")  # all of ASCII's, which Markdown lets a backslash escape


def plain(text: str) -> str:
    """The text as Markdown that shows it letter by letter, on one line: no emphasis, link, HTML or formula."""
    return _PUNCTUATION.sub(r"\\\g<0>", " ".join(text.split()))
