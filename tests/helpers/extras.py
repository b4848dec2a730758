"""Packages that are extras of the project and requirements of its tests."""

import importlib
import os
from typing import Any

import pytest


def needed(package: str, reason: str) -> Any:
    """The package. Where it is missing, the module's tests are skipped with the reason; where CI is set, they fail.

    Raises:
        ModuleNotFoundError: it is missing, and the tests' environment, which CI has, should hold it.
    """
    if os.environ.get("CI"):
        return importlib.import_module(package)
    return pytest.importorskip(package, reason=f"{reason}: pip install -r requirements-dev.txt")
