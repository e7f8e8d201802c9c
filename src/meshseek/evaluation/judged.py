"""Judged queries: what people ask, and what should be found."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from meshseek.errors import DatasetError
from meshseek.model import LANGUAGES, Language
from meshseek.tables import read_table

COLUMNS = ("text", "image", "relevant")
OPTIONAL = ("language", "kind")
SEPARATOR = "|"
MAX_QUERIES = 20_000
"""In all files of one evaluation; each query is searched twice or more."""
MAX_KIND = 40
"""Characters."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgedQuery:
    """A query and what it should find."""

    source: str
    """The file it is from."""
    line: int
    text: str | None = None
    image: Path | None = None
    language: Language | None = None
    """Language of the text; None tells it by the script."""
    relevant: tuple[str, ...] = ()
    """Asset ids, or names as in the attribute ``name``; empty where the library is said to have nothing that fits."""
    kind: str = ""
    """What sort of query it is, in the user's own words."""

    @property
    def where(self) -> str:
        """How a message names it."""
        return f"{self.source}, line {self.line}"


def read_queries(paths: Sequence[Path]) -> list[JudgedQuery]:
    """Read csv files with the columns ``text``, ``image`` (a path from the file's folder) and ``relevant``.

    ``relevant`` holds asset ids or names, separated by ``|``; empty, it says that nothing fits. Each line has either a
    text or an image. A column ``language`` may say ``english`` or ``chinese``, without it the script tells; a column
    ``kind`` may sort the queries.

    Raises:
        DatasetError: A file cannot be read, holds no query, or there are too many; the message names the line.
    """
    doubled = [path for path, count in Counter(paths).items() if count > 1]
    if doubled:
        raise DatasetError(f"{doubled[0]} is given twice; give each file once")
    queries: list[JudgedQuery] = []
    for path in paths:
        before = len(queries)
        for query in _queries_of(path):
            queries.append(query)
            if len(queries) > MAX_QUERIES:
                raise DatasetError(f"{query.where}: more than {MAX_QUERIES:,} queries; evaluate them in parts")
        if len(queries) == before:
            raise DatasetError(f"{path} holds no queries; give a csv file with the columns {', '.join(COLUMNS)}")
    return queries


def _queries_of(path: Path) -> Iterator[JudgedQuery]:
    names, rows = read_table(path, DatasetError)
    _check_columns(path, names)
    for line, row in rows:
        text, image, relevant = (row[name].strip() for name in COLUMNS)
        if bool(text) == bool(image):
            raise DatasetError(f"{path}, line {line}: give either a text or an image")
        yield JudgedQuery(
            source=str(path),
            line=line,
            text=text or None,
            image=path.parent / image if image else None,
            language=_language(row, path, line),
            relevant=tuple(dict.fromkeys(part.strip() for part in relevant.split(SEPARATOR) if part.strip())),
            kind=_kind(row, path, line),
        )


def _check_columns(path: Path, names: Sequence[str]) -> None:
    known = (*COLUMNS, *OPTIONAL)
    doubled = [name for name, count in Counter(names).items() if count > 1]
    if doubled:
        raise DatasetError(f"{path} names the column '{doubled[0]}' twice; name each once in its first line")
    if not names:
        raise DatasetError(f"{path} is empty; its first line must name the columns {', '.join(COLUMNS)}")
    missing = [name for name in COLUMNS if name not in names]
    if missing:
        raise DatasetError(f"{path} lacks the column '{missing[0]}'; the first line must name {', '.join(COLUMNS)}")
    unknown = [name for name in names if name not in known]
    if unknown:
        raise DatasetError(f"{path} has an unknown column '{unknown[0]}'; it may have {', '.join(known)}")


def _language(row: Mapping[str, str], path: Path, line: int) -> Language | None:
    named = row.get("language", "").strip()
    if named not in {"", *LANGUAGES}:
        raise DatasetError(f"{path}, line {line}: language is '{named}'; give {' or '.join(LANGUAGES)}, or nothing")
    return next((language for language in LANGUAGES if language == named), None)


def _kind(row: Mapping[str, str], path: Path, line: int) -> str:
    kind = " ".join(row.get("kind", "").split())
    if len(kind) > MAX_KIND:
        raise DatasetError(f"{path}, line {line}: kind has {len(kind)} characters; use at most {MAX_KIND}")
    return kind
