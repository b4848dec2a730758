"""The memory of a large painting."""

import pytest

from tests.helpers.peak_memory import grown_mb, linux_only

PAINT = """
import numpy as np
from cvdemo.demo import result_of
from cvdemo.style.config import StyleConfig
from cvdemo.style.run import StyleRequest, run_style

def work(side_px):
    picture = np.random.default_rng(0).integers(0, 256, (5 * side_px // 16, side_px, 3), dtype=np.uint8)
    config = StyleConfig(size=side_px, scales=1, steps=1)
    result_of(run_style(StyleRequest(content=picture, style=picture, config=config, device="cpu")))
"""
MOST_MB = 560  # 412 were measured, with one thread


@pytest.mark.slow
@linux_only
def test_a_large_picture_takes_the_memory_of_few_tiles() -> None:
    """2,048 x 640 px. With large tiles and a graph for all that the pixels tell, it took 840 MB."""
    assert grown_mb(PAINT, 2048) < MOST_MB
