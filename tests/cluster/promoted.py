"""The primary is lost for good, and a replica takes its place. Run by ``make test-cluster``."""

from __future__ import annotations

from meshseek.search.query import Query
from meshseek.store.postgres import Server
from tests.cluster.postgres import Node
from tests.cluster.reading import Readers, Servers, searching, shown, until


def test_a_replica_is_promoted(nodes: list[Node], servers: Servers) -> None:
    """No search fails; with both servers in its address, what is published goes to the new one and is found at once."""
    primary, first, second = nodes
    either = f"meshseek@{primary.address}:{primary.port},{first.address}:{first.port}"
    options = "target_session_attrs=primary&connect_timeout=2"
    server = Server(lambda: f"postgresql://{either}/postgres?{options}", servers.prefix)
    with searching(servers, server) as (algorithm, spread):
        readers = Readers(algorithm)
        with readers.at_work():
            primary.kill()
            first.promote()
            second.follow_now(first)
            servers.publish(10, server)
            until(lambda: len(shown(algorithm.search(Query(text="chair", top_k=40)))) == 10)
            until(lambda: spread.replicas["replica 2"])
        assert readers.failures == []
        assert {len(shown(answer)) for _, _, answer in readers.answers} == {5}
