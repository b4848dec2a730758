"""A visitor's words in Markdown: nothing of them is a sign. How a browser shows them is in `tests/ui/teach`."""

import pytest

from cvdemo.ui.wiring.plain_text import plain


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("*cup*", r"\*cup\*"),
        ("[cup](https://example.org)", r"\[cup\]\(https\:\/\/example\.org\)"),
        ("www.example.org", r"www\.example\.org"),
        ("<img src=x>", r"\<img src\=x\>"),
        ("$$x$$ & `y` \\", r"\$\$x\$\$ \& \`y\` \\"),
        ("two\n# lines ", r"two \# lines"),
        ("Tasse grün 2", "Tasse grün 2"),
    ],
)
def test_all_punctuation_is_escaped_and_the_rest_stays(text: str, shown: str) -> None:
    assert plain(text) == shown
