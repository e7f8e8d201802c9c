"""Which vectors of each asset are published: those made from what it is now, of the views that were chosen."""

from __future__ import annotations

from typing import NamedTuple

from meshseek.model import Asset
from meshseek.pipeline.vector_files import VectorFiles
from meshseek.workspace.made_from import ShownViews, caption_sources, is_current, shown_views
from meshseek.workspace.tables import Source


class Sources(NamedTuple):
    """What an asset's vectors are made from."""

    wanted: dict[Source, str]
    """Of each source that it has anything for."""
    embedded: list[Source]
    """Those of which there are such vectors."""
    is_outdated: bool
    """Whether there are others."""
    views: ShownViews | None
    """Those of its views that are published; None where there are none of its views as they are now."""


class ShownVectors:
    """Looks at the vectors of an algorithm on disk.

    Args:
        vectors: Theirs.

    Raises:
        WorkspaceError: They are damaged.
    """

    def __init__(self, vectors: VectorFiles) -> None:
        self._captions = vectors.captions_made_from()
        self._held = vectors.held_views()
        self._count = vectors.count
        self._basis = vectors.basis

    def of(self, asset: Asset) -> Sources:
        """The sources of an asset."""
        wanted = caption_sources(asset, self._basis)
        known = {source: made_from.get(asset.asset_id) for source, made_from in self._captions.items()}
        embedded = [source for source, made in wanted.items() if known.get(source) == made]
        is_outdated = any(known.get(source) not in {None, made} for source, made in wanted.items())
        views, shown = asset.views, None
        if views is not None:
            held = self._held.get(asset.asset_id)
            if held is not None and is_current(held, views):
                shown = shown_views(held, views, self._count)
            wanted["appearance"] = shown.made_from if shown else views.fingerprint
            embedded += ["appearance"] if shown else []
            is_outdated = is_outdated or (not shown and held is not None)
        return Sources(wanted, embedded, is_outdated, shown)
