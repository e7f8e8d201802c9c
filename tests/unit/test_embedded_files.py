"""The small files of the embedded server, without a server."""

from __future__ import annotations

import dataclasses
import os
import tempfile
from pathlib import Path

import pytest

from meshseek.errors import DatabaseDownError
from meshseek.store.embedded.account import Account
from meshseek.store.embedded.locks import (
    DETACHED,
    LOG,
    FileLock,
    Notice,
    answers,
    identity,
    is_detached,
    is_free,
    last_words,
    temporary_socket_folder,
)

NOISE = "2026-11-23 11:34:16.691 UTC [7] LOG:  database system is shut down"


@pytest.fixture
def notice(tmp_path: Path) -> Notice:
    """A notice with a real socket folder."""
    folder = tmp_path / "meshseek-socket"
    folder.mkdir(0o700)
    return Notice(str(folder), folder.stat().st_uid, str(tmp_path / "data"), identity(tmp_path))


def test_locks_are_shared_or_alone(tmp_path: Path) -> None:
    """Many may share a lock, one may have it alone, and a released one is free."""
    path = tmp_path / "lock"
    first, second = FileLock(path), FileLock(path)
    assert first.take(shared=True)
    assert second.take(shared=True)
    assert not second.take()
    first.release()
    assert second.take()
    assert not is_free(path)
    second.abandon()
    assert is_free(path)


def test_a_replaced_lock_is_noticed(tmp_path: Path) -> None:
    """A lock knows when its file is no longer the one at its path."""
    lock = FileLock(tmp_path / "lock")
    assert lock.names_its_file()
    lock.path.unlink()
    assert not lock.names_its_file()
    lock.path.touch()
    assert not lock.names_its_file()


def test_a_link_is_not_taken_for_a_lock(tmp_path: Path) -> None:
    """A symbolic link in a lock's place is refused."""
    (tmp_path / "lock").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(DatabaseDownError, match="cannot use"):
        FileLock(tmp_path / "lock")
    assert not (tmp_path / "elsewhere").exists()


def test_a_notice_is_read_back_in_its_own_folder_only(tmp_path: Path, notice: Notice) -> None:
    """A notice survives strange paths; a damaged or copied one is none."""
    strange = dataclasses.replace(notice, data="/三维/\udce9/'\"")
    strange.write(tmp_path)
    assert Notice.read(tmp_path) == strange
    copy = tmp_path / "copy"
    copy.mkdir()
    (copy / "server.json").write_bytes((tmp_path / "server.json").read_bytes())
    assert Notice.read(copy) is None
    (tmp_path / "server.json").write_text("{")
    assert Notice.read(tmp_path) is None


def test_a_detached_mark_is_not_copied(tmp_path: Path) -> None:
    """The mark of another folder does not keep a server running."""
    assert not is_detached(tmp_path)
    (tmp_path / DETACHED).write_text(identity(tmp_path))
    assert is_detached(tmp_path)
    (tmp_path / DETACHED).write_text(identity(tmp_path.parent))
    assert not is_detached(tmp_path)


def test_a_squatters_socket_folder_is_refused(tmp_path: Path, notice: Notice) -> None:
    """A folder of another user, one that others may enter, or a link is neither used nor removed."""
    folder = Path(notice.socket_folder)
    assert notice.socket_is_ours()
    stranger = dataclasses.replace(notice, uid=notice.uid + 1)
    assert not stranger.socket_is_ours()
    stranger.remove_socket_folder()
    folder.chmod(0o755)
    assert not notice.socket_is_ours()
    assert not notice.answers()
    notice.remove_socket_folder()
    assert folder.is_dir()
    folder.chmod(0o700)
    link = tmp_path / "meshseek-link"
    link.symlink_to(folder)
    assert not dataclasses.replace(notice, socket_folder=str(link)).socket_is_ours()
    notice.remove_socket_folder()
    assert not folder.exists()


def test_nothing_answers_on_a_path_that_is_no_socket(tmp_path: Path) -> None:
    """A missing file, a plain one and a path too long for a socket do not answer."""
    (tmp_path / "plain").touch()
    assert not answers(tmp_path / "missing")
    assert not answers(tmp_path / "plain")
    assert not answers(tmp_path / ("long" * 50))


def test_says_ready_reads_the_eighth_line(tmp_path: Path, notice: Notice) -> None:
    """Only PostgreSQL's own word for it counts."""
    data = tmp_path / "data"
    assert not notice.says_ready()
    data.mkdir()
    for status, expected in (("ready   ", True), ("starting", False), ("stopping", False)):
        (data / "postmaster.pid").write_text("\n".join(["7", str(data), "1", "5432", "/x", "", "1 1", status]) + "\n")
        assert notice.says_ready() is expected
    (data / "postmaster.pid").write_text("")
    assert not notice.says_ready()


@pytest.mark.parametrize("base", ["a b", "quote's", "x" * 80, "三维"])
def test_the_socket_folder_is_short_and_plain(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, base: str) -> None:
    """A temporary folder with an odd or long path is not used for sockets."""
    (tmp_path / base).mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / base))
    folder = temporary_socket_folder()
    try:
        assert folder.parent == Path("/tmp")
        assert folder.stat().st_mode & 0o777 == 0o700
    finally:
        folder.rmdir()


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        (["2026-11-23 11:34:16.691 UTC [7] FATAL:  no", NOISE], r"stopped: FATAL:  no \(log: .*\): see there"),
        (["x ... 2026-11-23 11:34:16.691 UTC [7] FATAL:  no", NOISE], r"stopped: FATAL:  no"),
        (["PANIC: No space left on device", "FATAL: later"], "No space left on device .*: free some disk space"),
        (["FATAL:  the database system is starting up", NOISE], "stopped: LOG:  database system is shut down"),
        ([], "it left no words"),
    ],
)
def test_last_words_name_the_cause_and_the_cure(tmp_path: Path, lines: list[str], expected: str) -> None:
    """Of all lines the one that explains most is taken."""
    (tmp_path / LOG).write_text("\n".join(lines))
    with pytest.raises(DatabaseDownError, match=expected):
        raise DatabaseDownError(last_words(tmp_path))


def test_last_words_without_a_log(tmp_path: Path) -> None:
    """A log that was never written is no trouble."""
    assert "it left no words" in last_words(tmp_path)


def test_who_had_a_folder_cannot_have_another_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder that becomes a link meanwhile leads nowhere: root would give away what it leads to."""
    tree, outside = tmp_path / "tree", tmp_path / "outside"
    for folder in (tree / "inner", outside):
        folder.mkdir(parents=True)
        for name in ("a", "b"):
            (folder / name).touch()
    taken: list[int] = []

    def take(path: str | Path, uid: int, gid: int, *, dir_fd: int | None = None, follow_symlinks: bool = True) -> None:
        assert (uid, gid) == (7, 7)
        taken.append(os.stat(path, dir_fd=dir_fd, follow_symlinks=follow_symlinks).st_ino)
        if os.fspath(path).endswith(("a", "b")) and not (tree / "inner").is_symlink():
            (tree / "inner").rename(tmp_path / "elsewhere")
            (tree / "inner").symlink_to(outside)

    monkeypatch.setattr(os, "chown", take)
    Account(7, 7, switched=True).take(tree)
    assert (tree / "inner").is_symlink()
    inside = [tree, tmp_path / "elsewhere", *(tmp_path / "elsewhere").iterdir()]
    assert sorted(taken) == sorted(path.stat().st_ino for path in inside)
