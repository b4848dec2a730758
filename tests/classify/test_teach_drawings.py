"""A lesson with the real network, on the drawings of the page's example."""

from pathlib import Path

import pytest

from cvdemo.classify.taught_head import load_head
from cvdemo.classify.teach import ClassifyTaughtRequest, Taught, TeachRequest
from cvdemo.demo import result_of
from cvdemo.demos import run
from cvdemo.example_pictures import example_head, example_picture
from cvdemo.images import ImageArray, read_image

KINDS = ("stained_glass", "woodcut_waves", "ink_wash")


def drawings(kind: str, seeds: range) -> tuple[ImageArray, ...]:
    return tuple(read_image(example_picture(f"taught/{kind}_{seed}")) for seed in seeds)


@pytest.mark.slow
def test_kinds_of_drawings_are_told_apart() -> None:
    request = TeachRequest(labels=KINDS, pictures=tuple(drawings(kind, range(11, 16)) for kind in KINDS))
    taught: Taught = result_of(run(request))
    assert taught.right >= 14 and len(taught.verdicts) == 15
    new = [drawings(kind, range(16, 17))[0] for kind in KINDS]
    answers = [result_of(run(ClassifyTaughtRequest(image=picture, head=taught.head))).labels[0] for picture in new]
    assert answers == list(KINDS)


@pytest.mark.slow
def test_the_head_that_is_shipped_is_of_this_backbone_and_knows_the_drawings() -> None:
    head = load_head(Path(example_head()).read_bytes())  # another backbone needs `python -m examples.make_head`
    (picture,) = drawings("ink_wash", range(16, 17))
    assert result_of(run(ClassifyTaughtRequest(image=picture, head=head))).labels[0] == "ink"
