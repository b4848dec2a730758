"""The page: header, the tuple of tabs, what a shared link restores, and how it is launched."""

from typing import Any

import gradio as gr
from gradio.components import Component

from cvdemo.ui import classify, detect, dream, sample, style, upscale
from cvdemo.ui.address import address, ending_in_one_sentence
from cvdemo.ui.server import MAX_UPLOAD, middleware, refuse_urls_as_files
from cvdemo.ui.share import updates
from cvdemo.ui.theme import CSS, HEAD, theme

TABS = (classify.TAB, detect.TAB, dream.TAB, style.TAB, sample.TAB, upscale.TAB)

HEADER = """# cvdemo
Six classics of deep learning for computer vision, live on your own picture."""

KEEP_FILES_S = 3600
QUEUE_LENGTH = 30


def build_page() -> gr.Blocks:
    """The whole page as Gradio blocks; loads no model."""
    page = gr.Blocks(title="cvdemo", analytics_enabled=False, delete_cache=(KEEP_FILES_S, KEEP_FILES_S))
    with page:
        gr.Markdown(HEADER, elem_id="header")
        settings: dict[str, dict[str, Component]] = {}
        with gr.Tabs(elem_id="tabs", overflow_behavior="wrap") as tabs:
            for tab in TABS:
                with gr.Tab(tab.title, id=tab.slug, elem_id=f"tab-{tab.slug}"):
                    settings[tab.slug] = tab.build()
        _restore_links(page, tabs, settings)
    page.queue(max_size=QUEUE_LENGTH, default_concurrency_limit=1, api_open=False)
    return page


def _restore_links(page: gr.Blocks, tabs: gr.Tabs, settings: dict[str, dict[str, Component]]) -> None:
    """On load, the query string selects the tab and sets its controls."""

    def restore(request: gr.Request) -> list[Any]:
        query = dict(request.query_params)
        changed = [update for slug, components in settings.items() for update in updates(query, slug, components)]
        selected = gr.Tabs(selected=query["tab"]) if query.get("tab") in settings else gr.skip()
        return [selected, *changed]

    components = [component for group in settings.values() for component in group.values()]
    page.load(restore, None, [tabs, *components], api_visibility="private", show_progress="hidden")


def launch_options() -> dict[str, Any]:
    """What `launch` gets: a public page that shows no stack trace and asks no other host for anything.

    Raises:
        InputError: HOST or PORT cannot be used, or is taken.
    """
    host, port = address()
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
        "max_file_size": MAX_UPLOAD,
        "footer_links": ["api", "settings"],
        "app_kwargs": {"docs_url": None, "redoc_url": None, "openapi_url": None, "middleware": middleware()},
    }


def main() -> None:
    """Serves the page; HOST and PORT in the environment say where (127.0.0.1:7860)."""
    refuse_urls_as_files()
    with ending_in_one_sentence():
        options = launch_options()  # before the page is built: what is wrong is said at once
        build_page().launch(**options)
