"""What the page tells programs of its endpoints, in gradio's own description of the API.

Gradio tells the types of parameters and the labels of fields. The page adds what each means, its range and unit, names
for what comes back, and examples that work: gradio's own are files of another host, which the page does not fetch.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gradio as gr
from gradio.block_function import BlockFunction
from gradio.components import Component
from gradio.utils import get_upload_folder

from cvdemo.example_pictures import example_picture
from cvdemo.ui.serving.results import save_bytes_to_cache

EXAMPLE = "cheetah"  # the picture in examples of calls
FILE_META = {"_type": "gradio.FileData"}
_TOLD = "told_to_programs"  # set on the handler of an endpoint


@dataclass(frozen=True, kw_only=True)
class Told:
    """Of one endpoint: what it does, what its parameters mean, what comes back, and values that work, all by name."""

    about: str
    parameters: Mapping[str, str]
    returns: Mapping[str, str]
    examples: Mapping[str, Any]


def tell(handler: Any, name: str, told: Told) -> None:
    """Gives the handler of endpoint `name` its words; its docstring becomes the one that gradio's MCP server reads."""
    setattr(handler, _TOLD, told)
    handler.__name__ = name
    parameters = [f"    {parameter}: {words}" for parameter, words in told.parameters.items()]
    returns = [f"    {output}: {words}" for output, words in told.returns.items()]
    handler.__doc__ = "\n".join([told.about, "", "Args:", *parameters, "", "Returns:", *returns])


def told_of(function: BlockFunction) -> Told | None:
    """The words of an endpoint; None of another handler."""
    told = getattr(function.fn, _TOLD, None)
    return told if isinstance(told, Told) else None


def add_words(info: Any, functions: Iterable[BlockFunction]) -> None:
    """Puts the words of the endpoints into gradio's description."""
    by_name = {f"/{function.api_name}": told for function in functions if (told := told_of(function)) is not None}
    for name, endpoint in info["named_endpoints"].items():
        if name not in by_name:
            continue
        told = by_name[name]
        for parameter in endpoint["parameters"]:
            _add_to_parameter(parameter, told)
        for output, (label, words) in zip(endpoint["returns"], told.returns.items(), strict=False):
            output["label"] = label
            output["python_type"] = output["python_type"] | {"description": words}


def _add_to_parameter(parameter: Any, told: Told) -> None:
    name = parameter["parameter_name"]
    parameter["python_type"] = parameter["python_type"] | {"description": told.parameters.get(name, "")}
    if name in told.examples:
        parameter["example_input"] = told.examples[name]


def examples_of(fields: Mapping[str, Component], given: Mapping[str, Any]) -> dict[str, Any]:
    """Values that work for these fields by name: of pictures their names are given, of a single file its path."""
    examples: dict[str, Any] = {}
    for name, field in fields.items():
        if isinstance(field, gr.Image):
            examples[name] = example_file(given.get(name, EXAMPLE))
        elif isinstance(field, gr.File) and name in given and field.file_count == "single":
            examples[name] = _file(Path(given[name]))
        elif isinstance(field, gr.File) and name in given:
            examples[name] = [example_file(picture) for picture in given[name]]
        elif name in given:
            examples[name] = given[name]
    return examples


def example_file(picture: str) -> dict[str, Any]:
    """A copy of an example picture where the page serves files from, as gradio tells files."""
    return _file(Path(example_picture(picture)))


def _file(source: Path) -> dict[str, Any]:
    path = save_bytes_to_cache(source.read_bytes(), source.name, get_upload_folder())
    return {"path": path, "url": f"/gradio_api/file={path}", "orig_name": source.name, "meta": FILE_META}
