"""A running Meshseek, asked over HTTP: bounded answers, and every failure as one line."""

from __future__ import annotations

import json
import time
from http import HTTPStatus
from typing import Any
from urllib.parse import quote, urlsplit

import httpx

from meshseek.access.keys import KEY
from meshseek.errors import InputError, MeshseekError, NotFoundError, ServiceError

TIMEOUT = httpx.Timeout(60, connect=5)
BUSY = frozenset({HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.TOO_MANY_REQUESTS})
MOST_BYTES = 64_000_000
"""Of one answer."""
ATTEMPTS, LONGEST_WAIT = 4, 10.0
"""A service that is busy says after how many seconds to come back; it is asked so often, and waited for at most so long
each time."""


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
        parts = urlsplit(url)
        if parts.scheme not in {"http", "https"} or not parts.netloc:
            raise InputError(f"'{url}' is not the address of a Meshseek; give one such as http://127.0.0.1:8000")
        if key is not None and KEY.fullmatch(key) is None:
            raise InputError("the key is none of Meshseek's; give one as 'meshseek keys add NAME' shows it")
        self.url = url.rstrip("/")
        headers = {} if key is None else {"Authorization": f"Bearer {key}"}
        self._http = httpx.Client(base_url=self.url, timeout=TIMEOUT, transport=transport, headers=headers)

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def search(self, **fields: Any) -> list[dict[str, Any]]:
        """Results of a search by words.

        Raises:
            InputError: The search is not possible as it is asked for.
            ServiceError: Meshseek cannot be reached, or not now.
        """
        results = self._asked("POST", "/search/text", json=fields).get("results")
        if not isinstance(results, list) or not all(map(_is_result, results)):
            raise self._strange()
        return results

    def asset(self, asset_id: str) -> dict[str, Any]:
        """All that is known of one asset.

        Raises:
            NotFoundError: There is no such asset.
            ServiceError: Meshseek cannot be reached, or not now.
        """
        return self._asked("GET", f"/assets/{quote(asset_id)}")

    def _asked(self, method: str, path: str, **content: Any) -> dict[str, Any]:
        for attempt in range(ATTEMPTS):
            status, headers, body = self._send(method, path, **content)
            if status not in BUSY or "retry-after" not in headers or attempt == ATTEMPTS - 1:
                break
            time.sleep(_wait(headers["retry-after"]))
        try:
            value = json.loads(body)
        except (ValueError, RecursionError) as error:
            raise self._strange() from error
        if not isinstance(value, dict):
            raise self._strange()
        if status != HTTPStatus.OK:
            raise self._refusal(status, value)
        return value

    def _send(self, method: str, path: str, **content: Any) -> tuple[int, httpx.Headers, bytes]:
        body = bytearray()
        try:
            with self._http.stream(method, path, **content) as answer:
                for chunk in answer.iter_bytes():
                    body += chunk
                    if len(body) > MOST_BYTES:
                        raise self._strange()
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise ServiceError(f"Meshseek at {self.url} does not answer; run 'meshseek serve' there") from error
        return answer.status_code, answer.headers, bytes(body)

    def _refusal(self, status: int, value: dict[str, Any]) -> MeshseekError:
        error = value.get("error")
        message = error.get("message") if isinstance(error, dict) else None
        if not isinstance(message, str):
            return self._strange()
        if status == HTTPStatus.NOT_FOUND:
            return NotFoundError(message)
        refused = HTTPStatus.BAD_REQUEST <= status < HTTPStatus.INTERNAL_SERVER_ERROR
        return (InputError if refused else ServiceError)(message)

    def _strange(self) -> ServiceError:
        return ServiceError(f"{self.url} does not answer as a Meshseek does; check the address, and update both sides")


def _is_result(row: Any) -> bool:
    return isinstance(row, dict) and isinstance(row.get("asset_id"), str) and isinstance(row.get("score"), int | float)


def _wait(asked: str) -> float:
    """Seconds; what is not a plain number of them waits a second."""
    return min(float(asked), LONGEST_WAIT) if asked.isascii() and asked.isdigit() else 1.0
