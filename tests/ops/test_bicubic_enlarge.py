"""Enlarging by whole factors is `bicubic_resize`, at the edges too."""

import pytest
import torch

from cvdemo.ops.bicubic_enlarge import enlarge
from cvdemo.ops.resample import bicubic_resize


@pytest.mark.parametrize("scale", [2, 3, 4, 5])
@pytest.mark.parametrize("size_hw", [(1, 1), (2, 7), (1, 30), (40, 33), (200, 3)])
def test_it_equals_bicubic_resize(scale: int, size_hw: tuple[int, int]) -> None:
    image = torch.rand(2, 3, *size_hw) * 2 - 1
    expected = bicubic_resize(image, scale=float(scale))
    torch.testing.assert_close(enlarge(image, scale), expected, atol=5e-7, rtol=0)
    assert (enlarge(image, scale) != expected).float().mean() < 1e-3


def test_double_precision_is_kept() -> None:
    image = torch.rand(1, 1, 9, 8, dtype=torch.float64)
    torch.testing.assert_close(enlarge(image, 3), bicubic_resize(image, scale=3.0), atol=1e-14, rtol=0)


def test_a_known_answer() -> None:
    step = torch.tensor([[0.0, 0.0, 0.0, 1.0, 1.0, 1.0]])[None, None]
    middle = enlarge(step, 2)[0, 0, 0, 4:8]  # Keys' kernel at 1/4 and 3/4
    torch.testing.assert_close(middle, torch.tensor([-0.0703125, 0.203125, 0.796875, 1.0703125]))


@pytest.mark.parametrize("scale", [1, 0, 2.5])
def test_other_factors_are_refused(scale: float) -> None:
    with pytest.raises(ValueError, match=f"whole factor of at least 2, got {scale}"):
        enlarge(torch.zeros(1, 1, 4, 4), scale)  # type: ignore[arg-type]  # what is tested


def test_other_shapes_are_refused() -> None:
    with pytest.raises(ValueError, match=r"need a non-empty floating .*int64 \(3, 4\)"):
        enlarge(torch.zeros(3, 4, dtype=torch.int64), 2)
