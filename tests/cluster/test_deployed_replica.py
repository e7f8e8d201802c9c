"""The script that makes replicas in containers, on real servers that ask for the password."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from tests.cluster.postgres import Node, some_nodes
from tests.waiting import eventually

DEPLOY = Path(__file__).parents[2] / "deploy"
PASSWORD = "letters9"  # pragma: allowlist secret


@pytest.fixture
def primary() -> Iterator[Node]:
    """A server as ``compose.yaml`` has it: nobody comes in without the password."""
    with some_nodes(count=1) as (node,):
        node.make()
        node.start()
        with psycopg.connect(node.url, autocommit=True) as connection:
            connection.execute(f"ALTER ROLE meshseek PASSWORD '{PASSWORD}'")
            shutil.copyfile(DEPLOY / "pg_hba.conf", node.data / "pg_hba.conf")
            connection.execute("SELECT pg_reload_conf()")
        yield node


def number(node: Node) -> int | None:
    """What a server has in the only row; None where it has none, or does not answer."""
    try:
        with psycopg.connect(node.url, password=PASSWORD, connect_timeout=2) as connection:
            row = connection.execute("SELECT n FROM numbers").fetchone()
    except psycopg.Error:
        return None
    return int(row[0]) if row else None


def write(node: Node, statement: str) -> None:
    """Change it on the primary."""
    with psycopg.connect(node.url, password=PASSWORD, autocommit=True) as connection:
        connection.execute(statement)


def test_a_replica_copies_once_and_follows(primary: Node) -> None:
    """Also after it was killed; what an interrupted copy left is no hindrance."""
    write(primary, "CREATE TABLE numbers AS SELECT 1 AS n")
    replica = Node(primary.folder)
    left = replica.data.with_name(f"{replica.data.name}.copy")
    left.mkdir()
    for path in (left, left / "half"):
        path.touch()
        shutil.chown(path, primary.folder.stat().st_uid)
    try:
        replica.start_by(DEPLOY / "replica.sh", primary, PASSWORD)
        eventually(lambda: number(replica) == 1)
        write(primary, "UPDATE numbers SET n = 2")
        eventually(lambda: number(replica) == 2)
        made = (replica.data / "backup_label.old").stat().st_mtime_ns
        replica.kill()
        write(primary, "UPDATE numbers SET n = 3")
        replica.start_by(DEPLOY / "replica.sh", primary, PASSWORD)
        eventually(lambda: number(replica) == 3)
        assert (replica.data / "backup_label.old").stat().st_mtime_ns == made
        with psycopg.connect(replica.url, password=PASSWORD) as connection:
            row = connection.execute("SELECT pg_is_in_recovery(), current_setting('hot_standby_feedback')").fetchone()
        assert row == (True, "on")
    finally:
        replica.kill()


def test_without_the_password_nobody_copies_or_reads(primary: Node) -> None:
    """Neither for replication nor for searches."""
    for replication in ("false", "true"):
        with pytest.raises(psycopg.OperationalError, match="no password supplied"):
            psycopg.connect(primary.url, replication=replication)
