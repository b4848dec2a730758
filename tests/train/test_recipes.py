"""What is recorded of a recipe's run."""

import pytest

from train.engine.loop import LoopConfig
from train.publishing.recipe import command_of
from train.recipes.dcgan import DcganConfig
from train.recipes.srcnn import SrcnnConfig


@pytest.mark.parametrize(
    ("recipe", "config", "options"),
    [
        ("srcnn", SrcnnConfig(scale=3, kernels=(9, 1, 5)), "--scale 3 --kernels 9 1 5"),
        ("dcgan", DcganConfig(flips=False), "--no-flips"),
        (
            "dcgan",
            DcganConfig(diff_augment=("color", "cutout"), r1_gamma=0.1, mixed_batches=False),
            "--no-mixed-batches --r1-gamma 0.1 --diff-augment color cutout",
        ),
    ],
)
def test_the_recorded_command_names_what_differs(recipe: str, config: LoopConfig, options: str) -> None:
    assert command_of(recipe, config) == f"python -m train {recipe} {options} --data DIR --out DIR"
