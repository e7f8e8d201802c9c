"""The API as the page sees it: the client's answers, and every failure as one sentence for a person."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from copy import copy
from dataclasses import replace
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final, Self, TypeVar, cast

import httpx
from pydantic import ValidationError

from meshseek.client import Client, Use
from meshseek.client.connection import Address
from meshseek.client.refusals import NOT_UNDERSTOOD, STATUS, TIMEOUT, TOO_LARGE, UNREACHABLE
from meshseek.errors import ApiError, InputError, MeshseekError, ServiceError
from meshseek.interfaces.ui.answers import (
    Abilities,
    Answer,
    Asked,
    Asset,
    AssetPage,
    Attribution,
    Camera,
    Explanation,
    Facet,
    Health,
    Search,
    Status,
)

__all__ = ["GONE", "Address", "ApiClient", "coded", "sentence"]

SECONDS: Final = 30.0
PASSING: Final = {
    HTTPStatus.TOO_MANY_REQUESTS,
    HTTPStatus.BAD_GATEWAY,
    HTTPStatus.SERVICE_UNAVAILABLE,
    HTTPStatus.GATEWAY_TIMEOUT,
}
GONE: Final = "The picture is no longer here; please add it again."
Failure = TypeVar("Failure", bound=MeshseekError)


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

    def abilities(self) -> Abilities:
        """What can be asked, from the API's own description."""
        with self._told():
            document = self._client.read("/openapi.json")
        try:
            told = json.loads(document)
            fields = told["components"]["schemas"]["TextSearch"]["properties"]
            targets = tuple(name for choice in fields["target"]["anyOf"] for name in choice.get("enum", ()))
            return Abilities(paths=frozenset(told["paths"]), targets=targets, options=frozenset(fields))
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise _not_understood() from error

    def categories(self, algorithm: str) -> list[Facet]:
        """The categories of the library, the largest first."""
        with self._told():
            return self._client.facets("category", algorithm=algorithm)

    def search(self, search: Search, offset: int = 0) -> Answer:
        """Find assets; results from ``offset`` on."""
        only = search.only
        fields: dict[str, Any] = {"filters": dict(search.filters), **search.fields(offset)}
        with self._told():
            if only is None or only.asset_id:
                return self._client.search(parts=[_part(part, search.language) for part in search.parts], **fields)
            if only.picture is not None:
                return self._client.search(image=_content(only.picture), **fields)
            language: dict[str, Any] = {"query_type": search.language} if search.language else {}
            return self._client.search(only.text, **language, **fields)

    def similar(self, asset_id: str, search: Search) -> Answer:
        """Find assets like one asset, where the API cannot combine."""
        with self._told():
            return self._client.similar(asset_id, **search.likeness)

    def browse(self, cursor: str | None, **asked: Any) -> AssetPage:
        """A page of the library.

        Args:
            cursor: Of the page before it.
            asked: As :meth:`meshseek.Client.page` takes it.
        """
        with self._told():
            return self._client.page(cursor, **asked)

    def asset(self, asset_id: str, algorithm: str | None) -> Asset:
        """All that is known of one asset."""
        with self._told():
            return self._client.asset(asset_id, algorithm=algorithm)

    def status(self) -> Status:
        """How the service and its library stand."""
        with self._told():
            return self._client.status()

    def attribution(self, asset_ids: Sequence[str], use: str | None) -> Attribution:
        """Whom to name for some assets, and what their licences do not allow."""
        with self._told():
            return self._client.attribution(asset_ids, use=cast("Use | None", use))

    def collect(self, asset_ids: Sequence[str], use: str | None, file: Path, limit: int) -> None:
        """Write the models of some assets to a zip, with their attribution.

        Args:
            asset_ids: Of the assets.
            use: What they are for.
            file: Where to.
            limit: The most bytes to take.
        """
        try:
            with self._told():
                self._client.collect(asset_ids, file, use=cast("Use | None", use), most=limit)
        except _TooLargeError as error:
            text = f"These models are more than the {limit // 1_000_000} MB of one zip; take fewer at a time."
            raise coded(InputError(text), "zip_too_large") from error

    def explanation(self, search: Search, rank: int, asset_id: str) -> Explanation | None:
        """What the score of a result rests on; None where another asset has come to stand there.

        Args:
            search: That found it.
            rank: Of the result, the first is 0.
            asset_id: Of the result.
        """
        answer = self.search(replace(search, explain=True, limit=1), rank)
        return next((result.explanation for result in answer.results if result.asset_id == asset_id), None)

    def camera(self, view_url: str | None) -> Mapping[str, Any] | None:
        """The camera of a picture, in the G-Objaverse layout; None where the API does not tell."""
        if view_url is None:
            return None
        path, mark, question = view_url.partition("?")
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
            text = f"The file is larger than the {limit // 1_000_000} MB that this page shows."
            raise coded(InputError(text), "file_too_large") from error

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
            return coded(ServiceError(texts[error.code]), error.code)
        if error.code == NOT_UNDERSTOOD:
            return _not_understood()
        if error.code == TOO_LARGE and error.status is None:
            return _TooLargeError(sentence(str(error)))
        status = error.status or HTTPStatus.INTERNAL_SERVER_ERROR
        message = f"the search service answered with HTTP {status}; its log says why"
        refused = HTTPStatus.BAD_REQUEST <= status < HTTPStatus.INTERNAL_SERVER_ERROR
        kind = ServiceError if status in PASSING else InputError if refused else MeshseekError
        return coded(kind(sentence(message if error.code == STATUS else str(error))), error.code)


class _TooLargeError(InputError):
    """There is more than is taken."""


def coded(error: Failure, code: str) -> Failure:
    """An error with the API's word for it, by which the page has a sentence in each language."""
    vars(error)["code"] = code
    return error


def sentence(message: str) -> str:
    """A message as a sentence."""
    text = message.strip() or "something went wrong"
    return f"{text[0].upper()}{text[1:]}{'' if text[-1] in '.!?。' else '.'}"


def _part(part: Asked, language: str | None) -> Any:
    """A part as the client takes it."""
    weight = {"weight": part.weight}
    if part.picture is not None:
        return {"image": _content(part.picture), **weight}
    if part.asset_id:
        return {"asset_id": part.asset_id, **weight}
    return {"text": part.text, **weight, **({"query_type": language} if language else {})}


def _content(picture: Path) -> bytes:
    try:
        return picture.read_bytes()
    except OSError as error:
        raise coded(InputError(GONE), "picture_gone") from error


def _not_understood() -> ServiceError:
    text = "The search service gave an answer that this page does not understand; update both to the same version."
    return coded(ServiceError(text), "not_understood")
