"""The libraries of a workspace: how each was imported, and what it lists now."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from meshseek.errors import InputError, WorkspaceError
from meshseek.files import disk_error, make_folder, write_whole

NAME = re.compile(r"[^\W_][\w.-]{0,99}")
MOST_BYTES = 120
RECORD, LISTING, KNOWN = "library.json", "listing.parquet", "known"

Listing = Mapping[str, str]
"""The fingerprint of each asset's source as the library was last listed, by asset id, in the library's order."""


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
    max_assets: int | None = None
    """How many the last import took, where it was told not to take all."""
    imported_at: str | None = None
    """When the last import ended, in UTC; None while the first one goes on."""
    forgotten: tuple[str, ...] = ()
    """Ids of assets that the user wants out of the workspace, though the library has them."""


class Libraries:
    """The records and listings of a workspace's libraries, a folder for each.

    Args:
        folder: Where they are; there is none while nothing was imported, or was imported by an older Meshseek.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @property
    def are_known(self) -> bool:
        """Whether the workspace tells its libraries apart; in an older one, every imported asset counts."""
        return (self.folder / KNOWN).is_file() or any(self.folder.glob(f"*/{RECORD}"))

    def all(self) -> list[LibrarySource]:
        """The libraries in the order in which they were first imported.

        Raises:
            WorkspaceError: A record is damaged.
        """
        records = [_read_record(path) for path in self.folder.glob(f"*/{RECORD}")]
        return sorted(records, key=lambda library: library.number)

    @property
    def digest(self) -> str:
        """Changes whenever a library is listed otherwise than before; empty where libraries are not told apart."""
        content = hashlib.sha256()
        for library in self.all():
            path = self.folder / library.name / LISTING
            content.update(f"{library.name}\n{library.prefix}\n".encode())
            content.update(path.read_bytes() if path.is_file() else b"")
        return content.hexdigest() if self.are_known else ""

    def named(self, name: str) -> LibrarySource:
        """One library.

        Raises:
            InputError: There is none of this name.
        """
        known = self.all()
        for library in known:
            if library.name.casefold() == name.casefold():
                return library
        names = ", ".join(library.name for library in known)
        raise InputError(f"there is no library '{name}' here; the libraries are: {names or 'none'}")

    def path_of(self, name: str) -> Path | None:
        """Where a library is; None where that is not known."""
        record = self.folder / name / RECORD
        if NAME.fullmatch(name) is None or not record.is_file():
            return None
        path = _read_record(record).path
        return None if path is None else Path(path)

    def imported_from(self, dataset: str, path: Path, name: str | None) -> LibrarySource | None:
        """The library that an import means: the one of that name, or else the one that came from there before."""
        for library in self.all():
            same = (library.dataset, library.path) == (dataset, os.path.abspath(path))  # noqa: PTH100  # without '..'
            if same if name is None else library.name.casefold() == name.casefold():
                return library
        return None

    def listing(self, library: LibrarySource) -> dict[str, str]:
        """What a library listed at its last import.

        Raises:
            WorkspaceError: The listing is damaged.
        """
        table = self._listing(library)
        return dict(zip(table["asset_id"].to_pylist(), table["fingerprint"].to_pylist(), strict=True))

    def _listing(self, library: LibrarySource) -> pa.Table:
        path = self.folder / library.name / LISTING
        try:
            return pq.read_table(path, schema=_LISTING)
        except FileNotFoundError:
            return _LISTING.empty_table()
        except (OSError, pa.ArrowException) as error:
            raise WorkspaceError(f"{path} is damaged; remove it and import library '{library.name}' again") from error

    def save(self, library: LibrarySource, listing: Listing, before: Listing = MappingProxyType({})) -> None:
        """Write a library's record, after its listing.

        Args:
            library: The record.
            listing: What it lists now.
            before: The states that assets had before, while an import goes on: until it ends, either counts.

        Raises:
            WorkspaceError: The folder cannot be written.
        """
        folder = self.folder / library.name
        try:
            make_folder(folder)
            former = [before.get(asset_id) for asset_id in listing]
            columns = {"asset_id": list(listing.keys()), "fingerprint": list(listing.values()), "former": former}
            sink = pa.BufferOutputStream()
            pq.write_table(pa.table(columns, _LISTING), sink, compression="zstd")
            write_whole(folder / LISTING, memoryview(sink.getvalue()))
            self._write_record(library)
            if not (self.folder / KNOWN).is_file():  # it stays when the last library is forgotten
                write_whole(self.folder / KNOWN, b"")
        except OSError as error:
            raise disk_error(error, folder) from error

    def _write_record(self, library: LibrarySource) -> None:
        record = json.dumps(asdict(library), ensure_ascii=False, indent=1)
        write_whole(self.folder / library.name / RECORD, record.encode())

    def remove(self, library: LibrarySource) -> None:
        """Forget a library; its assets are in the workspace no longer.

        Raises:
            WorkspaceError: The folder cannot be written.
        """
        folder = self.folder / library.name
        try:
            (folder / RECORD).unlink()  # what makes it a library goes first
            shutil.rmtree(folder)
        except OSError as error:
            raise disk_error(error, folder) from error

    def forget(self, asset_ids: Iterable[str]) -> None:
        """Take assets out of the listings of their libraries, for good.

        Raises:
            InputError: An asset is in no library; then nothing is forgotten.
            WorkspaceError: The folder cannot be written.
        """
        left = set(asset_ids)
        changes = []
        for library in self.all():
            listing = self.listing(library)
            gone = left & listing.keys()
            left -= gone | set(library.forgotten)  # by a run that was killed, perhaps, before it had forgotten the others
            if gone:
                kept = {asset_id: made for asset_id, made in listing.items() if asset_id not in gone}
                changes.append((replace(library, forgotten=tuple(sorted({*library.forgotten, *gone}))), kept))
        if left:
            raise InputError(f"there is no asset '{min(left)}' in this workspace; nothing was forgotten, check the id")
        for library, kept in changes:
            self._write_record(library)  # first: whatever happens then, the next import leaves them out
            self.save(library, kept)

    def current(self, limit: int | None = None) -> dict[str, tuple[str, str | None, str]]:
        """Every asset that is listed, or the first so many of each library, by its id.

        Its fingerprint, that of its former state where an import goes on or was interrupted, and its library's name.
        """
        known: dict[str, tuple[str, str | None, str]] = {}
        for library in self.all():
            columns = [column.to_pylist() for column in self._listing(library).slice(0, limit).columns]
            for asset_id, fingerprint, former in zip(*columns, strict=True):
                known[asset_id] = (fingerprint, former, library.name)
        return known


_LISTING = pa.schema({"asset_id": pa.string(), "fingerprint": pa.string(), "former": pa.string()})


def check_name(name: str) -> None:
    """Refuse a name that cannot be a folder and the beginning of ids.

    Raises:
        InputError: It cannot.
    """
    if NAME.fullmatch(name) is None or len(name.encode()) > MOST_BYTES:
        raise InputError(
            f"'{name}' cannot name a library; use up to {MOST_BYTES} bytes of letters, digits, '.', '_' and '-', "
            "beginning with a letter or digit"
        )


def default_name(dataset: str, path: Path, taken: Iterable[str]) -> str:
    """A name for a library that got none: its dataset and folder, and a number where that is taken."""
    bare = re.sub(r"[^\w.-]+", "-", f"{dataset}-{path.stem}").strip(".-")
    bare = bare.encode()[: MOST_BYTES - 10].decode(errors="ignore")
    names = {name.casefold() for name in taken}
    candidates = (bare, *(f"{bare}-{number}" for number in range(2, len(names) + 3)))
    return next(name for name in candidates if name.casefold() not in names)


def _read_record(path: Path) -> LibrarySource:
    try:
        values: dict[str, Any] = json.loads(path.read_bytes())
        known = {field.name: values[field.name] for field in fields(LibrarySource) if field.name in values}
        return LibrarySource(**{**known, "forgotten": tuple(values.get("forgotten", ()))})
    except (OSError, ValueError, TypeError) as error:
        message = f"{path} is damaged; remove the folder {path.parent} and import that library again"
        raise WorkspaceError(message) from error
