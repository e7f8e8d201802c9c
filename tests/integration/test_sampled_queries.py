"""Queries that an index is measured with: words as people type them beside captions, and none that is asked twice."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

import numpy as np
import pytest

from meshseek.search.sampled import Queries
from meshseek.store.postgres import Server
from meshseek.store.read.library import Library
from meshseek.workspace.workspace import Workspace


@pytest.fixture
def library(published_toys: Workspace, server: Server) -> Iterator[Library]:
    """The published toys."""
    opened = Library(server, "toy")
    yield opened
    opened.close()


def test_every_other_word_is_an_everyday_thing(library: Library) -> None:
    """As long as there are such; the rest are captions that were moved: near one, and none of them."""
    published = library.published()
    background = library.background(published)
    names = np.array([background.word(n) for n, language in enumerate(background.languages) if language == "english"])
    captions = library.sample("text", 100)
    assert len(names) == 2
    queries = Queries(library, published, "text", 20).compared
    assert queries.shape == (20, published.space.dim)
    is_name = (queries @ names.T).max(axis=1) > 0.9999
    assert np.flatnonzero(is_name).tolist() == [0, 2]
    nearest = (queries[~is_name] @ captions.T).max(axis=1)
    assert ((nearest > 0.8) & (nearest < 0.999)).all()


def test_pictures_are_views_that_were_moved(library: Library) -> None:
    """However few there are: as many queries are made as are asked for, all of unit length and no two the same."""
    queries = Queries(library, library.published(), "image", 500).compared
    assert np.allclose(np.linalg.norm(queries, axis=1), 1, atol=1e-5)
    assert len({query.tobytes() for query in queries}) == 500


def test_a_fresh_query_is_given_once(library: Library) -> None:
    """By whichever target it is taken, and it is none that is compared."""
    queries = Queries(library, library.published(), "text", 100)
    taken = [[query.tobytes() for query in islice(queries.fresh(), 700)] for _ in range(2)]
    every = [*taken[0], *taken[1], *(query.tobytes() for query in queries.compared)]
    assert len(every) == len(set(every)) == 1500
