"""What was collected: its assets, their licences, and a way to take them all away."""

from __future__ import annotations

import json
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from http import HTTPStatus
from typing import Any, Final, Self

from markupsafe import Markup

from meshseek.errors import ApiError, MeshseekError
from meshseek.interfaces.ui.address import State
from meshseek.interfaces.ui.answers import Attribution, Listed
from meshseek.interfaces.ui.asset_panel import view_url
from meshseek.interfaces.ui.client import ApiClient
from meshseek.interfaces.ui.pieces import piece
from meshseek.interfaces.ui.tiles_shown import Tiles
from meshseek.interfaces.ui.wording import Wording

MOST_TAKEN: Final = 200
LONGEST_ID: Final = 1_000
READERS: Final = 4
"""Assets that are asked for at a time."""
GONE: Final = frozenset({HTTPStatus.NOT_FOUND, HTTPStatus.UNPROCESSABLE_ENTITY})
"""There is no such asset, or none can have that id."""
USES: Final = ("", "commercial", "modification")


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """What a browser sends beside the address."""

    ids: tuple[str, ...] = ()
    """Of what was collected, where that is to be shown."""
    use: str = ""
    """What it is for."""
    anew: bool = False
    """Whether the last answer did not arrive, so that all is to be shown once more."""

    @classmethod
    def read(cls, text: Any) -> Self:
        """What is sent; nothing where it makes no sense."""
        try:
            told = json.loads(text)
            ids, use, anew = told["ids"], told["use"], told.get("anew") is True
        except (AttributeError, TypeError, ValueError, LookupError):
            return cls()
        if not isinstance(ids, list):
            return cls()
        good = [each for each in ids if isinstance(each, str) and 0 < len(each) <= LONGEST_ID]
        return cls(ids=tuple(dict.fromkeys(good))[:MOST_TAKEN], use=use if use in USES else "", anew=anew)


class Basket:
    """Shows what the browser keeps as collected.

    Args:
        client: The API.
        wording: What is written there.
        otherwise: The algorithm to ask where the address names none; None leaves the choice to the API.
    """

    def __init__(self, client: ApiClient, wording: Wording, otherwise: str | None = None) -> None:
        self._client = client
        self._wording = wording
        self._otherwise = otherwise

    def shown(self, state: State, given: Given) -> Markup:
        """The basket.

        Args:
            state: Of the page.
            given: What the browser sends.

        Raises:
            MeshseekError: The assets cannot be had now.
        """
        ids, use = given.ids, given.use
        asked = partial(self._asset, algorithm=state.algorithm or self._otherwise)
        with ThreadPoolExecutor(READERS) as threads:
            found = list(threads.map(asked, ids))
        assets = [each for each in found if each is not None]
        told = self._attribution([each.asset_id for each in assets], use) if assets else None
        wording = self._wording
        uses = [{"value": each, "label": wording(f"use.{each or 'any'}"), "chosen": each == use} for each in USES]
        return piece(
            "basket",
            wording,
            tiles=Tiles(state, wording).all(assets),
            missing=wording.count("basket.missing", len(ids) - len(assets)) if len(assets) < len(ids) else "",
            uses=uses,
            warnings=told.warnings if told else (),
            allowed=bool(use and told and not told.warnings),
            text=told.text if told else "",
        )

    def _asset(self, asset_id: str, algorithm: str | None) -> Listed | None:
        """An asset that was collected; None where it is gone meanwhile."""
        try:
            asset = self._client.asset(asset_id, algorithm)
        except MeshseekError as error:
            if isinstance(error.__cause__, ApiError) and error.__cause__.status in GONE:
                return None
            raise
        first = next(iter(asset.viewpoint_ids), None)
        return Listed(
            asset_id=asset.asset_id,
            caption_en=next(iter(asset.captions_en), None),
            caption_zh=next(iter(asset.captions_zh), None),
            viewpoint_id=first,
            thumbnail_url=view_url(asset, first),
            model_url=asset.model_url,
            attributes=asset.attributes,
        )

    def _attribution(self, asset_ids: Sequence[str], use: str) -> Attribution | None:
        try:
            return self._client.attribution(asset_ids, use or None)
        except MeshseekError:  # an API that is older than baskets: the assets are shown all the same
            return None
