"""Filters as users write them, what a licence permits, and what is known before anything is searched."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from meshseek.errors import QueryError
from meshseek.licences import permissions
from meshseek.model import Condition
from meshseek.search.filters import conditions, parse_filter
from meshseek.search.unknown_values import near
from meshseek.store.read.statistics import Statistics
from meshseek.store.write.labels import figures_of, labels_of


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
        ({"faces": ["500"]}, Condition(field="faces", minimum=500, maximum=500)),
        ({"permits": "modification"}, Condition(field="permits", values=("changes",))),
        ({"permits": ["changes", "no-credit"]}, Condition(field="permits", values=("changes", "no-credit"))),
        ({"faces": {"not": ["500"]}}, Condition(field="faces", minimum=500, maximum=500, negated=True)),
        (
            {"width": {"min": -3e38, "max": 1e-60}},
            Condition(field="width", minimum=float(np.float32(-3e38)), maximum=0),
        ),
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
        ({"faces": {"max": 1e39}}, "at most 3.4e38"),
        ({"faces": {"max": "-1e39"}}, "at most 3.4e38"),
        ({"faces": 10**400}, "at most 3.4e38"),
        ({"faces": ["1", "2"]}, "has 2 values; give one number"),
        ({"faces": []}, "has 0 values"),
        ({"faces": [["1"]]}, "needs numbers"),
        ({"faces": {"min": [1]}}, "needs numbers"),
        ({"faces": [""]}, "needs numbers"),
        ({"category": {"min": 1}}, "is not a word"),
        ({"category": [1]}, "is not a word"),
        ({"tags": "a\0"}, "NUL"),
        (
            {"permits": "comercial"},
            "the filter on 'permits' knows no 'comercial'; there are: commercial, changes, no-credit",
        ),
        ({"permits": {"not": ["commercial", ""]}}, "there are: commercial"),
        ({"height": {"min": 90, "max": 60}}, "has a min, 90, above its max, 60: nothing passes; swap them"),
        ({"faces": {"not": {"min": "2", "max": "1"}}}, "swap them"),
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
    ("value", "expected"),
    [
        ("office", ["Office", "Home office"]),
        ("Ofice", ["Office"]),
        ("CC0", ["CC0-1.0"]),
        ("KITCHEN", ["Kitchen", "kitchen"]),
        ("", []),
        ("椅", ["椅子"]),
    ],
)
def test_values_that_may_have_been_meant(value: str, expected: list[str]) -> None:
    """In other letters first, then those that have it in them, then those that are nearly spelt so."""
    known = ["Kitchen", "kitchen", "Home office", "Office", "CC0-1.0", "椅子"]
    assert near(value, known)[: len(expected) or 1] == expected


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
        ("cc0", ("changes", "commercial", "no-credit")),
        ("CC0 1.0 Universal Public Domain Dedication", ("changes", "commercial", "no-credit")),
        ("Creative Commons - Public Domain Dedication", ("changes", "commercial", "no-credit")),
        ("Public Domain", ("changes", "commercial", "no-credit")),
        ("http://creativecommons.org/publicdomain/zero/1.0/", ("changes", "commercial", "no-credit")),
        ("by", ("changes", "commercial")),
        ("CC-BY 3.0", ("changes", "commercial")),
        ("CC-BY 3.0 US", ("changes", "commercial")),
        ("CC-BY-3.0-US", ("changes", "commercial")),
        ("CC-BY-SA-4.0", ("changes", "commercial")),
        ("CC Attribution-ShareAlike", ("changes", "commercial")),
        ("Creative Commons Attribution 3.0 United States License", ("changes", "commercial")),
        ("https://creativecommons.org/licenses/by/3.0/us/deed.en", ("changes", "commercial")),
        ("Apache License, Version 2.0", ("changes", "commercial")),
        ("BSD-3-Clause", ("changes", "commercial")),
        ("GNU GPL v3+", ("changes", "commercial")),
        ("LGPL-2.1-or-later", ("changes", "commercial")),
        ("Free Art License 1.3", ("changes", "commercial")),
        ("by-nc", ("changes",)),
        ("CC-BY-NC_4.0", ("changes",)),
        ("CC_BY_NC_SA 4.0", ("changes",)),
        ("CC BY 4.0 NC", ("changes",)),
        ("Attribution - Non-Commercial - Share Alike", ("changes",)),
        ("Creative Commons Attribution-NonCommercial 4.0 International", ("changes",)),
        ("https://creativecommons.org/licenses/by-nc-nd/4.0/", ()),
        ("Creative Commons Attribution-NonCommercial-NoDerivatives 4.0 International License", ()),
    ],
)
def test_what_a_licence_permits(licence: str, expected: tuple[str, ...]) -> None:
    """Known by the whole of its name or its URL, however that is written."""
    assert permissions(licence) == expected


@pytest.mark.parametrize(
    "licence",
    [
        "",
        "unknown",
        "all rights reserved",
        "All rights reserved by Disney",
        "Copyright by Acme",
        "non commercial, attribution",
        "attribution required, personal use only",
        "CC-BY 4.0, not for commercial use",
        "MIT, no commercial use",
        "not in the public domain",
        "CC0 for personal use",
        "Editorial",
        "Creative Commons",
        "Standard",
        "https://example.com/licenses/by/4.0/",
        "https://creativecommons.org/licenses/by/4.0/ personal use only",
    ],
)
def test_an_unknown_licence_permits_nothing(licence: str) -> None:
    """Nor does a known name with other words about it: they may take back what it permits."""
    assert permissions(licence) == ()


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


def test_sizes_are_compared_in_centimetres_where_their_unit_is_known() -> None:
    """The measured size comes before what an older Meshseek noted; one of an unknown unit passes no bounds."""
    size = {"width": 0.6, "depth": 0.5, "height": 1.1, "unit": "m", "certainty": "likely"}
    older = {"dimensions_cm": [1, 2, 3]}

    assert figures_of({**older, "size": size})[1:] == pytest.approx((60, 50, 110))
    assert figures_of({**older, "size": {**size, "unit": None, "certainty": "unknown"}})[1:] == pytest.approx(
        (math.nan,) * 3, nan_ok=True
    )
    assert figures_of({**older, "size": None})[1:] == (1, 2, 3)
    assert figures_of({"size": {"unit": "m", "width": "wide", "height": 2}})[3] == 200


def test_a_number_that_no_column_holds_is_none() -> None:
    """One of 400 digits, or beyond single precision, is as if it were not there, and stops no publication."""
    assert (
        str(figures_of({"faces": 10**400, "width": 1e39, "depth": -1e39, "height": 3e38})) == "(nan, nan, nan, 3e+38)"
    )


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
