"""The commands and the program of the pages on looking into networks and searching settings, run as they stand."""

import re
import shlex
from pathlib import Path

import pytest

from tests.docs.code_blocks import BLOCK, ROOT, block_with
from train import __main__ as command_line
from train.recipes import RECIPES
from train.tools import search
from train.tools.search import Search
from train.tools.search_ranges import ranges_of

LOOK = ROOT / "docs/how-to/look-into-a-network.md"
SEARCH = ROOT / "docs/how-to/search-settings.md"


def commands(page: Path, command: str) -> list[list[str]]:
    """The words after `python -m train` of the commands of that name."""
    texts = [text for language, text in BLOCK.findall(page.read_text(encoding="utf-8")) if language == "sh"]
    found = [shlex.split(text.replace("\\\n", " ")) for text in texts]
    return [words[3:] for words in found if words[1:4] == ["-m", "train", command]]


def test_the_table_of_the_page_is_what_the_command_prints(capsys: pytest.CaptureFixture[str]) -> None:
    first, *_ = commands(LOOK, "summary")
    command_line.main(first)
    assert capsys.readouterr().out.strip() == block_with("text", "255,530 parameters").strip()


def test_a_recipe_with_options_is_summed_up(capsys: pytest.CaptureFixture[str]) -> None:
    _, second, _ = commands(LOOK, "summary")
    command_line.main(second)
    assert "128 × 7 × 7" in capsys.readouterr().out


@pytest.mark.slow
@pytest.mark.parametrize("number", [0, 1])
def test_the_page_looks_into_a_network(number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    words = commands(LOOK, "look")[number]
    command_line.main([*words, "--out", str(tmp_path), "--steps", "2"])
    names = {path.name for path in tmp_path.iterdir()}
    assert "filters.png" in names and any(name.startswith("maps_") for name in names)
    assert ("curves.png" in names) == (number == 0)
    assert ("excites_conv1_3_by_data.png" in names) == (number == 1)


def test_the_program_prints_the_channels(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    exec(compile(block_with("python", "run_feature_maps"), LOOK.name, "exec"), {})
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 3 and all(float(line.split()[1]) > 0 for line in lines)


def test_the_searches_of_the_page_are_understood(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Their ranges and options, as far as to the search itself; that has tests of its own."""
    asked: list[Search] = []
    monkeypatch.setattr(search, "run_search", asked.append)
    for words in commands(SEARCH, "search"):
        words[words.index("--data") + 1] = str(tmp_path)
        command_line.main(words)
    assert all(found.recipe is RECIPES["lenet-fashion-mnist"] for found in asked)
    assert [(found.config.epochs, found.trials) for found in asked] == [(5, 20), (3, 8)]
    names = [[each.name for each in found.ranges] for found in asked]
    assert names == [["lr", "dropout", "optimizer"], ["lr", "dropout"]]


def test_every_range_of_the_table_can_be_searched() -> None:
    rows = [line for line in SEARCH.read_text(encoding="utf-8").splitlines() if line.startswith("| `")]
    shown = [text for row in rows if "--range" not in row for text in re.findall(r"`([^`]+)`", row.split("|")[1])]
    assert len(shown) == 6
    config = RECIPES["lenet-fashion-mnist"].config
    for text in shown:
        assert ranges_of([text], config)[0].name == text.partition("=")[0]
