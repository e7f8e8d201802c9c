"""What is live of one algorithm, remembered for a while, and what was measured of it."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

import numpy as np

from meshseek.errors import NotPublishedError
from meshseek.store.queries import query
from meshseek.store.read.exact import Exact, ExactAnswers
from meshseek.store.read.published import Published, QueryKind, Tuning, VersionChangedError
from meshseek.store.schema import check_schema

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from meshseek.store.read.reader import Reader

REMEMBERED_SECONDS = 30.0
"""How long a service searches with the tunings that it has seen."""


def at_random(asset_id: str) -> str:
    """By this the database puts assets in an order that says nothing of them, the same at each call."""
    return hashlib.md5(asset_id.encode(), usedforsecurity=False).hexdigest()


class Versions:
    """The live version, and how widely its indexes are asked."""

    def __init__(self, reader: Reader, algorithm: str) -> None:
        self._reader = reader
        self._algorithm = algorithm
        self._known: Published | None = None
        self._looked_at = 0.0

    def published(self) -> Published:
        """What is published now.

        Raises:
            NotPublishedError: Nothing is.
            DatabaseVersionError: Another Meshseek published it.
        """
        numbers = self._reader.rows(query("schema_version"), {})
        if not numbers:
            raise NotPublishedError(f"nothing is published; run 'meshseek publish --algorithm {self._algorithm}' first")
        check_schema(numbers[0]["schema_version"], self._algorithm)
        (row,) = self._reader.rows(query("space"), {})
        tunings = self._reader.rows(query("tunings"), {})
        self._known = Published.of(row, tunings, self._reader.rows(query("calibrations"), {}))
        self._looked_at = time.monotonic()
        return self._known

    def last_known(self) -> Published:
        """What was published when this was last looked at: a search tells when it no longer is, but not of tunings."""
        recently = time.monotonic() - self._looked_at < REMEMBERED_SECONDS
        return self._known if self._known and recently else self.published()

    def expect_live(self, published: Published) -> None:
        """See that what was read so far is of a version.

        Raises:
            VersionChangedError: It is no longer live.
        """
        (row,) = self._reader.rows(query("content_seen"), {})
        if row["content"] != published.content:
            self._reader.differs()
            raise VersionChangedError

    @property
    def known(self) -> Published | None:
        """What was published when that was last looked at; nobody is asked."""
        return self._known

    def sample(self, kind: QueryKind, count: int) -> NDArray[np.float32]:
        """Vectors that stand for queries: of captions for texts, of views for pictures; shape ``(<= count, dim)``."""
        return np.array([vector for _, vector in self.sampled(kind, count)], dtype=np.float32)

    def sampled(self, kind: QueryKind, count: int) -> list[tuple[str, NDArray[np.float16]]]:
        """The same with the assets that they are of, in the order of :func:`at_random`; shape ``(dim,)`` each."""
        sampled = query("sample_captions") if kind == "text" else query("sample_views")
        rows = self._reader.rows(sampled, {"count": count})
        return [(row["asset_id"], row["vector"].to_numpy()) for row in rows]

    def exact_answers(self, published: Published, vectors: NDArray[np.float32], limit: int) -> Exact:
        """Exact answers to many queries of unit length, shape ``(queries, dim)``, ``limit`` assets each."""
        return ExactAnswers(self._reader, published, vectors, limit)

    def keep_tunings(self, published: Published, tunings: Sequence[Tuning]) -> None:
        """Keep what was measured of a version beside it, for all who search in it.

        Raises:
            VersionChangedError: Another version went live since.
        """
        for tuning in tunings:
            if not self._reader.written(query("keep_tuning"), {**asdict(tuning), "content": published.content}):
                raise VersionChangedError
        self.published()
