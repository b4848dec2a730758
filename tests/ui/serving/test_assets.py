"""Gradio's scripts and styles: changed in one thing, packed well, kept by browsers."""

import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from cvdemo.ui.serving.assets import CHANGED_KEPT, KEPT
from cvdemo.ui.serving.front import routes
from cvdemo.ui.serving.on_opening import ASSETS, CHANGES, changed_script, loading_on_opening

STYLE = next(iter(sorted(ASSETS.glob("index-*.css"))))
FONT = next(iter(sorted(ASSETS.glob("*.woff2"))))


@pytest.fixture(scope="module")
def asked() -> TestClient:
    return TestClient(Starlette(routes=routes()))


def test_the_script_is_gradios_but_for_the_changes() -> None:
    script = changed_script()
    source = (ASSETS / script.name).read_text(encoding="utf-8")
    now = script.text.decode()
    for old, new in CHANGES:
        assert old not in now and now.count(new) == 1
        now = now.replace(new, old)
    assert now == source


def test_another_script_is_refused() -> None:
    source = (ASSETS / changed_script().name).read_text(encoding="utf-8").replace(CHANGES[0][0], "s=")
    with pytest.raises(RuntimeError, match=r"made for gradio 6\.31; its script has no one place 's=a\.shared_props"):
        loading_on_opening(source)


@pytest.mark.parametrize(("accepted", "packed"), [("gzip, br", "br"), ("gzip", None)])
def test_a_style_is_packed_for_those_who_can_unpack_it(asked: TestClient, accepted: str, packed: str | None) -> None:
    got = asked.get(f"/assets/{STYLE.name}", headers={"accept-encoding": accepted})
    assert got.content == STYLE.read_bytes() and got.headers["content-type"].startswith("text/css")
    assert got.headers["cache-control"] == KEPT and got.headers.get("content-encoding") == packed
    assert (int(got.headers["content-length"]) < STYLE.stat().st_size / 3) is (packed is not None)


def test_the_changed_script_goes_out_and_is_not_kept_for_ever(asked: TestClient) -> None:
    got = asked.get(f"/assets/{changed_script().name}", headers={"accept-encoding": "br"})
    assert got.content == changed_script().text and got.headers["content-type"].startswith("text/javascript")
    assert got.headers["cache-control"] == CHANGED_KEPT


def test_a_font_goes_as_it_is_and_nothing_else_is_served(asked: TestClient) -> None:
    got = asked.get(f"/assets/{FONT.name}")
    assert got.content == FONT.read_bytes() and got.headers["cache-control"] == KEPT
    assert asked.get("/assets/nothing.js").status_code == asked.get("/assets/%2e%2e/index.html").status_code == 404
    assert asked.post(f"/assets/{STYLE.name}").status_code == 405
