"""Making blocks while those before them are worked on."""

from __future__ import annotations

from collections import deque
from collections.abc import Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

Block = TypeVar("Block")


def read_ahead(blocks: Iterator[Block], count: int = 1) -> Generator[Block]:
    """The same blocks, none of them None, so many of which another thread makes while one is worked on."""
    reader = ThreadPoolExecutor(1, "read ahead")
    try:
        upcoming = deque(reader.submit(next, blocks, None) for _ in range(count))
        while (block := upcoming.popleft().result()) is not None:
            upcoming.append(reader.submit(next, blocks, None))
            yield block
    finally:
        reader.shutdown(cancel_futures=True)
