"""The searching queries as text for the server, put together once for each form they are asked in."""

from __future__ import annotations

from functools import lru_cache

from psycopg import sql

from meshseek.store.queries import Statement, query
from meshseek.store.read.conditions import Shape, where

MOST_KEPT = 256
"""Texts of some 2 kB each; users choose which filters go together, and so how many there are."""


@lru_cache(MOST_KEPT)
def statement(name: str, columns: tuple[str, str] | None = None, filters: Shape = (), dim: int = 1) -> Statement:
    """A searching query.

    Args:
        name: As written in ``queries.sql``.
        columns: The caption column that is compared, and the one that stands in for it.
        filters: The conditions' shape.
        dim: Length of a vector, for indexes on bits.
    """
    column, other = columns or ("", "")
    asked = query(
        name,
        column=sql.Identifier(column),
        other=sql.Identifier(other),
        dim=sql.Literal(dim),
        best_views=query("best_views"),
        ranked=query("ranked", named=sql.SQL("false"), candidates=sql.NULL),
        ranked_words=query("ranked", named=query("is_named"), candidates=sql.NULL),
        ranked_candidates=query("ranked", named=sql.SQL("false"), candidates=query("count_candidates")),
        filter=query("filter", conditions=where(filters)) if filters else sql.SQL(""),
        filter_words=query("filter_words", conditions=where(filters)) if filters else sql.SQL(""),
        filter_views=query("filter_views", conditions=where(filters)) if filters else sql.SQL(""),
    )
    return Statement.of(asked)
