"""The API as the page sees it: the client's answers, and every failure as one sentence for a person."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from copy import copy
from dataclasses import replace
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final, Self

import httpx
from pydantic import ValidationError

from meshseek.client import Client
from meshseek.client.connection import Address
from meshseek.client.refusals import NOT_UNDERSTOOD, STATUS, TIMEOUT, TOO_LARGE, UNREACHABLE
from meshseek.errors import ApiError, InputError, MeshseekError, ServiceError
from meshseek.interfaces.ui.answers import Answer, Camera, Explanation, Facet, Health, Result, Search

__all__ = ["Address", "ApiClient", "sentence"]

SECONDS: Final = 30.0
PASSING = {HTTPStatus.BAD_GATEWAY, HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.GATEWAY_TIMEOUT}


class ApiClient:
    """Talks to one API; safe to share between threads.

    Each method raises an error whose message is a sentence to show: InputError where the question is at fault,
    ServiceError where waiting may help, MeshseekError where it will not.

    Args:
        api_url: Where the API is, as in ``http://127.0.0.1:8000``; a name and password in it are sent, and never shown.
        transport: How requests are sent; for tests.
    """

    def __init__(self, api_url: str, transport: httpx.BaseTransport | None = None) -> None:
        directly = transport or httpx.HTTPTransport(trust_env=False)  # not by a proxy that the environment names
        self._client = Client(api_url, timeout=SECONDS, retries=0, transport=directly)
        self.api_url = self._client.url
        self._on_refusal: Callable[[], object] | None = None

    def on_behalf_of(self, key: str, on_refusal: Callable[[], object]) -> Self:
        """The same API, asked with somebody's key.

        Args:
            key: Theirs; the name and password in the API's address are not sent beside it.
            on_refusal: Called when the key is no good any longer.
        """
        other = copy(self)
        vars(other).update(_client=self._client.with_key(key), _on_refusal=on_refusal)
        return other

    def health(self) -> Health:
        """Ask which algorithms answer; one that none can answer yet is an answer too, not an error."""
        with self._told():
            return self._client.health()

    def targets(self) -> list[str]:
        """Names of the search modes, from the API's own description."""
        with self._told():
            document = self._client.read("/openapi.json")
        try:
            field = json.loads(document)["components"]["schemas"]["TextSearch"]["properties"]["target"]
            return [name for choice in field["anyOf"] for name in choice.get("enum", ())]
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise _not_understood() from error

    def categories(self, algorithm: str) -> list[Facet]:
        """The categories of the library, the largest first."""
        with self._told():
            return self._client.facets("category", algorithm=algorithm)

    def search(self, search: Search, offset: int = 0) -> Answer:
        """Find assets; results from ``offset`` on."""
        fields = {"filters": dict(search.filters), **search.fields(offset)}
        with self._told():
            if search.picture is None:
                return self._client.search(search.text, **fields)
            try:
                picture = search.picture.read_bytes()
            except OSError as error:
                raise InputError("The picture is no longer here; please add it again.") from error
            return self._client.search(image=picture, **fields)

    def similar(self, asset_id: str, search: Search) -> Answer:
        """Find assets like one asset."""
        with self._told():
            return self._client.similar(asset_id, **search.likeness)

    def explanation(self, search: Search, rank: int, asset_id: str) -> Explanation | None:
        """What the score of a result rests on; None where another asset has come to stand there.

        Args:
            search: That found it.
            rank: Of the result, the first is 0.
            asset_id: Of the result.
        """
        answer = self.search(replace(search, explain=True, limit=1), rank)
        return next((result.explanation for result in answer.results if result.asset_id == asset_id), None)

    def camera(self, result: Result) -> Mapping[str, Any] | None:
        """The camera of the picture that is shown, in the G-Objaverse layout; None where the API does not tell."""
        if result.thumbnail_url is None:
            return None
        path, mark, question = result.thumbnail_url.partition("?")
        try:
            with self._told():
                return Camera.model_validate_json(self._client.read(f"{path}/camera{mark}{question}")).root
        except ValidationError:
            return None
        except MeshseekError as error:
            if isinstance(error.__cause__, ApiError) and error.__cause__.status is not None:
                return None
            raise

    def download(self, path: str, file: Path, limit: int) -> None:
        """Write what the API has at a path to a file.

        Args:
            path: As the API gave it.
            file: Where to; as it was where this raises.
            limit: The most bytes to take.
        """
        try:
            with self._told():
                self._client.connection.save("GET", path, file, most=limit)
        except _TooLargeError as error:
            raise InputError(f"The file is larger than the {limit // 1_000_000} MB that this page shows.") from error

    @contextmanager
    def _told(self) -> Iterator[None]:
        """Every failure of the client as a sentence."""
        try:
            yield
        except ApiError as error:
            if error.status == HTTPStatus.UNAUTHORIZED and self._on_refusal is not None:
                self._on_refusal()
            raise self._sentence(error) from error

    def _sentence(self, error: ApiError) -> MeshseekError:
        texts = {
            TIMEOUT: "The search service takes too long to answer; please try again in a moment.",
            UNREACHABLE: f"The search service at {self.api_url} does not answer; it may still be starting.",
        }
        if error.code in texts and error.status is None:
            return ServiceError(texts[error.code])
        if error.code == NOT_UNDERSTOOD:
            return _not_understood()
        if error.code == TOO_LARGE and error.status is None:
            return _TooLargeError(sentence(str(error)))
        status = error.status or HTTPStatus.INTERNAL_SERVER_ERROR
        message = f"the search service answered with HTTP {status}; its log says why"
        refused = HTTPStatus.BAD_REQUEST <= status < HTTPStatus.INTERNAL_SERVER_ERROR
        kind = InputError if refused else ServiceError if status in PASSING else MeshseekError
        return kind(sentence(message if error.code == STATUS else str(error)))


class _TooLargeError(InputError):
    """There is more than is taken."""


def sentence(message: str) -> str:
    """A message as a sentence."""
    text = message.strip() or "something went wrong"
    return f"{text[0].upper()}{text[1:]}{'' if text[-1] in '.!?。' else '.'}"


def _not_understood() -> ServiceError:
    return ServiceError(
        "The search service gave an answer that this page does not understand; update both to the same version."
    )
