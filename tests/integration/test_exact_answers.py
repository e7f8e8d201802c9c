"""One pass over all vectors gives what comparing each query with everything gives."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from tests.crowd import DIM, Crowd, units

from meshseek.errors import DatabaseError
from meshseek.model import Ranked, ViewSet
from meshseek.pipeline.publish import publish
from meshseek.reporting import SilentReporter
from meshseek.store.postgres import Server
from meshseek.store.read import best, exact
from meshseek.store.read.library import Library, Request
from meshseek.store.read.published import CAPTION_COLUMNS, TARGETS, Published, QueryType, Target
from meshseek.workspace.workspace import Workspace

COPIES = 40
"""Assets whose vectors are all the same: many, and no more than are kept of a query."""
TOLERANCE = 2e-6

Queries = NDArray[np.float32]
Make = Callable[[Crowd], Library]


@pytest.fixture
def make(server: Server, tmp_path: Path) -> Iterator[Make]:
    """Publish a crowd without an index."""
    opened: list[Library] = []

    def made(crowd: Crowd) -> Library:
        workspace = Workspace(tmp_path / f"workspace {len(opened)}")
        crowd.write(workspace)
        publish("crowd", workspace, server, index_kind="exact", max_assets=None, reporter=SilentReporter())
        opened.append(Library(server, "crowd"))
        return opened[-1]

    yield made
    for library in opened:
        library.close()


def crowd_of(random: np.random.Generator, count: int) -> Crowd:
    """Assets with 1 to 30 views, some with 200 and some with none; many look like one of them, or are called so."""
    crowd = Crowd.of(count, seed=int(random.integers(1000)))
    for place, asset in enumerate(crowd.assets):
        if asset.asset_id not in crowd.views:
            continue
        each = 200 if place % 50 == 1 else int(random.integers(1, 31))
        ids = tuple(10 * (n + 1) for n in range(each))
        middle = crowd.views[asset.asset_id][0].astype(np.float64)
        crowd.views[asset.asset_id] = units(middle + random.normal(scale=0.15, size=(each, DIM)))
        crowd.assets[place] = replace(
            asset, views=ViewSet(folder=Path("/nowhere"), viewpoint_ids=ids, fingerprint="made")
        )
    names = [asset.asset_id for asset in crowd.assets]
    for name in names[:: count // COPIES or 1][: count // 3]:
        copied(crowd, names[1], name)
    return crowd


def copied(crowd: Crowd, source: str, name: str) -> None:
    """Give an asset the captions and the first view of another one."""
    for vectors in (crowd.english, crowd.chinese):
        if source in vectors:
            vectors[name] = vectors[source]
    if name in crowd.views and source in crowd.views:
        crowd.views[name] = crowd.views[name].copy()
        crowd.views[name][-1] = crowd.views[source][0]


def queries_of(crowd: Crowd, random: np.random.Generator, count: int) -> Queries:
    """Some near an asset, some far from all, and one that is the copied vector itself."""
    near = np.stack([views[0] for views in crowd.views.values()])[random.integers(len(crowd.views), size=count)]
    moved = near.astype(np.float64) + random.normal(scale=0.1, size=(count, DIM))
    moved[::4] = random.normal(size=moved[::4].shape)
    moved[1] = next(iter(crowd.english.values())).astype(np.float64)
    return np.asarray(moved / np.linalg.norm(moved, axis=1, keepdims=True), dtype=np.float32)


def together(
    library: Library, published: Published, queries: Queries, limit: int
) -> Iterator[tuple[Target, QueryType, list[list[Ranked]]]]:
    """The answers of one pass for each target and language."""
    languages: tuple[QueryType, ...] = ("english", "chinese")
    for target in TARGETS:
        for language in languages:
            answers: list[list[Ranked]] = []
            passing = library.exact_answers(published, queries, limit)
            assert sum(passing.by(target, CAPTION_COLUMNS[language], answers)) > 0
            yield target, language, answers


def one_by_one(
    library: Library, published: Published, target: Target, query_type: QueryType, queries: Queries, limit: int
) -> list[list[Ranked]]:
    """The same by the queries that compare everything."""
    request = Request(limit=limit, exact=True)
    if target == "appearance":
        return [library.nearest_views(published, query, request) for query in queries]
    columns = CAPTION_COLUMNS[query_type]
    return [library.nearest_captions(published, query, columns, request) for query in queries]


def same(ours: Sequence[Sequence[Ranked]], theirs: Sequence[Sequence[Ranked]]) -> bool:
    """The same assets in the same order, with the same scores."""
    ids = [[[hit.asset_id for hit in hits] for hits in rankings] for rankings in (ours, theirs)]
    first, second = (np.array([hit.score for hits in rankings for hit in hits]) for rankings in (ours, theirs))
    return ids[0] == ids[1] and bool(np.abs(first - second).max() <= TOLERANCE)


@pytest.mark.parametrize(("seed", "count", "limit"), [(0, 300, 10), (1, 300, 1), (2, 7, 10), (3, 120, 25)])
def test_one_pass_is_as_good_as_a_query_after_the_other(
    make: Make, monkeypatch: pytest.MonkeyPatch, seed: int, count: int, limit: int
) -> None:
    """Whatever the number of views, with equal scores too, in small blocks, and with hardly anything kept waiting."""
    monkeypatch.setattr(exact, "BYTES", 10_000 * (1 + seed))
    monkeypatch.setattr(exact, "FIRST_CELLS", 100)
    monkeypatch.setattr(exact, "CELLS", 1000)
    monkeypatch.setattr(best, "WAITING", 500)
    random = np.random.default_rng(seed)
    crowd = crowd_of(random, count)
    library, queries = make(crowd), queries_of(crowd, random, 12)
    published = library.published()
    for target, query_type, answers in together(library, published, queries, limit):
        theirs = one_by_one(library, published, target, query_type, queries, limit)
        assert same(answers, theirs), (target, query_type)
        assert not same(answers[::-1], theirs)


def test_more_equals_than_are_kept_cost_no_query_each(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    """Some of them are the answer: their scores are those of every exact search."""
    monkeypatch.setattr(exact, "SPARE", 2)
    crowd = Crowd.of(120)
    crowd.english |= dict.fromkeys(list(crowd.english)[:60], next(iter(crowd.english.values())))
    library, query = make(crowd), next(iter(crowd.english.values())).astype(np.float32)[None]
    published, columns = library.published(), CAPTION_COLUMNS["english"]
    (theirs,) = one_by_one(library, published, "caption", "english", query, 10)
    answers: list[list[Ranked]] = []
    assert sum(library.exact_answers(published, query, 10).by("caption", columns, answers)) > 0
    assert np.allclose([hit.score for hit in answers[0]], [hit.score for hit in theirs], atol=TOLERANCE)
    assert len({hit.asset_id for hit in answers[0]}) == 10


def test_one_pass_among_some_assets_is_that_of_a_library_of_these(make: Make) -> None:
    """Of many, of one and of none."""
    random = np.random.default_rng(5)
    crowd = crowd_of(random, 120)
    library, queries = make(crowd), queries_of(crowd, random, 6)
    published, columns = library.published(), CAPTION_COLUMNS["english"]
    names = [asset.asset_id for asset in crowd.assets]
    for among in (set(names[::2]) | {names[1]}, {names[1]}, set[str]()):
        for target in TARGETS:
            everything = one_by_one(library, published, target, "english", queries, len(names))
            expected = [[hit for hit in ranking if hit.asset_id in among][:5] for ranking in everything]
            answers: list[list[Ranked]] = []
            assert sum(library.exact_answers(published, queries, 5).by(target, columns, answers, among)) > 0
            ids, wanted = ([[hit.asset_id for hit in hits] for hits in each] for each in (answers, expected))
            assert ids == wanted


def test_the_live_version_is_compared_and_no_other(make: Make) -> None:
    """A pass that was begun for a version which is no longer live says so."""
    random = np.random.default_rng(0)
    library = make(Crowd.of(60))
    published, queries = library.published(), random.normal(size=(3, DIM)).astype(np.float32)
    make(Crowd.of(70, seed=1))
    with pytest.raises(DatabaseError, match="another version was published"):
        list(library.exact_answers(published, queries, 10).by("appearance", CAPTION_COLUMNS["english"], []))


def test_another_version_that_goes_live_in_the_middle_is_seen(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between two blocks names come to mean other tables; no answer is made of both."""
    monkeypatch.setattr(exact, "BYTES", 1)
    library = make(Crowd.of(200))
    queries = np.eye(3, DIM, dtype=np.float32)
    with library._reader.snapshot() as connection:
        passing = exact.ExactAnswers(library._reader, library.published(), queries, 10)
        blocks = passing._blocks(connection, "appearance", CAPTION_COLUMNS["english"])
        assert next(blocks)[0]
        connection.execute("CREATE TEMPORARY TABLE spaces AS SELECT 'other' AS content")
        connection.execute("CREATE TEMPORARY TABLE image_embeddings (LIKE live.image_embeddings)")
        with pytest.raises(DatabaseError, match="another version was published"):
            next(blocks)


def test_what_is_changed_in_place_meanwhile_is_not_seen(
    make: Make, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All blocks are of the rows that were there at the beginning."""
    monkeypatch.setattr(exact, "BYTES", 1)
    library = make(Crowd.of(200))
    published, queries = library.published(), np.eye(3, DIM, dtype=np.float32)
    answers: list[list[Ranked]] = []
    passing = library.exact_answers(published, queries, 10).by("appearance", CAPTION_COLUMNS["english"], answers)
    next(passing)
    before = one_by_one(library, published, "appearance", "image", queries, 10)
    with server.connect("crowd") as connection:
        connection.execute("DELETE FROM live.image_embeddings")
    assert sum(passing) > 0
    assert same(answers, before)


def test_a_version_without_vectors_has_no_answers(make: Make) -> None:
    """Captions are compared where there are no views, and the answers of a pass over nothing are empty."""
    library = make(Crowd(assets=Crowd.of(20).assets, english=Crowd.of(20).english))
    answers: list[list[Ranked]] = []
    passing = library.exact_answers(library.published(), np.eye(3, DIM, dtype=np.float32), 10)
    assert list(passing.by("appearance", CAPTION_COLUMNS["english"], answers)) == []
    assert answers == [[], [], []]


@pytest.mark.parametrize(("dim", "rows"), [(64, 45), (768, 5), (1152, 3), (1995, 2), (2560, 120), (4000, 120)])
def test_no_more_is_read_at_a_time_than_is_meant(dim: int, rows: int) -> None:
    """However many rows fit into a page: those of long vectors lie elsewhere, and their rows are short."""
    pages = exact.pages_at_a_time(dim)
    assert pages * rows * 2 * dim <= exact.BYTES < 4 * pages * rows * 2 * dim
