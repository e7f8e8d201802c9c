"""Captions that come in a file of their own: CSV or JSON, read once and strictly."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from meshseek.errors import DatasetError, UnreadableAssetError
from meshseek.tables import MOST_TABLE_BYTES, read_table
from meshseek.untrusted.files import open_regular, read_whole
from meshseek.untrusted.values import is_deep

log = logging.getLogger(__name__)

_ID_COLUMNS = ("id", "asset_id")
_ENGLISH, _CHINESE = ("caption", "caption_en"), ("caption_zh",)


@dataclass(frozen=True, slots=True, kw_only=True)
class Description:
    """What a captions file says about one asset."""

    english: tuple[str, ...] = ()
    chinese: tuple[str, ...] = ()
    attributes: Mapping[str, Any]


def read_descriptions(path: Path) -> dict[str, Description]:
    """Read a captions file for a folder of models, by the ids as written there.

    CSV has a header with ``id`` (or ``asset_id``), ``caption`` (or ``caption_en``) and ``caption_zh``; JSON is
    ``{id: "caption"}`` or ``{id: {"caption_en": ..., "caption_zh": ...}}``. All other columns or keys become
    attributes; ``tags`` may be split by ``;`` or ``|``. Several CSV rows for one id add up.

    Raises:
        DatasetError: The file is missing, damaged, or of another form.
    """
    rows: dict[str, list[Description]] = {}
    for key, fields in _rows_of_csv(path) if is_csv(path) else _rows_of_json(path):
        name = key.strip().replace("\\", "/").removeprefix("./")
        rows.setdefault(name, []).append(describe(key, fields))
    return {name: joined(own) for name, own in rows.items()}


def is_csv(path: Path) -> bool:
    """Tell the two kinds of file apart by suffix.

    Raises:
        DatasetError: It is neither.
    """
    if path.suffix.lower() not in {".csv", ".json"}:
        raise DatasetError(f"{path} is neither .csv nor .json; save the captions as one of them")
    return path.suffix.lower() == ".csv"


def read_json_object(path: Path) -> dict[str, Any]:
    """Read a JSON file that holds one object.

    Raises:
        DatasetError: It is missing or damaged; the message gives the place.
    """
    try:
        with open_regular(path) as file:
            value = json.loads(read_whole(file, MOST_TABLE_BYTES))
    except UnreadableAssetError as error:
        raise DatasetError(f"cannot read {path}: {error}") from error
    except OSError as error:
        raise DatasetError(f"cannot read {path}: {error.strerror}; check the path and its permissions") from error
    except json.JSONDecodeError as error:
        place = f"line {error.lineno}, column {error.colno}"
        raise DatasetError(f"{path}, {place}: not valid JSON ({error.msg}); fix it or download it again") from error
    except RecursionError as error:
        raise DatasetError(f"{path} holds values inside values, too deep to be read; give captions as texts") from error
    except UnicodeDecodeError as error:
        raise DatasetError(f"{path} is not JSON text in UTF-8; fix it or download it again") from error
    except ValueError as error:
        raise DatasetError(f"{path} holds a number of thousands of digits; take it out") from error
    if not isinstance(value, dict):
        raise DatasetError(f"{path} holds JSON, but no object; give one of id to value")
    return value


def _rows_of_csv(path: Path) -> Iterator[tuple[str, Mapping[str, Any]]]:
    names, rows = read_table(path, DatasetError)
    key = next((name for name in _ID_COLUMNS if name in names), None)
    if key is None:
        raise DatasetError(f"{path}, line 1: no column 'id' or 'asset_id'; give the file a header with one of them")
    for _, fields in rows:
        yield fields.pop(key), {name: value for name, value in fields.items() if name and value.strip()}


def _rows_of_json(path: Path) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for key, value in read_json_object(path).items():
        if isinstance(value, str | list):
            yield key, {"caption": value}
        elif isinstance(value, dict):
            yield key, value
        else:
            raise DatasetError(f"{path}: the value of '{key}' is neither a caption nor an object; fix it")


def joined(rows: Sequence[Description]) -> Description:
    """One description of all; of an attribute that several give, the last."""
    if len(rows) == 1:
        return rows[0]
    return Description(
        english=tuple(text for row in rows for text in row.english),
        chinese=tuple(text for row in rows for text in row.chinese),
        attributes={name: value for row in rows for name, value in row.attributes.items()},
    )


def describe(key: str, fields: Mapping[str, Any]) -> Description:
    """What the fields of one asset say; its id is for the log."""
    attributes = {
        ("licence" if name == "license" else name): value
        for name, value in fields.items()
        if name not in {*_ENGLISH, *_CHINESE}
    }
    for name in [name for name, value in attributes.items() if is_deep(value)]:
        log.warning("'%s' of %s holds too many lists inside lists; it is left out", name[:40], key[:80])
        del attributes[name]
    if isinstance(attributes.get("tags"), str):
        attributes["tags"] = [tag.strip() for tag in re.split(r"[;|]", attributes["tags"]) if tag.strip()]
    return Description(
        english=tuple(_texts(fields, _ENGLISH)), chinese=tuple(_texts(fields, _CHINESE)), attributes=attributes
    )


def _texts(fields: Mapping[str, Any], names: Iterable[str]) -> Iterator[str]:
    for name in names:
        value = fields.get(name)
        for text in value if isinstance(value, list) else [value]:
            if isinstance(text, str) and text.strip():
                yield text.strip()
