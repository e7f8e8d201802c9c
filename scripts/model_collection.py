"""Tries the models of a collection, such as assimp's: ``python scripts/model_collection.py FOLDER``.

Every model below the folder is imported and rendered, each in bounds of its own; what cannot be read is
listed with its reason. Collections are not part of the repository: on Debian, ``apt-get download assimp-testmodels``
and ``dpkg-deb -x`` give one.
"""

from __future__ import annotations

import sys
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

from meshseek.datasets import DatasetOptions, Entry
from meshseek.datasets.folder import Folder
from meshseek.errors import UnreadableAssetError
from meshseek.pipeline.stage import Outcome, Task
from meshseek.pipeline.workers import Workers, in_processes
from meshseek.renderers.embree import Embree

SECONDS, MEGABYTES = 60, 4000


class Try:
    """Picklable: imports and renders one model."""

    def __init__(self, dataset: Folder) -> None:
        self.dataset = dataset

    def __call__(self, task: Task[Entry]) -> Outcome:
        """The stage that it came to."""
        began, stage = time.monotonic(), "imported"
        with TemporaryDirectory() as folder:
            try:
                asset = self.dataset.read(task.payload, Path(folder))
                stage = "rendered"
                Embree(views=1, size=64).render(Path(folder, str(asset.model)), Path(folder, "views"))
            except UnreadableAssetError as error:
                told = str(error).replace(f"{self.dataset.options.path}/", "")
                return Outcome(asset_id=task.asset_id, skipped=f"not {stage}: {told}")
        return Outcome(asset_id=task.asset_id, rows=[{"seconds": time.monotonic() - began}])


def main() -> int:
    """Print what came of each model, and how many came how far."""
    if len(sys.argv) != 2 or not Path(sys.argv[1]).is_dir():  # noqa: PLR2004
        print("give the folder of a collection: python scripts/model_collection.py FOLDER", file=sys.stderr)
        return 2
    dataset = Folder(DatasetOptions(path=Path(sys.argv[1])))
    entries = list(dataset.entries())
    tasks: list[Task[Entry]] = [
        Task(asset_id=entry.asset_id, fingerprint="", payload=replace(entry)) for entry in entries
    ]
    counts: Counter[str] = Counter()
    slowest = 0.0
    for outcome in in_processes(Workers(2, seconds=SECONDS, memory=MEGABYTES * 1_000_000), Try(dataset))(tasks):
        counts["rendered" if outcome.skipped is None else outcome.skipped.partition(":")[0]] += 1
        slowest = max(slowest, *(row["seconds"] for row in outcome.rows), 0.0)
        if outcome.skipped is not None:
            print(f"{outcome.asset_id:<50} {outcome.skipped[:200]}")
    print(f"{len(entries)} models: " + ", ".join(f"{count} {what}" for what, count in counts.most_common()))
    print(f"slowest {slowest:.1f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
