"""One algorithm that answers any number of queries."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from meshseek.errors import NotFoundError
from meshseek.model import RELEVANCES, Hit, PublishedAsset
from meshseek.search.admission import Admission
from meshseek.search.browsing import Browse, Browser, Shelf
from meshseek.search.explaining import EXPLAINED
from meshseek.search.faceting import ranked_facets
from meshseek.search.figures import CacheFigures, Figures, QueueFigures
from meshseek.search.head import Head
from meshseek.search.judging import Judge
from meshseek.search.modes import MODES, TIERS, Page, mode_for_similar
from meshseek.search.one_version import of_one_version
from meshseek.search.phrases import may_be_id
from meshseek.search.query import Query
from meshseek.search.query_model import Load, QueryModel, Translate
from meshseek.search.question import Embedded, Question
from meshseek.search.readiness import Readiness
from meshseek.search.reranking import Reranking
from meshseek.search.warming import warm_up
from meshseek.spans import RERANK, Span, spent
from meshseek.store.postgres import POOL_SIZE
from meshseek.store.read.facets import Facets
from meshseek.store.read.library import WHOLE, Library, Request, Shares
from meshseek.store.read.published import CAPTION_COLUMNS, Published, QueryType

WAITING = 28
"""Searches of an algorithm that wait for others to end; more are turned away."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """The hits of one query, and what it took."""

    hits: Sequence[Hit]
    nothing_close: bool
    """Whether even the best of all assets fits weakly: there is probably nothing like this here."""
    algorithm: str
    version: str
    """Digest of all that the version holds that was asked."""
    query_type: QueryType
    cross_modal: bool
    target: str
    embed_ms: float
    search_ms: float
    total_ms: float
    explained: bool = False
    """Whether it was asked what scores rest on."""
    shares: Shares = WHOLE
    """How many shards of the library it comes from."""
    facets: Facets | None = None
    """What its first results are like; None where nobody asked."""
    translated_query: str | None = None
    """The English words that were searched in place of a Chinese query."""
    reranked_by: str | None = None
    """Name of the reranker that put the first results in order; None where none was asked, or it could not."""
    note: str | None = None
    """What became of the reranking that was asked for: why it could not be done, or what it took."""
    general_note: str | None = None
    """The same for strangers: without addresses and paths."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Similar:
    """Assets like one asset, best first."""

    hits: Sequence[Hit]
    shares: Shares
    """How many shards of the library they come from."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Found:
    """What a search found, before the first results are looked at again."""

    hits: Sequence[Hit]
    """Of the page."""
    head: Head
    nothing_close: bool
    question: Question
    assets: Mapping[str, PublishedAsset]
    """All that was found, by id."""
    shares: Shares
    facets: Facets | None


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
        self._browser = Browser(library)
        self._model = QueryModel(name, load, translate)
        self._readiness = Readiness(name, library, self._model, self._warm_up)
        self._admission = Admission(POOL_SIZE * (1 + len(library.replicas)), WAITING)

    def warm_up(self) -> None:
        """Load in the background what the first query needs, so that it is as fast as the others."""
        self._readiness.warm_up()

    def _warm_up(self) -> None:
        of_one_version(self.library, lambda published: warm_up(self.library, published))
        of_one_version(self.library, lambda published: self._model.warm_up(published.space))
        self._search(Query(text="chair"))

    def health(self, *, general: bool = False) -> str:
        """``ready``, ``loading``, or why queries cannot be answered; what is not loaded begins to load.

        Args:
            general: Say why without addresses and paths.
        """
        return self._readiness.health(general=general)

    def figures(self) -> Figures:
        """How it stands; this asks nobody."""
        return Figures(
            queue=QueueFigures.of(self._admission),
            caches={name: CacheFigures.of(cache) for name, cache in self._model.caches.items()},
            pools=self.library.pools(),
            replicas=self.library.replicas,
            shards=self.library.shards,
            published=self.library.known,
        )

    def search(self, query: Query) -> Answer:
        """Answer a query.

        Raises:
            NotPublishedError: Nothing is published.
            DatabaseDownError: The database cannot be reached.
            BusyError: Too many searches are under way.
        """
        started = time.perf_counter()
        self._note()
        with self._admission.admitted():
            found = self._search(query)
        searched = time.perf_counter()
        # Judgements take seconds: none of them keeps another search from its turn.
        outcome = None
        if query.rerank:
            with Span(RERANK, query.rerank):
                outcome = found.head.judged(self._reranking, query)
        hits = found.head.page(found.hits, query, outcome)
        if query.min_relevance is not None:
            wanted = RELEVANCES[: 1 + RELEVANCES.index(query.min_relevance)]
            hits = [hit for hit in hits if hit.relevance in wanted]
        if query.explain:
            with self._admission.admitted():
                hits = self._explained(found, hits)
        embedded = found.question.embedded
        embed_ms = 1000 * embedded.seconds if embedded else 0.0
        return Answer(
            hits=hits,
            nothing_close=found.nothing_close,
            algorithm=self.name,
            version=found.question.published.content,
            query_type=query.query_type,
            cross_modal=bool(query.cross_modal),
            target=query.mode,
            embed_ms=embed_ms,
            search_ms=1000 * (searched - started) - embed_ms,
            total_ms=1000 * ((time.perf_counter() if query.rerank else searched) - started),
            explained=query.explain,
            shares=found.shares,
            facets=found.facets,
            translated_query=embedded.translated if embedded else None,
            reranked_by=query.rerank if outcome and outcome.order else None,
            note=outcome.note if outcome else None,
            general_note=(outcome.general or outcome.note) if outcome else None,
        )

    def _search(self, query: Query) -> _Found:
        mode = MODES.load(query.mode)()

        def ask(published: Published) -> _Found:
            question = self._question(query, published)
            page = mode.search(self.library, question, query)
            judge = Judge(self.library, question)
            assets = self._shown(published, page.with_head)
            hits = _hits(assets, page.with_head, judge)
            by_id = {hit.asset_id: hit for hit in hits}
            return _Found(
                hits=[by_id[ranked.asset_id] for ranked in page.ranking],
                head=Head.of(page.head, hits, assets, by_id=bool(question.own)),
                nothing_close=judge.nothing_close(page),
                question=question,
                assets=assets,
                shares=self.library.shares(),
                facets=ranked_facets(self.library, mode, judge, query, page) if query.facets else None,
            )

        return of_one_version(self.library, ask)

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

    def similar(self, asset_id: str, target: str, top_k: int, *, exact: bool = False) -> Similar:
        """Assets like this one, by its views or its captions; itself left out.

        Raises:
            UnknownPluginError: There is no such search mode.
            QueryError: It cannot tell which assets are alike.
            NotFoundError: There is no such asset, or it has nothing to compare.
            BusyError: Too many searches are under way.
        """
        mode = mode_for_similar(target)()
        depth = next(tier for tier in TIERS if top_k <= tier)

        def ask(published: Published) -> Similar:
            own = self.library.own_vectors(asset_id)
            if mode.likeness not in own:
                self.library.expect_asked(asset_id)
                raise NotFoundError(f"there is no asset '{asset_id}' here that can be compared; check the id")
            kind: QueryType = "image" if mode.likeness == "appearance" else "english"
            known = Embedded(vector=own[mode.likeness], query_type=kind)
            question = Question(published=published, embed=lambda: known, own=own)
            ranking = mode.rank(self.library, question, Request(limit=depth + 1, exact=exact))
            others = Page.of([ranked for ranked in ranking if ranked.asset_id != asset_id][:top_k])
            hits = _hits(self._shown(published, others), others, Judge(self.library, question))
            return Similar(hits=hits, shares=self.library.shares())

        self._note()
        with self._admission.admitted():
            return of_one_version(self.library, ask)

    def browse(self, wanted: Browse) -> Shelf:
        """A page of all that is published, in the order of a catalogue; it raises what :meth:`search` does."""
        self._note()
        with self._admission.admitted():
            return of_one_version(self.library, lambda published: self._browser.page(published, wanted))

    def _note(self) -> None:
        """Let whoever watches the request know who answers it."""
        watched = spent.get()
        if watched is not None:
            watched.algorithm = self.name

    def _shown(self, published: Published, page: Page) -> dict[str, PublishedAsset]:
        return self.library.shown(published, [ranked.asset_id for ranked in page.ranking])

    def _explained(self, found: _Found, hits: Sequence[Hit]) -> list[Hit]:
        """With what each text of the captions gave, where captions were compared; of the first few hits."""
        question = found.question
        space = question.published.space
        first = [hit for hit in hits[:EXPLAINED] if "caption" in hit.parts]
        if not first or self.library.last_known().space != space:  # nobody loads the model of a space that is gone
            return list(hits)
        columns = CAPTION_COLUMNS[question.query_type]
        assets = [found.assets[hit.asset_id] for hit in first]
        shares = self._model.text_shares(question.vector_for("caption"), space, columns, assets)
        return [replace(hit, texts=shares.get(hit.asset_id, ())) for hit in hits]


def _hits(assets: Mapping[str, PublishedAsset], page: Page, judge: Judge) -> list[Hit]:
    """What is shown of the assets of a page."""
    return [
        Hit.of(
            ranked,
            assets[ranked.asset_id],
            judge.relevance(ranked),
            page.duplicates.get(ranked.asset_id, ()),
        )
        for ranked in page.ranking
    ]
