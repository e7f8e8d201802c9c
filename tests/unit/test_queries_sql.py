"""Named queries: each is asked for, with just the fragments and values that it takes, and no other SQL is executed."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass, fields
from pathlib import Path
from string import Formatter

import pytest
from psycopg import sql

import meshseek
from meshseek.model import FILTER_FIELDS, Condition, Space
from meshseek.relevance import Thresholds
from meshseek.store.indexes import INDEXES
from meshseek.store.queries import query, read_sql
from meshseek.store.read.conditions import shape_of, values_of
from meshseek.store.read.plan import EVERYTHING, MATCHING
from meshseek.store.read.published import Tuning
from meshseek.store.read.reader import Session
from meshseek.store.read.statements import statement
from meshseek.store.read.statistics import WORDS, Phrases, Statistics
from meshseek.store.shards import LiveRow

SOURCE = Path(meshseek.__file__).parent
TEXT = read_sql("queries.sql")
PARTS = re.split(r"^-- (\w+) --$", TEXT, flags=re.MULTILINE)
QUERIES = dict(zip(PARTS[1::2], PARTS[2::2], strict=True))
STATEMENT = re.compile(
    r"\b(SELECT\s.+\sFROM|INSERT INTO|UPDATE\s.+\sSET|DELETE FROM|(CREATE|DROP|ALTER) (TABLE|SCHEMA|DATABASE))\b"
)
PLACEHOLDERS = re.compile(r"%\((\w+)\)s")
KINDS = [INDEXES.load(name) for name in INDEXES.names]
SEARCHES = {
    *(query for kind in KINDS for query in (kind.captions_query, kind.views_query)),
    *EVERYTHING.values(),
    *MATCHING.values(),
    "words",
    "one",
    "caption_scores",
    "view_scores",
}
"""Queries that are put together by ``statement``, which their users name."""
CANDIDATES = {query for kind in KINDS if kind.has_codes for query in (kind.captions_query, kind.views_query)}
UNFILTERED = {"caption_scores", "view_scores", *CANDIDATES}
"""Those that are asked of assets that have passed already."""
WORD_VALUES = {"latin", "pairs", "single"}
SEARCH_VALUES = {
    "words": {*WORD_VALUES, "name", "limit", "bound"},
    "one": {"asset_id"},
    "caption_scores": {"vector", "ids"},
    "view_scores": {"vector", "ids"},
    **{name: {"vector", "ids", "limit"} for name in CANDIDATES},
}
"""What the library gives to them; to all others, what the nearest are asked by."""
NEAREST_VALUES = {"vector", "limit", "candidates"}
SPACE, TUNING, SESSION, THRESHOLDS = (
    {field.name for field in fields(value)} for value in (Space, Tuning, Session, Thresholds)
)
BUILT = {
    "insert_space": {*SPACE, "index_kind", "content", "world", "schema_version"},
    "is_of_kind": {*SPACE, "index_kind", "world", "chinese"},
    "inherit_tunings": {*SPACE, "index_kind"},
    "tunings_of_kind": {*SPACE, "index_kind"},
    "begin_version": {*LiveRow._fields},
    "tell_totals": {"assets", "english_captions", "chinese_captions", "views"},
    "keep_tuning": {*TUNING, "content"},
    "keep_calibration": {*THRESHOLDS, "target", "kind"},
    "shown": {"ids"},
    "words_among": {*WORD_VALUES, "ids"},
    "world_here": WORD_VALUES,
    "set_search": SESSION,
    "count_phrases": {"latin", "pairs", "bound"},
    "sample_captions": {"count"},
    "sample_views": {"count"},
    "copy_part": {"after", "last"},
    "vectors_in_pages": {"first", "last"},
    "numbered_assets": {"first", "last"},
    "numbered_vectors": {"first", "last", "step"},
    "add_codes": {"edition", "part", "block", "content"},
    "listed": {"limit"},
    "after_known": {"key", "asset_id"},
    "after_unknown": {"asset_id"},
    "label_counts": {"fields", "limit"},
    "facets_passing": {"mask"},
    "facets_of_lots": {"ids", "fields", "edges", "first_ids", "last_ids", "first_fields", "last_fields"},
    "fields_of_all": {"fields"},
    "facets": {"edges"},
}
"""Values that are put together before the query is asked."""


@dataclass(frozen=True)
class Use:
    """One place where a query is asked for; where graphs of captions are, each language fills in its own."""

    name: str
    fragments: frozenset[str]
    values: frozenset[str] | None
    """None where they are not written beside it."""


def uses(source: str) -> Iterator[Use]:
    """Every query that a module asks for by name."""
    tree = ast.parse(source)
    values: dict[ast.Call, frozenset[str]] = {}
    for call in (node for node in ast.walk(tree) if isinstance(node, ast.Call)):
        if len(call.args) > 1 and isinstance(call.args[0], ast.Call):
            written = call.args[1]
            if isinstance(written, ast.Dict) and all(isinstance(key, ast.Constant) for key in written.keys):
                values[call.args[0]] = frozenset(
                    str(key.value) for key in written.keys if isinstance(key, ast.Constant)
                )
    for call in (node for node in ast.walk(tree) if isinstance(node, ast.Call)):
        if isinstance(call.func, ast.Name) and call.func.id in {"query", "statement", "caption_graphs"}:
            name = call.args[0]
            if isinstance(name, ast.Constant):
                fragments = frozenset(str(keyword.arg) for keyword in call.keywords)
                yield Use(str(name.value), fragments, values.get(call))


def every_use() -> list[Use]:
    """Of the whole product."""
    return [use for path in sorted(SOURCE.rglob("*.py")) for use in uses(path.read_text("utf-8"))]


def braces(name: str) -> set[str]:
    """The names in braces of a query."""
    return {field for _, field, _, _ in Formatter().parse(QUERIES[name]) if field}


def unasked(queries: set[str], used: list[Use]) -> set[str]:
    """Queries that nothing asks for."""
    return queries - {use.name for use in used} - SEARCHES


def test_every_query_is_asked_for() -> None:
    """By its name, in a call; a word that happens to be somewhere in the source is none."""
    assert not unasked({*QUERIES}, every_use())


def test_a_query_that_nothing_asks_for_is_seen() -> None:
    """The test above can fail: neither a string nor a call of something else asks for a query."""
    planted = 'words = {"planted": 1, planted: "planted"}\nlog("planted")\nquery(planted)\n'
    assert unasked({"planted"}, list(uses(planted))) == {"planted"}
    assert unasked({"planted"}, list(uses('rows(query("planted"), {"a": 1})'))) == set()


@pytest.mark.parametrize("name", QUERIES)
def test_every_query_is_described(name: str) -> None:
    """A sentence stands before the SQL."""
    assert re.match(r"\n-- [A-Z][^\n]+(\n-- [^\n]+)*[.]\n", QUERIES[name])


def test_no_name_is_given_twice() -> None:
    """A second query of one name would hide the first."""
    assert len(QUERIES) == len(PARTS) // 2


@pytest.mark.parametrize("use", every_use(), ids=lambda use: use.name)
def test_each_use_fills_the_braces_and_the_placeholders(use: Use) -> None:
    """Just those that the query has, no other; values that are not written there are known by their class."""
    if use.name not in SEARCHES:
        by_language = {"name", "column", "other"} if "chinese" in use.fragments else set()
        given = use.fragments - {"chinese"} | by_language
        assert given == braces(use.name)
        asked = {*PLACEHOLDERS.findall(QUERIES[use.name])}
        if use.values is not None:
            assert use.values == asked
        elif asked:
            assert asked <= BUILT.get(use.name, NEAREST_VALUES | {"phrases"}), use.name


@pytest.mark.parametrize(
    ("planted", "part"), [('query("asset", table=x)', "fragments"), ('rows(query("asset"), {"asset": 1})', "values")]
)
def test_a_wrong_use_is_seen(planted: str, part: str) -> None:
    """The test above can fail: a fragment that the query does not take, and a value that it does not ask for."""
    (use,) = uses(planted)
    assert getattr(use, part) != {"fragments": braces("asset"), "values": {"asset_id"}}[part]


@pytest.mark.parametrize("name", sorted(SEARCHES))
def test_each_search_is_whole_with_any_conditions(name: str) -> None:
    """No brace is left, and every value that it asks for is one that the library gives."""
    conditions = [*(Condition(field=field) for field in FILTER_FIELDS), Condition(field=WORDS, values=("a", "b"))]
    statistics = Statistics(1, phrases=Phrases("'a' & 'b'", 1))
    for asked in ([], conditions):
        text = statement(name, ("english_embedding", "chinese_embedding"), shape_of(asked), 64).decode()
        given = SEARCH_VALUES.get(name, NEAREST_VALUES) | {*values_of(asked, statistics if asked else Statistics(1))}
        assert not re.search(r"[{}]", text)
        assert {*PLACEHOLDERS.findall(text)} <= given
        assert not asked or name in UNFILTERED or {*values_of(asked, statistics)} <= {*PLACEHOLDERS.findall(text)}


def test_an_unknown_query_is_a_programming_error() -> None:
    """A name that is not in the file fails at once, and so does a brace that is not filled."""
    with pytest.raises(KeyError):
        query("no such query")
    with pytest.raises(KeyError):
        query("count_rows", name=sql.Identifier("a"))


@pytest.mark.parametrize("path", sorted(SOURCE.rglob("*.py")), ids=lambda path: str(path.relative_to(SOURCE)))
def test_no_sql_is_put_together_from_strings(path: Path) -> None:
    """No f-string holds a statement, and nothing is executed but queries by name and literals."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.JoinedStr):
            literal = "".join(str(part.value) for part in node.values if isinstance(part, ast.Constant))
            assert not STATEMENT.search(literal), f"{path.name}:{node.lineno}"
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "execute":
            assert not isinstance(node.args[0], ast.JoinedStr | ast.BinOp), f"{path.name}:{node.lineno}"
