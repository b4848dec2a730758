"""The endpoints as MCP tools, called by the protocol's own client: they work, and the page's limits hold for them.

Skipped, with the reason, where the package `mcp` is missing; the tests' requirements have it, and CI needs it.
"""

import asyncio
import base64
import time
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest

from cvdemo.example_pictures import example_picture
from cvdemo.ui.serving.tools import Content
from cvdemo.ui.serving.uploads import NOT_UPLOADED
from cvdemo.ui.wiring.api_words import WORDS
from tests.helpers.extras import needed
from tests.ui.api_caller import upload
from tests.ui.page_server import Server, serve

mcp = needed("mcp", "the extra mcp is not installed")
jsonschema = needed("jsonschema", "a requirement of the extra mcp is not installed")
LEFT_S = 20.0  # in which a job notices that its client has left; on a busy machine
PICTURE = Path(example_picture("cheetah"))
NO_UPLOADS = ["/etc/hostname", "file:///etc/hostname", str(PICTURE), "http://192.0.2.1/x.png", "https://example.com/x"]


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A page with tools, at which one job of a client may wait or run."""
    with serve(tmp_path_factory.mktemp("tools"), CVDEMO_MCP="1", CVDEMO_PLACES_PER_CLIENT="1") as server:
        yield server


def asked(url: str, work: Callable[[Any], Awaitable[Any]]) -> Any:
    """What a client's session with the page gives; in a thread, for that of a browser's test has a loop already."""
    from mcp.client.streamable_http import streamable_http_client

    async def session() -> Any:
        async with (
            streamable_http_client(f"{url}/gradio_api/mcp/") as (read, write, _),
            mcp.ClientSession(read, write) as client,
        ):
            await client.initialize()
            return await work(client)

    with ThreadPoolExecutor(1) as thread:
        return thread.submit(lambda: asyncio.run(session())).result()


def called(url: str, name: str, **arguments: Any) -> tuple[bool, str, list[Any]]:
    """Whether a call failed, its text, and all of what came back."""
    result = asked(url, lambda client: client.call_tool(name, arguments))
    return result.isError, "\n".join(part.text for part in result.content if part.type == "text"), result.content


def data_url(path: Path) -> str:
    return "data:image/jpeg;base64," + base64.b64encode(path.read_bytes()).decode()


def test_every_endpoint_is_a_tool_whose_parameters_are_described(page: Server) -> None:
    tools = {tool.name: tool for tool in asked(page.url, lambda client: client.list_tools()).tools}
    assert set(tools) == set(WORDS)
    for name, tool in tools.items():
        assert len(tool.description) > 60 and all(output in tool.description for output in WORDS[name].returns)
        assert all(field["description"] for field in tool.inputSchema["properties"].values()), name
    dream = tools["dream"].inputSchema
    assert dream["required"] == ["image"] and "From 1 to 8." in dream["properties"]["octaves"]["description"]
    assert dream["properties"]["image"]["type"] == "string"
    assert tools["teach"].inputSchema["properties"]["files"]["items"] == {"type": "string"}
    for tool in tools.values():
        jsonschema.Draft202012Validator.check_schema(tool.inputSchema)
    jsonschema.validate({"image": "x", "scale": 4}, tools["upscale"].inputSchema)


def test_a_picture_within_the_call_is_named(page: Server) -> None:
    failed, text, _ = called(page.url, "classify", image=data_url(PICTURE))
    assert not failed and "cheetah" in text


def test_an_upload_is_named_by_its_address_and_the_result_comes_as_a_picture(page: Server) -> None:
    path = upload(page.url, PICTURE)["path"]
    failed, text, content = called(page.url, "explain", image=f"{page.url}/gradio_api/file={path}")
    assert not failed and "where-it-looked-cheetah.png" in text
    (picture,) = [part for part in content if part.type == "image"]
    assert picture.mimeType == "image/png" and base64.b64decode(picture.data).startswith(b"\x89PNG")


@pytest.mark.parametrize("path", NO_UPLOADS)
def test_files_of_the_server_and_of_other_hosts_are_refused(page: Server, path: str) -> None:
    failed, text, _ = called(page.url, "classify", image=path)
    assert failed and NOT_UPLOADED in text


@pytest.mark.parametrize("tool", ["walk", "teach"])
def test_an_object_that_names_a_file_of_the_server_is_refused(page: Server, tool: str) -> None:
    """Gradio's own server would hand it to a client on the same machine, which uploads it."""
    file = {"path": str(PICTURE), "meta": {"_type": "gradio.FileData"}}
    more: dict[str, Any] = {"walk": {"through": file}, "teach": {"classes": file, "files": []}}
    before = set((page_files := Path(page_folder(page))).rglob("*.jpg"))
    failed, text, _ = called(page.url, tool, **more[tool])
    assert failed and NOT_UPLOADED in text
    assert set(page_files.rglob("*.jpg")) == before


def page_folder(page: Server) -> str:
    """Where the page keeps its files: that of a picture which is uploaded to it."""
    return str(Path(upload(page.url, PICTURE)["path"]).parents[1].resolve())


def test_what_is_no_picture_is_told_in_the_words_of_the_page(page: Server) -> None:
    failed, text, _ = called(page.url, "classify", image="data:image/png;base64,AAAA")
    assert failed and "not a picture that can be read" in text
    assert called(page.url, "classify", image="data:image/png;base64,!!")[1] == "A data: URL has to hold base64."


def test_the_queue_has_few_places_for_one_address(page: Server) -> None:
    image = upload(page.url, PICTURE)["path"]

    async def many(client: Any) -> Any:
        return await asyncio.gather(*(client.call_tool("upscale", {"image": image, "scale": 4}) for _ in range(4)))

    told = [result.content[0].text for result in asked(page.url, many) if result.isError]
    assert told and all("You have 1 jobs waiting or running already" in text for text in told)


def test_the_job_of_a_client_that_has_left_is_ended(page: Server) -> None:
    image = upload(page.url, PICTURE)["path"]
    arguments = {"image": image, "steps": 50, "octaves": 8, "size_px": 1024}
    call = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "dream", "arguments": arguments}}
    accepts = {"Accept": "application/json, text/event-stream"}
    with httpx.stream("POST", f"{page.url}/gradio_api/mcp/", json=call, headers=accepts, timeout=60) as answer:
        assert answer.status_code == 200
        assert wait_for(lambda: taken(page, image))
    assert wait_for(lambda: not taken(page, image))


def taken(page: Server, image: str) -> bool:
    """Whether the one place of a client in the slow line is taken."""
    failed, text, _ = called(page.url, "classify_several", files=[image])
    assert not failed or "You have 1 jobs waiting or running already" in text
    return failed


def wait_for(condition: Callable[[], bool]) -> bool:
    end = time.monotonic() + LEFT_S
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(0.1)
    return False


async def add_pictures(sizes: dict[str, int]) -> tuple[list[str], list[str]]:
    """The pictures that are read of those with so many bytes, and the kinds of what is given."""
    read: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        name = request.url.path.rpartition("=")[2]
        if request.method == "GET":
            read.append(name)
        return httpx.Response(200, headers={"content-length": str(sizes[name])}, content=bytes(sizes[name]))

    async with httpx.AsyncClient(transport=httpx.MockTransport(answer), base_url="http://page") as client:
        content = Content(client)
        for name in sizes:
            await content.add("Picture", {"path": name, "meta": {}})
    return read, [part.type for part in content.parts]


def test_a_picture_for_which_there_is_no_room_is_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cvdemo.ui.serving.tools.TOOL_INLINE_BYTES", 100)
    with ThreadPoolExecutor(1) as thread:
        work = thread.submit(lambda: asyncio.run(add_pictures({"a.png": 60, "large.png": 60, "b.png": 40, "c.png": 1})))
        read, kinds = work.result()
    assert read == ["a.png", "b.png"] and kinds == ["text", "image", "text", "text", "image", "text"]


def test_other_transports_of_gradios_server_are_closed(page: Server) -> None:
    assert httpx.get(f"{page.url}/gradio_api/mcp/sse").status_code == 404
    assert httpx.post(f"{page.url}/gradio_api/mcp/messages/?session_id=0", json={}).status_code == 404
