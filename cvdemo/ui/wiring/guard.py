"""The one place of the page where an error becomes a sentence for its visitor."""

import html
import inspect
from collections.abc import Callable, Iterator
from functools import wraps
from typing import Any

import gradio as gr

from cvdemo.errors import DemoError
from cvdemo.incidents import report_unexpected


def guarded(function: Callable[..., Any]) -> Callable[..., Any]:
    """The handler with every error turned into the visible `gr.Error`.

    A `DemoError` is shown as it is. What nobody foresaw is logged with its trace and told by a number.
    """
    if inspect.isgeneratorfunction(function):

        @wraps(function)
        def stream(*args: Any, **kwargs: Any) -> Iterator[Any]:
            try:
                yield from function(*args, **kwargs)
            except Exception as error:  # whatever it is, the visitor gets a sentence
                raise visible(error) from error

        return stream

    @wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        try:
            return function(*args, **kwargs)
        except Exception as error:  # whatever it is, the visitor gets a sentence
            raise visible(error) from error

    return call


def visible(error: Exception) -> gr.Error:
    """The error as the page shows it."""
    if isinstance(error, gr.Error):
        return error
    sentence = str(error) if isinstance(error, DemoError) else report_unexpected(error)
    return gr.Error(html.escape(sentence, quote=False), title="Sorry", print_exception=False)
