"""Import: a library on disk becomes assets with captions and one GLB each."""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

from meshseek.datasets import Dataset, Entry
from meshseek.errors import DatasetError
from meshseek.model import Asset
from meshseek.pipeline.stage import Outcome, Summary, Task, attempt, run_stage
from meshseek.pipeline.workers import in_processes
from meshseek.reporting import Reporter
from meshseek.workspace.workspace import Workspace, asset_row


@dataclass(frozen=True, slots=True)
class _Reading:
    """Picklable: reads one entry in a worker."""

    dataset: Dataset
    models: Path

    def __call__(self, task: Task[Entry]) -> Outcome:
        return attempt(task.asset_id, lambda: [asset_row(self._read(task.payload))])

    def _read(self, entry: Entry) -> Asset:
        asset = self.dataset.read(entry, self.models)
        if asset.model is None or not (self.models / asset.model).is_file():
            return asset
        with (self.models / asset.model).open("rb") as file:
            return replace(asset, model_fingerprint=hashlib.file_digest(file, "sha256").hexdigest())


def import_assets(
    dataset: Dataset, workspace: Workspace, *, workers: int, max_assets: int | None, reporter: Reporter
) -> Summary:
    """Import a library, or its first ``max_assets`` assets.

    Raises:
        DatasetError: The library cannot be read at all.
        WorkspaceError: The workspace cannot be written.
    """
    with workspace.lock("import"):
        reporter.say("import: listing the library")
        tasks = [
            Task(asset_id=entry.asset_id, fingerprint=entry.fingerprint, payload=entry)
            for entry in islice(dataset.entries(), max_assets)
        ]
        repeated = [asset_id for asset_id, count in Counter(task.asset_id for task in tasks).items() if count > 1]
        if repeated:
            raise DatasetError(f"the library gives '{repeated[0]}' to several assets; rename all but one of them")
        work = in_processes(workers, _Reading(dataset, workspace.models))
        return run_stage("import", tasks, work, workspace.assets_table(), reporter)
