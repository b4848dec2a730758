"""The sizes that a picture is painted at."""

import pytest

from cvdemo.errors import InputError
from cvdemo.style.scales import planned_scales, scale_sizes


def test_scales_grow_by_the_root_of_two_up_to_the_size() -> None:
    assert scale_sizes((300, 450), 384, 4) == [(91, 136), (128, 192), (181, 272), (256, 384)]


def test_scales_too_small_for_any_stroke_are_left_out() -> None:
    assert scale_sizes((100, 100), 128, 6) == [(64, 64), (91, 91), (128, 128)]
    assert scale_sizes((100, 700), 128, 6) == [(18, 128)]


def test_a_picture_that_is_too_narrow_is_refused() -> None:
    with pytest.raises(InputError, match="900 x 100 pixels; for style transfer its longer side may be at most 8 times"):
        scale_sizes((100, 900), 384, 4)


@pytest.mark.parametrize(("size_px", "scales"), [(128, 1), (180, 1), (182, 2), (256, 3), (1024, 7), (2048, 9)])
def test_a_plan_by_time_begins_at_128_px(size_px: int, scales: int) -> None:
    assert planned_scales(size_px) == scales
    assert 128 <= max(scale_sizes((100, 100), size_px, scales)[0]) < 182
