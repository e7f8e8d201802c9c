"""An algorithm's vectors on disk, read back in batches as the database takes them."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice, pairwise
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from meshseek.errors import SpaceMismatchError, WorkspaceError
from meshseek.files import disk_error
from meshseek.model import CaptionBasis, Space, ViewCount
from meshseek.pipeline.centroid_spool import CentroidSpool
from meshseek.pipeline.wanted import Wanted, WantedVectors
from meshseek.store.write.loading import Captions, Centroids, Views
from meshseek.workspace.halves import from_column, to_singles
from meshseek.workspace.made_from import HeldViews
from meshseek.workspace.shards import ShardFolder
from meshseek.workspace.tables import Source
from meshseek.workspace.view_rows import held_views
from meshseek.workspace.workspace import Workspace

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Vectors = NDArray[np.float16]

Advance = Callable[[int], None]

UNIT_TOLERANCE = 0.01
NOWHERE = -1
"""No row of a file."""
NO_VIEWPOINT = -(2**15)
"""No viewpoint has this id."""
BATCH = 2048
"""Rows at once: so many, and what is calculated from them, stay in the processor's cache."""


class Batch(NamedTuple):
    """Rows of whole assets."""

    ids: Sequence[str]
    viewpoints: pa.Array
    vectors: Vectors
    """Shape ``(rows, dim)``."""
    singles: NDArray[np.float32]
    """The same in single precision."""
    first: NDArray[np.intp]
    """The first row of each asset."""

    @property
    def names(self) -> list[str]:
        """The assets, each once."""
        return [self.ids[row] for row in self.first]


@dataclass(frozen=True, slots=True)
class VectorFiles:
    """All vectors of one algorithm on disk, of one space."""

    space: Space
    tables: Mapping[Source, ShardFolder]
    basis: CaptionBasis
    """What the caption vectors are made from."""
    count: ViewCount | None = None
    """How many views of each asset were last chosen; None where an older Meshseek embedded them."""

    @classmethod
    def open(cls, workspace: Workspace, algorithm: str) -> VectorFiles:
        """Find an algorithm's vectors.

        Raises:
            WorkspaceError: There are none, or a manifest was lost.
            SpaceMismatchError: Captions and views were embedded in different spaces.
        """
        for lost in workspace.lost_vectors(algorithm):
            raise WorkspaceError(f"{lost} is missing; run 'meshseek embed --algorithm {algorithm}' again")
        sources = workspace.embedded_sources(algorithm)
        if not sources:
            raise WorkspaceError(
                f"no vectors of '{algorithm}' here; run 'meshseek embed --algorithm {algorithm}' first"
            )
        tables = {source: workspace.vectors_table(algorithm, source) for source in sources}
        spaces = {source: Space(**table.header["space"]) for source, table in tables.items()}
        if len(set(spaces.values())) > 1:
            listed = "; ".join(f"{source}: {space}" for source, space in spaces.items())
            raise SpaceMismatchError(f"'{algorithm}' was embedded in different spaces ({listed}); embed it again")
        basis, count = workspace.caption_basis(algorithm), workspace.view_count(algorithm)
        return cls(next(iter(spaces.values())), tables, basis, count)

    @property
    def folder(self) -> Path:
        """Holds the tables."""
        return next(iter(self.tables.values())).folder.parent

    def rows(self, source: Source) -> int:
        """Number of rows of a source, replaced ones included."""
        return len(self.tables[source]) if source in self.tables else 0

    def captions_made_from(self) -> dict[Source, Mapping[str, str]]:
        """What each asset's caption vectors were made from, by source."""
        return {source: table.fingerprints() for source, table in self.tables.items() if source != "appearance"}

    def held_views(self) -> Mapping[str, HeldViews]:
        """What vectors of its views each asset has."""
        return held_views(self.tables["appearance"]) if "appearance" in self.tables else {}

    def captions(self, wanted: Wanted, advance: Advance) -> Iterator[Captions]:
        """Each asset's English and Chinese caption vectors; the Chinese ones wait in a file for their English ones."""
        with self._waiting(min(self.rows("caption_chinese"), wanted.count)) as chinese:
            places = np.full(len(wanted.rows), NOWHERE, dtype=np.int32)  # each asset comes once: see _expect_once
            filled = 0
            for batch in self._read("caption_chinese", wanted, advance):
                chinese[filled : filled + len(batch.first)] = batch.vectors[batch.first]
                rows = [wanted.rows[name] for name in batch.names]
                places[rows] = np.arange(filled, filled + len(rows))
                filled += len(rows)
            for batch in self._read("caption_english", wanted, advance):
                names, vectors = batch.names, batch.vectors[batch.first]
                rows = [wanted.rows[name] for name in names]
                own = places[rows]
                places[rows] = NOWHERE
                yield Captions(names, vectors, np.ones(len(names), dtype=np.bool_), chinese[own], own != NOWHERE)
            yield from self._chinese_alone(wanted, places, chinese)

    def _chinese_alone(self, wanted: Wanted, places: NDArray[np.int32], chinese: Vectors) -> Iterator[Captions]:
        alone = ((name, place) for name, place in zip(wanted.rows, places, strict=True) if place != NOWHERE)
        while some := list(islice(alone, BATCH)):
            vectors = chinese[[place for _, place in some]]
            there = np.ones(len(some), dtype=np.bool_)
            yield Captions([name for name, _ in some], vectors, ~there, vectors, there)

    def views(self, wanted: Wanted, advance: Advance, spool: CentroidSpool) -> Iterator[Views]:
        """The vectors of the views that are shown; the centroid and spread of each asset's go to the spool."""
        for batch in self._read("appearance", wanted, advance):
            spool.add(_centroids(batch))
            numbers = batch.viewpoints.fill_null(0).to_numpy()
            there = batch.viewpoints.is_valid().to_numpy(zero_copy_only=False)
            yield Views(batch.ids, numbers, there, batch.vectors)

    @contextmanager
    def _waiting(self, rows: int) -> Iterator[Vectors]:
        """Room for vectors outside of memory; what a system has for temporary files is often in it."""
        shape = (max(1, rows), self.space.dim)
        with tempfile.TemporaryFile(dir=self.folder) as file:
            if hasattr(os, "posix_fallocate"):  # a disk that is full is told here, and not by a signal
                try:
                    os.posix_fallocate(file.fileno(), 0, 2 * shape[0] * shape[1])
                except OSError as error:
                    raise disk_error(error, self.folder) from error
            yield np.memmap(file, dtype=np.float16, mode="w+", shape=shape)

    def _read(self, source: Source, wanted: Wanted, advance: Advance) -> Iterator[Batch]:
        """What is wanted, batch by batch; of views those that are shown."""
        if source not in self.tables:
            return
        own, folder = wanted.of(source), self.tables[source].folder
        for table in self.tables[source].tables(own):
            assets = table["asset_id"].combine_chunks().dictionary_encode()
            _expect_once(assets, table["viewpoint_id"] if source == "appearance" else None, folder)
            keep = _made_from(assets, table["fingerprint"], own)
            kept, numbers = table, assets.indices
            if keep is not None:
                kept, numbers = kept.filter(keep), numbers.filter(keep)
            few = _shown(assets.dictionary, numbers, kept["viewpoint_id"], wanted) if source == "appearance" else None
            if few is not None:
                kept, numbers = kept.filter(few), numbers.filter(few)
            ids, vectors = assets.dictionary.take(numbers).to_pylist(), from_column(kept)
            viewpoints = kept["viewpoint_id"].combine_chunks()
            starts = _starts(numbers.to_numpy())
            for start, end in pairwise(_bounds(starts, len(ids))):
                singles = to_singles(vectors[start:end])
                _expect_units(singles, ids[start:end], folder)
                first = starts[np.searchsorted(starts, start) : np.searchsorted(starts, end)] - start
                yield Batch(ids[start:end], viewpoints[start:end], vectors[start:end], singles, first)
            advance(len(table))


def _made_from(assets: pa.DictionaryArray, fingerprints: pa.ChunkedArray, wanted: WantedVectors) -> pa.Array | None:
    """Which rows were made from what is wanted; None where all were."""
    right = pa.array([wanted.made_from(name) for name in assets.dictionary.to_pylist()], pa.string())
    keep = pc.equal(right.take(assets.indices), fingerprints.combine_chunks()).fill_null(fill_value=False)
    return None if pc.all(keep, min_count=0).as_py() else keep


def _shown(names: pa.Array, numbers: pa.Array, viewpoints: pa.ChunkedArray, shown: Wanted) -> pa.Array | None:
    """Which rows are of views that are shown; None where all are."""
    own = numbers.to_numpy()
    starts = _starts(own)
    ids = names.take(pa.array(own[starts])).to_pylist()
    known = viewpoints.fill_null(NO_VIEWPOINT).to_numpy()
    keep = np.ones(len(own), dtype=np.bool_)
    for name, (start, end) in zip(ids, pairwise([*starts, len(own)]), strict=True):
        wanted = shown.viewpoints(name)
        if wanted is not None and len(wanted) < end - start:
            keep[start:end] = np.isin(known[start:end], wanted)
    return None if keep.all() else pa.array(keep)


def _starts(numbers: NDArray[np.int32]) -> NDArray[np.intp]:
    """The first row of each asset, by the number that each row's asset has."""
    return np.flatnonzero(np.diff(numbers, prepend=-1))


def _expect_once(assets: pa.DictionaryArray, viewpoints: pa.ChunkedArray | None, folder: Path) -> None:
    """Refuse assets whose rows do not stand together, and two rows of one view, or of one asset where none has views.

    Raises:
        WorkspaceError: There are such.
    """
    numbers = assets.indices.to_numpy()
    firsts = numbers[_starts(numbers)]
    if len(firsts) > len(assets.dictionary):
        firsts = np.sort(firsts)
        wrong, fault = firsts[1:][firsts[1:] == firsts[:-1]], "apart from each other"
    else:
        rows = numbers.astype(np.int64) << 16
        if viewpoints is not None:
            rows += viewpoints.fill_null(NO_VIEWPOINT).to_numpy()
            rows -= NO_VIEWPOINT
        rows = np.sort(rows, kind="stable")  # mostly sorted already, which takes no time
        wrong, fault = rows[1:][rows[1:] == rows[:-1]] >> 16, "twice"
    if len(wrong):
        name = assets.dictionary[int(wrong[0])].as_py()
        raise WorkspaceError(f"{folder.as_posix()} holds rows of '{name}' {fault}; remove the folder and embed again")


def _bounds(starts: NDArray[np.intp], rows: int) -> Iterator[int]:
    """Where batches begin and end, so that each has whole assets."""
    start = 0
    while start < rows:
        yield start
        following = np.searchsorted(starts, start + BATCH)
        start = int(starts[following]) if following < len(starts) else rows
    yield rows


def _centroids(batch: Batch) -> Centroids:
    """The normalised mean of each asset's views, and 1 minus the length of the mean."""
    first = batch.first
    counts = np.diff(first, append=len(batch.ids))
    means = np.empty((len(first), batch.singles.shape[1]), dtype=np.float32)
    for count in np.unique(counts):  # mostly one: summing equal numbers is much faster than np.add.reduceat
        own = counts == count
        rows = batch.singles if own.all() else batch.singles[(first[own, None] + np.arange(count)).ravel()]
        means[own] = rows.reshape(-1, count, rows.shape[1]).mean(axis=1)
    lengths = np.linalg.norm(means, axis=1)
    unit = np.where(lengths[:, None] > 0, means / np.maximum(lengths, 1e-12)[:, None], batch.singles[first])
    return Centroids(batch.names, unit.astype(np.float16), np.maximum(0, 1 - lengths))


def _expect_units(vectors: NDArray[np.float32], ids: Sequence[str], folder: Path) -> None:
    lengths = np.sqrt(np.einsum("ij,ij->i", vectors, vectors))
    wrong = np.flatnonzero(~(np.abs(lengths - 1) <= UNIT_TOLERANCE))
    if len(wrong):
        raise WorkspaceError(
            f"{folder.as_posix()} has vectors that are no unit vectors, first of '{ids[int(wrong[0])]}'; "
            "remove the folder and embed again"
        )
