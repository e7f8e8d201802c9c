"""What a newer Meshseek wrote, or half a restore, is opened by no command: one line says what to do."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner
from tests.backups import backed_up, restored

from meshseek.errors import BackupError
from meshseek.interfaces.cli import COMMANDS, main
from meshseek.pipeline.backup_check import list_snapshots
from meshseek.store.postgres import Server
from meshseek.store.schema import CURRENT
from meshseek.workspace.backup_folder import BACKUP_FORMAT, BackupFolder
from meshseek.workspace.format import CURRENT_FORMAT, FORMAT_FILE, RESTORING_FILE
from meshseek.workspace.workspace import Workspace

ARGUMENTS = {
    "import": ["folder", "."],
    "embed": ["--algorithm", "lite"],
    "publish": ["--algorithm", "lite"],
    "search": ["chair"],
    "evaluate": ["queries.csv"],
    "forget": ["chair"],
    "collect": ["chair", "--out", "chairs.zip"],
    "backup": ["backups"],
    "keys": ["list"],
    "db": ["url"],
    "bench": ["make", "--assets", "1"],
}
"""What commands cannot be given without."""
ELSEWHERE = {"demo", "restore", "doctor", "mcp"}
"""Commands that open no workspace of the user's, or an empty one, or ask an API; the doctor says it among others."""
NEWER = "was written by a newer Meshseek (9.9, format {number}; this is"


@pytest.mark.parametrize("name", [name for name in COMMANDS if name not in ELSEWHERE])
@pytest.mark.parametrize("what", ["newer", "restoring"])
def test_no_command_opens_it(name: str, what: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the command does, it does nothing."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "queries.csv").write_text("text,image,relevant\nchair,,chair\n")
    folder = tmp_path / "workspace"
    (folder / "assets").mkdir(parents=True)
    number = CURRENT_FORMAT + 1
    if what == "newer":
        (folder / FORMAT_FILE).write_text(json.dumps({"format": number, "meshseek": "9.9"}))
    else:
        (folder / RESTORING_FILE).write_text(json.dumps({"backup": "/backups", "snapshot": "000001"}))
    before = sorted(path.name for path in folder.rglob("*"))

    told = CliRunner().invoke(main, [name, *ARGUMENTS.get(name, []), "--workspace", str(folder)])

    assert told.exit_code == 1, told.output
    line = NEWER.format(number=number) if what == "newer" else "has not ended; run 'meshseek restore /backups' again"
    assert line in told.output
    assert len(told.output.splitlines()) == 1
    assert sorted(path.name for path in folder.rglob("*")) == before


def test_a_workspace_says_who_writes_it(toys: Workspace) -> None:
    """Any stage leaves the number; nobody asked for it before, so without one it is the first."""
    assert json.loads((toys.folder / FORMAT_FILE).read_bytes())["format"] == CURRENT_FORMAT


@pytest.mark.parametrize("what", ["workspace", "tables", "folder"])
def test_a_backup_of_a_newer_meshseek_is_not_restored(
    what: str, published_toys: Workspace, server: Server, elsewhere: Server, tmp_path: Path
) -> None:
    """Nothing is written; where only the newest snapshot is newer, another one can be."""
    folder, target = tmp_path / "backups", tmp_path / "target"
    backed_up(published_toys, server, folder)
    backups = BackupFolder(folder)
    snapshot = backups.read(backups.named(None))
    snapshot["meshseek"] = "9.9"
    if what == "workspace":
        backups.write({**snapshot, "format": CURRENT_FORMAT + 1})
    elif what == "tables":
        snapshot["databases"][0]["description"]["schema_version"] = CURRENT + 1
        backups.write(snapshot)
    else:
        (folder / "backup.json").write_text(json.dumps({"format": BACKUP_FORMAT + 1}))
        with pytest.raises(BackupError, match=rf"have format {BACKUP_FORMAT + 1} and this Meshseek"):
            backed_up(published_toys, server, folder)

    with pytest.raises(BackupError, match=r"newer"):
        restored(folder, target, elsewhere)

    assert not target.exists()
    if what != "folder":
        assert len(list_snapshots(folder)) == 2
        restored(folder, target, elsewhere, snapshot="1")


def test_tables_of_an_older_meshseek_are_left_to_a_publication(
    published_toys: Workspace, server: Server, elsewhere: Server, tmp_path: Path
) -> None:
    """The files come back, and what they were published as is said to be made again."""
    folder = tmp_path / "backups"
    backed_up(published_toys, server, folder)
    backups = BackupFolder(folder)
    snapshot = backups.read(backups.named(None))
    snapshot["databases"][0]["description"]["schema_version"] = CURRENT - 1
    backups.write(snapshot)

    workspace = restored(folder, tmp_path / "target", elsewhere)

    assert len(list(workspace.assets())) == 40
