"""What the page asks of the API, and its answers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import BaseModel, Field, RootModel

LOADING = "loading"
READY = "ready"


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


class Listed(BaseModel, frozen=True):
    """An asset as lists show it. What has a default may be missing in the answers of an older API."""

    asset_id: str
    caption_en: str | None = None
    caption_zh: str | None = None
    viewpoint_id: int | None = None
    thumbnail_url: str | None = None
    model_url: str | None = None
    attributes: dict[str, Any] = {}


class Result(Listed, frozen=True):
    """One ranked asset."""

    score: float
    relevance: str | None = None
    """``strong``, ``fair`` or ``weak``."""
    duplicates: tuple[str, ...] = ()
    """Assets that look the same, where they were collapsed into this one."""
    explanation: Explanation | None = None


class Took(BaseModel, frozen=True):
    """Milliseconds."""

    total: float


class Facet(BaseModel, frozen=True):
    """One value of an attribute, and how many assets have it."""

    value: str
    count: int


class Bucket(BaseModel, frozen=True):
    """How many assets have a number within bounds."""

    min: float
    max: float
    count: int


class Spread(BaseModel, frozen=True):
    """How the numbers of a field are spread; no bounds where no asset has any."""

    min: float | None = None
    max: float | None = None
    buckets: tuple[Bucket, ...] = ()


class Counted(BaseModel, frozen=True):
    """What has facets."""

    facets: dict[str, tuple[Facet, ...] | Spread] = {}
    """By field that was asked for: its values, or how its numbers are spread."""
    counted: int | None = None
    """How many assets were counted for that."""


class Answer(Counted, frozen=True):
    """The answer to a search, or to a question for similar assets."""

    results: tuple[Result, ...]
    algorithm: str | list[str]
    target: str
    query_type: str | None = None
    cross_modal: bool = False
    nothing_close: bool = False
    """Whether even the best result fits weakly."""
    partial: bool = False
    """Whether a shard of the library did not answer."""
    translated_query: str | None = None
    reranked_by: str | None = None
    note: str | None = None
    took_ms: Took | None = None


class AssetPage(Counted, frozen=True):
    """One page of the library."""

    assets: tuple[Listed, ...]
    cursor: str | None = None
    """Asks for the next page; None on the last one."""
    total: int | None = None
    """Assets that pass the filters."""


class Asset(BaseModel, frozen=True):
    """All that is known of one asset."""

    asset_id: str
    captions_en: tuple[str, ...] = ()
    captions_zh: tuple[str, ...] = ()
    viewpoint_ids: tuple[int, ...] = ()
    view_urls: tuple[str, ...] = ()
    """One for each of ``viewpoint_ids``."""
    model_url: str | None = None
    attributes: dict[str, Any] = {}


class Attribution(BaseModel, frozen=True):
    """Whom to name for which assets, and what their licences do not allow."""

    items: tuple[dict[str, Any], ...] = ()
    text: str
    """Markdown, to be kept beside the models."""
    warnings: tuple[str, ...] = ()


class Status(RootModel[dict[str, Any]]):
    """How the service and its library stand."""


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
class Abilities:
    """What the API can be asked, by its own description."""

    paths: frozenset[str] = frozenset()
    targets: tuple[str, ...] = ()
    """Names of the search modes."""
    options: frozenset[str] = frozenset()
    """Fields of a search by words."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """One of the things that are searched together: words, the file of a picture, or an asset."""

    text: str = ""
    picture: Path | None = None
    asset_id: str = ""
    weight: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Search:
    """What is asked for."""

    parts: tuple[Asked, ...] = ()
    algorithm: str | None = None
    """None leaves the choice to the API, as it does for the target and the language."""
    target: str | None = None
    """Name of a search mode."""
    language: str | None = None
    """Of the words."""
    cross_modal: bool = False
    """Compare words with views, a picture with captions; else the API chooses, unless a target is named."""
    varied: bool = True
    """Neighbours differ where the API thinks that it suits; else nowhere."""
    explain: bool = False
    facets: tuple[str, ...] = ()
    """Fields whose values are counted."""
    filters: Mapping[str, Any] = field(default_factory=dict)
    """What must hold, as the API takes it."""
    limit: int = 24

    @property
    def only(self) -> Asked | None:
        """The one part, where it is searched as it is."""
        return self.parts[0] if len(self.parts) == 1 and self.parts[0].weight == 1 else None

    def fields(self, offset: int) -> dict[str, Any]:
        """The fields that all kinds of search have in common; what was not chosen is left to the API."""
        crossing = {"cross_modal": True} if self.cross_modal else {}
        plain = {} if self.varied else {"diverse": False}
        explained = {"explain": True} if self.explain else {}
        counted = {"facets": list(self.facets)} if self.facets and not offset else {}
        return {**self.likeness, "offset": offset, **crossing, **plain, **explained, **counted}

    @property
    def likeness(self) -> dict[str, Any]:
        """The fields that a question for similar assets has as well."""
        chosen = {"target": self.target} if self.target else {}
        named = {"algorithm": self.algorithm} if self.algorithm else {}
        return {"top_k": self.limit, **named, **chosen}
