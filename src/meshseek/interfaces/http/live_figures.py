"""Figures that are true at the moment of asking: of queues, caches, connections and publications."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Final

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, InfoMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from meshseek.interfaces.http.standing import READY, States
from meshseek.search.figures import CacheFigures, Figures, QueueFigures

POOL_COUNTS: Final = {
    "requests_num": ("requests", "Times that a connection was asked for"),
    "requests_queued": ("queued", "Times that none was free at once"),
    "requests_errors": ("timeouts", "Times that none came in time"),
    "connections_errors": ("connection_errors", "Connections that could not be made"),
    "connections_lost": ("connections_lost", "Connections that were cut"),
}
"""What psycopg_pool counts, the name that it has here, and what it means."""


class LiveFigures(Collector):
    """Asks for them whenever somebody asks for the page.

    Args:
        states: Gives the states of the algorithms, as they were last looked at.
        figures: Gives the figures of each algorithm.
        doors: Queues beside those of the algorithms, by name.
        caches: Caches beside those of the algorithms, by name.
    """

    def __init__(
        self,
        states: Callable[[], States | None],
        figures: Callable[[], Mapping[str, Figures]],
        doors: Callable[[], Mapping[str, QueueFigures]],
        caches: Callable[[], Mapping[str, CacheFigures]],
    ) -> None:
        self._states = states
        self._figures, self._doors, self._caches = figures, doors, caches

    def describe(self) -> list[Metric]:
        """Nothing: to tell it would need the algorithms, which are made later."""
        return []

    def collect(self) -> Iterator[Metric]:
        """Every figure."""
        figures = self._figures()
        yield from _readiness(self._states(), figures)
        yield from _queues({name: each.queue for name, each in figures.items()} | dict(self._doors()))
        yield from _cached(
            {(name, kind): cache for name, each in figures.items() for kind, cache in each.caches.items()}
            | {("", kind): cache for kind, cache in self._caches().items()}
        )
        yield from _pools(figures)
        yield _replicas(figures)
        yield _shards(figures)
        yield from _published(figures)


def _readiness(states: States | None, figures: Mapping[str, Figures]) -> Iterator[Metric]:
    ready = GaugeMetricFamily("meshseek_algorithm_ready", "Whether it answers queries", labels=["algorithm"])
    for name in figures:
        ready.add_metric([name], float((states or {}).get(name) == READY))
    yield ready


def _queues(queues: Mapping[str, QueueFigures]) -> Iterator[Metric]:
    running = GaugeMetricFamily("meshseek_queue_running", "What is worked on", labels=["queue"])
    waiting = GaugeMetricFamily("meshseek_queue_waiting", "What waits for a turn", labels=["queue"])
    refused = CounterMetricFamily("meshseek_queue_refused", "What was told to come back later", labels=["queue"])
    for name, queue in queues.items():
        running.add_metric([name], queue.running)
        waiting.add_metric([name], queue.waiting)
        refused.add_metric([name], queue.refused)
    yield from (running, waiting, refused)


def _cached(caches: Mapping[tuple[str, str], CacheFigures]) -> Iterator[Metric]:
    hits = CounterMetricFamily("meshseek_cache_hits", "What was there", labels=["algorithm", "cache"])
    misses = CounterMetricFamily("meshseek_cache_misses", "What was not", labels=["algorithm", "cache"])
    for labels, cache in caches.items():
        hits.add_metric(labels, cache.hits)
        misses.add_metric(labels, cache.misses)
    yield from (hits, misses)


def _pools(figures: Mapping[str, Figures]) -> Iterator[Metric]:
    labels = ["algorithm", "pool"]
    pools = {(name, pool): known for name, each in figures.items() for pool, known in each.pools.items()}
    size = GaugeMetricFamily("meshseek_pool_connections", "Connections to the database", labels=labels)
    lent = GaugeMetricFamily("meshseek_pool_lent", "Connections that are used", labels=labels)
    waiting = GaugeMetricFamily("meshseek_pool_waiting", "What waits for a connection", labels=labels)
    for key, known in pools.items():
        size.add_metric(key, known.get("pool_size", 0))
        lent.add_metric(key, known.get("lent", 0))
        waiting.add_metric(key, known.get("requests_waiting", 0))
    yield from (size, lent, waiting)
    for count, (called, meaning) in POOL_COUNTS.items():
        counter = CounterMetricFamily(f"meshseek_pool_{called}", meaning, labels=labels)
        for key, known in pools.items():
            counter.add_metric(key, known.get(count, 0))
        yield counter


def _replicas(figures: Mapping[str, Figures]) -> Metric:
    used = GaugeMetricFamily(
        "meshseek_replica_used", "Whether searches are asked of it", labels=["algorithm", "replica"]
    )
    for name, each in figures.items():
        for replica, is_used in each.replicas.items():
            used.add_metric([name, replica], float(is_used))
    return used


def _shards(figures: Mapping[str, Figures]) -> Metric:
    up = GaugeMetricFamily("meshseek_shard_up", "Whether the shard answers", labels=["algorithm", "shard"])
    for name, each in figures.items():
        for shard, is_up in each.shards.items():
            up.add_metric([name, shard], float(is_up))
    return up


def _published(figures: Mapping[str, Figures]) -> Iterator[Metric]:
    known = {name: each.published for name, each in figures.items() if each.published is not None}
    moment = GaugeMetricFamily("meshseek_published_timestamp_seconds", "When it was published", labels=["algorithm"])
    assets = GaugeMetricFamily("meshseek_published_assets", "Assets that are published", labels=["algorithm"])
    version = InfoMetricFamily("meshseek_published", "Which version is published", labels=["algorithm"])
    recall = GaugeMetricFamily(
        "meshseek_index_recall",
        "Share of the ten true nearest that 'meshseek tune' measured",
        labels=["algorithm", "target", "query"],
    )
    lost = GaugeMetricFamily(
        "meshseek_index_lost_share",
        "Share of queries that found less than half of the ten true nearest, as 'meshseek tune' measured",
        labels=["algorithm", "target", "query"],
    )
    for name, published in known.items():
        moment.add_metric([name], published.published_at.timestamp())
        assets.add_metric([name], published.assets)
        told = {"model": published.space.model, "index": published.index_kind, "content": published.content[:12]}
        version.add_metric([name], told)
        for tuning in published.tunings:
            recall.add_metric([name, tuning.target, tuning.kind], tuning.recall)
            lost.add_metric([name, tuning.target, tuning.kind], tuning.share_lost)
    yield from (moment, assets, version, recall, lost)
