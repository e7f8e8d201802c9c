"""How a search is answered, as tables of cases: no database is asked."""

from __future__ import annotations

from typing import ClassVar

import pytest

from meshseek.model import Condition
from meshseek.store.indexes import Index
from meshseek.store.indexes.codes import Codes
from meshseek.store.indexes.exact import Exact
from meshseek.store.indexes.hnsw import Hnsw
from meshseek.store.indexes.hnsw_binary import HnswBinary
from meshseek.store.read.plan import FEW, FILTERED, MANY, MOST_COMPARED, VERY_FEW, WIDER, Plan, Request, make_plan
from meshseek.store.read.published import MAX_EF, TARGETS, UNTUNED, Breadth, Target
from meshseek.store.read.statistics import WORDS, Phrases, Statistics

TAG = (Condition(field="tags", values=("a",)),)
PHRASE = (Condition(field=WORDS, values=("a phrase",)),)
MILLION = 1_000_000


class AnotherExact(Exact):
    """Exact under another name, and asked by queries of its own."""

    captions_query: ClassVar[str] = "captions_flat"
    views_query: ClassVar[str] = "views_flat"


def passing(count: int, assets: int = MILLION) -> Statistics:
    """Statistics of a library in which so many assets have the tag."""
    return Statistics(assets, {("tags", "a"): (0, count)})


@pytest.mark.parametrize(
    ("target", "index", "asked"),
    [
        ("caption", Hnsw, "captions_hnsw"),
        ("appearance", Hnsw, "views_two_stage"),
        ("caption", HnswBinary, "captions_binary"),
        ("appearance", HnswBinary, "views_binary"),
        ("caption", Exact, "captions_exact"),
        ("appearance", Exact, "views_exact"),
        ("caption", AnotherExact, "captions_flat"),
        ("appearance", AnotherExact, "views_flat"),
    ],
)
def test_without_conditions_the_index_is_asked(target: Target, index: type[Index], asked: str) -> None:
    """By its own query, as widely as untuned searches are, with nothing to fall back on."""
    plan = make_plan(target, index, Request(limit=10), Statistics(MILLION))
    by_graph = not index.is_exact
    assert plan == Plan(query=asked, ef=UNTUNED.ef, candidates=UNTUNED.candidates, by_graph=by_graph)
    assert plan.then(None) is plan.then(0) is None


@pytest.mark.parametrize("count", [0, VERY_FEW, FEW, MILLION])
def test_codes_are_asked_however_few_pass(count: int) -> None:
    """As widely whatever passes, with nothing to fall back on; a small library is compared one by one.

    So are few that have a phrase, as only the database knows who has it.
    """
    request = Request(limit=10, conditions=TAG)
    plan = make_plan("appearance", Codes, request, passing(count))
    assert (plan.query, plan.fallback, plan.by_graph, plan.by_codes) == ("views_of_candidates", None, False, True)
    assert (plan.ef, plan.candidates) == (WIDER * FILTERED * UNTUNED.candidates, FILTERED * UNTUNED.candidates)
    small = make_plan("appearance", Codes, request, passing(min(count, VERY_FEW), VERY_FEW))
    assert (small.query, small.by_codes) == ("views_of_matching", False)
    phrases = Phrases(query="a & b", assets=count)
    with_words = make_plan(
        "appearance", Codes, Request(limit=10, conditions=PHRASE), Statistics(MILLION, phrases=phrases)
    )
    assert with_words.by_codes is (count > VERY_FEW)


def test_as_many_codes_are_looked_at_as_assets_are_wanted() -> None:
    """A deep page is not bounded by what pgvector allows; of those that codes rank, some are compared exactly."""
    for limit, breadth, ef, candidates, compared in (
        (1000, None, 8_000, 2000, 1080),
        (10, Breadth(300, 40), 1200, 40, 90),
        (24, Breadth(60, 60), 240, 60, 104),
        (10, Breadth(4 * MAX_EF, 1000), 16 * MAX_EF, 1000, 90),
    ):
        plan = make_plan("caption", Codes, Request(limit=limit, breadth=breadth), Statistics(MILLION))
        assert (plan.query, plan.ef, plan.candidates) == ("captions_of_candidates", ef, candidates)
        assert plan.compared == compared
        assert make_plan("caption", Codes, Request(limit=limit, exact=True), Statistics(MILLION)).by_codes is False


@pytest.mark.parametrize(
    ("assets", "asked"), [(0, "views_of_matching"), (VERY_FEW, "views_of_matching"), (VERY_FEW + 1, "views_two_stage")]
)
def test_a_small_library_is_compared_one_by_one(assets: int, asked: str) -> None:
    """That is faster than its graph, and misses nothing; a larger one follows the graph, whatever the server thinks."""
    plan = make_plan("appearance", Hnsw, Request(limit=10), Statistics(assets))
    assert (plan.query, plan.by_graph, plan.fallback) == (asked, assets > VERY_FEW, None)


@pytest.mark.parametrize("index", [Hnsw, HnswBinary, Codes, Exact, AnotherExact])
@pytest.mark.parametrize("conditions", [(), TAG, PHRASE])
def test_an_exact_request_compares_everything(index: type[Index], conditions: tuple[Condition, ...]) -> None:
    """Whatever the index kind is, and however many pass."""
    for statistics in (passing(1), passing(MILLION), Statistics(0)):
        request = Request(limit=10, conditions=conditions, exact=True)
        assert [make_plan(target, index, request, statistics).query for target in TARGETS] == [
            "captions_exact",
            "views_exact",
        ]


@pytest.mark.parametrize("count", [0, VERY_FEW, FEW, MILLION])
def test_an_exact_index_is_asked_whatever_passes(count: int) -> None:
    """There is nothing that it could miss, and so nothing else to ask."""
    request = Request(limit=10, conditions=TAG)
    for kind in (Exact, AnotherExact):
        plan = make_plan("appearance", kind, request, passing(count))
        assert (plan.query, plan.fallback) == (kind.views_query, None)


@pytest.mark.parametrize(
    ("assets", "count", "few"),
    [
        (MILLION, 0, True),
        (MILLION, VERY_FEW, True),
        (MILLION, FEW, True),
        (MILLION, FEW + 1, False),
        (MILLION, MILLION, False),
        (40_000, 40_000 * MANY, True),
        (40_000, 40_000 * MANY + 1, False),
        (VERY_FEW, VERY_FEW, True),
        (VERY_FEW + 1, VERY_FEW + 1, False),
        (0, 0, True),
    ],
)
@pytest.mark.parametrize(
    ("target", "compared", "by_index"),
    [("caption", "captions_exact", "captions_hnsw"), ("appearance", "views_of_matching", "views_two_stage")],
)
def test_few_are_compared_and_many_are_looked_for(  # a table
    assets: int,
    count: float,
    few: bool,  # noqa: FBT001
    target: Target,
    compared: str,
    by_index: str,
) -> None:
    """Up to 15,000, or a quarter of the library, one by one, and 2,000 in any library; more by the graph."""
    plan = make_plan(target, Hnsw, Request(limit=10, conditions=TAG), passing(round(count), assets))
    assert plan.query == (compared if few else by_index)
    assert plan.by_graph is not few
    assert plan.fallback == (None if few else compared)


@pytest.mark.parametrize(
    ("count", "ef"),
    [(MILLION, 400 + 400), (800_000, 400 + 500), (666_667, MAX_EF), (100_000, MAX_EF), (FEW + 1, MAX_EF)],
)
def test_the_fewer_pass_the_wider_the_graph_is_asked(count: int, ef: int) -> None:
    """So many nodes that enough of them pass, as far as pgvector allows; the candidates stay as many."""
    plan = make_plan("caption", Hnsw, Request(limit=10, conditions=TAG), passing(count))
    assert (plan.ef, plan.candidates) == (ef, UNTUNED.candidates)


@pytest.mark.parametrize(("count", "enough"), [(FEW + 1, 400), (MOST_COMPARED, 400), (MOST_COMPARED + 1, 10)])
def test_how_many_candidates_are_enough(count: int, enough: int) -> None:
    """All that were asked for, but where comparing would take long, only what the page needs."""
    plan = make_plan("appearance", Hnsw, Request(limit=10, conditions=TAG), passing(count))
    assert [plan.then(found) for found in (0, enough - 1, enough, 400)] == [
        "views_of_matching",
        "views_of_matching",
        None,
        None,
    ]


@pytest.mark.parametrize(
    ("count", "query", "enough"),
    [(0, "captions_exact", 0), (FEW, "captions_exact", 0), (FEW + 1, "captions_hnsw", 10)],
)
def test_phrases_are_counted_so_far_only(count: int, query: str, enough: int) -> None:
    """One more than are compared means any number: then what the graph has found must do for the page."""
    statistics = Statistics(MILLION, phrases=Phrases("'phrase'", count))
    plan = make_plan("caption", Hnsw, Request(limit=10, conditions=PHRASE), statistics)
    assert (plan.query, plan.enough) == (query, enough)


def test_a_phrase_and_a_filter_narrow_together() -> None:
    """As if they were independent."""
    statistics = Statistics(MILLION, {("tags", "a"): (0, 200_000)}, phrases=Phrases("'phrase'", FEW + 1))
    assert statistics.matching((*TAG, *PHRASE)) == pytest.approx(0.2 * (FEW + 1))
    plan = make_plan("caption", Hnsw, Request(limit=10, conditions=(*TAG, *PHRASE)), statistics)
    assert plan.query == "captions_exact"


@pytest.mark.parametrize(
    ("breadth", "limit", "ef", "candidates"),
    [
        (None, 10, 400, 400),
        (Breadth(80, 40), 10, 80, 40),
        (Breadth(80, 40), 30, 80, 60),
        (Breadth(80, 40), 200, 400, 400),
        (None, 1000, MAX_EF, 2000),
    ],
)
def test_deep_pages_are_asked_more_widely(breadth: Breadth | None, limit: int, ef: int, candidates: int) -> None:
    """What was tuned, or what the depth needs, as far as pgvector allows."""
    for request in (Request(limit=limit, breadth=breadth), Request(limit=limit, breadth=breadth, exact=True)):
        plan = make_plan("appearance", Hnsw, request, Statistics(MILLION))
        assert (plan.ef, plan.candidates) == (ef, candidates)
