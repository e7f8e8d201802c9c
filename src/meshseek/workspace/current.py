"""What each asset is now: the one place that joins it with its views and Chinese captions."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace

import pyarrow as pa

from meshseek.model import Asset, ViewSet
from meshseek.workspace.by_asset import ByAsset, Texts, flat, latest_rows
from meshseek.workspace.made_from import Captions, is_rendered_from, is_translated_from
from meshseek.workspace.skipped import skipped_fingerprints
from meshseek.workspace.tables import CHINESE_CAPTIONS, RENDERED, Viewpoints
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
        rendered: Mapping[str, ViewSet] = self._rendered() if "views" in self._parts else {}
        chinese: Mapping[str, tuple[str, Captions]] = self._chinese() if "captions" in self._parts else {}
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

    def _rendered(self) -> Mapping[str, ViewSet]:
        """The views that the render stage made, by asset id, whatever they were made from."""
        schema = pa.schema([RENDERED.field(name) for name in ("asset_id", "fingerprint", "folder", "viewpoint_ids")])
        rows = latest_rows(self._workspace.rendered_table().tables(columns=schema.names), schema)
        fingerprints, folders = Texts(rows["fingerprint"]), Texts(rows["folder"])
        ends, column = flat(rows["viewpoint_ids"])
        numbers, viewpoints = column.to_numpy(), Viewpoints()

        def view_set(row: int) -> ViewSet:
            folder = folders.at(row)  # an older Meshseek has rows without
            return ViewSet(
                folder=self._workspace.views / folder,
                viewpoint_ids=viewpoints.of(numbers[ends[row] : ends[row + 1]]),
                fingerprint=fingerprints.at(row) if folder else "",
                root=self._workspace.views,
            )

        return ByAsset(rows["asset_id"], view_set)

    def _chinese(self) -> Mapping[str, tuple[str, Captions]]:
        """Fingerprint and captions of what the translate stage made, by asset id."""
        rows = latest_rows(self._workspace.chinese_captions_table().tables(), CHINESE_CAPTIONS)
        ends, column = flat(rows["captions"])
        fingerprints, captions = Texts(rows["fingerprint"]), Texts(column)

        def translated(row: int) -> tuple[str, Captions]:
            return fingerprints.at(row), tuple(map(captions.at, range(ends[row], ends[row + 1])))

        return ByAsset(rows["asset_id"], translated)
