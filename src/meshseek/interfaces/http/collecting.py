"""Routes for assets that are taken away together: whom to name for them, and their models in one zip."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

from fastapi import APIRouter, Depends, Response
from starlette.concurrency import run_in_threadpool

from meshseek.bootstrap import Meshseek
from meshseek.client.collected import MISSING_HEADER
from meshseek.collecting.cautions import unknown_of, warnings_of
from meshseek.collecting.credits import credits_of
from meshseek.collecting.notes import markdown
from meshseek.errors import NotFoundError
from meshseek.interfaces.http.access import key_scheme
from meshseek.interfaces.http.baskets import AttributionAnswer, Basket, CreditItem
from meshseek.interfaces.http.collected import ZIP, CollectedZip
from meshseek.interfaces.http.found_models import find_models
from meshseek.interfaces.http.routes import BINARY, Application, ModelHost, refused
from meshseek.interfaces.http.subjects import Subject
from meshseek.model import PublishedAsset

BODY_BYTES = 1_000_000
_REFUSED = (400, 404, 409, 413, 422, 503)
_ZIPPED: dict[int | str, dict[str, Any]] = {
    200: {
        "content": {ZIP: BINARY},
        "description": "Models, ATTRIBUTION.md and attribution.csv; a zip that was cut off is not whole",
        "headers": {MISSING_HEADER: {"schema": {"type": "integer"}, "description": "Models that are not in it"}},
    }
}

router = APIRouter(dependencies=[Depends(key_scheme)], tags=[Subject.COLLECTING])


@router.post("/attribution", responses=refused(*_REFUSED), max_body_size=BODY_BYTES)
def attribution(meshseek: Application, basket: Basket) -> AttributionAnswer:
    """Whom to name for assets, and what their licences permit and demand; the models are not looked at."""
    ids, uses = basket.ids, basket.uses
    given = credits_of(ids, _assets(meshseek, ids, basket.algorithm))
    items = [CreditItem.of(credit, uses) for credit in given]
    warnings = [*warnings_of(given, uses), *unknown_of(given)]
    return AttributionAnswer(items=items, text=markdown(given, uses), warnings=warnings)


@router.post("/collect", response_class=Response, responses={**refused(*_REFUSED), **_ZIPPED}, max_body_size=BODY_BYTES)
async def collect(meshseek: Application, upstream: ModelHost, basket: Basket) -> Response:
    """The models of assets as a zip, with whom to name for them; what is missing is told inside and in a header."""
    ids, uses = basket.ids, basket.uses
    assets = await run_in_threadpool(_assets, meshseek, ids, basket.algorithm)
    find = partial(find_models, ids, assets, meshseek, upstream)
    return CollectedZip(ids, assets, uses, upstream, find)


def _assets(meshseek: Meshseek, asset_ids: list[str], algorithm: str | None) -> Mapping[str, PublishedAsset]:
    """The assets that are there.

    Raises:
        NotFoundError: None is, or there is no such algorithm.
        NotPublishedError: Nothing is published.
    """
    assets = meshseek.search_service.assets(asset_ids, algorithm)
    if not assets:
        raise NotFoundError("none of these assets is here; they may have been taken out meanwhile: search again")
    return assets
