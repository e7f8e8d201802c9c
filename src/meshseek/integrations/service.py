"""A running Meshseek as other programs ask it: rows as JSON gives them, and the errors that they know."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import quote

import httpx
from pydantic import RootModel

from meshseek.client.connection import Connection
from meshseek.client.refusals import NOT_UNDERSTOOD, STATUS
from meshseek.errors import ApiError, InputError, NotFoundError, ServiceError

RETRIES: Final = 3


class _Row(RootModel[dict[str, Any]]):
    """An object of JSON."""


class MeshseekService:
    """The HTTP API at an address. Safe to share between threads.

    Args:
        url: As in ``http://127.0.0.1:8000``.
        transport: How requests are sent; for tests.
        key: As ``meshseek keys add`` shows it, where the service needs one.

    Raises:
        InputError: It is not the address of a service, or no key.
    """

    def __init__(self, url: str, transport: httpx.BaseTransport | None = None, *, key: str | None = None) -> None:
        self._connection = Connection(url, key, retries=RETRIES, transport=transport)
        self.url = self._connection.url

    def close(self) -> None:
        """Close the connections."""
        self._connection.close()

    def search(self, **fields: Any) -> list[dict[str, Any]]:
        """Results of a search by words.

        Raises:
            InputError: The search is not possible as it is asked for.
            ServiceError: Meshseek cannot be reached, or not now.
        """
        with _told():
            results = self._connection.asked(_Row, "POST", "/search/text", json=fields).root.get("results")
            if not isinstance(results, list) or not all(map(_is_result, results)):
                raise self._connection.not_understood()
        return results

    def asset(self, asset_id: str) -> dict[str, Any]:
        """All that is known of one asset.

        Raises:
            NotFoundError: There is no such asset.
            ServiceError: Meshseek cannot be reached, or not now.
        """
        with _told():
            return self._connection.asked(_Row, "GET", f"/assets/{quote(asset_id)}").root


@contextmanager
def _told() -> Iterator[None]:
    """What the client says, as who catches it expects it."""
    try:
        yield
    except ApiError as error:
        status = error.status or HTTPStatus.SERVICE_UNAVAILABLE
        is_ours = error.code not in {STATUS, NOT_UNDERSTOOD}
        if status == HTTPStatus.NOT_FOUND and is_ours:
            raise NotFoundError(str(error)) from error
        refused = HTTPStatus.BAD_REQUEST <= status < HTTPStatus.INTERNAL_SERVER_ERROR and is_ours
        raise (InputError if refused else ServiceError)(str(error)) from error


def _is_result(row: Any) -> bool:
    return isinstance(row, dict) and isinstance(row.get("asset_id"), str) and isinstance(row.get("score"), int | float)
