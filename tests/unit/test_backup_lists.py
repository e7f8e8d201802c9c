"""Lists of files in snapshots: what is written is read, and what no backup writes is refused."""

from __future__ import annotations

import json
import stat
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from meshseek.errors import BackupError
from meshseek.pipeline.restore_files import FilesRestore
from meshseek.workspace.backup_folder import BackupFolder, read_list
from meshseek.workspace.drafts import Drafts
from meshseek.workspace.entries import Entry, from_lines, to_lines

ENTRY = Entry("models/a b/椅子\udcff.glb", 5, 1_700_000_000_123_456_789, 7, 0o640, "ab" * 32)


def test_what_is_written_is_read() -> None:
    """Also names that are no text."""
    assert from_lines(to_lines([ENTRY, ENTRY])) == [ENTRY, ENTRY]


@pytest.mark.parametrize(
    "path",
    ["/etc/passwd", "../x", "a/../../x", "a//b", "", ".", "a\0b", "database/cluster/x", "restoring.json", "cache/x"],
)
def test_no_path_leads_out_of_the_workspace(path: str, tmp_path: Path) -> None:
    """Nor to what is never in a backup; a list with such a path is refused as a whole."""
    backups = BackupFolder(tmp_path / "backups")
    backups.make()
    with backups.objects.adding() as drafts:
        kept = backups.objects.add([to_lines([ENTRY._replace(path=path)])], drafts)

    with pytest.raises(BackupError, match="is damaged"):
        read_list(backups.objects, kept.digest)


@pytest.mark.parametrize("line", ["{}", "[]", "1", '["a"]', '["a", 1, 2, 3, 4, 5]', "[", '["a", "1", 2, 3, 4, "b"]'])
def test_what_is_no_list_is_refused(line: str) -> None:
    """Whatever JSON it is."""
    with pytest.raises(ValueError, match=r".+"):
        from_lines(line.encode())


def test_a_snapshot_that_was_altered_is_refused(tmp_path: Path) -> None:
    """Its own digest tells."""
    backups = BackupFolder(tmp_path / "backups")
    backups.make()
    name = backups.write({"files": {"lists": []}, "databases": []})
    path = tmp_path / "backups" / "snapshots" / f"{name}.json"
    record = json.loads(path.read_bytes())
    record["snapshot"]["databases"] = [1]
    path.write_text(json.dumps(record))

    with pytest.raises(BackupError, match="is damaged"):
        backups.read(name)


@pytest.mark.parametrize("digest", ["", "../../../etc/passwd", "AB" * 32, "ab" * 31, "ab" * 33])
def test_no_digest_leads_elsewhere(digest: str, tmp_path: Path) -> None:
    """A name that is no digest is no place of a content."""
    with pytest.raises(BackupError, match="is no digest"):
        BackupFolder(tmp_path).objects.path(digest)


def test_what_is_restored_is_private_from_the_first(tmp_path: Path) -> None:
    """Settings and keys are never open to others, not even while they are written; then they have the mode they had."""
    modes: list[int] = []

    def read(_: str) -> Iterator[bytes]:
        yield b"secret"
        modes.extend(stat.S_IMODE(draft.stat().st_mode) for draft in (tmp_path / "drafts").iterdir())

    backups: Any = SimpleNamespace(objects=SimpleNamespace(read=read))
    with Drafts(tmp_path / "drafts") as drafts:
        FilesRestore(backups, tmp_path, drafts)._put(ENTRY._replace(path="meshseek.toml"))
    assert modes == [0o600]
    assert stat.S_IMODE((tmp_path / "meshseek.toml").stat().st_mode) == ENTRY.mode
