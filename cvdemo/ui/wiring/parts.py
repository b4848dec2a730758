"""Parts of a tab: what each takes, shows and does, so that a result never stands beside a picture it is not of.

A part is started by its button, and again by itself when a picture or setting that it depends on changes. Starting it
ends its former run, empties its results, and then queues the new one; a picture that is taken away empties them too.
What has changed is told in the browser, by `static/parts.js`, which compares the inputs with those of the last run.
`static/going.js` is told when runs begin and end: the page does not jump meanwhile, and "Cancel" can be pressed then.
"""

import inspect
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import wraps
from typing import Any

import gradio as gr
from gradio.components import Component
from gradio.events import Dependency
from gradio.queueing import Event

from cvdemo.demo import Lane
from cvdemo.errors import DemoError
from cvdemo.runtime import stopping_when
from cvdemo.ui.serving.blocks import IGNORES_VALUES
from cvdemo.ui.serving.estimates import in_words, of_page
from cvdemo.ui.serving.lines import LaneOf, line_options
from cvdemo.ui.wiring.guard import guarded
from cvdemo.ui.wiring.jobs import (
    CANCELLED,
    REPLACED,
    UNCHANGED,
    WHEN_CANCELLED,
    begin,
    cancel_begun,
    cancelled_before_start,
    forget,
    running_event,
    session_of_caller,
    stop,
    why_stopped,
)

CANCELLED_TEXT = "Cancelled."
PREVIEW_STAYS = "Cancelled; the last preview stays."
WILL_TAKE = "It takes about {}."
STILL_TAKES = "About {} left."
SETTLED_MS = 400  # after the last move of a slider or key in a number field
_DONE = object()


@dataclass(frozen=True, kw_only=True)
class Part:
    """One thing that a tab does.

    Attributes:
        name: unique on the page; its hidden buttons are `<name>-restart` and `<name>-empty`.
        inputs: of its handler, in order. needs: those of them without which, or empty, there is nothing to do.
        outputs: of its handler, in order; the first of them is the result that a phone offers to scroll to.
        empty: what outputs show while there is no result, where that is not the usual; see `empty_value`.
        status: the output that says how far a run is, and that it was cancelled.
        children: parts that work on what this one shows; they end with it.
        cancelled_text: what the status says after "Cancel" once something was shown.
        lane: of what its handler asks for, or a function of the inputs, as the browser sends them, that says so.
        expects: seconds that a run takes, of its inputs where they say so themselves.
        several: whether its work is several requests, of whose whole time its handler tells; see `cvdemo.ui.several`.
        functions: ids of its handlers, filled in by `wire`.
    """

    name: str
    inputs: Sequence[Component]
    outputs: Sequence[Component]
    needs: Sequence[Component] = ()
    empty: Mapping[Component, Any] = field(default_factory=dict)
    status: Component | None = None
    children: Sequence["Part"] = ()
    cancelled_text: str = CANCELLED_TEXT
    lane: LaneOf = Lane.QUICK
    expects: Callable[..., float | None] | None = None
    several: bool = False
    functions: set[int] = field(default_factory=set)

    def emptied(self) -> Any:
        """A value for each output: nothing to show."""
        return _for_outputs(
            [self.empty[output] if output in self.empty else empty_value(output) for output in self.outputs]
        )

    def cancelled(self, shown: bool) -> Any:
        """A value for each output after "Cancel": only the status changes."""
        return self.saying(self.cancelled_text if shown else CANCELLED_TEXT)

    def saying(self, text: str) -> Any:
        """A value for each output: only the status changes."""
        return _for_outputs([text if output is self.status else gr.skip() for output in self.outputs])

    def with_time_left(self, values: Any, sentence: str) -> Any:
        """The values, with the sentence behind what the status says, if it says something."""
        if not sentence or self.status is None:
            return values
        listed = [values] if len(self.outputs) == 1 else list(values)
        place = list(self.outputs).index(self.status)
        if isinstance(listed[place], str) and listed[place]:
            listed[place] = f"{listed[place].rstrip('.')}. {sentence}"
        return _for_outputs(listed)

    def all_functions(self) -> set[int]:
        """Ids of its own handlers and of its children's."""
        return self.functions.union(*(child.all_functions() for child in self.children))


@dataclass(frozen=True)
class Cleared:
    """What a part shows once a change has taken its results away.

    Attributes:
        inputs: of the function, in order. values: it gives a value for each output.
    """

    inputs: Sequence[Component]
    values: Callable[..., Any]


def _for_outputs(values: list[Any]) -> Any:
    """The values as gradio takes them: a single one without its list."""
    return values if len(values) > 1 else values[0]


def is_missing(value: Any) -> bool:
    """Whether an input holds nothing to work on: no picture, no text, no file; as `isMissing` in `static/parts.js`."""
    return value is None or (isinstance(value, str | list | tuple) and not value)


def empty_value(component: Component) -> Any:
    """What an output shows while there is no result."""
    if isinstance(component, gr.Markdown | gr.HTML):
        return ""
    if isinstance(component, gr.DownloadButton):
        return gr.DownloadButton(value=None, visible=False)
    if isinstance(component, gr.Dataframe):
        return []
    return None


def wire(
    part: Part,
    function: Callable[..., Any],
    *,
    run: Sequence[Any] = (),
    restarts: Sequence[Any] = (),
    watch: Mapping[Any, int] | None = None,
    watch_after: Sequence[Dependency] = (),
    clears: Sequence[Any] = (),
    cleared: Cleared | None = None,
    cancel: gr.Button | None = None,
    automatic: bool = True,
    **options: Any,
) -> list[Dependency]:
    """The events of a handler of the page: private, in the line of its lane, started anew by what it depends on.

    Args:
        function: takes the part's inputs; returns its outputs, or yields them.
        run: events by which the visitor asks for it; a missing picture is then told.
        restarts: events after which it starts over if there is something to work on.
        watch: inputs after whose change it starts over, with the time to wait for the next change, in ms.
        watch_after: events that change inputs too.
        clears: events that do not start it, after which its results are of something else. cleared: is shown then.
        cancel: a button that ends it, `<name>-cancel`; it can be pressed while there is something to end.
        automatic: whether a change may start it for the first time.
        options: of the event, such as `show_progress_on`.

    Raises:
        ValueError: the button to cancel has another name.
    """
    _mark_results(part)
    restart, empty = (gr.Button(visible="hidden", elem_id=f"{part.name}-{name}") for name in ("restart", "empty"))
    renewed = _begin(part, [restart.click, *restarts], cancel)
    jobs = [_job(renewed, part, _if_there_is_something(part, function), options)]
    jobs += [_job(_begin(part, run, cancel), part, function, options)] if run else []
    _watch(part, watch or {}, watch_after, automatic)
    _forget(part, empty.click, clears, cleared, cancel)
    if cancel is not None:
        _wire_cancel(part, cancel, jobs)
    return jobs


def _forget(part: Part, emptied: Any, clears: Sequence[Any], cleared: Cleared | None, cancel: gr.Button | None) -> None:
    """Takes the results away after each of these events."""
    _begin(part, [emptied, *([] if cleared else clears)], cancel, forgets=True)
    if cleared:
        _begin(part, clears, cancel, forgets=True, then=cleared)


def _mark_results(part: Part) -> None:
    """The fields of results are out of sight while they are empty: see `cvdemo.ui.wiring.first_look`."""
    for output in part.outputs:
        if not isinstance(output, gr.Markdown):
            output.elem_classes = [*output.elem_classes, "of-result"]


def _job(begun: Dependency, part: Part, function: Callable[..., Any], options: dict[str, Any]) -> Dependency:
    """The run itself, queued once its beginning is done."""
    handler = guarded(interruptible(function, part))
    told = [CANCELLED_TEXT if output is part.status else UNCHANGED for output in part.outputs]
    setattr(handler, WHEN_CANCELLED, (part.name, told))  # mypy knows no attributes of functions
    wiring: dict[str, Any] = {
        "fn": handler,
        "inputs": list(part.inputs),
        "outputs": list(part.outputs),
        "api_visibility": "private",
        **line_options(part.lane, handler),
        "trigger_mode": "multiple",
        **options,
    }
    event: Dependency = begun.then(**wiring)
    part.functions.add(event["id"])
    return event


def _begin(
    part: Part,
    triggers: Sequence[Any],
    cancel: gr.Button | None,
    *,
    forgets: bool = False,
    then: Cleared | None = None,
) -> Dependency:
    """The event before a run: ends the former one and empties the results, without a place in the queue."""

    async def end_and_empty(*payloads: Any) -> Any:
        session = session_of_caller()
        begin(session, part.name)
        await stop(session, part.all_functions(), REPLACED)
        return then.values(*payloads) if then else part.emptied()

    setattr(end_and_empty, IGNORES_VALUES, then is None)  # mypy knows no attributes of functions
    children = [child.name for child in part.children]
    target = part.outputs[0].elem_id if cancel else None  # of a part that takes a while, and is watched
    call = f"emptied({json.dumps([part.name, target])})"
    if not forgets:
        status = part.status.elem_id if part.status else None
        call = f"started({json.dumps([part.name, children, target, status])}, inputs)"
    event: Dependency = gr.on(
        list(triggers),
        end_and_empty,
        list(then.inputs if then else part.inputs),  # the latter for the bookkeeping in the browser alone
        list(part.outputs),
        preprocess=then is not None,
        js=f"(...inputs) => {{ window.cvdemo.{call}; return inputs; }}",
        **_LIGHT,
    )
    return event


_LIGHT: dict[str, Any] = {
    "queue": False,
    "api_visibility": "private",
    "show_progress": "hidden",
    "trigger_mode": "multiple",
}


def _watch(part: Part, watch: Mapping[Any, int], after: Sequence[Dependency], automatic: bool) -> None:
    """Tells the browser's bookkeeping of every change of an input."""
    inputs = list(part.inputs)
    needs = [inputs.index(component) for component in part.needs]
    numbers = [i for i, component in enumerate(inputs) if isinstance(component, gr.Number | gr.Slider)]
    for wait_ms in sorted(set(watch.values())):
        changed = [component.change for component, wait in watch.items() if wait == wait_ms]
        gr.on(changed, None, inputs, None, js=_changed(part, wait_ms, needs, numbers, automatic), **_JS_ONLY)
    for event in after:
        event.then(None, inputs, None, js=_changed(part, 0, needs, numbers, automatic), **_JS_ONLY)


_JS_ONLY: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden", "trigger_mode": "multiple"}


def _changed(part: Part, wait_ms: int, needs: list[int], numbers: list[int], automatic: bool) -> str:
    known = json.dumps([part.name, wait_ms, needs, numbers, automatic])
    return f"(...inputs) => {{ window.cvdemo.changed({known}, inputs); }}"


def _tell_ends(part: Part, jobs: Sequence[Dependency]) -> None:
    """Tells the browser that a run has ended; in gradio 6.31 `then` does not follow a failure, whatever it says."""
    told = f"() => window.cvdemo.ended({json.dumps(part.name)})"
    for job in jobs:
        job.then(None, js=told, **_JS_ONLY)
        job.failure(None, js=told, **_JS_ONLY)


def _wire_cancel(part: Part, cancel: gr.Button, jobs: Sequence[Dependency]) -> None:
    """The button ends what runs or waits; the status says so. What runs says it by its last output."""
    if cancel.elem_id != f"{part.name}-cancel":
        raise ValueError(f"need a button named {part.name}-cancel, got {cancel.elem_id!r}")
    cancel.interactive = False  # until `static/going.js` knows of something to cancel

    async def end() -> Any:
        session = session_of_caller()
        cancel_begun(session, part.name)
        waited = await stop(session, part.all_functions(), CANCELLED)
        return CANCELLED_TEXT if waited else gr.skip()

    script = f"() => window.cvdemo.cancelled({json.dumps(part.name)})"
    cancel.click(end, None, None if part.status is None else [part.status], js=script, **_LIGHT)
    _tell_ends(part, jobs)


def interruptible(function: Callable[..., Any], part: Part) -> Callable[..., Any]:
    """The handler as a generator that ends, within a step, once nobody waits for it.

    What it showed last is put right by its last output: emptied where a newer run follows, told where it was cancelled.
    """

    has_steps = inspect.isgeneratorfunction(inspect.unwrap(function))

    @wraps(function)
    def stream(*args: Any, **kwargs: Any) -> Iterator[Any]:
        event = running_event()
        try:
            if has_steps and not part.several:
                expected = in_words(_seconds_in_all(part, event, args), WILL_TAKE)
                if expected:
                    yield part.saying(expected)  # else gradio shows seconds until the result
            yield from _until_stopped(part, event, _steps(function, *args, **kwargs))
        finally:  # not before the last output: until then nothing else of the job is sent
            forget(event)

    return stream


def _until_stopped(part: Part, event: Event | None, work: Any) -> Iterator[Any]:
    """What the work yields, as long as somebody waits; then the output that puts right what was shown."""
    shown, reason = False, None
    if cancelled_before_start(event, part.name):
        yield part.cancelled(shown)
        return
    try:
        while (values := _next(work, lambda: why_stopped(event, part.functions) is not None)) is not _DONE:
            if reason := why_stopped(event, part.functions):
                break
            yield part.with_time_left(values, in_words(_seconds_left(event), STILL_TAKES))
            shown = True
    except DemoError:
        reason = why_stopped(event, part.functions)
        if not reason:  # else it failed for being stopped
            raise
    finally:
        work.close()
    reason = reason or why_stopped(event, part.functions)
    if reason in (CANCELLED, REPLACED):
        yield part.cancelled(shown) if reason == CANCELLED else part.emptied()


def _seconds_in_all(part: Part, event: Event | None, inputs: tuple[Any, ...]) -> float | None:
    """Of a run that begins: as its inputs say, else as such runs took."""
    said = part.expects(*inputs) if part.expects is not None else None
    return _seconds_left(event) if said is None else said


def _seconds_left(event: Event | None) -> float | None:
    """Until the result of the running job; None where nobody knows."""
    estimates = of_page()
    return None if event is None or estimates is None else estimates.left_s(event)


def _next(work: Iterator[Any], stop_asked: Callable[[], bool]) -> Any:
    with stopping_when(stop_asked):
        return next(work, _DONE)


def _steps(function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """What the handler yields, or the one thing that it returns, as a generator."""
    if inspect.isgeneratorfunction(function):
        yield from function(*args, **kwargs)
    else:
        yield function(*args, **kwargs)


def _if_there_is_something(part: Part, function: Callable[..., Any]) -> Callable[..., Any]:
    """The handler for runs that start by themselves: without a picture it empties the results and says nothing."""
    needs = [list(part.inputs).index(component) for component in part.needs]

    @wraps(function)
    def stream(*args: Any) -> Iterator[Any]:
        if any(is_missing(args[index]) for index in needs):
            yield part.emptied()
        else:
            yield from _steps(function, *args)

    return stream
