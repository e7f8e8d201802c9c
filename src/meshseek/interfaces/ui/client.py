"""The API as the page sees it: typed answers, and every failure as one sentence for a person."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from http import HTTPStatus
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeVar
from urllib.parse import quote

import httpx
from pydantic import BaseModel, Field, RootModel, ValidationError

from meshseek.errors import InputError, MeshseekError, ServiceError

TIMEOUT = httpx.Timeout(30, connect=3)
PASSING = {HTTPStatus.BAD_GATEWAY, HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.GATEWAY_TIMEOUT}
LOADING = "loading"
READY = "ready"

Model = TypeVar("Model", bound=BaseModel)


class TextShare(BaseModel, frozen=True):
    """One of the texts of a caption, and its part of the likeness."""

    text: str
    gave: float


class Explanation(BaseModel, frozen=True):
    """What a score rests on."""

    parts: dict[str, float] = {}
    """Figures by name; names that are not known here are as good."""
    texts: tuple[TextShare, ...] = ()
    """The largest share first."""


class Result(BaseModel, frozen=True):
    """One ranked asset. What has a default may be missing in the answers of an older API."""

    asset_id: str
    score: float
    relevance: str | None = None
    """``strong``, ``fair`` or ``weak``."""
    explanation: Explanation | None = None
    caption_en: str | None = None
    caption_zh: str | None = None
    viewpoint_id: int | None = None
    thumbnail_url: str | None = None
    model_url: str | None = None
    attributes: dict[str, Any] = {}


class Took(BaseModel, frozen=True):
    """Milliseconds."""

    total: float


class Answer(BaseModel, frozen=True):
    """The answer to a search, or to a question for similar assets."""

    results: tuple[Result, ...]
    algorithm: str
    target: str
    query_type: str | None = None
    cross_modal: bool = False
    nothing_close: bool = False
    """Whether even the best result fits weakly."""
    translated_query: str | None = None
    reranked_by: str | None = None
    note: str | None = None
    took_ms: Took | None = None


class Facet(BaseModel, frozen=True):
    """One value of an attribute, and how many assets have it."""

    value: str
    count: int


class Facets(RootModel[list[Facet]]):
    """The values of an attribute."""


class Camera(RootModel[dict[str, Any]]):
    """Where a picture was taken from, in the G-Objaverse layout."""


class Health(BaseModel, frozen=True):
    """What each algorithm says of itself: ready, loading, or why it cannot answer."""

    algorithms: dict[str, str] = Field(default_factory=dict)

    @property
    def ready(self) -> list[str]:
        """Names of the algorithms that answer now."""
        return [name for name, state in self.algorithms.items() if state == READY]

    @property
    def loading(self) -> bool:
        """Whether waiting may be enough."""
        return LOADING in self.algorithms.values()


@dataclass(frozen=True, slots=True, kw_only=True)
class Search:
    """What is asked for: words, or the file of a picture."""

    algorithm: str | None = None
    """None leaves the choice to the API, as it does for the target."""
    text: str = ""
    picture: Path | None = None
    target: str | None = None
    """Name of a search mode."""
    cross_modal: bool = False
    """Compare words with views, a picture with captions; else the API chooses, unless a target is named."""
    varied: bool = True
    """Neighbours differ where the API thinks that it suits; else nowhere."""
    explain: bool = False
    category: str | None = None
    limit: int = 12

    def fields(self, offset: int) -> dict[str, Any]:
        """The fields that both kinds of search have in common; what was not chosen is left to the API."""
        crossing = {"cross_modal": True} if self.cross_modal else {}
        plain = {} if self.varied else {"diverse": False}
        explained = {"explain": True} if self.explain else {}
        return {**self.likeness, "offset": offset, **crossing, **plain, **explained}

    @property
    def likeness(self) -> dict[str, Any]:
        """The fields that a question for similar assets has as well."""
        chosen = {"target": self.target} if self.target else {}
        named = {"algorithm": self.algorithm} if self.algorithm else {}
        return {"top_k": self.limit, **named, **chosen}

    @property
    def filters(self) -> Mapping[str, str]:
        """Attribute values that must hold."""
        return MappingProxyType({"category": self.category} if self.category else {})


class ApiClient:
    """Talks to one API; safe to share between threads.

    Each method raises an error whose message is a sentence to show: InputError where the question is at fault,
    ServiceError where waiting may help, MeshseekError where it will not.

    Args:
        api_url: Where the API is, as in ``http://127.0.0.1:8000``.
        transport: How requests are sent; for tests.
    """

    def __init__(self, api_url: str, transport: httpx.BaseTransport | None = None) -> None:
        self.api_url = api_url.rstrip("/")
        self._http = httpx.Client(base_url=self.api_url, timeout=TIMEOUT, transport=transport, trust_env=False)

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
        try:
            with self._http.stream("GET", path) as answer, file.open("wb") as target:
                if answer.status_code != HTTPStatus.OK:
                    answer.read()
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
        try:
            return self._http.request(method, path, **content)
        except httpx.HTTPError as error:
            raise self._unreachable(error) from error

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
