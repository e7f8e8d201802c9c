"""Backups and restores that are killed, or find no room: earlier snapshots stay whole, and the next try goes on."""

from __future__ import annotations

import contextlib
import os
import resource
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest
from tests.backups import backed_up, files, restored, tables
from tests.conftest import drop_databases
from tests.living import Command, LibraryFolder, LivingParts

from meshseek.errors import WorkspaceError
from meshseek.pipeline.backup_check import check_backups, list_snapshots
from meshseek.reporting import SilentReporter
from meshseek.store.postgres import Server
from meshseek.workspace.format import expect_usable
from meshseek.workspace.workspace import Workspace

REPORTER = SilentReporter()
BACKUP_STEPS = (1, 20, 94, 108, 119, 123)
"""Just before which change of files or tables a process is killed: at the beginning, while a version is copied, while
contents get their names, and when there is a new snapshot and an old one goes."""
RESTORE_STEPS = (4, 30, 45, 90, 120, 145)
"""Likewise, while folders are made, files get their names, a version is loaded, and goes live."""


@pytest.fixture(scope="module")
def backed_up_life(conninfo: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, str]]:
    """A folder with a workspace that is published, its backup, and what is new since; and the databases' prefix."""
    folder = tmp_path_factory.mktemp("life")
    prefix = f"life_{uuid4().hex[:12]}_"
    parts = LivingParts(Workspace(folder / "workspace"), Server(lambda: conninfo, prefix))
    library = LibraryFolder(folder / "library")
    for number in range(3):
        library.put(f"model{number}", number)
    parts.bring_in(library.path)
    parts.update()
    parts.back_up(folder / "backups")
    library.put("model1", 3)
    library.put("later", 0)
    parts.update()
    yield folder, prefix
    drop_databases(conninfo, prefix)


@pytest.mark.parametrize("step", BACKUP_STEPS)
def test_a_killed_backup_loses_nothing(
    step: int, backed_up_life: tuple[Path, str], conninfo: str, tmp_path: Path, elsewhere: Server
) -> None:
    """The snapshots that are listed are whole; the next backup goes on, and what it has is what there is."""
    life, prefix = backed_up_life
    folder = tmp_path / "backups"
    shutil.copytree(life / "backups", folder)
    command = Command("back_up", life / "workspace", conninfo, prefix, (folder, 1))

    assert command.killed(step)
    assert check_backups(folder, REPORTER).faults == {}
    assert len(list_snapshots(folder)) in {1, 2}
    assert not command.killed(1000)

    assert [len(list_snapshots(folder)), check_backups(folder, REPORTER).faults] == [1, {}]
    workspace = restored(folder, tmp_path / "other", elsewhere)
    assert files(workspace) == files(Workspace(life / "workspace"))
    assert list((folder / "drafts").iterdir()) == []


@pytest.mark.parametrize("step", RESTORE_STEPS)
def test_a_killed_restore_goes_on(
    step: int, backed_up_life: tuple[Path, str], conninfo: str, tmp_path: Path, elsewhere: Server
) -> None:
    """Until it has ended nothing opens the workspace; run again, it ends with all that was there."""
    life, prefix = backed_up_life
    folder, target = tmp_path / "backups", tmp_path / "target"
    backed_up(Workspace(life / "workspace"), Server(lambda: conninfo, prefix), folder)
    command = Command("restore_from", target, conninfo, elsewhere.database_name("")[: -len("_embeddings")], (folder,))

    assert command.killed(step)
    with pytest.raises(WorkspaceError, match="has not ended"):
        expect_usable(target)
    assert not command.killed(1000)

    expect_usable(target)
    assert files(Workspace(target)) == files(Workspace(life / "workspace"))
    assert tables(elsewhere) == tables(Server(lambda: conninfo, prefix))


def test_a_full_disk_is_told_and_earlier_snapshots_stay(
    backed_up_life: tuple[Path, str], conninfo: str, tmp_path: Path, small_disk: Path, elsewhere: Server
) -> None:
    """One line; with room again the next backup goes on, and a restore onto a full disk likewise."""
    life, prefix = backed_up_life
    server = Server(lambda: conninfo, prefix)
    folder = small_disk / "backups"
    shutil.copytree(life / "backups", folder)
    ballast = small_disk / "ballast"
    fill(ballast)

    with pytest.raises(WorkspaceError, match=r"the disk that holds .* is full; free some space"):
        backed_up(Workspace(life / "workspace"), server, folder)
    assert [len(list_snapshots(folder)), check_backups(folder, REPORTER).faults] == [1, {}]

    ballast.unlink()
    backed_up(Workspace(life / "workspace"), server, folder)
    assert [len(list_snapshots(folder)), check_backups(folder, REPORTER).faults] == [2, {}]
    shutil.copytree(folder, tmp_path / "backups")
    target = small_disk / "target"
    fill(ballast, leave=60_000)
    with pytest.raises(WorkspaceError, match=r"full|free some space"):
        restored(tmp_path / "backups", target, elsewhere)
    ballast.unlink()
    assert files(restored(tmp_path / "backups", target, elsewhere)) == files(Workspace(life / "workspace"))


def test_a_file_that_may_not_grow_is_told(backed_up_life: tuple[Path, str], conninfo: str, tmp_path: Path) -> None:
    """Where only so large files may be written, the snapshots that are there stay whole as well."""
    life, prefix = backed_up_life
    folder = tmp_path / "backups"
    shutil.copytree(life / "backups", folder)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, before[1]))
    try:
        with pytest.raises(WorkspaceError, match=r"^cannot write to .*: File too large; check the folder"):
            backed_up(Workspace(life / "workspace"), Server(lambda: conninfo, prefix), folder)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)

    assert [len(list_snapshots(folder)), check_backups(folder, REPORTER).faults] == [1, {}]


def fill(ballast: Path, leave: int = 0) -> None:
    """Leave so much room on a disk."""
    with ballast.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(bytes(4096))
    os.truncate(ballast, max(0, ballast.stat().st_size - leave))


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of two megabytes."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=2m", "meshseek-test", str(folder)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True, check=False).returncode != 0:
        pytest.skip("only root can mount a small disk, and only where it may")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)
