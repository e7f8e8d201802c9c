"""Baskets as they go over the wire: which assets, and whom to name for them."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StrictStr

from meshseek.collecting.asked import checked_ids, checked_uses
from meshseek.collecting.credits import Credit
from meshseek.interfaces.filter_form import Word
from meshseek.interfaces.http.schemas import AlgorithmName
from meshseek.licences import USE_NAMES, Demand, Permission, Verdict

MOST_ASSETS = 500

Use = Annotated[
    StrictStr, Field(max_length=100, description="What they are for", json_schema_extra={"enum": [*USE_NAMES]})
]


class Basket(BaseModel):
    """Assets that are taken away together."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"asset_ids": ["chairs/red", "lamps/desk"], "use": "commercial"}]},
    )

    asset_ids: list[Word] = Field(
        description=f"At most {MOST_ASSETS}; the same one twice counts once",
        json_schema_extra={"minItems": 1, "maxItems": MOST_ASSETS},
    )
    use: Use | list[Use] | None = Field(
        None, description="What is warned of where a licence forbids it or says nothing of it"
    )
    algorithm: AlgorithmName | None = Field(None, description="By which the assets are known; else the first that is")

    @property
    def ids(self) -> list[str]:
        """The assets, each once.

        Raises:
            BasketError: There is none, or there are too many.
        """
        return checked_ids(self.asset_ids, MOST_ASSETS)

    @property
    def uses(self) -> tuple[str, ...]:
        """What they are for, each once.

        Raises:
            BasketError: It is not known.
        """
        return checked_uses([self.use] if isinstance(self.use, str) else self.use or ())


class CreditItem(BaseModel):
    """Whom to name for one asset."""

    asset_id: str
    title: str
    creator: str = Field(description="Empty where nobody is named")
    licence: str = Field(description="As it is stated; empty where none is")
    licence_url: str | None
    permits: list[Permission]
    demands: list[Demand] = Field(description="credit: name the creator; notice: keep the licence's text")
    in_words: str = Field(description="What the licence permits and demands")
    verdicts: dict[str, Verdict] = Field(description="By each use that was asked for")
    source: str
    line: str = Field(description="What to write where the asset is shown")
    file: str = Field(description="Of its model in the zip")
    missing: str | None = Field(description="Why its model is not there; null where it is expected to be")

    @classmethod
    def of(cls, credit: Credit, uses: tuple[str, ...]) -> CreditItem:
        """From a credit."""
        terms = credit.terms
        return cls(
            asset_id=credit.asset_id,
            title=credit.title,
            creator=credit.creator,
            licence=terms.licence,
            licence_url=terms.url,
            permits=list(terms.permits),
            demands=list(terms.demands),
            in_words=terms.words,
            verdicts={use: terms.verdict(use) for use in uses},
            source=credit.source,
            line=credit.line,
            file=credit.file,
            missing=credit.missing,
        )


class AttributionAnswer(BaseModel):
    """Whom to name for assets, and what their licences say."""

    items: list[CreditItem]
    text: str = Field(description="The same as Markdown, to be kept beside the models")
    warnings: list[str] = Field(
        description="Licences that forbid a use or say nothing of it, and ids that no asset has; a sentence each"
    )
