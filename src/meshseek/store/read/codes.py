"""The codes that a process searches in: those of the version that is live, read when it is first asked for."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from threading import Lock
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from meshseek.deadlines import check_deadline, seconds_left
from meshseek.errors import BusyError
from meshseek.store.codes.parts import VIEW_CODES, joined
from meshseek.store.codes.shared import SharedFile
from meshseek.store.codes.snapshot import Base, Snapshot
from meshseek.store.codes.steps import step_bytes
from meshseek.store.queries import query
from meshseek.store.read.codes_check import BackgroundCheck
from meshseek.store.read.conditions import without_words
from meshseek.store.read.published import Published, VersionChangedError
from meshseek.store.read.reader import AS_IT_IS, Reader

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from meshseek.model import Condition
    from meshseek.store.codes.masks import Passing
    from meshseek.store.codes.snapshot import Parts
    from meshseek.store.read.plan import Plan
    from meshseek.store.read.statistics import Statistics

log = logging.getLogger(__name__)

LOADING_SECONDS = 60.0
"""How long a search waits for codes that another one is reading, where nobody says how long it is waited for itself."""
MOST_PRIVATE = 1 << 30
"""Bytes of codes of views that a process takes into memory of its own; of more it does without."""

NOT_KEPT = (
    "codes of views (%.1f GB) are not kept in memory, for there is no file of them that processes share:"
    " views are compared by the database alone, more slowly"
)


@dataclass(frozen=True, slots=True)
class _Told:
    """What the database says of its codes without giving them."""

    identities: Sequence[str]
    """Of each edition; empty where there are no codes."""
    sizes: Mapping[str, int]
    """Bytes of each part of edition 0."""
    later_views: int
    """Bytes of the codes of views in the others."""

    @property
    def identity(self) -> str:
        """Of edition 0; empty where there are no codes."""
        return self.identities[0]

    @property
    def edition(self) -> int:
        """The last one."""
        return len(self.identities) - 1


class Filter(NamedTuple):
    """What assets must be like."""

    conditions: Sequence[Condition]
    statistics: Statistics
    """What is known of the conditions."""


class CodesInUse:
    """Gives the codes of the live version. Threads may share it.

    Args:
        reader: Asks the database.
        name: Of the database.
        shared: The file that is shared with other processes; None for memory of its own.
    """

    def __init__(self, reader: Reader, name: str, shared: SharedFile | None) -> None:
        self._reader = reader
        self._name = name
        self._shared = shared
        self._lock = Lock()
        self._base: Base | None = None
        """The last that was read: whatever becomes of a version, it is of use for as long as its identity is live."""
        self._later: tuple[Sequence[str], Parts | None] = [], None
        """Identities of all editions up to some, and the parts of those after the first."""
        self._snapshot: Snapshot | None = None
        self._check: BackgroundCheck | None = None

    def close(self) -> None:
        """Leave what is done in the background; the file of a version that did not go live is removed."""
        check = self._check
        if check:
            check.stop()
            check.join()
        if self._shared:
            self._shared.close()

    def go_live(self) -> None:
        """Give the file its name, now that the version is live."""
        if self._shared:
            self._shared.go_live()

    def candidates(
        self, published: Published, column: str, vector: NDArray[np.float32], plan: Plan, filtered: Filter
    ) -> list[str] | None:
        """Ids of the nearest assets by their codes, best first; None where there are no codes of a column.

        Raises:
            VersionChangedError: Another version is live.
            BusyError: Another search is still reading its codes.
            DatabaseError: The database cannot be asked.
        """
        codes = self.of(published)
        if codes is None or not codes.has(column):
            return None
        mask = self._passing(published, codes, filtered) if filtered.conditions else None
        return codes.candidates(
            column, vector, looked_at=plan.ef, count=plan.candidates, compared=plan.compared, passing=mask
        )

    def _passing(self, published: Published, codes: Snapshot, filtered: Filter) -> Passing:
        """Which assets pass."""
        statistics = filtered.statistics
        if statistics.labels:
            self._expect_numbers_of(codes)
        labels = {label: number for label, (number, _) in statistics.labels.items()}
        phrases = None if statistics.phrases is None else statistics.phrases.query

        def having() -> NDArray[np.int64]:
            (row,) = self._reader.rows(query("hashes_with_words"), {"phrases": phrases}, AS_IT_IS)
            if row["content"] != published.content:
                raise VersionChangedError
            return np.frombuffer(row["hashes"] or b"", dtype=">i8").astype(np.int64)

        asked = without_words(filtered.conditions)
        return codes.masks.passing(asked, labels, phrases, None if phrases is None else having)

    def _expect_numbers_of(self, codes: Snapshot) -> None:
        """See that labels, of which the numbers were just read, have these numbers in the codes.

        Raises:
            VersionChangedError: The same content was published again since the codes were read, with other numbers.
        """
        (row,) = self._reader.rows(query("codes_now"), {}, AS_IT_IS) or [{"identity": None, "edition": None}]
        if ((row["identity"] or b"").hex(), row["edition"]) != (codes.base.identity, codes.edition):
            codes.is_outdated = True  # no other than these: a thread may have read newer ones since
            raise VersionChangedError

    def of(self, published: Published) -> Snapshot | None:
        """The codes of a version; None where it has so few vectors that there are none.

        Raises:
            VersionChangedError: Another version is live.
            BusyError: Another search is still reading them.
            DatabaseError: The database cannot be asked.
        """
        known = self._current(published)
        if known is not None:
            return known if len(known) else None
        left = seconds_left()
        if not self._lock.acquire(timeout=LOADING_SECONDS if left is None else left):
            check_deadline()
            raise BusyError("the codes of a new version are being read; try again in a moment")
        try:
            known = self._current(published)
            if known is None:
                self._snapshot = known = self._read(published)
            return known if len(known) else None
        finally:
            self._lock.release()

    def _current(self, published: Published) -> Snapshot | None:
        """The codes that are at hand, if they are of this version."""
        known = self._snapshot
        return known if known is not None and known.content == published.content and not known.is_outdated else None

    def _read(self, published: Published) -> Snapshot:
        began = time.monotonic()
        told = self._told(published)
        base = self._base
        if base is None or base.identity != told.identity:
            self._base = base = self._read_base(published, told)
        later = self._read_later(published, told, base, *self._later)
        snapshot = Snapshot(published.content, base, later, told.edition)
        self._later = told.identities, later
        log.info("codes of '%s' read in %.1f s: %d assets", self._name, time.monotonic() - began, len(snapshot))
        return snapshot

    def _read_later(
        self, published: Published, told: _Told, base: Base, identities: Sequence[str], known: Parts | None
    ) -> Parts | None:
        """What came after edition 0, of which some is known; None where there is nothing."""
        if not told.edition:
            return None
        has_views = base.views is not None and told.later_views <= MOST_PRIVATE
        is_known = all(identities) and [*told.identities[: len(identities)]] == [*identities]
        if known is None or not is_known or (VIEW_CODES in known) != has_views:
            identities, known = told.identities[:1], None
            if base.views is not None and not has_views:
                log.warning(NOT_KEPT, told.later_views / 1e9)
        if known is not None and len(identities) == len(told.identities):
            return known
        parts = joined(self._blocks(published, len(identities), told.edition, [] if has_views else [VIEW_CODES]))
        if not has_views:
            del parts[VIEW_CODES]
        return parts if known is None else {name: np.concatenate([known[name], parts[name]]) for name in parts}

    def _told(self, published: Published) -> _Told:
        rows = self._reader.rows(query("codes_told"), {})
        if not rows or rows[0]["version"] != published.content:
            raise VersionChangedError
        named = {row["edition"]: row["identity"].hex() for row in rows if row["identity"]}
        identities = [named.get(edition, "") for edition in range(1 + max(row["edition"] or 0 for row in rows))]
        sizes = {row["part"]: row["bytes"] for row in rows if row["edition"] == 0}
        later = sum(row["bytes"] for row in rows if row["edition"] and row["part"] == VIEW_CODES)
        return _Told(identities, sizes, later)

    def _read_base(self, published: Published, told: _Told) -> Base:
        """Edition 0, from the file if there is one, or else from the database."""
        shared, file = self._shared, None
        if shared and len(told.sizes) > 1:
            file = shared.open(told.identity, told.sizes, lambda: self._blocks(published, 0, 0))
        dim = published.space.dim
        if shared is None or file is None:
            return Base(told.identity, dim, self._private_parts(published, told))
        if self._check:
            self._check.stop()
        self._check = BackgroundCheck(file, step_bytes(dim))
        base = Base(told.identity, dim, file.parts, self._check.ahead)

        def damaged(what: str) -> None:
            log.warning("%s is damaged (%s): it is made again", file.path, what)
            with self._lock:
                if self._base is base:
                    self._base = self._snapshot = None
                shared.damaged(file)

        self._check.start(damaged)
        return base

    def _private_parts(self, published: Published, told: _Told) -> Mapping[str, NDArray[Any]]:
        size = told.sizes.get(VIEW_CODES, 0)
        is_live = self._shared is None or self._shared.is_live
        if size <= (MOST_PRIVATE if is_live else 0):  # a publication asks for the best few alone
            return joined(self._blocks(published, 0, 0))
        log.warning(NOT_KEPT, size / 1e9)
        parts = joined(self._blocks(published, 0, 0, without=[VIEW_CODES]))
        del parts[VIEW_CODES]  # it was left out, and is not cut
        return parts

    def _blocks(
        self, published: Published, first: int, last: int, without: Sequence[str] = ()
    ) -> Iterator[tuple[str, bytes]]:
        """Name and content of each block of some editions, those of a part one after the other."""
        rows = self._reader.stream(query("codes_read"), {"first": first, "last": last, "without": list(without)})
        for row in rows:
            if row["version"] != published.content:
                raise VersionChangedError
            if row["part"] is not None:
                yield row["part"], row["content"]
