"""Answers come from one version of each library that they are put together from."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from typing import TypeVar

from meshseek.errors import DatabaseDownError, DatabaseError, MeshseekError, NotFoundError
from meshseek.store.read.library import Library, VersionChangedError
from meshseek.store.read.published import Published
from meshseek.store.read.statistics import learning

T = TypeVar("T")


@contextmanager
def naming(name: str, *, among: int) -> Iterator[None]:
    """Where several algorithms are asked, an error says which of them it is about; also for strangers."""
    try:
        yield
    except MeshseekError as error:
        if among > 1:
            error.args = (f"{name}: {error}",)
            error.general = error.general and f"{name}: {error.general}"
        raise


def of_one_version(libraries: Mapping[str, Library], ask: Callable[[Sequence[Published]], T]) -> T:
    """Ask again where another version was published meanwhile, so that no answer mixes two.

    Args:
        libraries: What is asked, by algorithm.
        ask: Given what is published of each of them.
    """
    published = _told(libraries, lambda library: library.last_known())
    while True:
        try:
            with ExitStack() as answering:
                answering.enter_context(learning())
                for library in libraries.values():
                    answering.enter_context(library.answering())
                return ask(published)
        except VersionChangedError:
            published = _told(libraries, lambda library: library.published())
        except DatabaseDownError:
            raise
        except (DatabaseError, NotFoundError):
            newer = _told(libraries, lambda library: library.published())
            if [each.content for each in newer] == [each.content for each in published]:
                raise
            published = newer


def _told(libraries: Mapping[str, Library], tell: Callable[[Library], Published]) -> list[Published]:
    told = []
    for name, library in libraries.items():
        with naming(name, among=len(libraries)):
            told.append(tell(library))
    return told
