"""Rows as PostgreSQL's text COPY takes them."""

from __future__ import annotations

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from meshseek.store.postgres import Server
from meshseek.store.write.text_copy import text_rows

TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))
ROWS = st.lists(st.tuples(TEXTS, st.lists(TEXTS), st.none() | st.lists(st.integers(-(2**15), 2**15 - 1))))


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(ROWS)
def test_every_text_comes_back(server: Server, rows: list[tuple[str, list[str], list[int] | None]]) -> None:
    """Whatever it holds: tabs, ends of lines, quotes, braces, backslashes, the words for nothing."""
    rows = [*rows, ("\\N\t\r\n", ["NULL", "\\.", '{"a"}', "\\", '"', ""], []), ("\\.", [], None)]
    server.create_database("copies")
    with server.connect("copies") as connection, connection.transaction(force_rollback=True):
        connection.execute("CREATE TABLE copied (name text, texts text[], numbers smallint[])")
        with connection.cursor() as cursor, cursor.copy("COPY copied FROM STDIN") as copy:
            copy.write(text_rows(rows))
        assert connection.execute("SELECT * FROM copied").fetchall() == rows
