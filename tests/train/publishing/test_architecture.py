"""The architecture of weights: totals, the drawing, and cards that get both, once."""

import shutil
from itertools import pairwise
from pathlib import Path
from xml.etree import ElementTree

import pytest
from torch import nn

from cvdemo.nets.googlenet import MiniGoogLeNet
from cvdemo.nets.layer_table import LayerTable, layer_table
from cvdemo.nets.lenet import LeNet5
from cvdemo.style.feed_forward import read_style_net
from cvdemo.weights import WEIGHTS_DIR, load_manifest
from train.publishing.architecture import (
    count_words,
    refresh_cards,
    svg_file,
    svg_of,
    table_of,
    totals,
    with_architecture,
)
from train.publishing.architecture_drawing import ARROW_PX, BOX_LEFT, WIDTH, blocks_of, draw_architecture, px_words

ROOT = Path(__file__).resolve().parents[3]
CARD = "# tiny\n\n| | |\n|---|---|\n| File | `tiny` |\n| Input | x |\n\nSome notes.\n"


@pytest.fixture(scope="module")
def lenet() -> LayerTable:
    return layer_table(LeNet5(), (1, 28, 28))


def words_of(svg: str) -> list[str]:
    root = ElementTree.fromstring(svg)
    return [text.text or "" for text in root.iter("{http://www.w3.org/2000/svg}text")]


@pytest.mark.parametrize("name", load_manifest())
def test_every_shipped_weight_has_a_table_of_its_own_size(name: str) -> None:
    entry = load_manifest()[name]
    table = table_of(entry)
    beside = 0  # in a network for styles the linear layers are what a style's code goes through, not a picture
    if entry.task == "style":
        linear = (layer for layer in read_style_net(name).modules() if isinstance(layer, nn.Linear))
        beside = sum(values.numel() for layer in linear for values in layer.parameters())
    assert table.parameters == beside + sum(layer.parameters for layer in table.layers)
    assert table.multiply_adds > 0
    assert ElementTree.fromstring(svg_of(name, table)).attrib["width"] == str(WIDTH)


def test_totals_are_one_line(lenet: LayerTable) -> None:
    assert totals(lenet) == (
        "255,530 parameters; 5.95 M multiply-adds for an input of 1 × 28 × 28; receptive field 16 px"
    )


@pytest.mark.parametrize(
    ("count", "words"), [(12, "12"), (1500, "1.5 k"), (999_499, "999 k"), (385_187_552, "385 M"), (2.22e9, "2.22 G")]
)
def test_large_numbers_have_three_digits(count: int, words: str) -> None:
    assert count_words(count) == words


def test_sides_of_one_length_are_told_once() -> None:
    assert px_words((5, 5)) == "5 px" and px_words((5, 3)) == "5 × 3 px"


def test_norms_and_activations_stand_with_their_layer(lenet: LayerTable) -> None:
    blocks = blocks_of(lenet)
    assert [block.title for block in blocks] == [
        *("5×5 convolution", "2×2 max pooling, stride 2", "5×5 convolution", "2×2 max pooling, stride 2"),
        *("Linear", "Linear", "Linear"),
    ]
    assert blocks[0].lines == ("BatchNorm, ReLU",) and blocks[0].parameters == 864 and blocks[-1].shape == (10,)


def test_branches_are_told_side_by_side() -> None:
    blocks = blocks_of(layer_table(MiniGoogLeNet(), (3, 32, 32)))
    assert blocks[1].title == "Branches" and blocks[1].lines == ("1×1 (32) | 3×3 (32)",)
    assert blocks[3].lines == ("3×3 /2 (80) | 3×3 max pooling /2 (80)",)


def test_equal_blocks_are_drawn_once() -> None:
    entry = load_manifest()["efficientnet_lite0"]
    repeated = [block for block in blocks_of(table_of(entry)) if block.repeats > 1]
    assert [block.repeats for block in repeated] == [2, 2, 3]  # stages of 3, 3 and 4 blocks; the first differs
    assert all("+ shortcut" in " ".join(block.lines) for block in repeated)
    assert "× 3" in words_of(draw_architecture(table_of(entry), "lite", ""))


def test_a_box_says_what_it_reads_where_that_is_not_the_one_above() -> None:
    blocks = blocks_of(table_of(load_manifest()["face_detector"]))
    laterals = [block for block in blocks if block.title == "1×1 convolution" and not block.lines][:3]
    assert [len(block.reads) for block in laterals] == [0, 1, 1]
    for block in laterals[1:]:
        assert blocks[block.reads[0] - 1].title == "InvertedResidual"
    total = next(block for block in blocks if block.title == "Sum")
    assert len(total.reads) == 2 and total.words[-1].endswith(f"reads box {total.reads[0]}, box {total.reads[1]}")
    assert not any(block.reads for block in blocks_of(table_of(load_manifest()["efficientnet_lite0"])))


def test_the_drawing_has_shapes_between_its_boxes(lenet: LayerTable) -> None:
    words = words_of(draw_architecture(lenet, "a <title>", "sub"))
    assert words[:3] == ["a <title>", "sub", "input 1 × 28 × 28"] and words[-1] == "output"
    assert "32 × 28 × 28" in words and "832 parameters · receptive field 5 px" not in words
    assert "864 parameters · receptive field 5 px" in words


def test_boxes_do_not_overlap_and_words_stay_inside() -> None:
    svg = draw_architecture(table_of(load_manifest()["objects_detector"]), "objects", "")
    root = ElementTree.fromstring(svg)
    boxes = [
        box.attrib for box in root.iter("{http://www.w3.org/2000/svg}rect") if box.attrib.get("x") == str(BOX_LEFT)
    ]
    assert len(boxes) > 20  # the front ones, where equal blocks are a stack
    for box, below in pairwise(boxes):
        assert float(box["y"]) + float(box["height"]) + ARROW_PX <= float(below["y"])
    height = float(root.attrib["height"])
    assert all(0 < float(text.attrib["y"]) < height for text in root.iter("{http://www.w3.org/2000/svg}text"))
    assert max(len(text) for text in words_of(svg)) < 90


def test_an_arrow_leads_only_to_a_box_that_reads() -> None:
    table = table_of(load_manifest()["face_detector"])
    svg, blocks = draw_architecture(table, "faces", ""), blocks_of(table)
    read = [not block.reads or number in block.reads for number, block in enumerate(blocks)]
    assert not all(read) and svg.count('fill="none"/>') == sum(read) + 1  # and the one to the output


def test_long_totals_take_two_lines(lenet: LayerTable) -> None:
    short, long = (draw_architecture(lenet, "lenet", words) for words in ("few words", "many words " * 10))
    heights = [float(ElementTree.fromstring(svg).attrib["height"]) for svg in (short, long)]
    assert heights[1] == heights[0] + 18
    assert all(len(words) <= 82 for words in words_of(long))


def test_a_card_gets_line_and_picture_once(lenet: LayerTable) -> None:
    once = with_architecture(CARD, "tiny", lenet)
    assert once.splitlines()[5] == f"| Architecture | {totals(lenet)} |"
    assert once.count("tiny_architecture.svg") == 1 and "Some notes." in once
    assert with_architecture(once, "tiny", lenet) == once


def test_a_card_without_a_file_is_refused(lenet: LayerTable) -> None:
    with pytest.raises(ValueError, match="the card of tiny has no line"):
        with_architecture("# tiny\n", "tiny", lenet)


@pytest.mark.slow
def test_every_card_is_refreshed(tmp_path: Path) -> None:
    for file in (WEIGHTS_DIR / "manifest.json", *WEIGHTS_DIR.glob("*.md")):
        shutil.copy(file, tmp_path)
    names = refresh_cards(tmp_path)
    assert names == list(load_manifest())
    for name in names:
        assert (tmp_path / svg_file(name)).is_file()
        assert (tmp_path / f"{name}.md").read_text().count(svg_file(name)) == 1


@pytest.mark.slow
def test_the_shipped_cards_are_up_to_date() -> None:
    for name, entry in load_manifest().items():
        card, table = (WEIGHTS_DIR / f"{name}.md").read_text(), table_of(entry)
        assert with_architecture(card, name, table) == card, "python -m train summary --cards"
        assert (WEIGHTS_DIR / svg_file(name)).read_bytes() == svg_of(name, table)


def test_the_wheel_leaves_the_drawings_out() -> None:
    (excluded,) = [line for line in (ROOT / "pyproject.toml").read_text().splitlines() if line.startswith("exclude = ")]
    endings = {path.suffix for path in WEIGHTS_DIR.iterdir() if path.is_file() and not path.name.startswith(".")}
    assert ".svg" in endings
    assert all(f'"/weights/*{ending}"' in excluded for ending in endings - {".safetensors", ".json"})
