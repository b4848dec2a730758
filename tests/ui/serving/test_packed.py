"""The page itself is sent packed, and nothing else is by that."""

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from starlette.testclient import TestClient

from cvdemo.ui.serving.middleware import PackPage


async def answer(request: Request) -> PlainTextResponse:
    return PlainTextResponse("word " * 1000)


@pytest.mark.parametrize(
    ("path", "accepted", "packed"),
    [("/", "gzip", "gzip"), ("/", "gzip, deflate, br, zstd", "br"), ("/", "", None), ("/x", "gzip, br", None)],
)
def test_only_the_page_is_packed_for_those_who_can_unpack_it(path: str, accepted: str, packed: str | None) -> None:
    app = PackPage(Starlette(routes=[Route("/", answer), Route("/x", answer)]))
    got = TestClient(app).get(path, headers={"accept-encoding": accepted})
    assert got.text == "word " * 1000
    assert got.headers.get("content-encoding") == packed
    assert (int(got.headers["content-length"]) < 1000) is (packed is not None)
