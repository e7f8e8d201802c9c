"""Whole files and locks, on a real disk."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from meshseek.errors import TranslatorError, WorkspaceError
from meshseek.files import FileLock, copy_whole, locked, make_folder, move_whole, whole_file, write_whole

Act = Callable[[Path], None]


@pytest.fixture
def steps(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, Path]]:
    """What is forced onto the disk and what is renamed, in order; a power loss cannot be tried."""
    taken: list[tuple[str, Path]] = []
    sync, replace = os.fsync, os.replace

    def fsync(descriptor: int) -> None:
        taken.append(("sync", Path(f"/proc/self/fd/{descriptor}").readlink()))
        sync(descriptor)

    def rename(source: Path, target: Path) -> None:
        taken.append(("rename", Path(source)))
        replace(source, target)

    monkeypatch.setattr(os, "fsync", fsync)
    monkeypatch.setattr(os, "replace", rename)
    return taken


def _draft_of(target: Path) -> None:
    with whole_file(target) as draft:
        draft.write_text("new")


def _copied(target: Path) -> None:
    source = target.with_name("source")
    source.write_text("new")
    with source.open("rb") as file:
        copy_whole(file, target)


@pytest.mark.parametrize("act", [_draft_of, _copied, lambda target: write_whole(target, b"new")])
def test_a_file_is_on_the_disk_before_it_has_its_name(tmp_path: Path, steps: list[tuple[str, Path]], act: Act) -> None:
    """The content is forced onto the disk, then renamed, and then the folder is forced."""
    target = tmp_path / "target"
    target.write_text("old")
    act(target)
    assert target.read_text() == "new"
    draft = steps[0][1]
    assert draft.parent == tmp_path
    assert draft != target
    assert steps == [("sync", draft), ("rename", draft), ("sync", tmp_path)]


def test_a_folder_is_on_the_disk_before_it_has_its_name(tmp_path: Path, steps: list[tuple[str, Path]]) -> None:
    """Every file and folder in it is forced onto the disk first; a link is not followed."""
    draft = tmp_path / "draft"
    (draft / "inner").mkdir(parents=True)
    (draft / "inner" / "file").write_text("new")
    (draft / "link").symlink_to("nowhere")
    move_whole(draft, tmp_path / "target")
    assert (tmp_path / "target" / "inner" / "file").read_text() == "new"
    assert {path for _, path in steps[:-2]} == {draft, draft / "inner", draft / "inner" / "file"}
    assert steps[-2:] == [("rename", draft), ("sync", tmp_path)]


def test_new_folders_are_kept_on_the_disk(tmp_path: Path, steps: list[tuple[str, Path]]) -> None:
    """The folder above each one that was made is forced onto the disk, and no other."""
    make_folder(tmp_path / "a" / "b")
    make_folder(tmp_path / "a" / "b")
    assert (tmp_path / "a" / "b").is_dir()
    assert steps == [("sync", tmp_path), ("sync", tmp_path / "a")]


def test_an_interrupted_write_leaves_the_old_file_alone(tmp_path: Path) -> None:
    """Whatever ends the block, the old content stays and the draft goes."""

    def write_half() -> None:
        with whole_file(tmp_path / "target") as draft:
            draft.write_text("half")
            raise KeyboardInterrupt

    (tmp_path / "target").write_text("old")
    with pytest.raises(KeyboardInterrupt):
        write_half()
    assert [file.name for file in tmp_path.iterdir()] == ["target"]
    assert (tmp_path / "target").read_text() == "old"


def test_a_folder_that_cannot_be_forced_is_no_failure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Some file systems refuse fsync of folders; a disk that fails is told."""

    def refuse(number: int) -> Callable[[int], None]:
        def fsync(_: int) -> None:
            raise OSError(number, os.strerror(number))

        return fsync

    monkeypatch.setattr(os, "fsync", refuse(errno.EINVAL))
    write_whole(tmp_path / "file", b"content")
    monkeypatch.setattr(os, "fsync", refuse(errno.EIO))
    with pytest.raises(OSError, match="Input/output"):
        write_whole(tmp_path / "other", b"content")
    assert [file.name for file in tmp_path.iterdir()] == ["file"]


def test_a_lock_keeps_other_processes_out_until_its_block_ends(tmp_path: Path) -> None:
    """Another process gets the given error while the block runs, and the lock afterwards."""
    path = tmp_path / "new" / "lock"
    script = (
        "import sys\nfrom pathlib import Path\nfrom meshseek.files import FileLock\n"
        "print(FileLock(Path(sys.argv[1])).take())"
    )

    def taken_elsewhere() -> str:
        command = [sys.executable, "-c", script, str(path)]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout

    with locked(path, TranslatorError("in use; wait")):
        assert taken_elsewhere() == "False\n"
        with pytest.raises(TranslatorError, match="in use"), locked(path, TranslatorError("in use; wait")):
            pass
        assert taken_elsewhere() == "False\n"
    assert taken_elsewhere() == "True\n"


def test_an_error_in_the_block_is_its_own_and_frees_the_lock(tmp_path: Path) -> None:
    """What goes wrong under a lock is not told as the lock's trouble."""
    with pytest.raises(BlockingIOError), locked(tmp_path / "lock", TranslatorError("in use")):
        raise BlockingIOError
    assert FileLock(tmp_path / "lock").take()


def test_a_lock_that_cannot_be_made_is_told_in_one_line(tmp_path: Path) -> None:
    """A file in the folder's way, or a link in the lock's, is said with a cure."""
    (tmp_path / "file").touch()
    (tmp_path / "link").symlink_to("elsewhere")
    for path in (tmp_path / "file" / "lock", tmp_path / "link"):
        with pytest.raises(WorkspaceError, match="check the folder"), locked(path, TranslatorError("in use")):
            pass
    assert not (tmp_path / "elsewhere").exists()
