"""The API as the page sees it: typed answers, and every failure as one sentence for a person."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Mapping, Sequence
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
from meshseek.interfaces.ui.answers import (
    Abilities,
    Answer,
    Asset,
    AssetPage,
    Attribution,
    Camera,
    Explanation,
    Facet,
    Facets,
    Health,
    Search,
    Status,
)

TIMEOUT = httpx.Timeout(30, connect=3)
PASSING = {HTTPStatus.BAD_GATEWAY, HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.GATEWAY_TIMEOUT}
Model = TypeVar("Model", bound=BaseModel)
Failure = TypeVar("Failure", bound=MeshseekError)


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

    def abilities(self) -> Abilities:
        """What can be asked, from the API's own description."""
        document = self._send("GET", "/openapi.json")
        try:
            told = document.json()
            fields = told["components"]["schemas"]["TextSearch"]["properties"]
            targets = tuple(name for choice in fields["target"]["anyOf"] for name in choice.get("enum", ()))
            return Abilities(paths=frozenset(told["paths"]), targets=targets, options=frozenset(fields))
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise _not_understood() from error

    def categories(self, algorithm: str) -> list[Facet]:
        """The categories of the library, the largest first."""
        return _parsed(Facets, self._send("GET", "/facets/category", params={"algorithm": algorithm})).root

    def search(self, search: Search, offset: int = 0) -> Answer:
        """Find assets; results from ``offset`` on."""
        only = search.only
        if only is None or only.asset_id:
            return _parsed(Answer, self._send("POST", "/search", json=self._combined(search, offset)))
        if only.picture is None:
            language = {"query_type": search.language} if search.language else {}
            body = {"query": only.text, "filters": dict(search.filters), **language, **search.fields(offset)}
            return _parsed(Answer, self._send("POST", "/search/text", json=body))
        form = {"filters": json.dumps(dict(search.filters)), **search.fields(offset)}
        files = {"file": (only.picture.name, _content(only.picture))}
        return _parsed(Answer, self._send("POST", "/search/image", data=form, files=files))

    def similar(self, asset_id: str, search: Search) -> Answer:
        """Find assets like one asset, where the API cannot combine."""
        return _parsed(Answer, self._send("GET", f"/assets/{quote(asset_id)}/similar", params=search.likeness))

    def browse(self, asked: Mapping[str, Any]) -> AssetPage:
        """A page of the library.

        Args:
            asked: ``algorithm``, ``filters``, ``sort``, ``limit``, ``cursor`` and ``facets``, as far as they are chosen.
        """
        plain = {name: value for name, value in asked.items() if value}
        if "filters" in plain:
            plain["filters"] = json.dumps(plain["filters"])
        return _parsed(AssetPage, self._send("GET", "/assets", params=plain))

    def asset(self, asset_id: str, algorithm: str | None) -> Asset:
        """All that is known of one asset."""
        named = {"algorithm": algorithm} if algorithm else {}
        return _parsed(Asset, self._send("GET", f"/assets/{quote(asset_id)}", params=named))

    def status(self) -> Status:
        """How the service and its library stand."""
        return _parsed(Status, self._send("GET", "/status"))

    def attribution(self, asset_ids: Sequence[str], use: str | None) -> Attribution:
        """Whom to name for some assets, and what their licences do not allow."""
        return _parsed(Attribution, self._send("POST", "/attribution", json=_collected(asset_ids, use)))

    def collect(self, asset_ids: Sequence[str], use: str | None, file: Path, limit: int) -> None:
        """Write the models of some assets to a zip, with their attribution.

        Args:
            asset_ids: Of the assets.
            use: What they are for.
            file: Where to.
            limit: The most bytes to take.
        """
        self.download("/collect", file, limit, method="POST", json=_collected(asset_ids, use))

    def explanation(self, search: Search, rank: int, asset_id: str) -> Explanation | None:
        """What the score of a result rests on; None where another asset has come to stand there.

        Args:
            search: That found it.
            rank: Of the result, the first is 0.
            asset_id: Of the result.
        """
        answer = self.search(replace(search, explain=True, limit=1, facets=()), rank)
        return next((result.explanation for result in answer.results if result.asset_id == asset_id), None)

    def camera(self, view_url: str | None) -> Mapping[str, Any] | None:
        """The camera of a picture, in the G-Objaverse layout; None where the API does not tell."""
        if view_url is None:
            return None
        path, mark, question = view_url.partition("?")
        answer = self._send("GET", f"{path}/camera{mark}{question}")
        try:
            return Camera.model_validate_json(answer.content).root if answer.status_code == HTTPStatus.OK else None
        except ValidationError:
            return None

    def download(self, path: str, file: Path, limit: int, method: str = "GET", **content: Any) -> None:
        """Write what the API has at a path to a file.

        Args:
            path: As the API gave it.
            file: Where to; left unfinished where this raises.
            limit: The most bytes to take.
            method: Of HTTP.
            content: Of what is asked.
        """
        _checked_path(path)
        try:
            with self._http.stream(method, path, headers=self._headers, **content) as answer, file.open("wb") as target:
                if answer.status_code != HTTPStatus.OK:
                    answer.read()
                    self._note_refusal(answer)
                    _checked(answer)
                size = 0
                for chunk in answer.iter_bytes():
                    size += len(chunk)
                    if size > limit:
                        text = f"The file is larger than the {limit // 1_000_000} MB that this page shows."
                        raise coded(InputError(text), "file_too_large")
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

    @staticmethod
    def _combined(search: Search, offset: int) -> dict[str, Any]:
        """Several things that are searched together, as the API takes them."""
        parts: list[dict[str, Any]] = []
        for part in search.parts:
            what: dict[str, Any] = {"text": part.text} if part.text else {"asset_id": part.asset_id}
            if part.picture is not None:
                what = {"image": base64.b64encode(_content(part.picture)).decode()}
            elif part.text and search.language:
                what["query_type"] = search.language
            parts.append({**what, "weight": part.weight})
        return {"parts": parts, "filters": dict(search.filters), **search.fields(offset)}

    def _unreachable(self, error: httpx.HTTPError) -> ServiceError:
        if isinstance(error, httpx.TimeoutException) and not isinstance(error, httpx.ConnectTimeout):
            slow = ServiceError("The search service takes too long to answer; please try again in a moment.")
            return coded(slow, "timeout")
        silent = f"The search service at {self.api_url} does not answer; it may still be starting."
        return coded(ServiceError(silent), "unreachable")


def sentence(message: str) -> str:
    """A message as a sentence."""
    text = message.strip() or "something went wrong"
    return f"{text[0].upper()}{text[1:]}{'' if text[-1] in '.!?。' else '.'}"


def coded(error: Failure, code: str) -> Failure:
    """An error with the API's word for it, by which the page has a sentence in each language."""
    vars(error)["code"] = code
    return error


def _content(picture: Path) -> bytes:
    try:
        return picture.read_bytes()
    except OSError as error:
        raise coded(InputError("The picture is no longer here; please add it again."), "picture_gone") from error


def _collected(asset_ids: Sequence[str], use: str | None) -> dict[str, Any]:
    return {"asset_ids": list(asset_ids), "use": use or None}


def _checked(answer: httpx.Response) -> httpx.Response:
    if answer.is_success:
        return answer
    kind = InputError if answer.is_client_error else ServiceError if answer.status_code in PASSING else MeshseekError
    try:
        told = answer.json()["error"]
        code, message = str(told["code"]), str(told["message"])
    except (KeyError, TypeError, ValueError):
        code = f"status_{answer.status_code}"
        message = f"the search service answered with HTTP {answer.status_code}; its log says why"
    raise coded(kind(sentence(message)), code)


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
    text = "The search service gave an answer that this page does not understand; update both to the same version."
    return coded(ServiceError(text), "not_understood")
