"""An index kind that behaves differently is one file: publishing, searching and tuning ask the kind itself."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from tests.crowd import DIM, Crowd

from meshseek.errors import NotPublishedError
from meshseek.pipeline.publish import publish
from meshseek.reporting import SilentReporter
from meshseek.search.filters import conditions
from meshseek.search.tuning import Tuners
from meshseek.search.warming import warm_up
from meshseek.store import indexes
from meshseek.store.indexes import INDEXES
from meshseek.store.postgres import Server
from meshseek.store.read import plan as planning
from meshseek.store.read.library import Library, Request
from meshseek.workspace.workspace import Workspace

FLAT = '''
"""Compares with everything, and has an index that no search needs."""

from psycopg import sql

from meshseek.store.indexes import Graph, Index, NodeBytes


class Flat(Index):
    captions_query = "captions_exact"
    views_query = "views_exact"
    is_exact = True

    def node(self, dim):
        return NodeBytes(memory=0, disk=8)

    def graphs(self, *, chinese, dim):
        return [Graph("asset_centroids", sql.SQL("CREATE INDEX flat ON asset_centroids (spread)"))]
'''


@pytest.fixture
def flat(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The name of an index kind that lies in a folder of its own, as if its file stood beside the others."""
    folder = tmp_path / "kinds"
    folder.mkdir()
    (folder / "flat.py").write_text(FLAT)
    monkeypatch.setattr(indexes, "__path__", [*indexes.__path__, str(folder)])
    INDEXES.__dict__.pop("names", None)
    yield "flat"
    INDEXES.__dict__.pop("names", None)


def test_only_the_kind_that_says_so_is_exact() -> None:
    """It is said where the kind is defined, and false unless said."""
    assert [name for name in INDEXES.names if INDEXES.load(name).is_exact] == ["exact"]


def test_only_the_kind_that_says_so_has_codes() -> None:
    """Likewise; such a kind has no graphs, but says what its codes take."""
    assert [name for name in INDEXES.names if INDEXES.load(name).has_codes] == ["codes"]
    kind = INDEXES.load("codes")()
    assert kind.graphs(chinese=True, dim=768) == []
    assert kind.node(768).disk == 48 + 384
    assert kind.node(768).view == 384 + 4


def test_a_kind_that_is_exact_under_another_name(
    flat: str, server: Server, workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its graphs are built, whatever passes is compared, there is nothing to tune, and warming asks for no vectors."""
    for bound in ("FEW", "VERY_FEW"):
        monkeypatch.setattr(planning, bound, 0)
    crowd = Crowd.of(200)
    crowd.write(workspace)
    publish("crowd", workspace, server, index_kind=flat, max_assets=None, reporter=SilentReporter())
    library = Library(server, "crowd")
    try:
        published = library.published()
        vector = (np.ones(DIM) / np.sqrt(DIM)).astype(np.float32)
        for filters in ({}, {"tags": "even"}, {"tags": ["even", "odd"]}):
            request = Request(limit=20, conditions=conditions(filters))
            exactly = Request(limit=20, conditions=conditions(filters), exact=True)
            assert library.nearest_views(published, vector, request) == library.nearest_views(
                published, vector, exactly
            )
        warm_up(library, published)
        with pytest.raises(NotPublishedError, match="no index to tune"):
            Tuners(library, published, 10)
    finally:
        library.close()
    with server.connect("crowd") as connection:
        assert connection.execute("SELECT to_regclass('live.flat') IS NOT NULL").fetchone() == (True,)
