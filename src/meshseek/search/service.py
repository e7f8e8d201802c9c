"""The search service: all algorithms, each ready to answer."""

from __future__ import annotations

from collections.abc import Sequence

from meshseek.errors import MeshseekError, NotFoundError, NotPublishedError, QueryError
from meshseek.model import PublishedAsset
from meshseek.search.algorithm import Algorithm
from meshseek.search.answer import Answer
from meshseek.search.figures import Figures
from meshseek.search.query import Query

MAX_ALGORITHMS = 4
"""That one search asks; each of them takes as long as one search."""
MAX_SEARCHES = 8
"""Parts of a query times algorithms."""


class SearchService:
    """All algorithms by name."""

    def __init__(self, algorithms: Sequence[Algorithm]) -> None:
        self._algorithms = {algorithm.name: algorithm for algorithm in algorithms}

    @property
    def names(self) -> list[str]:
        """Names of the algorithms."""
        return list(self._algorithms)

    def algorithm(self, name: str) -> Algorithm:
        """One algorithm.

        Raises:
            NotFoundError: There is none of this name.
        """
        if name not in self._algorithms:
            raise NotFoundError(f"there is no algorithm '{name}'; choose one of: {', '.join(self._algorithms)}")
        return self._algorithms[name]

    def search(self, query: Query, names: Sequence[str]) -> Answer:
        """Answer a query by one algorithm, or by several, whose scores are joined.

        Raises:
            QueryError: No algorithm is named, one twice, or too much is asked at once.
            NotFoundError: There is none of a name.
        """
        if not 1 <= len(names) <= MAX_ALGORITHMS:
            raise QueryError(f"{len(names)} algorithms are named; choose 1 to {MAX_ALGORITHMS} of them")
        if len({*names}) < len(names):
            raise QueryError("an algorithm is named twice; name each of them once")
        parts = max(1, len(query.split))
        if parts * len(names) > MAX_SEARCHES:
            raise QueryError(
                f"{parts} parts by {len(names)} algorithms are {parts * len(names)} searches at once; use fewer parts "
                f"or fewer algorithms: {MAX_SEARCHES} searches at most"
            )
        first, *others = map(self.algorithm, names)
        return first.search(query, others)

    def asset(self, asset_id: str, algorithm: str | None = None) -> PublishedAsset:
        """One asset as an algorithm publishes it; without a name, the first that does.

        Raises:
            NotFoundError: No algorithm has it.
            NotPublishedError: No algorithm has anything.
            DatabaseDownError: The database cannot be reached.
        """
        if algorithm is not None:
            return self.algorithm(algorithm).library.asset(asset_id)
        failures: list[MeshseekError] = []
        for each in self._algorithms.values():
            try:
                return each.library.asset(asset_id)
            except (NotFoundError, NotPublishedError) as error:
                failures.append(error)
        raise next((error for error in failures if isinstance(error, NotFoundError)), failures[0])

    def assets(self, asset_ids: Sequence[str], algorithm: str | None = None) -> dict[str, PublishedAsset]:
        """Those of some assets that are published, by id: as an algorithm has them, or else the first that does.

        Raises:
            NotFoundError: There is no such algorithm.
            NotPublishedError: No algorithm that is asked has anything.
            BusyError: Too many searches are under way.
            DatabaseDownError: The database cannot be reached.
        """
        asked = [*self._algorithms.values()] if algorithm is None else [self.algorithm(algorithm)]
        found: dict[str, PublishedAsset] = {}
        failures: list[NotPublishedError] = []
        for each in asked:
            left = [asset_id for asset_id in asset_ids if asset_id not in found]
            try:
                found |= each.assets(left) if left else {}
            except NotPublishedError as error:
                failures.append(error)
        if len(failures) == len(asked):
            raise failures[0]
        return found

    def warm_up(self) -> None:
        """Load in the background what the first query of each algorithm needs."""
        for algorithm in self._algorithms.values():
            algorithm.warm_up()

    def health(self, *, general: bool = False) -> dict[str, str]:
        """By algorithm: ``ready``, ``loading``, or why it cannot answer.

        Args:
            general: Say why without addresses and paths.
        """
        return {name: algorithm.health(general=general) for name, algorithm in self._algorithms.items()}

    def figures(self) -> dict[str, Figures]:
        """How each algorithm stands; this asks nobody."""
        return {name: algorithm.figures() for name, algorithm in self._algorithms.items()}

    def close(self) -> None:
        """Close the connections."""
        for algorithm in self._algorithms.values():
            algorithm.library.close()
