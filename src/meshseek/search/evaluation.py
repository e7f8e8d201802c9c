"""How good a search is: hit@k, MRR, and recall of the index against the exact answer."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from statistics import fmean
from typing import Any

from meshseek.errors import DatasetError, InputError
from meshseek.images import read_image
from meshseek.model import LANGUAGES, Language
from meshseek.search.algorithm import Algorithm
from meshseek.search.query import Query

COLUMNS = ("text", "image", "relevant")
LANGUAGE_COLUMN = "language"
DEPTH = 10
SEPARATOR = "|"


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgedQuery:
    """A query and what it should find."""

    line: int
    text: str | None
    image: Path | None
    language: Language | None
    """Language of the text; None tells it by the script."""
    relevant: tuple[str, ...]
    """Asset ids, or names as in the attribute ``name``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scores:
    """Means over the queries of one kind."""

    kind: str
    """``english``, ``chinese`` or ``image``."""
    queries: int
    hit_at_1: float
    hit_at_5: float
    hit_at_10: float
    mrr: float
    """Mean reciprocal rank of the first relevant asset among ten."""
    recall_at_10: float
    """Share of the exact ten that the index finds."""

    def as_json(self) -> dict[str, Any]:
        """Plain values for ``--json``."""
        return asdict(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """Scores by kind of query, and the queries that could not be judged."""

    scores: Sequence[Scores]
    without_relevant: int
    """Queries none of whose relevant assets is in the library."""


def read_queries(path: Path) -> list[JudgedQuery]:
    """Read a csv file with the columns ``text``, ``image`` (a path from the file's folder) and ``relevant``.

    ``relevant`` holds asset ids or names, separated by ``|``; each line has either a text or an image. A column
    ``language`` may say ``english`` or ``chinese``; without it the script tells.

    Raises:
        DatasetError: The file cannot be read; the message names the line.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            return list(_judged(csv.DictReader(file, strict=True), path))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DatasetError(f"cannot read queries from {path}: {error}; give a csv file in UTF-8") from error


def _judged(rows: csv.DictReader[str], path: Path) -> Iterator[JudgedQuery]:
    missing = set(COLUMNS) - set(rows.fieldnames or ())
    if missing:
        raise DatasetError(f"{path} lacks the column '{min(missing)}'; the first line must name {', '.join(COLUMNS)}")
    for row in rows:
        text, image, relevant = ((row[name] or "").strip() for name in COLUMNS)
        wanted = tuple(part.strip() for part in relevant.split(SEPARATOR) if part.strip())
        if bool(text) == bool(image) or not wanted:
            raise DatasetError(f"{path}, line {rows.line_num}: give a text or an image, and the relevant assets")
        yield JudgedQuery(
            line=rows.line_num,
            text=text or None,
            image=path.parent / image if image else None,
            language=_language(row, path, rows.line_num),
            relevant=wanted,
        )


def _language(row: dict[str, str], path: Path, line: int) -> Language | None:
    named = (row.get(LANGUAGE_COLUMN) or "").strip()
    if named not in {"", *LANGUAGES}:
        raise DatasetError(f"{path}, line {line}: language is '{named}'; give {' or '.join(LANGUAGES)}, or nothing")
    return next((language for language in LANGUAGES if language == named), None)


def evaluate(
    algorithm: Algorithm, queries: Sequence[JudgedQuery], *, target: str | None, cross_modal: bool
) -> Evaluation:
    """Search every query with and without the index, and score the answers.

    Raises:
        DatasetError: A query cannot be searched; the message names its line.
    """
    ranks: dict[str, list[tuple[int | None, float]]] = {}
    without_relevant = 0
    for judged in queries:
        relevant = set(algorithm.library.ids_of(judged.relevant))
        if not relevant:
            without_relevant += 1
            continue
        try:
            kind, rank, recall = _judge(algorithm, judged, relevant, target, cross_modal=cross_modal)
        except InputError as error:
            raise DatasetError(f"the query in line {judged.line}: {error}") from error
        ranks.setdefault(kind, []).append((rank, recall))
    scores = [_scores(kind, found) for kind, found in sorted(ranks.items())]
    return Evaluation(scores=scores, without_relevant=without_relevant)


def _judge(
    algorithm: Algorithm, judged: JudgedQuery, relevant: set[str], target: str | None, *, cross_modal: bool
) -> tuple[str, int | None, float]:
    """The kind of query, the rank of the first relevant asset, and the recall against exact search."""
    image = read_image(judged.image) if judged.image else None

    query = Query(
        text=judged.text,
        image=image,
        language=judged.language,
        target=target,
        cross_modal=cross_modal,
        top_k=DEPTH,
    )
    ranking, truth = (
        [hit.asset_id for hit in algorithm.search(asked).hits] for asked in (query, replace(query, exact=True))
    )
    rank = next((rank for rank, asset_id in enumerate(ranking, 1) if asset_id in relevant), None)
    return query.query_type, rank, len(set(ranking) & set(truth)) / len(truth) if truth else 1.0


def _scores(kind: str, found: Sequence[tuple[int | None, float]]) -> Scores:
    ranks = [rank for rank, _ in found]

    def hit_at(depth: int) -> float:
        return fmean(rank is not None and rank <= depth for rank in ranks)

    return Scores(
        kind=kind,
        queries=len(ranks),
        hit_at_1=hit_at(1),
        hit_at_5=hit_at(5),
        hit_at_10=hit_at(10),
        mrr=fmean(1 / rank if rank else 0.0 for rank in ranks),
        recall_at_10=fmean(recall for _, recall in found),
    )
