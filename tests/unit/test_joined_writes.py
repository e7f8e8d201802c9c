"""Head and body of an answer go at once, in their order, and nothing is kept that could not be."""

from __future__ import annotations

import asyncio
from typing import Any

from meshseek.interfaces.http.joined_writes import MOST_BYTES, JoinedWrites


class Recorded:
    """A transport that remembers what it is asked for."""

    def __init__(self) -> None:
        self.asked: list[Any] = []

    def write(self, data: bytes) -> None:
        """Remember it."""
        self.asked.append(data)

    def close(self) -> None:
        """Likewise."""
        self.asked.append("closed")

    def is_closing(self) -> bool:
        """Whether it was closed."""
        return "closed" in self.asked


def test_what_is_written_in_one_turn_goes_at_once() -> None:
    """What is written in the next one goes by itself, and nothing at all makes no write."""

    async def writing() -> None:
        recorded = Recorded()
        transport = JoinedWrites(recorded, asyncio.get_running_loop())  # type: ignore[arg-type]
        for part in (b"head", b"body", b""):
            transport.write(part)
        assert recorded.asked == []
        await asyncio.sleep(0)
        transport.write(b"")
        await asyncio.sleep(0)
        transport.write(b"next")
        await asyncio.sleep(0)
        assert recorded.asked == [b"headbody", b"next"]

    asyncio.run(writing())


def test_much_does_not_wait() -> None:
    """So that the transport says when it has too much; what follows stays behind it."""

    async def writing() -> None:
        recorded = Recorded()
        transport = JoinedWrites(recorded, asyncio.get_running_loop())  # type: ignore[arg-type]
        transport.write(b"head")
        transport.write(bytes(MOST_BYTES))
        assert recorded.asked == [b"head" + bytes(MOST_BYTES)]
        transport.write(b"rest")
        await asyncio.sleep(0)
        assert recorded.asked[1:] == [b"rest"]

    asyncio.run(writing())


def test_all_is_written_before_it_is_closed() -> None:
    """And the rest is the transport's concern."""

    async def writing() -> None:
        recorded = Recorded()
        transport = JoinedWrites(recorded, asyncio.get_running_loop())  # type: ignore[arg-type]
        transport.write(b"last")
        assert not transport.is_closing()
        transport.close()
        await asyncio.sleep(0)
        assert recorded.asked == [b"last", "closed"]
        assert transport.is_closing()

    asyncio.run(writing())
