"""An algorithm's vectors on disk, read back in batches as the database takes them."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

import numpy as np

from meshseek.errors import SpaceMismatchError, WorkspaceError
from meshseek.model import Space
from meshseek.store.loading import Captions, Centroids, Views
from meshseek.store.shards import ShardFolder
from meshseek.store.workspace import Source, Workspace

if TYPE_CHECKING:
    import pyarrow as pa
    from numpy.typing import NDArray

    Vectors = NDArray[np.float16]

Wanted = Mapping[Source, Mapping[str, str]]
"""What each asset's vectors must have been made from; vectors may be left of what it had once."""
Advance = Callable[[int], None]

UNIT_TOLERANCE = 0.01
BATCH = 4096


class CentroidSpool:
    """Centroids that wait in a file until the views, from which they come, are loaded."""

    def __init__(self, dim: int) -> None:
        self._dim = dim
        self._file = tempfile.TemporaryFile()  # noqa: SIM115  # closed at the end of the with block
        self._sizes: list[int] = []
        self._ids: list[str] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def add(self, batch: Centroids) -> None:
        """Keep a batch."""
        self._sizes.append(len(batch.ids))
        self._ids += batch.ids
        self._file.write(batch.centroids.tobytes() + batch.spreads.astype(np.float32).tobytes())

    def batches(self) -> Iterator[Centroids]:
        """Every batch, in order."""
        self._file.seek(0)
        start = 0
        for size in self._sizes:
            vectors = np.frombuffer(self._file.read(2 * self._dim * size), dtype=np.float16).reshape(size, self._dim)
            spreads = np.frombuffer(self._file.read(4 * size), dtype=np.float32)
            yield Centroids(self._ids[start : start + size], vectors, spreads)
            start += size


@dataclass(frozen=True, slots=True)
class VectorFiles:
    """All vectors of one algorithm on disk, of one space."""

    space: Space
    tables: Mapping[Source, ShardFolder]

    @classmethod
    def open(cls, workspace: Workspace, algorithm: str) -> VectorFiles:
        """Find an algorithm's vectors.

        Raises:
            WorkspaceError: There are none.
            SpaceMismatchError: Captions and views were embedded in different spaces.
        """
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
        return cls(next(iter(spaces.values())), tables)

    def rows(self, source: Source) -> int:
        """Number of rows of a source, replaced ones included."""
        return len(self.tables[source]) if source in self.tables else 0

    def made_from(self) -> dict[Source, dict[str, str]]:
        """What each asset's vectors were made from, by source."""
        return {source: table.fingerprints() for source, table in self.tables.items()}

    @property
    def sizes(self) -> dict[str, int]:
        """How many vectors will be stored at most, and how many of them in an index; a view's asset has a centroid."""
        captions = self.rows("caption_english") + self.rows("caption_chinese")
        assets = len(self.tables["appearance"].fingerprints()) if "appearance" in self.tables else 0
        return {"vectors": captions + self.rows("appearance") + assets, "graph_vectors": captions + assets}

    def captions(self, wanted: Wanted, advance: Advance) -> Iterator[Captions]:
        """Each asset's English and Chinese caption vectors; the Chinese ones wait in a file for their English ones."""
        with self._waiting(self.rows("caption_chinese")) as chinese:
            place: dict[str, int] = {}
            for ids, _, vectors in self._read("caption_chinese", wanted, advance):
                first = _starts(ids)
                filled = len(place)
                chinese[filled : filled + len(first)] = vectors[first]
                place.update((ids[row], filled + n) for n, row in enumerate(first))
            for ids, _, vectors in self._read("caption_english", wanted, advance):
                first = _starts(ids)
                names = [ids[row] for row in first]
                rows = np.array([place.pop(name, -1) for name in names], dtype=np.int64)
                yield Captions(names, vectors[first], np.ones(len(names), dtype=np.bool_), chinese[rows], rows >= 0)
            yield from self._chinese_alone(place, chinese)

    def _chinese_alone(self, place: Mapping[str, int], chinese: Vectors) -> Iterator[Captions]:
        names = list(place)
        for start in range(0, len(names), BATCH):
            own = names[start : start + BATCH]
            vectors = chinese[[place[name] for name in own]]
            there = np.ones(len(own), dtype=np.bool_)
            yield Captions(own, vectors, ~there, vectors, there)

    def views(self, wanted: Wanted, advance: Advance, spool: CentroidSpool) -> Iterator[Views]:
        """Each view's vector; the centroid and spread of each asset's views go to the spool."""
        for ids, viewpoints, vectors in self._read("appearance", wanted, advance):
            spool.add(_centroids(ids, vectors))
            numbers = np.array([viewpoint or 0 for viewpoint in viewpoints], dtype=np.int16)
            there = np.array([viewpoint is not None for viewpoint in viewpoints], dtype=np.bool_)
            yield Views(ids, numbers, there, vectors)

    @contextmanager
    def _waiting(self, rows: int) -> Iterator[Vectors]:
        """Room for vectors outside of memory."""
        with tempfile.TemporaryFile() as file:
            yield np.memmap(file, dtype=np.float16, mode="w+", shape=(max(1, rows), self.space.dim))

    def _read(
        self, source: Source, wanted: Wanted, advance: Advance
    ) -> Iterator[tuple[Sequence[str], Sequence[int | None], Vectors]]:
        """Shard by shard what is wanted: ids, viewpoint ids, and vectors of shape ``(rows, dim)``."""
        if source not in self.tables:
            return
        own, folder = wanted[source], self.tables[source].folder
        for table in self.tables[source].tables(own):
            ids = table["asset_id"].to_pylist()
            made_from = table["fingerprint"].to_pylist()
            keep = np.array([own.get(i) == made for i, made in zip(ids, made_from, strict=True)], dtype=np.bool_)
            vectors = _unit_vectors(table, self.space.dim, folder.as_posix())
            viewpoints = table["viewpoint_id"].to_pylist()
            rows = np.flatnonzero(keep)
            if len(rows):
                yield [ids[row] for row in rows], [viewpoints[row] for row in rows], vectors[rows]
            advance(len(ids))


def _starts(ids: Sequence[str]) -> list[int]:
    """The first row of each asset; rows about one asset stand together."""
    return [row for row, asset_id in enumerate(ids) if row == 0 or ids[row - 1] != asset_id]


def _centroids(ids: Sequence[str], vectors: Vectors) -> Centroids:
    """The normalised mean of each asset's views, and 1 minus the length of the mean."""
    first = _starts(ids)
    counts = np.diff([*first, len(ids)])
    means = np.add.reduceat(vectors.astype(np.float32), first, axis=0) / counts[:, None]
    lengths = np.linalg.norm(means, axis=1)
    unit = np.where(lengths[:, None] > 0, means / np.maximum(lengths, 1e-12)[:, None], vectors[first])
    return Centroids([ids[row] for row in first], unit.astype(np.float16), np.maximum(0, 1 - lengths))


def _unit_vectors(table: pa.Table, dim: int, folder: str) -> Vectors:
    values = table["vector"].combine_chunks().flatten().to_numpy(zero_copy_only=False)
    vectors: Vectors = np.asarray(values, dtype=np.float16).reshape(-1, dim)
    exact = vectors.astype(np.float32)
    lengths = np.sqrt(np.einsum("ij,ij->i", exact, exact))
    wrong = np.flatnonzero(~(np.abs(lengths - 1) <= UNIT_TOLERANCE))
    if len(wrong):
        asset_id = table["asset_id"][int(wrong[0])].as_py()
        raise WorkspaceError(
            f"{folder} has {len(wrong)} vectors that are no unit vectors, first of '{asset_id}'; "
            "remove the folder and embed again"
        )
    return vectors
