"""What each version answers to a fixed set of questions, known before anything fails."""

from __future__ import annotations

import json
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from meshseek.bootstrap import Meshseek
from meshseek.pipeline.publish import publish
from meshseek.pipeline.synthetic import ALGORITHM, LibrarySize, make_library
from meshseek.reporting import SilentReporter
from meshseek.search.query import Query

SIZE = LibrarySize(assets=1500, views=3, dim=64)
VERSIONS: Mapping[str, int | None] = {"first": 1200, "anew": None, "in place": 1470}
"""How many assets each holds: the second is published anew, the third is the second with a few taken out in place."""
QUESTIONS, DEPTH, TOP = 24, 200, 10
TARGETS = ("caption", "appearance", "both")
NEAR, RECALL = 2e-3, 0.7
"""How far a score may be from the exact one, and how many of the exact first ten an index must find."""


@dataclass(frozen=True, slots=True)
class Known:
    """The exact answer to a question: ids in order, and the score of each."""

    ids: Sequence[str]
    scores: Mapping[str, float]


@dataclass(slots=True)
class Model:
    """What is right, by version and question."""

    answers: dict[str, dict[int, Known]] = field(default_factory=dict)
    asset_ids: Sequence[str] = ()
    """Of assets that all versions hold."""

    @classmethod
    def of(cls, meshseek: Meshseek) -> Model:
        """Make the library, publish each version in turn, ask it while nobody else does, and go back to the first."""
        make_library(SIZE, meshseek.workspace, SilentReporter())
        model = cls()
        for name in ("anew", "in place", "first"):
            publish_version(meshseek, name)
            library = meshseek.search_service.algorithm(ALGORITHM)
            known = {number: _known(library.search(_query(number))) for number in range(QUESTIONS)}
            model.answers[library.library.published().content] = known
        first = list(meshseek.workspace.assets())[: min(count for count in VERSIONS.values() if count)]
        model.asset_ids = [asset.asset_id for asset in random.Random(0).sample(first, 50)]
        return model

    def fault(self, number: int, exact: bool, content: bytes) -> str | None:  # noqa: FBT001
        """What is wrong with an answer; None where it is right."""
        answer = json.loads(content)
        versions = self.answers.get(answer["version"])
        if versions is None:
            return f"it names a version that was never published: {answer['version']}"
        known = versions[number]
        ids = [result["asset_id"] for result in answer["results"]]
        if len(ids) != TOP or len(set(ids)) != TOP:
            return f"{len(ids)} results, {len(set(ids))} different ones"
        off = [
            result
            for result in answer["results"]
            if abs(result["score"] - known.scores.get(result["asset_id"], 9)) > NEAR
        ]
        if off:
            return f"the score of {off[0]['asset_id']} is {off[0]['score']}, not {known.scores.get(off[0]['asset_id'])}"
        if exact and any(
            abs(known.scores[one] - known.scores[other]) > NEAR for one, other in zip(ids, known.ids, strict=False)
        ):
            return f"{ids} instead of {known.ids[:TOP]}"
        if len(set(ids) & set(known.ids[:TOP])) < RECALL * TOP:
            return f"too few of the nearest: {ids} instead of {known.ids[:TOP]}"
        return None


def body(number: int, *, exact: bool) -> dict[str, Any]:
    """A question as it is sent."""
    return {
        "query": f"question {number}",
        "algorithm": ALGORITHM,
        "target": TARGETS[number % len(TARGETS)],
        "top_k": TOP,
        "diverse": False,
        "exact": exact,
    }


def publish_version(meshseek: Meshseek, name: str) -> None:
    """Make another version live."""
    publish(ALGORITHM, meshseek.workspace, meshseek.server, max_assets=VERSIONS[name], reporter=SilentReporter())


def _query(number: int) -> Query:
    asked = body(number, exact=True)
    return Query(text=asked["query"], target=asked["target"], top_k=DEPTH, exact=True, diverse=False)


def _known(answer: Any) -> Known:
    return Known([hit.asset_id for hit in answer.hits], {hit.asset_id: hit.score for hit in answer.hits})
