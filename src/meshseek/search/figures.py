"""How an algorithm stands: figures for whoever watches it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from meshseek.search.admission import Admission
    from meshseek.search.caching import RecentlyUsed
    from meshseek.store.read.published import Published


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueFigures:
    """What happens at a door."""

    running: int
    waiting: int
    refused: int
    """So far."""

    @classmethod
    def of(cls, door: Admission) -> QueueFigures:
        """As it is now."""
        running = door.running_now
        return cls(running=running, waiting=max(0, door.admitted_now - running), refused=door.refused)


@dataclass(frozen=True, slots=True, kw_only=True)
class CacheFigures:
    """How often a cache had what it was asked for so far, and how often not."""

    hits: int
    misses: int

    @classmethod
    def of(cls, cache: RecentlyUsed[Any]) -> CacheFigures:
        """As it is now."""
        return cls(hits=cache.hits, misses=cache.misses)


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """One algorithm as it is now; nobody is asked for them, so that they are there even if the database is not."""

    queue: QueueFigures
    caches: Mapping[str, CacheFigures]
    """By what is in them."""
    pools: Mapping[str, Mapping[str, int]]
    """Of each pool of connections, what psycopg_pool counts, and how many are ``lent``."""
    replicas: Mapping[str, bool]
    """Whether each replica of the database server is used."""
    shards: Mapping[str, bool]
    """Whether each shard of the library answers; none where it is whole in one place."""
    published: Published | None
    """What was published when it was last looked at."""
