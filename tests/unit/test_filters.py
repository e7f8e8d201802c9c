"""Filters as users write them, what a licence permits, and what is known before anything is searched."""

from __future__ import annotations

from typing import Any

import pytest

from meshseek.errors import QueryError
from meshseek.licences import permissions
from meshseek.model import Condition
from meshseek.search.filters import conditions, parse_filter
from meshseek.store.filtering import Statistics
from meshseek.store.labels import figures_of, labels_of


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        ({"category": "chair"}, Condition(field="category", values=("chair",))),
        ({"tags": ["a", "b"]}, Condition(field="tags", values=("a", "b"))),
        ({"tags": []}, Condition(field="tags")),
        ({"creator": {"not": "x"}}, Condition(field="creator", values=("x",), negated=True)),
        ({"creator": {"not": {"not": "x"}}}, Condition(field="creator", values=("x",))),
        ({"faces": {"min": 10}}, Condition(field="faces", minimum=10)),
        ({"width": {"min": "1.5", "max": 2}}, Condition(field="width", minimum=1.5, maximum=2)),
        ({"height": 3}, Condition(field="height", minimum=3, maximum=3)),
        ({"faces": {"not": {"max": 5}}}, Condition(field="faces", maximum=5, negated=True)),
    ],
)
def test_filters_become_conditions(filters: dict[str, Any], expected: Condition) -> None:
    """Words, any of several, bounds, and the negation of each."""
    assert conditions(filters) == (expected,)


@pytest.mark.parametrize(
    ("filters", "message"),
    [
        ({"price": "1"}, "cannot filter on 'price'; known fields: category, .*height"),
        ({"faces": "many"}, "needs numbers; got"),
        ({"faces": {}}, "has no bounds"),
        ({"faces": {"least": 1}}, "has no bounds"),
        ({"faces": {"min": float("nan")}}, "finite"),
        ({"category": {"min": 1}}, "is no word"),
        ({"category": [1]}, "is no word"),
        ({"tags": "a\0"}, "NUL"),
    ],
)
def test_what_is_no_filter_is_refused(filters: dict[str, Any], message: str) -> None:
    """One line that says what is wrong and what would do."""
    with pytest.raises(QueryError, match=message):
        conditions(filters)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("category=chair", ("category", "chair")),
        ("category=a=b", ("category", "a=b")),
        ("category!=chair", ("category", {"not": "chair"})),
        ("faces=10..20", ("faces", {"min": "10", "max": "20"})),
        ("faces=..20", ("faces", {"min": None, "max": "20"})),
        ("faces!=10..", ("faces", {"not": {"min": "10", "max": None}})),
        ("category=a..b", ("category", "a..b")),
    ],
)
def test_filters_on_the_command_line(text: str, expected: tuple[str, Any]) -> None:
    """A short form of each kind."""
    assert parse_filter(text) == expected


def test_a_filter_without_a_value_is_refused() -> None:
    """The message shows the forms."""
    with pytest.raises(QueryError, match=r"write field=word, field!=word or field=10..20"):
        parse_filter("category")


@pytest.mark.parametrize(
    ("licence", "expected"),
    [
        ("CC0-1.0", ("changes", "commercial", "no-credit")),
        ("CC0", ("changes", "commercial", "no-credit")),
        ("CC-BY-3.0", ("changes", "commercial")),
        ("CC BY 4.0", ("changes", "commercial")),
        ("Creative Commons - Attribution", ("changes", "commercial")),
        ("by-sa", ("changes", "commercial")),
        ("CC-BY-NC-4.0", ("changes",)),
        ("by-nc-nd", ()),
        ("CC-BY-ND-4.0", ("commercial",)),
        ("MIT", ("changes", "commercial")),
        ("all rights reserved", ()),
        ("", ()),
    ],
)
def test_what_a_licence_permits(licence: str, expected: tuple[str, ...]) -> None:
    """Known by its name; an unknown one permits nothing."""
    assert permissions(licence) == expected


def test_labels_and_numbers_of_an_asset() -> None:
    """Words of every field once, and numbers where there are any, also in texts and in the list of sizes."""
    attributes = {
        "category": "a",
        "tags": ["x", "x", ""],
        "licence": "CC-BY-NC",
        "faces": "12",
        "dimensions_cm": [1, 2],
    }
    assert labels_of(attributes) == [
        ("category", "a"),
        ("licence", "CC-BY-NC"),
        ("permits", "changes"),
        ("tags", "x"),
    ]
    assert figures_of(attributes)[:3] == (12, 1, 2)
    assert str(figures_of({"faces": "many", "height": float("inf")})) == "(nan, nan, nan, nan)"


def test_how_many_will_pass() -> None:
    """Exact for a word, as if independent for several conditions, and one percent too many for bounds."""
    statistics = Statistics(1000, {("tags", "a"): (0, 100), ("tags", "b"): (1, 500)}, {"faces": (range(101), 800)})

    def matching(**filters: Any) -> float:
        return statistics.matching(conditions(filters))

    assert matching(tags="a") == 100
    assert matching(tags=["a", "b"]) == 600
    assert matching(tags={"not": "a"}) == 900
    assert matching(tags="unknown") == 0
    assert matching(tags="a", faces={"min": 0}) == pytest.approx(80)
    assert matching(faces={"min": 50.5, "max": 60.5}) == pytest.approx(800 * 0.11)
    assert matching(width={"min": 1}) == 0
    assert Statistics(0).matching(conditions({"tags": "a"})) == 0
