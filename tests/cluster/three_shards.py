"""A library on three servers: each killed or paused, publications killed meanwhile. Run by ``make test-cluster``."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import copy_context
from dataclasses import dataclass, replace
from http import HTTPStatus
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np
import psycopg
import pytest
from fastapi.testclient import TestClient
from pgvector import HalfVector

from meshseek.bootstrap import Meshseek
from meshseek.deadlines import set_deadline
from meshseek.errors import DatabaseDownError, DatabaseError, TooSlowError
from meshseek.interfaces.http import create_app
from meshseek.pipeline.publish import publish
from meshseek.reporting import SilentReporter
from meshseek.search.algorithm import Algorithm
from meshseek.search.filters import conditions
from meshseek.search.query import Query
from meshseek.search.recall import recall_of
from meshseek.search.service import SearchService
from meshseek.settings import read_settings
from meshseek.store.postgres import Server, configure
from meshseek.store.read import plan as planning
from meshseek.store.read.library import Request
from meshseek.store.read.opening import open_library
from meshseek.store.read.statements import statement
from meshseek.store.read.watch import LOOK_SECONDS, SILENT_SECONDS
from meshseek.store.shards import Shards, shard_of
from meshseek.workspace.workspace import Workspace
from tests.cluster.postgres import Node, some_nodes
from tests.cluster.reading import WORDS, Readers, shown, until
from tests.cluster.test_replicas import away
from tests.command_lines import run_here
from tests.conftest import ServedLibrary
from tests.crowd import DIM, Crowd
from tests.toy import toy

ROOT = Path(__file__).parents[2]
IDS = [f"toys/{number:03d}" for number in range(40)]
LIMIT = 7
KILLED = """
import os, signal, sys
from pathlib import Path
from meshseek.pipeline.publish import publish
from meshseek.reporting import SilentReporter
from meshseek.store.postgres import Server
from meshseek.store.shards import Shards
from meshseek.store.write import sharded
from meshseek.workspace.workspace import Workspace

def die(*_, **__):
    os.kill(os.getpid(), signal.SIGKILL)

def after(function):
    def both(*arguments, **named):
        function(*arguments, **named)
        die()
    return both

ShardedPublisher, SplitLoader, Publisher = sharded.ShardedPublisher, sharded.SplitLoader, sharded.Publisher
{patch}
urls = sys.argv[3:]
shards = Shards([Server(lambda url=url: url, sys.argv[1]) for url in urls])
publish("toy", Workspace(Path(sys.argv[2])), shards, max_assets=10, reporter=SilentReporter())
"""
MOMENTS = {
    "in the load": ("SplitLoader.load_views = die", False),
    "before the indexes": ("Publisher.build = die", False),
    "on one shard of three": ("Publisher.switch = after(Publisher.switch)", False),
    "built and not live": ("ShardedPublisher._go_live = die", False),
    "live": ("ShardedPublisher._go_live = after(ShardedPublisher._go_live)", True),
}


@dataclass(slots=True)
class Servers:
    """Three servers, with the toys published."""

    nodes: list[Node]
    workspace: Workspace
    prefix: str

    def shards(self, *, may_be_partial: bool = False) -> Shards:
        """As Meshseek asks them."""
        return Shards([Server(_address(node), self.prefix) for node in self.nodes], may_be_partial=may_be_partial)

    def publish(self, max_assets: int | None = None) -> None:
        """Make a version live."""
        publish("toy", self.workspace, self.shards(), max_assets=max_assets, reporter=SilentReporter())

    @contextmanager
    def searching(self, *, may_be_partial: bool = False) -> Iterator[Algorithm]:
        """An algorithm that asks all of them."""
        library = open_library(self.shards(may_be_partial=may_be_partial), "toy")
        try:
            algorithm = Algorithm("toy", library, lambda space: toy(space.model))
            algorithm.search(Query(text="red chair"))
            yield algorithm
        finally:
            library.close()

    def databases(self) -> list[set[str]]:
        """The databases of versions on each server."""
        found = []
        for node in self.nodes:
            with psycopg.connect(node.url) as connection:
                rows = connection.execute("SELECT datname FROM pg_database").fetchall()
            found.append({name for (name,) in rows if name.startswith(f"{self.prefix}toy_embeddings_")})
        return found


def _address(node: Node) -> Callable[[], str]:
    return lambda: node.url


@pytest.fixture(scope="module")
def nodes() -> Iterator[list[Node]]:
    """Three servers that know nothing of each other."""
    with some_nodes() as nodes:
        for node in nodes:
            node.make()
            node.start()
        yield nodes


@pytest.fixture
def servers(nodes: list[Node], workspace: Workspace) -> Servers:
    """With databases of this test only."""
    servers = Servers(nodes, workspace, f"test_{uuid4().hex[:8]}_")
    servers.publish()
    return servers


@pytest.mark.parametrize("kind", ["hnsw", "codes"])
def test_a_shard_may_have_nothing(servers: Servers, kind: str) -> None:
    """Where there are fewer assets than shards; the others answer for all, and exactly."""
    publish("toy", servers.workspace, servers.shards(), index_kind=kind, max_assets=2, reporter=SilentReporter())
    with servers.searching() as algorithm:
        for exact in (False, True):
            answer = algorithm.search(Query(text="red chair", exact=exact))
            assert {hit.asset_id for hit in answer.hits} == {*IDS[:2]}
            assert answer.shares == (3, 3)
        assert [algorithm.library.asset(asset_id).asset_id for asset_id in IDS[:2]] == IDS[:2]


def test_only_the_first_of_each_shard_travel(servers: Servers) -> None:
    """However many lie there: the server itself counts the rows that it sends."""
    vector = toy().embed_texts(["red chair"], role="query")[0]
    columns = ("english_embedding", "chinese_embedding")
    values = {"vector": HalfVector(vector), "limit": LIMIT, "candidates": 100}
    for server in servers.shards().live("toy"):
        with server.look("toy") as connection:
            configure(connection)
            count = connection.execute("SELECT count(*) FROM assets").fetchone()
            assert count is not None
            assert count[0] > LIMIT
            for name in ("captions_exact", "views_exact", "views_of_matching"):
                plan = b"EXPLAIN (ANALYZE, FORMAT JSON) " + statement(name, columns)
                row = connection.execute(plan, values).fetchone()
                assert row is not None
                assert row[0][0]["Plan"]["Actual Rows"] == LIMIT


def test_each_asset_lies_where_its_hash_says(servers: Servers) -> None:
    """And nowhere else, with its captions, views and words."""
    for number, server in enumerate(servers.shards().live("toy")):
        wanted = {asset_id for asset_id in IDS if shard_of(asset_id, 3) == number}
        with server.connect("toy") as connection:
            for table in ("assets", "text_embeddings", "image_embeddings", "asset_centroids", "asset_words", "listed"):
                rows = connection.execute(f"SELECT DISTINCT asset_id FROM live.{table}").fetchall()
                assert {asset_id for (asset_id,) in rows} == wanted


@pytest.mark.parametrize("how", ["killed", "silent"])
@pytest.mark.parametrize("number", [0, 2])
def test_a_shard_that_is_away_is_named(servers: Servers, number: int, how: str) -> None:
    """In one line with the cure, soon, until it is back; it is never taken for a library without its assets."""
    with servers.searching() as algorithm:
        with away(servers.nodes[number], how):
            began = time.monotonic()
            with pytest.raises(
                DatabaseDownError, match=rf"^shard {number + 1} of 3 \(127\.0\.0\.1:\d+\) does not [^\n]*$"
            ):
                algorithm.search(Query(text="red chair"))
            assert time.monotonic() - began < 2 * (LOOK_SECONDS + SILENT_SECONDS)
            assert f"shard {number + 1} of 3" in algorithm.health()
            gone = next(asset_id for asset_id in IDS if shard_of(asset_id, 3) == number)
            with pytest.raises(DatabaseDownError, match="MESHSEEK_PARTIAL_ANSWERS=true"):
                algorithm.library.asset(gone)
        until(lambda: algorithm.health() == "ready")
        assert len(algorithm.search(Query(text="red chair", top_k=40)).hits) == 40


@pytest.mark.parametrize("how", ["killed", "silent"])
@pytest.mark.parametrize("number", [0, 2])
def test_partial_answers_are_marked(servers: Servers, number: int, how: str) -> None:
    """The others answer, as fast as before; what only the missing one could tell is an error."""
    here = {asset_id for asset_id in IDS if shard_of(asset_id, 3) != number}
    gone = next(asset_id for asset_id in IDS if asset_id not in here)
    with servers.searching(may_be_partial=True) as algorithm:
        whole = algorithm.search(Query(text="red chair", top_k=40))
        with away(servers.nodes[number], how):
            until(lambda: algorithm.search(Query(text="red chair")).shares.is_partial)
            began = time.monotonic()
            answer = algorithm.search(Query(text="red chair", top_k=40, diverse=False))
            assert time.monotonic() - began < SILENT_SECONDS
            assert (answer.shares.asked, answer.shares.all) == (2, 3)
            assert {*shown(answer)} == here
            assert algorithm.health() == "ready"
            assert not algorithm.library.shards[f"shard {number + 1}"]
            assert algorithm.library.facet("category")[0][1] == 8
            for ask in (algorithm.library.asset, lambda asset_id: algorithm.similar(asset_id, "appearance", 3)):
                with pytest.raises(DatabaseDownError, match=rf"shard {number + 1} of 3 .* does not answer"):
                    ask(gone)
            assert algorithm.similar(min(here), "appearance", 3).shares.is_partial
        until(lambda: not algorithm.search(Query(text="red chair")).shares.is_partial)
        again = algorithm.search(Query(text="red chair", top_k=40))
        assert shown(again) == shown(whole)


def test_nobody_waits_for_a_late_shard_past_the_deadline(servers: Servers) -> None:
    """Even before it is known to be late."""
    with servers.searching() as algorithm, away(servers.nodes[1], "silent"):

        def search() -> float:
            set_deadline(0.3)
            began = time.monotonic()
            with pytest.raises((TooSlowError, DatabaseDownError)):
                algorithm.search(Query(text="red chair"))
            return time.monotonic() - began

        assert copy_context().run(search) < 1


@pytest.mark.parametrize("may_be_partial", [False, True])
def test_over_http(servers: Servers, *, may_be_partial: bool) -> None:
    """An answer says how many shards it comes from; one that is down is a 503 that names it, or makes it partial."""
    urls = ",".join(node.url for node in servers.nodes)
    given = {"workspace": servers.workspace.folder, "database_prefix": servers.prefix}
    meshseek = Meshseek(read_settings(**given, shards=urls, partial_answers=may_be_partial))
    library = open_library(meshseek.databases, "toy")
    meshseek.__dict__["search_service"] = SearchService([Algorithm("toy", library, lambda space: toy(space.model))])
    number = next(number for number in range(3) if number != shard_of("toys/000", 3))
    with TestClient(create_app(meshseek), "http://localhost") as client:
        search = client.build_request("POST", "/search/text", json={"query": "red chair", "algorithm": "toy"})
        alike = client.build_request("GET", "/assets/toys/000/similar", params={"algorithm": "toy"})
        for request in (search, alike):
            assert _shares(client.send(request).json()) == (False, 3, 3)
        with away(servers.nodes[number], "killed"):
            for request in (search, alike):
                answer = client.send(request)
                if may_be_partial:
                    assert _shares(answer.json()) == (True, 3, 2)
                else:
                    assert answer.status_code == HTTPStatus.SERVICE_UNAVAILABLE
                    assert answer.json()["error"]["message"].startswith(f"shard {number + 1} of 3 does not answer; ")
            assert f'meshseek_shard_up{{algorithm="toy",shard="shard {number + 1}"}} 0.0' in client.get("/metrics").text


def _shares(told: dict[str, Any]) -> tuple[bool, int, int]:
    return told["partial"], told["shards"], told["shards_answered"]


@pytest.mark.parametrize("moment", MOMENTS)
def test_a_publication_that_is_killed_is_live_everywhere_or_nowhere(servers: Servers, moment: str) -> None:
    """Killed at any moment; the next publication removes what it left."""
    patch, is_live = MOMENTS[moment]
    with servers.searching() as algorithm:
        before = shown(algorithm.search(Query(text="red chair", top_k=40)))
        arguments = [servers.prefix, str(servers.workspace.folder), *(node.url for node in servers.nodes)]
        command = [sys.executable, "-c", KILLED.format(patch=patch), *arguments]
        environment = {**os.environ, "PYTHONPATH": f"{ROOT / 'src'}{os.pathsep}{ROOT}"}
        ended = subprocess.run(command, env=environment, check=False, capture_output=True, text=True)
        assert ended.returncode == -signal.SIGKILL, ended.stderr
        if is_live:
            until(lambda: len(shown(algorithm.search(Query(text="red chair", top_k=40)))) == 10)
        else:
            assert shown(algorithm.search(Query(text="red chair", top_k=40))) == before
        assert sum(map(len, servers.databases())) > 3
        until(lambda: _published(servers, 10))
        until(lambda: len(shown(algorithm.search(Query(text="red chair", top_k=40)))) == 10)
        assert [len(names) for names in servers.databases()] == [1, 1, 1]


def _published(servers: Servers, count: int) -> bool:
    """Whether it could be published; the server may not have noticed yet that the killed one is gone."""
    try:
        servers.publish(count)
    except DatabaseError:
        return False
    return True


def test_no_answer_mixes_two_versions(servers: Servers) -> None:
    """While one version after the other goes live, each answer is that of one of them, and none fails."""
    expected = {}
    for count in (10, None):
        servers.publish(count)
        with servers.searching() as algorithm:
            answers = {words: algorithm.search(Query(text=words, top_k=5)) for words in WORDS}
        (version,) = {answer.version for answer in answers.values()}
        expected[version] = {words: shown(answer) for words, answer in answers.items()}
    with servers.searching() as algorithm:
        readers = Readers(algorithm)
        with readers.at_work():
            for count in (10, None, 10, None):
                servers.publish(count)
                time.sleep(2 * LOOK_SECONDS)
    assert readers.failures == []
    for _, words, answer in readers.answers:
        assert shown(answer) == expected[answer.version][words]
    assert {answer.version for _, _, answer in readers.answers} == {*expected}


def test_nothing_is_published_while_a_shard_is_down(servers: Servers) -> None:
    """That is told, and the old version stays live."""
    with away(servers.nodes[2], "killed"), pytest.raises(DatabaseError):
        servers.publish(10)
    with servers.searching() as algorithm:
        assert len(algorithm.search(Query(text="red chair", top_k=40)).hits) == 40
    servers.publish(10)
    assert [len(names) for names in servers.databases()] == [1, 1, 1]


def test_shards_are_added_and_left_out(servers: Servers) -> None:
    """A service that names more servers reads from those that were published on; fewer are told."""
    two = Servers(servers.nodes[:2], servers.workspace, servers.prefix)
    with pytest.raises(DatabaseError, match="was published on 3 shards, and MESHSEEK_SHARDS names 2"), two.searching():
        pass
    with servers.searching() as algorithm:
        two.publish()
        until(lambda: algorithm.search(Query(text="red chair")).shares == (2, 2))
        assert len(algorithm.search(Query(text="red chair", top_k=40)).hits) == 40
        servers.publish()
        until(lambda: algorithm.search(Query(text="red chair")).shares == (3, 3))
        assert [len(names) for names in servers.databases()] == [1, 1, 1]


def test_commands_know_shards(library: ServedLibrary, nodes: list[Node], tmp_path: Path) -> None:
    """Those that publish, search, measure and look after a library; the others say that they know one server."""
    workspace, prefix = tmp_path / "workspace", f"test_{uuid4().hex[:8]}_"
    shutil.copytree(library.folder, workspace)
    one = {**library.environment, "MESHSEEK_WORKSPACE": str(workspace)}
    shards = {
        "MESHSEEK_WORKSPACE": str(workspace),
        "MESHSEEK_DATABASE_PREFIX": prefix,
        "MESHSEEK_SHARDS": ", ".join(node.url for node in nodes),
    }

    def run(command: str, environment: dict[str, str] = shards) -> str:
        ended = run_here(shlex.split(command), environment)
        assert ended.returncode == 0, ended.stderr
        return ended.stdout

    count = len(library.asset_ids)
    assert f"{count} done" in run("publish --algorithm lite --index hnsw")
    assert f"{count} already there" in run("publish --algorithm lite --index hnsw")
    said, told = (json.loads(run("search 'wooden chair' --json", each)) for each in (shards, one))
    assert [hit["asset_id"] for hit in said["results"]] == [hit["asset_id"] for hit in told["results"]]
    assert (said["partial"], said["shards"], said["shards_answered"]) == (False, 3, 3)
    assert len(json.loads(run("tune --algorithm lite --queries 10 --json"))) == 4
    assert json.loads(run("status --json"))["published"]["lite"]["assets"] == count
    assert run_here(["doctor"], shards).stdout.count(" answers as shard ") == 3
    unneeded, as_on_one = (json.loads(run("clean --dry-run --json", each)) for each in (shards, one))
    for told in (unneeded, as_on_one):
        assert (told["done"], told["details"]["bytes freed"]) == (0, 0)
    run("check")
    run("update --dry-run")
    assert "0 databases" in run(f"backup {tmp_path / 'backups'}")
    for command in ("db url --algorithm lite", "db psql --algorithm lite"):
        ended = run_here(shlex.split(command), shards)
        assert (ended.returncode, len(ended.stderr.splitlines())) == (1, 1)
        assert "this knows one database server, and MESHSEEK_SHARDS names several" in ended.stderr
    cure = {**shards, "MESHSEEK_SHARDS": "", "MESHSEEK_DATABASE_URL": nodes[0].url}
    assert f"{prefix}lite_embeddings" in run("db url --algorithm lite", cure)


def test_codes_find_what_comparing_with_everything_finds(
    nodes: list[Node], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each shard has codes of its own, in files of its own, of which those of former versions are removed."""
    monkeypatch.setattr(planning, "VERY_FEW", 0)
    servers = Servers(nodes, Workspace(tmp_path / "workspace"), f"test_{uuid4().hex[:8]}_")
    crowd, shards, codes = Crowd.of(4000), servers.shards(), servers.workspace.codes
    crowd.write(servers.workspace)
    for count in (None, 3900):
        publish("crowd", servers.workspace, shards, index_kind="codes", max_assets=count, reporter=SilentReporter())
    library = open_library(shards, "crowd", codes=codes)
    try:
        published = library.published()
        for vector in np.eye(DIM, dtype=np.float32)[:20]:
            for filters in ({}, {"tags": "even"}, {"category": "cluster 3"}):
                request = Request(limit=20, conditions=conditions(filters))
                exactly = library.nearest_views(published, vector, replace(request, exact=True))
                found = library.nearest_views(published, vector, request)
                assert recall_of(found, exactly) >= 0.95
                assert len(found) == len(exactly)
        assert len([*codes.glob("*.codes")]) == 3
    finally:
        library.close()
