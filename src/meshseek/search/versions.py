"""Answers come from one version of each library that they are put together from."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from typing import TypeVar

from meshseek.errors import DatabaseDownError, DatabaseError, NotFoundError
from meshseek.store.read.library import Library, VersionChangedError
from meshseek.store.read.published import Published

T = TypeVar("T")


def of_one_version(libraries: Sequence[Library], ask: Callable[[Sequence[Published]], T]) -> T:
    """Ask again where another version was published meanwhile, so that no answer mixes two.

    Args:
        libraries: What is asked.
        ask: Given what is published of each of them.
    """
    published = [library.last_known() for library in libraries]
    while True:
        try:
            with ExitStack() as answering:
                for library in libraries:
                    answering.enter_context(library.answering())
                return ask(published)
        except VersionChangedError:
            published = [library.published() for library in libraries]
        except DatabaseDownError:
            raise
        except (DatabaseError, NotFoundError):
            newer = [library.published() for library in libraries]
            if [each.content for each in newer] == [each.content for each in published]:
                raise
            published = newer
