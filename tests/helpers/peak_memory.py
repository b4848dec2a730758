"""How much memory a piece of work takes, measured in a process of its own: its most so far is no other test's."""

import subprocess
import sys

import pytest

MOST_MB = """
import resource

def most_mb():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6  # Linux tells KiB

work(256)
before = most_mb()
work({side_px})
print(most_mb() - before)
"""
linux_only = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="other systems tell memory in other units")


def grown_mb(work: str, side_px: int) -> float:
    """MB that `work(side_px)` adds to the peak after `work(256)`; `work` is Python that defines that function."""
    words = [sys.executable, "-c", work + MOST_MB.format(side_px=side_px)]
    return float(subprocess.run(words, capture_output=True, text=True, timeout=300, check=True).stdout)
