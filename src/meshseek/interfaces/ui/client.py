"""The API as the page sees it: typed answers, and every failure as one sentence for a person."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Mapping
from copy import copy
from dataclasses import dataclass, replace
from http import HTTPStatus
from pathlib import Path
from types import MappingProxyType
from typing import Any, Self, TypeVar
from urllib.parse import quote

import httpx
from pydantic import BaseModel, ValidationError

from meshseek.errors import InputError, MeshseekError, ServiceError, SettingsError
from meshseek.interfaces.ui.answers import Answer, Camera, Explanation, Facet, Facets, Health, Result, Search

TIMEOUT = httpx.Timeout(30, connect=3)
PASSING = {HTTPStatus.BAD_GATEWAY, HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.GATEWAY_TIMEOUT}
Model = TypeVar("Model", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class Address:
    """Where the API is, and what its address tells beside."""

    shown: str
    """Without a name and password; such are for whoever set the address, not for visitors and logs."""
    headers: Mapping[str, str]
    """What the name and password are sent as."""

    @classmethod
    def parse(cls, api_url: str) -> Self:
        """Take an address apart.

        Raises:
            SettingsError: It is none.
        """
        try:
            url = httpx.URL(api_url.strip().rstrip("/"))
        except httpx.InvalidURL as error:
            raise SettingsError("the API's address is not valid; give one as in http://127.0.0.1:8000") from error
        if not url.userinfo:
            return cls(str(url), MappingProxyType({}))
        credentials = base64.b64encode(f"{url.username}:{url.password}".encode()).decode()
        return cls(str(url.copy_with(userinfo=b"")), MappingProxyType({"Authorization": f"Basic {credentials}"}))


class ApiClient:
    """Talks to one API; safe to share between threads.

    Each method raises an error whose message is a sentence to show: InputError where the question is at fault,
    ServiceError where waiting may help, MeshseekError where it will not.

    Args:
        api_url: Where the API is, as in ``http://127.0.0.1:8000``; a name and password in it are sent, and never shown.
        transport: How requests are sent; for tests.
    """

    def __init__(self, api_url: str, transport: httpx.BaseTransport | None = None) -> None:
        address = Address.parse(api_url)
        self.api_url = address.shown
        self._http = httpx.Client(base_url=address.shown, timeout=TIMEOUT, transport=transport, trust_env=False)
        self._headers: Mapping[str, str] = address.headers
        self._on_refusal: Callable[[], object] | None = None

    def on_behalf_of(self, key: str, on_refusal: Callable[[], object]) -> Self:
        """The same API, asked with somebody's key.

        Args:
            key: Theirs; the name and password in the API's address are not sent beside it.
            on_refusal: Called when the key is no good any longer.
        """
        other = copy(self)
        vars(other).update(_headers={"Authorization": f"Bearer {key}"}, _on_refusal=on_refusal)
        return other

    def health(self) -> Health:
        """Ask which algorithms answer; one that none can answer yet is an answer too, not an error."""
        answer = self._send("GET", "/health")
        return _parsed(Health, answer, {HTTPStatus.OK, HTTPStatus.SERVICE_UNAVAILABLE})

    def targets(self) -> list[str]:
        """Names of the search modes, from the API's own description."""
        document = self._send("GET", "/openapi.json")
        try:
            field = document.json()["components"]["schemas"]["TextSearch"]["properties"]["target"]
            return [name for choice in field["anyOf"] for name in choice.get("enum", ())]
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise _not_understood() from error

    def categories(self, algorithm: str) -> list[Facet]:
        """The categories of the library, the largest first."""
        return _parsed(Facets, self._send("GET", "/facets/category", params={"algorithm": algorithm})).root

    def search(self, search: Search, offset: int = 0) -> Answer:
        """Find assets; results from ``offset`` on."""
        if search.picture is None:
            body = {"query": search.text, "filters": dict(search.filters), **search.fields(offset)}
            return _parsed(Answer, self._send("POST", "/search/text", json=body))
        form = {"filters": json.dumps(dict(search.filters)), **search.fields(offset)}
        try:
            with search.picture.open("rb") as file:
                answer = self._send("POST", "/search/image", data=form, files={"file": (search.picture.name, file)})
        except OSError as error:
            raise InputError("The picture is no longer here; please add it again.") from error
        return _parsed(Answer, answer)

    def similar(self, asset_id: str, search: Search) -> Answer:
        """Find assets like one asset."""
        return _parsed(Answer, self._send("GET", f"/assets/{quote(asset_id)}/similar", params=search.likeness))

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
        answer = self._send("GET", f"{path}/camera{mark}{question}")
        try:
            return Camera.model_validate_json(answer.content).root if answer.status_code == HTTPStatus.OK else None
        except ValidationError:
            return None

    def download(self, path: str, file: Path, limit: int) -> None:
        """Write what the API has at a path to a file.

        Args:
            path: As the API gave it.
            file: Where to; left unfinished where this raises.
            limit: The most bytes to take.
        """
        _checked_path(path)
        try:
            with self._http.stream("GET", path, headers=self._headers) as answer, file.open("wb") as target:
                if answer.status_code != HTTPStatus.OK:
                    answer.read()
                    self._note_refusal(answer)
                    _checked(answer)
                size = 0
                for chunk in answer.iter_bytes():
                    size += len(chunk)
                    if size > limit:
                        raise InputError(f"The file is larger than the {limit // 1_000_000} MB that this page shows.")
                    target.write(chunk)
        except httpx.HTTPError as error:
            raise self._unreachable(error) from error

    def _send(self, method: str, path: str, **content: Any) -> httpx.Response:
        _checked_path(path)
        try:
            answer = self._http.request(method, path, headers=self._headers, **content)
        except httpx.HTTPError as error:
            raise self._unreachable(error) from error
        self._note_refusal(answer)
        return answer

    def _note_refusal(self, answer: httpx.Response) -> None:
        if answer.status_code == HTTPStatus.UNAUTHORIZED and self._on_refusal is not None:
            self._on_refusal()

    def _unreachable(self, error: httpx.HTTPError) -> ServiceError:
        if isinstance(error, httpx.TimeoutException) and not isinstance(error, httpx.ConnectTimeout):
            return ServiceError("The search service takes too long to answer; please try again in a moment.")
        return ServiceError(f"The search service at {self.api_url} does not answer; it may still be starting.")


def sentence(message: str) -> str:
    """A message as a sentence."""
    text = message.strip() or "something went wrong"
    return f"{text[0].upper()}{text[1:]}{'' if text[-1] in '.!?。' else '.'}"


def _checked(answer: httpx.Response) -> httpx.Response:
    if answer.is_success:
        return answer
    kind = InputError if answer.is_client_error else ServiceError if answer.status_code in PASSING else MeshseekError
    try:
        message = str(answer.json()["error"]["message"])
    except (KeyError, TypeError, ValueError):
        message = f"the search service answered with HTTP {answer.status_code}; its log says why"
    raise kind(sentence(message))


def _checked_path(path: str) -> None:
    """Stay with the one API: a whole address in an answer would take the visitor's key elsewhere."""
    if not path.startswith("/") or path.startswith("//"):
        raise _not_understood()


def _parsed(kind: type[Model], answer: httpx.Response, good: set[HTTPStatus] | None = None) -> Model:
    if answer.status_code not in (good or ()):
        _checked(answer)
    try:
        return kind.model_validate_json(answer.content)
    except ValidationError as error:
        raise _not_understood() from error


def _not_understood() -> ServiceError:
    return ServiceError(
        "The search service gave an answer that this page does not understand; update both to the same version."
    )
