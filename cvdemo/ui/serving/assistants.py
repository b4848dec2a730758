"""Whether assistants may use the demos as tools of the Model Context Protocol: where CVDEMO_MCP=1.

The package `mcp` is needed only then; it is an extra, `pip install '.[mcp]'`.
"""

import os

from cvdemo.errors import InputError, brief

VARIABLE = "CVDEMO_MCP"
NOT_INSTALLED = "MCP is not installed: pip install '.[mcp]', or leave CVDEMO_MCP out."
# Gradio's API page advertises MCP, as the last of its ways, also where there is none.
NO_MCP_CSS = ".api-docs .snippets > li.snippet:last-child { display: none; }"


def wanted() -> bool:
    """Whether the environment asks for the tools.

    Raises:
        InputError: it says neither 1 nor 0, or the package is missing.
    """
    said = os.environ.get(VARIABLE) or "0"
    if said not in ("0", "1"):
        raise InputError(f"{VARIABLE} has to be 1 or 0; it is {brief(said)}.")
    if said == "0":
        return False
    try:
        import mcp  # noqa: F401
    except ModuleNotFoundError as error:
        raise InputError(NOT_INSTALLED) from error
    return True


def use_tools() -> None:
    """Makes the server that gradio mounts from now on the page's own."""
    import gradio.mcp

    from cvdemo.ui.serving.tools import ToolServer

    setattr(gradio.mcp, "GradioMCPServer", ToolServer)  # noqa: B010  # mypy: a type is not assigned to
