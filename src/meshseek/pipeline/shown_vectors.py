"""Which vectors of each asset are published: those made from what it is now, of the views that were chosen."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import NamedTuple

from meshseek.model import Asset
from meshseek.pipeline.vector_files import VectorFiles, Wanted
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
        self.views: dict[str, ShownViews] = {}
        """Of each asset that was seen and has vectors of its views as they are now."""

    def seen(self, assets: Iterable[Asset]) -> Iterator[Asset]:
        """The same assets, without what their pictures are known by: it is not kept for a million of them."""
        for asset in assets:
            views = asset.views
            held = self._held.get(asset.asset_id)
            if views is not None and held is not None and is_current(held, views):
                self.views[asset.asset_id] = shown_views(held, views, self._count)
            yield replace(asset, views=replace(views, stamps=b"")) if views is not None and views.stamps else asset

    def of(self, asset: Asset) -> Sources:
        """The sources of an asset that was seen."""
        wanted = caption_sources(asset, self._basis)
        known = {source: made_from.get(asset.asset_id) for source, made_from in self._captions.items()}
        embedded = [source for source, made in wanted.items() if known.get(source) == made]
        is_outdated = any(known.get(source) not in {None, made} for source, made in wanted.items())
        if asset.views is not None:
            shown = self.views.get(asset.asset_id)
            wanted["appearance"] = shown.made_from if shown else asset.views.fingerprint
            embedded += ["appearance"] if shown else []
            is_outdated = is_outdated or (not shown and asset.asset_id in self._held)
        return Sources(wanted, embedded, is_outdated)


def wanted_captions(assets: Sequence[Asset], vectors: VectorFiles) -> Wanted:
    """What the caption vectors of assets must have been made from."""
    wanted: dict[Source, dict[str, str]] = {"caption_english": {}, "caption_chinese": {}}
    for asset in assets:
        for source, made_from in caption_sources(asset, vectors.basis).items():
            wanted[source][asset.asset_id] = made_from
    return wanted
