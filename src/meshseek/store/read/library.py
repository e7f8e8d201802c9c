"""The reading side of one published algorithm: nearest captions, nearest views, words, and single assets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

from pgvector import HalfVector

from meshseek.language import as_name, bigrams, without_han
from meshseek.model import PublishedAsset, Ranked
from meshseek.store.codes.parts import CENTROIDS
from meshseek.store.codes.shared import SharedFile
from meshseek.store.queries import Query, Statement, query
from meshseek.store.read import plan as planning
from meshseek.store.read.background import Background
from meshseek.store.read.catalogue import Catalogue
from meshseek.store.read.codes import CodesInUse, Filter
from meshseek.store.read.conditions import shape_of, values_of
from meshseek.store.read.listing import Listing
from meshseek.store.read.plan import Request, make_plan
from meshseek.store.read.published import MAX_EF, UNTUNED, Published, Target, VersionChangedError
from meshseek.store.read.reader import AS_IT_IS, Reader, Session
from meshseek.store.read.rows import published_asset, ranking_of
from meshseek.store.read.statements import statement
from meshseek.store.read.statistics import Statistics, read_statistics
from meshseek.store.read.versions import Versions

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from meshseek.store.postgres import Server

__all__ = ["WHOLE", "Library", "Request", "Shares", "VersionChangedError"]


class Shares(NamedTuple):
    """What an answer comes from."""

    asked: int
    """Shards that answered."""
    all: int
    """Shards that the library has."""

    @property
    def is_partial(self) -> bool:
        """Whether there may be more."""
        return self.asked < self.all


WHOLE = Shares(1, 1)
OF_CANDIDATES = Session(UNTUNED.ef, "force_generic_plan", singly=False)
"""They have passed already, and lie anywhere."""
MOST_WORDS = 5_000
"""Assets with the words of a query that are ranked at most."""


class Library(Versions, Catalogue, Listing):
    """One algorithm's database, open for reading. Safe to share between threads.

    Every method raises :class:`DatabaseDownError` while the database cannot be reached, and works again afterwards.

    Args:
        server: Holds the database.
        algorithm: Its name.
        reader: Asks it; None for connections of its own to the live version.
        codes: Folder of files of codes that processes share; None for codes in memory of its own.
        is_live: Whether the version is; else see :meth:`go_live`.
        shards: How many such databases hold the whole library together, of which this is one.
    """

    def __init__(
        self,
        server: Server,
        algorithm: str,
        reader: Reader | None = None,
        codes: Path | None = None,
        *,
        is_live: bool = True,
        shards: int = 1,
    ) -> None:
        super().__init__(reader or Reader(server, algorithm), algorithm)
        name = server.lasting_name(algorithm)
        self._shards = shards
        self._codes = CodesInUse(self._reader, name, SharedFile(codes, name, is_live=is_live) if codes else None)
        self._background: tuple[str, Background] | None = None

    def close(self) -> None:
        """Close the connections."""
        self._codes.close()
        self._reader.close()

    @property
    def replicas(self) -> dict[str, bool]:
        """Whether each replica of the server is used, by name."""
        return self._reader.replicas

    def answering(self) -> AbstractContextManager[object]:
        """Within it, all that is read for an answer comes from one server, where there are several."""
        return self._reader.answering()

    @property
    def shards(self) -> dict[str, bool]:
        """Whether each shard of the library answers, by name; none where it is whole in one place."""
        return {}

    def shares(self) -> Shares:
        """How many of the library's shards are asked for the answer that this thread works on."""
        return WHOLE

    def expect_asked(self, asset_id: str) -> None:
        """See that an asset would have been found if it were there.

        Raises:
            DatabaseDownError: Its shard is not asked for this answer.
        """

    def pools(self) -> dict[str, dict[str, int]]:
        """What is counted of each pool of connections; none where they are not open."""
        return self._reader.pools()

    def read_into_memory(self) -> None:
        """Read tables and indexes into the server's memory, where it can."""
        self._reader.read_into_memory()

    def read_codes(self, published: Published) -> None:
        """Read the codes of a version into this process's memory, if its index kind has any.

        Raises:
            VersionChangedError: What is published is no longer live.
            DatabaseError: The database cannot be asked.
        """
        if published.index.has_codes:
            self._codes.of(published)

    def go_live(self) -> None:
        """Let searches use the file of codes that was made for a version which has just gone live."""
        self._codes.go_live()

    def nearest_captions(
        self, published: Published, vector: NDArray[np.float32], columns: tuple[str, str], request: Request
    ) -> list[Ranked]:
        """Assets by the cosine of their captions in the first column, or in the other where they have none in it.

        Raises:
            VersionChangedError: What is published is no longer live.
        """
        if columns[0] == "chinese_embedding" and not published.chinese_captions:  # then there is no index on it
            columns = (columns[1], columns[0])
        return self._nearest(published, "caption", columns, vector, request)

    def nearest_views(self, published: Published, vector: NDArray[np.float32], request: Request) -> list[Ranked]:
        """Distinct assets by the cosine of their best view.

        Raises:
            VersionChangedError: What is published is no longer live.
        """
        return self._nearest(published, "appearance", None, vector, request)

    def with_words(self, published: Published, text: str, request: Request) -> list[Ranked]:
        """Assets that have all words of a text, by how often and how near to each other they stand.

        Quotes mean nothing here: phrases are conditions.

        Raises:
            VersionChangedError: What is published is no longer live.
        """
        name = as_name(text.replace('"', " "))
        values = {**_word_values(text), "name": name, "limit": request.limit, "bound": MOST_WORDS}
        return self._filtered(published, "words", values, request)

    def words_among(self, text: str, asset_ids: Sequence[str]) -> set[str]:
        """Which of some assets have all words of a text."""
        rows = self._reader.rows(query("words_among"), {**_word_values(text), "ids": list(asset_ids)}, AS_IT_IS)
        return {row["asset_id"] for row in rows}

    def words_here(self, words: Sequence[str]) -> set[int]:
        """Which of many words, by their places, some asset has."""
        values = [_word_values(word) for word in words]
        arrays = {name: [each[name] for each in values] for name in ("latin", "pairs", "single")}
        return {row["number"] - 1 for row in self._reader.rows(query("world_here"), arrays, AS_IT_IS)}

    def scores(
        self, target: Target, columns: tuple[str, str], vector: NDArray[np.float32], asset_ids: Sequence[str]
    ) -> list[Ranked]:
        """Cosines of some assets, of those that have such vectors; in no order."""
        name = {"caption": "caption_scores", "appearance": "view_scores"}[target]
        text = statement(name, columns)
        values = {"vector": HalfVector(vector), "ids": list(asset_ids)}
        return ranking_of(self._reader.rows(text, values, AS_IT_IS), target)

    def background(self, published: Published) -> Background:
        """What stands for the whole version; read once.

        Raises:
            VersionChangedError: What is published is no longer live.
            DatabaseError: The database cannot be asked.
        """
        known = self._background
        if known is None or known[0] != published.content:
            background = Background.read(self._reader, published.space.dim)
            # Last, for another version may go live while it is read; its vectors may have another length.
            self.expect_live(published)
            self._background = known = (published.content, background)
        return known[1]

    def one(self, published: Published, asset_id: str, request: Request) -> Ranked | None:
        """One asset as if a search had found nothing better, where it is there and passes the conditions.

        Raises:
            VersionChangedError: What is published is no longer live.
        """
        ranking = self._filtered(published, "one", {"asset_id": asset_id}, request)
        return replace(ranking[0], is_named=True, parts={}) if ranking else None

    def shown(self, published: Published, asset_ids: Sequence[str]) -> dict[str, PublishedAsset]:
        """All that is known of some assets, by id.

        Raises:
            VersionChangedError: What is published is no longer live.
        """
        rows = self._rows(published, statement("shown"), {"ids": list(asset_ids)}, AS_IT_IS)
        return {row["asset_id"]: published_asset(row) for row in rows if row["asset_id"] is not None}

    def _nearest(
        self,
        published: Published,
        target: Target,
        columns: tuple[str, str] | None,
        vector: NDArray[np.float32],
        request: Request,
    ) -> list[Ranked]:
        """Carry out the plan."""
        statistics = self._statistics(published, request)
        plan = make_plan(target, published.index, request, statistics).on_one_of(request.among)
        if plan.by_codes:
            column = columns[0] if columns else CENTROIDS
            ids = self._codes.candidates(published, column, vector, plan, Filter(request.conditions, statistics))
            if ids is not None:
                values = {"vector": HalfVector(vector), "limit": request.limit, "ids": ids}
                return ranking_of(self._rows(published, statement(plan.query, columns), values, OF_CANDIDATES), target)
            plan = replace(plan, query=planning.MATCHING[target], by_codes=False)
        session = replace(_session(request, plan.ef), sort=not plan.by_graph)
        values = {
            "vector": HalfVector(vector),
            "limit": request.limit,
            "candidates": plan.candidates,
            **values_of(request.conditions, statistics),
        }

        def ask(name: str) -> list[dict[str, Any]]:
            text = statement(name, columns, shape_of(request.conditions), published.space.dim)
            return self._rows(published, text, values, session)

        rows = ask(plan.query)
        instead = plan.then(rows[0]["candidates"])
        return ranking_of(ask(instead) if instead else rows, target)

    def _filtered(self, published: Published, name: str, values: Mapping[str, Any], request: Request) -> list[Ranked]:
        """Ask a query that no index of vectors answers."""
        every = {**values, **values_of(request.conditions, self._statistics(published, request))}
        text = statement(name, None, shape_of(request.conditions))
        session = _session(request, UNTUNED.ef) if request.conditions else AS_IT_IS
        return ranking_of(self._rows(published, text, every, session), name)

    def _statistics(self, published: Published, request: Request) -> Statistics:
        return read_statistics(self._reader, published.assets, request.conditions, planning.FEW + 1, self._shards)

    def _rows(
        self, published: Published, text: Query | Statement, values: Mapping[str, Any], session: Session
    ) -> list[dict[str, Any]]:
        """The rows of a search, at least one; one without an asset where nothing is there."""
        rows = self._reader.rows(text, values, session)
        if not rows or rows[0]["content"] != published.content:
            self._reader.differs()
            raise VersionChangedError
        return rows


def _word_values(text: str) -> dict[str, str]:
    """All words of a text, as the queries on words take them; quotes mean nothing."""
    pairs = bigrams(text).split()
    return {
        "latin": without_han(text).replace('"', " "),
        "pairs": " ".join(pair for pair in pairs if len(pair) > 1),
        "single": " & ".join(f"{pair}:*" for pair in pairs if len(pair) == 1),
    }


def _session(request: Request, ef: int) -> Session:
    """Statements without a filter need no plan of their own; with one, what is best depends on its values."""
    ef = min(MAX_EF, ef)  # where no graph is followed, more may have been planned, and the server would refuse it
    return Session(ef, "force_custom_plan" if request.conditions or request.exact else "force_generic_plan")
