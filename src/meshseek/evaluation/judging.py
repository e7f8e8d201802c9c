"""Judge queries: look up what should be found, search, and keep what came."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from meshseek.errors import DatasetError, InputError
from meshseek.evaluation.judged import JudgedQuery
from meshseek.evaluation.measures import first_rank, ndcg, overlap, reciprocal_rank
from meshseek.evaluation.setting import DEPTH, Setting
from meshseek.model import Hit
from meshseek.search.algorithm import Algorithm
from meshseek.search.query import Query
from meshseek.store.read.library import Library
from meshseek.store.read.published import QueryType


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """A judged query with the ids of its relevant assets in one library."""

    query: JudgedQuery
    relevant: frozenset[str]
    """Empty where the query is about something absent."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Resolution:
    """What a library has of the judged assets."""

    expected: Sequence[Expected]
    without_relevant: int
    """Queries left out: they name relevant assets, and the library has none of them."""
    unknown: Sequence[str]
    """Names of relevant assets that the library has not, sorted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """One query, what should have come, and what came."""

    query: JudgedQuery
    query_type: QueryType
    relevant: frozenset[str]
    hits: Sequence[Hit]
    """At most ten."""
    exact: Sequence[str]
    """Ids of the ten that come without the index."""
    recall: float
    """Share of the exact ten that the index finds."""
    told_absent: bool
    """Whether the answer says that nothing is close."""

    @property
    def is_absent(self) -> bool:
        """Whether it asks for something that the library has not."""
        return not self.relevant

    @property
    def ranking(self) -> list[str]:
        """Ids of what came."""
        return [hit.asset_id for hit in self.hits]

    @property
    def rank(self) -> int | None:
        """Rank of the first relevant result; None where none came."""
        return first_rank(self.ranking, self.relevant)

    def measures(self, *, exact: bool = False) -> dict[str, float]:
        """What this one query adds to each mean; of a query with something relevant."""
        ranking = self.exact if exact else self.ranking
        rank = first_rank(ranking, self.relevant)
        return {
            "hit_at_1": float(rank == 1),
            "hit_at_5": float(rank is not None and rank <= 5),  # noqa: PLR2004 - hit at five
            "hit_at_10": float(rank is not None),
            "mrr": reciprocal_rank(rank),
            "ndcg_at_10": ndcg(ranking, self.relevant, DEPTH),
            "recall_at_10": 1.0 if exact else self.recall,
        }


def resolve(library: Library, queries: Sequence[JudgedQuery]) -> Resolution:
    """Look up the relevant assets of queries.

    Raises:
        DatabaseDownError: The database cannot be reached.
        NotPublishedError: Nothing is published.
    """
    named = library.known_as({name for query in queries for name in query.relevant})
    expected, without_relevant = [], 0
    for query in queries:
        relevant = frozenset(asset_id for name in query.relevant for asset_id in named.get(name, ()))
        if query.relevant and not relevant:
            without_relevant += 1
        else:
            expected.append(Expected(query=query, relevant=relevant))
    unknown = {name for query in queries for name in query.relevant} - named.keys()
    return Resolution(expected=expected, without_relevant=without_relevant, unknown=sorted(unknown))


def judge(
    algorithm: Algorithm, setting: Setting, expected: Sequence[Expected], advance: Callable[[int], None]
) -> list[Judgement]:
    """Search every query with and without the index.

    Args:
        algorithm: What is measured.
        setting: How it is asked.
        expected: The queries.
        advance: Told of each query that is done.

    Raises:
        DatasetError: A query cannot be searched; the message names its line.
    """
    for each in expected:
        if each.query.image is None or not each.query.image.is_file():
            _query(setting, each.query)  # so that a bad line is told now, and not after an hour
    judgements = []
    for each in expected:
        judgements.append(_judge(algorithm, setting, each))
        advance(1)
    return judgements


def _query(setting: Setting, judged: JudgedQuery) -> Query:
    try:
        return setting.query(judged)
    except InputError as error:
        raise DatasetError(f"the query in {judged.where}: {error}") from error


def _judge(algorithm: Algorithm, setting: Setting, expected: Expected) -> Judgement:
    query = _query(setting, expected.query)
    answer = algorithm.search(query)
    truth = replace(query, exact=True, diverse=query.is_diverse)  # which it would not be by itself
    exact = [hit.asset_id for hit in algorithm.search(truth).hits] if expected.relevant else []
    return Judgement(
        query=expected.query,
        query_type=query.query_type,
        relevant=expected.relevant,
        hits=tuple(answer.hits),
        exact=tuple(exact),
        recall=overlap([hit.asset_id for hit in answer.hits], exact),
        told_absent=answer.nothing_close,
    )
