"""How long the last searches of this process took."""

from __future__ import annotations

from collections import deque
from threading import Lock
from typing import Final

KEPT: Final = 1000
"""Searches that are remembered of each route: of the last ones figures are exact, where a histogram has coarse ones."""
SHARES: Final = (50, 95, 99)


class Recent:
    """Remembers the seconds of the last answers by route. Threads may share it."""

    def __init__(self) -> None:
        self._seconds: dict[str, deque[float]] = {}
        self._lock = Lock()

    def add(self, route: str, seconds: float) -> None:
        """Note one answer."""
        with self._lock:
            self._seconds.setdefault(route, deque(maxlen=KEPT)).append(seconds)

    def percentiles(self) -> dict[str, tuple[int, dict[int, float]]]:
        """By route, how many answers are remembered, and the milliseconds in which so many percent of them came."""
        with self._lock:
            every = {route: sorted(seconds) for route, seconds in self._seconds.items()}
        return {
            route: (len(own), {share: 1000 * own[min(len(own) - 1, len(own) * share // 100)] for share in SHARES})
            for route, own in every.items()
        }
