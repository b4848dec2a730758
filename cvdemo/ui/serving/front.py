"""The HTML that the server sends: gradio's, with a title, description, icon and preview card of the page's own.

It begins with the header and with six finished results that lead to the tabs, which a browser shows before it has
loaded anything else. Gradio writes its own name into the preview of links and has no place to change that.
"""

import html
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import jinja2
from starlette.responses import Response
from starlette.routing import Mount
from starlette.staticfiles import StaticFiles

from cvdemo.data_folders import data_folder
from cvdemo.dream.presets import THUMBNAILS
from cvdemo.finished import CARD, CARD_WH, FOLDER, ICON, small
from cvdemo.ui.serving.assets import Assets

STYLE = Path(__file__).parent / "static" / "welcome.css"
TEMPLATE = "frontend/index.html"
PLACE = "finished"  # of the finished results, in addresses
PRESET_PLACE = "presets"  # of the pictures of the Dream tab's presets
KEPT_S = 3600  # by browsers
NAME = "cvdemo"
TITLE = "cvdemo: six classics of computer vision, live"
DESCRIPTION = (
    "Name a picture, find things in it, dream and paint with it, draw faces that nobody has, enlarge it: six classics "
    "of deep learning, live on your own picture."
)
WELCOME = {  # the names of the tabs, and what each does in two words or three
    "classify": ("Classify", "What is it?"),
    "detect": ("Detect", "Find things"),
    "dream": ("Dream", "Let it dream"),
    "style": ("Style", "Paint it"),
    "sample": ("Sample", "Draw faces"),
    "upscale": ("Upscale", "Enlarge it"),
}
_META = re.compile(r'[ \t]*<meta\s+(?:property="og:|name="twitter:)[^>]*?/>\n?')
_CHARSET = '<meta charset="utf-8" />'
_APP = "<gradio-app"
_CONFIG = "{{ config | toorjson }}"
UNREAD = ("api_info", "api_info_as_input", "api_info_as_output", "example_inputs")  # of components, in the browser
_RESIZER = "document.head.appendChild(script);"  # of a script that a page in a frame needs, and no other


def own_template(source: str) -> str:
    """Gradio's template with what is this page's own.

    Raises:
        RuntimeError: it lacks a place where that goes.
    """
    source, count = _META.subn("", source)
    for mark in (_CHARSET, _CONFIG, _APP, _RESIZER):
        if source.count(mark) != 1 or not count:
            raise RuntimeError(f"The page is made for gradio 6.31; its template has no one place {mark!r} in this one.")
    source = source.replace(_CONFIG, "{{ config | lean | toorjson }}")
    source = source.replace(_CHARSET, f"{_CHARSET}\n{_head()}")
    source = source.replace(_RESIZER, f"if (window.parent !== window) {_RESIZER}")
    return source.replace(_APP, f"{_welcome()}\n{_APP}")


def lean(config: Mapping[str, Any]) -> dict[str, Any]:
    """The configuration without what describes components to programs: those ask for it elsewhere."""
    components = [{key: value for key, value in one.items() if key not in UNREAD} for one in config["components"]]
    return {**config, "components": components}


def _head() -> str:
    """Title, icon, description, preview card and the header's style; addresses in a card have to be whole ones."""
    card = f"{{{{ config['root'] }}}}/{PLACE}/{CARD}"
    width, height = CARD_WH
    properties = {"type": "website", "site_name": NAME, "title": TITLE, "description": DESCRIPTION, "image": card}
    properties |= {"url": "{{ config['root'] }}/", "image:width": str(width), "image:height": str(height)}
    properties["image:alt"] = "Six finished results of the page"
    names = {"description": DESCRIPTION, "twitter:card": "summary_large_image"}
    lines = [f"<title>{html.escape(TITLE)}</title>", f'<link rel="icon" type="image/png" href="./{PLACE}/{ICON}" />']
    lines += [f'<meta name="{name}" content="{_escaped(text)}" />' for name, text in names.items()]
    lines += [f'<meta property="og:{name}" content="{_escaped(text)}" />' for name, text in properties.items()]
    return "\n".join([*lines, f"<style>{STYLE.read_text(encoding='utf-8')}</style>"])


def _escaped(text: str) -> str:
    """For an attribute; what Jinja fills in stays as it is, and is escaped by Jinja."""
    return text if text.startswith("{{") else html.escape(text)


def _welcome() -> str:
    """The header, and the way to each tab with one of its results."""
    links = "\n".join(
        f'<a href="?tab={slug}" data-tab="{slug}"><img src="./{PLACE}/{small(slug)}" width="108" height="72" alt="" />'
        f"<strong>{html.escape(name)}</strong><span>{html.escape(words)}</span></a>"
        for slug, (name, words) in WELCOME.items()
    )
    return (
        f'<header id="welcome"><h1>{NAME}</h1>'
        "<p>Six classics of deep learning for computer vision, live on your own picture.</p>"
        f'<nav aria-label="What you can do here">{links}</nav></header>'
    )


class OwnLoader(jinja2.BaseLoader):
    """Gradio's loader of templates, of which the page's is changed by `own_template`."""

    def __init__(self, loader: jinja2.BaseLoader) -> None:
        self.loader = loader

    def get_source(
        self, environment: jinja2.Environment, template: str
    ) -> tuple[str, str | None, Callable[[], bool] | None]:
        """The text of a template, its file, and whether that is still the same."""
        source, path, is_current = self.loader.get_source(environment, template)
        return (own_template(source) if template == TEMPLATE else source), path, is_current


class _Pictures(StaticFiles):
    """Files that browsers may keep for a while."""

    def file_response(self, *args: object, **kwargs: object) -> Response:
        response = super().file_response(*args, **kwargs)  # type: ignore[arg-type]  # passed on as they are
        response.headers["cache-control"] = f"public, max-age={KEPT_S}"
        return response


def routes() -> list[Mount]:
    """What the page serves of its own, for `launch(app_kwargs=...)`: pictures, and gradio's scripts in its own way."""
    pictures = {PLACE: FOLDER, PRESET_PLACE: data_folder("examples") / THUMBNAILS}
    mounts = [Mount(f"/{place}", app=_Pictures(directory=folder)) for place, folder in pictures.items()]
    return [*mounts, Mount("/assets", app=Assets())]
