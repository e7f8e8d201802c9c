"""Translate: every asset gets Chinese captions, as far as the translator has them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence

from meshseek.model import Asset
from meshseek.pipeline.progress import Reporter
from meshseek.pipeline.stage import Outcome, Summary, Task, in_batches, run_stage
from meshseek.store.workspace import Workspace
from meshseek.translators import Translator

BATCH = 1000


def translate(translator: Translator, workspace: Workspace, *, max_assets: int | None, reporter: Reporter) -> Summary:
    """Collect the Chinese captions of all assets.

    Raises:
        WorkspaceError: Nothing was imported, or the workspace cannot be written.
    """

    def work(tasks: Sequence[Task[Asset]]) -> Iterator[Outcome]:
        translations = translator.translate([task.payload for task in tasks])
        for task, captions in zip(tasks, translations, strict=True):
            # Rows without captions too: they replace what an asset had once.
            row = {"asset_id": task.asset_id, "fingerprint": task.fingerprint, "captions": list(captions)}
            yield Outcome(asset_id=task.asset_id, rows=[row])

    with workspace.lock("translate"):
        tasks = (
            Task(asset_id=asset.asset_id, fingerprint=_fingerprint(asset, translator), payload=asset)
            for asset in workspace.assets(max_assets)
        )
        table = workspace.chinese_captions_table()
        summary = run_stage("translate", tasks, in_batches(BATCH, work), table, reporter)
        summary.details["without Chinese"] = sum(not captions for captions in workspace.chinese_captions().values())
        return summary


def _fingerprint(asset: Asset, translator: Translator) -> str:
    text = repr((translator.fingerprint, asset.captions_english, asset.captions_chinese))
    return hashlib.sha256(text.encode()).hexdigest()[:16]
