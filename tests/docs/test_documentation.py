"""The documentation: reference pages are those of the code, links lead somewhere, and examples are right."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from cvdemo.classify.taught_head import load_head
from cvdemo.cli.parser import make_parser, parse
from cvdemo.cli.run import main
from tests.docs.code_blocks import BLOCK, PAGES, ROOT, block_with, blocks

LINK = re.compile(r"\]\(([^)#:]+)(?:#[^)]*)?\)")
README_LINES = 110
HISTORY = {"CHANGELOG.md", "UPGRADING.md"}  # they name what was
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
    exec(compile(block_with("python", "ClassifyRequest"), "use-from-programs.md", "exec"), {})
    assert "cat" in capsys.readouterr().out


def test_the_example_of_a_lesson_runs(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    monkeypatch.chdir(tmp_path)
    exec(compile(block_with("python", "TeachRequest"), "teach.md", "exec"), {})
    assert capsys.readouterr().out.splitlines()[-1] == "ink_wash"
    assert len(load_head((tmp_path / "head.safetensors").read_bytes()).labels) == 3


def test_the_first_command_of_the_tutorial_prints_what_is_shown(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    assert main(["classify", "examples/chelsea.jpg"]) == 0
    printed, shown = capsys.readouterr().out, block_with("text", "chelsea.jpg: ")
    number = re.compile(r"[\d.]+ %")
    assert number.sub("%", printed) == number.sub("%", shown)
    percentages = [[float(found[:-2]) for found in number.findall(text)] for text in (printed, shown)]
    assert percentages[0] == pytest.approx(percentages[1], abs=0.5)  # other CPUs round otherwise


def named_paths(page: Path) -> set[str]:
    """Paths of the project in backticks, but for those of the pages' own examples."""
    found = re.findall(
        r"`((?:bench|cvdemo|deploy|docs|examples|scripts|tests|train|weights)/[\w./-]*)`",
        page.read_text(encoding="utf-8"),
    )
    return {path for path in found if not re.search("colourise|flowers", path)}


@pytest.mark.parametrize("page", [page for page in PAGES if page.name not in HISTORY], ids=lambda page: page.stem)
def test_paths_that_a_page_names_exist(page: Path) -> None:
    assert not [path for path in named_paths(page) if not (ROOT / path).exists()]


def test_names_that_a_page_puts_into_a_file_are_in_it() -> None:
    """Such as `TABS` in `cvdemo/ui/page.py`: each constant that a how-to names, in one of the files of its sentence."""
    sentences = [
        line for page in PAGES if page.parent.name == "how-to" for line in page.read_text(encoding="utf-8").splitlines()
    ]
    checked = 0
    for line in sentences:
        files = [ROOT / path for path in re.findall(r"`([\w./]+\.py)`", line) if (ROOT / path).exists()]
        for name in re.findall(r"`(_?[A-Z][A-Z_]+)`", line) if files else ():
            checked += 1
            assert any(re.search(rf"^{name}\b", file.read_text(encoding="utf-8"), re.MULTILINE) for file in files), line
    assert checked > 6


def test_the_functions_of_the_architecture_exist() -> None:
    defined = "\n".join(file.read_text(encoding="utf-8") for file in (ROOT / "cvdemo").rglob("*.py"))
    _, _, ways = (ROOT / "docs/architecture.md").read_text(encoding="utf-8").partition("## One picture's way")
    named = set(re.findall(r"[\[`]([a-z]+_[a-z_]+)\b", ways))
    assert len(named) > 15
    assert not [name for name in named if not re.search(rf"def {name}\b", defined)]


def test_the_glossary_is_in_order() -> None:
    words = re.findall(r"^\| ([^|]+) \|", (ROOT / "docs/glossary.md").read_text(encoding="utf-8"), re.MULTILINE)[1:]
    assert words == sorted(words, key=str.lower)


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
