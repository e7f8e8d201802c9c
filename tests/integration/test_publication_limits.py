"""Publishing where disk, shared memory or rights are short, and what of a new version is in memory at its switch."""

from __future__ import annotations

import errno
import gc
import os
import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from itertools import count
from typing import Any, NamedTuple

import psycopg
import pytest
from tests.crowd import Crowd
from tests.toy import publish_toys, toy_algorithm

from meshseek.errors import DatabaseError, WorkspaceError
from meshseek.model import Asset
from meshseek.pipeline import library_state
from meshseek.pipeline.library_state import LibraryState
from meshseek.pipeline.publish import publish
from meshseek.pipeline.synthetic import LibrarySize, make_library
from meshseek.pipeline.vector_files import VectorFiles
from meshseek.reporting import SilentReporter
from meshseek.store.indexes import INDEXES, Graph
from meshseek.store.memory import read_into_memory
from meshseek.store.postgres import Connection, Server
from meshseek.store.queries import query
from meshseek.store.write import loading
from meshseek.store.write.index_build import PUBLISHED_ASSET_BYTES, BuildPlan, _build
from meshseek.store.write.live import published_digests
from meshseek.store.write.loading import Loader
from meshseek.store.write.publisher import Publisher
from meshseek.store.write.way import LEAST, NICENESS, give_way
from meshseek.workspace.tables import asset_row
from meshseek.workspace.workspace import Workspace


class Usage(NamedTuple):
    """What a disk says of itself."""

    free: int


class Teller(SilentReporter):
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.told: list[str] = []

    def say(self, message: str) -> None:
        """Keep it."""
        self.told.append(message)


@contextmanager
def free_disk(bytes_free: int) -> Iterator[None]:
    """A disk with so much room."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(shutil, "disk_usage", lambda _: Usage(bytes_free))
        yield


def test_a_disk_that_is_too_small_is_refused_before_the_load(workspace: Workspace, server: Server) -> None:
    """In one line with the sizes, and for the index kind at hand: what graphs need counts only where they are built."""
    crowd = Crowd.of(200)
    crowd.write(workspace)
    library = LibraryState.read(workspace, VectorFiles.open(workspace, "crowd"), None)
    sizes = library.sizes(VectorFiles.open(workspace, "crowd"))
    captions, centroids = len({*crowd.english, *crowd.chinese}), len(crowd.views)
    assert sizes["graph_vectors"] == 2 * captions + centroids
    assert sizes["vectors"] == len(crowd.english) + len(crowd.chinese) + 5 * centroids

    assert (sizes["assets"], sizes["views"]) == (200, 4 * centroids)
    rows, nodes = (
        sizes["assets"] * PUBLISHED_ASSET_BYTES,
        {kind: INDEXES.load(kind)().node(32) for kind in INDEXES.names},
    )
    needed = {
        kind: rows + sizes["vectors"] * (2 * 32 + 64) + sizes["views"] * node.view + sizes["graph_vectors"] * node.disk
        for kind, node in nodes.items()
    }
    assert needed["exact"] < needed["hnsw_binary"] < needed["hnsw"]
    for kind in INDEXES.names:
        with free_disk(needed[kind] - 1), pytest.raises(DatabaseError) as refused:
            publish("crowd", workspace, server, index_kind=kind, max_assets=None, reporter=SilentReporter())
        assert re.fullmatch(
            r"the new version needs about [^\n]+ free; free some space, or try [^\n]+", str(refused.value)
        )
        with free_disk(needed[kind]):
            publish("crowd", workspace, server, index_kind=kind, max_assets=None, reporter=SilentReporter())


@pytest.mark.parametrize("where", ["os.posix_fallocate", "meshseek.pipeline.centroid_spool.CentroidSpool.write"])
def test_a_disk_that_fills_up_is_told(
    toys: Workspace, server: Server, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    """What waits to be loaded is on the disk of the workspace; where that is full, nothing is published."""

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(where, full)
    with pytest.raises(WorkspaceError, match=r"the disk that holds .* is full; free some space"):
        publish_toys(toys, server)
    monkeypatch.undo()
    assert publish_toys(toys, server).details["assets"] == 40


def test_fewer_assets_need_less_room(toys: Workspace) -> None:
    """What the refusal advises helps."""
    vectors = VectorFiles.open(toys, "toy")
    sizes = [LibraryState.read(toys, vectors, count).sizes(vectors) for count in (10, None)]

    assert sizes == [
        {"assets": 10, "vectors": 10 + 8 + 10 + 30, "views": 30, "graph_vectors": 10 + 10 + 10},
        {"assets": 40, "vectors": 40 + 32 + 40 + 120, "views": 120, "graph_vectors": 40 + 40 + 40},
    ]


@pytest.fixture
def assets_alive() -> Iterator[Callable[[], int]]:
    """Counts assets in memory, but for those of other tests; what was there before is not looked through again."""
    gc.collect()
    gc.freeze()

    def count_them() -> int:
        gc.collect()
        return sum(type(each) is Asset for each in gc.get_objects())

    yield count_them
    gc.unfreeze()


def test_few_assets_are_in_memory_at_a_time(
    workspace: Workspace, server: Server, monkeypatch: pytest.MonkeyPatch, assets_alive: Callable[[], int]
) -> None:
    """However many are published: neither while they are read nor while they are loaded, anew or in place."""
    make_library(LibrarySize(assets=1_000, views=1, dim=4), workspace, SilentReporter())
    alive: list[int] = []

    def counting(call: Callable[..., Any]) -> Callable[..., Any]:
        calls = count()

        def counted(*arguments: Any) -> Any:
            if next(calls) % 200 == 0:
                alive.append(assets_alive())
            return call(*arguments)

        return counted

    monkeypatch.setattr(library_state, "_digest", counting(library_state._digest))
    monkeypatch.setattr(loading, "_names", counting(loading._names))
    monkeypatch.setattr(loading, "ASSETS", 100)
    summary = publish("synthetic", workspace, server, max_assets=None, reporter=SilentReporter())
    assert (summary.done, len(alive)) == (1_000, 10)
    row = asset_row(next(iter(workspace.assets())))
    workspace.assets_table().append([{**row, "fingerprint": "changed", "captions_english": ["changed"]}])
    summary = publish("synthetic", workspace, server, max_assets=None, reporter=SilentReporter())
    assert (summary.done, len(alive)) == (1, 10 + 5 + 1)
    assert max(alive) < 200


def test_assets_that_leave_while_they_are_published(
    published_toys: Workspace, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They were counted, and then they are gone: that is told, and the live version stays as it was."""
    before = digests(server)
    assets = list(published_toys.assets())
    table = published_toys.assets_table()
    table.append([{**asset_row(assets[0]), "captions_english": ["changed"]}])
    load = Loader.load_labels

    def meanwhile(self: Loader, *arguments: Any) -> None:
        load(self, *arguments)
        table.keep_shards([])
        table.append([asset_row(asset) for asset in assets[1:]])

    monkeypatch.setattr(Loader, "load_labels", meanwhile)
    with pytest.raises(WorkspaceError, match=r"1 assets left .* while they were published; publish again"):
        publish_toys(published_toys, server)
    assert digests(server) == before
    monkeypatch.undo()
    assert publish_toys(published_toys, server).details["assets"] == 39


def digests(server: Server) -> dict[str, str]:
    """What each published asset was made from."""
    return {asset_id: digest for part in published_digests(server, "toy") for asset_id, digest in part}


@pytest.fixture
def connection(server: Server) -> Iterator[Connection]:
    """A connection to a database with a table of vectors that the server would index with several processes."""
    server.create_database("some")
    with server.connect("some") as opened:
        opened.execute("CREATE TABLE asset_centroids (centroid halfvec(3)) WITH (parallel_workers = 2)")
        opened.execute("INSERT INTO asset_centroids SELECT '[1,2,3]'::halfvec FROM generate_series(1, 100)")
        yield opened


def test_loading_gives_way_to_searches(connection: Connection) -> None:
    """The process of the server that publishes has a lower priority than it had, where it is on this machine."""
    is_local = connection.info.host.startswith("/")
    before = os.getpriority(os.PRIO_PROCESS, connection.info.backend_pid) if is_local else 0

    assert give_way(connection) is is_local
    if is_local:
        assert os.getpriority(os.PRIO_PROCESS, connection.info.backend_pid) == min(LEAST, before + NICENESS)


def test_too_little_shared_memory_is_built_with_one_process(connection: Connection) -> None:
    """Where /dev/shm is smaller than the graph the index is built all the same, and it is told."""
    plan = BuildPlan(rows=100, needed=0, disk=0, memory=1000 << 30, workers=2, seconds=0)
    teller = Teller()
    _build(connection, Graph("asset_centroids", query("index_centroids")), plan, teller)

    assert [message.partition(" (")[0] for message in teller.told] == ["too little shared memory"]
    count = connection.execute("SELECT count(*) FROM pg_indexes WHERE tablename = 'asset_centroids'")
    assert count.fetchone() == (1,)


def test_a_full_disk_is_not_taken_for_shared_memory(connection: Connection) -> None:
    """Whatever else stops a build is not tried a second time."""
    plan = BuildPlan(rows=100, needed=0, disk=0, memory=64 << 20, workers=2, seconds=0)
    teller = Teller()
    connection.execute("CREATE INDEX asset_centroids_centroid ON asset_centroids (centroid)")
    with pytest.raises(psycopg.errors.DuplicateTable):
        _build(connection, Graph("asset_centroids", query("index_centroids")), plan, teller)
    assert not teller.told


def test_a_version_is_in_memory_when_it_goes_live(
    published_toys: Workspace, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The tables and indexes of the incoming version are read before the switch."""
    statements: list[str] = []
    switch = Publisher.switch

    def noting(self: Publisher, *, inherit: dict[str, object]) -> None:
        statements.append("switch")
        switch(self, inherit=inherit)

    def reading(connection: Connection, schema: str) -> None:
        read_into_memory(connection, schema)
        rows = connection.execute(b"SELECT to_regclass('incoming.assets') IS NOT NULL").fetchone()
        statements.append(f"read {schema}: {rows}")

    monkeypatch.setattr(Publisher, "switch", noting)
    monkeypatch.setattr("meshseek.store.write.publisher.read_into_memory", reading)
    publish_toys(published_toys, server, max_assets=10)
    assert statements == ["read incoming: (True,)", "switch"]


RECORDING = """
DROP EXTENSION pg_prewarm;
CREATE TABLE public.calls (number serial, relation regclass, how text, last bigint);
CREATE FUNCTION public.pg_prewarm(regclass, text, text, bigint, bigint) RETURNS void LANGUAGE sql AS $$
INSERT INTO public.calls (relation, how, last) VALUES ($1, $2, $5);
SELECT pg_sleep(0.05) $$
"""


@pytest.mark.parametrize(("server_kb", "machine_kb"), [(4_000_000, 4_000_000), (400, 550), (0, 100), (400, 100)])
def test_what_has_room_is_read_ahead(
    published_toys: Workspace, server: Server, server_kb: int, machine_kb: int
) -> None:
    """Indexes, the views, then other tables: into the server's memory, then the system's, and of one a part."""
    with server.connect("toy") as connection:
        connection.execute(RECORDING)
        text = query("prewarm", schema=psycopg.sql.Literal("live")).as_string(connection)
        for name, room in (("shared_buffers", server_kb), ("effective_cache_size", machine_kb)):
            text = text.replace(f"current_setting('{name}')", f"'{room}kB'")
        connection.execute(text.encode())
        relations = connection.execute(
            b"SELECT relation::text, how, last, pg_relation_size(relation)::float8, relkind::text FROM public.calls"
            b" JOIN pg_class ON pg_class.oid = relation ORDER BY number"
        ).fetchall()
    total = 0.0
    for _, how, last, size, _ in relations:
        total += size
        assert how == ("buffer" if total <= 1024 * server_kb else "read")
        assert (last is None) == (total <= 1024 * max(server_kb, machine_kb))
        if last is not None:
            assert (total - size) + 8192 * (last + 1) <= 1024 * max(server_kb, machine_kb)
    kinds = [(kind, relation.endswith("image_embeddings")) for relation, *_, kind in relations]
    assert kinds == sorted(kinds, key=lambda each: (each[0] == "r", not each[1]))
    assert len(relations) > (20 if server_kb > 1024 else 3)


FAILING = """
DROP EXTENSION pg_prewarm;
CREATE FUNCTION public.pg_prewarm(regclass, text, text, bigint, bigint) RETURNS int LANGUAGE sql AS 'SELECT 1 / 0'
"""


@pytest.mark.parametrize("harm", ["DROP EXTENSION pg_prewarm", FAILING])
def test_what_cannot_be_read_ahead_is_no_failure(published_toys: Workspace, server: Server, harm: str) -> None:
    """Without ``pg_prewarm``, or where it fails, what is published is answered as ever."""
    with server.connect("toy") as connection:
        connection.execute(harm.encode())
    algorithm = toy_algorithm(server)
    algorithm.library.read_into_memory()
    assert algorithm.library.published().assets == 40
    algorithm.library.close()


def test_reading_ahead_has_no_time_limit_and_changes_none(published_toys: Workspace, server: Server) -> None:
    """A reading that takes longer than statements may is not ended; the limit holds again afterwards."""
    with server.connect("toy") as connection:
        connection.execute("SET statement_timeout = '300ms'")
        connection.execute(RECORDING)
        read_into_memory(connection, "live")
        assert connection.execute("SELECT count(*) > 6 FROM public.calls").fetchall() == [(True,)]
        assert connection.execute("SHOW statement_timeout").fetchone() == ("300ms",)


def test_a_lost_connection_is_told(published_toys: Workspace, server: Server) -> None:
    """That, and nothing else, is an error."""
    with suppress(psycopg.Error), server.connect("toy") as connection:
        read_into_memory(connection, "no such schema")
        with server.connect("toy") as other:
            other.execute("SELECT pg_terminate_backend(%s)", [connection.info.backend_pid])
        with pytest.raises(psycopg.OperationalError):
            read_into_memory(connection, "live")
