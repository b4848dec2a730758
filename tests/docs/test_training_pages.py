"""Pages on what `train` can do beside training: their commands are understood, their programs run."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.docs.code_blocks import BLOCK, ROOT, block_with
from train import __main__ as command_line
from train.classify.combine import METHODS
from train.data import show_whitening
from train.detect.face_data import SCENE_FOLDS

PAGES = ("ensembles.md", "unbalanced-and-whitened.md")
OWN_PARSERS = {"show-whitening": show_whitening.make_parser}


def commands() -> Iterator[list[str]]:
    """The arguments of every `python -m train` on the pages."""
    for page in PAGES:
        for language, text in BLOCK.findall((ROOT / "docs" / "how-to" / page).read_text(encoding="utf-8")):
            for line in text.replace("\\\n", " ").splitlines() if language == "sh" else ():
                words = shlex.split(line)
                assert words[1:3] == ["-m", "train"]
                yield words[3:]


def test_every_command_is_understood() -> None:
    shown = list(commands())
    assert {words[0] for words in shown} >= {"ensemble", "compare-balance", "show-whitening", "cats-dogs-features"}
    for words in shown:
        if words[0] in OWN_PARSERS:
            OWN_PARSERS[words[0]]().parse_args(words[1:])
        else:
            assert command_line._parser().parse_args(words).command == words[0]


def test_the_commands_on_detectors_are_understood() -> None:
    """Those of the loop over the folds with each of them."""
    page, parser = (ROOT / "docs/how-to/detect.md").read_text(encoding="utf-8"), command_line._parser()
    blocks = [text for language, text in BLOCK.findall(page) if language == "sh"]
    lines = [line for text in blocks for line in text.splitlines() if " -m train " in line]
    assert len(lines) >= 4 and sum("$fold" in line for line in lines) == 2
    for line in lines:
        for fold in range(SCENE_FOLDS if "$fold" in line else 1):
            _, _, _, *words = shlex.split(line.replace("$fold", str(fold)))
            args = parser.parse_args(words)
            assert args.command == words[0] and getattr(args, "held_out_fold", fold) == fold
    assert f"for fold in {' '.join(map(str, range(SCENE_FOLDS)))}; do\n" in page


def test_the_program_on_ensembles_prints_what_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    exec(compile(block_with("python", "train.classify.combine"), "ensembles.md", "exec"), {})
    assert capsys.readouterr().out == block_with("text", "weighted [0, 0, 1, 1]")


def test_every_method_stands_in_the_table() -> None:
    text = (ROOT / "docs" / "how-to" / "ensembles.md").read_text(encoding="utf-8")
    assert re.findall(r"^\| `(\w+)` \|", text, re.MULTILINE) == list(METHODS)


def test_the_sheet_of_whitening_is_drawn(tmp_path: Path) -> None:
    (tmp_path / "pictures").mkdir()
    for index, picture in enumerate(np.random.default_rng(0).integers(0, 256, (12, 32, 32, 3), dtype=np.uint8)):
        Image.fromarray(picture).save(tmp_path / "pictures" / f"{index}.png")
    (words,) = [words for words in commands() if words[0] == "show-whitening"]
    given = {"DIR": str(tmp_path / "pictures"), "whitening.png": str(tmp_path / "whitening.png")}
    command_line.main([*(given.get(word, word) for word in words), "--size", "8"])  # small: the sheet is what counts
    with Image.open(tmp_path / "whitening.png") as sheet:
        assert sheet.height > 6 * 120
