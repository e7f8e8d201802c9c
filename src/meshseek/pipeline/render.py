"""Render: views for the assets that came without any."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from meshseek.errors import UnreadableAssetError
from meshseek.files import make_folder, move_whole
from meshseek.pipeline.stage import Outcome, Summary, Task, attempt, begin_stage, run_stage
from meshseek.pipeline.units import Job
from meshseek.pipeline.workers import Bounds, Workers, in_processes
from meshseek.renderers import Renderer
from meshseek.reporting import Reporter
from meshseek.workspace.by_asset import Some
from meshseek.workspace.integrity import checksum, faulty_views, picture_path
from meshseek.workspace.made_from import render_fingerprint, version_of
from meshseek.workspace.workspace import Workspace

DRAFTS = ".drafts"
RENDER_UNIT = 32
"""Assets that another machine renders as one shard."""


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
            raise UnreadableAssetError(f"its model {model} is missing; put it there, or run 'meshseek update'")
        drafts = self.workspace.views / DRAFTS
        make_folder(drafts)
        folder = f"{task.asset_id}/{version_of(task.fingerprint)}"
        with TemporaryDirectory(dir=drafts) as temporary:
            draft = Path(temporary, "views")
            draft.mkdir()
            viewpoint_ids = list(self.renderer.render(model, draft))
            pictures = [picture_path(draft, number) for number in viewpoint_ids]
            row = {
                "asset_id": task.asset_id,
                "fingerprint": task.fingerprint,
                "folder": folder,
                "viewpoint_ids": viewpoint_ids,
                "sizes": [picture.stat().st_size for picture in pictures],
                "checksum": checksum(pictures),
            }
            final = self.workspace.views / folder
            shutil.rmtree(final, ignore_errors=True)  # the same views, some of them lost
            make_folder(final.parent)
            move_whole(draft, final)
        yield row


def _has_model(task: Task[str | None]) -> int:
    return int(task.payload is not None)


def _elsewhere(
    bounds: Bounds, rendering: _Rendering, processors: int
) -> Callable[[Sequence[Task[str | None]]], Iterable[Outcome]]:
    return in_processes(Workers.within(bounds, processors), rendering)


def render(
    renderer: Renderer,
    workspace: Workspace,
    *,
    workers: Workers | int,
    max_assets: int | None,
    reporter: Reporter,
    verify: bool = False,
) -> Summary:
    """Render every asset that has no views of its own.

    Args:
        renderer: Makes the views.
        workspace: Has the models.
        workers: Processes.
        max_assets: Only the first so many of each library.
        reporter: Shows the progress.
        verify: Views count as finished only where they have the content that was written, not only its size.

    Raises:
        WorkspaceError: Nothing was imported, or the workspace cannot be written.
    """
    with workspace.lock("render"):
        shutil.rmtree(workspace.views / DRAFTS, ignore_errors=True)  # of a run that was killed
        table = workspace.rendered_table()
        finished = begin_stage(table, reporter)
        faulty = {fault.asset_id for fault in faulty_views(workspace, verify=verify)}
        whole = Some(finished, lambda asset_id: asset_id not in faulty)
        tasks = [
            Task(
                asset_id=asset.asset_id,
                fingerprint=render_fingerprint(asset, renderer.fingerprint),
                payload=asset.model,
            )
            for asset in workspace.assets(max_assets, parts=["model", "views"])
            if asset.views is None
        ]
        crew, rendering = Workers.of(workers), _Rendering(renderer, workspace)
        job = Job(
            here=in_processes(crew, rendering),
            elsewhere=partial(_elsewhere, crew.bounds, rendering),
            table=table,
            most=RENDER_UNIT,
            size=_has_model,
            uses_gpu=False,
        )
        work = crew.engine.work(job)
        try:
            return run_stage("render", tasks, work, table, reporter, whole)
        finally:
            shutil.rmtree(workspace.views / DRAFTS, ignore_errors=True)  # of assets that took too long
