"""The memory of a large picture, in a process of its own: its most so far is no other test's."""

import subprocess
import sys

import pytest

PAINTS = """
import resource
import numpy as np
from cvdemo.demo import result_of
from cvdemo.style.config import StyleConfig
from cvdemo.style.run import StyleRequest, run_style

def most_mb():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6  # Linux tells KiB

def paint(size):
    picture = np.random.default_rng(0).integers(0, 256, (5 * size // 16, size, 3), dtype=np.uint8)
    config = StyleConfig(size=size, scales=1, steps=1)
    result_of(run_style(StyleRequest(content=picture, style=picture, config=config, device="cpu")))

paint(256)
before = most_mb()
paint(2048)
print(most_mb() - before)
"""
MOST_MB = 560  # 412 were measured, with one thread


@pytest.mark.slow
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="other systems tell memory in other units")
def test_a_large_picture_takes_the_memory_of_few_tiles() -> None:
    """2,048 x 640 px. With large tiles and a graph for all that the pixels tell, it took 840 MB."""
    done = subprocess.run([sys.executable, "-c", PAINTS], capture_output=True, text=True, timeout=300, check=True)
    assert float(done.stdout) < MOST_MB
