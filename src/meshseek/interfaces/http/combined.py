"""Combined searches: several texts, pictures and assets with weights, by one algorithm or by several."""

from __future__ import annotations

import base64
import binascii
from contextlib import nullcontext
from typing import Annotated

from fastapi import APIRouter, Depends, Response
from pydantic import BaseModel, ConfigDict, Field

from meshseek.errors import ImageError
from meshseek.images import MAX_IMAGE_BYTES, read_image
from meshseek.interfaces.http.access import key_scheme
from meshseek.interfaces.http.routes import JSON, PICTURES, SEARCHED, Application, Asking, is_free
from meshseek.interfaces.http.schemas import (
    DEFAULT_ALGORITHM,
    FIELD_BYTES,
    AlgorithmName,
    QueryType,
    SearchAnswer,
    SearchOptions,
)
from meshseek.interfaces.http.subjects import Subject
from meshseek.model import Language
from meshseek.search.answer import Answer
from meshseek.search.asking import AnsweredPart
from meshseek.search.parts import MAX_PARTS, MAX_PICTURES, MAX_WEIGHT, QueryPart, expect_few
from meshseek.search.query import MAX_TEXT, Query
from meshseek.search.service import MAX_ALGORITHMS

COMBINED_BYTES = 2 * MAX_IMAGE_BYTES + FIELD_BYTES
"""Base64 makes four bytes of three: a picture of the largest size goes in, or several smaller ones."""
PICTURE = (
    f"A picture in base64, or as a data URI; at most {MAX_IMAGE_BYTES // 1_000_000} MB, and the whole request at most "
    f"{COMBINED_BYTES // 1_000_000} MB"
)

router = APIRouter(dependencies=[Depends(key_scheme)])


class Part(BaseModel):
    """One thing that is wanted, or not: one of `text`, `image` and `asset_id`."""

    model_config = ConfigDict(extra="forbid", strict=True)

    text: str | None = Field(
        None, description=f"English or Chinese, at most {MAX_TEXT} characters", max_length=FIELD_BYTES
    )
    image: str | None = Field(None, description=PICTURE)
    asset_id: str | None = Field(None, description="What is like this asset", max_length=MAX_TEXT)
    weight: float = Field(
        1.0,
        description="How much it counts beside the others; below 0 it is not wanted, and with 0 it is not there",
        json_schema_extra={"minimum": -MAX_WEIGHT, "maximum": MAX_WEIGHT},
    )
    query_type: QueryType = "auto"

    def asked(self, place: int) -> QueryPart:
        """The part as a query takes it.

        Raises:
            QueryError: It is not one thing, or its weight is out of bounds.
            ImageError: The picture cannot be read.
        """
        return QueryPart(
            text=self.text,
            image=None if self.image is None else read_image(_bytes(self.image, place)),
            asset_id=self.asset_id,
            weight=self.weight,
            language=None if self.query_type == "auto" else self.query_type,
        )


class CombinedSearch(SearchOptions):
    """A search by several things together."""

    model_config = ConfigDict(
        extra="forbid",
        strict=True,
        json_schema_extra={
            "examples": [
                {"parts": [{"text": "chair"}, {"text": "wooden", "weight": -0.5}], "top_k": 5},
                {"parts": [{"asset_id": "KatorLegaz/office-chair"}, {"text": "for children", "weight": 0.5}]},
            ]
        },
    )

    algorithm: AlgorithmName | Annotated[list[AlgorithmName], Field(max_length=100)] = Field(  # type: ignore[assignment]
        DEFAULT_ALGORITHM,
        description=f"Embedding algorithm, or up to {MAX_ALGORITHMS} of them whose scores are joined",
    )
    parts: list[Part] = Field(
        description=f"1 to {MAX_PARTS}, of which at most {MAX_PICTURES} pictures",
        max_length=1_000,
        json_schema_extra={"minItems": 1, "maxItems": MAX_PARTS},
    )

    @property
    def algorithms(self) -> list[str]:
        """Names of the algorithms."""
        return [self.algorithm] if isinstance(self.algorithm, str) else self.algorithm


class PartAnswer(BaseModel):
    """A part of the query, as it was searched."""

    text: str | None
    image: bool = Field(description="Whether it is a picture")
    asset_id: str | None
    weight: float
    language: Language | None = Field(description="Of the text, told by its script unless it was named")
    translated: str | None = Field(description="The English words that were searched for Chinese ones, if any")

    @classmethod
    def of(cls, part: AnsweredPart) -> PartAnswer:
        """From the service's answer."""
        return cls(
            text=part.text,
            image=part.text is None and part.asset_id is None,
            asset_id=part.asset_id,
            weight=part.weight,
            language=part.language,
            translated=part.translated,
        )


class CombinedAnswer(SearchAnswer):
    """The answer to a combined search."""

    parts: list[PartAnswer] = Field(description="As they were given")
    algorithms: dict[str, str] = Field(description="What was published of each algorithm that was asked, by its name")

    @classmethod
    def of(cls, answer: Answer) -> CombinedAnswer:
        """From the service's answer."""
        parts = [PartAnswer.of(part) for part in answer.parts]
        return cls(**dict(SearchAnswer.of(answer)), parts=parts, algorithms=dict(answer.versions))


@router.post(
    "/search",
    response_model=CombinedAnswer,
    responses=SEARCHED,
    max_body_size=COMBINED_BYTES,
    tags=[Subject.SEARCH],
)
def search_combined(meshseek: Application, caller: Asking, search: CombinedSearch) -> Response:
    """Find assets by several texts, pictures and assets together, each with a weight, which may be negative."""
    free = is_free(caller, search)
    pictures = sum(part.image is not None for part in search.parts)
    expect_few(len(search.parts), pictures)  # before any is unpacked
    with PICTURES.admitted() if pictures else nullcontext():
        parts = [part.asked(place) for place, part in enumerate(search.parts, 1)]
        query = Query(parts=parts, **search.options(), free=free)
    answer = meshseek.search_service.search(query, search.algorithms)
    return Response(CombinedAnswer.of(answer).model_dump_json(), media_type=JSON)


def _bytes(image: str, place: int) -> bytes:
    """The picture of a part, which may be a data URI."""
    content = image.partition(",")[2] if image.startswith("data:") else image
    try:
        return base64.b64decode(content, validate=True)
    except (binascii.Error, ValueError) as error:
        raise ImageError(f"the picture of part {place} is not base64; send the bytes of its file in base64") from error
