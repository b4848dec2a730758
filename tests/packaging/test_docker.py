"""The container holds what the page needs, in the locked versions."""

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def test_the_container_is_made_of_what_is_there() -> None:
    lines = (ROOT / "deploy" / "Dockerfile").read_text(encoding="utf-8").splitlines()
    copied = [name for line in lines if line.startswith("COPY") for name in line.split()[1:-1]]
    assert {"requirements.lock", "app.py", "cvdemo", "weights", "examples"} <= set(copied)
    assert all((ROOT / name).exists() for name in copied)
    assert any("--require-hashes" in line and "requirements.lock" in line for line in lines)


def test_the_container_has_a_python_that_the_project_supports() -> None:
    image = re.search(r"^FROM python:(\d)\.(\d+)-slim$", (ROOT / "deploy" / "Dockerfile").read_text(), re.MULTILINE)
    assert image is not None and 10 <= int(image[2]) <= 12
