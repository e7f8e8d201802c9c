"""Several servers answer: a primary and two replicas that stream from it, each killed, paused, restarted or behind."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import psycopg
import pytest

from meshseek.bootstrap import Meshseek
from meshseek.errors import DatabaseDownError, DatabaseError, NotPublishedError
from meshseek.search.algorithm import Algorithm
from meshseek.search.query import Query
from meshseek.settings import read_settings
from meshseek.store.read.library import Library
from meshseek.store.read.watch import LOOK_SECONDS, SILENT_SECONDS
from tests.cluster.postgres import Node
from tests.cluster.reading import READERS, WORDS, Readers, Servers, searching, shown, until
from tests.toy import toy

PASSWORD = "open sesame!"  # pragma: allowlist secret


def test_searches_are_spread_over_all(servers: Servers) -> None:
    """Each server answers some of them, and all say the same."""
    with searching(servers) as (algorithm, _):
        answers = {tuple(shown(algorithm.search(Query(text="blue lamp", top_k=5)))) for _ in range(30)}
        assert len(answers) == 1
        pools = algorithm.library.pools()
    asked = {name: figures.get("requests_num", 0) for name, figures in pools.items() if name.endswith("searches")}
    assert len(asked) == 3
    assert min(asked.values()) >= 5


@contextmanager
def away(node: Node, how: str) -> Iterator[None]:
    """Within it a server is killed, or says nothing, as when the network swallows everything."""
    go, come = (node.kill, node.start) if how == "killed" else (node.pause, node.resume)
    go()
    try:
        yield
    finally:
        come()


@pytest.mark.parametrize("how", ["killed", "silent"])
def test_a_replica_that_goes_away_is_left_out_and_comes_back(servers: Servers, how: str) -> None:
    """No search fails: within seconds what was under way there is asked of another."""
    with searching(servers) as (algorithm, spread):
        readers = Readers(algorithm)
        with readers.at_work():
            time.sleep(0.3)
            with away(servers.replicas[1], how):
                waited = until(lambda: not spread.replicas["replica 2"])
                time.sleep(1)
            until(lambda: spread.replicas["replica 2"])
        assert readers.failures == []
        assert len(readers.answers) > READERS
        assert waited < 2 * (LOOK_SECONDS + SILENT_SECONDS)
        assert max(took for took, _, _ in readers.answers) < 4 * (LOOK_SECONDS + SILENT_SECONDS)


def test_a_replica_that_is_behind_is_left_out_until_it_follows(servers: Servers) -> None:
    """What it has is an older version, which soon nobody is shown."""
    with searching(servers) as (algorithm, spread):
        with behind(servers.replicas[0]):
            servers.publish(max_assets=10)
            until(lambda: not spread.replicas["replica 1"])
            time.sleep(LOOK_SECONDS)
            for _ in range(10):
                found = shown(algorithm.search(Query(text="grey chair", top_k=40)))
                assert {*found} <= {f"toys/{number:03d}" for number in range(10)}
        until(lambda: spread.replicas["replica 1"])


def test_no_answer_mixes_two_versions(servers: Servers) -> None:
    """While one version after the other goes live, each answer is that of one of them."""
    expected = {version: found for count in (10, None) for version, found in rankings(servers, count).items()}
    with searching(servers) as (algorithm, _):
        readers = Readers(algorithm)
        with readers.at_work():
            for count in (10, None, 10, None):
                servers.publish(max_assets=count)
                time.sleep(0.2)
    assert readers.failures == []
    for _, words, answer in readers.answers:
        assert shown(answer) == expected[answer.version][words]
    assert {answer.version for _, _, answer in readers.answers} == {*expected}


def rankings(servers: Servers, max_assets: int | None) -> dict[str, dict[str, list[str]]]:
    """What the primary alone says of a version, by its digest."""
    servers.publish(max_assets=max_assets)
    library = Library(servers.server(servers.primary), "toy")
    try:
        algorithm = Algorithm("toy", library, lambda space: toy(space.model))
        answers = {words: algorithm.search(Query(text=words, top_k=5)) for words in WORDS}
    finally:
        library.close()
    (version,) = {answer.version for answer in answers.values()}
    return {version: {words: shown(answer) for words, answer in answers.items()}}


@pytest.mark.parametrize("how", ["killed", "silent"])
def test_without_the_primary_replicas_answer_as_fast(servers: Servers, how: str) -> None:
    """Also where it was away when the service began."""
    with searching(servers):
        pass  # now the replicas have what is published
    with away(servers.primary, how), searching(servers) as (algorithm, _):
        readers = Readers(algorithm)
        with readers.at_work():
            time.sleep(2)
        assert readers.failures == []
        assert len(readers.answers) > 10 * READERS
        assert max(took for took, _, _ in readers.answers) < SILENT_SECONDS


@contextmanager
def behind(node: Node) -> Iterator[None]:
    """Within it a replica does not follow."""
    with psycopg.connect(node.url, autocommit=True) as connection:
        connection.execute("SELECT pg_wal_replay_pause()")
        try:
            yield
        finally:
            connection.execute("SELECT pg_wal_replay_resume()")


def test_filters_and_likeness_are_of_one_version(servers: Servers) -> None:
    """While a replica does not follow, each answer is of the version that it names, and soon none of the older one."""
    counts = {version: count or 40 for count in (10, None) for version in rankings(servers, count)}
    lamps = {count: {f"toys/{number:03d}" for number in range(count) if number % 20 // 4 == 2} for count in (10, 40)}

    def count_shown() -> int:
        answer = algorithm.search(Query(text="chair", top_k=40, filters={"category": ("lamp",)}))
        assert {*shown(answer)} == lamps[counts[answer.version]]
        return counts[answer.version]

    def are_of(count: int) -> bool:
        return count_shown() == count

    with searching(servers) as (algorithm, _):
        for wanted in (10, None, 10):
            with behind(servers.replicas[0]):
                servers.publish(max_assets=wanted)
                until(partial(are_of, wanted or 40))
                time.sleep(LOOK_SECONDS)
                for _ in range(12):
                    assert are_of(wanted or 40)
                    assert len(algorithm.similar("toys/008", "appearance", 40).hits) == (wanted or 40) - 1


def test_a_primary_that_restarts_stops_no_search(servers: Servers) -> None:
    """Replicas go on answering; nothing can be published meanwhile, which is told."""
    with searching(servers) as (algorithm, spread):
        readers = Readers(algorithm)
        with readers.at_work():
            servers.primary.stop()
            with pytest.raises(DatabaseDownError):
                servers.publish(max_assets=10)
            time.sleep(1)
            assert all(spread.replicas.values())
            servers.primary.start()
            time.sleep(1)
            servers.publish(max_assets=10)
            until(lambda: len(shown(algorithm.search(Query(text="chair", top_k=40)))) == 10)
        assert readers.failures == []


def test_addresses_of_replicas_are_settings(servers: Servers, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Separated by commas; one where nothing is published keeps nobody from asking the primary."""
    given = {"database_url": servers.primary.url, "database_prefix": servers.prefix, "workspace": tmp_path}
    urls = ",".join(node.url for node in servers.replicas)
    meshseek = Meshseek(read_settings(**given, read_database_urls=urls))
    try:
        algorithm = meshseek.search_service.algorithm("lite")
        with pytest.raises(NotPublishedError):
            algorithm.search(Query(text="chair"))
        assert algorithm.library.replicas == {"replica 1": False, "replica 2": False}
    finally:
        meshseek.close()
    assert caplog.text.count("replica 1 is not asked: nothing is published there yet") == 1


def test_an_address_that_is_none_is_told(servers: Servers, tmp_path: Path) -> None:
    """At once, without what it says: it may hold a password."""
    given = {"database_url": servers.primary.url, "workspace": tmp_path}
    meshseek = Meshseek(read_settings(**given, read_database_urls=f"postgresql://me:{PASSWORD}@[nowhere/postgres"))
    try:
        with pytest.raises(
            DatabaseError, match=r"^MESHSEEK_READ_DATABASE_URLS is no address of a database; write [^!]*$"
        ):
            _ = meshseek.search_service
    finally:
        meshseek.close()
