"""The documentation: reference pages are those of the code, links lead somewhere, and examples are right."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from cvdemo.cli.parser import make_parser, parse
from tests.docs.code_blocks import BLOCK, PAGES, ROOT, block_with, blocks

LINK = re.compile(r"\]\(([^)#:]+)(?:#[^)]*)?\)")
README_LINES = 110
LOGS = [page for page in PAGES if page.parent.name == "experiments" and page.name != "index.md"]


def commands(program: str) -> list[list[str]]:
    """The arguments of every command in a shell block that runs `python -m program`."""
    found = []
    for _, text in blocks("sh"):
        for line in text.replace("\\\n", " ").splitlines():
            for part in re.split(r" [|>] ", line.split("  #")[0]):
                words = shlex.split(part, comments=True)
                if "-m" in words and words[words.index("-m") + 1] == program:
                    found.append(words[words.index("-m") + 2 :])
    return found


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    text = BLOCK.sub("", page.read_text(encoding="utf-8"))
    assert not [link for link in LINK.findall(text) if not (page.parent / link).exists()]


def test_the_commands_of_the_documentation_are_understood() -> None:
    parser, shown = make_parser(), commands("cvdemo")
    assert len(shown) > 9
    for words in shown:
        assert parse(parser, words).verb == words[0]


def test_python_blocks_compile() -> None:
    shown = list(blocks("python"))
    assert len(shown) > 2
    for page, text in shown:
        compile(text, page, "exec")


def test_the_example_of_the_library_runs(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    exec(compile(block_with("python", "cvdemo.demos"), "use-from-programs.md", "exec"), {})
    assert "cat" in capsys.readouterr().out


def test_the_readme_is_short() -> None:
    assert len((ROOT / "README.md").read_text(encoding="utf-8").splitlines()) <= README_LINES


def test_every_page_stands_in_the_navigation() -> None:
    navigation = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    pages = [str(page.relative_to(ROOT / "docs")) for page in (ROOT / "docs").rglob("*.md")]
    assert not [page for page in pages if f": {page}\n" not in navigation]


@pytest.mark.parametrize("log", LOGS, ids=lambda page: page.stem)
def test_each_experiment_says_what_was_asked_done_found_and_follows(log: Path) -> None:
    _, *entries = log.read_text(encoding="utf-8").split("\n## ")
    headings = [entry.partition("\n")[0] for entry in entries]
    assert all(re.match(r"20\d\d-\d\d-\d\d: \S", heading) for heading in headings)
    dates = [heading[:10] for heading in headings]
    assert dates == sorted(dates, reverse=True)
    for entry in entries:
        parts = re.findall(r"^\*\*(Question|What was done|Result|What follows)\b[^*]*\*\*", entry, re.MULTILINE)
        assert list(dict.fromkeys(parts)) == ["Question", "What was done", "Result", "What follows"], entry[:80]


def test_the_index_tells_the_newest_entry_of_each_log() -> None:
    index = (ROOT / "docs/experiments/index.md").read_text(encoding="utf-8").lower()
    for log in LOGS:
        newest = re.findall(r"^## (.*)$", log.read_text(encoding="utf-8"), re.MULTILINE)[0]
        assert f"({log.name}) | {newest.lower()} |" in index


@pytest.mark.slow
def test_the_site_builds_without_a_warning(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "mkdocs", "build", "--quiet", "--strict", "--site-dir", str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert (tmp_path / "architecture.html").is_file()
