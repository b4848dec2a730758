"""The sheet of photographs in styles."""

import numpy as np
import pytest

from train.style.contact_sheet import PHOTOGRAPH_NAMES, contact_sheet, example_photographs, example_styles


def flat(value: int, side_px: int = 4) -> np.ndarray:
    return np.full((side_px, side_px, 3), value, np.uint8)


def test_styles_stand_at_the_left_and_contents_at_the_top() -> None:
    sheet = np.array(contact_sheet([flat(1), flat(2)], [flat(10), flat(20)], lambda content, style: content + style))
    assert sheet[::4, ::4, 0].tolist() == [[255, 1, 2], [10, 11, 12], [20, 21, 22]]


def test_pictures_of_other_sizes_are_refused() -> None:
    with pytest.raises(ValueError, match="of one size, got 1, 1, "):
        contact_sheet([flat(1)], [flat(2, 5)], lambda content, style: content)
    with pytest.raises(ValueError, match="got 1, 0"):
        contact_sheet([flat(1)], [], lambda content, style: content)


def test_the_examples_are_squares() -> None:
    photographs, styles = example_photographs(16), example_styles(16)
    assert len(photographs) == len(PHOTOGRAPH_NAMES) and len(styles) >= 5
    assert {picture.shape for picture in (*photographs, *styles)} == {(16, 16, 3)}
