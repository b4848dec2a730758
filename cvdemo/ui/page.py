"""The page: header, the tuple of tabs, what a shared link restores, and how it is launched."""

import os
import signal
import sys
import time
from typing import Any

import gradio as gr
import torch
from gradio.components import Component

from cvdemo import backends, limits
from cvdemo.demo import Run
from cvdemo.limits import KEEP_FILES_S, QUEUE_LENGTH, SESSIONS, UPLOAD_BYTES
from cvdemo.ui import classify, dream, sample, style, upscale
from cvdemo.ui.detect import tab as detect
from cvdemo.ui.serving.address import address, ending_in_one_sentence
from cvdemo.ui.serving.blocks import Page
from cvdemo.ui.serving.gradio_parts import adapt_gradio
from cvdemo.ui.serving.middleware import error_handlers, middleware
from cvdemo.ui.serving.page_folder import PageFolder, open_folder
from cvdemo.ui.serving.waiting import telling_places
from cvdemo.ui.wiring.settings_link import updates
from cvdemo.ui.wiring.theme import CSS, HEAD, theme

TABS = (classify.TAB, detect.TAB, dream.TAB, style.TAB, sample.TAB, upscale.TAB)

HEADER = """# cvdemo
Six classics of deep learning for computer vision, live on your own picture."""


def build_page(run: Run = backends.run) -> Page:
    """The whole page as Gradio blocks; loads no model. `run` does the work of every demo."""
    run = telling_places(run)
    page = Page(title="cvdemo", analytics_enabled=False, delete_cache=(KEEP_FILES_S, KEEP_FILES_S))
    with page:
        gr.Markdown(HEADER, elem_id="header")
        settings: dict[str, dict[str, Component]] = {}
        with gr.Tabs(elem_id="tabs", overflow_behavior="wrap") as tabs:
            for tab in TABS:
                with gr.Tab(tab.title, id=tab.slug, elem_id=f"tab-{tab.slug}"):
                    settings[tab.slug] = tab.build(run)
        _restore_links(page, tabs, settings)
    page.queue(max_size=QUEUE_LENGTH, default_concurrency_limit=1, api_open=False)
    return page


def _restore_links(page: gr.Blocks, tabs: gr.Tabs, settings: dict[str, dict[str, Component]]) -> None:
    """On load, the query string selects the tab and sets its controls."""

    def restore(request: gr.Request) -> list[Any]:
        query = dict(request.query_params)
        changed = [update for tab in TABS for update in updates(query, tab.slug, settings[tab.slug], tab.follows)]
        selected = gr.Tabs(selected=query["tab"]) if query.get("tab") in settings else gr.skip()
        return [selected, *changed]

    components = [component for group in settings.values() for component in group.values()]
    page.load(restore, None, [tabs, *components], api_visibility="private", show_progress="hidden")


def launch_options(folder: PageFolder | None = None) -> dict[str, Any]:
    """What `launch` gets: a public page that shows no stack trace and asks no other host for anything.

    Args:
        folder: is swept while the page runs.

    Raises:
        InputError: HOST or PORT cannot be used, or is taken.
    """
    host, port = address()
    app: dict[str, Any] = {"docs_url": None, "redoc_url": None, "openapi_url": None}
    app |= {"middleware": middleware(), "exception_handlers": error_handlers()}
    if folder is not None:
        app["lifespan"] = folder.sweeping
    return {
        "server_name": host,
        "server_port": port,
        "theme": theme(),
        "css": CSS,
        "head": HEAD,
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
    torch.set_num_threads(1)  # for what computes outside the backend, whose workers have numbers of their own
    adapt_gradio()
    folder = open_folder()
    try:
        page = build_page()
        folder.keep_what_is_there()
        _serve(page, folder)
    finally:
        folder.close()
    sys.stdout.flush()
    os._exit(0)  # nothing is left to do, and the interpreter would wait for a job that is in the middle of a long step


def _serve(page: Page, folder: PageFolder) -> None:
    """Runs the page until a signal comes, then closes it."""
    signals: list[int] = []
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda received, _: signals.append(received))
    with ending_in_one_sentence():
        page.launch(prevent_thread_lock=True, **launch_options(folder))
    while not signals:
        time.sleep(0.1)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_DFL)
    page.stop_jobs()
    page.close(verbose=False)
