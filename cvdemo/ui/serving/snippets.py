"""The programs that gradio's API page shows for each endpoint: they run as they stand.

Gradio's own name a picture of another host, which this page does not fetch; that for curl asks for the result with an
empty number in bash, and that for JavaScript declares a constant twice where an endpoint takes two pictures.
"""

import json
from collections.abc import Mapping
from typing import Any

BUILTIN = {None: "None", True: "True", False: "False"}


def code_snippets(
    api_name: str, endpoint_info: Mapping[str, Any], root: str, space_id: str | None = None, api_prefix: str = "/"
) -> dict[str, str]:
    """A call of an endpoint with values that work, in Python, JavaScript and bash; called as gradio's function."""
    values = {parameter["parameter_name"]: _value(parameter) for parameter in endpoint_info["parameters"]}
    base = root.rstrip("/")
    api = f"{base}{api_prefix.rstrip('/')}"
    return {
        "python": _python(api_name, values, space_id or base, api),
        "javascript": _javascript(api_name, values, space_id or base, api),
        "bash": _bash(api_name, values, api),
    }


def _value(parameter: Mapping[str, Any]) -> Any:
    return parameter["parameter_default"] if parameter["parameter_has_default"] else parameter["example_input"]


def _is_file(value: Any) -> bool:
    return isinstance(value, Mapping) and "path" in value and "meta" in value


def _url(file: Mapping[str, Any], api: str) -> str:
    """The address of a file of the page; what is elsewhere keeps its own."""
    path = str(file["path"])
    return path if path.startswith(("http://", "https://")) else f"{api}/file={path}"


def _python_value(value: Any, api: str) -> str:
    if _is_file(value):
        return f"handle_file({json.dumps(_url(value, api))})"
    if isinstance(value, list):
        return f"[{', '.join(_python_value(item, api) for item in value)}]"
    if value is None or isinstance(value, bool):
        return BUILTIN[value]
    return json.dumps(value, ensure_ascii=False)


def _javascript_value(value: Any, api: str) -> str:
    if _is_file(value):
        return f"handle_file({json.dumps(_url(value, api))})"
    if isinstance(value, list):
        return f"[{', '.join(_javascript_value(item, api) for item in value)}]"
    return json.dumps(value, ensure_ascii=False)


def _json_value(value: Any, api: str) -> Any:
    if _is_file(value):
        return {"path": _url(value, api), "meta": value["meta"]}
    return [_json_value(item, api) for item in value] if isinstance(value, list) else value


def _python(api_name: str, values: Mapping[str, Any], source: str, api: str) -> str:
    given = {name: _python_value(value, api) for name, value in values.items()}
    files = ", handle_file" if any("handle_file(" in value for value in given.values()) else ""
    lines = [f"from gradio_client import Client{files}", "", f"client = Client({json.dumps(source)})"]
    lines += ["result = client.predict(", *(f"    {name}={value}," for name, value in given.items())]
    return "\n".join([*lines, f"    api_name={json.dumps(api_name)},", ")", "print(result)"])


def _javascript(api_name: str, values: Mapping[str, Any], source: str, api: str) -> str:
    given = {name: _javascript_value(value, api) for name, value in values.items()}
    files = ", handle_file" if any("handle_file(" in value for value in given.values()) else ""
    lines = [f'import {{ Client{files} }} from "@gradio/client";', ""]
    lines += [f"const client = await Client.connect({json.dumps(source)});"]
    lines += [f"const result = await client.predict({json.dumps(api_name)}, {{"]
    lines += [f"    {name}: {value}," for name, value in given.items()]
    return "\n".join([*lines, "});", "console.log(result.data);"])


def _bash(api_name: str, values: Mapping[str, Any], api: str) -> str:
    data = json.dumps({name: _json_value(value, api) for name, value in values.items()}, ensure_ascii=False)
    quoted = data.replace("'", "'\\''")
    return (
        f'EVENT_ID=$(curl -s {api}/call/v2{api_name} -H "Content-Type: application/json" \\\n'
        f"    -d '{quoted}' | cut -d '\"' -f 4)\n"
        f"curl -sN {api}/call{api_name}/$EVENT_ID"
    )
