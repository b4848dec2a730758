"""Pictures that several tests of classifiers learn from."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from train.data import datasets as sources


@pytest.fixture
def cats_dogs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """24 reddish cats and 24 bluish dogs of 64 px, of which 16 each train and 4 each are for choice and test."""
    monkeypatch.setattr(sources, "CATS_DOGS_COUNTS", (32, 8, 8))
    rng = np.random.default_rng(0)
    (tmp_path / "data").mkdir()
    for label, name in enumerate(("cat", "dog")):
        for i in range(24):
            picture = rng.integers(0, 60, (64, 64, 3), dtype=np.uint8)
            picture[..., 2 * label] += 180
            Image.fromarray(picture).save(tmp_path / "data" / f"{name}.{i}.jpg")
    return tmp_path / "data"
