"""The queue with few places for each client, so that one who asks for much, or leaves, stands in nobody's way.

Jobs wait in two lines, the quick and the slow ones, each of `QUEUE_LENGTH` places; see `cvdemo.ui.serving.lines`. In
each line a session has `PLACES_PER_CLIENT` of them, and so have all calls from one address that name no session. A
session's name is the client's own choice, so an address has `PLACES_PER_ADDRESS` in all, however many sessions it
names. Light handlers (a slider moved, a link restored) have places of their own and wait for neither line. A job whose
stream of messages nobody opens within `UNHEARD_S` is dropped, and a camera that sends no frame for `LIVE_SILENT_S`
gives its place to the next one.
"""

import asyncio
import secrets
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, cast

from fastapi import HTTPException
from gradio import queueing
from gradio.block_function import BlockFunction
from gradio.data_classes import PredictBodyInternal
from gradio.server_messages import EstimationMessage, EventMessage, ProcessGeneratingMessage, ProcessStartsMessage
from gradio.utils import run_coro_in_background

from cvdemo.backends import backend
from cvdemo.backends.local import finished_in_s
from cvdemo.demo import Lane
from cvdemo.limits import (
    LIGHT_PLACES_PER_ADDRESS,
    LIGHT_PLACES_PER_CLIENT,
    LIGHT_QUEUE_LENGTH,
    LISTENING_S,
    LIVE_SILENT_S,
    PLACES_PER_ADDRESS,
    PLACES_PER_CLIENT,
    SESSION_NAME_LENGTH,
    UNHEARD_S,
    UNREAD_KEPT_S,
)
from cvdemo.memory import give_back_memory_soon
from cvdemo.ui.serving.clients import address_of
from cvdemo.ui.serving.estimates import Estimates
from cvdemo.ui.serving.lines import lane_of_call
from cvdemo.ui.wiring.jobs import end_if_cancelled, told_to_stop

TOO_MANY = "You have {count} jobs waiting or running already, which is the most for one visitor. Please wait for one."
FULL = "The page is busy: {count} jobs are waiting or running. Please try again in a minute."
NO_SESSION = f"A session has a name of 1 to {SESSION_NAME_LENGTH} printable characters."
NO_FUNCTION = "There is no such function."


class HeardQueue(asyncio.Queue[Any]):
    """A session's messages, which knows whether anyone has listened since a moment."""

    def __init__(self) -> None:
        super().__init__()
        self._heard_at = float("-inf")
        self.listeners = 0

    async def get(self) -> Any:
        self.listeners += 1
        try:
            return await super().get()
        finally:
            self.listeners -= 1
            self._heard_at = time.monotonic()

    def heard_since(self, moment: float) -> bool:
        return self.listeners > 0 or self._heard_at >= moment


@dataclass
class Place:
    """What one job holds in the queue, from the moment it asks until its answer is read.

    Attributes:
        client: the session, or the address where the call names none.
        lane: whose line it waits in; None of a light handler.
        stop: set once nobody waits for the job any more; its `Deadline` then expires.
        own_session: the call named no session and was given one, whose state goes with the job.
        frame, silent_since: of a camera, the frame that was answered last, and when.
    """

    event: queueing.Event
    client: str
    address: str
    lane: Lane | None
    own_session: bool
    asked_at: float = field(default_factory=time.monotonic)
    ended_at: float | None = None
    frame: object = None
    silent_since: float | None = None
    stop: threading.Event = field(default_factory=threading.Event)


def _end_stream(event: queueing.Event) -> None:
    """Ends the wait for a camera's next frame, which gradio would go on with until its time limit."""
    if event.streaming:
        event.closed = True
        event.signal.set()


def _is_silent(place: Place, now: float) -> bool:
    """Whether a camera has sent no frame since its last answer, which is long ago; gradio waits for the next one."""
    waits = place.silent_since is not None and place.event.data is place.frame
    return waits and now - (place.silent_since or now) > LIVE_SILENT_S


class FairQueue(queueing.Queue):
    """Gradio's queue; `max_size` bounds the jobs of each lane."""

    def __init__(self, max_size: int | None, **options: Any) -> None:
        super().__init__(max_size=None, **options)
        self.line_length = max_size
        self.estimates = Estimates()
        self.places: dict[str, Place] = {}

    def start(self) -> None:
        super().start()  # type: ignore[no-untyped-call]  # gradio's methods have no annotations
        run_coro_in_background(self._keep_order)

    def send_message(self, event: queueing.Event, event_message: EventMessage) -> None:
        """Gradio's, but for what a job that was told to stop still had on its way: it is of another picture.

        The message of completion, which follows, holds the whole of the last output.
        """
        if isinstance(event_message, ProcessGeneratingMessage) and told_to_stop(event):
            return
        place = self.places.get(event._id)
        if event.streaming and place is not None and isinstance(event_message, ProcessGeneratingMessage):
            place.frame, place.silent_since = event.data, time.monotonic()
        if isinstance(event_message, ProcessStartsMessage):
            event_message.eta = self.estimates.left_s(event)
        super().send_message(event, event_message)

    def broadcast_estimations(self, concurrency_id: str, after: int | None = None) -> None:
        """Tells those who wait in a line where they stand, and the seconds until their results."""
        line = self.event_queue_per_concurrency_id[concurrency_id]
        running = [event for batch in list(self.active_jobs) for event in batch or ()]
        busy = [self.estimates.left_s(event) for event in running if event.concurrency_id == concurrency_id]
        durations = [self.estimates.expected_s(event) for event in line.queue]
        for rank, event in enumerate(list(line.queue)):
            if after is None or rank >= after:
                eta = finished_in_s(busy, durations[: rank + 1], max(line.concurrency_limit or 1, len(busy)))
                self.send_message(event, EstimationMessage(rank=rank, rank_eta=eta, queue_size=len(line.queue)))

    async def push(self, body: PredictBodyInternal, request: Any, username: str | None) -> Any:
        """Gives the job a place, or refuses with a sentence: 429 where the client has too many, 503 where all do."""
        function = self.blocks.fns.get(body.fn_index) if isinstance(body.fn_index, int) else None
        if function is None:
            raise HTTPException(404, NO_FUNCTION)
        address = address_of(request.scope)
        own_session = body.session_hash is None
        session = secrets.token_hex(16) if body.session_hash is None else body.session_hash
        if not 0 < len(session) <= SESSION_NAME_LENGTH or not session.isprintable():
            raise HTTPException(400, NO_SESSION)
        lane = await lane_of_call(function, body.data)
        client = address if own_session else session
        full = self._refusal(client, address, lane)
        if full is not None:
            return False, full, "queue_full"
        body.session_hash = session
        if not isinstance(self.pending_messages_per_session.get(session), HeardQueue):
            self.pending_messages_per_session[session] = HeardQueue()
        success, answer, state = await super().push(body, request, username)
        if success and isinstance(answer, str) and answer in self.event_ids_to_events:
            event = self.event_ids_to_events[answer]
            self.places[answer] = Place(event, client, address, lane, own_session)
            self._stand_in_line(event, lane)
            end_if_cancelled(self, event)
        return success, answer, state

    def _stand_in_line(self, event: queueing.Event, lane: Lane | None) -> None:
        """Moves a job that gradio has just put into its handler's line to that of its lane, where it is another.

        Nothing else runs on the loop between the two, so that the job cannot have begun.
        """
        if lane is None or event.concurrency_id == lane.value:
            return
        self.event_queue_per_concurrency_id[event.concurrency_id].queue.remove(event)
        limit = backend().at_once(lane)
        line = self.event_queue_per_concurrency_id.setdefault(lane.value, queueing.EventQueue(lane.value, limit))
        event.concurrency_id = lane.value
        line.queue.append(event)
        self.broadcast_estimations(lane.value, len(line.queue) - 1)

    def _refusal(self, client: str, address: str, lane: Lane | None) -> str | None:
        """Raises 429 where this client or address has its places; the sentence where the line is full."""
        held = [place for place in self.places.values() if place.lane is lane and place.ended_at is None]
        per_client = LIGHT_PLACES_PER_CLIENT if lane is None else PLACES_PER_CLIENT
        per_address = LIGHT_PLACES_PER_ADDRESS if lane is None else PLACES_PER_ADDRESS
        if sum(place.client == client for place in held) >= per_client:
            raise HTTPException(429, TOO_MANY.format(count=per_client))
        if sum(place.address == address for place in held) >= per_address:
            raise HTTPException(429, TOO_MANY.format(count=per_address))
        length = LIGHT_QUEUE_LENGTH if lane is None else self.line_length
        return FULL.format(count=length) if length is not None and len(held) >= length else None

    def stop_asked(self, event_id: str | None) -> Callable[[], bool]:
        """A function that says whether nobody waits for a job any more; see `cvdemo.runtime.stopping_when`."""
        place = self.places.get(event_id or "")
        return (lambda: False) if place is None else place.stop.is_set

    def stop_all(self) -> None:
        """Asks every job to end at its next step: the page is closing."""
        for place in list(self.places.values()):  # the main thread asks, while the loop's takes and frees places
            place.stop.set()

    def free(self, event: queueing.Event) -> None:
        """Gives a job's place to the next one at once, and asks what still runs of the job to end."""
        if (place := self.places.get(event._id)) is not None:
            place.stop.set()
            place.ended_at = time.monotonic()

    async def process_events(
        self, events: list[queueing.Event], batch: bool, begin_time: float, fn: BlockFunction
    ) -> None:
        """Gradio's, after which the job's thread is told to end where it was cancelled, and the place is free.

        The memory that a heavy job used goes back to the system.
        """
        began = time.monotonic()
        try:
            await super().process_events(events, batch, begin_time, fn)
        finally:
            for event in events:
                self.estimates.ended(event, time.monotonic() - began)
                self.free(event)
            if fn.concurrency_id in {lane.value for lane in Lane}:
                give_back_memory_soon()

    async def clean_events(self, *, session_hash: str | None = None, event_id: str | None = None) -> None:
        """Gradio's, which a client that leaves brings about; what runs for it ends at its next step."""
        for key, place in list(self.places.items()):
            if place.event.session_hash == session_hash or key == event_id:
                place.stop.set()
                _end_stream(place.event)
        await super().clean_events(session_hash=session_hash, event_id=event_id)

    async def _keep_order(self) -> None:
        while not self.stopped:
            await asyncio.sleep(0.5)
            for event_id, place in list(self.places.items()):
                await self._look_after(event_id, place)

    async def _look_after(self, event_id: str, place: Place) -> None:
        """Drops a job that nobody listens to, and forgets one whose answer was read or will never be."""
        session, now = place.event.session_hash, time.monotonic()
        if place.ended_at is None and event_id not in self.event_ids_to_events:  # cancelled while it waited
            place.ended_at = now
        if place.ended_at is None:
            if not self._heard(session, place.asked_at) and now - place.asked_at > UNHEARD_S:
                await self.clean_events(event_id=event_id)
                self._forget(event_id, place)
            elif _is_silent(place, now):
                _end_stream(place.event)
            return
        read = event_id not in self.pending_event_ids_session.get(session, ())
        if (read and not self._heard(session, now - LISTENING_S)) or now - place.ended_at > UNREAD_KEPT_S:
            self._forget(event_id, place)

    def _forget(self, event_id: str, place: Place) -> None:
        """Removes what gradio keeps of a job: its name among those to come, its session's messages and state."""
        session = place.event.session_hash
        if place.ended_at is not None or event_id not in self.event_ids_to_events:
            del self.places[event_id]
        waiting = self.pending_event_ids_session.get(session, set())
        waiting.discard(event_id)
        if not waiting and not self._heard(session, time.monotonic() - LISTENING_S):
            self.pending_event_ids_session.pop(session, None)
            self.pending_messages_per_session.pop(session, None)
        app = cast(Any, self.server_app)
        if app is not None:
            app.iterators_to_reset.discard(event_id)  # of who cancels, which gradio keeps where the job has ended
            if place.own_session:
                app.state_holder.session_data.pop(session, None)

    def _heard(self, session: str, moment: float) -> bool:
        messages = self.pending_messages_per_session.get(session)
        return isinstance(messages, HeardQueue) and messages.heard_since(moment)
