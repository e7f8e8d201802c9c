"""One algorithm that loads once, and answers any number of queries."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from threading import Lock, Thread
from typing import TYPE_CHECKING, TypeVar

from meshseek.embedders import Embedder
from meshseek.errors import (
    DatabaseDownError,
    DatabaseError,
    MeshseekError,
    NotFoundError,
    QueryError,
    SpaceMismatchError,
)
from meshseek.model import Hit, Space
from meshseek.search.admission import Admission
from meshseek.search.caching import RecentlyUsed, picture_key
from meshseek.search.combinations import QueryType
from meshseek.search.embedding import embed_query
from meshseek.search.modes import MODES, Question
from meshseek.search.phrases import may_be_id
from meshseek.search.query import Query
from meshseek.search.warming import warm_up
from meshseek.store.postgres import POOL_SIZE
from meshseek.store.read.library import Library, Request, VersionChangedError
from meshseek.store.read.published import Published

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

T = TypeVar("T")
log = logging.getLogger(__name__)

ONE_LOADS = Lock()
"""Libraries of models do not bear being imported by two threads at once."""
REMEMBERED = 1024
"""Vectors and translations of recent queries."""
WAITING = 28
"""Searches of an algorithm that wait for others to end; more are turned away."""
TRY_AGAIN_SECONDS = 60.0
"""How long a model that could not be loaded is left alone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """The hits of one query, and what it took."""

    hits: Sequence[Hit]
    algorithm: str
    query_type: QueryType
    cross_modal: bool
    target: str
    embed_ms: float
    search_ms: float
    total_ms: float
    translated_query: str | None = None
    """The English words that were searched in place of a Chinese query."""


class Algorithm:
    """One algorithm ready to answer: its library, and the embedder that the published space names.

    Args:
        name: The algorithm's name.
        library: Its published database.
        load: Makes the embedder for a space; called once, when first needed, and again if another space is published.
        translate: Turns a Chinese query into English words for embedders that are weak at Chinese.
    """

    def __init__(
        self,
        name: str,
        library: Library,
        load: Callable[[Space], Embedder],
        translate: Callable[[str], str | None] | None = None,
    ) -> None:
        self.name = name
        self.library = library
        self._load = load
        self._translate = translate
        self._translations: RecentlyUsed[str | None] = RecentlyUsed(REMEMBERED)
        self._vectors: RecentlyUsed[NDArray[np.float32]] = RecentlyUsed(REMEMBERED)
        self._embedder: Embedder | None = None
        self._loading = Lock()
        self._admission = Admission(POOL_SIZE, WAITING)
        self._warming = Lock()
        self._failure: tuple[str, str, float] | None = None
        """Why it cannot answer, of which content, and since when."""

    def embedder(self, space: Space) -> Embedder:
        """The embedder of a space.

        Raises:
            EmbedderError: The model cannot be loaded.
            SpaceMismatchError: The model that is here gives vectors of another space.
        """
        with self._loading:
            if self._embedder is None or self._embedder.space != space:
                with ONE_LOADS:
                    embedder = self._load(space)
                if embedder.space != space:
                    raise SpaceMismatchError(
                        f"'{self.name}' was published with {space}, the embedder here is {embedder.space}; "
                        f"embed and publish again, or install what it was published with"
                    )
                self._embedder = embedder
            return self._embedder

    def warm_up(self) -> None:
        """Load in the background what the first query needs, so that it is as fast as the others."""
        if self._warming.acquire(blocking=False):
            Thread(target=self._warm_up, name=f"warm up {self.name}", daemon=True).start()

    def _warm_up(self) -> None:
        content = ""
        try:
            content = self.library.published().content
            self._of_one_version(lambda published: warm_up(self.library, published))
            self._search(Query(text="chair"))
            self._failure = None
        except MeshseekError as error:
            self._failure = (str(error), content, time.monotonic())
        except Exception:
            log.exception("the model of '%s' cannot be loaded", self.name)
            self._failure = ("the model cannot be loaded; the server's log says why", content, time.monotonic())
        finally:
            self._warming.release()

    def health(self) -> str:
        """``ready``, ``loading``, or why queries cannot be answered; what is not loaded begins to load."""
        try:
            published = self.library.published()
        except MeshseekError as error:
            return str(error)
        if self._embedder is not None and self._embedder.space == published.space and self._failure is None:
            return "ready"
        if self._failure is not None:
            reason, content, since = self._failure
            if content == published.content and time.monotonic() - since < TRY_AGAIN_SECONDS:
                return reason
        self.warm_up()
        return self._failure[0] if self._failure else "loading"

    def search(self, query: Query) -> Answer:
        """Answer a query.

        Raises:
            UnknownPluginError: There is no such search mode.
            NotPublishedError: Nothing is published.
            DatabaseDownError: The database cannot be reached.
            BusyError: Too many searches are under way.
        """
        with self._admission.admitted():
            return self._search(query)

    def _search(self, query: Query) -> Answer:
        started = time.perf_counter()
        mode = MODES.load(query.mode)()
        request = Request(
            limit=query.top_k,
            offset=query.offset,
            conditions=query.conditions,
            exact=query.exact,
            collapsed=query.collapsed,
        )

        def ask(published: Published) -> tuple[list[Hit], float, str | None]:
            embedder = self.embedder(published.space)
            translated = self._in_english(embedder, query)
            wording = replace(query, text=translated, language="english") if translated else query
            asset_id = (query.text or "").strip()
            own = self.library.own_vectors(asset_id) if may_be_id(asset_id) else {}
            question = Question(
                vector=next(iter(own.values())) if own else self._vector(embedder, wording),
                query_type=wording.query_type,
                published=published,
                text=query.text,
                own=own,
                first=self.library.hit(published, asset_id, request) if own else None,
            )
            embedded = time.perf_counter()
            return mode.search(self.library, question, request), embedded, translated

        hits, embedded, translated = self._of_one_version(ask)
        ended = time.perf_counter()
        return Answer(
            hits=hits,
            algorithm=self.name,
            query_type=query.query_type,
            cross_modal=query.cross_modal,
            target=query.mode,
            embed_ms=1000 * (embedded - started),
            search_ms=1000 * (ended - embedded),
            total_ms=1000 * (ended - started),
            translated_query=translated,
        )

    def _in_english(self, embedder: Embedder, query: Query) -> str | None:
        """A query in words that the embedder knows better; None where it needs none, or there is no translation."""
        translate, text = self._translate, query.text
        if translate is None or text is None or query.resolved_language not in embedder.weak_languages:
            return None
        translated = self._translations.get(text, lambda: translate(text))
        if translated is None:
            log.warning("a query could not be translated; it is searched as it is")
        return translated

    def _vector(self, embedder: Embedder, query: Query) -> NDArray[np.float32]:
        asked = query.text if query.image is None else picture_key(query.image)
        return self._vectors.get((embedder.space, asked), lambda: embed_query(embedder, query))

    def similar(self, asset_id: str, target: str, request: Request) -> list[Hit]:
        """Assets like this one, by its views or its captions; itself left out.

        Raises:
            NotFoundError: There is no such asset, or it has nothing to compare.
            BusyError: Too many searches are under way.
        """
        if target == "words":
            raise QueryError("assets are alike by 'caption', 'appearance' or 'both'; 'words' needs a query")
        mode = MODES.load(target)()
        more = replace(request, limit=request.limit + 1)

        def ask(published: Published) -> list[Hit]:
            own = self.library.own_vectors(asset_id)
            vector = own.get("caption" if target == "caption" else "appearance")
            if vector is None:
                raise NotFoundError(f"there is no asset '{asset_id}' here that can be compared; check the id")
            question = Question(vector=vector, query_type="english", published=published, own=own)
            return mode.search(self.library, question, more)

        with self._admission.admitted():
            hits = self._of_one_version(ask)
        return [hit for hit in hits if hit.asset_id != asset_id][: request.limit]

    def _of_one_version(self, ask: Callable[[Published], T]) -> T:
        """Ask again where another version was published meanwhile, so that no answer mixes two."""
        published = self.library.last_known()
        while True:
            try:
                return ask(published)
            except VersionChangedError:
                published = self.library.published()
            except DatabaseDownError:
                raise
            except (DatabaseError, NotFoundError):
                newer = self.library.published()
                if newer.content == published.content:
                    raise
                published = newer
