"""What a version that is being made says of itself, and how its scores are to be read."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import Any

from meshseek.model import Space
from meshseek.relevance import Thresholds
from meshseek.store.read.library import Library
from meshseek.store.read.published import UNKNOWN_TRUST, Published, QueryType, Target
from meshseek.store.schema import CURRENT


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibration:
    """How the scores of one version are to be read."""

    trust: float = UNKNOWN_TRUST
    """How far cross-modal scores count beside those of the query's own kind."""
    found: float | None = None
    """How well captions find their own views, as mean reciprocal rank."""
    thresholds: Mapping[tuple[Target, QueryType], Thresholds] = field(default_factory=dict)


Calibrate = Callable[[Library, Published], Calibration]


def describe(space: Space, index_kind: str, content: str, world: str) -> dict[str, Any]:
    """What a version says of itself."""
    named = {"index_kind": index_kind, "content": content, "world": world, "schema_version": CURRENT}
    return {**asdict(space), **named}


def calibrated(
    library: Library, calibrate: Calibrate, description: Mapping[str, Any], counts: Mapping[str, int]
) -> Calibration:
    """How the scores of a version are to be read that is not live yet."""
    told = {name: value for name, value in description.items() if name not in {"world", "schema_version"}}
    published = Published.of({**told, "published_at": datetime.now(UTC), **counts}, [], [])
    library.read_codes(published)
    return calibrate(library, published)
