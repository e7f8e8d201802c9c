"""Who may ask the API, for what, and how often."""

from __future__ import annotations

from typing import Any

from anyio import CapacityLimiter
from anyio.to_thread import run_sync
from fastapi import APIRouter, Depends, FastAPI, Request
from fastapi.security import HTTPBearer
from pydantic import BaseModel, Field
from starlette.middleware.cors import CORSMiddleware

from meshseek.access.keys import Caller, Scope
from meshseek.access.ring import KeyRing
from meshseek.bootstrap import Meshseek
from meshseek.client.collected import MISSING_HEADER
from meshseek.interfaces.http.gate import Access, Gate, missing
from meshseek.interfaces.http.hosts import Hosts
from meshseek.interfaces.http.rates import Rates
from meshseek.interfaces.http.schemas import ErrorAnswer
from meshseek.interfaces.http.subjects import Subject
from meshseek.settings import Settings


class AccessAnswer(BaseModel):
    """What whoever asks may do."""

    key_needed: bool = Field(description="Whether more than this can be asked for without a key")
    name: str | None = Field(description="Of the key that was sent")
    scopes: list[Scope] = Field(description="read: search, see, download; write: what costs; admin: metrics, details")


key_scheme = HTTPBearer(
    scheme_name="key",
    description="As `meshseek keys add` shows it; none is needed on the service's own machine",
    auto_error=False,
)
"""Tells OpenAPI how a key is sent; whether it is good was told before any route is asked."""
REFUSED: dict[int | str, dict[str, Any]] = {
    400: {"model": ErrorAnswer, "description": "The service is not known by this name, or what was sent is no HTTP"},
    401: {"model": ErrorAnswer, "description": "A key is needed, or the one that was sent is not good"},
    403: {"model": ErrorAnswer, "description": "The key does not allow this, or the page of another website asks"},
    408: {"model": ErrorAnswer, "description": "The request did not arrive in time"},
    429: {"model": ErrorAnswer, "description": "Too many requests; `Retry-After` says when the next one may be made"},
}
"""What every route may answer before it is asked."""

UNKNOWN: dict[int | str, dict[str, Any]] = {
    422: {"model": ErrorAnswer, "description": "The address names a parameter; nothing is asked in it"}
}

router = APIRouter(tags=[Subject.SERVICE])


@router.get("/access", dependencies=[Depends(key_scheme)], responses=UNKNOWN)
async def access(request: Request) -> AccessAnswer:
    """Whether a key is needed, and what the one that was sent allows; 401 if it is not good."""
    gate: Gate = request.app.state.gate
    caller: Caller = request.state.caller
    return AccessAnswer(key_needed=gate.needs_key(request.scope), name=caller.name, scopes=list(caller.scopes))


def check_scope(caller: Caller, scope: Scope) -> None:
    """Refuse whoever may not do something.

    Raises:
        ForbiddenError: The scope is not theirs.
    """
    if not caller.may(scope):
        raise missing(scope)


def add_access(app: FastAPI, meshseek: Meshseek) -> None:
    """Let in only who may ask: by name, by website, by key, and not too often."""
    settings = meshseek.settings
    app.state.gate = gate = Gate(settings, KeyRing(meshseek.workspace.folder))
    app.include_router(router)
    app.state.rates = rates = _rates(settings)
    app.add_middleware(Access, gate=gate, rates=rates)
    if settings.allowed_origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=settings.allowed_origins,
            allow_methods=["GET", "POST"],
            allow_headers=["Authorization", "X-Request-ID"],
            expose_headers=["Retry-After", MISSING_HEADER, "X-Request-ID"],
        )
    app.add_middleware(Hosts, hosts=settings.allowed_hosts, origins=settings.allowed_origins)


async def close_access(app: FastAPI, limiter: CapacityLimiter) -> None:
    """Write down what is still to be written, in a thread of those of ``limiter``, and let go of the count of rates."""
    await run_sync(app.state.gate.ring.used.write, limiter=limiter)
    await app.state.rates.close()


def _rates(settings: Settings) -> Rates:
    storage = settings.rate_limit_storage
    return Rates(settings.rate_limit, settings.rate_limit_address, storage.get_secret_value() if storage else None)
