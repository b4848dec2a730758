"""Gradio's page with the project's rules on what goes in, who may wait, and what sessions keep.

Gradio calls the methods that are overridden here at every request, whichever route it came by. Their signatures are not
part of gradio's documented interface: `cvdemo.ui.serving.gradio_parts` checks them when the page starts.
"""

import logging
from collections.abc import Sequence
from typing import Any

import gradio as gr
import numpy as np
from gradio.block_function import BlockFunction
from gradio.blocks import Block
from gradio.state_holder import SessionState
from PIL import Image

from cvdemo.errors import brief
from cvdemo.runtime import stopping_when
from cvdemo.ui.serving.api_info import add_words
from cvdemo.ui.serving.call_values import complete
from cvdemo.ui.serving.fair_queue import FairQueue
from cvdemo.ui.serving.field_values import checked, wrong
from cvdemo.ui.serving.result_names import are_pictures, is_told_apart, name_results, names_for, start_output
from cvdemo.ui.serving.results import save_pil_to_cache
from cvdemo.ui.serving.session_state import StateBudget

IGNORES_VALUES = "ignores_values"  # set on a handler whose inputs are for the browser alone: none is read here

log = logging.getLogger(__name__)


class Page(gr.Blocks):
    """Blocks whose handlers are only ever given checked values, and whose queue has few places for each client."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self.state_budget = StateBudget()
        super().__init__(*args, **kwargs)

    def queue(self, *args: Any, **kwargs: Any) -> "Page":
        """As gradio's, with a `FairQueue`."""
        super().queue(*args, **kwargs)
        made = self._queue
        self._queue = FairQueue(
            live_updates=made.live_updates,
            concurrency_count=made.max_thread_count,
            update_intervals=made.update_intervals,
            max_size=made.max_size,
            blocks=self,
            default_concurrency_limit=made.default_concurrency_limit,
        )
        return self

    def get_api_info(self, all_endpoints: bool = False, page: str | None = None) -> Any:
        """Gradio's description of the API, with the page's words for parameters and results."""
        info: Any = super().get_api_info(all_endpoints, page)
        add_words(info, self.fns.values())
        return info

    def stop_jobs(self) -> None:
        """Asks every job that runs to end at its next step."""
        if isinstance(self._queue, FairQueue):
            self._queue.stop_all()

    async def preprocess_data(
        self, block_fn: BlockFunction, inputs: list[Any], state: SessionState | None, explicit_call: bool = False
    ) -> list[Any]:
        """Gradio's, after the page's own check of every value; whatever gradio then raises becomes one sentence.

        What a call leaves out at its end is filled in.
        """
        if getattr(block_fn.fn, IGNORES_VALUES, False):
            return [None] * len(block_fn.inputs)
        blocks = [state[block._id] if state and block._id in state and not block.stateful else block
                  for block in block_fn.inputs]  # fmt: skip
        _keep_own_preprocess(block_fn.inputs, blocks)
        values = checked(blocks, complete(block_fn, inputs))
        name_results(block_fn, values)
        try:
            prepared: list[Any] = await super().preprocess_data(block_fn, values, state, explicit_call)
        except gr.Error:
            raise
        except Exception as error:  # a field that fails on a value that passed the check: never a bare "Error"
            log.warning("%s refused %s: %s", block_fn.name, brief(values), type(error).__name__)
            raise wrong("The values cannot be used; please reload the page and try again.") from None
        return prepared

    async def call_function(
        self, block_fn: BlockFunction | int, processed_input: list[Any], *args: Any, **kwargs: Any
    ) -> Any:
        """Gradio's, in a context in which deadlines know whether the visitor still waits."""
        event_id = kwargs.get("event_id", args[2] if len(args) > 2 else None)
        asked = self._queue.stop_asked(event_id) if isinstance(self._queue, FairQueue) else lambda: False
        with stopping_when(asked):
            return await super().call_function(block_fn, processed_input, *args, **kwargs)

    async def postprocess_data(
        self, block_fn: BlockFunction, predictions: list[Any] | dict[Any, Any], state: SessionState | None
    ) -> list[Any]:
        """Gradio's; then the states of all sessions together are brought within their limit."""
        outputs: Sequence[Any] = block_fn.outputs
        start_output()
        if len(outputs) == 1:
            predictions = _named(outputs[0], predictions)
        elif isinstance(predictions, list | tuple) and len(predictions) == len(outputs):
            predictions = [_named(block, value) for block, value in zip(outputs, predictions, strict=True)]
        result = await super().postprocess_data(block_fn, predictions, state)
        if state is not None and any(block.stateful for block in outputs):
            self.state_budget.note(state)
        return result


def _keep_own_preprocess(fields: Sequence[Any], of_session: Sequence[Any]) -> None:
    """A session's copy of a field reads values in the page's own way too: gradio makes the copy without it."""
    for field, copy in zip(fields, of_session, strict=True):
        own = vars(field).get("preprocess")
        if own is not None and copy is not field:
            copy.preprocess = own


def _named(block: Any, value: Any) -> Any:
    """The value of an output, or of an update of it; pictures that gradio would not name as files that are named."""
    if isinstance(value, Block):  # as gradio takes it
        value = {**value.constructor_args, "__type__": "update"}
    if isinstance(value, dict) and value.get("__type__") == "update":
        return value | {"value": _named(block, value["value"])} if "value" in value else value
    if isinstance(block, gr.Gallery) and are_pictures(value):
        return _files(block, value)
    if isinstance(block, gr.Image) and is_told_apart(block) and isinstance(value, np.ndarray):
        return _files(block, [value])[0]
    return value


def _files(block: Any, pictures: Sequence[Any]) -> list[str]:
    """The paths of the pictures as files of this field."""
    named = zip(names_for(block, len(pictures)), pictures, strict=True)
    return [save_pil_to_cache(Image.fromarray(each), block.GRADIO_CACHE, name, block.format) for name, each in named]
