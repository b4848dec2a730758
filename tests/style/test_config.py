"""The settings of a style transfer."""

import pytest

from cvdemo.style.config import StyleConfig


@pytest.mark.parametrize(("sent", "meant"), [(True, "statistics"), (False, "no"), ("luminance", "luminance")])
def test_colours_are_kept_as_old_clients_say_it_too(sent: str | bool, meant: str) -> None:
    assert StyleConfig(keep_colours=sent).keep_colours == meant  # type: ignore[arg-type]  # a boolean of old clients


def test_without_seconds_steps_count() -> None:
    assert StyleConfig().seconds is None and StyleConfig(seconds=5).seconds == 5
