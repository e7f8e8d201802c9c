"""What agents give to each tool. Descriptions are read by them: they say what to give, and in which units."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from meshseek.client.questions import PICTURE_BYTES
from meshseek.model import LABEL_FIELDS, NUMBER_FIELDS

MOST_RESULTS = 20
"""Of one answer: more are no help to an agent, and cost it tokens."""
MOST_IDS = 100
BASE64_CHARACTERS = PICTURE_BYTES * 4 // 3 + 4
_ID = 1_000
_WORDS = 10_000

AssetId = Annotated[str, Field(min_length=1, max_length=_ID, description="An asset's id, as results show it")]
TopK = Annotated[int, Field(ge=1, le=MOST_RESULTS, description=f"How many results, 1 to {MOST_RESULTS}")]


class _Arguments(BaseModel):
    model_config = ConfigDict(extra="forbid")


class SearchAssets(_Arguments):
    """Words, a picture or an asset; one of them, or several that are then looked for together."""

    text: str | None = Field(
        None,
        max_length=_WORDS,
        description="What the asset should be, in English or Chinese: 'wooden armchair with a high back'. One thing a "
        "search; words in double quotes must occur.",
    )
    image_base64: str | None = Field(
        None,
        max_length=BASE64_CHARACTERS,
        description="A picture of what is wanted, as base64 (PNG, JPEG, WebP; at most 10 MB)",
    )
    like: AssetId | None = Field(None, description="Id of an asset; finds others like it")
    filters: dict[str, Any] = Field(
        {},
        max_length=20,
        description=f"What must hold, by field. {', '.join(LABEL_FIELDS)}: a word or a list of words of which one must "
        "hold; permits is what the licence allows: commercial, changes, no-credit. "
        f"{', '.join(NUMBER_FIELDS)}: {{'min': 40, 'max': 60}}, sizes in cm. {{'not': ...}} for everything else.",
    )
    size: str | None = Field(
        None,
        max_length=100,
        description="Prefer about this width x depth x height in cm: '60x60x90', or '?x60x90' where one may be any",
    )
    top_k: TopK = 10
    offset: int = Field(0, ge=0, le=1_000, description="First result, to go on after a page: 10 for the second ten")


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
        "appearance", description="In what they should be alike: how they look, what they are, or both"
    )
    top_k: TopK = 10


class CollectAttribution(_Arguments):
    """Assets that are used, and for what."""

    asset_ids: list[AssetId] = Field(min_length=1, max_length=MOST_IDS, description="Ids of the assets that are used")
    use: Literal["commercial", "modification", "no-credit"] | None = Field(
        None, description="What they are used for; what a licence does not allow is then warned of"
    )
