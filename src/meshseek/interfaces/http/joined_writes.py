"""Joins what is written to a connection in one turn of the event loop, so that head and body of an answer go at once.

Each write is a system call that wakes whoever reads, and on a busy machine the reader then runs first: apart, head and
body cost twice, while all other requests wait.
"""

from __future__ import annotations

import asyncio
from typing import Any, Final

MOST_BYTES: Final = 64 * 1024
"""That wait to be joined; what is more is written at once, so that the transport can say when it has too much."""


class JoinedWrites:
    """A transport that writes at the end of the turn; everything else is as with the one that it stands for."""

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self._transport = transport
        self._loop = loop
        self._parts: list[bytes] = []
        self._bytes = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def write(self, part: bytes) -> None:
        """Have something written soon."""
        if not part:
            return
        if not self._parts:
            self._loop.call_soon(self._flush)
        self._parts.append(bytes(part))
        self._bytes += len(part)
        if self._bytes > MOST_BYTES:
            self._flush()

    def close(self) -> None:
        """Close, once all is written."""
        self._flush()
        self._transport.close()

    def _flush(self) -> None:
        if self._parts:
            joined = b"".join(self._parts)
            self._parts.clear()
            self._bytes = 0
            self._transport.write(joined)
