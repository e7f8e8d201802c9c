"""What agents give to each tool. Descriptions are read by them: they say what to give, and in which units."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from meshseek.client.questions import PICTURE_BYTES, Use
from meshseek.interfaces.filter_form import Filters
from meshseek.licences import PERMITS
from meshseek.model import LABEL_FIELDS, NUMBER_FIELDS
from meshseek.search.modes import MAX_DEPTH

MOST_RESULTS = 20
"""Of one answer: more are no help to an agent, and cost it tokens."""
MOST_IDS = 100
BASE64_CHARACTERS = PICTURE_BYTES * 4 // 3 + 4
_ID = 1_000
_WORDS = 10_000


def _parsed(filters: Any) -> Any:
    """Filters without fields that are null; they may come as a text of JSON, as some models send what is nested."""
    try:
        given = json.loads(filters) if isinstance(filters, str) else filters
    except (ValueError, RecursionError):
        return filters
    return {name: value for name, value in given.items() if value is not None} if isinstance(given, dict) else given


AssetId = Annotated[str, Field(min_length=1, max_length=_ID, description="An asset's id, as results show it")]
TopK = Annotated[int, Field(ge=1, le=MOST_RESULTS, description=f"How many results, 1 to {MOST_RESULTS}")]

Offset = Annotated[
    int, Field(ge=0, lt=MAX_DEPTH, description="First result, to go on after a page: 10 for the second ten")
]
_Filters = Annotated[Filters, BeforeValidator(_parsed)]
Where = Annotated[
    _Filters,
    Field(
        description=f"What must hold, by field. {', '.join(LABEL_FIELDS)}: a word, or a list of words of which one "
        f"must hold; permits is what the licence allows: {', '.join(PERMITS)}. {', '.join(NUMBER_FIELDS)}: a number or "
        '{"min": 40, "max": 60}; width, depth and height in cm. {"not": ...} for everything else.',
    ),
]


class _Arguments(BaseModel):
    model_config = ConfigDict(extra="forbid")

    @model_validator(mode="before")
    @classmethod
    def _without_nothing(cls, given: Any) -> Any:
        """Null, and a text of no characters, are as good as left out: many models send what they do not use."""
        if not isinstance(given, Mapping):
            return given
        return {name: value for name, value in given.items() if value not in (None, "")}


class SearchAssets(_Arguments):
    """Words, a picture or an asset; one of them, or several that are then looked for together; or filters alone."""

    text: str | None = Field(
        None,
        max_length=_WORDS,
        description="What the asset should be, in English or Chinese: 'wooden armchair with a high back'. One thing a "
        "search; words in double quotes must occur.",
    )
    without: str | None = Field(
        None,
        max_length=_WORDS,
        description="Words that results should not be like: 'armrests'. A negation inside text is not understood",
    )
    image_base64: str | None = Field(
        None,
        max_length=BASE64_CHARACTERS,
        description="A picture of what is wanted, as base64 (PNG, JPEG, WebP; at most 10 MB)",
    )
    like: AssetId | None = Field(None, description="Id of an asset; finds others like it, not itself")
    filters: Where = {}
    size: str | None = Field(
        None,
        max_length=100,
        description="Prefer about this width x depth x height in cm: '60x60x90', or '?x60x90' where one may be any",
    )
    top_k: TopK = 10
    offset: Offset = 0


class SearchAssetsHere(SearchAssets):
    """Likewise on the agent's own machine, where pictures have paths."""

    image_path: str | None = Field(
        None, max_length=4_000, description="Path of a picture on this machine of what is wanted"
    )


class GetAsset(_Arguments):
    """One asset."""

    asset_id: AssetId


class SimilarAssets(_Arguments):
    """An asset, and in what others should be like it."""

    asset_id: AssetId
    target: Literal["appearance", "caption", "both"] = Field(
        "both", description="In what they should be alike: how they look, what they are (caption), or both"
    )
    filters: Annotated[_Filters, Field(description="As in search_assets")] = {}
    top_k: TopK = 10
    offset: Offset = 0


class CollectAttribution(_Arguments):
    """Assets that are used, and for what."""

    asset_ids: list[AssetId] = Field(min_length=1, max_length=MOST_IDS, description="Ids of the assets that are used")
    use: Use | None = Field(None, description="What they are used for; what a licence does not allow is then warned of")
