"""The endpoints as tools of the Model Context Protocol, under the very limits that hold for programs.

Gradio's own server hands the arguments of a tool to a client on this machine, which reads and uploads whatever file an
argument names, and gives all callers one session. Here a call goes through the page's HTTP routes inside the process,
as a request of the address that asks: so the queue has few places for it, uploads have their share, and a picture is
what was uploaded to the page, be it named by path or address, or comes within the call as a `data:` URL.
"""

import base64
import binascii
import json
import mimetypes
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import gradio as gr
import httpx
from gradio.mcp import GradioMCPServer
from gradio.route_utils import API_PREFIX
from mcp import types
from mcp.server import Server
from starlette.requests import Request
from starlette.responses import JSONResponse

from cvdemo.errors import InputError, brief
from cvdemo.limits import TOOL_INLINE_BYTES
from cvdemo.ui.serving.api_info import Told, told_of
from cvdemo.ui.serving.clients import PEER

NAME = "cvdemo"
ABOUT = (
    "Demos of deep learning for pictures: name what a picture shows, find things in it, dream on it, paint it in the "
    "manner of another, enlarge it, and generate new ones. Results are files of the page; their addresses are given."
)
FILE_FORM = (
    "Given as the address or path that the page told of an uploaded file (POST {api}/upload, form field `files`), or "
    "as a small file itself: data:image/jpeg;base64,..."
)
ENDINGS = {"image/jpg": ".jpg", "image/webp": ".webp", "image/avif": ".avif", "image/heic": ".heic"}  # not known to all
NOT_BASE64 = "A data: URL has to hold base64."
PASSED_ON = ("host", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto")  # by which the page tells who asks
FAILED = "The page did not answer; please try again."


class ToolServer(GradioMCPServer):
    """Gradio's server with tools, descriptions and calls of the page's own; its transports stay."""

    def create_mcp_server(self) -> Server:
        """The protocol's server with both of its handlers."""
        server: Server = Server(NAME, instructions=ABOUT)

        async def list_tools() -> list[types.Tool]:
            return self.tools()

        async def call_tool(name: str, arguments: dict[str, Any]) -> list[Any]:
            request = server.request_context.request
            if not isinstance(request, Request):
                raise InputError(FAILED)
            async with page_for(self.blocks.app, request) as page:
                return await self.call(page, name, arguments)

        server.list_tools()(list_tools)
        server.call_tool()(call_tool)
        return server

    def tools(self) -> list[types.Tool]:
        """Every endpoint, with the words of `cvdemo.ui.wiring.api_words`."""
        return [self._tool(name, endpoint) for name, endpoint in self.tool_to_endpoint.items()]

    def _tool(self, name: str, endpoint: str) -> types.Tool:
        described = self.api_info["named_endpoints"][endpoint]
        files = self._file_fields(endpoint)
        parameters = described["parameters"]
        schema = {
            "type": "object",
            "properties": {each["parameter_name"]: _schema(each, files) for each in parameters},
            "required": [each["parameter_name"] for each in parameters if not each["parameter_has_default"]],
            "additionalProperties": False,
        }
        returns = [f"- {output}: {words}" for output, words in self._told(endpoint).returns.items()]
        about = "\n".join([self._told(endpoint).about, "", "Returns:", *returns])
        return types.Tool(name=name, description=about, inputSchema=schema)

    async def get_complete_schema(self, request: Any) -> JSONResponse:
        """The tools as gradio's API page reads them."""
        return JSONResponse(
            [
                {
                    "name": tool.name,
                    "description": tool.description,
                    "inputSchema": tool.inputSchema,
                    "meta": {
                        "file_data_present": bool(self._file_fields(self.tool_to_endpoint[tool.name])),
                        "mcp_type": "tool",
                        "endpoint_name": self.tool_to_endpoint[tool.name].lstrip("/"),
                    },
                }
                for tool in self.tools()
            ]
        )

    def _told(self, endpoint: str) -> Told:
        function = self.get_block_fn_from_endpoint_name(endpoint)
        told = None if function is None else told_of(function)
        return told or Told(about="", parameters={}, returns={}, examples={})

    def _file_fields(self, endpoint: str) -> dict[str, bool]:
        """The parameters that take files, and whether they take several."""
        function = self.get_block_fn_from_endpoint_name(endpoint)
        names = [each["parameter_name"] for each in self.api_info["named_endpoints"][endpoint]["parameters"]]
        fields = zip(names, [] if function is None else function.inputs, strict=False)
        return {
            name: isinstance(field, gr.File) and field.file_count != "single"
            for name, field in fields
            if isinstance(field, gr.Image | gr.File | gr.Video | gr.Audio)
        }

    async def call(self, page: httpx.AsyncClient, name: str, arguments: Mapping[str, Any]) -> list[Any]:
        """What a tool gives, as text and pictures.

        Raises:
            InputError: what the page says against it; the protocol's server tells it to the caller.
        """
        endpoint = self.tool_to_endpoint.get(name)
        if endpoint is None:
            raise InputError(f"There is no tool {brief(name)}.")
        files = self._file_fields(endpoint)
        values = {key: await _sent(page, value) if key in files else value for key, value in arguments.items()}
        outputs = await _result(page, endpoint, values)
        content = Content(page)
        for label, output in zip(self._told(endpoint).returns, outputs, strict=False):
            await content.add(label, output)
        return content.parts


def page_for(app: Any, request: Request) -> httpx.AsyncClient:
    """A client of the page within this process, whose requests count as of the address that asked."""
    peer = request.scope.get("state", {}).get(PEER) or (request.client.host if request.client else "unknown")
    headers = {name: request.headers[name] for name in PASSED_ON if name in request.headers}
    transport = httpx.ASGITransport(app, raise_app_exceptions=False, client=(peer, 0))
    return httpx.AsyncClient(transport=transport, base_url=f"http://page{API_PREFIX}", headers=headers, timeout=None)


def _schema(parameter: Mapping[str, Any], files: Mapping[str, bool]) -> dict[str, Any]:
    """A parameter for the model that fills it; its range stands in the words, and the page's own check tells it."""
    name, words = parameter["parameter_name"], parameter["python_type"]["description"]
    if name in files:
        one = {"type": "string"}
        form = {"type": "array", "items": one} if files[name] else one
        return {**form, "description": f"{words} {FILE_FORM.format(api=API_PREFIX)}"}
    default = parameter["parameter_default"]
    return {**_form(parameter["type"]), "description": words, **({} if default is None else {"default": default})}


def _form(told: Mapping[str, Any]) -> dict[str, Any]:
    """Gradio's schema of a value as one that holds: it calls every choice a string, and any JSON a type of {}."""
    form = {key: value for key, value in told.items() if key != "additional_description"}
    if "enum" in form or not form.get("type"):
        form.pop("type", None)
    return form


async def _sent(page: httpx.AsyncClient, value: Any) -> Any:
    """The value of a field of files; whether the page has such an upload is checked by the field, as of any program."""
    if isinstance(value, list):
        return [await _sent(page, item) for item in value]
    if not isinstance(value, str):
        return value
    return {"path": await _uploaded(page, value) if value.startswith("data:") else value}


async def _uploaded(page: httpx.AsyncClient, url: str) -> str:
    """The path of the file that a `data:` URL holds, uploaded as any other."""
    head, _, data = url.partition(",")
    kind = head.removeprefix("data:").split(";")[0]
    try:
        content = base64.b64decode(data, validate=True)
    except (binascii.Error, ValueError) as error:
        raise InputError(NOT_BASE64) from error
    name = f"file{ENDINGS.get(kind) or mimetypes.guess_extension(kind) or ''}"
    answer = await page.post("/upload", files={"files": (name, content)})
    _raise_for(answer)
    return str(answer.json()[0])


async def _result(page: httpx.AsyncClient, endpoint: str, values: Mapping[str, Any]) -> Sequence[Any]:
    """The outputs of a call; the wait for them is a stream of messages, as a program's is."""
    asked = await page.post(f"/call/v2{endpoint}", json=dict(values))
    _raise_for(asked)
    stream = await page.get(f"/call{endpoint}/{asked.json()['event_id']}")
    _raise_for(stream)
    for event, data in _events(stream.text):
        if event == "complete" and isinstance(data, list):
            return data
        if event == "error":
            raise InputError(str(data.get("error") or FAILED) if isinstance(data, dict) else FAILED)
    raise InputError(FAILED)


def _events(text: str) -> Iterator[tuple[str, Any]]:
    for block in text.split("\n\n"):
        event, _, data = block.partition("\ndata: ")
        if event.startswith("event: "):
            yield event.removeprefix("event: "), json.loads(data)


def _raise_for(answer: httpx.Response) -> None:
    """Raises what the page answered instead of doing it."""
    if answer.is_success:
        return
    try:
        said = answer.json()["detail"]
    except (ValueError, KeyError, TypeError):
        said = answer.text
    raise InputError(said if isinstance(said, str) and said else FAILED)


class Content:
    """What a tool gives: texts, the addresses of files, and the first pictures themselves as far as there is room."""

    def __init__(self, page: httpx.AsyncClient) -> None:
        self.parts: list[Any] = []
        self._page = page
        self._room = TOOL_INLINE_BYTES

    async def add(self, label: str, output: Any) -> None:
        """One output of the endpoint."""
        files = list(_files(output))
        for file in files:
            self.parts.append(types.TextContent(type="text", text=f"{label}: {file.get('url') or file['path']}"))
            await self._add_picture(str(file["path"]))
        if not files:
            text = json.dumps(output, ensure_ascii=False)
            self.parts.append(types.TextContent(type="text", text=f"{label}: {text}"))

    async def _add_picture(self, path: str) -> None:
        """The picture itself, if its size, which is asked for first, fits."""
        kind = mimetypes.guess_type(path)[0] or ""
        if not kind.startswith("image/") or self._room <= 0:
            return
        told = await self._page.head(f"/file={path}")
        if not told.is_success or int(told.headers.get("content-length", self._room + 1)) > self._room:
            return
        answer = await self._page.get(f"/file={path}")
        if answer.is_success and len(answer.content) <= self._room:
            self._room -= len(answer.content)
            data = base64.b64encode(answer.content).decode()
            self.parts.append(types.ImageContent(type="image", data=data, mimeType=kind))


def _files(output: Any) -> Iterator[Mapping[str, Any]]:
    """The files in an output, at any depth."""
    if isinstance(output, Mapping):
        if isinstance(output.get("path"), str) and "meta" in output:
            yield output
        else:
            for value in output.values():
                yield from _files(value)
    elif isinstance(output, list):
        for item in output:
            yield from _files(item)
