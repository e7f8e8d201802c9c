"""Named queries: each is used, each brace is filled, and no SQL is put together from strings."""

from __future__ import annotations

import ast
import re
from dataclasses import fields
from pathlib import Path
from string import Formatter

import pytest

import meshseek
from meshseek.model import Space
from meshseek.store.queries import migrations, query, read_sql
from meshseek.store.read.published import Tuning

SOURCE = Path(meshseek.__file__).parent
TEXT = read_sql("queries.sql")
PARTS = re.split(r"^-- (\w+) --$", TEXT, flags=re.MULTILINE)
QUERIES = dict(zip(PARTS[1::2], PARTS[2::2], strict=True))
CODE = "\n".join(path.read_text("utf-8") for path in SOURCE.rglob("*.py"))
STATEMENT = re.compile(
    r"\b(SELECT\s.+\sFROM|INSERT INTO|UPDATE\s.+\sSET|DELETE FROM|(CREATE|DROP|ALTER) (TABLE|SCHEMA|DATABASE))\b"
)
PLACEHOLDERS = re.compile(r"%\((\w+)\)s")


@pytest.mark.parametrize("name", QUERIES)
def test_every_query_is_used_and_described(name: str) -> None:
    """The name is in the source, and a sentence stands before the SQL."""
    assert re.search(rf'"{name}"', CODE), f"no code asks for {name}"
    assert re.match(r"\n-- [A-Z][^\n]+(\n-- [^\n]+)*[.]\n", QUERIES[name])


def test_no_name_is_given_twice() -> None:
    """A second query of one name would hide the first."""
    assert len(QUERIES) == len(PARTS) // 2


@pytest.mark.parametrize("name", QUERIES)
def test_every_brace_is_filled(name: str) -> None:
    """Each name in braces is passed as a keyword or key somewhere in the source."""
    fields = {field for _, field, _, _ in Formatter().parse(QUERIES[name]) if field is not None}
    unknown = {field for field in fields if not re.search(rf'\b{field}=|"{field}":', CODE)}
    assert not unknown


@pytest.mark.parametrize("name", QUERIES)
def test_every_placeholder_is_given(name: str) -> None:
    """Each value that a query asks for is named in the source."""
    names = set(PLACEHOLDERS.findall(QUERIES[name]))
    columns = {field.name for value in (Space, Tuning) for field in fields(value)}  # passed as one
    assert {found for found in names if f'"{found}":' not in CODE} <= columns


def test_an_unknown_query_is_a_programming_error() -> None:
    """A name that is not in the file fails at once."""
    with pytest.raises(KeyError):
        query("no such query")


@pytest.mark.parametrize("path", sorted(SOURCE.rglob("*.py")), ids=lambda path: str(path.relative_to(SOURCE)))
def test_no_sql_is_put_together_from_strings(path: Path) -> None:
    """No f-string holds a statement, and nothing is executed but queries by name and literals."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.JoinedStr):
            literal = "".join(str(part.value) for part in node.values if isinstance(part, ast.Constant))
            assert not STATEMENT.search(literal), f"{path.name}:{node.lineno}"
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "execute":
            assert not isinstance(node.args[0], ast.JoinedStr | ast.BinOp), f"{path.name}:{node.lineno}"


def test_migrations_are_numbered_without_a_gap() -> None:
    """They run in this order on every published version."""
    assert list(migrations()) == list(range(1, len(migrations()) + 1))
