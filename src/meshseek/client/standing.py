"""How a service and its library stand, as the API tells it."""

from __future__ import annotations

from pydantic import AwareDatetime, BaseModel


class Measured(BaseModel, frozen=True):
    """What ``meshseek tune`` measured of one kind of query."""

    target: str
    query: str
    recall: float
    """Share of the ten true nearest that are found, in the mean."""
    recall_at_least: float
    """The same with 95 % confidence."""
    share_lost: float
    """Share of queries that find less than half of them."""
    p50_ms: float
    queries: int
    tuned_at: AwareDatetime


class Publication(BaseModel, frozen=True):
    """What is live of an algorithm."""

    assets: int
    english_captions: int
    chinese_captions: int
    views: int
    model: str
    revision: str
    dim: int
    """Length of a vector."""
    index: str
    published_at: AwareDatetime
    version: str
    measured: tuple[Measured, ...] = ()


class AlgorithmStatus(BaseModel, frozen=True):
    """One algorithm."""

    state: str
    """``ready``, ``loading``, or why it cannot answer."""
    published: Publication | None = None
    outdated: bool = False
    """Whether something else is published than would be now."""


class LibraryStatus(BaseModel, frozen=True):
    """One library: its assets, and by stage those that wait, that changed, and that could not be done."""

    assets: int
    waiting: dict[str, int] = {}
    outdated: dict[str, int] = {}
    skipped: dict[str, int] = {}


class Skipped(BaseModel, frozen=True):
    """Why a stage could not do some assets."""

    stage: str
    reason: str
    count: int
    example: str
    """Id of one of them."""


class Latency(BaseModel, frozen=True):
    """Milliseconds of the last searches of one process of the service."""

    searches: int
    p50_ms: float
    p95_ms: float
    p99_ms: float


class Status(BaseModel, frozen=True):
    """How everything stands."""

    algorithms: dict[str, AlgorithmStatus]
    libraries: dict[str, LibraryStatus] = {}
    """By name; empty while it is not known."""
    skipped: tuple[Skipped, ...] = ()
    """The most frequent reasons first."""
    note: str | None = None
    """Why the libraries are not told."""
    latency: dict[str, Latency] = {}
    """By route."""
