"""Backups and restores where files are locked, linked, secret, or were made to harm."""

from __future__ import annotations

import contextlib
import os
import resource
import shutil
import signal
import sqlite3
from pathlib import Path

import pytest
from tests.backups import backed_up, files, restored

from meshseek.errors import WorkspaceError
from meshseek.files import FileLock
from meshseek.pipeline import copying
from meshseek.pipeline.clean import clean
from meshseek.store.embedded import root_place
from meshseek.store.postgres import Server
from meshseek.workspace.entries import Entry, from_lines, to_lines
from meshseek.workspace.libraries import LibrarySource
from meshseek.workspace.workspace import Workspace


def workspace_with(workspace: Workspace) -> Workspace:
    """The same, with one library."""
    workspace.libraries.save(LibrarySource(name="chairs", number=1, prefix=""), {"a": "1"})
    return workspace


@pytest.fixture
def ledger(tmp_path: Path) -> Path:
    """An SQLite file of some hundred kilobytes."""
    file = tmp_path / "ledger.sqlite3"
    with contextlib.closing(sqlite3.connect(file)) as database, database:
        database.execute("CREATE TABLE entries (value)")
        database.executemany("INSERT INTO entries VALUES (?)", [("x" * 1000,)] * 300)
    return file


def test_a_ledger_that_stays_locked_is_not_waited_for_without_end(
    ledger: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The message says that it is in use, not that it is damaged: whoever removed it would pay again."""
    monkeypatch.setattr(copying, "LOCK_SECONDS", 0.0)
    with contextlib.closing(sqlite3.connect(ledger)) as writer:
        writer.execute("BEGIN EXCLUSIVE")
        with pytest.raises(WorkspaceError, match="is written all the time; end what writes it, then run again"):
            list(copying.pieces(ledger))


def test_no_room_for_a_copy_is_not_taken_for_damage(ledger: Path) -> None:
    """Nobody is told to remove a ledger because the folder for temporary files is full."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE), signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, before[0][1]))
    try:
        with pytest.raises(WorkspaceError, match=r"cannot be copied to .*; make room there"):
            list(copying.pieces(ledger))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before[0])
        signal.signal(signal.SIGXFSZ, before[1])


def test_a_damaged_ledger_is_told(ledger: Path) -> None:
    """What is no SQLite file is said to be damaged."""
    ledger.write_bytes(b"z" * 5000)
    with pytest.raises(WorkspaceError, match="is damaged"):
        list(copying.pieces(ledger))


def test_libraries_behind_a_link_are_in_the_backup(workspace: Workspace, server: Server, tmp_path: Path) -> None:
    """The folder may be on another disk, as all others may."""
    workspace.libraries.save(LibrarySource(name="chairs", number=1, prefix=""), {"a": "1"})
    workspace.libraries.folder.rename(tmp_path / "elsewhere")
    workspace.libraries.folder.symlink_to(tmp_path / "elsewhere")

    backups = tmp_path / "backups"
    backed_up(workspace, server, backups)

    target = restored(backups, tmp_path / "target", server)
    assert target.libraries.all() == workspace.libraries.all()


def test_a_secret_is_nobody_elses_while_it_is_restored(
    workspace: Workspace, server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A draft of a file with secrets can be read by its owner alone, before it has the mode of the file."""
    workspace.folder.mkdir()
    secret = workspace.folder / "meshseek.toml"
    secret.write_text("# password")
    secret.chmod(0o600)
    backed_up(workspace, server, tmp_path / "backups")
    modes: list[int] = []
    chmod = Path.chmod

    def watched(path: Path, mode: int) -> None:
        modes.append(path.stat().st_mode)
        chmod(path, mode)

    monkeypatch.setattr(Path, "chmod", watched)

    restored(tmp_path / "backups", tmp_path / "target", server)

    assert {mode & 0o777 for mode in modes} == {0o600}
    assert (tmp_path / "target" / "meshseek.toml").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(("size", "time", "mode"), [(-1, 0, 0), (0, 1 << 64, 0), (0, 0, -1)])
def test_numbers_that_no_file_has_are_refused(size: int, time: int, mode: int) -> None:
    """A list that somebody else made cannot end a restore with an exception of Python's."""
    with pytest.raises(ValueError, match="impossible size, time or mode"):
        from_lines(to_lines([Entry("models/a.glb", size, time, 1, mode, "ab" * 32)]))


@pytest.mark.parametrize("name", [".render.lock", ".restore.lock"])
def test_nothing_is_moved_aside_that_somebody_works_in(
    name: str, workspace: Workspace, server: Server, tmp_path: Path
) -> None:
    """A stage, or another restore, would go on in the folder that takes the place of its own."""
    backed_up(workspace_with(workspace), server, tmp_path / "backups")
    target = restored(tmp_path / "backups", tmp_path / "target", server)
    before = files(target)
    lock = FileLock(target.folder / name)
    assert lock.take()
    with pytest.raises(WorkspaceError, match=r"another process runs '(render|restore)' in .*; wait until it ends"):
        restored(tmp_path / "backups", target.folder, server, yes=True)
    assert files(target) == before
    lock.release()

    restored(tmp_path / "backups", target.folder, server, yes=True)
    assert files(Workspace(tmp_path / "target.before-restore-1")) == before


@pytest.mark.skipif(os.geteuid() != 0, reason="only root keeps clusters elsewhere")
def test_the_database_of_what_is_moved_aside_stays(workspace: Workspace, server: Server, tmp_path: Path) -> None:
    """Where root's databases are, the one of a workspace that was moved is not taken for abandoned."""
    backed_up(workspace_with(workspace), server, tmp_path / "backups")
    home = workspace.folder / "database"
    home.mkdir()
    with root_place.opened():
        folder, lock = root_place.claim(home)
        lock.release()
    try:
        restored(tmp_path / "backups", workspace.folder, server, yes=True)
        with root_place.opened():
            root_place.remove_abandoned()
        aside = workspace.folder.with_name(f"{workspace.folder.name}.before-restore-1")
        assert root_place.pointed(aside / "database") == folder
        assert folder.is_dir()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def test_the_draft_of_a_killed_process_is_in_nobodys_way(workspace: Workspace, server: Server, tmp_path: Path) -> None:
    """Killed while it wrote its first file, a backup or a restore can be run again; ``clean`` takes what is left."""
    draft = ".0123456789abcdef.tmp"
    for folder in (tmp_path / "backups", tmp_path / "target"):
        folder.mkdir()
        (folder / draft).touch()
    backed_up(workspace_with(workspace), server, tmp_path / "backups")

    target = restored(tmp_path / "backups", tmp_path / "target", server)

    assert clean(target, server, [], dry_run=False).done == 1
    assert not (target.folder / draft).exists()
