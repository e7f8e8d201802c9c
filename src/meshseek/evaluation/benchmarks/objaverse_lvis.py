"""Objaverse-LVIS: 46,205 models in 1,156 categories; a category's name is the query, its models are relevant.

Read as Objaverse has it, ``lvis-annotations.json.gz`` (``{category: [uid, ...]}``), or as CSV without a header, with
``category,uid`` or ``number,category,uid``.
"""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path

from meshseek.errors import DatasetError
from meshseek.evaluation.benchmarks.items import MAX_BYTES, MAX_ITEMS, Item, check_size, checked, is_uid
from meshseek.tables import read_rows

FORM = "Objaverse's lvis-annotations.json.gz, or CSV with category,uid"
_GZIP = b"\x1f\x8b"


def read_objaverse_lvis(path: Path) -> list[Item]:
    """One item for each category.

    Raises:
        DatasetError: The file is missing, damaged, empty or of another form.
    """
    check_size(path)
    pairs = _pairs_of_json(path) if path.name.lower().endswith((".json", ".json.gz")) else _pairs_of_csv(path)
    categories: dict[str, tuple[int, dict[str, None]]] = {}
    for count, (line, category, uid) in enumerate(pairs):
        if count == MAX_ITEMS:
            raise DatasetError(f"{path}: more than {MAX_ITEMS:,} models; give {FORM}")
        categories.setdefault(category, (line, {}))[1][uid] = None
    items = [Item(line=line, text=_words(name), uids=tuple(uids)) for name, (line, uids) in categories.items()]
    return checked(items, path, FORM)


def _words(category: str) -> str:
    return " ".join(category.replace("_", " ").split())


def _pairs_of_csv(path: Path) -> Iterator[tuple[int, str, str]]:
    for line, row in read_rows(path, DatasetError):
        *_, category, uid = row if len(row) in {2, 3} else ("", "")
        if is_uid(uid.strip()) and category.strip():
            yield line, category.strip(), uid.strip()
        elif line > 1 or len(row) not in {2, 3}:  # the first line may name the columns
            raise DatasetError(f"{path}, line {line}: no category and Objaverse uid; give {FORM}")


def _pairs_of_json(path: Path) -> Iterator[tuple[int, str, str]]:
    try:
        value = json.loads(_unpacked(path))
    except (OSError, EOFError, zlib.error, ValueError, RecursionError) as error:
        raise DatasetError(f"{path} is not JSON text, or damaged; download it again, or give {FORM}") from error
    if not isinstance(value, dict):
        raise DatasetError(f"{path} holds JSON, but no object; give {FORM}")
    for number, (category, uids) in enumerate(value.items(), 1):
        yield from ((number, category, uid) for uid in _uids(path, category, uids))


def _uids(path: Path, category: str, value: object) -> Iterable[str]:
    if not category.strip() or not isinstance(value, list):
        raise DatasetError(f"{path}: the value of '{category}' is no list of Objaverse uids; give {FORM}")
    for uid in value:
        if not isinstance(uid, str) or not is_uid(uid):
            raise DatasetError(f"{path}: '{uid}' of '{category}' is no Objaverse uid; give {FORM}")
        yield uid


def _unpacked(path: Path) -> bytes:
    content = path.read_bytes()
    if not content.startswith(_GZIP):
        return content
    with gzip.open(path) as file:
        content = file.read(MAX_BYTES + 1)
    if len(content) > MAX_BYTES:
        raise DatasetError(f"{path} unpacks to more than {MAX_BYTES / 1e6:,.0f} MB; give {FORM}")
    return content
