"""The page: the tuple of tabs, what goes for all of them, and how it is launched."""

import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from functools import cache, partial
from typing import Any

import gradio as gr
import torch
from gradio.components import Component

from cvdemo import backends, limits
from cvdemo.backends.durations import Durations
from cvdemo.demo import Request, Run
from cvdemo.finished import ICON, path_of
from cvdemo.limits import KEEP_FILES_S, QUEUE_LENGTH, SESSIONS, UPLOAD_BYTES
from cvdemo.ui import classify, dream, sample, style, upscale
from cvdemo.ui.detect import tab as detect
from cvdemo.ui.detect.examples import EXAMPLES
from cvdemo.ui.dream_presets import dream_css
from cvdemo.ui.serving import assistants
from cvdemo.ui.serving.address import address, ending_in_one_sentence
from cvdemo.ui.serving.blocks import Page
from cvdemo.ui.serving.front import TITLE, routes
from cvdemo.ui.serving.gradio_parts import adapt_gradio
from cvdemo.ui.serving.middleware import error_handlers, middleware
from cvdemo.ui.serving.page_folder import PageFolder, open_folder
from cvdemo.ui.serving.waiting import telling_time
from cvdemo.ui.serving.warm_up import warm_up
from cvdemo.ui.wiring.first_look import LOOKS, show_finished, tell_promises
from cvdemo.ui.wiring.history import remember
from cvdemo.ui.wiring.send import offer_to_send
from cvdemo.ui.wiring.theme import CSS, HEAD, theme

TABS = (classify.TAB, detect.TAB, dream.TAB, style.TAB, sample.TAB, upscale.TAB)


def build_page(run: Run = backends.run, durations: Durations | None = None) -> Page:
    """The whole page as Gradio blocks; loads no model.

    Args:
        run: does the work of every demo.
        durations: what jobs took, from now on noted and told; None begins with nothing.
    """
    durations = durations or Durations()
    run = telling_time(run, durations)
    page = Page(title=TITLE, analytics_enabled=False, delete_cache=(KEEP_FILES_S, KEEP_FILES_S))
    with page:
        settings: dict[str, dict[str, Component]] = {}
        drawn: dict[str, gr.Tab] = {}
        with gr.Tabs(elem_id="tabs", overflow_behavior="wrap") as tabs:
            for tab in TABS:
                with gr.Tab(tab.title, id=tab.slug, elem_id=f"tab-{tab.slug}") as drawn[tab.slug]:
                    settings[tab.slug] = tab.build(run)
        shown = show_finished(page)
        offer_to_send(page)
        follows = {tab.slug: tab.follows for tab in TABS}
        remember(page, tabs, drawn, settings, follows, {"detect-examples": [example.picture for example in EXAMPLES]})
    page.queue(max_size=QUEUE_LENGTH, default_concurrency_limit=1, api_open=False)
    durations.noted = lambda: tell_promises(page, shown, lambda slug: durations.expected_s(_first_request(slug)))
    return page


@cache
def _first_request(slug: str) -> Request:
    """What a new visitor asks of a tab."""
    (first,) = (tab.first for tab in TABS if tab.slug == slug)
    return first(LOOKS[slug].path)


def prepare(run: Run) -> None:
    """Does what new visitors ask for first, by `telling_time`'s run: see `warm_up`."""
    warm_up(run, [_first_request(tab.slug) for tab in TABS])


def launch_options(folder: PageFolder | None = None) -> dict[str, Any]:
    """What `launch` gets: a public page that shows no stack trace and asks no other host for anything.

    Args:
        folder: is swept while the page runs.

    Raises:
        InputError: HOST or PORT cannot be used, or is taken; or MCP is asked for and not installed.
    """
    host, port = address()
    mcp = assistants.wanted()
    app: dict[str, Any] = {"docs_url": None, "redoc_url": None, "openapi_url": None}
    app |= {"middleware": middleware(), "exception_handlers": error_handlers(), "routes": routes()}
    if folder is not None:
        app["lifespan"] = folder.sweeping
    return {
        "server_name": host,
        "server_port": port,
        "theme": theme(),
        "css": CSS + dream_css(),
        "head": HEAD if mcp else f"{HEAD}<style>{assistants.NO_MCP_CSS}</style>",
        "mcp_server": mcp,
        "favicon_path": str(path_of(ICON)),
        "show_error": False,
        "enable_monitoring": False,
        "run_history": False,
        "strict_cors": True,
        "ssr_mode": False,
        "max_file_size": UPLOAD_BYTES,
        "state_session_capacity": SESSIONS,
        "footer_links": ["api", "settings"],
        "app_kwargs": app,
    }


def main() -> None:
    """Serves the page until it is told to end; HOST and PORT in the environment say where (127.0.0.1:7860).

    SIGINT and SIGTERM end it, and remove the visitors' files; a second one ends it at once.
    """
    with ending_in_one_sentence():  # before the page is built: what is wrong is said at once
        address()
        limits.check()
        backends.backend()
        mcp = assistants.wanted()
    torch.set_num_threads(1)  # for what computes outside the backend, whose workers have numbers of their own
    adapt_gradio()
    if mcp:
        assistants.use_tools()
    folder = open_folder()
    try:
        durations = Durations()
        page = build_page(backends.run, durations)
        folder.keep_what_is_there()
        _serve(page, folder, partial(prepare, telling_time(backends.run, durations)))
    finally:
        folder.close()
    sys.stdout.flush()
    os._exit(0)  # nothing is left to do, and the interpreter would wait for a job that is in the middle of a long step


def _serve(page: Page, folder: PageFolder, at_start: Callable[[], None]) -> None:
    """Runs the page until a signal comes, then closes it; `at_start` is called beside it once it answers."""
    signals: list[int] = []
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda received, _: signals.append(received))
    with ending_in_one_sentence():
        page.launch(prevent_thread_lock=True, **launch_options(folder))
    threading.Thread(target=at_start, name="at-start", daemon=True).start()
    while not signals:
        time.sleep(0.1)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_DFL)
    page.stop_jobs()
    page.close(verbose=False)
