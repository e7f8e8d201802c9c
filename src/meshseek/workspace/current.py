"""What each asset is now: the one place that joins it with its views and Chinese captions."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator
from dataclasses import replace

from meshseek.model import Asset, ViewSet
from meshseek.workspace.made_from import Captions, is_rendered_from, is_translated_from
from meshseek.workspace.skipped import skipped_fingerprints
from meshseek.workspace.tables import Viewpoints
from meshseek.workspace.workspace import PARTS, Part, Workspace


class CurrentAssets:
    """The assets of a workspace, each with the views and Chinese captions that were made from what it is now.

    Args:
        workspace: Holds what the stages made.
        limit: Only the first so many of each library.
        parts: What to read of each asset; views and captions are joined where they are among it.

    Raises:
        WorkspaceError: Nothing was imported yet, or a table is damaged.
    """

    def __init__(self, workspace: Workspace, limit: int | None = None, parts: Collection[Part] = tuple(PARTS)) -> None:
        self._workspace = workspace
        self._limit = limit
        self._unrendered: dict[str, str] = {}
        self._parts = {*parts, *(("model",) if "views" in parts else ())}
        self.outdated: Counter[tuple[str, str]] = Counter()
        """How many assets have something that was made from something else, by library and the stage that mends it;
        complete when the assets were gone through."""
        self.skipped: Counter[tuple[str, str]] = Counter()
        """Likewise those that the stage could not do as they are now."""

    def __iter__(self) -> Iterator[Asset]:
        self.outdated.clear()
        self.skipped.clear()
        self._unrendered = skipped_fingerprints(self._workspace.rendered_table().folder)
        rendered = self._rendered() if "views" in self._parts else {}
        chinese = self._chinese() if "captions" in self._parts else {}
        for asset in self._workspace.assets(self._limit, [part for part in PARTS if part in self._parts]):
            views = asset.views or self._current_views(asset, rendered.get(asset.asset_id))
            captions = self._current_chinese(asset, chinese.get(asset.asset_id))
            if views is asset.views and captions == asset.captions_chinese:  # of a million, most
                yield asset
            else:
                yield replace(asset, views=views, captions_chinese=captions)

    def _current_views(self, asset: Asset, views: ViewSet | None) -> ViewSet | None:
        if views is not None and is_rendered_from(views.fingerprint, asset):
            return views
        if is_rendered_from(self._unrendered.get(asset.asset_id, ""), asset):
            self.skipped[asset.library, "render"] += 1
        elif views is not None:
            self.outdated[asset.library, "render"] += 1
        return None

    def _current_chinese(self, asset: Asset, translated: tuple[str, Captions] | None) -> Captions:
        if translated is None:
            return asset.captions_chinese
        fingerprint, captions = translated
        if is_translated_from(fingerprint, asset):
            return captions
        self.outdated[asset.library, "translate"] += 1
        return asset.captions_chinese

    def _rendered(self) -> dict[str, ViewSet]:
        """The views that the render stage made, by asset id, whatever they were made from."""
        viewpoints = Viewpoints()
        columns = ["asset_id", "fingerprint", "folder", "viewpoint_ids"]  # an older Meshseek has rows without folder
        return {
            row["asset_id"]: ViewSet(
                folder=self._workspace.views / (row["folder"] or ""),
                viewpoint_ids=row["viewpoint_ids"],
                fingerprint=row["fingerprint"] if row["folder"] else "",
                root=self._workspace.views,
            )
            for table in self._workspace.rendered_table().tables(columns=columns)
            for row in viewpoints.rows_of(table)
        }

    def _chinese(self) -> dict[str, tuple[str, Captions]]:
        """Fingerprint and captions of what the translate stage made, by asset id."""
        columns = ["asset_id", "fingerprint", "captions"]
        return {
            asset_id: (fingerprint, tuple(captions))
            for table in self._workspace.chinese_captions_table().tables(columns=columns)
            for asset_id, fingerprint, captions in zip(*(table[name].to_pylist() for name in columns), strict=True)
        }
