"""A network between the service and a replica that drops what is sent. Run by ``make test-cluster``, by root.

The replica runs in a network namespace of its own; the wire between is unplugged and plugged in again and again.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from random import Random
from uuid import uuid4

import pytest

from meshseek.workspace.workspace import Workspace
from tests.cluster.postgres import some_nodes
from tests.cluster.reading import READERS, Readers, Servers, searching, until

pytestmark = pytest.mark.skipif(
    os.geteuid() != 0 or shutil.which("ip") is None, reason="only root, with iproute2, can make a network"
)
SECONDS = 8.0
HERE, THERE = "10.217.86.1", "10.217.86.2"


def ip(*arguments: str) -> None:
    """Change the network."""
    subprocess.run(["ip", *arguments], check=True, capture_output=True)


@pytest.fixture
def wire() -> Iterator[str]:
    """A pair of network devices, the second one in a namespace; both have the value as name."""
    name = f"ms{uuid4().hex[:6]}"
    ip("netns", "add", name)
    try:
        ip("link", "add", name, "type", "veth", "peer", "name", name, "netns", name)
        ip("address", "add", f"{HERE}/24", "dev", name)
        ip("link", "set", name, "up")
        ip("-n", name, "address", "add", f"{THERE}/24", "dev", name)
        ip("-n", name, "link", "set", name, "up")
        ip("-n", name, "link", "set", "lo", "up")
        yield name
    finally:
        ip("netns", "delete", name)


@pytest.fixture
def servers(wire: str, workspace: Workspace) -> Iterator[Servers]:
    """A primary, and replicas, the second of which is at the other end of the wire."""
    with some_nodes() as nodes:
        nodes[0].address, nodes[2].address, nodes[2].network = HERE, THERE, wire
        nodes[0].make()
        nodes[0].open_to(f"{HERE}/24")
        nodes[0].start()
        for node in nodes[1:]:
            node.follow(nodes[0])
        nodes[1].start()
        nodes[2].start()
        servers = Servers(nodes[0], nodes[1:], workspace, f"test_{uuid4().hex[:8]}_")
        servers.publish()
        yield servers


def test_a_wire_that_loses_what_is_sent(servers: Servers, wire: str) -> None:
    """Searches that were on their way are answered by another server; later the replica is left out, and used again."""
    random = Random(17)
    with searching(servers) as (algorithm, spread):
        readers = Readers(algorithm)
        with readers.at_work():
            until_then = time.monotonic() + SECONDS
            while time.monotonic() < until_then:
                ip("link", "set", wire, "down")
                time.sleep(random.uniform(0.05, 0.6))
                ip("link", "set", wire, "up")
                time.sleep(random.uniform(0.05, 0.6))
            ip("link", "set", wire, "down")
            until(lambda: not spread.replicas["replica 2"])
            ip("link", "set", wire, "up")
            until(lambda: spread.replicas["replica 2"])
        assert readers.failures == []
        assert len(readers.answers) > 10 * READERS
