"""The lock files say what requirements*.txt ask for, for every supported Python, and nothing of where it is from."""

import re
from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parents[2]
PYTHONS = ("3.10.0", "3.11.0", "3.12.0")
FILES = [("requirements.txt", "requirements.lock"), ("requirements-dev.txt", "requirements-dev.lock")]


def entries(lock: str) -> list[tuple[Requirement, list[str]]]:
    """Every requirement of a lock file with its hashes."""
    text = (ROOT / lock).read_text(encoding="utf-8").replace("\\\n", " ")
    lines = [line.split("--hash=") for line in text.splitlines() if line.strip() and not line.startswith("#")]
    return [(Requirement(words[0]), [word.strip() for word in words[1:]]) for words in lines]


def wanted(file: str) -> list[Requirement]:
    """The requirements of a file and of those that it takes in."""
    found = []
    for line in (ROOT / file).read_text(encoding="utf-8").splitlines():
        if line.startswith("-r "):
            found += wanted(line.removeprefix("-r "))
        elif line and not line.startswith("#"):
            found.append(Requirement(line))
    return found


def versions(lock: str, python: str) -> dict[str, str]:
    """The version of each package on Linux under that Python."""
    place = {"python_full_version": python, "python_version": python.rpartition(".")[0], "sys_platform": "linux"}
    place |= {"platform_machine": "x86_64", "platform_python_implementation": "CPython"}
    found: dict[str, str] = {}
    for requirement, _ in entries(lock):
        if requirement.marker is None or requirement.marker.evaluate(place):
            assert requirement.name not in found, f"{requirement.name} twice under {python}"
            found[requirement.name] = str(requirement.specifier).removeprefix("==")
    return found


@pytest.mark.parametrize("python", PYTHONS)
@pytest.mark.parametrize(("file", "lock"), FILES)
def test_the_lock_holds_what_is_asked_for(file: str, lock: str, python: str) -> None:
    """After a change of requirements*.txt: `make lock`."""
    locked = versions(lock, python)
    for requirement in wanted(file):
        assert requirement.specifier.contains(locked[requirement.name.lower()]), requirement


@pytest.mark.parametrize("python", PYTHONS)
def test_the_page_runs_on_the_versions_that_it_is_tested_with(python: str) -> None:
    assert versions("requirements.lock", python).items() <= versions("requirements-dev.lock", python).items()


@pytest.mark.parametrize("lock", [lock for _, lock in FILES])
def test_each_package_has_one_version_and_its_hashes_and_no_address(lock: str) -> None:
    for requirement, hashes in entries(lock):
        assert re.fullmatch(r"==[^,*]+", str(requirement.specifier)), requirement
        assert requirement.url is None
        assert hashes
        assert all(re.fullmatch(r"sha256:[0-9a-f]{64}", digest) for digest in hashes), requirement
    assert "://" not in (ROOT / lock).read_text(encoding="utf-8")


def test_the_build_system_is_the_one_that_the_tests_use() -> None:
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    (requires,) = re.findall(r"^requires = \[(.*)\]$", text, re.MULTILINE)
    for requirement in re.findall(r'"([^"]+)"', requires):
        assert Requirement(requirement) in wanted("requirements-dev.txt")
