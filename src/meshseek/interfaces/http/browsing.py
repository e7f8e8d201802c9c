"""The catalogue over HTTP: all assets of an algorithm, filtered and in an order, page by page."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Response
from fastapi import Query as Parameter
from pydantic import BaseModel, Field, Json

from meshseek.interfaces.filter_form import NAME, Filters, plain_filters
from meshseek.interfaces.http.access import key_scheme
from meshseek.interfaces.http.facet_schemas import Faceted
from meshseek.interfaces.http.results import ListedAsset
from meshseek.interfaces.http.routes import JSON, LOOKED_UP, Application, refused
from meshseek.interfaces.http.schemas import DEFAULT_ALGORITHM, AlgorithmName, Shared
from meshseek.interfaces.http.subjects import Subject
from meshseek.model import FILTER_FIELDS
from meshseek.search.browsing import MOST_LISTED, USUAL_LISTED, Browse, Shelf
from meshseek.search.cursors import LONGEST

Sort = Literal["name", "-name", "faces", "-faces", "size", "-size", "date", "-date"]

router = APIRouter(dependencies=[Depends(key_scheme)])


class AssetsAnswer(Faceted, Shared):
    """A page of the catalogue."""

    assets: list[ListedAsset]
    cursor: str | None = Field(description="To be given for the next page; null where this is the last")
    total: int = Field(description="Assets that pass the filters, on all pages")
    hint: str | None = Field(
        description="Where none does because a filter names what no asset has: that, and what there is instead"
    )
    algorithm: str
    version: str = Field(description="Names what was published when this was asked; another publication, another name")

    @classmethod
    def of(cls, shelf: Shelf, algorithm: str) -> AssetsAnswer:
        """From a page."""
        return cls(
            assets=[ListedAsset.of(listed, algorithm) for listed in shelf.assets],
            cursor=shelf.cursor,
            total=shelf.total,
            hint=shelf.hint,
            algorithm=algorithm,
            version=shelf.version,
            **(shelf.facets.as_plain() if shelf.facets else {}),
            **cls.said(shelf.shares),
        )


class AssetsAsked(BaseModel):
    """Which page is wanted."""

    algorithm: AlgorithmName = DEFAULT_ALGORITHM
    filters: Json[Filters] = {}
    sort: Sort = Field("name", description="By name, faces, longest side or first import; with a minus descending")
    limit: int = Field(USUAL_LISTED, ge=1, le=MOST_LISTED)
    cursor: str | None = Field(
        None, description="Of the page before; with the same sort and filters", max_length=LONGEST
    )
    facets: str = Field(
        "",
        description=f"Fields whose values are counted, separated by commas: {', '.join(FILTER_FIELDS)}",
        max_length=NAME,
    )

    def wanted(self) -> Browse:
        """As the service is asked."""
        return Browse(
            filters=plain_filters(self.filters),
            sort=self.sort,
            limit=self.limit,
            cursor=self.cursor,
            facets=self.facets.split(",") if self.facets else (),
        )


@router.get("/assets", response_model=AssetsAnswer, responses=refused(*LOOKED_UP), tags=[Subject.LIBRARY])
def assets(meshseek: Application, asked: Annotated[AssetsAsked, Parameter()]) -> Response:
    """All assets, filtered and sorted, page by page; assets that have nothing to be sorted by come last."""
    shelf = meshseek.search_service.algorithm(asked.algorithm).browse(asked.wanted())
    return Response(AssetsAnswer.of(shelf, asked.algorithm).model_dump_json(), media_type=JSON)
