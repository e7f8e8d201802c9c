"""Figures of a service for Prometheus. Every label has few values: names of routes, algorithms and parts of ours."""

from __future__ import annotations

import platform
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Final

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    GCCollector,
    Histogram,
    Info,
    ProcessCollector,
    disable_created_metrics,
)
from prometheus_client.exposition import choose_encoder

from meshseek import __version__
from meshseek.interfaces.http.live_figures import LiveFigures
from meshseek.interfaces.http.recent import Recent
from meshseek.interfaces.http.standing import States
from meshseek.search.figures import CacheFigures, Figures, QueueFigures
from meshseek.spans import Spent

SECONDS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
STAGE_SECONDS: Final = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)
"""Bounds of the histograms' classes."""
SEARCHED: Final = "/search"
"""So begin the routes of searches."""
disable_created_metrics()  # type: ignore[no-untyped-call]  # a second series beside each, which nobody asks for


class Metrics:
    """All figures of one app, in a registry of its own.

    Args:
        figures: Gives the figures of each algorithm.
        doors: Queues beside those of the algorithms, by name.
        caches: Caches beside those of the algorithms, by name.
    """

    def __init__(
        self,
        figures: Callable[[], Mapping[str, Figures]],
        doors: Callable[[], Mapping[str, QueueFigures]],
        caches: Callable[[], Mapping[str, CacheFigures]],
    ) -> None:
        self._registry = registry = CollectorRegistry()
        self.states: States | None = None
        """Of the algorithms, when they were last looked at; None where that took too long."""
        self.recent = Recent()
        """Of the answers to searches."""
        self._requests = Counter(
            "meshseek_requests", "Requests that were answered", ["method", "route", "status"], registry=registry
        )
        self._seconds = Histogram(
            "meshseek_request_seconds", "Time of a request", ["route"], buckets=SECONDS, registry=registry
        )
        self._bytes = Counter("meshseek_response_bytes", "Bytes of answers", ["route"], registry=registry)
        self._stages = Histogram(
            "meshseek_search_stage_seconds",
            "Time that a search spends in a stage",
            ["algorithm", "stage"],
            buckets=STAGE_SECONDS,
            registry=registry,
        )
        self.under_way = Gauge("meshseek_requests_in_progress", "Requests that are under way", registry=registry)
        Info("meshseek_build", "What runs", registry=registry).info(
            {"version": __version__, "python": platform.python_version()}
        )
        ProcessCollector(registry=registry)
        GCCollector(registry=registry)
        registry.register(LiveFigures(lambda: self.states, figures, doors, caches))

    def count(self, method: str, route: str, status: int, seconds: float, sent: int) -> None:
        """Count a request that has ended."""
        self._requests.labels(method, route, str(int(status))).inc()
        self._seconds.labels(route).observe(seconds)
        self._bytes.labels(route).inc(sent)
        if status == HTTPStatus.OK and route.startswith(SEARCHED):
            self.recent.add(route, seconds)

    def count_stages(self, spent: Spent) -> None:
        """Count what a search was spent on."""
        if spent.algorithm is not None:
            for stage, seconds in spent.seconds.items():
                self._stages.labels(spent.algorithm, stage).observe(seconds)

    def page(self, accept: str) -> tuple[bytes, str]:
        """All figures as Prometheus reads them, and the type of that.

        Args:
            accept: The header of who asks.
        """
        encode, kind = choose_encoder(accept)
        return encode(self._registry), kind
