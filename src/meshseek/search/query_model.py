"""The model that turns the queries of one algorithm into vectors."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from threading import Lock
from typing import TYPE_CHECKING, Any

from meshseek.embedders import ONE_LOADS, Embedder, PartlyEmbeddedError
from meshseek.errors import ForbiddenError, HostedItemError, SpaceMismatchError
from meshseek.model import Language, PublishedAsset, Space, TextShare
from meshseek.search.caching import RecentlyUsed, picture_key
from meshseek.search.explaining import explained_captions
from meshseek.search.phrases import without_quotes
from meshseek.search.query import Query
from meshseek.search.question import Embedded
from meshseek.spans import EMBED, Span

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

log = logging.getLogger(__name__)

REMEMBERED = 1024
"""Vectors and translations of recent queries."""
NEEDS_WRITE = "it needs a key with the scope 'write'"

_LANGUAGE_OF: dict[str, Language] = {"english_embedding": "english", "chinese_embedding": "chinese"}

Load = Callable[[Space], Embedder]
Translate = Callable[[str], str | None]


class QueryModel:
    """Loads the embedder of the published space when a query first needs it, and remembers what it gave.

    Args:
        name: The algorithm's name.
        load: Makes the embedder for a space; called once, when first needed, and again if another space is published.
        translate: Turns a Chinese query into English words for embedders that are weak at Chinese.
    """

    def __init__(self, name: str, load: Load, translate: Translate | None = None) -> None:
        self._name = name
        self._load = load
        self._translate = translate
        self._translations: RecentlyUsed[str | None] = RecentlyUsed(REMEMBERED)
        self._vectors: RecentlyUsed[NDArray[np.float32]] = RecentlyUsed(REMEMBERED)
        self._embedder: Embedder | None = None
        self._loading = Lock()

    @property
    def caches(self) -> dict[str, RecentlyUsed[Any]]:
        """What is remembered of recent queries, by what it is."""
        return {"vectors": self._vectors, "translations": self._translations}

    def is_loaded(self, space: Space) -> bool:
        """Whether queries to this space can be embedded at once."""
        embedder = self._embedder
        return embedder is not None and embedder.space == space

    def warm_up(self, space: Space) -> None:
        """Load all that queries of any kind to a space need.

        Raises:
            EmbedderError: Something cannot be loaded.
            SpaceMismatchError: The model that is here gives vectors of another space.
        """
        self._embedder_of(space, wholly=True).warm_up()

    def embed(self, query: Query, space: Space) -> Embedded:
        """What becomes of a query in a space, and how long that took.

        Raises:
            EmbedderError: The model cannot be loaded.
            SpaceMismatchError: The model that is here gives vectors of another space.
            HostedError: A hosted model cannot be asked, or refuses this query.
            ForbiddenError: It would have to be paid, and whoever asks may not spend money.
        """
        started = time.perf_counter()
        with Span(EMBED, self._name):
            embedder = self._embedder_of(space)
            translated = self._in_english(embedder, query)
            wording = replace(query, text=translated, language="english") if translated else query
            asked = wording.text if wording.image is None else picture_key(wording.image)
            vector = self._vectors.get((space, asked), lambda: self._vector(embedder, wording))
        seconds = time.perf_counter() - started
        return Embedded(
            vector=vector,
            query_type=wording.query_type,
            translated=translated,
            understood=wording.text is None or embedder.understands(wording.text),
            seconds=seconds,
        )

    def text_shares(
        self, vector: NDArray[np.float32], space: Space, columns: Sequence[str], assets: Sequence[PublishedAsset]
    ) -> dict[str, tuple[TextShare, ...]]:
        """What each text of some assets' caption vectors gave; nothing where embedding them again would be paid.

        Args:
            vector: Of the query, shape ``(dim,)``.
            space: Of the library.
            columns: The captions that were compared; the second stand in where an asset has not the first.
            assets: Those to explain.
        """
        embedder = self._embedder_of(space)
        if embedder.estimate_texts([]) is not None:
            return {}
        return explained_captions(embedder, vector, [_LANGUAGE_OF[column] for column in columns], assets)

    def _embedder_of(self, space: Space, *, wholly: bool = False) -> Embedder:
        with self._loading:
            if self._embedder is None or self._embedder.space != space:
                with ONE_LOADS:
                    embedder = self._load(space)
                if embedder.space != space:
                    raise SpaceMismatchError(
                        f"'{self._name}' was published with {space}, the embedder here is {embedder.space}; "
                        f"embed and publish again, or install what it was published with"
                    )
                if wholly:
                    embedder.warm_up()
                self._embedder = embedder
            return self._embedder

    def _in_english(self, embedder: Embedder, query: Query) -> str | None:
        """A query in words that the embedder knows better; None where it needs none, or there is no translation."""
        translate, text = self._translate, query.text
        if translate is None or text is None or query.resolved_language not in embedder.weak_languages:
            return None

        def in_english() -> str | None:
            if query.free:
                raise ForbiddenError("translating Chinese queries for this algorithm costs money; " + NEEDS_WRITE)
            return translate(text)

        translated = self._translations.get(text, in_english)
        if translated is None:
            log.warning("a query could not be translated; it is searched as it is")
        return translated

    def _vector(self, embedder: Embedder, query: Query) -> NDArray[np.float32]:
        if query.free and embedder.estimate_texts([]) is not None:
            raise ForbiddenError(f"searching with '{self._name}' costs money; " + NEEDS_WRITE)
        return _vector(embedder, query)


def _vector(embedder: Embedder, query: Query) -> NDArray[np.float32]:
    """The vector of a query, shape ``(dim,)``; quotes are no part of what words mean."""
    try:
        if query.image is not None:
            vectors = embedder.embed_images([query.image])
        else:
            vectors = embedder.embed_texts([without_quotes(query.text or "")], role="query")
    except PartlyEmbeddedError as error:
        raise error.stop or HostedItemError(str(error)) from error
    vector: NDArray[np.float32] = vectors[0]
    return vector
