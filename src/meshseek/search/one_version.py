"""Answers that come from one version of a library, whatever is published meanwhile."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from meshseek.errors import DatabaseDownError, DatabaseError, NotFoundError
from meshseek.store.read.library import Library, VersionChangedError
from meshseek.store.read.published import Published

T = TypeVar("T")


def of_one_version(library: Library, ask: Callable[[Published], T]) -> T:
    """Ask again where another version was published meanwhile, so that no answer mixes two."""
    published = library.last_known()
    while True:
        try:
            with library.answering():
                return ask(published)
        except VersionChangedError:
            published = library.published()
        except DatabaseDownError:
            raise
        except (DatabaseError, NotFoundError):
            newer = library.published()
            if newer.content == published.content:
                raise
            published = newer
