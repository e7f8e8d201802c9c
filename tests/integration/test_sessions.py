"""What connections carry from one transaction to the next, so that no pooler may lend them to others in between."""

from __future__ import annotations

from tests.toy import toy

from meshseek.search.algorithm import Algorithm
from meshseek.search.query import Query
from meshseek.store.postgres import Server
from meshseek.store.queries import query
from meshseek.store.read.library import Library
from meshseek.store.read.reader import Reader
from meshseek.workspace.workspace import Workspace

CARRIED = """
SELECT current_setting('statement_timeout'), current_setting('plan_cache_mode'), count(*) FROM pg_prepared_statements
"""


def test_searches_leave_settings_and_statements_in_their_session(published_toys: Workspace, server: Server) -> None:
    """Parameters of the start, of the last search, and prepared statements are there when its transaction has ended."""
    reader = Reader(server, "toy")
    library = Library(server, "toy", reader)
    try:
        Algorithm("toy", library, lambda space: toy(space.model)).search(Query(text="red chair", target="appearance"))
        found = set()
        for _ in range(8):
            with reader._open().searches.connection() as connection:
                found |= {*connection.execute(CARRIED).fetchall()}
    finally:
        library.close()

    with server.connect("toy") as connection:
        assert connection.execute(CARRIED).fetchall() == [("0", "auto", 0)]
    assert {timeout for timeout, _, _ in found} == {"20s"}
    assert {plan for _, plan, _ in found} > {"auto"} or {plan for _, plan, _ in found}.isdisjoint({"auto"})
    assert max(prepared for _, _, prepared in found) > 0


def test_a_lock_of_publishing_is_its_sessions(published_toys: Workspace, server: Server) -> None:
    """Not its transaction's: who lends the connection meanwhile lends the lock, and another publication goes on."""
    with server.connect("toy") as one, server.connect("toy") as other:
        assert one.execute(query("lock_publishing")).fetchone() == (True,)
        assert one.execute(query("lock_publishing")).fetchone() == (True,)
        assert other.execute(query("lock_publishing")).fetchone() == (False,)
