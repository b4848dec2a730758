"""The parts of gradio that the page overrides or replaces, all in one place, and a check that they are as expected.

Gradio does not promise to keep them. So a page that starts with a gradio in which one of them has another signature
stops with a sentence, instead of running without its protection.
"""

import inspect
from collections.abc import Callable
from typing import Any

import gradio as gr
from gradio import processing_utils, queueing, state_holder
from uvicorn.protocols.http.h11_impl import H11Protocol

from cvdemo.ui.serving import connections, results
from cvdemo.ui.serving.session_state import use_page_sessions
from cvdemo.ui.serving.uploads import refusal

EXPECTED: dict[str, tuple[Callable[..., Any], str]] = {
    "Blocks.preprocess_data": (gr.Blocks.preprocess_data, "self block_fn inputs state explicit_call"),
    "Blocks.call_function": (
        gr.Blocks.call_function,
        "self block_fn processed_input iterator requests event_id event_data in_event_listener state oauth_token",
    ),
    "Blocks.postprocess_data": (gr.Blocks.postprocess_data, "self block_fn predictions state"),
    "Queue.push": (queueing.Queue.push, "self body request username"),
    "Queue.send_message": (queueing.Queue.send_message, "self event event_message"),
    "Queue.start": (queueing.Queue.start, "self"),
    "Queue.process_events": (queueing.Queue.process_events, "self events batch begin_time fn"),
    "Queue.clean_events": (queueing.Queue.clean_events, "self session_hash event_id"),
    "SessionState": (state_holder.SessionState.__init__, "self blocks"),
    "SessionState._update_config": (state_holder.SessionState._update_config, "self key"),
    "SessionState._update_value_in_config": (state_holder.SessionState._update_value_in_config, "self key value"),
    "save_pil_to_cache": (processing_utils.save_pil_to_cache, "img cache_dir name format"),
    "save_bytes_to_cache": (processing_utils.save_bytes_to_cache, "data file_name cache_dir"),
    "async_ssrf_protected_download": (processing_utils.async_ssrf_protected_download, "url cache_dir"),
    "H11Protocol": (H11Protocol.__init__, "self config server_state app_state _loop"),
    "H11Protocol.data_received": (H11Protocol.data_received, "self data"),
}


def check_gradio() -> None:
    """Raises `RuntimeError` where a part that is overridden or replaced is not as expected."""
    for name, (part, expected) in EXPECTED.items():
        found = " ".join(inspect.signature(part).parameters)
        if found != expected:
            raise RuntimeError(
                f"The page is made for gradio 6.31; in {gr.__version__} {name} takes ({found}), not ({expected})."
            )


def adapt_gradio() -> None:
    """Replaces in this process what gradio does badly.

    Those are downloads of URLs, pictures in place, sessions that copy the page, and endless connections.
    """
    check_gradio()
    setattr(processing_utils, "async_ssrf_protected_download", _refuse_download)  # noqa: B010  # mypy: a function's type
    setattr(processing_utils, "save_pil_to_cache", results.save_pil_to_cache)  # noqa: B010
    setattr(processing_utils, "save_bytes_to_cache", results.save_bytes_to_cache)  # noqa: B010
    use_page_sessions()
    connections.use_limited_connections()


async def _refuse_download(url: str, cache_dir: str) -> str:
    raise refusal()
