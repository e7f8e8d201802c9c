"""Render: views for the assets that came without any."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from meshseek.errors import UnreadableAssetError
from meshseek.files import make_folder, move_whole
from meshseek.model import Asset
from meshseek.pipeline.stage import Outcome, Summary, Task, attempt, run_stage
from meshseek.pipeline.workers import in_processes
from meshseek.renderers import Renderer
from meshseek.reporting import Reporter
from meshseek.workspace.workspace import Workspace

DRAFTS = ".drafts"
VIEW_SUFFIXES = {".png", ".json"}


@dataclass(frozen=True, slots=True)
class _Rendering:
    """Picklable: renders one asset in a worker."""

    renderer: Renderer
    workspace: Workspace

    def __call__(self, task: Task[str | None]) -> Outcome:
        return attempt(task.asset_id, lambda: self._rows(task))

    def _rows(self, task: Task[str | None]) -> Iterator[dict[str, Any]]:
        if task.payload is None:
            raise UnreadableAssetError("has neither views nor a model to render")
        model = self.workspace.models / task.payload
        if not model.is_file():
            raise UnreadableAssetError(f"its model {model} is missing; put it there, or run 'meshseek import' again")
        drafts = self.workspace.views / DRAFTS
        drafts.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(dir=drafts) as draft:
            viewpoint_ids = self.renderer.render(model, Path(draft))
            _replace_views(Path(draft), self.workspace.views / task.asset_id)
        yield {"asset_id": task.asset_id, "fingerprint": task.fingerprint, "viewpoint_ids": list(viewpoint_ids)}


def render(
    renderer: Renderer, workspace: Workspace, *, workers: int, max_assets: int | None, reporter: Reporter
) -> Summary:
    """Render every asset that has no views of its own.

    Raises:
        WorkspaceError: Nothing was imported, or the workspace cannot be written.
    """
    with workspace.lock("render"):
        shutil.rmtree(workspace.views / DRAFTS, ignore_errors=True)  # of a run that was killed
        tasks = [
            Task(asset_id=asset.asset_id, fingerprint=_fingerprint(asset, renderer), payload=asset.model)
            for asset in workspace.assets(max_assets)
            if asset.views is None
        ]
        work = in_processes(workers, _Rendering(renderer, workspace))
        return run_stage("render", tasks, work, workspace.rendered_table(), reporter)


def _fingerprint(asset: Asset, renderer: Renderer) -> str:
    return f"{asset.model_fingerprint or asset.fingerprint}:{renderer.fingerprint}"


def _replace_views(draft: Path, final: Path) -> None:
    """Put views in the place of older ones, file by file: below the folder of ``chair`` is also ``chair/leg``'s.

    The views count only when the table names them, so nobody sees a half of them.
    """
    for old in final.glob("*/*.*"):
        if old.stem == old.parent.name and old.suffix in VIEW_SUFFIXES:
            old.unlink()
    for file in draft.glob("*/*.*"):
        target = final / file.relative_to(draft)
        make_folder(target.parent)
        move_whole(file, target)
