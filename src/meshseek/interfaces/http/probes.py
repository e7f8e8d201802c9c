"""Routes for those who watch a service: does it live, can it answer, and its figures."""

from __future__ import annotations

from http import HTTPStatus
from typing import Final, Literal

from anyio import CapacityLimiter
from anyio.to_thread import run_sync
from fastapi import APIRouter, Depends, Request, Response
from pydantic import BaseModel, Field

from meshseek.interfaces.http.access import key_scheme
from meshseek.interfaces.http.metrics import Metrics
from meshseek.interfaces.http.standing import Standing, Status
from meshseek.interfaces.http.subjects import Subject

READY_SECONDS: Final = 2.0
"""How long whoever asks whether we are ready waits at most; a database that takes longer is as good as lost."""
PROBES: Final = 8
"""Probes that wait at a time, in threads of their own: whatever else goes on, they are answered."""

router = APIRouter(tags=[Subject.SERVICE])
TEXT: Final = {"schema": {"type": "string"}}
_threads = CapacityLimiter(PROBES)


class Live(BaseModel):
    """That the process lives."""

    status: Literal["live"] = "live"


class Ready(BaseModel):
    """Whether a request can be answered now."""

    status: Status = Field(description="`starting`: models are being loaded; `stopping`: no more requests are taken")


@router.get("/live")
async def live() -> Live:
    """Whether the process lives; neither the database nor a model is asked. Restart it where this does not answer."""
    return Live()


@router.get("/ready", responses={503: {"model": Ready}})
async def ready(request: Request, response: Response) -> Ready:
    """Whether at least one algorithm answers; 503 while starting, stopping, or without the database."""
    standing: Standing = request.app.state.standing
    status = await run_sync(standing.status, READY_SECONDS, limiter=_threads)
    if status != "ready":
        response.status_code = HTTPStatus.SERVICE_UNAVAILABLE
    return Ready(status=status)


@router.get(
    "/metrics",
    response_class=Response,
    responses={200: {"content": dict.fromkeys(("text/plain", "application/openmetrics-text"), TEXT)}},
    dependencies=[Depends(key_scheme)],
)
async def metrics(request: Request) -> Response:
    """Figures for Prometheus; where keys are needed, one with the scope `admin`."""
    figures: Metrics = request.app.state.metrics
    standing: Standing = request.app.state.standing

    def page() -> tuple[bytes, str]:
        figures.states = standing.states(READY_SECONDS)
        return figures.page(request.headers.get("Accept", ""))

    content, kind = await run_sync(page, limiter=_threads)
    return Response(content, media_type=kind)
