"""What is to be published of a workspace, kept so small that a million assets fit: of each a digest and a few figures.

The assets themselves are gone through twice, one after the other: first to know what they are, then to load them.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pyarrow as pa

from meshseek.errors import WorkspaceError
from meshseek.model import Asset
from meshseek.pipeline.bounds import long_id, within_bounds
from meshseek.pipeline.shown_vectors import ShownVectors, Sources
from meshseek.pipeline.vector_files import VectorFiles
from meshseek.pipeline.wanted import Wanted, WantedBuilder
from meshseek.store.write.labels import LabelBook
from meshseek.workspace.by_asset import ByAsset
from meshseek.workspace.current import CurrentAssets
from meshseek.workspace.tables import SOURCES
from meshseek.workspace.workspace import Workspace

if TYPE_CHECKING:
    from numpy.typing import NDArray

DIGEST_LENGTH = 16
DERIVED = 4
"""Of what is made from assets when they are published (labels, words): another number, and all is published anew."""


class Changes(NamedTuple):
    """How the live version becomes what is wanted."""

    new: NDArray[np.bool_]
    """Which rows of the state are to be loaded, some of them anew."""
    gone: Sequence[str]
    """Assets to take out before, among them those that are loaded anew."""


@dataclass(slots=True)
class LeftOut:
    """What no database can hold: an older Meshseek imported assets whole, however long."""

    count: int = 0
    example: tuple[str, str] = ("", "")
    """The id of the first such asset, and what is left out of it."""

    def add(self, asset_id: str, what: str) -> None:
        """Count one more."""
        self.count += 1
        if self.count == 1:
            self.example = (asset_id, what)


@dataclass(frozen=True, slots=True)
class LibraryState:
    """The assets of a workspace as they are to be published; what is said of each is found by its row."""

    rows: ByAsset[int]
    """The row of each asset, in the order of the workspace."""
    digests: NDArray[np.uint64]
    """Of each and its vectors, shape ``(assets,)``."""
    outdated: Mapping[str, int]
    """How many assets have something that was made from something else than they are, by the stage that mends it."""
    counts: Mapping[str, int]
    """How many assets have vectors of each source, and of any ``captions``; how many ``views`` these have at most."""
    left_out: LeftOut
    wanted: Wanted
    """The vectors that are published."""
    book: LabelBook
    """What they are filtered by, in the order of the rows."""

    @classmethod
    def read(cls, workspace: Workspace, vectors: VectorFiles, max_assets: int | None) -> LibraryState:
        """Read what the stages have written.

        Raises:
            WorkspaceError: Something is damaged.
        """
        current = CurrentAssets(workspace, max_assets)
        shown = ShownVectors(vectors)
        read = _Reading()
        for asset, part in _storable(current, workspace, read.left_out):
            read.add(asset, part, shown.of(asset))
        for (_, stage), count in current.outdated.items():
            read.outdated[stage] += count
        return read.state()

    def __len__(self) -> int:
        return len(self.digests)

    @property
    def has_chinese(self) -> bool:
        """Whether any asset has the vector of a Chinese caption."""
        return self.counts.get("caption_chinese", 0) > 0

    def sizes(self, vectors: VectorFiles) -> dict[str, int]:
        """How many assets and, at most, vectors will be stored, and how many of these will be in graphs or have codes.

        There is one graph a language, of all captions.
        """
        count = Counter(self.counts)
        views = min(count["views"], vectors.rows("appearance"))
        stored = sum(count[source] for source in SOURCES) + views  # an asset with views has a centroid
        graphs = (1 + self.has_chinese) * count["captions"] + count["appearance"]
        return {"assets": len(self), "vectors": stored, "views": views, "graph_vectors": graphs}

    def digest(self, row: int) -> str:
        """As it is published."""
        return f"{int(self.digests[row]):0{DIGEST_LENGTH}x}"

    def assets(
        self, workspace: Workspace, max_assets: int | None, only: NDArray[np.bool_] | None
    ) -> Iterator[tuple[Asset, str]]:
        """The assets themselves as they are published, each with its digest.

        Args:
            workspace: As it was read.
            max_assets: Likewise.
            only: Which rows; None for all.

        Raises:
            WorkspaceError: Some of them are no longer there, or something is damaged.
        """
        missing = len(self) if only is None else int(only.sum())
        for current in CurrentAssets(workspace, max_assets):
            row = self.rows.get(current.asset_id)
            if row is not None and (only is None or only[row]):
                missing -= 1
                asset = _as_published(current, workspace)
                yield within_bounds(asset)[0] if self.left_out.count else asset, self.digest(row)
        if missing:
            raise WorkspaceError(
                f"{missing:,} assets left {workspace.folder} while they were published; publish again when the other "
                "command has ended"
            )

    def changes(self, live: Iterable[Sequence[tuple[str, str]]], most: float) -> Changes | None:
        """What differs from the live version; None where the whole is rather published anew.

        Args:
            live: Ids and digests of its assets, in parts.
            most: Of more assets nothing is said.
        """
        new = np.ones(len(self), dtype=np.bool_)
        gone: list[str] = []
        left = 0
        for part in live:
            for asset_id, digest in part:
                row = self.rows.get(asset_id)
                if row is not None and self.digest(row) == digest:
                    new[row] = False
                else:
                    gone.append(asset_id)
                    left += row is None
            if len(gone) > most:
                return None
        return None if left + int(new.sum()) > most else Changes(new, gone)

    def is_published(self, live: Iterable[Sequence[tuple[str, str]]]) -> bool:
        """Whether a version has just these assets, given their ids and digests in parts."""
        count = 0
        for part in live:
            for asset_id, digest in part:
                row = self.rows.get(asset_id)
                if row is None or self.digest(row) != digest:
                    return False
            count += len(part)
        return count == len(self)


@dataclass(slots=True)
class _Reading:
    """A state while assets are gone through."""

    ids: list[pa.Array] = field(default_factory=list)
    names: list[str] = field(default_factory=list)
    """Ids that wait to become an array."""
    digests: bytearray = field(default_factory=bytearray)
    outdated: Counter[str] = field(default_factory=Counter)
    counts: Counter[str] = field(default_factory=Counter)
    left_out: LeftOut = field(default_factory=LeftOut)
    wanted: WantedBuilder = field(default_factory=WantedBuilder)
    book: LabelBook = field(default_factory=LabelBook)

    def add(self, asset: Asset, part: Asset, sources: Sources) -> None:
        """Note an asset, of which a part is loaded."""
        self.names.append(asset.asset_id)
        if len(self.names) == LOT:
            self._set_down()
        self.outdated["embed"] += sources.is_outdated
        self.counts.update(sources.embedded)
        self.counts["captions"] += bool({"caption_english", "caption_chinese"} & set(sources.embedded))
        views = sources.views
        self.counts["views"] += len(views.viewpoints or (0,)) if views else 0
        self.digests += _digest(asset, sources)
        self.wanted.add(sources.wanted, views)
        self.book.add(part.attributes)

    def state(self) -> LibraryState:
        """What was noted."""
        self._set_down()
        rows: ByAsset[int] = ByAsset(pa.chunked_array(self.ids, pa.string()), int)
        digests = np.frombuffer(self.digests, dtype=">u8")
        wanted = self.wanted.wanted(rows)
        return LibraryState(rows, digests, +self.outdated, self.counts, self.left_out, wanted, self.book)

    def _set_down(self) -> None:
        self.ids.append(pa.array(self.names, pa.string()))
        self.names.clear()


LOT = 16_384
"""Ids that are Python's strings at a time."""


def _storable(assets: Iterable[Asset], workspace: Workspace, left_out: LeftOut) -> Iterator[tuple[Asset, Asset]]:
    """Each asset whose id a database can hold, and what it can hold of it."""
    for found in assets:
        asset = _as_published(found, workspace)
        fault = long_id(asset.asset_id)
        if fault is not None:
            left_out.add(asset.asset_id, fault)
            continue
        part, missing = within_bounds(asset)
        if missing:
            left_out.add(asset.asset_id, f"without its {missing[0]}")
        yield asset, part


def _digest(asset: Asset, sources: Sources) -> bytes:
    """Changes whenever anything of an asset is to be published otherwise."""
    views = asset.views
    shown = (str(views.folder), views.viewpoint_ids, views.fingerprint) if views else None
    captions = (asset.captions_english, asset.captions_chinese)
    model = (asset.model, asset.model_fingerprint)
    text = json.dumps([DERIVED, captions, model, shown, asset.attributes, *sources[:2]], sort_keys=True)
    return hashlib.sha256(text.encode()).digest()[: DIGEST_LENGTH // 2]


def _as_published(asset: Asset, workspace: Workspace) -> Asset:
    """With its library among its attributes; views of ours are named relative to the workspace."""
    views = asset.views
    below = f"{workspace.folder}/"
    if views is not None and str(views.folder).startswith(below):  # ten times as fast as Path's own way
        views = replace(views, folder=Path(str(views.folder).removeprefix(below)))
    attributes = {**asset.attributes, "library": asset.library} if asset.library else asset.attributes
    return replace(asset, attributes=attributes, views=views)
