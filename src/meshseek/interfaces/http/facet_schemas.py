"""Facets as they go over the wire."""

from __future__ import annotations

from pydantic import BaseModel, Field

from meshseek.store.read.facets import MOST_VALUES


class Facet(BaseModel):
    """One value of an attribute."""

    value: str
    count: int


class NumberBucket(BaseModel):
    """Numbers near to each other; as a filter, its bounds let just these assets pass."""

    min: float
    max: float
    count: int


class NumberFacet(BaseModel):
    """How the numbers of a field are spread."""

    min: float | None = Field(description="The smallest; null where no asset has any")
    max: float | None
    buckets: list[NumberBucket] = Field(description="In ascending order, without empty ones")


class Faceted(BaseModel):
    """What an answer says of the fields that were asked for."""

    facets: dict[str, list[Facet] | NumberFacet] = Field(
        {},
        description=f"By field: values with their counts, the {MOST_VALUES} most frequent first; of numbers their "
        "spread. A field's own filter is left out where that field is counted, unless several parts or algorithms are "
        "asked",
    )
    counted: int | None = Field(None, description="Assets that were counted; null where no facets were asked for")
