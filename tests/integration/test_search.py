"""Searching a published library, against rankings computed by hand from the same vectors."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any
from uuid import uuid4

import numpy as np
import psycopg
import pytest
from numpy.typing import NDArray
from psycopg import sql
from tests.conftest import drop_databases
from tests.crowd import Crowd, cosines

from meshseek.errors import NotFoundError
from meshseek.model import LANGUAGES, Asset, Hit, Language, PublishedAsset, Ranked
from meshseek.search.algorithm import Algorithm
from meshseek.search.diversity import DEPTH
from meshseek.search.fusion import OTHER_PART, Part, fuse
from meshseek.search.judging import Judge
from meshseek.search.modes import MODES
from meshseek.search.query import Query
from meshseek.search.question import Question
from meshseek.store.postgres import Server
from meshseek.store.read import plan as planning
from meshseek.store.read.background import Scale
from meshseek.store.read.library import Library, Request
from meshseek.store.read.published import QueryType
from meshseek.workspace.workspace import Workspace

Vector = NDArray[np.float32]
Ranking = list[tuple[str, float, int | None]]
COUNT = 600


@pytest.fixture(scope="module")
def crowd() -> Crowd:
    """600 assets whose vectors are known."""
    return Crowd.of(COUNT)


@pytest.fixture(scope="module")
def crowd_server(crowd: Crowd, conninfo: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The server that has the crowd published."""
    prefix = f"crowd_{uuid4().hex[:12]}_"
    server = Server(lambda: conninfo, prefix)
    crowd.publish(Workspace(tmp_path_factory.mktemp("crowd")), server)
    yield server
    drop_databases(conninfo, prefix)


@pytest.fixture
def library(crowd_server: Server) -> Iterator[Library]:
    """The crowd's library, open for reading."""
    opened = Library(crowd_server, "crowd")
    yield opened
    opened.close()


@pytest.fixture(scope="module")
def queries(crowd: Crowd) -> list[Vector]:
    """Vectors near and far from the assets."""
    random = np.random.default_rng(1)
    near = [own.astype(np.float32)[0] + random.normal(scale=0.1, size=own.shape[1]) for own in crowd.views.values()]
    return [unit(vector) for vector in (*near[:12], *random.normal(size=(8, near[0].shape[0])))]


def ids(hits: Iterable[Hit | Ranked]) -> list[str]:
    """In their order."""
    return [hit.asset_id for hit in hits]


def unit(vector: NDArray[Any]) -> Vector:
    """The vector at length one."""
    made: Vector = (vector / np.linalg.norm(vector)).astype(np.float32)
    return made


def asked(**options: Any) -> Query:
    """How something is searched, whatever its vector; the ranking as it is, unless it is to be diverse."""
    return Query(**{"text": "any", "diverse": False, **options})


TRUST = 0.5
"""Of cross-modal scores, in these tests: so much that it changes rankings, and less than all."""


def search(library: Library, target: str, vector: Vector, query: Query, kind: QueryType = "english") -> list[Hit]:
    """Search in one mode, and look up what is found."""
    published = replace(library.published(), trust=TRUST)
    question = Question.of(published, vector, kind)
    page = MODES.load(target)().search(library, question, query, Judge(library, question))
    shown = library.shown(published, [ranked.asset_id for ranked in page.ranking])
    return [Hit.of(ranked, shown[ranked.asset_id]) for ranked in page.ranking]


def by_views(crowd: Crowd, query: Vector, wanted: set[str] | None = None) -> Ranking:
    """Every asset by its best view."""
    best = {name: cosines(own, query) for name, own in crowd.views.items() if wanted is None or name in wanted}
    ranking = [(name, float(own.max()), 10 * (int(own.argmax()) + 1)) for name, own in best.items()]
    return sorted(ranking, key=lambda found: (-found[1], found[0]))


def by_captions(crowd: Crowd, query: Vector, language: Language, wanted: set[str] | None = None) -> Ranking:
    """Every asset by its caption in a language, or in the other where it has none."""
    first, other = (crowd.english, crowd.chinese) if language == "english" else (crowd.chinese, crowd.english)
    ranking: Ranking = [
        (name, float(cosines(own, query)), None)
        for name, own in {**other, **first}.items()
        if wanted is None or name in wanted
    ]
    return sorted(ranking, key=lambda found: (-found[1], found[0]))


def same(hits: list[Hit], ranking: Ranking) -> None:
    """The same assets in the same order with the same scores and viewpoints."""
    assert [(hit.asset_id, hit.viewpoint_id) for hit in hits] == [(name, view) for name, _, view in ranking]
    assert [hit.score for hit in hits] == pytest.approx([score for _, score, _ in ranking], abs=1e-3)


@pytest.mark.usefixtures("by_index")
@pytest.mark.parametrize("exact", [True, False])
def test_the_best_view_of_each_asset_counts(
    library: Library,
    crowd: Crowd,
    queries: list[Vector],
    exact: bool,  # noqa: FBT001
) -> None:
    """Distinct assets by their best view, with that view's number: exactly, and by the index at recall >= .99."""
    found = 0
    for query in queries:
        hits, expected = (
            search(library, "appearance", query, asked(top_k=10, exact=exact)),
            by_views(crowd, query)[:10],
        )
        assert len({hit.asset_id for hit in hits}) == 10
        if exact:
            same(hits, expected)
        best = {name: (score, view) for name, score, view in by_views(crowd, query)}
        assert [(hit.asset_id, best[hit.asset_id][1]) for hit in hits] == [(h.asset_id, h.viewpoint_id) for h in hits]
        assert [hit.thumbnail for hit in hits] == [hit.viewpoint_id for hit in hits]
        found += len({hit.asset_id for hit in hits} & {name for name, _, _ in expected})
    assert found >= 0.99 * 10 * len(queries)


@pytest.mark.usefixtures("by_index")
@pytest.mark.parametrize("exact", [True, False])
@pytest.mark.parametrize("language", ["english", "chinese"])
def test_captions_in_the_language_or_else_in_the_other(
    library: Library,
    crowd: Crowd,
    queries: list[Vector],
    exact: bool,  # noqa: FBT001
    language: Language,
) -> None:
    """Each asset is compared by its caption in the language, or by its only one; the index finds >= .99 of them."""
    found = 0
    for query in queries:
        hits = search(library, "caption", query, asked(top_k=10, exact=exact), language)
        expected = by_captions(crowd, query, language)[:10]
        if exact:
            same(hits, expected)
        found += len({hit.asset_id for hit in hits} & {name for name, _, _ in expected})
    assert found >= 0.99 * 10 * len(queries)


def test_the_two_languages_are_not_the_same_answer(library: Library, queries: list[Vector]) -> None:
    """The test above would be worth nothing if the columns were alike."""
    request = asked(top_k=10, exact=True)
    answers = [search(library, "caption", queries[-1], request, language) for language in LANGUAGES]
    assert [hit.asset_id for hit in answers[0]] != [hit.asset_id for hit in answers[1]]


def scales(crowd: Crowd, query: Vector, language: Language) -> tuple[Scale, Scale]:
    """What a query gives for captions and for views of the background, by hand."""

    def at_random(names: Iterable[str], count: int) -> list[str]:
        return sorted(names, key=lambda name: hashlib.md5(name.encode(), usedforsecurity=False).hexdigest())[:count]

    background = {*at_random({*crowd.english, *crowd.chinese}, 500), *at_random(crowd.views, 500)}
    captions = [score for _, score, _ in by_captions(crowd, query, language, background)]
    views = [score for _, score, _ in by_views(crowd, query, {*at_random(background & crowd.views.keys(), 200)})]
    assert 500 <= len(captions) < len(crowd.assets)
    assert len(views) == 200
    return Scale(float(np.mean(captions)), float(np.std(captions))), Scale(float(np.mean(views)), float(np.std(views)))


@pytest.mark.usefixtures("by_index")
@pytest.mark.parametrize("exact", [True, False])
@pytest.mark.parametrize("kind", ["english", "chinese", "image"])
def test_both_targets_are_fused_by_standard_scores(
    library: Library,
    crowd: Crowd,
    queries: list[Vector],
    exact: bool,  # noqa: FBT001
    kind: QueryType,
) -> None:
    """``both`` ranks all assets by the sum of how far captions and views stand out of what the query usually gives."""
    for query in queries[::5]:
        language: Language = "chinese" if kind == "chinese" else "english"
        hits = search(library, "both", query, asked(top_k=10, exact=exact), kind)

        caption_scale, view_scale = scales(crowd, query, language)
        captions = {name: caption_scale.standard(score) for name, score, _ in by_captions(crowd, query, language)}
        views = {name: (view_scale.standard(score), view) for name, score, view in by_views(crowd, query)}
        weights = (TRUST, 1.0) if kind == "image" else (1.0, TRUST)
        fused: Ranking = []
        for name in {*captions, *views}:
            own, (other, view) = captions.get(name), views.get(name, (None, None))
            said = (
                own if own is not None else OTHER_PART * (other or 0),
                other if other is not None else OTHER_PART * (own or 0),
            )
            fused.append((name, weights[0] * said[0] + weights[1] * said[1], view))
        expected = sorted(fused, key=lambda found: (-found[1], found[0]))[:10]
        assert [(hit.asset_id, hit.viewpoint_id) for hit in hits] == [(name, view) for name, _, view in expected]
        assert [hit.score for hit in hits] == pytest.approx([score for _, score, _ in expected], abs=0.02)


def test_what_both_rests_on_is_told(library: Library, crowd: Crowd, queries: list[Vector]) -> None:
    """The cosines are those of the single modes, also of assets that only one of the rankings had, and add up."""
    query = queries[-1]
    caption_scale, view_scale = scales(crowd, query, "english")
    captions = {name: score for name, score, _ in by_captions(crowd, query, "english")}
    views = {name: score for name, score, _ in by_views(crowd, query)}
    hits = search(library, "both", query, asked(top_k=150))
    complete = [hit for hit in hits if {"caption", "appearance"} <= hit.parts.keys()]
    assert len(complete) > 75
    for hit in complete:
        told = hit.parts
        assert (told["caption"], told["appearance"]) == pytest.approx(
            (captions[hit.asset_id], views[hit.asset_id]), abs=1e-3
        )
        assert told["caption_standard"] == pytest.approx(caption_scale.standard(captions[hit.asset_id]), abs=0.02)
        assert told["appearance_standard"] == pytest.approx(view_scale.standard(views[hit.asset_id]), abs=0.02)
        total = sum(told[f"{name}_weight"] * told[f"{name}_standard"] for name in ("caption", "appearance"))
        assert hit.score == pytest.approx(total)
    for hit in hits:
        assert ("caption" in hit.parts) is (hit.asset_id in captions)
        assert ("appearance" in hit.parts) is (hit.asset_id in views)


VECTOR_MODES = [name for name in MODES.names if name != "words"]

FILTERS: list[dict[str, list[str]]] = [
    {"category": ["cluster 3"]},
    {"category": ["cluster 3", "cluster 11"]},
    {"tags": ["even"]},
    {"tags": ["of seven 2", "of seven 5"]},
    {"category": ["cluster 3"], "tags": ["odd"]},
    {"licence": ["CC0"]},
    {"licence": ["CC0"], "tags": ["odd"], "category": [f"cluster {n}" for n in range(30)]},
]


def passing(crowd: Crowd, filters: Mapping[str, list[str]]) -> set[str]:
    """The assets that a filter lets through."""

    def holds(asset: Asset, name: str, values: list[str]) -> bool:
        own = asset.attributes[name]
        return bool({*own} & {*values}) if isinstance(own, list) else own in values

    return {a.asset_id for a in crowd.assets if all(holds(a, name, values) for name, values in filters.items())}


@pytest.fixture
def by_index(monkeypatch: pytest.MonkeyPatch) -> None:
    """The library counts as so large that its graphs are asked."""
    for bound in ("FEW", "VERY_FEW"):
        monkeypatch.setattr(planning, bound, 0)


@pytest.fixture(params=["few", "index", "short scan"])
def branch(
    request: pytest.FixtureRequest, crowd_server: Server, conninfo: str, monkeypatch: pytest.MonkeyPatch
) -> Iterator[None]:
    """How a filtered query is answered: by comparing the few, or by a scan of the index, which may end too early."""
    name = sql.Identifier(crowd_server.database_name("crowd"))
    scanned = 1 if request.param == "short scan" else 20_000
    if request.param != "few":
        for bound in ("FEW", "VERY_FEW"):
            monkeypatch.setattr(planning, bound, 0)
    with psycopg.connect(conninfo, autocommit=True) as connection:
        connection.execute(sql.SQL("ALTER DATABASE {} SET hnsw.max_scan_tuples = {}").format(name, scanned))
        yield
        connection.execute(sql.SQL("ALTER DATABASE {} RESET ALL").format(name))


@pytest.mark.parametrize("filters", FILTERS, ids=str)
def test_a_filtered_answer_is_full_and_right(
    library: Library,
    crowd: Crowd,
    queries: list[Vector],
    filters: dict[str, list[str]],
    branch: None,
) -> None:
    """As many results as pass, and the best of them: by comparing few, by the index, and where its scan gives up."""
    wanted = passing(crowd, filters)
    for query in (queries[0], -queries[0], queries[-1]):
        request = asked(top_k=25, filters=filters)
        for target, ranking in (
            ("appearance", by_views(crowd, query, wanted)),
            ("caption", by_captions(crowd, query, "english", wanted)),
        ):
            hits = search(library, target, query, request)
            expected = [name for name, _, _ in ranking[:25]]
            assert len(hits) == len(expected)
            assert len({hit.asset_id for hit in hits} & {*expected}) >= 0.95 * len(expected)


@pytest.mark.parametrize(
    "filters", [{"category": ["no such"]}, {"category": []}, {"tags": ["Even"]}, {"creator": ["x"]}]
)
def test_a_filter_that_nothing_passes_gives_nothing(
    library: Library, queries: list[Vector], filters: dict[str, list[str]]
) -> None:
    """No results, whichever way it is asked."""
    for target in VECTOR_MODES:
        for exact in (True, False):
            assert search(library, target, queries[0], asked(top_k=5, filters=filters, exact=exact)) == []


@pytest.mark.usefixtures("by_index")
@pytest.mark.parametrize("exact", [True, False])
@pytest.mark.parametrize("target", ["caption", "appearance", "both"])
@pytest.mark.parametrize("size", [7, 60])
@pytest.mark.parametrize("diverse", [True, False])
def test_pages_put_together_are_the_whole_ranking(
    library: Library,
    queries: list[Vector],
    exact: bool,  # noqa: FBT001
    target: str,
    size: int,
    diverse: bool,  # noqa: FBT001
) -> None:
    """Page after page gives each asset once, in the order of one long page; so it does where neighbours differ."""
    depth = 180
    for query in queries[::6]:
        whole = ids(search(library, target, query, asked(top_k=depth, exact=exact, diverse=diverse)))
        pages = [
            asset_id
            for start in range(0, depth, size)
            for asset_id in ids(
                search(
                    library,
                    target,
                    query,
                    asked(top_k=min(size, depth - start), offset=start, exact=exact, diverse=diverse),
                )
            )
        ]
        assert pages == whole
        assert len({*whole}) == depth


@pytest.mark.parametrize("target", ["caption", "appearance", "both"])
def test_neighbours_that_differ_are_the_same_assets(library: Library, queries: list[Vector], target: str) -> None:
    """The first hundred in another order, the best one first; what stands further down stays where it is."""
    moved = 0
    for query in queries[::6]:
        question = Question.of(replace(library.published(), trust=TRUST), query, "english")
        head, whole = (
            MODES.load(target)().rank(library, question, Request(limit=limit, exact=True)) for limit in (DEPTH, 200)
        )
        tail = [ranked for ranked in whole if ranked not in head]
        request = asked(top_k=len(head) + len(tail[:50]), exact=True, diverse=True)
        found = MODES.load(target)().search(library, question, request, Judge(library, question)).ranking
        assert sorted(ids(found[:DEPTH])) == sorted(ids(head))
        assert found[0] == head[0]
        assert found[DEPTH:] == tail[:50]
        assert {ranked.asset_id: ranked for ranked in found[:DEPTH]} == {ranked.asset_id: ranked for ranked in head}
        moved += found[:DEPTH] != head
    assert moved


def test_beyond_the_end_is_an_empty_page(library: Library, queries: list[Vector]) -> None:
    """A page after the last asset holds nothing."""
    for target in VECTOR_MODES:
        assert search(library, target, queries[0], asked(top_k=10, offset=900)) == []


def test_results_carry_what_the_asset_is(library: Library, crowd: Crowd, queries: list[Vector]) -> None:
    """Captions, attributes and viewpoint are those of the asset, missing ones None."""
    assets = {asset.asset_id: asset for asset in crowd.assets}
    for hit in search(library, "caption", queries[0], asked(top_k=200)):
        asset = assets[hit.asset_id]
        captions = (next(iter(asset.captions_english), None), next(iter(asset.captions_chinese), None))
        assert (hit.caption_english, hit.caption_chinese, hit.attributes) == (*captions, asset.attributes)
        assert hit.viewpoint_id is None
        assert hit.thumbnail == (asset.views.viewpoint_ids[0] if asset.views else None)


def test_an_asset_is_found_by_its_id(library: Library, crowd: Crowd) -> None:
    """All that was published of it comes back as it was; another id is an error."""
    for asset in crowd.assets[:10]:
        assert replace(library.asset(asset.asset_id), version="") == PublishedAsset.of(asset)
    for unknown in ("", "no such", "crowd-00000' OR '1'='1", "crowd-00000\x00", "x" * 10_000):
        with pytest.raises(NotFoundError, match="check the id"):
            library.asset(unknown)


@pytest.mark.parametrize("target", ["caption", "appearance"])
def test_similar_leaves_the_asset_itself_out(library: Library, crowd: Crowd, target: str) -> None:
    """The neighbours of an asset's own vector, as many as asked for, without the asset."""
    algorithm = Algorithm("crowd", library, lambda _: pytest.fail("no model is needed"))
    for asset_id in list(crowd.views)[:5]:
        if target == "caption" and asset_id not in crowd.english:
            continue
        hits = algorithm.similar(asset_id, target, 10, exact=True).hits
        own = (
            crowd.views[asset_id].astype(np.float32).mean(axis=0) if target == "appearance" else crowd.english[asset_id]
        )
        vector = unit(own.astype(np.float32))
        ranking = by_views(crowd, vector) if target == "appearance" else by_captions(crowd, vector, "english")
        assert [hit.asset_id for hit in hits] == [name for name, _, _ in ranking if name != asset_id][:10]


def test_similar_needs_something_to_compare(library: Library, crowd: Crowd) -> None:
    """An unknown asset and one without views are not found."""
    algorithm = Algorithm("crowd", library, lambda _: pytest.fail("no model is needed"))
    blind = next(asset.asset_id for asset in crowd.assets if asset.views is None)
    for asset_id in (blind, "no such"):
        with pytest.raises(NotFoundError, match=asset_id):
            algorithm.similar(asset_id, "appearance", 10)


def test_equal_scores_stand_in_the_order_of_ids(server: Server, workspace: Workspace) -> None:
    """Assets with one and the same vector are ordered by id, in every mode, exact or not, diverse or not."""
    crowd = Crowd.of(40)
    same_caption, same_views = crowd.english["crowd-00001"], next(iter(crowd.views.values()))
    views = next(asset.views for asset in crowd.assets if asset.views)
    crowd.assets = [replace(asset, captions_english=("same",), views=views) for asset in crowd.assets]
    names = sorted(asset.asset_id for asset in crowd.assets)
    crowd.english = dict.fromkeys(reversed(names), same_caption)
    crowd.views = dict.fromkeys(reversed(names), same_views)
    crowd.publish(workspace, server)
    library = Library(server, "crowd")
    try:
        for target in VECTOR_MODES:
            for exact in (True, False):
                for diverse in (True, False):
                    query = asked(top_k=40, exact=exact, diverse=diverse)
                    assert ids(search(library, target, unit(same_caption), query)) == names
    finally:
        library.close()


def test_facets_are_counted(library: Library, crowd: Crowd) -> None:
    """The values of single and of many-valued attributes, most frequent first."""
    tags: dict[str, int] = {}
    for asset in crowd.assets:
        for tag in asset.attributes["tags"]:
            tags[tag] = tags.get(tag, 0) + 1

    assert library.facet("tags") == sorted(tags.items(), key=lambda found: (-found[1], found[0]))
    assert library.facet("licence") == [("CC-BY", 588), ("CC0", 12)]
    assert library.facet("creator") == []
    assert len(library.facet("category", limit=5)) == 5


def test_a_filtered_fusion_is_that_of_exact_cosines(library: Library, crowd: Crowd, queries: list[Vector]) -> None:
    """``both`` with a filter fuses what passes, on the scales of the whole library."""
    filters = {"tags": ["odd"]}
    wanted = passing(crowd, filters)
    for query in (queries[1], queries[-1]):
        caption_scale, view_scale = scales(crowd, query, "english")
        rankings = (by_captions(crowd, query, "english", wanted), by_views(crowd, query, wanted))
        scores = [
            {name: Ranked(asset_id=name, score=score, viewpoint_id=view) for name, score, view in ranking}
            for ranking in rankings
        ]
        parts = [
            Part(name="caption", weight=1.0, scale=caption_scale, scores=scores[0]),
            Part(name="appearance", weight=TRUST, scale=view_scale, scores=scores[1]),
        ]
        expected = fuse(parts, set(), set())
        for top_k in (10, 60):
            hits = search(library, "both", query, asked(top_k=top_k, filters=filters, exact=True))
            assert ids(hits) == ids(expected[:top_k])
            assert [hit.score for hit in hits] == pytest.approx([found.score for found in expected[:top_k]], abs=0.02)
