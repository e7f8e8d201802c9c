"""Import: a library on disk becomes assets with captions and one GLB each."""

from __future__ import annotations

import os
import shutil
from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pyarrow.compute as pc

from meshseek.datasets import DATASETS, Dataset, Entry
from meshseek.errors import ConfirmationNeededError, DatasetError, LibraryGoneError, UnreadableAssetError
from meshseek.files import make_folder, move_whole
from meshseek.model import Asset
from meshseek.pipeline.bounds import cleaned, id_fault, within_bounds
from meshseek.pipeline.dating import dated
from meshseek.pipeline.measure import REVISION, measure_older, with_size
from meshseek.pipeline.stage import Outcome, Summary, Task, attempt, begin_stage, run_stage
from meshseek.pipeline.workers import Workers, in_processes
from meshseek.reporting import Reporter
from meshseek.untrusted.text import plain
from meshseek.workspace.by_asset import Some
from meshseek.workspace.integrity import checksum, faulty_models, packed_models
from meshseek.workspace.libraries import LibrarySource, Listing, check_name, default_name
from meshseek.workspace.made_from import version_of
from meshseek.workspace.tables import MEASURED, asset_row
from meshseek.workspace.workspace import Workspace

DRAFTS = ".drafts"
LARGE_PART = 0.2
"""Where a larger part of a library would leave the workspace, somebody has to agree."""
EARLIER = "earlier-import"
"""Name of what was imported before libraries had names."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LibraryOptions:
    """How an import treats its library."""

    name: str | None = None
    """Of the library; None for the one that was imported from there before, or a name of its dataset and folder."""
    yes: bool = False
    """It is agreed that more than a fifth of the library leaves the workspace."""
    recall: bool = False
    """Assets that were forgotten come back."""
    verify: bool = False
    """What was imported counts only where its model has the content that was written, not only its size."""
    again: Container[str] = ()
    """Ids of assets that are read again, whatever is there."""


BY_ORIGIN = LibraryOptions()


@dataclass(frozen=True, slots=True)
class _Reading:
    """Picklable: reads one entry in a worker."""

    dataset: Dataset
    models: Path
    prefix: str
    collisions: Mapping[str, str]
    """Ids that assets of other libraries have, whose names follow."""

    def __call__(self, task: Task[Entry]) -> Outcome:
        if task.asset_id in self.collisions:
            library = self.collisions[task.asset_id]
            return Outcome(
                asset_id=task.asset_id, skipped=f"library '{library}' has an asset of this id; rename this one"
            )
        fault = id_fault(task.asset_id)
        if fault is not None:
            return Outcome(asset_id=task.asset_id, skipped=fault)
        left_out: list[str] = []
        outcome = attempt(task.asset_id, lambda: [self._row(task.payload, left_out)])
        return replace(outcome, left_out=left_out)

    def _row(self, entry: Entry, left_out: list[str]) -> dict[str, Any]:
        asset, left = within_bounds(self._read(entry))
        for name in filter(None, (asset.model, str(asset.views.folder) if asset.views else None)):
            if plain(name) != name:
                raise UnreadableAssetError(
                    f"its file '{plain(name)}' is named with characters that nobody sees; rename it"
                )
        left_out += left
        return {**asset_row(cleaned(asset)), MEASURED: REVISION}

    def _read(self, entry: Entry) -> Asset:
        drafts = self.models / DRAFTS
        if not self.dataset.brings_models:
            return self._read_into(entry, drafts)
        make_folder(drafts)
        with TemporaryDirectory(dir=drafts) as draft:
            return self._read_into(entry, Path(draft))

    def _read_into(self, entry: Entry, draft: Path) -> Asset:
        asset = self.dataset.read(entry, draft)
        asset = with_size(replace(asset, asset_id=self.prefix + asset.asset_id), draft)
        if asset.model is None or not (draft / asset.model).is_file():
            return asset  # the model stays on its server, and is not named by us
        return self._with_model(asset, draft / asset.model)

    def _with_model(self, asset: Asset, draft: Path) -> Asset:
        fingerprint = checksum([draft])
        size = draft.stat().st_size
        model = f"{asset.asset_id}{version_of(fingerprint)}{draft.suffix}"
        make_folder((self.models / model).parent)
        move_whole(draft, self.models / model)
        return replace(asset, model=model, model_fingerprint=fingerprint, model_bytes=size)


def import_assets(
    dataset: Dataset,
    workspace: Workspace,
    *,
    workers: Workers | int,
    max_assets: int | None,
    reporter: Reporter,
    library: LibraryOptions = BY_ORIGIN,
) -> Summary:
    """Import a library, or its first ``max_assets`` assets; what is no longer in the library leaves the workspace.

    Raises:
        DatasetError: The library cannot be read at all.
        InputError: The library cannot have that name.
        ConfirmationNeededError: More than a fifth of the library is gone, and nobody has agreed.
        WorkspaceError: The workspace cannot be written.
    """
    with workspace.lock("import"):
        shutil.rmtree(workspace.models / DRAFTS, ignore_errors=True)  # of a run that was killed
        reporter.say("import: listing the library")
        source = _source(dataset, workspace, library)
        listed = _listed(dataset, source, workspace, max_assets, yes=library.yes)
        source, before = _take_over(source, workspace, listed)
        entries = _entries(source, listed)
        collisions = _collisions(source, workspace, entries)
        listing = {name: entry.fingerprint for name, entry in entries.items() if name not in collisions}
        moved = source.path not in {library.path for library in workspace.libraries.all()}
        if (max_assets is not None and not moved) or dataset.unlisted:  # what was not looked at has not left
            listing |= {asset_id: made for asset_id, made in before.items() if asset_id not in listing}
        leaving = [asset_id for asset_id in before if asset_id not in listing]
        if len(leaving) > LARGE_PART * len(before) and not library.yes:
            raise _shrinking(source, leaving, len(before))
        # Until all is read, an asset that changed still counts as what it was: an import may end in the middle.
        workspace.libraries.save(source, listing, _former(workspace, source, before, listing))
        reading = _Reading(dataset, workspace.models, source.prefix, collisions)
        finished = _finished(workspace, source, entries, library, reporter)
        table = workspace.assets_table()
        measured = measure_older(table, workspace.models, finished, workers=workers, reporter=reporter)
        try:
            work = dated(in_processes(workers, reading), table)
            summary = run_stage("import", _tasks(entries), work, table, reporter, finished)
        finally:
            shutil.rmtree(workspace.models / DRAFTS, ignore_errors=True)  # of assets that took too long
        if measured:
            summary.details["measured"] = measured
        if leaving:
            summary.details["left the library"] = len(leaving)
        source = replace(source, max_assets=max_assets, imported_at=datetime.now(UTC).isoformat(timespec="seconds"))
        workspace.libraries.save(source, listing)
        return summary


def _tasks(entries: Mapping[str, Entry]) -> Iterator[Task[Entry]]:
    for asset_id, entry in entries.items():
        yield Task(asset_id=asset_id, fingerprint=entry.fingerprint, payload=entry)


def _finished(
    workspace: Workspace,
    source: LibrarySource,
    entries: Mapping[str, Entry],
    options: LibraryOptions,
    reporter: Reporter,
) -> Mapping[str, str]:
    """What is in the workspace, of which state of each asset, with all of its files."""
    table = workspace.assets_table()
    finished = begin_stage(table, reporter)
    faulty = {fault.asset_id for fault in faulty_models(workspace, entries.keys(), verify=options.verify)}
    if options.verify:
        faulty |= {*packed_models(workspace, entries.keys())}
    for part in table.tables(entries.keys(), ["asset_id", "view_folder"]):
        elsewhere = pc.invert(pc.starts_with(part["view_folder"], f"{source.path}/"))
        apart = part.filter(elsewhere)  # of a library that has moved; none of most
        for asset_id, folder in zip(apart["asset_id"].to_pylist(), apart["view_folder"].to_pylist(), strict=True):
            if not Path(folder).is_relative_to(str(source.path)):
                faulty.add(asset_id)
    left_out = (faulty, options.again)
    return Some(finished, lambda name: name in entries and not any(name in some for some in left_out))


def _source(dataset: Dataset, workspace: Workspace, wanted: LibraryOptions) -> LibrarySource:
    """The record of a library, an earlier one or a new one; not written yet."""
    options = dataset.options
    layout = type(dataset).__module__.rpartition(".")[2]
    path = os.path.abspath(options.path)  # noqa: PTH100  # also without '..', but links stay as they are named
    origin: dict[str, Any] = {
        "dataset": layout,
        "path": path,
        "captions": str(options.captions.absolute()) if options.captions else None,
        "id_map": str(options.id_map.absolute()) if options.id_map else None,
        "unit": options.unit,
        "up": options.up,
    }
    for named in filter(None, (path, origin["captions"], origin["id_map"])):
        if plain(named) != named:  # it would be recorded, which takes UTF-8
            raise DatasetError(f"{plain(named)} is named with characters that nobody sees; rename it")
    name = wanted.name
    if name is not None:
        check_name(name)
    library = workspace.libraries.imported_from(DATASETS.all_names(layout), options.path, name)
    if library is not None:
        return replace(library, **origin, forgotten=() if wanted.recall else library.forgotten)
    known = workspace.libraries.all()
    name = name or default_name(layout, options.path, (library.name for library in known))
    number = 1 + max((library.number for library in known), default=0)
    return LibrarySource(name=name, number=number, prefix=f"{name}/" if known else "", **origin)


def _listed(
    dataset: Dataset, source: LibrarySource, workspace: Workspace, max_assets: int | None, *, yes: bool
) -> list[Entry]:
    """The entries of the library; none where all of it is gone and that is agreed."""
    try:
        return list(islice(dataset.entries(), max_assets))
    except LibraryGoneError as error:
        if not workspace.libraries.listing_before(source):
            raise
        if yes:
            return []
        raise ConfirmationNeededError(
            f"{error}; or give --yes to take all assets of library '{source.name}' out of the workspace"
        ) from error


def _take_over(source: LibrarySource, workspace: Workspace, listed: Sequence[Entry]) -> tuple[LibrarySource, Listing]:
    """The record, with the listing of the library's last import.

    A workspace of an older Meshseek does not say which library its assets came from: they are this library's where it
    lists any of them, and else get a record of their own.
    """
    if workspace.libraries.are_known or not len(workspace.assets_table()):
        return source, workspace.libraries.listing_before(source)
    before = workspace.assets_table().fingerprints()  # all count, as no library says which do
    if before.keys() & {entry.asset_id for entry in listed}:
        return source, before
    workspace.libraries.save(LibrarySource(name=EARLIER, number=0, prefix=""), before)
    return replace(source, prefix=f"{source.name}/"), {}


def _former(workspace: Workspace, source: LibrarySource, before: Listing, listing: Listing) -> dict[str, str]:
    """The state in which each asset of a library counts now, of those that are imported and have changed."""
    if not workspace.libraries.are_known:
        return {asset_id: made for asset_id, made in before.items() if listing.get(asset_id) != made}
    imported = workspace.assets_table().fingerprints()
    return {
        asset_id: made
        for asset_id, *states in workspace.libraries.states(source)
        if (made := imported.get(asset_id, "")) in states and asset_id in before and made != listing.get(asset_id)
    }


def _collisions(source: LibrarySource, workspace: Workspace, entries: Mapping[str, Entry]) -> dict[str, str]:
    """The ids that assets of other libraries have already, with the names of these libraries."""
    return {
        asset_id: other.name
        for other in workspace.libraries.all()
        if other.name != source.name
        for asset_id in entries.keys() & workspace.libraries.listing_before(other).keys()
    }


def _entries(source: LibrarySource, listed: Sequence[Entry]) -> dict[str, Entry]:
    """The entries by their ids in the workspace, without those that the user wants out of it."""
    entries: dict[str, Entry] = {}
    for entry in listed:
        asset_id = source.prefix + entry.asset_id
        if asset_id in entries:
            raise DatasetError(f"several assets of the library have the id '{asset_id}'; rename all but one of them")
        entries[asset_id] = entry
    forgotten = frozenset(source.forgotten)
    return {asset_id: entry for asset_id, entry in entries.items() if asset_id not in forgotten}


def _shrinking(source: LibrarySource, leaving: Sequence[str], before: int) -> ConfirmationNeededError:
    return ConfirmationNeededError(
        f"{len(leaving):,} of the {before:,} assets of library '{source.name}' are no longer in {source.path}, "
        f"for example '{leaving[0]}'; check the folder, or give --yes to take them out of the workspace"
    )
