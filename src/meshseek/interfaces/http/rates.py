"""How often who may ask."""

from __future__ import annotations

import asyncio
import logging
import math
import time
from typing import TYPE_CHECKING

from limits import RateLimitItem, parse
from limits.aio.storage import MemoryStorage, RedisStorage, Storage
from limits.aio.strategies import FixedWindowRateLimiter
from limits.errors import StorageError

from meshseek.errors import SettingsError

if TYPE_CHECKING:
    from redis.asyncio import ConnectionPool

FAILURES = "20/minute"
"""Keys that are no good, from one address."""
MOST_COUNTED = 10_000
"""Addresses, and keys, that are counted one by one at a time."""
STORAGE_SECONDS = 0.25
"""How long another server that counts is waited for."""
AWAY_SECONDS = 10.0
"""For how long it is left alone when it did not answer."""
MOST_CONNECTIONS = 50
"""To it at a time; who would need one more is counted here."""
_THE_REST = "the rest"

log = logging.getLogger(__name__)


class BoundedMemory(MemoryStorage):
    """Counts in this process; what would be too many to count one by one is counted together.

    The library's own storage looks through all that it counts with every request, and has no bound.
    """

    STORAGE_SCHEME = ["async+bounded"]  # noqa: RUF012  # as the library has it

    def __init__(self) -> None:
        super().__init__()

    async def incr(self, key: str, expiry: float, amount: int = 1) -> int:
        """Count, within a window that begins with the first of it.

        Args:
            key: What is counted.
            expiry: Seconds of the window.
            amount: How many.
        """
        now = time.time()
        if key not in self.expirations and len(self.expirations) >= MOST_COUNTED:
            self._forget(now)
            if len(self.expirations) >= MOST_COUNTED:
                key = _THE_REST
        left = self.expirations.get(key, 0.0) - now
        if not 0 < left <= expiry:  # it is over, or the clock was put back
            self.storage[key] = 0
            self.expirations[key] = now + expiry
        self.storage[key] += amount
        return self.storage[key]

    def _forget(self, now: float) -> None:
        for key in [key for key, ends in self.expirations.items() if ends <= now]:
            del self.expirations[key], self.storage[key]


class Rates:
    """The limits of one service.

    Args:
        key: Of requests with one key, such as ``1200/minute``; None for no limit.
        address: Of requests from one address, likewise.
        storage: ``redis://`` URL where several services count together; None to count in this process.

    Raises:
        SettingsError: There is no client for the storage, or it is no URL.
    """

    def __init__(self, key: str | None, address: str | None, storage: str | None = None) -> None:
        self._key = parse(key) if key else None
        self._address = parse(address) if address else None
        self._failures = parse(FAILURES)
        self._here = {known: FixedWindowRateLimiter(BoundedMemory()) for known in (True, False)}
        """For who has a key, and who has none: however many of the latter there are, the former are counted well."""
        self._connections = _connections(storage) if storage else None
        self._there = FixedWindowRateLimiter(_shared(self._connections)) if self._connections else None
        self._away_until = 0.0

    async def close(self) -> None:
        """Close the connections."""
        if self._connections is not None:
            await self._connections.disconnect()

    async def of_key(self, key_id: str) -> int | None:
        """Count a request with a key; seconds until the next one may be made, or None where this one may."""
        return await self._counted(self._key, "key", key_id, has_key=True)

    async def of_address(self, name: str, *, has_key: bool) -> int | None:
        """Likewise from an address."""
        return await self._counted(self._address, "address", name, has_key=has_key)

    async def of_failures(self, name: str) -> int | None:
        """Likewise a key from an address that is no good."""
        return await self._counted(self._failures, "failed", name, has_key=False)

    async def _counted(self, limit: RateLimitItem | None, kind: str, name: str, *, has_key: bool) -> int | None:
        if limit is None:
            return None
        if self._there is not None and time.monotonic() >= self._away_until:
            try:
                async with asyncio.timeout(STORAGE_SECONDS):
                    return await _wait(self._there, limit, kind, name)
            except (StorageError, TimeoutError) as error:
                self._away_until = time.monotonic() + AWAY_SECONDS
                why = _first_line(error)
                log.warning("MESHSEEK_RATE_LIMIT_STORAGE does not answer (%s); each service counts alone", why)
        return await _wait(self._here[has_key], limit, kind, name)


async def _wait(limiter: FixedWindowRateLimiter, limit: RateLimitItem, kind: str, name: str) -> int | None:
    if await limiter.hit(limit, kind, name):
        return None
    window = await limiter.get_window_stats(limit, kind, name)
    return max(1, math.ceil(window.reset_time - time.time()))


def _first_line(error: BaseException) -> str:
    cause = getattr(error, "storage_error", error)
    return (str(cause).splitlines() or ["in time"])[0]


def _connections(url: str) -> ConnectionPool:
    try:
        from redis.asyncio import ConnectionPool  # noqa: PLC0415  # only where it is wanted

        seconds = STORAGE_SECONDS
        return ConnectionPool.from_url(
            url, socket_timeout=seconds, socket_connect_timeout=seconds, max_connections=MOST_CONNECTIONS
        )
    except (ImportError, ValueError) as error:
        raise SettingsError(
            "MESHSEEK_RATE_LIMIT_STORAGE cannot be used; write redis://host:6379/0, and install 'meshseek[redis]'"
        ) from error


def _shared(connections: ConnectionPool) -> Storage:
    """Counts in Redis, over connections of ours, since the library leaves its own open."""
    return RedisStorage(
        "async+redis://",
        implementation="redispy",
        wrap_exceptions=True,
        connection_pool=connections,  # type: ignore[arg-type]  # it is documented, but not typed
    )
