"""How the server carries out every statement that a service sends, at its default settings, over 8,000 assets.

The server tells the plan of each statement as it runs it (``auto_explain``): the service's own text, connection and way
of preparing.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any
from uuid import uuid4

import numpy as np
import psycopg
import pytest
from psycopg import sql
from tests.conftest import drop_databases
from tests.crowd import DIM, Crowd

from meshseek.pipeline.publish import publish
from meshseek.reporting import SilentReporter
from meshseek.search.filters import conditions
from meshseek.search.query import Query
from meshseek.store import postgres
from meshseek.store.indexes import INDEXES
from meshseek.store.postgres import Connection, Server
from meshseek.store.read.library import Library, Request
from meshseek.workspace.workspace import Workspace

COUNT = 8_000
CREATORS = 2_000
TELL_PLANS = {
    "session_preload_libraries": "auto_explain",
    "auto_explain.log_min_duration": "0",
    "auto_explain.log_format": "json",
    "auto_explain.log_level": "notice",
}
ENGLISH, CHINESE = ("english_embedding", "chinese_embedding"), ("chinese_embedding", "english_embedding")
GRAPHS = {
    "english": "text_embeddings_english_embedding",
    "chinese": "text_embeddings_chinese_embedding",
    "appearance": "asset_centroids_centroid",
}
LOOKED_UP = {
    "english": "text_embeddings_pkey",
    "chinese": "text_embeddings_pkey",
    "appearance": "image_embeddings_asset_id",
}
"""Indexes by which the candidates are found that codes have chosen."""
VECTORS = {"text_embeddings", "image_embeddings", "asset_centroids"}
TABLES = {"assets", "asset_words", "labels", *VECTORS}
FEW, MANY = {"category": "cluster 3"}, {"tags": "even"}
"""267 assets and 4,000: of 8,000, up to a quarter is compared one by one."""


@dataclass(slots=True)
class Plans:
    """The plans of what was asked since they were last taken."""

    told: list[dict[str, Any]] = field(default_factory=list)

    def hear(self, notice: psycopg.errors.Diagnostic) -> None:
        """Keep a plan that the server tells."""
        _, found, plan = (notice.message_primary or "").partition("plan:\n")
        if found:
            self.told.append(json.loads(plan))

    def of(self, ask: Callable[[], object]) -> list[dict[str, Any]]:
        """The plans of the statements that read our tables when something is asked, in their order."""
        self.told.clear()
        ask()
        return [told["Plan"] for told in self.told if relations(told["Plan"])]

    def of_search(self, ask: Callable[[], object]) -> dict[str, Any]:
        """The plan of the search itself, which is the first statement that reads vectors."""
        return next(plan for plan in self.of(ask) if relations(plan) & VECTORS)


def nodes(plan: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """A node of a plan, and all below it."""
    yield plan
    for below in plan.get("Plans", ()):
        yield from nodes(below)


def relations(plan: Mapping[str, Any]) -> set[str]:
    """Names of our tables that a plan reads."""
    return {node["Relation Name"] for node in nodes(plan) if "Relation Name" in node} & TABLES


def indexes(plan: Mapping[str, Any]) -> set[str]:
    """Names of the indexes that a plan uses."""
    return {node["Index Name"] for node in nodes(plan) if "Index Name" in node}


def read_whole(plan: Mapping[str, Any]) -> set[str]:
    """Names of our tables that a plan reads from beginning to end."""
    return {node["Relation Name"] for node in nodes(plan) if node["Node Type"] == "Seq Scan"} & TABLES


@pytest.fixture(scope="module")
def crowd() -> Crowd:
    """8,000 assets with captions in both languages, many labels, and two views of every fourth: graphs take time."""
    crowd = Crowd.of(COUNT, views=2)
    crowd.views = {name: crowd.views[name] for name in list(crowd.views)[::4]}
    crowd.assets = [
        replace(asset, attributes={**asset.attributes, "creator": f"maker {number % CREATORS}"})
        for number, asset in enumerate(crowd.assets)
    ]
    return crowd


@pytest.fixture(scope="module")
def workspace_of_crowd(crowd: Crowd, tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A workspace as the stages would have left it."""
    workspace = Workspace(tmp_path_factory.mktemp("plans"))
    crowd.write(workspace)
    return workspace


@pytest.fixture(scope="module", params=INDEXES.names)
def published(
    request: pytest.FixtureRequest, workspace_of_crowd: Workspace, conninfo: str
) -> Iterator[tuple[str, Server]]:
    """An index kind, and the server that has the crowd published with it."""
    prefix = f"plans_{uuid4().hex[:12]}_"
    server = Server(lambda: conninfo, prefix)
    reporter = SilentReporter()
    publish("crowd", workspace_of_crowd, server, index_kind=request.param, max_assets=None, reporter=reporter)
    with psycopg.connect(conninfo, autocommit=True) as connection:
        name = sql.Identifier(server.database_name("crowd"))
        for setting, value in TELL_PLANS.items():
            parts = [sql.Identifier(part) for part in setting.split(".")]
            statement = sql.SQL("ALTER DATABASE {} SET {} = {}")
            connection.execute(statement.format(name, sql.SQL(".").join(parts), sql.Literal(value)))
    yield request.param, server
    drop_databases(conninfo, prefix)


@pytest.fixture
def plans(monkeypatch: pytest.MonkeyPatch) -> Plans:
    """What the connections of a service are told, beside their answers."""
    plans = Plans()
    configure = postgres.configure

    def listening(connection: Connection) -> None:
        configure(connection)
        connection.add_notice_handler(plans.hear)

    monkeypatch.setattr(postgres, "configure", listening)
    return plans


@pytest.fixture
def library(published: tuple[str, Server], plans: Plans) -> Iterator[Library]:
    """The crowd's library; its connections listen to the plans."""
    del plans
    opened = Library(published[1], "crowd")
    opened.published()
    yield opened
    opened.close()


def asking(library: Library, target: str, request: Request) -> Callable[[], object]:
    """A search of each kind that there is."""
    version = library.last_known()
    vector = (np.ones(DIM) / np.sqrt(DIM)).astype(np.float32)
    if target == "appearance":
        return lambda: library.nearest_views(version, vector, request)
    columns = ENGLISH if target == "english" else CHINESE
    return lambda: library.nearest_captions(version, vector, columns, request)


@pytest.mark.parametrize("target", GRAPHS)
@pytest.mark.parametrize("filters", [{}, MANY], ids=["all", "many"])
def test_a_graph_is_used_where_there_is_one(
    published: tuple[str, Server], library: Library, plans: Plans, target: str, filters: dict[str, Any]
) -> None:
    """Without a filter, and with one that many pass; nothing else of the large tables is read but what was found.

    What assets are is not read: a ranking is light, and only its page is looked up.
    """
    for limit in (10, 200):
        asked = Request(limit=limit, conditions=conditions(filters))
        plan = plans.of_search(asking(library, target, asked))
        if INDEXES.load(published[0]).is_exact:
            assert not indexes(plan) & {*GRAPHS.values()}
        else:
            by_codes = INDEXES.load(published[0]).has_codes
            assert indexes(plan) & {*GRAPHS.values()} == (set() if by_codes else {GRAPHS[target]})
            if by_codes:  # pages are fetched many at a time
                assert LOOKED_UP[target] in indexes(plan)
                assert "Bitmap Heap Scan" in {node["Node Type"] for node in nodes(plan)}
            assert not read_whole(plan)
            assert indexes(plan) >= ({"image_embeddings_asset_id"} if target == "appearance" else set())
            assert "assets" not in relations(plan)


@pytest.mark.parametrize("target", GRAPHS)
@pytest.mark.parametrize(
    "asked", [Request(limit=10, exact=True), Request(limit=10, conditions=conditions(FEW))], ids=["exact", "few"]
)
def test_no_graph_is_used_where_everything_is_compared(
    library: Library, plans: Plans, target: str, asked: Request
) -> None:
    """Where an exact answer is asked for, and where few pass a filter: a graph would miss some."""
    for plan in plans.of(asking(library, target, asked)):
        assert not indexes(plan) & {*GRAPHS.values()}


def test_a_graph_that_is_missing_would_be_seen(published: tuple[str, Server], library: Library, plans: Plans) -> None:
    """The tests above can fail: without its graph, the same statement reads the whole table."""
    kind, server = published
    if INDEXES.load(kind).is_exact:  # there is none that could be missing
        every_view = plans.of_search(asking(library, "appearance", Request(limit=10)))
        assert read_whole(every_view) >= {"image_embeddings"}
        return

    if INDEXES.load(kind).has_codes:  # likewise
        return

    def found(*, valid: bool) -> set[str]:
        statement = "UPDATE pg_index SET indisvalid = %s WHERE indexrelid = 'live.asset_centroids_centroid'::regclass"
        with server.connect("crowd") as connection:
            connection.execute(statement, [valid])
        return read_whole(plans.of_search(asking(library, "appearance", Request(limit=10))))

    try:
        assert found(valid=False) == {"asset_centroids"}
    finally:
        assert found(valid=True) == set()


def test_words_are_found_by_their_index(library: Library, plans: Plans) -> None:
    """Words, phrases, and the words of assets that pass a filter."""
    version = library.last_known()
    for text, filters in (("number 777", {}), ('"number 777"', {}), ("number 777", FEW)):
        asked = Request(limit=10, conditions=(*conditions(filters), *Query(text=text).conditions))
        plan = plans.of(partial(library.with_words, version, text, asked))[-1]
        assert "asset_words_words_idx" in indexes(plan)
        assert not read_whole(plan) & {"asset_words", "assets"}


def test_phrases_are_counted_by_their_index(library: Library, plans: Plans) -> None:
    """The statement before a search with a phrase reads no table from beginning to end."""
    asked = Request(limit=10, conditions=Query(text='"number 777"').conditions)
    counting, searching = plans.of(asking(library, "appearance", asked))
    for plan in (counting, searching):
        assert "asset_words_words_idx" in indexes(plan)
        assert "asset_words" not in read_whole(plan)


def test_what_is_looked_up_is_found_by_an_index(crowd: Crowd, library: Library, plans: Plans) -> None:
    """Single assets, their vectors, the labels that a filter names: none takes longer in a larger library."""
    names, version = list(crowd.views)[:20], library.last_known()
    vector = (np.ones(DIM) / np.sqrt(DIM)).astype(np.float32)
    creator = Request(limit=1, conditions=conditions({"creator": "maker 7"}))
    lookups: dict[str, tuple[Callable[[], object], set[str]]] = {
        "asset": (partial(library.asset, names[0]), {"assets_pkey"}),
        "one": (partial(library.one, version, names[0], Request(limit=1)), {"assets_pkey"}),
        "shown": (partial(library.shown, version, names), {"assets_pkey"}),
        "likeness": (partial(library.likeness, names), {"text_embeddings_pkey"}),
        "caption scores": (partial(library.scores, "caption", ENGLISH, vector, names), {"text_embeddings_pkey"}),
        "view scores": (partial(library.scores, "appearance", ENGLISH, vector, names), {"image_embeddings_asset_id"}),
        "words among": (partial(library.words_among, "number 椅", names), {"asset_words_pkey"}),
        "vectors": (partial(library.own_vectors, names[0]), {"text_embeddings_pkey", "asset_centroids_pkey"}),
        "appearances": (partial(library.appearances, names), {"asset_centroids_pkey"}),
        "facet": (partial(library.facet, "tags"), {"labels_field_value_key"}),
        "labels": (asking(library, "appearance", creator), {"labels_field_value_key"}),
    }
    for name, (look_up, expected) in lookups.items():
        plan = plans.of(look_up)[0]
        assert indexes(plan) >= expected, name
        assert not read_whole(plan), name
