"""Limits: changed in the environment, refused in one sentence, and told in the documentation."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from cvdemo import limits

ROOT = Path(__file__).resolve().parents[2]


def in_a_new_process(code: str, **variables: str) -> str:
    environment = {name: text for name, text in os.environ.items() if not name.startswith(limits.PREFIX)}
    command = [sys.executable, "-c", f"from cvdemo import limits\n{code}"]
    done = subprocess.run(command, env=environment | variables, cwd=ROOT, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def test_a_limit_is_changed_by_its_variable() -> None:
    assert in_a_new_process("print(limits.STYLE_S, limits.SESSIONS)", CVDEMO_STYLE_S="2.5") == "2.5 400"


@pytest.mark.parametrize("text", ["", "0", "-1", "2GB", "1e9", "nan", "x" * 1000], ids=lambda text: text[:5])
def test_what_is_no_limit_is_refused_in_one_sentence(text: str) -> None:
    code = "try: limits.check()\nexcept limits.InputError as error: print(error)"
    said = in_a_new_process(code, CVDEMO_FILES_BYTES=text)
    assert said.startswith("CVDEMO_FILES_BYTES must be a whole number of bytes above 0, got ") and len(said) < 110


def test_a_limit_that_is_a_fraction_may_be_one() -> None:
    code = "try: limits.check()\nexcept limits.InputError as error: print(error)"
    assert in_a_new_process(code, CVDEMO_DREAM_S="0.5") == ""
    assert "must be a number of seconds above 0" in in_a_new_process(code, CVDEMO_DREAM_S="inf")


def test_every_limit_stands_under_its_own_name() -> None:
    values = {name: value for name, value in vars(limits).items() if isinstance(value, int | float)}
    assert set(limits.LIMITS) == set(values) - {"MB"}


def test_the_documentation_tells_every_limit() -> None:
    page = ROOT / "docs" / "reference" / "limits.md"
    assert page.read_text(encoding="utf-8") == limits.as_markdown()
