"""Time limits on connections, which uvicorn does not have: for the header, for the body, for reading the answer.

A connection that sends nothing would otherwise stay for ever, and a few hundred of them keep everyone out. What moves,
however slowly, lives: a phone that uploads, a stream of messages that is silent while a job waits.

Gradio starts uvicorn itself and takes no options for it. But uvicorn looks its protocol up by the name "auto" in a
table, and so `use_limited_connections` puts `LimitedProtocol` there.
"""

import asyncio
import contextlib
import sys
from typing import Any

import h11
from uvicorn import config as uvicorn_config
from uvicorn.protocols.http.h11_impl import H11Protocol

from cvdemo.limits import (
    BODY_BYTES_PER_S,
    BODY_GRACE_S,
    BODY_SILENCE_S,
    CONNECTIONS,
    CONNECTIONS_PER_ADDRESS,
    HEADER_S,
    SPARE_FILES,
    UNREAD_S,
)
from cvdemo.ui.serving.clients import PEER, behind_proxy, is_public
from cvdemo.ui.serving.headers import SECURITY_HEADERS

if sys.platform != "win32":
    import resource

CHECK_EVERY_S = 1.0


class LimitedProtocol(H11Protocol):
    """One connection, closed when what it owes has not come in time."""

    def __init__(self, config: Any, server_state: Any, app_state: dict[str, Any], _loop: Any = None) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self.limit_concurrency = connection_limit()
        for headers in (config.encoded_headers, server_state.default_headers):
            headers.extend(header for header in SECURITY_HEADERS if header not in headers)
        self._check: asyncio.TimerHandle | None = None
        self._owes: str | None = None
        self._since = self._moved_at = 0.0
        self._received = 0

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        address = self.client[0] if self.client else "unknown"
        self.app_state = {**self.app_state, PEER: address}
        if self._too_many(address):
            transport.abort()
            return
        self._owes, self._since = "header", self.loop.time()
        self._check = self.loop.call_later(CHECK_EVERY_S, self._look)

    def _too_many(self, address: str) -> bool:
        """Whether there is no room for this connection; those just above the limit are told so by uvicorn, with 503."""
        if len(self.connections) > connection_limit() + SPARE_FILES // 2:
            return True
        clients = [getattr(other, "client", None) for other in self.connections]
        same = sum(client is not None and client[0] == address for client in clients)
        return not behind_proxy() and is_public(address) and same > CONNECTIONS_PER_ADDRESS

    def connection_lost(self, exc: Exception | None) -> None:
        if self._check is not None:
            self._check.cancel()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        self._moved_at = self.loop.time()
        self._received += len(data)
        super().data_received(data)

    def _look(self) -> None:
        if self.transport.is_closing():
            return
        now, owes = self.loop.time(), self._what_it_owes()
        if owes != self._owes:
            self._owes, self._since, self._moved_at, self._received = owes, now, now, 0
        if self._late(now):
            self.transport.abort()
            return
        self._check = self.loop.call_later(CHECK_EVERY_S, self._look)

    def _what_it_owes(self) -> str | None:
        """What the client has to do next; None where it is the page's turn, or it rests between two requests."""
        if self.flow.write_paused:
            return "reading"
        if self.flow.read_paused:
            return None
        if self.conn.their_state is h11.IDLE and self.timeout_keep_alive_task is None:
            return "header"
        return "body" if self.conn.their_state is h11.SEND_BODY else None

    def _late(self, now: float) -> bool:
        spent = now - self._since
        if self._owes == "header":
            return spent > HEADER_S
        if self._owes == "reading":
            return spent > UNREAD_S
        if self._owes == "body":
            slow = spent > BODY_GRACE_S and self._received < BODY_BYTES_PER_S * spent
            return slow or now - self._moved_at > BODY_SILENCE_S
        return False


def connection_limit() -> int:
    """`CONNECTIONS`, or fewer where the process may open fewer files."""
    if sys.platform == "win32":  # sockets are no files there
        return CONNECTIONS
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return CONNECTIONS if soft == resource.RLIM_INFINITY else max(1, min(CONNECTIONS, soft - SPARE_FILES))


def use_limited_connections() -> None:
    """Makes every server that gradio starts from now on speak `LimitedProtocol`; raises the limit of open files."""
    if sys.platform != "win32":
        wanted = CONNECTIONS + SPARE_FILES
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        if soft != resource.RLIM_INFINITY and soft < wanted:
            allowed = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
            with contextlib.suppress(ValueError, OSError):  # the system's limit is lower: `connection_limit` heeds it
                resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, hard))
    uvicorn_config.HTTP_PROTOCOLS["auto"] = f"{__name__}:{LimitedProtocol.__name__}"
