"""Measures two ways of combining the parts of a query: adding standard scores, and adding vectors.

Run it with ``make bench-combined ARGS="--workspace workspace"`` after ``make demo ARGS="--assets all --once"``. The
queries are made from the catalogue by chance: a kind of thing and a word, a kind without a word, and a picture or an
asset with and without a word. What is relevant says the catalogue: the last word of a name is the kind, an asset has
the words of its name, tags and captions. Half of them (``--half tune``) are to choose by, the others for figures.
"""

from __future__ import annotations

import argparse
import random
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from unittest.mock import patch

from meshseek.bootstrap import Meshseek
from meshseek.evaluation.measures import ndcg
from meshseek.evaluation.statistics import Measured, mean, paired_difference
from meshseek.model import Asset
from meshseek.search import combining
from meshseek.search.algorithm import Algorithm
from meshseek.search.asking import ask
from meshseek.search.modes import MODES
from meshseek.search.parts import QueryPart
from meshseek.search.query import Query
from meshseek.search.question import Embedded, Question
from meshseek.settings import read_settings
from meshseek.store.read.published import TARGETS
from meshseek.workspace.view_files import read_view

SEED = 20261127
DEPTH = 10
EACH = 120
"""Queries of each kind, in both halves together."""
FEWEST, MOST = 3, 30
"""Relevant assets of a query."""
WORD = re.compile(r"[a-z]{3,}")
STOP = frozenset({"and", "for", "the", "with", "left", "right"})
"""Words that say nothing of what a thing is like."""

Way = Callable[[Algorithm, Query], list[str]]


@dataclass(frozen=True, slots=True)
class Judged:
    """A query with what it should find."""

    kind: str
    parts: Sequence[QueryPart]
    relevant: frozenset[str]
    unwanted: frozenset[str]
    """Of the kind, but with the word that is not wanted."""
    itself: str | None = None
    """The asset that is asked with, which is left out of the ranking."""


def main() -> None:
    """Ask all queries in each way, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--workspace", type=Path, default=Path("workspace"))
    parser.add_argument("--algorithm", default="lite")
    parser.add_argument("--half", choices=("tune", "kept"), default="kept")
    given = parser.parse_args()
    meshseek = Meshseek(read_settings(workspace=given.workspace))
    try:
        algorithm = meshseek.search_service.algorithm(given.algorithm)
        every = list(_judged(meshseek, algorithm))
        judged = every[given.half == "kept" :: 2]
        _report(judged, {name: [way(algorithm, _query(each)) for each in judged] for name, way in WAYS.items()})
    finally:
        meshseek.close()


def _query(judged: Judged) -> Query:
    return Query(parts=judged.parts, top_k=DEPTH + 1, diverse=False)


def by_scores(algorithm: Algorithm, query: Query) -> list[str]:
    """As the search does it."""
    return [hit.asset_id for hit in algorithm.search(query).hits]


def by_sums(algorithm: Algorithm, query: Query) -> list[str]:
    """The same with the mean of what is wanted in place of the geometric mean."""
    with patch.object(combining, "together", lambda wanted: sum(weight * score for weight, score in wanted)):
        return by_scores(algorithm, query)


def by_vectors(algorithm: Algorithm, query: Query) -> list[str]:
    """One query whose vector is the weighted sum of those of the parts; words count if all wanted ones are there."""
    published = algorithm.library.last_known()
    mode = ask(query, [algorithm.searched], [published]).mode
    assert isinstance(mode, combining.Combining)
    own = {target: combining.summed(mode.terms, target) for target in TARGETS}
    are_words = all(part.text is not None for part in query.parts)
    known = Embedded(vector=own["caption"], query_type=query.query_type)
    words = " ".join(part.text for part in query.parts if part.text and part.weight > 0)
    question = Question(published=published, embed=lambda: known, own={} if are_words else own, text=words or None)
    ranking = MODES.load(query.mode)().rank(algorithm.library, question, query.request(query.top_k))
    return [ranked.asset_id for ranked in ranking]


def by_one_text(algorithm: Algorithm, query: Query) -> list[str]:
    """What is wanted as one text; pictures, assets and what is not wanted are ignored."""
    words = " ".join(part.text for part in query.parts if part.text and part.weight > 0)
    return by_scores(algorithm, Query(text=words, top_k=query.top_k, diverse=False)) if words else []


WAYS: dict[str, Way] = {
    "as it is": by_scores,
    "mean of standard scores": by_sums,
    "sum of vectors": by_vectors,
    "the words alone": by_one_text,
}


def _judged(meshseek: Meshseek, algorithm: Algorithm) -> Iterator[Judged]:
    """A sample of all queries of each kind that the catalogue gives."""
    chance = random.Random(SEED)
    words = {asset.asset_id: _words(asset) for asset in meshseek.workspace.assets()}
    made: dict[str, list[Judged]] = {}
    for thing, members in sorted(_things(meshseek.workspace.assets()).items()):
        for word in sorted({word for asset_id in members for word in words[asset_id]} - {thing}):
            having = frozenset(asset_id for asset_id in members if word in words[asset_id])
            for judged in _of_pair(thing, word, having, frozenset(members) - having, chance):
                made.setdefault(judged.kind, []).append(judged)
    for kind in sorted(made):
        chance.shuffle(made[kind])
        for judged in made[kind][:EACH]:
            yield _with_picture(meshseek, algorithm, judged) if kind.startswith("picture") else judged


def _of_pair(
    thing: str, word: str, having: frozenset[str], lacking: frozenset[str], chance: random.Random
) -> Iterator[Judged]:
    """Queries about a kind of thing, some of which have a word, and some have not."""
    if not (FEWEST <= len(having) <= MOST and len(lacking) >= FEWEST):
        return
    wanted, unwanted = QueryPart(text=word), QueryPart(text=word, weight=-1)
    yield Judged("kind + word", [QueryPart(text=thing), wanted], having, frozenset())
    some_having, some_lacking = chance.choice(sorted(having)), chance.choice(sorted(lacking))
    for what in ("asset", "picture"):
        with_it = [QueryPart(asset_id=some_lacking), wanted]
        yield Judged(f"{what} + word", with_it, having, frozenset(), some_lacking)
    if len(lacking) <= MOST:
        yield Judged("kind - word", [QueryPart(text=thing), unwanted], lacking, having)
        for what in ("asset", "picture"):
            without = [QueryPart(asset_id=some_having), unwanted]
            yield Judged(f"{what} - word", without, lacking, having - {some_having}, some_having)


def _with_picture(meshseek: Meshseek, algorithm: Algorithm, judged: Judged) -> Judged:
    """The same with a view of the asset in its place."""
    assert judged.itself is not None
    asset = algorithm.library.asset(judged.itself)
    assert asset.view_folder is not None
    picture = read_view(meshseek.workspace.folder / asset.view_folder, asset.viewpoint_ids[1])
    return replace(judged, parts=[QueryPart(image=picture), *judged.parts[1:]])


def _things(assets: Iterable[Asset]) -> dict[str, set[str]]:
    """Ids of assets by the last word of their names, which tells what kind of thing they are."""
    things: dict[str, set[str]] = {}
    for asset in assets:
        name = str(asset.attributes.get("name", ""))
        last = WORD.findall(name.split(",", maxsplit=1)[0].split("(", maxsplit=1)[0].lower())[-1:]
        for thing in last:
            things.setdefault(thing, set()).add(asset.asset_id)
    return things


def _words(asset: Asset) -> set[str]:
    """All that the catalogue says of an asset, in English."""
    told = [str(asset.attributes.get("name", "")), *asset.captions_english, *asset.attributes.get("tags", ())]
    return set(WORD.findall(" ".join(told).lower())) - STOP


def _report(judged: Sequence[Judged], rankings: Mapping[str, Sequence[Sequence[str]]]) -> None:
    """A table: by kind of query, nDCG@10 of each way, and how much more the first one has than the others."""
    print("| queries | | " + " | ".join(rankings) + " |")
    print("|---|---|" + "---|" * len(rankings))
    for kind in [*sorted({each.kind for each in judged}), "all"]:
        places = [place for place, each in enumerate(judged) if kind in {each.kind, "all"}]
        values = {name: [_ndcg(judged[place], found[place]) for place in places] for name, found in rankings.items()}
        print(f"| {kind} | {len(places)} | " + " | ".join(_shown(mean(each)) for each in values.values()) + " |")
        first, *others = values.values()
        print("| less the first | | | " + " | ".join(_shown(paired_difference(each, first)) for each in others) + " |")
        if kind.endswith("- word"):
            shares = [[_unwanted(judged[place], found[place]) for place in places] for found in rankings.values()]
            print("| not wanted, of ten | | " + " | ".join(_shown(mean(each)) for each in shares) + " |")


def _ndcg(judged: Judged, ranking: Sequence[str]) -> float:
    return ndcg([asset_id for asset_id in ranking if asset_id != judged.itself], judged.relevant, DEPTH)


def _unwanted(judged: Judged, ranking: Sequence[str]) -> float:
    return sum(asset_id in judged.unwanted for asset_id in ranking if asset_id != judged.itself) / DEPTH


def _shown(measured: Measured) -> str:
    return f"{measured.value:.3f} ({measured.low:.3f} to {measured.high:.3f})"


if __name__ == "__main__":
    main()
