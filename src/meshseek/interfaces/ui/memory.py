"""What was answered lately, so that many requests at once make one question."""

from __future__ import annotations

import asyncio
import math
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from typing import Any, Generic, TypeVar

FRESH_SECONDS, UNKNOWN_SECONDS = 10.0, 2.0
"""How long an answer is believed, and how long one that is not sure."""

Told = TypeVar("Told")


class Memory(Generic[Told]):
    """Answers by key: asked for once while fresh; where asking fails, the last one that was sure goes on.

    Args:
        most: Keys that are remembered; the oldest are forgotten first.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._known: OrderedDict[str, tuple[float, asyncio.Future[Told]]] = OrderedDict()
        self._sure: OrderedDict[str, Told] = OrderedDict()

    async def get(self, key: str, ask: Callable[[], Awaitable[tuple[Told, bool]]]) -> Told:
        """The answer to a key.

        Args:
            key: What it is remembered by.
            ask: Brings an answer, and whether it is sure.
        """
        until, asked = self._known.get(key, (0.0, None))
        if asked is None or time.monotonic() > until:
            asked = asyncio.ensure_future(self._asked(key, ask))
            self._known[key] = (math.inf, asked)
            _bound(self._known, self._most)
        return await asyncio.shield(asked)

    def forget(self, key: str) -> None:
        """Ask again when the key comes next."""
        self._known.pop(key, None)
        self._sure.pop(key, None)

    async def _asked(self, key: str, ask: Callable[[], Awaitable[tuple[Told, bool]]]) -> Told:
        try:
            told, is_sure = await ask()
        except BaseException:  # unforeseen, and not to be remembered for ever
            self._known.pop(key, None)
            raise
        if key in self._known:
            self._known[key] = (time.monotonic() + (FRESH_SECONDS if is_sure else UNKNOWN_SECONDS), self._known[key][1])
        if not is_sure:
            return self._sure.get(key, told)
        self._sure[key] = told
        _bound(self._sure, self._most)
        return told


def _bound(known: OrderedDict[str, Any], most: int) -> None:
    while len(known) > most:
        known.popitem(last=False)
