"""One algorithm that answers any number of queries."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from meshseek.errors import NotFoundError
from meshseek.model import RELEVANCES, Hit, PublishedAsset
from meshseek.search.admission import Admission, all_admitted
from meshseek.search.answer import Answer, Similar
from meshseek.search.asking import Asked, Judging, Searched, ask, explained
from meshseek.search.browsing import Browse, Browser, Shelf
from meshseek.search.faceting import ranked_facets
from meshseek.search.figures import CacheFigures, Figures, QueueFigures
from meshseek.search.head import Head
from meshseek.search.judging import Judge
from meshseek.search.modes import TIERS, Page, mode_for_similar
from meshseek.search.query import Query
from meshseek.search.query_model import Load, QueryModel, Translate
from meshseek.search.question import Embedded, Question
from meshseek.search.readiness import Readiness
from meshseek.search.reranking import Reranking
from meshseek.search.unknown_values import hint
from meshseek.search.versions import T, of_one_version
from meshseek.search.warming import warm_up
from meshseek.spans import RERANK, Span, spent
from meshseek.store.postgres import POOL_SIZE
from meshseek.store.read.facets import Facets
from meshseek.store.read.library import Library, Request, Shares
from meshseek.store.read.published import Published, QueryType

WAITING = 28
"""Searches of an algorithm that wait for others to end; more are turned away."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Found:
    """What a search found, before the first results are looked at again."""

    hits: Sequence[Hit]
    """Of the page."""
    head: Head
    nothing_close: bool
    asked: Asked
    versions: Mapping[str, str]
    """Of what was asked, by algorithm."""
    assets: Mapping[str, PublishedAsset]
    """All that was found, by id."""
    shares: Shares
    hint: str | None
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
        self._of_one(lambda live: warm_up(self.library, live))
        self._of_one(lambda live: self._model.warm_up(live.space))
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

    def search(self, query: Query, others: Sequence[Algorithm] = ()) -> Answer:
        """Answer a query.

        Args:
            query: What is searched.
            others: Algorithms whose scores are joined with this one's; what only they have is not found.

        Raises:
            NotPublishedError: Nothing is published.
            DatabaseDownError: The database cannot be reached.
            BusyError: Too many searches are under way.
        """
        started = time.perf_counter()
        self._note()
        with all_admitted({each.name: each._admission for each in (self, *others)}):  # noqa: SLF001 - of its own kind
            found = self._search(query, others)
        searched = time.perf_counter()
        # Judgements take seconds: none of them keeps another search from its turn.
        outcome = None
        if query.rerank:
            with Span(RERANK, query.rerank):
                outcome = found.head.judged(self._reranking, query.plain)
        hits = found.head.page(found.hits, query, outcome)
        if query.min_relevance is not None:
            wanted = RELEVANCES[: 1 + RELEVANCES.index(query.min_relevance)]
            hits = [hit for hit in hits if hit.relevance in wanted]
        if query.explain:
            with self._admission.admitted():
                hits = explained(self.searched, found.asked.question, found.assets, hits)
        embed_ms = 1000 * found.asked.embed_seconds
        return Answer(
            hits=hits,
            nothing_close=found.nothing_close,
            algorithm=self.name,
            version=found.versions[self.name],
            query_type=query.query_type,
            cross_modal=bool(query.cross_modal),
            target=query.mode,
            embed_ms=embed_ms,
            search_ms=1000 * (searched - started) - embed_ms,
            total_ms=1000 * ((time.perf_counter() if query.rerank else searched) - started),
            explained=query.explain,
            shares=found.shares,
            hint=found.hint,
            facets=found.facets,
            translated_query=found.asked.translated,
            reranked_by=query.rerank if outcome and outcome.order else None,
            note=outcome.note if outcome else None,
            general_note=(outcome.general or outcome.note) if outcome else None,
            parts=found.asked.parts(query),
            versions=found.versions,
        )

    def _search(self, query: Query, others: Sequence[Algorithm] = ()) -> _Found:
        every = [each.searched for each in (self, *others)]
        plain = query.plain

        def answer(published: Sequence[Published]) -> _Found:
            asked = ask(query, every, published)
            page = asked.mode.search(self.library, asked.question, plain, asked.judge)
            for each, live in zip(others, published[1:], strict=True):  # the first is asked for what is shown
                each.library.expect_live(live)
            assets = self.library.shown(published[0], page.with_head.ids)
            hits = _hits(assets, page.with_head, asked.judge)
            by_id = {hit.asset_id: hit for hit in hits}
            return _Found(
                hits=[by_id[ranked.asset_id] for ranked in page.ranking],
                head=Head.of(page.head, hits, assets, by_id=bool(asked.question.own)),
                nothing_close=asked.judge.nothing_close(page),
                asked=asked,
                versions={each.name: live.content for each, live in zip(every, published, strict=True)},
                assets=assets,
                shares=min((each.library.shares() for each in every), key=lambda part: part.asked - part.all),
                hint=None if page.ranking else hint(self.library, query.conditions),
                facets=ranked_facets(self.library, asked.mode, asked.question, asked.judge, plain, page)
                if query.facets
                else None,
            )

        return of_one_version({each.name: each.library for each in every}, answer)

    @property
    def searched(self) -> Searched:
        """What a query is put to."""
        return Searched(name=self.name, library=self.library, model=self._model)

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

        def answer(published: Published) -> Similar:
            own = self.library.own_vectors(asset_id)
            if mode.likeness not in own:
                self.library.expect_asked(asset_id)
                raise NotFoundError(f"there is no asset '{asset_id}' here that can be compared; check the id")
            kind: QueryType = "image" if mode.likeness == "appearance" else "english"
            known = Embedded(vector=own[mode.likeness], query_type=kind)
            question = Question(published=published, embed=lambda: known, own=own)
            ranking = mode.rank(self.library, question, Request(limit=depth + 1, exact=exact))
            others = Page.of([ranked for ranked in ranking if ranked.asset_id != asset_id][:top_k])
            hits = _hits(self.library.shown(published, others.ids), others, Judge(self.library, question))
            return Similar(hits=hits, shares=self.library.shares())

        self._note()
        with self._admission.admitted():
            return self._of_one(answer)

    def browse(self, wanted: Browse) -> Shelf:
        """A page of all that is published, in the order of a catalogue; it raises what :meth:`search` does."""
        self._note()
        with self._admission.admitted():
            return self._of_one(lambda live: self._browser.page(live, wanted))

    def assets(self, asset_ids: Sequence[str]) -> dict[str, PublishedAsset]:
        """Those of some assets that are published, by id; it raises what :meth:`search` does."""

        def answer(published: Published) -> dict[str, PublishedAsset]:
            found = self.library.shown(published, [asset_id for asset_id in asset_ids if "\0" not in asset_id])
            for asset_id in set(asset_ids) - found.keys():
                self.library.expect_asked(asset_id)
            return found

        self._note()
        with self._admission.admitted():
            return self._of_one(answer)

    def _of_one(self, ask: Callable[[Published], T]) -> T:
        """What is answered from one version of its library."""
        return of_one_version({self.name: self.library}, lambda live: ask(live[0]))

    def _note(self) -> None:
        """Let whoever watches the request know who answers it."""
        if (watched := spent.get()) is not None:
            watched.algorithm = self.name


def _hits(assets: Mapping[str, PublishedAsset], page: Page, judge: Judging) -> list[Hit]:
    """What is shown of the assets of a page."""
    return [
        Hit.of(each, assets[each.asset_id], judge.relevance(each), page.duplicates.get(each.asset_id, ()))
        for each in page.ranking
    ]
