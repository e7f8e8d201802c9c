"""The libraries of a workspace: how each was imported, and what it lists now."""

from __future__ import annotations

import hashlib
import os
import re
import secrets
import shutil
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import asdict, replace
from pathlib import Path
from types import MappingProxyType

import pyarrow as pa

from meshseek.errors import InputError, WorkspaceError
from meshseek.files import disk_error, make_folder, write_whole
from meshseek.sealed import sealed
from meshseek.workspace.by_asset import ByAsset, Texts, latest_rows, texts_by_asset
from meshseek.workspace.library_files import (
    FORMER,
    LISTING,
    LISTING_SCHEMA,
    RECORD,
    LibrarySource,
    is_whole,
    listing_digest,
    read_listing,
    record_of,
    write_listing,
)

__all__ = ["Libraries", "LibrarySource", "Listing", "check_name", "default_name"]

NAME = re.compile(r"[^\W_][\w.-]{0,99}")
MOST_BYTES = 120
KNOWN = "known"
_ROWS = 16_384
"""Of a listing that are Python's values at a time."""

NUMBERED = LISTING_SCHEMA.append(pa.field("number", pa.int32()))

Listing = Mapping[str, str]
"""The fingerprint of each asset's source as the library was last listed, by asset id, in the library's order."""


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
        return (self.folder / KNOWN).is_file() or any(self.all())

    def all(self) -> list[LibrarySource]:
        """The libraries in the order in which they were first imported.

        Raises:
            WorkspaceError: A record is damaged.
        """
        folders = (path for path in self.folder.glob("*/") if NAME.fullmatch(path.name))
        records = [record for path in folders if (record := record_of(path)) is not None]
        return sorted(records, key=lambda library: library.number)

    def damaged(self) -> list[Path]:
        """The records and listings that are missing or were altered."""
        damaged: list[Path] = []
        for folder in self.folder.glob("*/"):
            if NAME.fullmatch(folder.name) is None:
                continue
            record, listing = folder / RECORD, folder / LISTING
            damaged += [record] if read_listing(listing) is not None and not is_whole(record) else []
            damaged += [listing] if record.is_file() and read_listing(listing) is None else []
        return damaged

    @property
    def digest(self) -> str:
        """Changes whenever a library is listed otherwise than before; empty where libraries are not told apart."""
        content = hashlib.sha256()
        for library in self.all():
            path = self.folder / library.name / LISTING
            content.update(f"{library.name}\n{library.prefix}\n".encode())
            content.update(listing_digest(path))
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
        library = record_of(self.folder / name) if NAME.fullmatch(name) else None
        return None if library is None or library.path is None else Path(library.path)

    def imported_from(self, datasets: Collection[str], path: Path, name: str | None) -> LibrarySource | None:
        """The library that an import means: the one of that name, or else the one that came from there before.

        Args:
            datasets: The name of its layout, and those that the layout had before.
            path: Where it is.
            name: Its name, where the user gave one.
        """
        place = os.path.abspath(path)  # noqa: PTH100  # without '..'
        for library in self.all():
            same = library.dataset in datasets and library.path == place
            if same if name is None else library.name.casefold() == name.casefold():
                return library
        return None

    def listing(self, library: LibrarySource) -> Listing:
        """What a library listed at its last import.

        Raises:
            WorkspaceError: The listing is missing or damaged.
        """
        return texts_by_asset(latest_rows([self._listing(library)], LISTING_SCHEMA), "fingerprint")

    def listing_before(self, library: LibrarySource) -> Listing:
        """The same for an import, which makes the listing anew: what is damaged says nothing."""
        table = read_listing(self.folder / library.name / LISTING)
        return {} if table is None else self.listing(library)

    def states(self, library: LibrarySource) -> Iterator[tuple[str, str, str | None]]:
        """Each asset that a library lists, with its fingerprint and, while an import goes on, that of its former state.

        What is damaged says nothing, as in :meth:`listing_before`.
        """
        table = read_listing(self.folder / library.name / LISTING)
        for batch in [] if table is None else table.to_batches(_ROWS):
            yield from zip(*(column.to_pylist() for column in batch.columns), strict=True)

    def _listing(self, library: LibrarySource) -> pa.Table:
        path = self.folder / library.name / LISTING
        table = read_listing(path)
        if table is None and record_of(path.parent) is None:
            return LISTING_SCHEMA.empty_table()  # its first import begins
        if table is None:
            raise WorkspaceError(
                f"{path} is missing or damaged; run 'meshseek update', which lists library '{library.name}' again"
            )
        return table

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
            rows = ((asset_id, made, before.get(asset_id)) for asset_id, made in listing.items())
            write_listing(folder / LISTING, rows, library)
            self._write_record(library)
            if not (self.folder / KNOWN).is_file():  # it stays when the last library is forgotten
                write_whole(self.folder / KNOWN, b"")
        except OSError as error:
            raise disk_error(error, folder) from error

    def _write_record(self, library: LibrarySource) -> None:
        record = self.folder / library.name / RECORD
        try:
            write_whole(record, sealed(asdict(library)))
        except OSError as error:
            raise disk_error(error, record.parent) from error

    def remove(self, library: LibrarySource) -> None:
        """Forget a library; its assets are in the workspace no longer.

        Raises:
            WorkspaceError: The folder cannot be written.
        """
        folder = self.folder / library.name
        aside = self.folder / f".forgotten-{secrets.token_hex(8)}"
        try:
            folder.rename(aside)  # in one step: what is left of it is no library
            shutil.rmtree(aside)
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
            left -= gone | set(
                library.forgotten
            )  # by a run that was killed, perhaps, before it had forgotten the others
            if gone:
                kept = {asset_id: made for asset_id, made in listing.items() if asset_id not in gone}
                changes.append((replace(library, forgotten=tuple(sorted({*library.forgotten, *gone}))), kept))
        if left:
            raise InputError(f"there is no asset '{min(left)}' in this workspace; nothing was forgotten, check the id")
        for library, kept in changes:
            self._write_record(library)  # first: whatever happens then, the next import leaves them out
            self.save(library, kept)

    def listed(self) -> pa.ChunkedArray:
        """The ids of all assets that are listed.

        Raises:
            WorkspaceError: A listing is missing or damaged.
        """
        listings = [self._listing(library)["asset_id"] for library in self.all()]
        return pa.chunked_array([chunk for ids in listings for chunk in ids.chunks], pa.string())

    def current(self, limit: int | None = None) -> Mapping[str, tuple[str, str | None, str]]:
        """Every asset that is listed, or the first so many of each library, by its id.

        Its fingerprint, that of its former state where an import goes on or was interrupted, and its library's name.
        """
        libraries = self.all()
        listings = (self._listing(library).slice(0, limit) for library in libraries)
        numbered = (
            listing.append_column(NUMBERED.field("number"), pa.repeat(pa.scalar(number, pa.int32()), len(listing)))
            for number, listing in enumerate(listings)
        )
        rows = latest_rows(numbered, NUMBERED)
        made, former, numbers = Texts(rows["fingerprint"]), Texts(rows[FORMER]), memoryview(rows["number"].to_numpy())
        return ByAsset(rows["asset_id"], lambda row: (made.at(row), former[row], libraries[numbers[row]].name))


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
