"""Whether two pictures are the same but for rounding."""

import numpy as np

from cvdemo.images import ImageArray


def differs_at_most(a: ImageArray, b: ImageArray, levels: int = 1) -> bool:
    return bool(np.abs(a.astype(int) - b).max() <= levels)
