"""HTTP/1.1 as uvicorn speaks it with h11, with bounds on what a connection may hold, and for how long.

``meshseek serve`` uses it. uvicorn's own command takes it as ``--http``, by the name
``meshseek.interfaces.http.protocol:BoundedProtocol``.
"""

from __future__ import annotations

import asyncio
import json
from http import HTTPStatus
from typing import Any, ClassVar, Final

import h11
from uvicorn.config import Config
from uvicorn.protocols.http.h11_impl import H11Protocol, RequestResponseCycle
from uvicorn.server import ServerState

from meshseek.interfaces.http.addresses import is_loopback
from meshseek.interfaces.http.joined_writes import JoinedWrites

HEAD_SECONDS: Final = 10.0
"""For the request line and all headers, from the connection or their first byte."""
BODY_SECONDS: Final = 60.0
"""For the body, from the last header."""
STALL_SECONDS: Final = 30.0
"""For a client to take the next part of an answer, some 64 kB."""
MOST_HEAD_BYTES: Final = 16 * 1024
MOST_HEADERS: Final = 64
SHARE: Final = 4
"""A machine may have one in so many of the connections that there may be."""


class _BoundedConnection(h11.Connection):
    """Refuses a head that is too large, and remembers why it refused.

    Args:
        most: Bytes of a head; h11 itself looks only at what is not yet complete, and much may come at once.
    """

    hint = HTTPStatus.BAD_REQUEST

    def __init__(self, most: int) -> None:
        super().__init__(h11.SERVER, most)
        self._most = most

    def next_event(self) -> Any:
        """The next event, as h11 gives it.

        Raises:
            h11.RemoteProtocolError: What came is not HTTP, or too much.
        """
        try:
            event = super().next_event()
        except h11.RemoteProtocolError as error:
            self.hint = HTTPStatus(error.error_status_hint)
            raise
        if isinstance(event, h11.Request) and (len(event.headers) > MOST_HEADERS or _size(event) > self._most):
            self.hint = HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE
            raise h11.RemoteProtocolError("too large a head", error_status_hint=self.hint)
        return event


def _size(head: h11.Request) -> int:
    return len(head.target) + sum(len(name) + len(value) for name, value in head.headers)


class BoundedProtocol(H11Protocol):
    """One connection."""

    head_seconds: ClassVar[float] = HEAD_SECONDS
    body_seconds: ClassVar[float] = BODY_SECONDS
    stall_seconds: ClassVar[float] = STALL_SECONDS

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self.conn = self._bounded = _BoundedConnection(config.h11_max_incomplete_event_size or MOST_HEAD_BYTES)
        self._arrival: asyncio.TimerHandle | None = None
        self._awaits_body = False
        self._stall: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin, unless there are too many connections."""
        super().connection_made(JoinedWrites(transport, self.loop))  # type: ignore[arg-type]  # it stands for one
        if self._is_one_too_many():
            text = "too many connections at once; try again in a second"
            self._refuse(HTTPStatus.SERVICE_UNAVAILABLE, "busy", text)
        else:
            self._watch(self.head_seconds)

    def data_received(self, data: bytes) -> None:
        """Take what came, and watch how long the rest takes."""
        if self._arrival is None and self.conn.their_state is h11.IDLE:
            self._watch(self.head_seconds)
        super().data_received(data)
        self._look()

    def handle_events(self) -> None:
        """Go through what came; also called where a request is answered and the next one is here already."""
        super().handle_events()
        self._look()

    def connection_lost(self, exc: Exception | None) -> None:
        """End."""
        self._forget()
        self.resume_writing()
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        """The client does not take what it is sent."""
        super().pause_writing()
        if self._stall is None:
            self._stall = self.loop.call_later(self.stall_seconds, self.transport.abort)

    def resume_writing(self) -> None:
        """It does."""
        if self._stall is not None:
            self._stall.cancel()
            self._stall = None
        super().resume_writing()

    def send_400_response(self, msg: str) -> None:
        """Refuse what is not HTTP, or too much of it, in the form of every error."""
        del msg
        if self._bounded.hint == HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE:
            text = f"the headers are too large; send at most {MOST_HEADERS}, and {MOST_HEAD_BYTES // 1024} kB"
            self._refuse(self._bounded.hint, "headers_too_large", text)
        else:
            self._refuse(HTTPStatus.BAD_REQUEST, "bad_request", "this is not HTTP/1.1")

    def _is_one_too_many(self) -> bool:
        """Whether there are too many in all, or from one other machine, which is to leave room for the rest."""
        most = self.limit_concurrency
        if most is None or self.client is None:
            return False
        if len(self.connections) >= most:
            return True
        here = self.client[0]
        if is_loopback(here):
            return False
        others = (other.client for other in self.connections if isinstance(other, H11Protocol))
        return sum(client is not None and client[0] == here for client in others) > most // SHARE

    def _should_upgrade(self) -> bool:
        """There are no websockets, which would be spoken without these bounds; who asks for one gets a plain answer."""
        return False

    def _look(self) -> None:
        """See what is still to arrive."""
        state = self.conn.their_state
        if state is h11.SEND_BODY and not self._awaits_body:
            self._watch(self.body_seconds)
            self._awaits_body = True
        elif state not in (h11.IDLE, h11.SEND_BODY):
            self._forget()

    def _watch(self, seconds: float) -> None:
        self._forget()
        self._arrival = self.loop.call_later(seconds, self._too_slow)

    def _forget(self) -> None:
        self._awaits_body = False
        if self._arrival is not None:
            self._arrival.cancel()
            self._arrival = None

    def _too_slow(self) -> None:
        self._arrival = None
        self._refuse(HTTPStatus.REQUEST_TIMEOUT, "too_slow", "the request did not arrive in time; send it at once")

    def _refuse(self, status: HTTPStatus, code: str, message: str) -> None:
        """Say why, where no answer has begun, and close the connection."""
        if self.transport.is_closing():
            return
        if self.conn.our_state in (h11.IDLE, h11.SEND_RESPONSE, h11.ERROR):
            error = {"code": code, "message": message, "request_id": None}  # it is no request yet that the log knows
            body = json.dumps({"error": error}).encode()
            head = (
                f"HTTP/1.1 {status.value} {status.phrase}",
                "content-type: application/json",
                f"content-length: {len(body)}",
                "x-content-type-options: nosniff",
                "connection: close",
            )
            self.transport.write("\r\n".join((*head, "\r\n")).encode() + body)
        cycle: RequestResponseCycle | None = self.cycle  # there is none before the first head, whatever its type says
        if cycle is not None and not cycle.response_complete:
            cycle.disconnected = True
            cycle.message_event.set()
        self.transport.close()
