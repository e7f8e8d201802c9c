"""The client: one method for each thing that a Meshseek can be asked."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from copy import copy
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final, Self, Unpack
from urllib.parse import quote

import httpx

from meshseek.client.answers import (
    Asset,
    AssetPage,
    Attribution,
    Collected,
    Facet,
    Facets,
    Health,
    SearchAnswer,
)
from meshseek.client.collected import MISSING_HEADER, missing_in
from meshseek.client.connection import MOST_BYTES, Connection
from meshseek.client.questions import (
    FORM_NAME,
    Likeness,
    Part,
    Picture,
    SearchOptions,
    Sort,
    Use,
    form,
    given,
    part_body,
    picture,
)
from meshseek.client.standing import Status
from meshseek.errors import InputError

MOST_FILE_BYTES: Final = 2_000_000_000
"""Of a model or a package of them, unless more is allowed."""


class Client:
    """A running Meshseek, as in ``meshseek serve``; safe to share between threads.

    Use it in a ``with`` block, or call :meth:`close`. Each method raises :class:`meshseek.errors.ApiError` where the
    service refuses, fails or does not answer, and :class:`meshseek.errors.InputError` where something is wrong with
    what it was given: a picture that cannot be read, a file that cannot be written, or if it was closed.

    Args:
        url: Where the service is.
        key: As ``meshseek keys add NAME`` shows it, where the service needs one; no variable is read for it.
        timeout: Seconds that the service may be silent.
        retries: How often it is asked again while it says that it is busy, after the time that it names. Nothing else
            is sent twice, except what only reads and whose connection broke.
        transport: How requests are sent, such as over a proxy of your own.

    Raises:
        InputError: The address or the key is none.
    """

    def __init__(
        self,
        url: str = "http://127.0.0.1:8000",
        key: str | None = None,
        *,
        timeout: float = 60.0,
        retries: int = 3,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        self.connection = Connection(url, key, seconds=timeout, retries=retries, transport=transport)
        """For what has no method here."""

    @property
    def url(self) -> str:
        """Where the service is, without a name and password."""
        return self.connection.url

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self.connection.close()

    def with_key(self, key: str) -> Self:
        """The same service over the same connections, asked with another key.

        Raises:
            InputError: The key is none.
        """
        other = copy(self)
        other.connection = self.connection.with_key(key)
        return other

    def health(self) -> Health:
        """Which algorithms answer; that none does yet is an answer too."""
        return self.connection.parsed(
            Health, self.connection.read("GET", "/health", also=HTTPStatus.SERVICE_UNAVAILABLE)
        )

    def search(
        self,
        text: str | None = None,
        *,
        image: Picture | None = None,
        like: str | None = None,
        parts: Sequence[Part] | None = None,
        **options: Unpack[SearchOptions],
    ) -> SearchAnswer:
        """Find assets by words, a picture, an asset, or all of them together.

        Args:
            text: In English or Chinese.
            image: Path of a picture, or what is in it.
            like: Id of an asset.
            parts: More parts of the query, each with a weight, as in ``{"text": "wooden", "weight": -1}``.
            options: As the API names them.
        """
        if parts is None and like is None and image is None and text is not None:
            return self.connection.asked(SearchAnswer, "POST", "/search/text", json={"query": text, **given(options)})
        if parts is None and like is None and text is None and image is not None:
            files = {"file": (FORM_NAME, picture(image))}
            return self.connection.asked(SearchAnswer, "POST", "/search/image", data=form(options), files=files)
        named: list[Part] = [{"text": text}] if text is not None else []
        named += [{"image": image}] if image is not None else []
        named += [{"asset_id": like}] if like is not None else []
        bodies = [part_body(part) for part in (*named, *(parts or ()))]
        if not bodies:
            raise InputError("there is nothing to search for; give text, image, like or parts")
        return self.connection.asked(SearchAnswer, "POST", "/search", json={"parts": bodies, **given(options)})

    def similar(
        self, asset_id: str, *, algorithm: str | None = None, target: Likeness | None = None, top_k: int | None = None
    ) -> SearchAnswer:
        """Find assets like one asset: by ``appearance``, or by the ``target`` that is named."""
        params = given({"algorithm": algorithm, "target": target, "top_k": top_k})
        return self.connection.asked(SearchAnswer, "GET", f"/assets/{quote(asset_id)}/similar", params=params)

    def asset(self, asset_id: str, *, algorithm: str | None = None) -> Asset:
        """All that is known of one asset."""
        params = given({"algorithm": algorithm})
        return self.connection.asked(Asset, "GET", f"/assets/{quote(asset_id)}", params=params)

    def assets(
        self,
        *,
        sort: Sort | None = None,
        limit: int = 50,
        algorithm: str | None = None,
        facets: Sequence[str] = (),
        filters: Mapping[str, Any] | None = None,
        **fields: Any,
    ) -> Iterator[AssetPage]:
        """The library, page by page; the next page is asked for when it is wanted.

        Args:
            sort: The order; with ``-`` before it, backwards.
            limit: Assets of a page, 1 to 200.
            algorithm: Whose published library.
            facets: Fields whose values are to be counted.
            filters: What must hold, by field, as in a search.
            fields: More of it: ``category="Chairs"``, ``faces={"max": 5000}``.
        """
        cursor: str | None = None
        wanted = {**(filters or {}), **fields}
        while True:
            page = self.page(cursor, sort=sort, limit=limit, algorithm=algorithm, facets=facets, filters=wanted)
            yield page
            cursor = page.cursor
            if cursor is None:
                return

    def page(
        self,
        cursor: str | None = None,
        *,
        sort: Sort | None = None,
        limit: int = 50,
        algorithm: str | None = None,
        facets: Sequence[str] = (),
        filters: Mapping[str, Any] | None = None,
    ) -> AssetPage:
        """One page of the library; :meth:`assets` gives one after the other.

        Args:
            cursor: Of the page before it; None for the first one.
            sort: As for :meth:`assets`, like what follows.
            limit: Assets of the page.
            algorithm: Whose published library.
            facets: Fields whose values are to be counted.
            filters: What must hold, by field.
        """
        asked = {
            "sort": sort,
            "limit": limit,
            "algorithm": algorithm,
            "facets": ",".join(facets) or None,
            "filters": json.dumps(filters) if filters else None,
            "cursor": cursor,
        }
        return self.connection.asked(AssetPage, "GET", "/assets", params=given(asked))

    def facets(self, field: str, *, algorithm: str | None = None) -> list[Facet]:
        """The values of a field such as ``category`` or ``tags``, most frequent first."""
        params = given({"algorithm": algorithm})
        return self.connection.asked(Facets, "GET", f"/facets/{quote(field, safe='')}", params=params).root

    def status(self) -> Status:
        """How the service and its library stand."""
        return self.connection.asked(Status, "GET", "/status")

    def attribution(self, asset_ids: Sequence[str], *, use: Use | Sequence[Use] | None = None) -> Attribution:
        """Whom to name for assets.

        Args:
            asset_ids: Of the assets.
            use: What is intended: what a licence does not allow is warned of.
        """
        body = {"asset_ids": list(asset_ids), **given({"use": use})}
        return self.connection.asked(Attribution, "POST", "/attribution", json=body)

    def collect(
        self,
        asset_ids: Sequence[str],
        path: str | os.PathLike[str],
        *,
        use: Use | Sequence[Use] | None = None,
        most: int = MOST_FILE_BYTES,
    ) -> Collected:
        """Write a zip of models with their attribution to a file, whole or not at all.

        What is missing, an id that no asset has among it, is told by what this returns, and does not keep the others
        from being collected; it is refused where none of the assets is there.

        Args:
            asset_ids: Of the assets.
            path: Of the zip.
            use: What is intended; the zip has the warnings.
            most: Bytes that it may have.
        """
        body = {"asset_ids": list(asset_ids), **given({"use": use})}
        file = Path(path)
        told = self.connection.save("POST", "/collect", file, most=most, json=body)
        if told.get(MISSING_HEADER, "0") == "0":
            return Collected(path=file)
        try:
            return Collected(path=file, missing=missing_in(file, asset_ids))
        except ValueError as error:
            raise self.connection.not_understood() from error

    def download(
        self,
        asset_id: str,
        path: str | os.PathLike[str],
        *,
        algorithm: str | None = None,
        most: int = MOST_FILE_BYTES,
    ) -> Path:
        """Write an asset's GLB to a file, whole or not at all; returns its path.

        Args:
            asset_id: Of the asset.
            path: Of the file.
            algorithm: Whose published version of it.
            most: Bytes that it may have.
        """
        params = given({"algorithm": algorithm})
        self.connection.save("GET", f"/assets/{quote(asset_id)}/model", Path(path), most=most, params=params)
        return Path(path)

    def read(self, address: str, *, most: int = MOST_BYTES) -> bytes:
        """What is at an address that an answer names, such as a ``thumbnail_url``.

        Args:
            address: As the API gave it.
            most: Bytes that it may have.
        """
        return self.connection.read("GET", address, most=most)
