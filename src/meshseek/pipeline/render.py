"""Render: views for the assets that came without any."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from meshseek.errors import UnreadableAssetError
from meshseek.model import Asset
from meshseek.pipeline.progress import Reporter
from meshseek.pipeline.stage import Outcome, Summary, Task, attempt, run_stage
from meshseek.pipeline.workers import in_processes
from meshseek.renderers import Renderer
from meshseek.store.workspace import Workspace


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
        final = self.workspace.views / task.asset_id
        temporary = final.with_name(f".{final.name}.{os.getpid()}.tmp")
        shutil.rmtree(temporary, ignore_errors=True)
        temporary.mkdir(parents=True)
        try:
            viewpoint_ids = self.renderer.render(model, temporary)
            _replace_folder(temporary, final)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
        yield {"asset_id": task.asset_id, "fingerprint": task.fingerprint, "viewpoint_ids": list(viewpoint_ids)}


def render(
    renderer: Renderer, workspace: Workspace, *, workers: int, max_assets: int | None, reporter: Reporter
) -> Summary:
    """Render every asset that has no views of its own.

    Raises:
        WorkspaceError: Nothing was imported, or the workspace cannot be written.
    """
    with workspace.lock("render"):
        _remove_leftovers(workspace.views)
        tasks = [
            Task(asset_id=asset.asset_id, fingerprint=_fingerprint(asset, renderer), payload=asset.model)
            for asset in workspace.assets(max_assets)
            if asset.views is None
        ]
        work = in_processes(workers, _Rendering(renderer, workspace))
        return run_stage("render", tasks, work, workspace.rendered_table(), reporter)


def _fingerprint(asset: Asset, renderer: Renderer) -> str:
    return f"{asset.fingerprint}:{renderer.fingerprint}"


def _replace_folder(temporary: Path, final: Path) -> None:
    shutil.rmtree(final, ignore_errors=True)
    temporary.rename(final)


def _remove_leftovers(views: Path) -> None:
    """Remove half-made folders of a run that was killed."""
    for folder in views.rglob(".*.tmp"):
        shutil.rmtree(folder, ignore_errors=True)
