"""Shared by all tests: no network, example pictures, small random pictures."""

import os

os.environ.update(HF_HUB_OFFLINE="1", GRADIO_ANALYTICS_ENABLED="False", TOKENIZERS_PARALLELISM="false")
# Threads of OpenMP wait for one another in loops: beside a busy process two of them take up to 40 times as long as one.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import pytest
import torch

from cvdemo.example_pictures import example_picture
from cvdemo.images import ImageArray, read_image


@pytest.fixture(autouse=True)
def _fixed_seed() -> None:
    """Tests that draw from the global generator draw the same every time."""
    torch.manual_seed(0)


@pytest.fixture(scope="session")
def cheetah() -> ImageArray:
    """(343, 502, 3): one cheetah, running."""
    return read_image(example_picture("cheetah"))


@pytest.fixture(scope="session")
def chelsea() -> ImageArray:
    """(300, 451, 3): a tabby cat's face."""
    return read_image(example_picture("chelsea"))


@pytest.fixture
def noise() -> ImageArray:
    """(48, 64, 3) of uniform noise."""
    return np.random.default_rng(0).integers(0, 256, (48, 64, 3), dtype=np.uint8)
