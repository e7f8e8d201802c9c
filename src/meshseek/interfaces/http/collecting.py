"""Routes for assets that are taken away together: whom to name for them, and their models in one zip."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Response
from pydantic import BaseModel, ConfigDict, Field, StrictStr
from starlette.concurrency import run_in_threadpool

from meshseek.bootstrap import Meshseek
from meshseek.collecting.credits import Credit, checked_ids, checked_uses, credits_of, warnings_of
from meshseek.collecting.notes import markdown
from meshseek.errors import NotFoundError
from meshseek.interfaces.http.access import key_scheme
from meshseek.interfaces.http.collected import MISSING_HEADER, ZIP, CollectedZip
from meshseek.interfaces.http.found_models import find_models
from meshseek.interfaces.http.routes import Application, ModelHost, refused
from meshseek.interfaces.http.schemas import AlgorithmName, Word
from meshseek.licences import USES, Demand, Permission, Verdict
from meshseek.model import PublishedAsset

MOST_ASSETS = 500
BODY_BYTES = 1_000_000
_REFUSED = (400, 404, 409, 413, 422, 503)
_ZIPPED: dict[int | str, dict[str, Any]] = {
    200: {
        "content": {ZIP: {}},
        "description": "Models, ATTRIBUTION.md and attribution.csv; a zip that was cut off is not whole",
        "headers": {MISSING_HEADER: {"schema": {"type": "integer"}, "description": "Models that are not in it"}},
    }
}

Use = Annotated[StrictStr, Field(max_length=100, description="What they are for", json_schema_extra={"enum": [*USES]})]

router = APIRouter(dependencies=[Depends(key_scheme)])


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
    warnings: list[str] = Field(description="Licences that forbid a use or say nothing of it, a sentence each")


@router.post("/attribution", responses=refused(*_REFUSED), max_body_size=BODY_BYTES)
def attribution(meshseek: Application, basket: Basket) -> AttributionAnswer:
    """Whom to name for assets, and what their licences permit and demand; the models are not looked at."""
    ids, uses = checked_ids(basket.asset_ids, MOST_ASSETS), basket.uses
    given = credits_of(ids, _assets(meshseek, ids, basket.algorithm))
    items = [CreditItem.of(credit, uses) for credit in given]
    return AttributionAnswer(items=items, text=markdown(given, uses), warnings=warnings_of(given, uses))


@router.post("/collect", response_class=Response, responses={**refused(*_REFUSED), **_ZIPPED}, max_body_size=BODY_BYTES)
async def collect(meshseek: Application, upstream: ModelHost, basket: Basket) -> Response:
    """The models of assets as a zip, with whom to name for them; what is missing is told inside and in a header."""
    ids, uses = checked_ids(basket.asset_ids, MOST_ASSETS), basket.uses
    assets = await run_in_threadpool(_assets, meshseek, ids, basket.algorithm)
    found = await find_models(ids, assets, meshseek, upstream)
    return CollectedZip(credits_of(ids, assets, found.missing), uses, found, upstream)


def _assets(meshseek: Meshseek, asset_ids: list[str], algorithm: str | None) -> Mapping[str, PublishedAsset]:
    """The assets that are there.

    Raises:
        NotFoundError: None is, or there is no such algorithm.
        NotPublishedError: Nothing is published.
    """
    service = meshseek.search_service
    if algorithm is not None:
        service.algorithm(algorithm)
    assets: dict[str, PublishedAsset] = {}
    for asset_id in asset_ids:
        with suppress(NotFoundError):
            assets[asset_id] = service.asset(asset_id, algorithm)
    if not assets:
        raise NotFoundError("none of these assets is here; they may have been taken out meanwhile: search again")
    return assets
