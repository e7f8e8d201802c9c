"""How everything stands, for people: what is published, what is still to do, and how fast searches are."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Final

from fastapi import APIRouter, Depends, Request
from pydantic import BaseModel, Field

from meshseek.interfaces.http.access import key_scheme
from meshseek.interfaces.http.failures import sees_details
from meshseek.interfaces.http.metrics import Metrics
from meshseek.interfaces.http.routes import Application, refused
from meshseek.interfaces.http.subjects import Subject
from meshseek.interfaces.http.work_left import WorkLeft
from meshseek.store.read.published import Published, QueryKind, Target, Tuning

if TYPE_CHECKING:
    from meshseek.pipeline.overview import SkippedFor

LOOKING_SECONDS: Final = 2.0
"""How long the first who asks waits for what is left to do."""
NOT_YET: Final = "the workspace is being looked through; ask again in a moment"
FOR_OPERATORS: Final = "its reason names a file or a host; 'skipped.jsonl' in the folder of the stage says it"
_PRIVATE: Final = re.compile(r"[/\\]|\S:\d|\d+\.\d+\.\d+\.\d+")
"""Of a path, of a host with its port, of an address."""

router = APIRouter(dependencies=[Depends(key_scheme)], tags=[Subject.SERVICE])


class MeasuredStatus(BaseModel):
    """What `meshseek tune` measured of one kind of query."""

    target: Target
    query: QueryKind
    recall: float = Field(description="Share of the ten true nearest that are found, in the mean")
    recall_at_least: float = Field(description="The same with 95 % confidence")
    share_lost: float = Field(description="Share of queries that find less than half of them")
    p50_ms: float
    queries: int
    tuned_at: datetime

    @classmethod
    def of(cls, tuning: Tuning) -> MeasuredStatus:
        """From what was measured."""
        return cls(
            target=tuning.target,
            query=tuning.kind,
            recall=tuning.recall,
            recall_at_least=tuning.recall_at_least,
            share_lost=tuning.share_lost,
            p50_ms=tuning.p50_ms,
            queries=tuning.queries,
            tuned_at=tuning.tuned_at,
        )


class PublishedStatus(BaseModel):
    """What is live of an algorithm."""

    assets: int
    english_captions: int
    chinese_captions: int
    views: int
    model: str
    revision: str
    dim: int = Field(description="Length of a vector")
    index: str
    published_at: datetime
    version: str
    measured: list[MeasuredStatus] = Field(description="Empty where `meshseek tune` has not run")

    @classmethod
    def of(cls, published: Published) -> PublishedStatus:
        """From what was last seen."""
        space = published.space
        return cls(
            assets=published.assets,
            english_captions=published.english_captions,
            chinese_captions=published.chinese_captions,
            views=published.views,
            model=space.model,
            revision=space.revision,
            dim=space.dim,
            index=published.index_kind,
            published_at=published.published_at,
            version=published.content,
            measured=[MeasuredStatus.of(tuning) for tuning in published.tunings],
        )


class AlgorithmStatus(BaseModel):
    """One algorithm."""

    state: str = Field(description="ready, loading, or why it cannot answer")
    published: PublishedStatus | None = Field(description="null where nothing is, or that is not known")
    outdated: bool = Field(description="Something else is published than would be now: run `meshseek update`")


class LibraryStatus(BaseModel):
    """One library of the workspace."""

    assets: int
    waiting: dict[str, int] = Field(description="Assets of which a stage has nothing yet, by stage")
    outdated: dict[str, int] = Field(description="Assets that changed since a stage, by stage")
    skipped: dict[str, int] = Field(description="Assets that a stage could not do, by stage")


class SkippedStatus(BaseModel):
    """Why a stage could not do some assets."""

    stage: str
    reason: str
    count: int
    example: str = Field(description="The id of one of them")


class Latency(BaseModel):
    """Milliseconds of the last searches of this process, as the service sees them."""

    searches: int
    p50_ms: float
    p95_ms: float
    p99_ms: float


class StatusAnswer(BaseModel):
    """How everything stands."""

    algorithms: dict[str, AlgorithmStatus]
    libraries: dict[str, LibraryStatus] = Field(description="By name; empty while it is not known")
    skipped: list[SkippedStatus] = Field(description="The most frequent reasons first")
    note: str | None = Field(description="Why the libraries are not told; else null")
    latency: dict[str, Latency] = Field(description="By route, of those that were asked")


@router.get("/status", responses=refused(422))
def status(meshseek: Application, request: Request) -> StatusAnswer:
    """What is published of each algorithm, what is still to do, what was skipped and why, and how fast searches are.

    The work of the workspace is looked up at most once a minute.
    """
    details = sees_details(request.scope)
    states = meshseek.search_service.health(general=not details)
    work: WorkLeft = request.app.state.work_left
    known = work.told(LOOKING_SECONDS)
    metrics: Metrics = request.app.state.metrics
    figures = {name: each.published for name, each in meshseek.search_service.figures().items()}
    outdated = known.outdated_publications if known else ()
    return StatusAnswer(
        algorithms={
            name: AlgorithmStatus(state=state, published=_published(figures, name), outdated=name in outdated)
            for name, state in states.items()
        },
        libraries={
            name: LibraryStatus(
                assets=each.assets,
                waiting=dict(each.waiting),
                outdated=dict(each.outdated),
                skipped=dict(each.skipped),
            )
            for name, each in (known.libraries if known else {}).items()
        },
        skipped=_skipped(known.skipped if known else (), details=details),
        note=NOT_YET if known is None else known.note if details else known.general_note,
        latency=_latency(metrics),
    )


def _published(figures: Mapping[str, Published | None], name: str) -> PublishedStatus | None:
    published = figures.get(name)
    return None if published is None else PublishedStatus.of(published)


def _skipped(every: Sequence[SkippedFor], *, details: bool) -> list[SkippedStatus]:
    """Why assets were skipped; what sounds the same to a stranger is one."""
    told: dict[tuple[str, str], SkippedStatus] = {}
    for each in every:
        reason = each.reason if details else _in_general(each.reason)
        row = told.setdefault(
            (each.stage, reason), SkippedStatus(stage=each.stage, reason=reason, count=0, example=each.example)
        )
        row.count += each.count
    return sorted(told.values(), key=lambda row: -row.count)


def _in_general(reason: str) -> str:
    """A reason without paths and addresses."""
    return FOR_OPERATORS if _PRIVATE.search(reason) else reason


def _latency(metrics: Metrics) -> dict[str, Latency]:
    return {
        route: Latency(searches=count, **{f"p{share}_ms": round(each, 2) for share, each in shares.items()})
        for route, (count, shares) in metrics.recent.percentiles().items()
    }
