"""Translate: every asset gets Chinese captions, as far as its library or the translator has them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow.compute as pc

from meshseek.model import Estimate
from meshseek.pipeline.stage import Outcome, Summary, Task, begin_stage, run_stage
from meshseek.reporting import Reporter
from meshseek.translators import Translation, Translator
from meshseek.workspace.made_from import caption_source, partly_translated
from meshseek.workspace.workspace import Workspace


@dataclass(frozen=True, slots=True)
class _Captions:
    """What one asset is called, before translation."""

    english: tuple[str, ...]
    chinese: tuple[str, ...]


def translate(
    translator: Translator,
    workspace: Workspace,
    *,
    max_assets: int | None,
    reporter: Reporter,
    answers: Path | None = None,
) -> Summary:
    """Collect the Chinese captions of all assets.

    Captions that are translated stay so, whoever translated them, until the English ones change.

    Args:
        translator: Asked for what the library has no Chinese caption for.
        workspace: Holds the assets.
        max_assets: Only the first so many.
        reporter: Shows the progress.
        answers: The answers of an engine of the user's own, to be read instead of asking the service.

    Raises:
        WorkspaceError: Nothing was imported, or the workspace cannot be written.
        TranslatorError: The translator cannot go on; finished work is kept.
        HostedError: Likewise, because of the service.
    """

    def work(tasks: Sequence[Task[_Captions]]) -> Iterator[Outcome]:
        texts = _texts(tasks)
        translations = translator.read_answers(texts, answers) if answers else translator.translate(texts)
        for asset_id, row, reason in _merged(tasks, translations):
            # Rows without captions too: they replace what an asset had once.
            rows = [] if finished.get(asset_id) == row["fingerprint"] else [row]
            yield Outcome(asset_id=asset_id, rows=rows, skipped=reason if translator.translates else None)

    with workspace.lock("translate"):
        table = workspace.chinese_captions_table()
        finished = begin_stage(table, reporter)
        tasks = _tasks(translator, workspace, max_assets, finished)
        summary = run_stage("translate", tasks, work, table, reporter, finished)
        total = summary.done + summary.skipped + summary.already_there
        summary.details["without Chinese"] = total - _with_chinese(workspace, max_assets)
        return summary


def preview(translator: Translator, workspace: Workspace, *, max_assets: int | None) -> Estimate | None:
    """What translating the rest would cost; None where nothing is paid.

    Raises:
        WorkspaceError: Nothing was imported.
    """
    if translator.estimate([]) is None:
        return None
    return translator.estimate(_texts(_left(translator, workspace, max_assets)))


def write_requests(translator: Translator, workspace: Workspace, file: Path, *, max_assets: int | None) -> int:
    """Write requests for the rest into a file, for an engine of the user's own; returns how many.

    Raises:
        WorkspaceError: Nothing was imported.
        TranslatorError: The file cannot be written, or this translator has none.
    """
    return translator.write_requests(_texts(_left(translator, workspace, max_assets)), file)


def _with_chinese(workspace: Workspace, max_assets: int | None) -> int:
    """How many of the assets have a Chinese caption by now."""
    captioned: set[str] = set()
    for part in workspace.chinese_captions_table().tables(columns=["asset_id", "captions"]):
        captioned.update(part.filter(pc.greater(pc.list_value_length(part["captions"]), 0))["asset_id"].to_pylist())
    return sum(asset.asset_id in captioned for asset in workspace.assets(max_assets, parts=[])) if captioned else 0


def _left(translator: Translator, workspace: Workspace, max_assets: int | None) -> list[Task[_Captions]]:
    finished = workspace.chinese_captions_table().fingerprints()
    tasks = _tasks(translator, workspace, max_assets, finished)
    return [task for task in tasks if finished.get(task.asset_id) != task.fingerprint]


def _tasks(
    translator: Translator, workspace: Workspace, max_assets: int | None, finished: Mapping[str, str]
) -> Iterator[Task[_Captions]]:
    for asset in workspace.assets(max_assets, parts=["captions"]):
        fingerprint = caption_source(asset)
        if asset.captions_english and not asset.captions_chinese and not translator.translates:
            known = finished.get(asset.asset_id, "")
            fingerprint = known if known.startswith(fingerprint) else partly_translated(fingerprint, 0)
        captions = _Captions(asset.captions_english, asset.captions_chinese)
        yield Task(asset_id=asset.asset_id, fingerprint=fingerprint, payload=captions)


def _texts(tasks: Iterable[Task[_Captions]]) -> list[str]:
    """The distinct captions that need a translation, in the order of the assets."""
    wanted = (text for task in tasks if not task.payload.chinese for text in task.payload.english)
    return list(dict.fromkeys(wanted))


def _merged(
    tasks: Sequence[Task[_Captions]], translations: Iterable[Translation]
) -> Iterator[tuple[str, dict[str, Any], str | None]]:
    """Each asset's row as soon as all of its captions are answered, and why some are missing."""
    answered: dict[str, Translation] = {}
    waiting: defaultdict[str, list[Task[_Captions]]] = defaultdict(list)
    missing: dict[str, int] = {}
    for task in tasks:
        texts = set(task.payload.english)
        if task.payload.chinese or not texts:
            yield task.asset_id, _row(task, task.payload.chinese, task.fingerprint), None
            continue
        missing[task.asset_id] = len(texts)
        for text in texts:
            waiting[text].append(task)
    for translation in translations:
        answered[translation.text] = translation
        for task in waiting.pop(translation.text, ()):
            missing[task.asset_id] -= 1
            if not missing[task.asset_id]:
                yield _translated(task, [answered[text] for text in task.payload.english])


def _translated(task: Task[_Captions], translations: Sequence[Translation]) -> tuple[str, dict[str, Any], str | None]:
    captions = [translation.chinese for translation in translations if translation.chinese]
    reason = next((translation.reason for translation in translations if not translation.chinese), None)
    fingerprint = task.fingerprint if reason is None else partly_translated(task.fingerprint, len(captions))
    return task.asset_id, _row(task, captions, fingerprint), reason


def _row(task: Task[_Captions], captions: Sequence[str], fingerprint: str) -> dict[str, Any]:
    return {"asset_id": task.asset_id, "fingerprint": fingerprint, "captions": list(captions)}
