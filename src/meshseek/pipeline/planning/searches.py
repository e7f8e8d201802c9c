"""How many searches a second a server and an API process answer: measured with 25,000 assets, and how that grows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

MEASURED: Final = 25_000
"""Assets of eight views and 768 dimensions that two cores answered searches of, by 32 clients ('Serving' in
docs/benchmarks.md); fewer are taken to be no faster."""
SERVER: Final[Mapping[str, float]] = {"codes": 2 / 463.1, "hnsw": 2 / 469.2}
"""Seconds of one core for a search over SQL by index kind; of codes with looking for candidates in them, which is no
work of the server's."""
ASKING, CODES = 2.975e-3, 1.726e-3
"""Seconds that it takes an API process, which has one core, to ask for a search by a graph; and what it takes longer
with codes, which it looks at itself."""
GROWTH: Final[Mapping[str, float]] = {"codes": 0.38, "hnsw": 0.75}
"""A search takes as much more as there are more assets to the power of this: 'Growth' there; a graph took 1.9 ms for
25,000 assets (decision 0028), and 30 ms for 1,000,000."""
LARGEST: Final = 1_000_000
"""Assets that were measured; beyond it is extrapolated."""
SCANNED, AT_LEAST, SCAN = 1 / 16, 100_000, 4e-9
"""Share of all codes that is scanned, and the fewest; seconds for each: 4 ms for 1,000,000 (decision 0025)."""


def server_searches(index_kind: str, assets: float, cores: int) -> float | None:
    """Searches a second of a database server at the least; None of an index kind that was not measured.

    Args:
        index_kind: What the library is asked by.
        assets: That it has.
        cores: Of the server.
    """
    if index_kind not in SERVER:
        return None
    return cores / (SERVER[index_kind] * _growth(index_kind, assets) + _beyond(index_kind, assets))


def process_searches(index_kind: str, assets: float, shards: int) -> float | None:
    """Those of one API process: it looks at the codes of every shard.

    Args:
        index_kind: What the library is asked by.
        assets: Of all shards.
        shards: Servers that share the library.
    """
    if index_kind not in SERVER:
        return None
    each = assets / shards
    looking = CODES * _growth(index_kind, each) + _beyond(index_kind, each) if index_kind == "codes" else 0.0
    return 1 / (ASKING + shards * looking)


def _growth(index_kind: str, assets: float) -> float:
    return float(max(1.0, assets / MEASURED) ** GROWTH[index_kind])


def _beyond(index_kind: str, assets: float) -> float:
    """What more of a scan takes where a share of all codes is more than was ever scanned."""
    return max(0.0, SCANNED * assets - AT_LEAST) * SCAN if index_kind == "codes" else 0.0
