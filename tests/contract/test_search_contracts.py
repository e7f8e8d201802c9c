"""What every search mode and every index kind promises; each file of a family is found and tested."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.toy import embed_toys, import_toys, toy_algorithm

from meshseek.pipeline.publish import publish
from meshseek.reporting import SilentReporter
from meshseek.search.algorithm import Algorithm
from meshseek.search.modes import MODES
from meshseek.search.query import Query
from meshseek.store.indexes import INDEXES
from meshseek.store.postgres import Server
from meshseek.store.queries import read_sql
from meshseek.workspace.workspace import Workspace


@pytest.fixture(params=INDEXES.names)
def algorithm(request: pytest.FixtureRequest, server: Server, tmp_path: Path) -> Iterator[Algorithm]:
    """The toys, published with each kind of index."""
    workspace = Workspace(tmp_path)
    import_toys(workspace, 30)
    embed_toys(workspace)
    publish("toy", workspace, server, index_kind=request.param, max_assets=None, reporter=SilentReporter())
    opened = toy_algorithm(server)
    assert opened.library.published().index_kind == request.param
    yield opened
    opened.library.close()


@pytest.mark.parametrize("mode", [name for name in MODES.names if name != "words"])
def test_every_mode_on_every_index(algorithm: Algorithm, mode: str) -> None:
    """Distinct assets best first, as exactly; pages and filters of the one ranking; nothing beyond its end."""

    def ask(**options: object) -> list[tuple[str, float]]:
        hits = algorithm.search(Query(text="a red chair 椅子", target=mode, **options)).hits  # type: ignore[arg-type]
        return [(hit.asset_id, round(hit.score, 4)) for hit in hits]

    whole = ask(top_k=30)
    assert len({asset_id for asset_id, _ in whole}) == 30
    assert whole == sorted(whole, key=lambda hit: (-hit[1], hit[0]))
    assert ask(top_k=30, exact=True) == whole
    assert [*ask(top_k=7), *ask(top_k=23, offset=7)] == whole
    assert ask(top_k=10, offset=30) == []
    chairs = ask(top_k=30, filters={"category": ["chair"]})
    assert len(chairs) == 8
    if mode != "both":  # there the ranks, and so the scores, are those among the chairs
        assert chairs == [hit for hit in whole if hit in chairs]


@pytest.mark.parametrize("name", INDEXES.names)
def test_an_index_is_asked_by_queries_that_there_are(name: str) -> None:
    """Both of its queries are in queries.sql."""
    kind = INDEXES.load(name)
    for asked in (kind.captions_query, kind.views_query):
        assert f"\n-- {asked} --\n" in read_sql("queries.sql")
