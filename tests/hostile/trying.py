"""Tries one hostile file as the product would meet it, and says what came of it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from meshseek.datasets import DATASETS, Dataset, DatasetOptions
from meshseek.errors import MeshseekError
from meshseek.images import read_image
from meshseek.pipeline.bounds import cleaned, within_bounds
from meshseek.pipeline.measure import with_size
from meshseek.pipeline.stage import Outcome, Task
from meshseek.renderers.embree import Embree
from meshseek.workspace.shards import ShardFolder
from meshseek.workspace.tables import ASSETS, asset_row
from meshseek.workspace.view_files import open_camera, read_view
from tests.hostile.corpus import Hostile, Kind, corpus
from tests.model_libraries import CUBE, png

READ = "read"


def tasks(folder: Path) -> list[Task[tuple[Hostile, Path]]]:
    """The corpus, written below a folder, as work for processes."""
    return [
        Task(asset_id=f"{case.kind}/{case.name}", fingerprint="", payload=(case, case.write(folder)))
        for case in corpus()
    ]


def attempt_case(task: Task[tuple[Hostile, Path]]) -> Outcome:
    """Try one file: its row says what came of it; errors that are not ours are raised, and end everything."""
    case, path = task.payload
    started = time.monotonic()
    with TemporaryDirectory() as temporary:
        try:
            result = TRIALS[case.kind](path, Path(temporary))
        except MeshseekError as error:
            result = str(error)
    seconds, megabytes = time.monotonic() - started, _most_megabytes()
    row = {"outcome": result.replace(f"{path.parent}/", ""), "seconds": seconds, "megabytes": megabytes}
    return Outcome(asset_id=task.asset_id, rows=[row])


def _most_megabytes() -> int:
    """The most that this process ever took; ``getrusage`` would tell of the program that started it as well."""
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) >> 10


def _read_all(dataset: Dataset, folder: Path, most: int = 3) -> str:
    """Import the first assets and render them."""
    read, reasons = 0, []
    for number, entry in enumerate(list(dataset.entries())[:most]):
        try:
            asset = dataset.read(replace(entry), folder)
            asset, _ = within_bounds(with_size(asset, folder))
            ShardFolder(folder / "table", ASSETS).append([{**asset_row(cleaned(asset)), "measured": 1}])
            if asset.views is not None:
                for viewpoint in asset.views.viewpoint_ids:
                    read_view(asset.views.folder, viewpoint, asset.views.root)
                    open_camera(asset.views.folder, viewpoint, asset.views.root).close()
            elif asset.model is not None:
                Embree(views=1, size=16).render(folder / asset.model, folder / "views" / str(number))
            read += 1
        except MeshseekError as error:
            reasons.append(str(error))
    return reasons[0] if reasons else f"{READ} {read}"


def _model(path: Path, folder: Path) -> str:
    return _read_all(DATASETS.load("folder")(DatasetOptions(path=path.parent)), folder)


def _picture(path: Path, _: Path) -> str:
    for source in (path, path.read_bytes()):  # as a view, and as an upload
        read_image(source)
    return READ


def _library(path: Path, folder: Path) -> str:
    return _read_all(DATASETS.load("sweethome3d")(DatasetOptions(path=path)), folder)


def _tar(path: Path, folder: Path) -> str:
    return _read_all(DATASETS.load("webdataset")(DatasetOptions(path=path.parent)), folder)


def _captions(path: Path, folder: Path) -> str:
    (path.parent / "cube.obj").write_text(CUBE)
    return _read_all(DATASETS.load("folder")(DatasetOptions(path=path.parent, captions=path)), folder)


def _map(path: Path, folder: Path) -> str:
    view = path.parent / "renders" / "0/1/00000/00000.png"
    view.parent.mkdir(parents=True, exist_ok=True)
    view.write_bytes(png())
    view.with_suffix(".json").write_text("{}")
    return _read_all(DATASETS.load("gobjaverse")(DatasetOptions(path=path.parent / "renders", id_map=path)), folder)


def _renders(path: Path, folder: Path) -> str:
    root = next(above for above in path.parents if above.parent.name == "renders")
    return _read_all(DATASETS.load("gobjaverse")(DatasetOptions(path=root)), folder)


TRIALS: dict[Kind, Callable[[Path, Path], str]] = {
    "model": _model,
    "picture": _picture,
    "library": _library,
    "tar": _tar,
    "captions": _captions,
    "map": _map,
    "renders": _renders,
}


def table(outcomes: Iterator[Outcome]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Name and row of each case; what was killed has its reason."""
    for outcome in outcomes:
        killed = {"outcome": outcome.skipped, "seconds": 0.0, "megabytes": 0}
        yield outcome.asset_id, dict(outcome.rows[0]) if outcome.rows else killed
