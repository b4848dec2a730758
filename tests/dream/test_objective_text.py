"""Objectives written as text: what is read, what is printed, and where a text is wrong."""

import pytest

from cvdemo.dream.class_names import class_labels
from cvdemo.dream.objectives import (
    Channel,
    ClassLogit,
    Guide,
    LayerStrength,
    Objective,
    StrongestChannels,
    WeakestChannels,
    parse_objective,
)
from cvdemo.errors import InputError

READ: dict[str, Objective] = {
    "block8": LayerStrength("block8"),
    " BLOCK8 ": LayerStrength("block8"),
    "block8 + 0.3*block12": LayerStrength("block8") + 0.3 * LayerStrength("block12"),
    "block8+block12 * .3": LayerStrength("block8") + 0.3 * LayerStrength("block12"),
    "block9:41 - 0.5*block9:3": Channel("block9", 41) - 0.5 * Channel("block9", 3),
    "-block9:41": -Channel("block9", 41),
    "+2e-1*stem": 0.2 * LayerStrength("stem"),
    "block9:strongest5": StrongestChannels("block9", 5),
    "block9 : Weakest 12": WeakestChannels("block9", 12),
    "class:peacock": ClassLogit("peacock"),
    "CLASS: pea*2 - block3": 2 * ClassLogit("peacock") - LayerStrength("block3"),
    "class:German Shorthaired Pointer+block3": ClassLogit("German Shorthaired Pointer") + LayerStrength("block3"),
    "guide:block8 + 3*guide:block5": Guide("block8") + 3 * Guide("block5"),
    "block8 + block8": LayerStrength("block8") + LayerStrength("block8"),
}


@pytest.mark.parametrize("text", READ)
def test_a_text_is_read(text: str) -> None:
    assert parse_objective(text) == READ[text]


@pytest.mark.parametrize("text", [*READ, "-0.1*block1 - 1e-07*block2:7 + 123.456*class:tench", "0*block1"])
def test_what_is_printed_is_read_as_the_same(text: str) -> None:
    objective = parse_objective(text)
    assert parse_objective(str(objective)) == objective


def test_it_is_printed_as_people_write_it() -> None:
    assert str(parse_objective("block9:41-block9:3*.5+1*class:pea")) == "block9:41 - 0.5*block9:3 + class:peacock"


def test_every_class_can_be_written() -> None:
    for label in class_labels():
        assert parse_objective(f"2*class:{label} - block3") == 2 * ClassLogit(label) - LayerStrength("block3")


@pytest.mark.parametrize(
    ("text", "at", "why"),
    [
        ("", 1, "a layer, class:NAME or guide:LAYER is expected, and the text ends there"),
        ("block8 + ", 10, "a layer, class:NAME or guide:LAYER is expected, and the text ends there"),
        ("block8 ++ block9", 9, "a layer, class:NAME or guide:LAYER is expected, not '[+] block9'"),
        ("block8 block9", 8, "a [+] or - is expected, not 'block9'"),
        ("block8*0.3*2", 11, "a [+] or - is expected"),
        ("0.3 block8", 5, "a [*] is expected between a weight and what it weighs"),
        ("block8*x", 8, "a weight is expected, such as 0.3"),
        ("block8 + blok9", 10, "There is no layer 'blok9'; the layers are stem, block0"),
        ("block16", 1, "There is no layer 'block16'"),
        ("block9:112", 8, "block9 has channels 0 to 111"),
        ("block9:-1", 8, "the number of a channel, or strongest5, or weakest5 is expected"),
        ("block9:strongest", 8, "the number of a channel"),
        ("block9:strongest0", 8, "1 to 32 channels can be chosen"),
        ("block8 + class:peacok", 16, "knows no class 'peacok'. Near it: peacock"),
        ("class", 6, "a colon and the name of a class are expected"),
        ("guide block8", 7, "a colon and the layer are expected"),
        ("guide:", 7, "a layer is expected, such as block8"),
        ("guide:block99", 7, "There is no layer 'block99'"),
        ("2000*block8", 1, "A weight of an objective is from -1000 to 1000, got 2000"),
        ("block8 - block8*1e999", 17, "A weight of an objective .*, got -inf"),
        ("__import__('os')", 1, "There is no layer '__import__'"),
        (" + ".join(["block1"] * 17), 145, "an objective has at most 16 terms"),
    ],
)
def test_the_place_of_an_error_is_named(text: str, at: int, why: str) -> None:
    with pytest.raises(InputError, match=rf"^Character {at} of the objective .*: .*{why}"):
        parse_objective(text)
