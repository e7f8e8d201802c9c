"""What goes over the wire."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import UploadFile
from pydantic import BaseModel, ConfigDict, Field, Json

from meshseek.embedders import EMBEDDERS
from meshseek.images import MAX_IMAGE_BYTES
from meshseek.interfaces.filter_form import FIELDS, NAME, FieldName, Filters, plain_filters
from meshseek.interfaces.http.facet_schemas import Faceted
from meshseek.interfaces.http.results import Result, model_url, view_url
from meshseek.model import PublishedAsset, Relevance
from meshseek.rerankers import RERANKERS
from meshseek.search.answer import Answer
from meshseek.search.explaining import EXPLAINED
from meshseek.search.modes import MAX_DEPTH, MODES
from meshseek.search.query import MAX_TEXT, MAX_TOP_K
from meshseek.search.sizes import Size
from meshseek.store.read.library import Shares
from meshseek.store.read.published import QueryType as AnsweredQueryType

DEFAULT_ALGORITHM = "lite"
FIELD_BYTES = 100_000
"""More than all fields of a search together; a picture comes on top."""

AlgorithmName = Annotated[
    str,
    Field(description="Embedding algorithm", max_length=NAME, json_schema_extra={"enum": [*EMBEDDERS.names]}),
]
RerankerName = Annotated[
    str,
    Field(
        description="Lets a model look at the first results again; off by default, and `openai_vlm` costs money",
        max_length=NAME,
        json_schema_extra={"enum": [*RERANKERS.names]},
    ),
]
TargetName = Annotated[
    str,
    Field(description="What to compare with", max_length=NAME, json_schema_extra={"enum": [*MODES.names]}),
]
QueryType = Literal["auto", "english", "chinese"]


class SearchOptions(BaseModel):
    """What text and image searches have in common; a field has the name that it has in a query."""

    model_config = ConfigDict(extra="forbid")

    algorithm: AlgorithmName = DEFAULT_ALGORITHM
    cross_modal: bool | None = Field(
        None,
        description="true: compare a text with views, an image with captions; false: each with its own kind; "
        "left out: a text with both and with words, an image with views",
    )
    target: TargetName | None = Field(None, description="Wins over cross_modal")
    top_k: int = Field(10, description=f"1 to {MAX_TOP_K}", json_schema_extra={"minimum": 1, "maximum": MAX_TOP_K})
    offset: int = Field(
        0,
        description=f"First result of the page; pages reach to result {MAX_DEPTH}",
        json_schema_extra={"minimum": 0, "maximum": MAX_DEPTH - 1},
    )
    others_only: bool = Field(default=False, description="Leave out the assets that parts name by `asset_id`")
    filters: Filters = {}
    exact: bool = Field(default=False, description="Compare with everything instead of asking the index")
    collapsed: bool = Field(default=False, description="Assets that look the same count as one result")
    diverse: bool | None = Field(None, description="Neighbours differ; left out: for words, unless exact")
    min_relevance: Relevance | None = Field(
        None, description="Results of a page that fit less are left out of it: it may be shorter than top_k, or empty"
    )
    size: Annotated[str, Field(max_length=NAME)] | None = Field(
        None,
        description="Prefer assets of about this width x depth x height, in cm unless another unit is named: 60x60x90, "
        "0.6x0.6x0.9m, or ?x60x90; a text may name it too, as in `chair size~60x60x90`",
    )
    explain: bool = Field(default=False, description=f"Tell what scores rest on; for {EXPLAINED} hits, on which texts")
    rerank: RerankerName | None = None
    facets: Annotated[list[FieldName], Field(max_length=FIELDS)] = Field(
        [], description="Fields whose values are counted among the first results that fit"
    )

    def options(self) -> dict[str, Any]:
        """The common fields as a query takes them."""
        options = {name: getattr(self, name) for name in SearchOptions.model_fields if name != "algorithm"}
        return {
            **options,
            "filters": plain_filters(self.filters),
            "size": None if self.size is None else Size.parse(self.size),
        }


class TextSearch(SearchOptions):
    """A search by words."""

    model_config = ConfigDict(
        extra="forbid",
        strict=True,
        json_schema_extra={
            "examples": [
                {"query": "wooden chair", "top_k": 5},
                {"query": "沙发", "query_type": "auto", "filters": {"category": "Living room"}},
                {"query": "table lamp", "cross_modal": True},
                {
                    "query": "tree",
                    "filters": {"permits": "commercial", "faces": {"max": 5000}, "tags": {"not": "bush"}},
                },
            ]
        },
    )

    query: str = Field(
        description=f"English or Chinese, at most {MAX_TEXT} characters",
        max_length=FIELD_BYTES,
        json_schema_extra={"minLength": 1, "maxLength": MAX_TEXT},
    )
    query_type: QueryType = "auto"


class ImageSearch(SearchOptions):
    """A search by a picture, sent as a form."""

    file: UploadFile = Field(description=f"A picture of at most {MAX_IMAGE_BYTES // 1_000_000} MB")
    filters: Json[Filters] = {}


class Took(BaseModel):
    """Milliseconds."""

    embed: float
    search: float
    total: float


class Shared(BaseModel):
    """What an answer comes from, where a library lies on several shards."""

    partial: bool = Field(description="A shard did not answer, so better results may be missing")
    shards: int = Field(description="Shards of the library; 1 where it is whole in one place")
    shards_answered: int

    @staticmethod
    def said(shares: Shares) -> dict[str, Any]:
        """The fields' values."""
        return {"partial": shares.is_partial, "shards": shares.all, "shards_answered": shares.asked}


class SearchAnswer(Faceted, Shared):
    """The answer to a search."""

    results: list[Result]
    nothing_close: bool = Field(description="Even the best fits weakly: there is probably nothing like this here")
    algorithm: str
    version: str = Field(description="Names what was published when this was asked; another publication, another name")
    query_type: AnsweredQueryType
    cross_modal: bool
    target: str
    translated_query: str | None = Field(description="The English words that were searched for a Chinese query, if any")
    reranked_by: str | None = Field(description="What put the first results in order; null if nothing did")
    hint: str | None = Field(
        description="Where nothing is found because a filter names what no asset has: that, and what there is instead"
    )
    note: str | None = Field(description="Of a reranking that was asked for: why it was not done, or what it took")
    took_ms: Took

    @classmethod
    def of(cls, answer: Answer) -> SearchAnswer:
        """From the service's answer."""
        return cls(
            results=[Result.of(hit, answer.algorithm, explained=answer.explained) for hit in answer.hits],
            nothing_close=answer.nothing_close,
            algorithm=answer.algorithm,
            version=answer.version,
            query_type=answer.query_type,
            cross_modal=answer.cross_modal,
            target=answer.target,
            translated_query=answer.translated_query,
            reranked_by=answer.reranked_by,
            hint=answer.hint,
            note=answer.general_note,
            **cls.said(answer.shares),
            **(answer.facets.as_plain() if answer.facets else {}),
            took_ms=Took(
                embed=round(answer.embed_ms, 2), search=round(answer.search_ms, 2), total=round(answer.total_ms, 2)
            ),
        )


class SimilarAnswer(Shared):
    """Assets like one asset."""

    results: list[Result]
    algorithm: str
    target: str


class AssetAnswer(BaseModel):
    """All that is known of one asset."""

    asset_id: str
    captions_en: list[str]
    captions_zh: list[str]
    viewpoint_ids: list[int]
    view_urls: list[str]
    model_url: str | None
    attributes: dict[str, Any]

    @classmethod
    def of(cls, asset: PublishedAsset, algorithm: str | None) -> AssetAnswer:
        """From an asset, and the algorithm that was asked for it."""
        return cls(
            asset_id=asset.asset_id,
            captions_en=list(asset.captions_english),
            captions_zh=list(asset.captions_chinese),
            viewpoint_ids=list(asset.viewpoint_ids),
            view_urls=[view_url(asset.asset_id, id_, algorithm, asset.version) for id_ in asset.viewpoint_ids],
            model_url=None if asset.model is None else model_url(asset.asset_id, algorithm, asset.version),
            attributes=dict(asset.attributes),
        )


class Health(BaseModel):
    """Whether queries can be answered."""

    status: Literal["ready", "unavailable"]
    algorithms: dict[str, str] = Field(description="By algorithm: ready, loading, or why it cannot answer")


class ErrorBody(BaseModel):
    """What went wrong, and how to fix it."""

    code: str
    message: str
    request_id: str | None = Field(description="By which the server's log knows the request; also in `X-Request-ID`")


class ErrorAnswer(BaseModel):
    """Every error has this form."""

    error: ErrorBody
