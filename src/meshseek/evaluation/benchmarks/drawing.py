"""From a benchmark's items to queries about one library: those it can answer, and of them a random sample."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from meshseek.errors import DatasetError, QueryError
from meshseek.evaluation.benchmarks.cap3d_human import read_cap3d_human
from meshseek.evaluation.benchmarks.items import Item
from meshseek.evaluation.benchmarks.objaverse_lvis import read_objaverse_lvis
from meshseek.evaluation.judged import JudgedQuery
from meshseek.evaluation.judging import Expected
from meshseek.evaluation.statistics import SEED
from meshseek.search.phrases import phrases, without_quotes
from meshseek.search.query import MAX_TEXT, check_text
from meshseek.store.read.library import Library

READERS = {"cap3d-human": read_cap3d_human, "objaverse-lvis": read_objaverse_lvis}


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawn:
    """English queries of a benchmark, and what could not be asked."""

    expected: Sequence[Expected]
    items: int
    """Queries in the file."""
    answerable: int
    """Those with a model in the library, before the sample was drawn."""
    unsearchable: int
    """Those whose text cannot be searched: too long, or without a word."""
    unknown_uids: int
    """Models of the file that the library has not."""


def read_benchmark(name: str, path: Path) -> list[Item]:
    """Read a benchmark's file.

    Raises:
        DatasetError: It is missing, damaged, empty or of another form.
    """
    return READERS[name](path)


def draw(items: Sequence[Item], path: Path, library: Library, sample: int) -> Drawn:
    """Keep what a library can be asked.

    Args:
        items: The benchmark's.
        path: The file they are from.
        library: What will be searched.
        sample: At most so many queries, drawn by a fixed seed.

    Raises:
        DatasetError: The library has none of the models.
    """
    uids = {uid for item in items for uid in item.uids}
    known = library.with_uids(uids)
    if not known:
        raise DatasetError(
            f"none of the {len(uids):,} models of {path} is in the library; import Objaverse models whose id ends with "
            "their uid, or G-Objaverse with its id map"
        )
    answerable = [item for item in items if any(uid in known for uid in item.uids)]
    searchable = [replace(item, text=text) for item in answerable if (text := _searchable(item.text)) is not None]
    chosen = random.Random(SEED).sample(searchable, min(sample, len(searchable)))  # noqa: S311 - no secret
    expected = [_expected(item, path, known) for item in sorted(chosen, key=lambda item: item.line)]
    return Drawn(
        expected=expected,
        items=len(items),
        answerable=len(answerable),
        unsearchable=len(answerable) - len(searchable),
        unknown_uids=len(uids - known.keys()),
    )


def in_chinese(expected: Sequence[Expected], translations: dict[str, str]) -> tuple[list[Expected], int]:
    """The same queries in Chinese, as far as they are translated; and how many of these cannot be searched."""
    translated = [(each, chinese) for each in expected if (chinese := translations.get(each.query.text or ""))]
    searchable = [
        Expected(query=_translated(each.query, text), relevant=each.relevant)
        for each, chinese in translated
        if (text := _searchable(chinese)) is not None
    ]
    return searchable, len(translated) - len(searchable)


def _translated(query: JudgedQuery, chinese: str) -> JudgedQuery:
    return JudgedQuery(source=query.source, line=query.line, text=chinese, language="chinese", relevant=query.relevant)


def _searchable(text: str) -> str | None:
    """A text as a query means it: who wrote it meant no phrase by its quotes. None where it cannot be searched."""
    while len(text) <= MAX_TEXT and phrases(text):  # quotes may stand in quotes
        text = without_quotes(text)
    try:
        check_text(text)
    except QueryError:
        return None
    return text


def _expected(item: Item, path: Path, known: dict[str, list[str]]) -> Expected:
    ids = [asset_id for uid in item.uids for asset_id in known.get(uid, ())]
    query = JudgedQuery(source=str(path), line=item.line, text=item.text, language="english", relevant=tuple(ids))
    return Expected(query=query, relevant=frozenset(ids))
