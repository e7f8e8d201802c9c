"""One algorithm that answers any number of queries."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from meshseek.errors import DatabaseDownError, DatabaseError, NotFoundError
from meshseek.model import RELEVANCES, Hit
from meshseek.search.admission import Admission
from meshseek.search.combinations import CAPTION_COLUMNS, QueryType
from meshseek.search.head import Head
from meshseek.search.judging import Judge
from meshseek.search.modes import MODES, TIERS, Page, mode_for_similar
from meshseek.search.phrases import may_be_id
from meshseek.search.query import Query
from meshseek.search.query_model import Load, QueryModel, Translate
from meshseek.search.question import Embedded, Question
from meshseek.search.readiness import Readiness
from meshseek.search.reranking import Reranking
from meshseek.search.warming import warm_up
from meshseek.store.postgres import POOL_SIZE
from meshseek.store.read.library import Library, Request, VersionChangedError
from meshseek.store.read.published import Published

T = TypeVar("T")

WAITING = 28
"""Searches of an algorithm that wait for others to end; more are turned away."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """The hits of one query, and what it took."""

    hits: Sequence[Hit]
    nothing_close: bool
    """Whether even the best of all assets fits weakly: there is probably nothing like this here."""
    algorithm: str
    query_type: QueryType
    cross_modal: bool
    target: str
    embed_ms: float
    search_ms: float
    total_ms: float
    explained: bool = False
    """Whether it was asked what scores rest on."""
    translated_query: str | None = None
    """The English words that were searched in place of a Chinese query."""
    reranked_by: str | None = None
    """Name of the reranker that put the first results in order; None where none was asked, or it could not."""
    note: str | None = None
    """What became of the reranking that was asked for: why it could not be done, or what it took."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Found:
    """What a search found, before the first results are looked at again."""

    hits: Sequence[Hit]
    """Of the page."""
    head: Head
    nothing_close: bool
    embedded: Embedded | None


class Algorithm:
    """One algorithm ready to answer: its library, and the model that the published space names.

    Args:
        name: The algorithm's name.
        library: Its published database.
        load: Makes the embedder for a space.
        translate: Turns a Chinese query into English words for embedders that are weak at Chinese.
        reranking: Has first results looked at again; None where there are no rerankers.
    """

    def __init__(
        self,
        name: str,
        library: Library,
        load: Load,
        translate: Translate | None = None,
        reranking: Reranking | None = None,
    ) -> None:
        self.name = name
        self.library = library
        self._reranking = reranking
        self._model = QueryModel(name, load, translate)
        self._readiness = Readiness(name, library, self._model, self._warm_up)
        self._admission = Admission(POOL_SIZE, WAITING)

    def warm_up(self) -> None:
        """Load in the background what the first query needs, so that it is as fast as the others."""
        self._readiness.warm_up()

    def _warm_up(self) -> None:
        self._of_one_version(lambda published: warm_up(self.library, published))
        self._search(Query(text="chair"))

    def health(self) -> str:
        """``ready``, ``loading``, or why queries cannot be answered; what is not loaded begins to load."""
        return self._readiness.health()

    def search(self, query: Query) -> Answer:
        """Answer a query.

        Raises:
            NotPublishedError: Nothing is published.
            DatabaseDownError: The database cannot be reached.
            BusyError: Too many searches are under way.
        """
        started = time.perf_counter()
        with self._admission.admitted():
            found = self._search(query)
        searched = time.perf_counter()
        # Judgements take seconds: none of them keeps another search from its turn.
        outcome = found.head.judged(self._reranking, query) if query.rerank else None
        hits = found.head.page(found.hits, query, outcome)
        if query.min_relevance is not None:
            wanted = RELEVANCES[: 1 + RELEVANCES.index(query.min_relevance)]
            hits = [hit for hit in hits if hit.relevance in wanted]
        embed_ms = 1000 * found.embedded.seconds if found.embedded else 0.0
        return Answer(
            hits=hits,
            nothing_close=found.nothing_close,
            algorithm=self.name,
            query_type=query.query_type,
            cross_modal=bool(query.cross_modal),
            target=query.mode,
            embed_ms=embed_ms,
            search_ms=1000 * (searched - started) - embed_ms,
            total_ms=1000 * (time.perf_counter() - started),
            explained=query.explain,
            translated_query=found.embedded.translated if found.embedded else None,
            reranked_by=query.rerank if outcome and outcome.order else None,
            note=outcome.note if outcome else None,
        )

    def _search(self, query: Query) -> _Found:
        mode = MODES.load(query.mode)()

        def ask(published: Published) -> _Found:
            question = self._question(query, published)
            page = mode.search(self.library, question, query)
            judge = Judge(self.library, question)
            hits = self._hits(published, page.with_head, judge)
            if query.explain and hits:
                hits = self._explained(question, hits)
            by_id = {hit.asset_id: hit for hit in hits}
            first = list(by_id)[: len(page.head)]
            assets = self.library.shown(published, first) if first else {}
            return _Found(
                hits=[by_id[ranked.asset_id] for ranked in page.ranking],
                head=Head.of(page.head, hits, assets, by_id=bool(question.own)),
                nothing_close=judge.nothing_close(page),
                embedded=question.embedded,
            )

        return self._of_one_version(ask)

    def _question(self, query: Query, published: Published) -> Question:
        """The query to one version; the id of an asset asks for that asset, by its own vectors."""
        asset_id = (query.text or "").strip()
        own = self.library.own_vectors(asset_id) if may_be_id(asset_id) else {}
        if not own:
            return Question(
                published=published, embed=lambda: self._model.embed(query, published.space), text=query.text
            )
        known = Embedded(vector=next(iter(own.values())), query_type=query.query_type)
        first = self.library.one(published, asset_id, query.request(1))
        return Question(published=published, embed=lambda: known, text=query.text, own=own, first=first)

    def similar(self, asset_id: str, target: str, top_k: int, *, exact: bool = False) -> list[Hit]:
        """Assets like this one, by its views or its captions; itself left out.

        Raises:
            UnknownPluginError: There is no such search mode.
            QueryError: It cannot tell which assets are alike.
            NotFoundError: There is no such asset, or it has nothing to compare.
            BusyError: Too many searches are under way.
        """
        mode = mode_for_similar(target)()
        depth = next(tier for tier in TIERS if top_k <= tier)

        def ask(published: Published) -> list[Hit]:
            own = self.library.own_vectors(asset_id)
            if mode.likeness not in own:
                raise NotFoundError(f"there is no asset '{asset_id}' here that can be compared; check the id")
            kind: QueryType = "image" if mode.likeness == "appearance" else "english"
            known = Embedded(vector=own[mode.likeness], query_type=kind)
            question = Question(published=published, embed=lambda: known, own=own)
            ranking = mode.rank(self.library, question, Request(limit=depth + 1, exact=exact))
            others = [ranked for ranked in ranking if ranked.asset_id != asset_id][:top_k]
            return self._hits(published, Page.of(others), Judge(self.library, question))

        with self._admission.admitted():
            return self._of_one_version(ask)

    def _hits(self, published: Published, page: Page, judge: Judge) -> list[Hit]:
        """What is shown of the assets of a page."""
        assets = self.library.shown(published, [ranked.asset_id for ranked in page.ranking])
        return [
            Hit.of(
                ranked,
                assets[ranked.asset_id],
                judge.relevance(ranked),
                page.duplicates.get(ranked.asset_id, ()),
            )
            for ranked in page.ranking
        ]

    def _explained(self, question: Question, hits: Sequence[Hit]) -> list[Hit]:
        """With what each text of the captions gave, where captions were compared."""
        if not any("caption" in hit.parts for hit in hits):
            return list(hits)
        published = question.published
        assets = self.library.shown(published, [hit.asset_id for hit in hits]).values()
        columns = CAPTION_COLUMNS[question.query_type]
        shares = self._model.text_shares(question.vector_for("caption"), published.space, columns, list(assets))
        return [replace(hit, texts=shares.get(hit.asset_id, ())) for hit in hits]

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
