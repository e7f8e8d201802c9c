"""The two files of a library: its record, and its listing, which keeps a copy of the record and tells of damage."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import asdict, dataclass, fields
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from meshseek.errors import WorkspaceError
from meshseek.files import write_whole
from meshseek.sealed import sealed, unsealed

RECORD, LISTING = "library.json", "listing.parquet"
FORMER = "former"
_LOT = 16_384
LISTING_SCHEMA = pa.schema({"asset_id": pa.string(), "fingerprint": pa.string(), FORMER: pa.string()})


@dataclass(frozen=True, slots=True, kw_only=True)
class LibrarySource:
    """Where a library comes from."""

    name: str
    """Unique in the workspace, whatever the case of its letters."""
    number: int
    """Libraries are ordered by when each was first imported."""
    prefix: str
    """Stands before the library's own ids, so that those of two libraries differ; empty for the first library."""
    dataset: str | None = None
    """Name of the dataset layout; None where an older Meshseek imported it and did not note how."""
    path: str | None = None
    captions: str | None = None
    id_map: str | None = None
    unit: str | None = None
    up: str | None = None
    """What the user said of all its models."""
    max_assets: int | None = None
    """How many the last import took, where it was told not to take all."""
    imported_at: str | None = None
    """When the last import ended, in UTC; None while the first one goes on."""
    forgotten: tuple[str, ...] = ()
    """Ids of assets that the user wants out of the workspace, though the library has them."""

    @property
    def said(self) -> dict[str, Any]:
        """What the user said of it at its import, as options of its dataset."""
        paths = {name: Path(path) for name in ("captions", "id_map") if (path := getattr(self, name)) is not None}
        return paths | {name: said for name in ("unit", "up") if (said := getattr(self, name)) is not None}


def write_listing(path: Path, rows: Iterator[tuple[str, str, str | None]], library: LibrarySource) -> None:
    """Write the listing of a library.

    Args:
        path: Of the file.
        rows: Id, fingerprint and that of the former state of each asset; of few at a time a list is made.
        library: Its record.

    Raises:
        OSError: It cannot be written.
    """
    lots = iter(lambda: list(islice(rows, _LOT)), [])
    columns = ([pa.array(column, pa.string()) for column in zip(*lot, strict=True)] for lot in lots)
    table = pa.Table.from_batches((pa.record_batch(lot, LISTING_SCHEMA) for lot in columns), LISTING_SCHEMA)
    facts = {"record": sealed(asdict(library)), "checksum": _checksum(table)}
    sink = pa.BufferOutputStream()
    pq.write_table(table.replace_schema_metadata(facts), sink, compression="zstd")
    write_whole(path, memoryview(sink.getvalue()))


def listing_digest(path: Path) -> bytes:
    """Changes whenever what is listed does; empty where nothing is."""
    try:
        known: bytes | None = (pq.read_schema(path).metadata or {}).get(b"checksum")
        return known or path.read_bytes()  # an older Meshseek wrote no checksum
    except (OSError, pa.ArrowException):
        return b""


def record_of(folder: Path) -> LibrarySource | None:
    """The record of a library, or its copy in the listing where it was lost; None where the folder is no library.

    Raises:
        WorkspaceError: It is damaged, and there is no copy.
    """
    path = folder / RECORD
    if is_whole(path):
        return _parsed(path.read_bytes())
    listing = folder / LISTING
    copy = _copied_record(listing)
    if copy is None and (path.is_file() or (listing.is_file() and read_listing(listing) is None)):
        broken = path if path.is_file() else listing
        raise WorkspaceError(f"{broken} is damaged; remove the folder {folder} and import that library again")
    return copy


def _parsed(content: bytes) -> LibrarySource:
    values = unsealed(content)
    known = {field.name: values[field.name] for field in fields(LibrarySource) if field.name in values}
    for name, value in known.items():
        kind: type | tuple[type, ...] = {"number": int, "max_assets": int, "forgotten": list}.get(name, str)
        needed = name in {"name", "number", "prefix"}
        if not isinstance(value, kind) and (needed or value is not None):
            raise ValueError(f"its {name} is no {kind}")  # what is on a disk has no type
    if not all(isinstance(name, str) for name in known.get("forgotten", ())):
        raise ValueError("it names no assets")
    return LibrarySource(**{**known, "forgotten": tuple(known.get("forgotten") or ())})


def is_whole(record: Path) -> bool:
    """Whether a record can be read, is as it was written, and is that of its folder."""
    try:
        return _parsed(record.read_bytes()).name == record.parent.name
    except (OSError, ValueError, TypeError, KeyError):
        return False


def _copied_record(listing: Path) -> LibrarySource | None:
    table = read_listing(listing)
    content: bytes | None = None if table is None else (table.schema.metadata or {}).get(b"record")
    return None if content is None else _parsed(content)


def read_listing(path: Path) -> pa.Table | None:
    """A listing; None where it is missing, damaged or another library's; an older Meshseek wrote none of what tells."""
    try:
        with pq.ParquetFile(path) as file:
            facts, table = file.schema_arrow.metadata or {}, file.read(use_threads=False)
        if FORMER not in table.column_names:  # an older Meshseek has written it
            table = table.append_column(FORMER, pa.nulls(len(table), pa.string()))
        table = table.select(LISTING_SCHEMA.names).cast(LISTING_SCHEMA).replace_schema_metadata(facts)
        if b"checksum" in facts and _checksum(table) != facts[b"checksum"].decode():
            return None
        record = facts.get(b"record")
        return table if record is None or _parsed(record).name == path.parent.name else None
    except (OSError, pa.ArrowException, ValueError, TypeError, KeyError):
        return None


def _checksum(table: pa.Table) -> str:
    """Of what a listing says, whatever its form in the file: the lengths of its texts, and the texts."""
    digest = hashlib.sha256()
    for column in table.columns:
        texts = pa.concat_arrays(column.fill_null("").chunks or [pa.array([], pa.string())])
        _, places, content = texts.buffers()
        if len(texts):
            ends = np.frombuffer(places, np.int32, len(texts) + 1, 4 * texts.offset)
            digest.update(np.diff(ends).tobytes())
            digest.update(memoryview(content)[ends[0] : ends[-1]] if content else b"")
    return digest.hexdigest()[:32]
