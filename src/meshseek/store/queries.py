"""Named queries, read from ``queries.sql``."""

from __future__ import annotations

import re
from functools import cache
from importlib.resources import files
from typing import LiteralString

from psycopg import sql

_NAME = re.compile(r"^-- (\w+) --$", re.MULTILINE)


class Query(sql.Composed):
    """A query that knows its name, for whoever tells what time is spent on."""

    def __init__(self, name: str, parts: sql.Composed) -> None:
        super().__init__(list(parts))
        self.name = name


class Statement(bytes):
    """Likewise, put together for the server."""

    name: str

    @classmethod
    def of(cls, query: Query) -> Statement:
        """Put a query together."""
        made = cls(query.as_bytes(None))
        made.name = query.name
        return made


@cache
def _queries() -> dict[str, LiteralString]:
    parts = _NAME.split(read_sql("queries.sql"))
    return {name: text.strip().rstrip(";") for name, text in zip(parts[1::2], parts[2::2], strict=True)}


def query(name: str, /, **fragments: sql.Composable) -> Query:
    """A named query with its braces filled.

    Args:
        name: As written in ``queries.sql``.
        fragments: Identifiers and fragments of our own for the names in braces.
    """
    return Query(name, sql.SQL(_queries()[name]).format(**fragments))


def read_sql(name: str) -> LiteralString:
    """The text of one of our SQL files."""
    return files("meshseek.store").joinpath(name).read_text("utf-8")
