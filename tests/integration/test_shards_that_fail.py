"""What publishing, cleaning and removing do where a shard is away, lost or fails; all are databases of one server."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import psycopg
import pytest
from tests.conftest import drop_databases
from tests.toy import embed_toys, import_toys, toy

from meshseek.errors import DatabaseDownError, DatabaseError, WorkspaceError
from meshseek.pipeline.publish import publish
from meshseek.pipeline.stage import Summary
from meshseek.reporting import SilentReporter
from meshseek.search.algorithm import Algorithm
from meshseek.search.browsing import Browse
from meshseek.store.postgres import Server
from meshseek.store.queries import query
from meshseek.store.read.files_in_use import files_in_use
from meshseek.store.read.opening import open_library
from meshseek.store.shards import LiveRow, Shards, shard_of
from meshseek.store.write.live import published_content
from meshseek.store.write.publisher import Publisher
from meshseek.store.write.sharded import remove_former
from meshseek.workspace.workspace import Workspace

NOWHERE = "postgresql://nobody@127.0.0.1:9/postgres"
FORMER = LiveRow("0123456789ab", 3)


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A few toys, embedded."""
    workspace = Workspace(tmp_path_factory.mktemp("toys") / "workspace")
    import_toys(workspace, 8)
    embed_toys(workspace)
    return workspace


@pytest.fixture
def prefix(conninfo: str) -> Iterator[str]:
    """Of the databases of one test."""
    prefix = f"test_{uuid4().hex[:8]}_"
    yield prefix
    drop_databases(conninfo, prefix)


def shards_at(prefix: str, *addresses: str) -> Shards:
    """Shards whose databases are told apart by their prefixes, as if each had a server of its own."""
    servers = [
        Server(lambda address=address: address, f"{prefix}{number}_", setting="MESHSEEK_SHARDS")  # type: ignore[misc]
        for number, address in enumerate(addresses)
    ]
    return Shards(servers)


def published(workspace: Workspace, shards: Shards) -> Summary:
    """Publish the toys."""
    return publish("toy", workspace, shards, max_assets=None, reporter=SilentReporter())


def databases(conninfo: str, prefix: str) -> set[str]:
    """Those that are there, without the prefix."""
    with psycopg.connect(conninfo) as connection:
        rows = connection.execute("SELECT datname FROM pg_database WHERE starts_with(datname, %s)", [prefix])
        return {name.removeprefix(prefix) for (name,) in rows}


def test_a_lost_part_is_published_again(workspace: Workspace, conninfo: str, prefix: str) -> None:
    """Meanwhile nothing is taken for garbage that the version may show; an error names the shard and the cure."""
    shards = shards_at(prefix, *3 * [conninfo])
    published(workspace, shards)
    assert published_content(shards, "toy")[1] == 8
    lost = shards.live("toy")[1]
    lost.drop_databases([lost.database_name("toy")])
    with pytest.raises(DatabaseError, match=r"^shard 2 of 3 \(.*\): its part .* is not there; .* publish again$"):
        files_in_use(shards, "toy")
    assert published_content(shards, "toy") == (None, 0)
    assert published(workspace, shards).done == 8
    assert len(files_in_use(shards, "toy").view_folders) == 8
    assert published(workspace, shards).already_there == 8


def test_what_was_on_one_server_before_can_be_dropped(workspace: Workspace, conninfo: str, prefix: str) -> None:
    """As the page on scaling says; the first shard's database of the same name still says what is live."""
    shards = shards_at(prefix, conninfo, conninfo)
    publish("toy", workspace, shards.first, max_assets=None, reporter=SilentReporter())
    published(workspace, shards)
    with shards.first.connect("toy") as connection:
        connection.execute("DROP SCHEMA live CASCADE")
    assert published_content(shards.first, "toy") == (None, 0)
    assert published(workspace, shards).already_there == 8


@pytest.mark.parametrize("how", ["failure", "interruption"])
def test_where_one_shard_fails_the_others_stop(
    workspace: Workspace, conninfo: str, prefix: str, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    """Their statements are cancelled, on Ctrl-C as well, and nothing is left."""
    stopped = list[Publisher]()
    begun = list[Publisher]()

    def build(publisher: Publisher, *_: object, **__: object) -> None:
        begun.append(publisher)
        if publisher is begun[0]:
            if how == "failure":
                raise WorkspaceError("broken")
            publisher.connection.execute("SELECT pg_sleep(0.2)")  # until the others are asked
            os.kill(os.getpid(), signal.SIGINT)
        try:
            publisher.connection.execute("SELECT pg_sleep(30)")
        except psycopg.errors.QueryCanceled:
            stopped.append(publisher)
            raise

    monkeypatch.setattr(Publisher, "build", build)
    shards = shards_at(prefix, *3 * [conninfo])
    with pytest.raises(WorkspaceError if how == "failure" else KeyboardInterrupt):
        published(workspace, shards)
    assert len(stopped) == (2 if how == "failure" else 3)
    assert databases(conninfo, prefix) == {"0_toy_embeddings"}


def test_a_name_that_would_be_cut_off_costs_no_database(workspace: Workspace, conninfo: str, prefix: str) -> None:
    """Cut off, it is that of the database with the row that says what is live."""
    long = prefix + "p" * (63 - len(f"{prefix}0_toy_embeddings"))
    shards = shards_at(long, conninfo)
    shards.first.create_database("toy")
    name = shards.database_name("toy")
    assert len(name) == 63
    with pytest.raises(DatabaseError, match="give a shorter MESHSEEK_DATABASE_PREFIX"):
        published(workspace, shards)
    with pytest.raises(DatabaseError, match="give a shorter MESHSEEK_DATABASE_PREFIX"):
        shards.first.drop_databases([f"{name}_{FORMER.token}_0"])
    assert databases(conninfo, name) == {""}


def test_a_shard_that_is_away_is_named_and_the_others_are_cleared(
    workspace: Workspace, conninfo: str, prefix: str
) -> None:
    """What is left on the one that is away is remembered until it is back."""
    every, away = shards_at(prefix, *3 * [conninfo]), shards_at(prefix, conninfo, NOWHERE, conninfo)
    with pytest.raises(
        DatabaseDownError, match=r"^shard 2 of 3 \(127.0.0.1:9\): .* start it or check MESHSEEK_SHARDS$"
    ):
        published(workspace, away)
    with every.first.connect("toy") as control:
        control.execute(query("begin_version"), FORMER._asdict())
    for part in every.version(FORMER, "toy"):
        part.create_database("toy")
    remove_former(away, "toy")
    assert databases(conninfo, prefix) == {"0_toy_embeddings", f"1_toy_embeddings_{FORMER.token}_1"}
    remove_former(every, "toy")
    assert databases(conninfo, prefix) == {"0_toy_embeddings"}


def test_a_connection_that_only_waits_notices_a_lost_network(conninfo: str, prefix: str) -> None:
    """As those of searches do."""
    server = Server(lambda: conninfo, prefix)
    server.create_database("toy")
    with server.connect("toy") as connection, server.connect_to_server() as other:
        assert connection.info.get_parameters()["keepalives_idle"] == "30"
        assert other.info.get_parameters()["keepalives_idle"] == "30"


def test_a_catalogue_counts_what_answers(workspace: Workspace, conninfo: str, prefix: str) -> None:
    """Whichever shard is away, and when it answers again: what was counted of others is not told of these."""
    shards = shards_at(prefix, *3 * [conninfo])
    shards.may_be_partial = True
    published(workspace, shards)
    library = open_library(shards, "toy")
    catalogue = Algorithm("toy", library, lambda _: toy())
    filtered: dict[str, Any] = {"filters": {"creator": ["maker 0", "maker 1"]}, "facets": ["creator"]}
    try:
        assert catalogue.browse(Browse()).total == 8
        version = library._asker.source.open_now()  # type: ignore[attr-defined]
        for away in (None, 0, 1, 2, None):
            for number, look in enumerate(version.looks):
                look.stop()
                look._thread.join()
                look.failure = "away" if number == away else None
            here = [asset.asset_id for asset in workspace.assets() if shard_of(asset.asset_id, 3) != away]
            for wanted in (Browse(), Browse(**filtered)):
                shelf = catalogue.browse(wanted)
                assert shelf.shares.is_partial == (away is not None)
                assert sorted(listed.asset.asset_id for listed in shelf.assets) == sorted(here)
                assert shelf.total == len(here)
            assert shelf.facets is not None
            assert shelf.facets.counted == len(here) == sum(each.count for each in shelf.facets.labels["creator"])
    finally:
        library.close()
