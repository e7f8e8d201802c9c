"""Makes the first queries as fast as the later ones."""

from __future__ import annotations

from typing import TYPE_CHECKING

from meshseek.search.modes import MODES, TIERS
from meshseek.search.question import Question
from meshseek.store.read.library import Request
from meshseek.store.read.published import QUERY_KINDS, TARGETS

if TYPE_CHECKING:
    from meshseek.store.read.library import Library
    from meshseek.store.read.published import Published, QueryKind, QueryType

QUERIES = 40
"""Of each kind. The pool gives its connections in turn, so each of them plans its statements and sees much of the
graphs: a connection's first search takes ten times as long as its later ones."""
_QUERY_TYPES: dict[QueryKind, QueryType] = {"text": "english", "image": "image"}


def warm_up(library: Library, published: Published) -> None:
    """Read tables and indexes into the server's memory, and ask what is like some assets of the library.

    Raises:
        DatabaseError: See :class:`Library`.
    """
    library.read_into_memory()
    library.read_codes(published)
    if published.index.is_exact:
        return
    for kind in QUERY_KINDS:
        for vector in library.sample(kind, QUERIES):
            question = Question.of(published, vector, _QUERY_TYPES[kind])
            for target in TARGETS:
                MODES.load(target)().rank(library, question, Request(limit=TIERS[0]))
