"""Jobs that end when nobody waits for them: the visitor has left, has cancelled, or has asked for something newer.

Gradio stops a generator whose visitor has left, but not a plain function, and a cancelled job that still waits ends in
an error on the page. So every job asks `why_stopped` at each of its steps, through the `Deadline` that it works with,
and `stop` ends the jobs of a visitor by hand: those that wait are taken out of the queue and completed without a
result, those that run end at their next step.
"""

from collections import OrderedDict
from collections.abc import Iterator, Set
from typing import TYPE_CHECKING, Any, cast

from gradio.context import LocalContext
from gradio.queueing import Event, Queue
from gradio.server_messages import ProcessCompletedMessage

from cvdemo.limits import CANCELLED_RUNS

if TYPE_CHECKING:
    from cvdemo.ui.serving.fair_queue import FairQueue  # which imports this module

LEFT = "left"  # the visitor's stream is closed
CANCELLED = "cancelled"
REPLACED = "replaced"  # by a newer run, for another picture or setting
UNCHANGED = {"__type__": "update"}  # an output that stays as it is, as gradio sends it
WHEN_CANCELLED = "when_cancelled"  # set on the handler of a run: its part's name, and its outputs after "Cancel"


_reasons: OrderedDict[str, str] = OrderedDict()  # of running jobs that were told to stop, by the id of their event
_cancelled: OrderedDict[tuple[str, str], None] = OrderedDict()  # session and part of "Cancel" after the last beginning


def running_event() -> Event | None:
    """The event that the calling handler works for; None outside gradio's queue, as in tests of handlers."""
    page, event_id = LocalContext.blocks.get(None), LocalContext.event_id.get(None)
    if page is None or event_id is None:
        return None
    return next((event for event in _running(page._queue) if event._id == event_id), None)


def session_of_caller() -> str | None:
    """The session of the visitor whose request the calling handler answers."""
    request = LocalContext.request.get(None)
    return None if request is None else request.session_hash


def why_stopped(event: Event | None, functions: Set[int] = frozenset()) -> str | None:
    """Why a running job should end, or None.

    Args:
        event: see `running_event`.
        functions: ids of the handlers of which a newer event replaces this one.
    """
    if event is None:
        return None
    if not event.alive:
        return LEFT
    page = LocalContext.blocks.get(None)
    newer = page is not None and any(
        _matches(waiting, event.session_hash, functions) for waiting in _waiting(page._queue)
    )
    return _reasons.get(event._id) or (REPLACED if newer else None)


def begin(session_hash: str | None, part: str) -> None:
    """A new run of a part is about to be queued: what was cancelled before does not concern it."""
    _cancelled.pop((session_hash or "", part), None)


def cancel_begun(session_hash: str | None, part: str) -> None:
    """Cancels the run of a part that has begun but is not in the queue yet.

    The browser asks for the beginning and for the run one after the other, and "Cancel" may come between the two.
    """
    if session_hash is not None:
        _cancelled[session_hash, part] = None
        while len(_cancelled) > CANCELLED_RUNS:
            _cancelled.popitem(last=False)


def cancelled_before_start(event: Event | None, part: str) -> bool:
    """Whether "Cancel" came after the beginning of this job's run."""
    return event is not None and (event.session_hash, part) in _cancelled


def end_if_cancelled(queue: "FairQueue", event: Event) -> None:
    """Takes out of the line what has just come into it if "Cancel" came before: it would wait to say so.

    To be called on the page's event loop.
    """
    part, outputs = getattr(event.fn.fn, WHEN_CANCELLED, (None, []))
    if part is not None and cancelled_before_start(event, part):
        queue.event_queue_per_concurrency_id[event.concurrency_id].queue.remove(event)
        _complete(queue, event, outputs)


def told_to_stop(event: Event) -> bool:
    """Whether `stop` has ended a job, so that nothing but its last output is of interest any more."""
    return event._id in _reasons


def forget(event: Event | None) -> None:
    """Drops what is kept of a job that has ended."""
    if event is not None:
        _reasons.pop(event._id, None)


async def stop(session_hash: str | None, functions: Set[int], reason: str) -> int:
    """Ends the jobs of a visitor that these handlers do.

    To be called in a handler of the page, on its event loop.

    Returns:
        How many were waiting; those that run say themselves, by their last output, why they ended.
    """
    page = LocalContext.blocks.get(None)
    if page is None or session_hash is None:
        return 0
    queue = cast("FairQueue", page._queue)
    running = [event for event in _running(queue) if _matches(event, session_hash, functions)]
    for event in running:
        _reasons.setdefault(event._id, reason)
    while len(_reasons) > CANCELLED_RUNS:  # a job that has just ended, or never began, does not `forget` its own
        _reasons.popitem(last=False)
    async with queue.delete_lock:
        waiting = [event for event in _waiting(queue) if _matches(event, session_hash, functions)]
        for event in waiting:
            queue.event_queue_per_concurrency_id[event.concurrency_id].queue.remove(event)
            _complete(queue, event, [UNCHANGED] * len(event.fn.outputs))
    return len(waiting)


def _complete(queue: "FairQueue", event: Event, outputs: list[Any]) -> None:
    """Tells the page that a job which never began is done, and what its outputs are; its place is free."""
    output = {"data": outputs, "is_generating": False, "duration": 0.0}
    queue.send_message(event, ProcessCompletedMessage(output=output, success=True))
    queue.event_ids_to_events.pop(event._id, None)
    queue.free(event)


def _running(queue: Queue) -> Iterator[Event]:
    for batch in list(queue.active_jobs):
        yield from batch or ()


def _waiting(queue: Queue) -> Iterator[Event]:
    for waiting in list(queue.event_queue_per_concurrency_id.values()):
        yield from list(waiting.queue)


def _matches(event: Event, session_hash: str, functions: Set[int]) -> bool:
    return event.session_hash == session_hash and event.fn._id in functions
