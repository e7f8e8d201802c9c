"""Check finds what is wrong, its repair mends it, and clean deletes what nobody needs and nothing else."""

from __future__ import annotations

import errno
import os
import shutil
from pathlib import Path
from typing import Any

import pytest
from tests.stages import ALGORITHM, Stages

from meshseek import files
from meshseek.datasets.folder import Folder
from meshseek.embedders import Embedder
from meshseek.errors import DatabaseDownError, EmbedderError, WorkspaceError
from meshseek.pipeline.check import Report, check, verify_sources
from meshseek.pipeline.clean import clean, find_garbage
from meshseek.pipeline.update import UpdateOptions, update
from meshseek.store.postgres import Server
from meshseek.workspace.compaction import MANY_SMALL, compact
from meshseek.workspace.shards import ShardFolder
from meshseek.workspace.workspace import Workspace


def checked(stages: Stages, *, verify: bool = False) -> Report:
    """The report of a check."""
    report = check(stages.workspace, stages.reporter, verify=verify)
    if verify:
        verify_sources(stages.workspace, stages.dataset_of, report, stages.reporter)
    return report


def told(report: Report) -> list[tuple[str, str]]:
    """Asset and kind of each fault."""
    return [(fault.asset_id, fault.kind) for fault in report.faults]


def cleaned(stages: Stages, *, dry_run: bool = False) -> tuple[int, int]:
    """Files that clean deletes, and bytes that it frees."""
    summary = clean(stages.workspace, stages.server, [ALGORITHM], dry_run=dry_run)
    return summary.done, summary.details["bytes freed"]


def contents(stages: Stages) -> dict[str, bytes]:
    """Every model and view."""
    folders = (stages.workspace.models, stages.workspace.views)
    return {
        path.relative_to(stages.workspace.folder).as_posix(): path.read_bytes()
        for folder in folders
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_a_sound_workspace_is_sound(stages: Stages) -> None:
    """Nothing is reported, with or without reading everything."""
    for verify in (False, True):
        report = checked(stages, verify=verify)
        assert report.is_sound
        assert report.as_json()["missing"] == []
    assert cleaned(stages) == (0, 0)


@pytest.mark.parametrize("which", ["models/chair-0001@*.glb", "views/chair-0001/@*/00000/00000.png"])
@pytest.mark.parametrize("kind", ["missing", "other size", "other content"])
def test_faulty_files_are_found_and_repaired(stages: Stages, which: str, kind: str) -> None:
    """Missing and altered files are told apart; the repair brings the very same content back."""
    (path,) = stages.workspace.folder.glob(which)
    content = path.read_bytes()
    if kind == "missing":
        path.unlink()
    else:
        path.write_bytes(content[:-1] + (b"" if kind == "other size" else bytes([content[-1] ^ 1])))
    assert checked(stages).is_sound is (kind == "other content")

    report = checked(stages, verify=True)
    assert told(report) == [("chair-0001", "missing" if kind == "missing" else "altered")]
    assert not report.is_sound
    stages.update(verify=True)
    assert path.read_bytes() == content
    assert checked(stages, verify=True).is_sound


def test_the_same_size_and_time_with_other_content(stages: Stages, samples: Path) -> None:
    """Only reading everything finds it; the repair imports, renders and embeds it as it is now."""
    source = samples / "chair-0001.glb"
    content, stat = source.read_bytes(), source.stat()
    at = content.index(b"Meshseek") if b"Meshseek" in content else len(content) - 8
    source.write_bytes(content[:at] + content[at : at + 4][::-1] + content[at + 4 :])
    os.utime(source, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert source.stat().st_size == stat.st_size
    stages.update()
    assert checked(stages).is_sound

    report = checked(stages, verify=True)
    assert (told(report), report.changed, report.is_sound) == ([], ["chair-0001"], False)
    stages.update(verify=True, again=report.changed)
    assert checked(stages, verify=True).is_sound
    shown = stages.workspace.models / stages.searchable()["chair-0001"]["model"]
    assert shown.read_bytes() == source.read_bytes()


def test_damaged_parts_of_tables(stages: Stages) -> None:
    """The part is named, and update makes it again."""
    for table in (stages.workspace.assets_table(), stages.workspace.vectors_table(ALGORITHM, "appearance")):
        path = table.folder / table.shards[0]["file"]
        path.write_bytes(b"damaged")
        report = checked(stages)
        assert (report.damaged, report.is_sound) == ([path], False)
        stages.update()
        assert checked(stages).is_sound


def test_a_library_that_cannot_be_read_is_told(stages: Stages, samples: Path) -> None:
    """Check --verify says which library is not there."""
    samples.rename(samples.with_name("elsewhere"))
    report = checked(stages, verify=True)

    assert not report.is_sound
    assert not checked(stages).is_sound
    assert "library 'folder-samples-1-6': there is no folder" in report.lost_libraries["folder-samples-1-6"]


def test_outdated_rows_are_no_sound_state(stages: Stages, samples: Path) -> None:
    """A replaced model that was imported only: check counts it, by library and stage."""
    shutil.copyfile(samples / "cup-0001.glb", samples / "chair-0001.glb")
    stages.import_folder(samples)
    report = checked(stages)

    assert not report.is_sound
    assert report.as_json()["outdated"] == {"folder-samples-1-6": {"render": 1}}


def test_clean_leaves_what_is_published(stages: Stages, samples: Path) -> None:
    """What left the library stays until the next publication; then its files and rows go, and no others."""
    before = contents(stages)
    (samples / "chair-0001.glb").unlink()
    shutil.copyfile(samples / "sofa-0001.glb", samples / "cup-0001.glb")
    stages.import_folder(samples)
    stages.render()
    cleaned(stages)
    assert before.items() <= contents(stages).items(), "the live version shows all of these"

    stages.update()
    stages.workspace.folder.joinpath("models", ".drafts").mkdir(exist_ok=True)
    would, about = cleaned(stages, dry_run=True)
    assert contents(stages).keys() > before.keys()
    done, freed = cleaned(stages)
    assert would == done
    assert freed > 0 < about
    left = {name for name in before.keys() - contents(stages).keys() if name.startswith("models")}
    assert {name.partition("@")[0] for name in left} == {"models/chair-0001", "models/cup-0001"}
    assert set(stages.workspace.vectors_table(ALGORITHM, "appearance").fingerprints()) == set(stages.searchable())
    assert not list(stages.workspace.views.glob("chair-0001*"))
    assert checked(stages, verify=True).is_sound
    assert stages.update().summaries[-1].done == 0


def test_clean_waits_for_no_stage_and_disturbs_none(stages: Stages) -> None:
    """While a stage runs, nothing is deleted."""
    for stage in ("import", "render", "translate", f"embed-{ALGORITHM}", f"publish-{ALGORITHM}", "update"):
        with stages.workspace.lock(stage), pytest.raises(WorkspaceError, match=f"another process runs '{stage}'"):
            cleaned(stages)


def test_clean_without_the_database_deletes_nothing(stages: Stages) -> None:
    """Where it cannot be told what is published, all stays."""
    (stages.workspace.models / "left over.glb").write_bytes(b"x")
    stages.server = Server(lambda: "host=127.0.0.1 port=9 user=nobody dbname=postgres connect_timeout=2", "")
    with pytest.raises(DatabaseDownError):
        cleaned(stages)
    assert (stages.workspace.models / "left over.glb").exists()


def test_a_full_disk_while_cleaning_loses_nothing(
    stages: Stages, samples: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every row is still there, no half-made file is left, and it works when there is room again."""
    (samples / "chair-0001.glb").unlink()
    stages.update()
    before = {table.folder: table.fingerprints() for table in tables(stages)}

    def full(*_: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(files, "move_whole", full)
    with pytest.raises(WorkspaceError, match="is full; free some space and run the same command again"):
        cleaned(stages)
    monkeypatch.undo()
    assert {table.folder: table.fingerprints() for table in tables(stages)} == before
    assert not list(stages.workspace.folder.rglob(".*.tmp"))

    assert cleaned(stages)[1] > 0
    assert all("chair-0001" not in table.fingerprints() for table in tables(stages))


def tables(stages: Stages) -> list[ShardFolder]:
    """Some of the tables, as they are on the disk."""
    workspace = stages.workspace
    return [
        *(workspace.assets_table(), workspace.rendered_table(), workspace.chinese_captions_table()),
        workspace.vectors_table(ALGORITHM, "appearance"),
    ]


def test_orphans_are_no_fault(stages: Stages) -> None:
    """Files that nobody needs are listed, and do not make a workspace unsound."""
    orphan = stages.workspace.models / "sub" / "nobody's.glb"
    orphan.parent.mkdir()
    orphan.write_bytes(b"x")
    garbage = find_garbage(stages.workspace, stages.server, [ALGORITHM])

    assert garbage.files == [orphan]
    assert cleaned(stages) == (1, 1)
    assert not orphan.parent.exists()


def test_what_nobody_can_make_again_stays(stages: Stages, samples: Path) -> None:
    """While the library is away, an altered model stays as it is; when it is back, the repair mends it."""
    (model,) = stages.workspace.models.glob("chair-0001@*.glb")
    content = model.read_bytes()
    model.write_bytes(content[:-1])
    away = samples.rename(samples.with_name("elsewhere"))
    assert stages.update(verify=True).failed
    assert model.read_bytes() == content[:-1]

    away.rename(samples)
    stages.update(verify=True)
    assert model.read_bytes() == content


def test_a_source_that_changed_visibly_is_no_fault(stages: Stages, samples: Path) -> None:
    """The next import sees it by itself; check --verify speaks of what nothing tells from outside."""
    shutil.copyfile(samples / "cup-0001.glb", samples / "chair-0001.glb")
    assert checked(stages, verify=True).is_sound


def test_an_import_that_was_interrupted_takes_nothing_out(
    stages: Stages, samples: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All files have another time, and the import ends in the middle: until it is run again, all is as it was."""
    before, searchable = contents(stages), stages.searchable()
    for path in samples.glob("*.glb"):
        os.utime(path, (1_000_000_000, 1_000_000_000))
    original = Folder.read
    for fails_at in (3, 2):
        reads: list[Any] = []

        def read(*arguments: Any, fails_at: int = fails_at, reads: list[Any] = reads) -> Any:
            reads.append(arguments)
            if len(reads) == fails_at:
                raise OSError(errno.ENOSPC, "No space left on device")
            return original(*arguments)

        monkeypatch.setattr(Folder, "read", read)
        with pytest.raises(WorkspaceError, match="is full"):
            stages.import_folder(samples)
        monkeypatch.undo()
        assert len(reads) == fails_at
        cleaned(stages)
        stages.publish()
        assert stages.searchable().keys() == searchable.keys()
        assert contents(stages) == before

    summary = stages.update().summaries[0]
    assert (summary.done + summary.already_there, summary.skipped) == (6, 0)
    assert contents(stages) == before


def test_parts_of_tables_that_lose_nothing_stay(stages: Stages, samples: Path) -> None:
    """Only what has rows of assets that left is written anew; of many small parts few are made."""
    table = stages.workspace.vectors_table(ALGORITHM, "appearance")
    rows = next(table.tables())
    for _ in range(2):
        table.append_table(rows.slice(0, 0))
    first, second = (rows.slice(start, 3) for start in (0, 3))
    table.keep_shards([table.write_shard(first, 0), table.write_shard(second, 1)])
    kept = set(second["asset_id"].to_pylist())
    compact(table, kept | set(first["asset_id"].to_pylist()[:1]))
    assert [shard["rows"] for shard in table.shards] == [3, 1]
    assert {path.name for path in table.folder.glob("part-*")} == {shard["file"] for shard in table.shards}

    table.keep_shards([table.write_shard(rows.slice(number % 6, 1), number) for number in range(MANY_SMALL + 2)])
    compact(table, set(rows["asset_id"].to_pylist()))
    assert (len(table.shards), table.count()) == (1, 6)


def test_one_algorithm_that_cannot_go_on_keeps_no_other_back(stages: Stages, samples: Path) -> None:
    """The one whose model is gone is told of; the other is embedded and published."""

    class Parts(Stages):
        def usual_embedder(self, algorithm: str) -> Embedder:
            if algorithm == "gone":
                raise EmbedderError("the weights are gone; give their folder with --model-dir")
            return super().usual_embedder(algorithm)

    shutil.copyfile(samples / "sofa-0001.glb", samples / "more.glb")
    parts = Parts(stages.workspace, stages.server)
    updated = update(parts, UpdateOptions(algorithms=["gone", ALGORITHM], workers=0), parts.reporter)

    assert updated.failed
    assert updated.notes == ["gone: the weights are gone; give their folder with --model-dir"]
    assert "more" in stages.searchable()


def test_a_table_whose_manifest_is_lost_is_not_emptied(toys: Workspace, server: Server) -> None:
    """Cleaning says so instead: without manifest no shard counts, but a backup may have it, and rows were paid for."""
    table = toys.chinese_captions_table()
    before = table.fingerprints()
    manifest = table.folder / "manifest.json"
    content = manifest.read_bytes()
    manifest.unlink()
    for dry_run in (True, False):
        with pytest.raises(WorkspaceError, match=r"captions_zh/manifest\.json is missing; run its stage again"):
            clean(toys, server, [], dry_run=dry_run)

    manifest.write_bytes(content)
    clean(toys, server, [], dry_run=False)
    assert toys.chinese_captions_table().fingerprints() == before != {}
