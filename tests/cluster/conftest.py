"""A primary and two replicas, for the tests of this folder."""

from __future__ import annotations

from collections.abc import Iterator
from uuid import uuid4

import pytest

from meshseek.workspace.workspace import Workspace
from tests.cluster.postgres import Node, some_nodes
from tests.cluster.reading import Servers
from tests.toy import embed_toys, import_toys


@pytest.fixture(scope="module")
def nodes() -> Iterator[list[Node]]:
    """Three servers; the second and the third stream from the first."""
    with some_nodes() as nodes:
        nodes[0].make()
        nodes[0].start()
        for replica in nodes[1:]:
            replica.follow(nodes[0])
            replica.start()
        yield nodes


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """Toys, embedded."""
    workspace = Workspace(tmp_path_factory.mktemp("toys") / "workspace")
    import_toys(workspace)
    embed_toys(workspace)
    return workspace


@pytest.fixture
def servers(nodes: list[Node], workspace: Workspace) -> Servers:
    """With databases of this test only."""
    servers = Servers(nodes[0], nodes[1:], workspace, f"test_{uuid4().hex[:8]}_")
    servers.publish()
    return servers
