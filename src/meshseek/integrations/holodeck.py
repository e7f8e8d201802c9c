"""The retriever of Holodeck, over a running Meshseek: scenes furnished with your own assets, in their true size.

Holodeck (Yang et al., CVPR 2024; ``ai2holodeck/generation/objaverse_retriever.py``) asks its retriever three things:
``retrieve(queries, threshold)``, ``compute_size_difference(target_size, candidates)`` and ``database[uid]``. They are
the same here, with these differences:

* A score is not the cosine of CLIP. It is what Meshseek ranks by, and a deviation counts as ten points, so that the
  size term weighs beside it as it does in a search. With ``use_text`` off, it is a hundred times the cosine with views.
* A threshold says what to leave out, and Holodeck's are cosines of CLIP. Here one of :data:`FITS` or more leaves out
  what Meshseek finds weak, and a lower one nothing.
* What has no size in metres cannot be placed, and is left out.
"""

from __future__ import annotations

import logging
import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Self

from meshseek.errors import InputError, NotFoundError
from meshseek.integrations.service import MeshseekService
from meshseek.sizes import CM, sides_in_cm

log = logging.getLogger(__name__)

FITS = 25.0
"""Thresholds from here on leave out what fits weakly; Holodeck's own are 28 to 31."""
POINTS = 10
"""Of a score for each deviation, in which captions, views and words are added up."""
COSINE_POINTS = 100
"""Where views alone are compared, as Holodeck's are."""
POINTS_PER_METRE = 10
"""Taken off for each metre by which the sorted sides differ on average."""
PAGE, DEEPEST = 200, 1000
MOST_QUERIES = 100
MOST_KEPT = 20_000
"""Assets that are remembered."""
_PREFIX = re.compile(r"^\s*a 3d model of\s+", re.IGNORECASE)
_WALL = ("painting", "picture", "poster", "mirror", "wall", "curtain", "blind", "shelf")
_CEILING = ("ceiling", "pendant", "chandelier")
_SMALL = 0.6
"""Metres: what is not larger can stand on something."""
_SIDES = 3

Candidate = tuple[str, float]
"""Id and score."""
Place = Callable[[Mapping[str, Any]], Mapping[str, bool]]
"""From all that Meshseek knows of an asset to Holodeck's onFloor, onWall, onCeiling and onObject."""


def place_by_words(asset: Mapping[str, Any]) -> dict[str, bool]:
    """Where a thing belongs, guessed from its names and its size.

    A library that knows better says so: an attribute ``onFloor``, ``onWall``, ``onCeiling`` or ``onObject`` of an asset
    wins over the guess.
    """
    attributes = asset["attributes"]
    named = [asset.get("caption_en"), *(asset.get("captions_en") or ()), attributes.get("name"), attributes.get("tags")]
    words = " ".join(str(text) for text in named if text).lower()
    ceiling = any(word in words for word in _CEILING)
    wall = not ceiling and any(word in words for word in _WALL)
    sides = sides_in_cm(attributes)
    small = sides is not None and max(sides) <= _SMALL * CM
    guess = {"onFloor": not (ceiling or wall), "onWall": wall, "onCeiling": ceiling, "onObject": small and not ceiling}
    return {name: _is_true(attributes.get(name, value)) for name, value in guess.items()}


class MeshseekDatabase:
    """What Holodeck knows of each asset, by its id: fetched when first asked for.

    Args:
        service: Is asked.
        place: Tells where a thing belongs.
    """

    def __init__(self, service: MeshseekService, place: Place = place_by_words) -> None:
        self._service = service
        self._place = place
        self._known: dict[str, dict[str, Any]] = {}

    def __getitem__(self, uid: str) -> dict[str, Any]:
        """Its ``assetMetadata`` with the ``boundingBox`` in metres, and its ``annotations``.

        Raises:
            KeyError: There is no such asset.
            ServiceError: Meshseek cannot be reached, or not now.
        """
        if uid not in self._known:
            try:
                self.learn({"asset_id": uid, **self._service.asset(uid)})
            except NotFoundError as error:
                raise KeyError(uid) from error
        return self._known[uid]

    def __contains__(self, uid: object) -> bool:
        try:
            return isinstance(uid, str) and bool(self[uid])
        except KeyError:
            return False

    def get(self, uid: str, default: Any = None) -> Any:
        """Likewise; the default where there is no such asset."""
        try:
            return self[uid]
        except KeyError:
            return default

    def learn(self, asset: Mapping[str, Any]) -> dict[str, Any]:
        """Remember an asset as the API tells it, in a result or by itself."""
        attributes = asset.get("attributes")
        whole = {**asset, "attributes": attributes if isinstance(attributes, Mapping) else {}}
        while len(self._known) >= MOST_KEPT:
            self._known.pop(next(iter(self._known)))
        entry = self._known[str(asset["asset_id"])] = self._entry(whole)
        return entry

    def _entry(self, asset: Mapping[str, Any]) -> dict[str, Any]:
        attributes = asset["attributes"]
        caption = asset.get("caption_en") or next(iter(asset.get("captions_en") or ()), "")
        sides = sides_in_cm(attributes)
        metadata: dict[str, Any] = {"secondaryProperties": []}
        if sides is not None and not any(map(math.isnan, sides)):
            width, depth, height = sides
            metadata["boundingBox"] = {"x": width / CM, "y": height / CM, "z": depth / CM}
        address = asset.get("model_url")
        return {
            "uid": asset["asset_id"],
            "assetMetadata": metadata,
            "annotations": {
                "category": str(attributes.get("category") or attributes.get("name") or caption),
                "description": caption,
                **self._place(asset),
            },
            "model_url": None if address is None else f"{self._service.url}{address}",
            "attributes": attributes,
        }


class MeshseekRetriever:
    """Stands in for ``ObjathorRetriever``.

    Args:
        url: Where ``meshseek serve`` answers.
        algorithm: That is asked.
        retrieval_threshold: Kept for those who read it.
        limit: Results of one query that are looked at, at most 1,000.
        place: Tells where a thing belongs.
        service: To ask another way, such as with a key.

    Raises:
        InputError: The address or the limit is none.
    """

    def __init__(
        self,
        url: str = "http://127.0.0.1:8000",
        *,
        algorithm: str = "lite",
        retrieval_threshold: float = 28,
        limit: int = PAGE,
        place: Place = place_by_words,
        service: MeshseekService | None = None,
    ) -> None:
        if not 1 <= limit <= DEEPEST:
            raise InputError(f"limit is {limit}; choose 1 to {DEEPEST}")
        self._service = service or MeshseekService(url)
        self.algorithm = algorithm
        self.retrieval_threshold = retrieval_threshold
        self.use_text = True
        """Whether captions are compared beside views."""
        self.limit = limit
        self.without_size = 0
        """How many results were left out, in all, as their size is not known."""
        self.database = MeshseekDatabase(self._service, place)

    def close(self) -> None:
        """Close the connections; also at the end of a ``with`` block."""
        self._service.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def retrieve(self, queries: str | Sequence[str], threshold: float = 28) -> list[Candidate]:
        """Assets that fit any of the queries, best first; one that fits several is there for each.

        Args:
            queries: In English or Chinese; Holodeck's "a 3D model of" is left out.
            threshold: :data:`FITS` or more leaves out what fits weakly.

        Raises:
            InputError: A query cannot be searched, or there are too many.
            ServiceError: Meshseek cannot be reached, or not now.
        """
        asked = [queries] if isinstance(queries, str) else list(queries)
        if len(asked) > MOST_QUERIES:
            raise InputError(f"there are {len(asked)} queries; ask at most {MOST_QUERIES} at once")
        found = [candidate for words in asked for candidate in self._found(words, threshold)]
        return sorted(found, key=lambda candidate: -candidate[1])

    def compute_size_difference(self, target_size: Sequence[float], candidates: Sequence[Candidate]) -> list[Candidate]:
        """Candidates with ten points taken off for each metre by which their sorted sides differ from the wished ones.

        Args:
            target_size: Three sides in centimetres, in any order.
            candidates: As :meth:`retrieve` gives them. One whose size is not known counts as the mean of the others.

        Raises:
            InputError: The size is not three positive numbers.
            KeyError: There is no such asset.
        """
        wished = sorted(_sides(target_size))
        differences = [self._difference(uid, wished) for uid, _ in candidates]
        known = [difference for difference in differences if difference is not None]
        mean = sum(known) / len(known) if known else 0.0
        moved = [
            (uid, score - POINTS_PER_METRE * (mean if difference is None else difference) / CM)
            for (uid, score), difference in zip(candidates, differences, strict=True)
        ]
        return sorted(moved, key=lambda candidate: -candidate[1])

    def _difference(self, uid: str, wished: Sequence[float]) -> float | None:
        """Mean difference of the sides in centimetres."""
        box: dict[str, float] | None = self.database[uid]["assetMetadata"].get("boundingBox")
        if box is None:
            return None
        sides = sorted(CM * side for side in box.values())
        return sum(abs(side - other) for side, other in zip(sides, wished, strict=True)) / _SIDES

    def _found(self, words: str, threshold: float) -> Iterator[Candidate]:
        unsized = 0
        points = POINTS if self.use_text else COSINE_POINTS
        for row in self._results(_PREFIX.sub("", words) or words):
            entry = self.database.learn(row)
            if threshold >= FITS and row.get("relevance") == "weak":
                continue
            if "boundingBox" not in entry["assetMetadata"]:
                unsized += 1
                continue
            yield row["asset_id"], points * row["score"]
        self.without_size += unsized
        if unsized:
            log.warning("'%s': %d results have no size in metres and are left out", words, unsized)

    def _results(self, words: str) -> Iterator[dict[str, Any]]:
        target = {} if self.use_text else {"target": "appearance"}
        for offset in range(0, self.limit, PAGE):
            wanted = min(PAGE, self.limit - offset)
            fields = {"query": words, "algorithm": self.algorithm, "top_k": wanted, "offset": offset, **target}
            results = self._service.search(diverse=False, **fields)
            yield from results
            if len(results) < wanted:
                return


def _sides(target_size: Sequence[float]) -> list[float]:
    try:
        sides = [float(side) for side in target_size]
    except (TypeError, ValueError):
        sides = []
    if len(sides) != _SIDES or not all(0 < side < math.inf for side in sides):
        raise InputError(
            f"the size {target_size!r} is not three positive numbers; give centimetres, such as (60, 60, 90)"
        )
    return sides


def _is_true(value: Any) -> bool:
    """Also of the words that tables hold."""
    return str(value).strip().lower() in {"true", "1", "yes"}
