"""The folder that holds the stages' outputs: where each of them is, and which assets it has now."""

from __future__ import annotations

import shutil
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from itertools import islice
from pathlib import Path
from typing import Any, Literal

import pyarrow as pa
import pyarrow.compute as pc

from meshseek.errors import SpaceMismatchError, WorkspaceError
from meshseek.files import disk_error, locked
from meshseek.model import Asset, CaptionBasis, Language, Space, ViewCount
from meshseek.workspace.compaction import compact
from meshseek.workspace.format import stamp
from meshseek.workspace.libraries import Libraries
from meshseek.workspace.manifest import MANIFEST, is_missing, read_manifest
from meshseek.workspace.remembered import Remembered
from meshseek.workspace.shards import ShardFolder
from meshseek.workspace.tables import (
    ASSETS,
    CHINESE_CAPTIONS,
    RENDERED,
    SOURCE_OF,
    SOURCES,
    Source,
    Viewpoints,
    asset_from_row,
    vector_schema,
)

Part = Literal["captions", "model", "views", "attributes"]
PARTS: dict[Part, tuple[str, ...]] = {
    "captions": ("captions_english", "captions_chinese"),
    "model": ("model", "model_fingerprint", "model_bytes"),
    "views": ("view_folder", "viewpoint_ids", "view_fingerprint", "view_stamps"),
    "attributes": ("attributes", "added"),
}
"""Columns of what can be read of assets, each by itself, as a million of them take a while."""


class Workspace:
    """One workspace folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.models = folder / "models"
        self.views = folder / "views"
        self.codes = folder / "cache" / "codes"
        self.libraries = Libraries(folder / "libraries")
        self.remembered = Remembered(folder / "remembered")

    @property
    def is_there(self) -> bool:
        """Whether the folder is a workspace, and not just any folder or none."""
        return any((self.folder / part).is_dir() for part in ("assets", "libraries", "database"))

    def assets_table(self) -> ShardFolder:
        """The imported assets."""
        return ShardFolder(self.folder / "assets", ASSETS)

    def rendered_table(self) -> ShardFolder:
        """Which assets were rendered."""
        return ShardFolder(self.folder / "rendered", RENDERED)

    def chinese_captions_table(self) -> ShardFolder:
        """Chinese captions, from the dataset or translated."""
        return ShardFolder(self.folder / "captions_zh", CHINESE_CAPTIONS)

    def other_vectors(self, algorithm: str, space: Space) -> list[ShardFolder]:
        """The tables of an algorithm whose vectors cannot be compared with those of a space."""
        tables = [self.vectors_table(algorithm, source) for source in self.embedded_sources(algorithm)]
        return [table for table in tables if Space(**table.header["space"]) != space]

    def drop_other_vectors(self, algorithm: str, space: Space, languages: Collection[Language]) -> None:
        """Delete the vectors of an algorithm that are of another space; what is published keeps its own.

        An empty table of the space stays of each source that will be embedded: if nothing comes after this, it is
        still known which model the algorithm has, and that its vectors are missing.

        Args:
            algorithm: Name of the algorithm.
            space: Of the vectors that will be written.
            languages: Of the captions that will be embedded.

        Raises:
            WorkspaceError: They cannot be deleted, or are being made.
        """
        folder = self.folder / "vectors" / algorithm
        wanted = {"appearance", *(SOURCE_OF[language] for language in languages)}
        with self.lock(f"embed-{algorithm}"):
            try:
                shutil.rmtree(folder / "world", ignore_errors=True)
                for table in self.other_vectors(algorithm, space):
                    if table.folder.name in wanted:
                        table.header["space"] = asdict(space)
                        table.keep_shards([])
                        compact(table, ())
                    else:
                        shutil.rmtree(table.folder)
            except OSError as error:
                raise disk_error(error, folder) from error

    def vectors_table(
        self, algorithm: str, source: Source, space: Space | None = None, basis: CaptionBasis | None = None
    ) -> ShardFolder:
        """Vectors of one algorithm and source.

        Args:
            algorithm: Name of the algorithm.
            source: What was embedded.
            space: The space of the vectors that will be written; None to read whatever is there.
            basis: What caption vectors that will be written are made from.

        Raises:
            SpaceMismatchError: The vectors on disk are of another space.
            WorkspaceError: There are no vectors to read.
        """
        folder = self.folder / "vectors" / algorithm / source
        manifest = read_manifest(folder)
        kept = None if manifest is None else Space(**manifest["header"]["space"])
        space = space or kept
        if space is None:
            raise WorkspaceError(f"{folder} holds no vectors; run 'meshseek embed --algorithm {algorithm}' first")
        if kept not in (None, space):
            raise SpaceMismatchError(
                f"{folder} holds vectors of {kept}, the embedder gives {space}; "
                "embed with that model, or remove the folder to embed all again"
            )
        table = ShardFolder(folder, vector_schema(space.dim), {"space": asdict(space), "source": source})
        if basis is not None:
            table.header["basis"] = basis
        return table

    def caption_basis(self, algorithm: str) -> CaptionBasis:
        """What the caption vectors of an algorithm on disk are made from; it is told without loading the model.

        Raises:
            WorkspaceError: A manifest is damaged.
        """
        for source in SOURCE_OF.values():
            manifest = read_manifest(self.folder / "vectors" / algorithm / source)
            if manifest is not None:
                basis: CaptionBasis = manifest["header"].get("basis", "own_language")  # an older Meshseek knew no other
                return basis
        return "own_language"

    def view_count(self, algorithm: str) -> ViewCount | None:
        """How many views of each asset an algorithm last embedded, chosen or not; None where an older Meshseek did.

        Raises:
            WorkspaceError: What is remembered is damaged.
        """
        count: ViewCount | None = self.remembered.get("embed", algorithm).get("views")
        return count

    def chosen_views(self, algorithm: str) -> ViewCount | None:
        """How many views of each asset somebody chose; None where nobody did: a model has a usual number of its own.

        Raises:
            WorkspaceError: What is remembered is damaged.
        """
        kept = self.remembered.get("embed", algorithm)
        chosen: ViewCount | None = kept.get("chosen", kept.get("views"))
        return chosen

    def views_together(self, algorithm: str) -> int | None:
        """How many views at most its model made one vector of then; None where it does not, or that is not known.

        Raises:
            WorkspaceError: What is remembered is damaged.
        """
        most: int | None = self.remembered.get("embed", algorithm).get("together")
        return most

    def embedded_sources(self, algorithm: str) -> tuple[Source, ...]:
        """The sources that hold vectors of an algorithm."""
        folder = self.folder / "vectors" / algorithm
        return tuple(source for source in SOURCES if read_manifest(folder / source) is not None)

    def lost_vectors(self, algorithm: str) -> list[Path]:
        """The manifests that are missing though there are vectors of an algorithm."""
        folder = self.folder / "vectors" / algorithm
        return [folder / source / MANIFEST for source in SOURCES if is_missing(folder / source)]

    def algorithms(self) -> tuple[str, ...]:
        """The algorithms that have vectors, sorted."""
        return tuple(sorted(path.name for path in (self.folder / "vectors").glob("*") if path.is_dir()))

    def assets(self, limit: int | None = None, parts: Collection[Part] = tuple(PARTS)) -> Iterator[Asset]:
        """The assets as their libraries were last listed, at most the first ``limit`` of each library.

        What is listed but not imported as it is now is left out, and so is what was imported once and left its library.

        Args:
            limit: How many of each library.
            parts: What to read of each asset beside its id and fingerprint.

        Raises:
            WorkspaceError: Nothing was ever imported, or an asset is there twice.
        """
        table = self.assets_table()
        if not len(table) and not self.libraries.are_known:
            raise WorkspaceError(f"{self.folder} holds no assets; run 'meshseek import DATASET PATH' first")
        columns = ["asset_id", "fingerprint", *(column for part in parts for column in PARTS[part])]
        if self.libraries.are_known:
            listed = self.libraries.current(limit)
            roots = {library.name: Path(library.path) for library in self.libraries.all() if library.path is not None}
            for row in self._rows(table, columns):
                *states, library = listed.get(row["asset_id"], ("",))
                if row["fingerprint"] in states:
                    yield asset_from_row(row, library, roots.get(library))
        else:
            yield from (asset_from_row(row) for row in islice(self._rows(table, columns), limit))

    def asset_tables(self, columns: Sequence[str]) -> Iterator[pa.Table]:
        """Columns of the assets that :meth:`assets` gives or that are to be imported anew, a shard at a time.

        Raises:
            WorkspaceError: A table is damaged.
        """
        parts = self.assets_table().tables(columns=columns)
        if not self.libraries.are_known:
            yield from parts
            return
        listed = self.libraries.listed()
        for part in parts:
            yield part.filter(pc.is_in(part["asset_id"], listed))

    def asset_count(self) -> int:
        """How many assets there are, of which any state was imported; replaced rows do not count.

        Raises:
            WorkspaceError: A table is damaged.
        """
        return sum(len(part) for part in self.asset_tables(["asset_id"]))

    def _rows(self, table: ShardFolder, columns: list[str]) -> Iterator[dict[str, Any]]:
        viewpoints = Viewpoints()
        for part in table.tables(columns=columns):
            seen: set[str] = set()  # of this shard: what another one has as well was replaced
            for row in viewpoints.rows_of(part):
                if row["asset_id"] in seen:
                    raise WorkspaceError(
                        f"{table.folder} holds '{row['asset_id']}' twice; remove the folder and import again"
                    )
                seen.add(row["asset_id"])
                yield row

    def view_root(self, folder: Path, library: object) -> Path:
        """Where the views in a folder must really lie: in the workspace, or in the library that they came with.

        Args:
            folder: Holds the views of an asset, below the workspace or absolute.
            library: Name of the asset's library, as far as it is known.
        """
        views = self.folder / folder
        if views.is_relative_to(self.views):
            return self.views
        return (self.libraries.path_of(library) if isinstance(library, str) else None) or views

    @contextmanager
    def lock(self, stage: str) -> Iterator[None]:
        """Keep other processes out of a stage; the workspace says from now on that this code writes it.

        Raises:
            WorkspaceError: Another process runs the same stage here, or the folder cannot be written, or a newer
                Meshseek wrote it.
        """
        busy = WorkspaceError(f"another process runs '{stage}' in {self.folder}; wait until it ends")
        with locked(self.folder / f".{stage}.lock", busy):
            try:
                stamp(self.folder)
            except OSError as error:
                raise disk_error(error, self.folder) from error
            yield
