"""What the page asks of the API, and its answers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
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
    partial: bool = False
    """Whether a shard of the library did not answer."""
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
