"""Filters of every kind against rankings computed by hand, and pages of them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.crowd import CLUSTERS, DIM, Crowd, cosines

from meshseek.model import Asset, Condition
from meshseek.search.filters import conditions
from meshseek.search.judging import Judge
from meshseek.search.modes import MODES
from meshseek.search.query import Query
from meshseek.search.question import Question
from meshseek.store.indexes import DEFAULT_INDEX
from meshseek.store.postgres import Server
from meshseek.store.read import plan as planning
from meshseek.store.read.library import Library, Request
from meshseek.store.write import codes as writing
from meshseek.store.write.labels import figures_of, labels_of
from meshseek.workspace.workspace import Workspace

COUNT = 300
LIBRARIES = ("furniture", "folder-toys")
WORDS = {
    "library": [*LIBRARIES],
    "category": [f"cluster {n}" for n in range(CLUSTERS)],
    "tags": ["even", "odd", *(f"of seven {n}" for n in range(7)), "unknown"],
    "licence": ["CC0", "CC-BY"],
    "permits": ["commercial", "no-credit"],
}


@pytest.fixture(scope="module")
def crowd() -> Crowd:
    """Assets with words and numbers that are known, of two libraries."""
    crowd = Crowd.of(COUNT)
    crowd.assets = [
        replace(asset, attributes={**asset.attributes, "library": LIBRARIES[number % 3 == 0]})
        for number, asset in enumerate(crowd.assets)
    ]
    return crowd


@pytest.fixture(params=["compared", "by index", "by codes"])
def library(
    request: pytest.FixtureRequest,
    crowd: Crowd,
    server: Server,
    workspace: Workspace,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Library]:
    """The crowd, published; asked as a small library is, and as one in which very many assets pass every filter."""
    if request.param != "compared":
        monkeypatch.setattr(planning, "VERY_FEW", 0)
        monkeypatch.setattr(planning, "FEW", 0)
    monkeypatch.setattr(writing, "FEWEST", 10)
    crowd.publish(workspace, server, "codes" if request.param == "by codes" else DEFAULT_INDEX)
    opened = Library(server, "crowd")
    yield opened
    opened.close()


def passes(asset: Asset, condition: Condition) -> bool:
    """What a filter means, without a database."""
    if condition.field == "faces":
        faces = figures_of(asset.attributes)[0]
        low = -np.inf if condition.minimum is None else condition.minimum
        high = np.inf if condition.maximum is None else condition.maximum
        return bool(low <= faces <= high) is not condition.negated
    own = {value for name, value in labels_of(asset.attributes) if name == condition.field}
    return bool(own & {*condition.values}) is not condition.negated


def words(name: str) -> st.SearchStrategy[Any]:
    """One word, or several."""
    return st.one_of(st.sampled_from(WORDS[name]), st.lists(st.sampled_from(WORDS[name]), max_size=4))


def in_order(bounds: tuple[int | None, int | None]) -> dict[str, int | None]:
    """The lower bound first, where there are two."""
    low, high = bounds if None in bounds else sorted(bound for bound in bounds if bound is not None)
    return {"min": low, "max": high}


BOUND = st.one_of(st.none(), st.integers(-10, 10 * COUNT + 10))
BOUNDS = st.tuples(BOUND, BOUND).filter(lambda found: found != (None, None))
PLAIN: dict[str, st.SearchStrategy[Any]] = {name: words(name) for name in WORDS}
PLAIN["faces"] = BOUNDS.map(in_order)
FILTERS = st.fixed_dictionaries(
    {}, optional={name: st.one_of(plain, plain.map(lambda value: {"not": value})) for name, plain in PLAIN.items()}
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(filters=FILTERS, seed=st.integers(0, 1000), exact=st.booleans())
def test_filtered_results_are_those_computed_by_hand(
    library: Library,
    crowd: Crowd,
    filters: dict[str, Any],
    seed: int,
    exact: bool,  # noqa: FBT001
) -> None:
    """The best of all that pass and nothing else, as many as there are, for any filter and query."""
    vector = np.random.default_rng(seed).normal(size=DIM).astype(np.float32)
    vector /= np.linalg.norm(vector)
    asked = conditions(filters)
    request = Request(limit=20, conditions=asked, exact=exact)
    hits = library.nearest_views(library.published(), vector, request)

    passing = {asset.asset_id for asset in crowd.assets if all(passes(asset, condition) for condition in asked)}
    best = {name: cosines(own, vector).max() for name, own in crowd.views.items() if name in passing}
    expected = sorted(best, key=lambda name: (-best[name], name))[:20]
    assert {hit.asset_id for hit in hits} <= passing
    assert [hit.score for hit in hits] == pytest.approx([best[name] for name in expected], abs=2e-3)


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    cuts=st.lists(st.integers(1, 199), min_size=1, max_size=6),
    filters=FILTERS,
    collapsed=st.booleans(),
    diverse=st.booleans(),
)
def test_pages_put_together_are_the_list(
    library: Library,
    cuts: list[int],
    filters: dict[str, Any],
    collapsed: bool,  # noqa: FBT001
    diverse: bool,  # noqa: FBT001
) -> None:
    """However a list is cut into pages, they are the list, each asset once."""
    vector = np.ones(DIM, dtype=np.float32) / np.sqrt(DIM)
    question = Question.of(library.published(), vector.astype(np.float32), "english")

    def page(offset: int, limit: int) -> list[str]:
        options: dict[str, Any] = {"filters": filters, "collapsed": collapsed, "diverse": diverse}
        query = Query(text="any", top_k=limit, offset=offset, **options)
        found = MODES.load("appearance")().search(library, question, query, Judge(library, question))
        return [ranked.asset_id for ranked in found.ranking]

    edges = sorted({0, 200, *cuts})
    pages = [asset_id for low, high in pairwise(edges) for asset_id in page(low, high - low)]
    whole = page(0, 200)
    assert pages == whole
    assert len(set(whole)) == len(whole)


def test_a_number_that_is_not_known_passes_only_a_negation(library: Library, crowd: Crowd) -> None:
    """Assets without faces are in no range, and in the complement of each."""
    vector = np.ones(DIM, dtype=np.float32) / np.sqrt(DIM)
    unknown = {asset.asset_id for asset in crowd.assets if "faces" not in asset.attributes and asset.views}

    def found(filters: dict[str, Any]) -> set[str]:
        request = Request(limit=COUNT, conditions=conditions(filters))
        return {hit.asset_id for hit in library.nearest_views(library.published(), vector, request)}

    inside, outside = found({"faces": {"min": 0, "max": 500}}), found({"faces": {"not": {"min": 0, "max": 500}}})
    assert unknown <= outside
    assert not inside & outside
    assert inside | outside == {asset.asset_id for asset in crowd.assets if asset.views}


def test_libraries_are_counted(library: Library) -> None:
    """Where assets come from is a field like others: its values are listed with their counts."""
    assert library.facet("library") == [("furniture", 2 * COUNT // 3), ("folder-toys", COUNT // 3)]
