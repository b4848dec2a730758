"""Tests of an extra are never skipped silently: they tell why, and fail where CI is set."""

import json

import pytest

from tests.helpers.extras import needed


def test_a_missing_extra_skips_with_its_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CI", raising=False)
    with pytest.raises(pytest.skip.Exception, match="no such extra: pip install -r requirements-dev"):
        needed("cvdemo_no_such_extra", "no such extra")


def test_in_ci_a_missing_extra_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CI", "true")
    with pytest.raises(ModuleNotFoundError, match="cvdemo_no_such_extra"):
        needed("cvdemo_no_such_extra", "no such extra")
    assert needed("json", "a part of Python") is json
