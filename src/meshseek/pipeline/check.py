"""Check: whether what a workspace speaks of is there, as it was written, and made from what assets are now."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from meshseek.datasets import Dataset
from meshseek.errors import MeshseekError, UnreadableAssetError
from meshseek.pipeline.clean import all_tables
from meshseek.pipeline.standing import Standing, standings
from meshseek.reporting import Reporter
from meshseek.workspace.current import CurrentAssets
from meshseek.workspace.integrity import Fault, checksum, faulty_models, faulty_views, missing_dataset_views
from meshseek.workspace.libraries import LibrarySource
from meshseek.workspace.workspace import Workspace
from meshseek.workspace.world import damaged_world


@dataclass(slots=True, kw_only=True)
class Report:
    """What a check has found."""

    faults: list[Fault] = field(default_factory=list)
    """Models and views that are missing or altered."""
    changed: list[str] = field(default_factory=list)
    """Ids of assets whose library gives another model than was imported, though nothing tells it from outside."""
    damaged: list[Path] = field(default_factory=list)
    """Parts of tables, records, listings and remembered options that are missing or were altered."""
    lost_libraries: dict[str, str] = field(default_factory=dict)
    """A sentence about each library that cannot be read, by its name."""
    standings: Mapping[str, Standing] = field(default_factory=dict)
    outdated_publications: list[str] = field(default_factory=list)
    """Algorithms of which something else is published than would be now."""
    orphaned: Sequence[Path] = ()
    """Files that nobody needs."""

    @property
    def is_sound(self) -> bool:
        """Whether nothing is missing, altered or outdated."""
        outdated = self.outdated_publications or any(standing.outdated for standing in self.standings.values())
        return not (self.faults or self.changed or self.damaged or self.lost_libraries or outdated)

    def as_json(self) -> dict[str, Any]:
        """Plain values for ``--json``."""
        return {
            "sound": self.is_sound,
            **{
                kind: [
                    {"asset_id": fault.asset_id, "path": str(fault.path)} for fault in self.faults if fault.kind == kind
                ]
                for kind in ("missing", "altered")
            },
            "changed": self.changed,
            "damaged": [str(path) for path in self.damaged],
            "lost_libraries": list(self.lost_libraries.values()),
            "outdated": {name: dict(standing.outdated) for name, standing in self.standings.items()},
            "outdated_publications": self.outdated_publications,
            "waiting": {name: dict(standing.waiting) for name, standing in self.standings.items()},
            "skipped": {name: dict(standing.skipped) for name, standing in self.standings.items()},
            "orphaned": [str(path) for path in self.orphaned],
        }


def check(workspace: Workspace, reporter: Reporter, *, verify: bool) -> Report:
    """Look for what is missing, altered or outdated.

    Args:
        workspace: What to look at.
        reporter: Shows the progress.
        verify: Read every file and compare its content, not only its size.

    Raises:
        WorkspaceError: A manifest is damaged; the message says which folder to remove.
    """
    report = Report()
    reporter.say("check: tables")
    for table in all_tables(workspace):
        report.damaged += table.damaged()
    report.damaged += [path for name in workspace.algorithms() for path in workspace.lost_vectors(name)]
    report.damaged += [*workspace.libraries.damaged(), *workspace.remembered.damaged()]
    report.damaged += (path for name in workspace.algorithms() if (path := damaged_world(workspace, name)) is not None)
    if report.damaged:  # the rows of these tables are not known
        return report
    reporter.say("check: models and views")
    if len(workspace.assets_table()):
        # The files of what left, and of what assets once were, are nobody's loss: nothing would make them again.
        has_views = {asset.asset_id: asset.views is not None for asset in CurrentAssets(workspace, parts=["views"])}
        models, views = faulty_models(workspace, verify=verify), faulty_views(workspace, verify=verify)
        report.faults += (fault for fault in models if fault.asset_id in has_views)
        report.faults += (fault for fault in views if has_views.get(fault.asset_id))
        report.faults += missing_dataset_views(workspace)
    for library in workspace.libraries.all():
        if library.path is not None and not Path(library.path).exists():
            report.lost_libraries[library.name] = f"library '{library.name}': {library.path} is not there"
    report.standings = standings(workspace, workspace.algorithms())
    return report


def verify_sources(
    workspace: Workspace, open_dataset: Callable[[LibrarySource], Dataset], report: Report, reporter: Reporter
) -> None:
    """Read each library again and add what gives another model than the one that was imported.

    It finds files whose content changed while their size and time stayed as they were.

    Args:
        workspace: What was imported.
        open_dataset: Opens the dataset of a library.
        report: Is added to.
        reporter: Shows the progress.

    Raises:
        WorkspaceError: A table is damaged.
    """
    imported = {asset.asset_id: asset for asset in workspace.assets(parts=["model"])}
    for library in workspace.libraries.all():
        if library.dataset is None:
            continue
        try:
            dataset = open_dataset(library)
            listing = workspace.libraries.listing(library)
            with reporter.bar(f"check {library.name}", len(listing)) as advance:
                for asset_id, fingerprint in _models_now(dataset, library, listing, advance):
                    asset = imported.get(asset_id)
                    if asset is not None and asset.model_fingerprint not in {None, fingerprint}:
                        report.changed.append(asset_id)
        except MeshseekError as error:
            report.lost_libraries[library.name] = f"library '{library.name}': {error}"


def _models_now(
    dataset: Dataset, library: LibrarySource, listing: Mapping[str, str], advance: Callable[[int], None]
) -> Iterator[tuple[str, str]]:
    """The fingerprint of each model that looks as it did when it was imported, as its library gives it now."""
    for entry in dataset.entries():
        advance(1)
        if listing.get(library.prefix + entry.asset_id) != entry.fingerprint:
            continue  # the next import sees that by itself
        with TemporaryDirectory() as folder:
            try:
                asset = dataset.read(entry, Path(folder))
            except (UnreadableAssetError, OSError):
                continue
            if asset.model is not None and Path(folder, asset.model).is_file():
                yield library.prefix + asset.asset_id, checksum([Path(folder, asset.model)])
