"""Records of snapshots that were written by somebody else, with the right checksum."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from meshseek.errors import BackupError
from meshseek.pipeline.backup_check import check_backups, list_snapshots
from meshseek.reporting import SilentReporter
from meshseek.workspace.backup_folder import BackupFolder


def a_snapshot() -> dict[str, Any]:
    """One as a backup writes it, of one database."""
    counts = {"assets": 3, "english_captions": 3, "chinese_captions": 0, "views": 24}
    space = {"embedder": "toy", "model": "toy", "revision": "1", "dim": 4, "preprocessing": "1", "index_kind": "exact"}
    table = {"columns": ["asset_id", "digest"], "contents": ["ab" * 32], "bytes": 5}
    database = {
        "algorithm": "toy",
        "identity": ["a", "b"],
        "description": {"schema_version": 4, **space, **counts, "something_else": None},
        "tables": {"assets": table},
        "bytes": 5,
    }
    files = {"lists": ["cd" * 32], "count": 1, "bytes": 7}
    return {"meshseek": "1.0", "format": 1, "files": files, "databases": [database]}


WRONG: list[tuple[tuple[str | int, ...], object]] = [
    (("files",), None),
    (("files", "lists"), ["../../etc/passwd"]),
    (("files", "bytes"), -1),
    (("files", "count"), "1"),
    (("format",), "1"),
    (("meshseek",), 7),
    (("databases",), {}),
    (("databases", 0, "algorithm"), "x; DROP"),
    (("databases", 0, "identity"), "a"),
    (("databases", 0, "description", "dim"), 10**9),
    (("databases", 0, "description", "assets"), None),
    (("databases", 0, "description", "schema_version"), "new"),
    (("databases", 0, "tables"), {"../x": {}}),
    (("databases", 0, "tables", "assets", "columns"), 'asset_id"'),
    (("databases", 0, "tables", "assets", "contents"), ["AB" * 32]),
]


def test_what_a_backup_writes_has_the_form(tmp_path: Path) -> None:
    """It is read as it was written, also with fields of the description that are new."""
    backups = BackupFolder(tmp_path / "backups")
    backups.make()

    assert backups.read(backups.write(a_snapshot())) == a_snapshot()


@pytest.mark.parametrize(("path", "value"), WRONG, ids=lambda each: str(each)[:60])
@pytest.mark.parametrize("way", ["wrong", "missing"])
def test_what_has_not_the_form_is_refused(path: tuple[str | int, ...], value: object, way: str, tmp_path: Path) -> None:
    """In one line, and by those who list and check snapshots as well."""
    backups = BackupFolder(tmp_path / "backups")
    backups.make()
    snapshot = a_snapshot()
    inner: Any = snapshot
    for name in path[:-1]:
        inner = inner[name]
    if way == "missing":
        del inner[path[-1]]
    else:
        inner[path[-1]] = value
    name = backups.write(snapshot)

    with pytest.raises(BackupError, match="is no snapshot that Meshseek wrote") as caught:
        backups.read(name)

    assert "\n" not in str(caught.value)
    assert "damaged" in list_snapshots(backups.folder)[0]
    assert name in check_backups(backups.folder, SilentReporter()).faults
