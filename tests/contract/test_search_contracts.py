"""What every search mode and every index kind promises; each file of a family is found and tested."""

from __future__ import annotations

import time
from collections.abc import Iterator
from uuid import uuid4

import psycopg
import pytest
from PIL import Image
from tests.conftest import drop_databases
from tests.crowd import SPACE, Crowd
from tests.toy import Toy

from meshseek.embedders import EmbedderOptions
from meshseek.errors import MeshseekError, QueryError
from meshseek.model import RELEVANCES
from meshseek.pipeline.publish import publish
from meshseek.reporting import SilentReporter
from meshseek.search.algorithm import Algorithm
from meshseek.search.asking import question_of
from meshseek.search.combinations import QUERY_TYPES
from meshseek.search.diversity import DEPTH
from meshseek.search.modes import MODES
from meshseek.search.query import Query
from meshseek.store.indexes import INDEXES
from meshseek.store.postgres import Server
from meshseek.store.queries import read_sql
from meshseek.store.read.library import Library, Request
from meshseek.store.read.published import UNTUNED
from meshseek.workspace.workspace import Workspace

COUNT = 6 * UNTUNED.candidates
"""So many that the index has to choose: what is compared exactly in the end is a sixth of it."""
TEXT = "a red chair 椅子"
VECTOR_MODES = [name for name in MODES.names if MODES.load(name).likeness]


class Stranger(Toy):
    """Gives vectors in the crowd's space that lie anywhere."""

    space = SPACE


@pytest.fixture(scope="module", params=INDEXES.names)
def crowd_server(
    request: pytest.FixtureRequest, conninfo: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    """The crowd, published with each kind of index, which is asked of so many."""
    prefix = f"contract_{uuid4().hex[:12]}_"
    server = Server(lambda: conninfo, prefix)
    workspace = Workspace(tmp_path_factory.mktemp("crowd"))
    Crowd.of(COUNT, views=3).write(workspace)
    publish("crowd", workspace, server, index_kind=request.param, max_assets=None, reporter=SilentReporter())
    yield server
    drop_databases(conninfo, prefix)


@pytest.fixture
def algorithm(crowd_server: Server) -> Iterator[Algorithm]:
    """The crowd, ready to be searched."""
    opened = Algorithm("crowd", Library(crowd_server, "crowd"), lambda _: Stranger(EmbedderOptions()))
    yield opened
    opened.library.close()


@pytest.mark.parametrize("mode", VECTOR_MODES)
def test_every_mode_on_every_index(algorithm: Algorithm, mode: str) -> None:
    """Distinct assets best first, nearly all that are found exactly; pages and filters of the one ranking."""

    def ask(**options: object) -> list[tuple[str, float]]:
        hits = algorithm.search(Query(text=TEXT, target=mode, diverse=False, **options)).hits  # type: ignore[arg-type]
        return [(hit.asset_id, round(hit.score, 4)) for hit in hits]

    whole, exact = ask(top_k=30), ask(top_k=30, exact=True)
    assert len({asset_id for asset_id, _ in whole}) == 30
    scores = [score for _, score in whole[:20]]
    assert scores == sorted(scores, reverse=True)
    assert len({asset_id for asset_id, _ in whole} & {asset_id for asset_id, _ in exact}) >= 24
    assert whole == exact or not algorithm.library.published().index.is_exact
    assert [*ask(top_k=7), *ask(top_k=23, offset=7)] == whole

    cluster = {"category": ["cluster 3"]}
    of_cluster = ask(top_k=200, filters=cluster)
    assert of_cluster == ask(top_k=200, filters=cluster, exact=True)
    assert 50 < len(of_cluster) < 200
    assert ask(top_k=10, offset=200, filters=cluster) == []


@pytest.mark.parametrize("mode", VECTOR_MODES)
@pytest.mark.parametrize("text", [TEXT, "number 7"])
def test_pages_with_diversity_are_disjoint_and_complete(algorithm: Algorithm, mode: str, text: str) -> None:
    """However they are cut: among the first hundred the assets that are there without, the best first."""

    def ask(**options: object) -> list[str]:
        query = Query(text=text, target=mode, **{"diverse": True, **options})  # type: ignore[arg-type]
        return [hit.asset_id for hit in algorithm.search(query).hits]

    whole = ask(top_k=200)
    assert len({*whole}) == 200
    assert [*ask(top_k=7), *ask(top_k=23, offset=7), *ask(top_k=170, offset=30)] == whole
    assert ask(top_k=30, offset=90) == whole[90:120]

    question = question_of(algorithm.searched, Query(text=text), algorithm.library.published())
    head = MODES.load(mode)().rank(algorithm.library, question, Request(limit=DEPTH))
    assert sorted(whole[:DEPTH]) == sorted(ranked.asset_id for ranked in head)
    assert whole[0] == head[0].asset_id

    cluster: dict[str, object] = {"filters": {"category": ["cluster 3"]}}
    plain = ask(top_k=200, diverse=False, **cluster)
    assert sorted(ask(top_k=200, **cluster)) == sorted(plain)
    pages = [asset_id for start in range(0, 200, 20) for asset_id in ask(top_k=20, offset=start, **cluster)]
    assert pages == ask(top_k=200, **cluster)


@pytest.mark.parametrize("mode", VECTOR_MODES)
@pytest.mark.parametrize("diverse", [True, False])
def test_collapsed_pages_are_disjoint_and_complete(algorithm: Algorithm, mode: str, diverse: bool) -> None:  # noqa: FBT001
    """Each asset of the ranking is on one page, or a duplicate of one that is, whether neighbours differ or not."""

    def ask(**options: object) -> list[str]:
        filters = {"category": ["cluster 3"]}
        query = Query(text=TEXT, target=mode, filters=filters, diverse=diverse, **options)  # type: ignore[arg-type]
        return [name for hit in algorithm.search(query).hits for name in (hit.asset_id, *hit.duplicates)]

    pages = [name for start in range(0, 210, 30) for name in ask(top_k=30, offset=start, collapsed=True)]
    assert len(pages) == len({*pages})
    assert {*pages} == {*ask(top_k=200)}


@pytest.mark.parametrize("mode", MODES.names)
def test_what_every_result_says(algorithm: Algorithm, mode: str) -> None:
    """How well it fits, and what its score rests on: one figure that is the score, or parts that add up to it."""
    mode_class = MODES.load(mode)
    answer = algorithm.search(Query(text="number 7", target=mode, top_k=50, explain=True))
    assert answer.hits
    assert answer.explained
    for hit in answer.hits:
        assert hit.relevance in RELEVANCES
        parts = dict(hit.parts)
        assert parts
        if len(parts) == 1 and mode_class.likeness:
            assert [*parts.values()] == [hit.score]
        elif mode_class.likeness:
            names = [name for name in ("caption", "appearance") if name in parts]
            total = sum(parts[f"{name}_weight"] * parts[f"{name}_standard"] for name in names)
            assert len(names) < 2 or hit.score == pytest.approx(total + parts.get("words", 0))
    assert answer.nothing_close is False or {hit.relevance for hit in answer.hits[:20]} == {"weak"}


def test_the_indexes_are_asked(algorithm: Algorithm, crowd_server: Server) -> None:
    """Each graph that the kind builds answers some search: the contract above is about them."""
    for mode in VECTOR_MODES:
        for text in ("chair", "椅子"):
            algorithm.search(Query(text=text, target=mode))
    kind = algorithm.library.published().index
    has_graphs = not (kind.is_exact or kind.has_codes)
    algorithm.library.close()  # its connections tell what they did when they end
    asked = (
        "SELECT bool_and(idx_scan > 0) FROM pg_stat_user_indexes JOIN pg_index USING (indexrelid) "
        "WHERE schemaname = 'live' AND pg_get_indexdef(indexrelid) LIKE '%USING hnsw%'"
    )
    deadline = time.monotonic() + 20
    with psycopg.connect(crowd_server.conninfo("crowd"), autocommit=True) as connection:
        while connection.execute(asked).fetchall() != [(True if has_graphs else None,)]:
            assert time.monotonic() < deadline, "a graph was never asked"
            time.sleep(0.1)


@pytest.mark.parametrize("name", MODES.names)
def test_a_mode_refuses_what_it_does_not_take(name: str) -> None:
    """What it does not accept is refused as a query, with the targets that do; what it accepts makes one."""
    mode = MODES.load(name)
    asked: dict[str, dict[str, object]] = {
        "english": {"text": "chair"},
        "chinese": {"text": "椅子"},
        "image": {"image": Image.new("RGB", (4, 4))},
    }
    assert asked.keys() == QUERY_TYPES
    for query_type in QUERY_TYPES:
        if query_type in mode.accepts:
            assert Query(target=name, **asked[query_type]).mode == name  # type: ignore[arg-type]
        else:
            with pytest.raises(
                QueryError, match=f"the target '{name}' cannot be searched with .* choose one of: "
            ) as e:
                Query(target=name, **asked[query_type])  # type: ignore[arg-type]
            for other in str(e.value).rpartition(": ")[2].split(", "):
                assert Query(target=other, **asked[query_type]).mode == other  # type: ignore[arg-type]


@pytest.mark.parametrize("name", MODES.names)
def test_a_mode_says_whether_it_knows_what_is_alike(algorithm: Algorithm, name: str) -> None:
    """One that does gives neighbours; one that does not is refused with those that do."""
    asset_id = next(hit.asset_id for hit in algorithm.search(Query(text=TEXT, target="both")).hits)
    if MODES.load(name).likeness:
        assert len(algorithm.similar(asset_id, name, 5).hits) == 5
        return
    with pytest.raises(MeshseekError, match=f"the target '{name}' cannot tell which assets are alike; ") as error:
        algorithm.similar(asset_id, name, 5)
    for other in str(error.value).rpartition(": ")[2].split(", "):
        assert algorithm.similar(asset_id, other, 5).hits


@pytest.mark.parametrize("name", INDEXES.names)
def test_an_index_is_asked_by_queries_that_there_are(name: str) -> None:
    """Both of its queries are in queries.sql."""
    kind = INDEXES.load(name)
    for asked in (kind.captions_query, kind.views_query):
        assert f"\n-- {asked} --\n" in read_sql("queries.sql")
