"""Answers of the API, in its own words. What has a default may be missing in those of an older API."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import AwareDatetime, BaseModel, Field, RootModel

LOADING = "loading"
READY = "ready"
USUAL = "lite"
"""The algorithm that the API takes where none is named."""


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
    """An asset as lists show it."""

    asset_id: str
    caption_en: str | None = None
    caption_zh: str | None = None
    viewpoint_id: int | None = None
    """Of the view that is shown, which in a search is the one that fits best."""
    thumbnail_url: str | None = None
    """Address below the API's; :meth:`meshseek.Client.read` takes it."""
    model_url: str | None = None
    """Likewise, of the GLB."""
    attributes: dict[str, Any] = {}
    """Such as ``category``, ``tags``, ``licence``, ``faces`` and ``size`` (in metres where its ``unit`` is ``m``)."""


class CatalogueAsset(Listed, frozen=True):
    """An asset of the library, not searched for."""

    added: AwareDatetime | None = None
    """When it was first imported."""


class Result(Listed, frozen=True):
    """One ranked asset."""

    score: float
    """Comparable within one answer only."""
    relevance: str | None = None
    """``strong``, ``fair`` or ``weak``."""
    basis: tuple[str, ...] = ()
    """What the match rests on most: ``caption``, ``appearance``, ``words``."""
    duplicates: tuple[str, ...] = ()
    """Assets that look the same, where they were collapsed into this one."""
    explanation: Explanation | None = None


class Took(BaseModel, frozen=True):
    """Milliseconds."""

    total: float


class Facet(BaseModel, frozen=True):
    """One value of a field, and how many assets have it."""

    value: str
    count: int


class Facets(RootModel[list[Facet]]):
    """The values of a field, most frequent first."""


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


class AnsweredPart(BaseModel, frozen=True):
    """A part of a combined query, as it was searched."""

    text: str | None = None
    image: bool = False
    """Whether it is a picture."""
    asset_id: str | None = None
    weight: float = 1.0
    language: str | None = None
    translated: str | None = None
    """The English words that were searched for Chinese ones."""


class SearchAnswer(Counted, frozen=True):
    """The answer to a search, or to a question for similar assets."""

    results: tuple[Result, ...]
    algorithm: str | list[str]
    target: str
    version: str | None = None
    query_type: str | None = None
    cross_modal: bool = False
    nothing_close: bool = False
    """Whether even the best result fits weakly."""
    hint: str | None = None
    """Where nothing is found because a filter names what no asset has: that, and what there is instead."""
    partial: bool = False
    """Whether a shard of the library did not answer."""
    translated_query: str | None = None
    parts: tuple[AnsweredPart, ...] = ()
    """Of a combined query."""
    algorithms: dict[str, str] = {}
    """Of a combined query: the version of each algorithm that was asked."""
    reranked_by: str | None = None
    note: str | None = None
    took_ms: Took | None = None


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


class AssetPage(Counted, frozen=True):
    """One page of the library."""

    assets: tuple[CatalogueAsset, ...]
    cursor: str | None = None
    """Asks for the next page; None on the last one."""
    total: int | None = None
    """Assets that pass the filters."""
    hint: str | None = None
    """Where none does because a filter names what no asset has: that, and what there is instead."""
    algorithm: str | None = None
    version: str | None = None
    partial: bool = False
    """Whether a shard of the library did not answer."""


class Credit(BaseModel, frozen=True):
    """Whom to name for one asset."""

    asset_id: str
    title: str = ""
    creator: str = ""
    """Empty where nobody is named."""
    licence: str = ""
    """As it is stated; empty where none is."""
    licence_url: str | None = None
    permits: tuple[str, ...] = ()
    demands: tuple[str, ...] = ()
    """``credit``: name the creator; ``notice``: keep the licence's text."""
    in_words: str = ""
    """What the licence permits and demands."""
    verdicts: dict[str, str] = {}
    """By each use that was asked for: ``allowed``, ``forbidden`` or ``unknown``."""
    source: str = ""
    line: str = ""
    """What to write where the asset is shown."""
    file: str = ""
    """Of its model in the zip."""
    missing: str | None = None
    """Why its model is not there."""


class Attribution(BaseModel, frozen=True):
    """Whom to name for which assets, and what their licences do not allow."""

    items: tuple[Credit, ...] = ()
    text: str
    """Markdown, to be kept beside the models."""
    warnings: tuple[str, ...] = ()
    """Licences that forbid a use or say nothing of it, and ids that no asset has; a sentence each."""


class Collected(BaseModel, frozen=True):
    """A zip that was written; whatever takes a path takes it, too."""

    path: Path
    missing: dict[str, str] = {}
    """By asset whose model is not in it: why. An id that no asset has is among them."""

    def __fspath__(self) -> str:
        return str(self.path)


class Health(BaseModel, frozen=True):
    """What each algorithm says of itself: ready, loading, or why it cannot answer."""

    algorithms: dict[str, str] = Field(default_factory=dict)

    @property
    def ready(self) -> list[str]:
        """Names of the algorithms that answer now."""
        return [name for name, state in self.algorithms.items() if state == READY]

    @property
    def otherwise(self) -> str | None:
        """The algorithm to name because the API's own choice does not answer; None where it does, or none does."""
        ready = self.ready
        return None if not ready or USUAL in ready else ready[0]

    @property
    def loading(self) -> bool:
        """Whether waiting may be enough."""
        return LOADING in self.algorithms.values()
