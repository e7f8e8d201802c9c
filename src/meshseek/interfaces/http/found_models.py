"""Where the models of a basket are, looked at before any of them is sent."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import anyio
import httpx
from starlette.concurrency import run_in_threadpool

from meshseek.bootstrap import Meshseek
from meshseek.collecting.local import NOT_HERE, size_of_model
from meshseek.errors import BasketError, NotFoundError, ServiceError
from meshseek.interfaces.http.upstream import AWAY, LOOKING, NOT_FETCHED, Upstream
from meshseek.model import PublishedAsset

NOT_THERE = "its model is neither in the workspace nor at MESHSEEK_BASE_URL, or it is too large"
log = logging.getLogger(__name__)


@dataclass(slots=True)
class FoundModels:
    """Where the models of a basket are, by asset, and which are missing."""

    root: Path
    """Of the workspace's models."""
    most_bytes: int
    here: dict[str, Path] = field(default_factory=dict)
    there: dict[str, str] = field(default_factory=dict)
    """Addresses."""
    sizes: dict[str, int] = field(default_factory=dict)
    """Bytes, of those that are known."""
    missing: dict[str, str] = field(default_factory=dict)
    """Why."""

    def look_here(self, assets: Mapping[str, PublishedAsset], upstream: Upstream) -> None:
        """Look for models in the workspace; those that are not there may be elsewhere."""
        for asset_id, asset in assets.items():
            if asset.model is None:
                continue
            size = size_of_model(self.root, asset.model)
            if size is not None:
                self.sizes[asset_id] = size
                self.here[asset_id] = self.root / asset.model
                continue
            try:
                self.there[asset_id] = upstream.address(asset.model)
            except NotFoundError:
                self.missing[asset_id] = NOT_HERE

    async def look_there(self, upstream: Upstream) -> None:
        """Ask after those that are elsewhere.

        Raises:
            ServiceError: The host does not answer as it should.
        """
        waiting, failures = list(self.there.items()), list[Exception]()

        async def look(client: httpx.AsyncClient) -> None:
            while waiting and not failures:
                asset_id, url = waiting.pop()
                try:
                    await self._look_for(asset_id, url, client, upstream)
                except (*AWAY, ServiceError) as error:
                    failures.append(error)

        async with upstream.client() as client, anyio.create_task_group() as tasks:
            for _ in range(min(LOOKING, len(waiting))):
                tasks.start_soon(look, client)
        if failures:
            error = failures[0]
            log.warning("models cannot be collected from MESHSEEK_BASE_URL: %s: %s", type(error).__name__, error)
            raise ServiceError(NOT_FETCHED) from error

    async def _look_for(self, asset_id: str, url: str, client: httpx.AsyncClient, upstream: Upstream) -> None:
        try:
            async with upstream.looking:
                size = await upstream.size(client, url)
            if size is not None:
                self.sizes[asset_id] = size
        except NotFoundError:
            self.missing[asset_id] = NOT_THERE
            del self.there[asset_id]

    def check_size(self) -> None:
        """See that the models are not too much.

        Raises:
            BasketError: They are.
        """
        size = sum(self.sizes.values())
        if size > self.most_bytes:
            raise BasketError(
                f"the models of the basket have {size / 1e6:,.0f} MB; MESHSEEK_COLLECT_MEGABYTES allows "
                f"{self.most_bytes // 1_000_000:,}: take fewer at a time"
            )


async def find_models(
    asset_ids: Sequence[str], assets: Mapping[str, PublishedAsset], meshseek: Meshseek, upstream: Upstream
) -> FoundModels:
    """Look where the models of assets are.

    Args:
        asset_ids: In the order of the basket.
        assets: Those of them that are there.
        meshseek: Whose workspace is looked at.
        upstream: Where the other models are.

    Raises:
        BasketError: They are too much for one zip.
        ServiceError: The host of models does not answer as it should.
    """
    found = FoundModels(meshseek.workspace.models, 1_000_000 * meshseek.settings.collect_megabytes)
    in_order = {asset_id: assets[asset_id] for asset_id in asset_ids if asset_id in assets}
    await run_in_threadpool(found.look_here, in_order, upstream)
    if found.there:
        await found.look_there(upstream)
    found.check_size()
    return found
