"""Reading a block while the one before it is worked on."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

Block = TypeVar("Block")


def read_ahead(blocks: Iterator[Block]) -> Generator[Block]:
    """The same blocks, none of them None, of which the next one is made while one is worked on."""
    with ThreadPoolExecutor(1, "read ahead") as reading:
        ahead = reading.submit(next, blocks, None)
        while (block := ahead.result()) is not None:
            ahead = reading.submit(next, blocks, None)
            yield block
