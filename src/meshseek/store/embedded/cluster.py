"""The cluster of an embedded database: whose it is, how it is made, and how its server is run."""

from __future__ import annotations

import contextlib
import ctypes
import dataclasses
import os
import secrets
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil

from meshseek.errors import DatabaseDownError, DatabaseTakenError
from meshseek.files import move_whole
from meshseek.store.embedded import root_place as place
from meshseek.store.embedded.account import Account
from meshseek.store.embedded.binaries import programs
from meshseek.store.embedded.locks import (
    PORT,
    SOCKET_NAME,
    FileLock,
    answers,
    last_words,
    temporary_socket_folder,
)

_ENVIRONMENT = {"LC_ALL": "C", "PATH": os.defpath}
_DATA = "cluster"
_SET_PDEATHSIG = 1
_LIBC = ctypes.CDLL(None) if sys.platform == "linux" else None
_MIB = 1024 * 1024
_ROOMY_SHM = 1024 * _MIB


@dataclasses.dataclass(frozen=True)
class Cluster:
    """A data folder, and what it takes to run a server on it."""

    data: Path
    programs: Path
    account: Account
    locks: tuple[FileLock, ...]

    def run(self, arguments: list[str], log: int) -> subprocess.Popen[bytes]:
        """Run a program of PostgreSQL as the server's user; it holds our locks and does not outlive us.

        Raises:
            DatabaseDownError: It cannot be run.
        """
        user = self.account.uid if self.account.switched else None
        try:
            return subprocess.Popen(
                [str(self.programs / "bin" / arguments[0]), *arguments[1:]],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd="/",
                env=_ENVIRONMENT,
                user=user,
                group=self.account.gid if self.account.switched else None,
                extra_groups=[] if self.account.switched else None,
                pass_fds=[lock.descriptor for lock in self.locks],
                preexec_fn=_die_with(os.getpid()),  # noqa: PLW1509 - the keeper has one thread
            )
        except (OSError, subprocess.SubprocessError) as error:
            why = getattr(error, "strerror", None) or error
            raise DatabaseDownError(
                f"PostgreSQL cannot be run as user {self.account.uid} ({why}): "
                "run as an ordinary user, or set MESHSEEK_DATABASE_URL"
            ) from error

    def make_socket_folder(self) -> Path:
        """Make a private folder for the server's socket.

        Raises:
            OSError: It cannot be made.
        """
        if not self.account.switched:
            return temporary_socket_folder()
        folder = self.data.with_name("meshseek-socket")
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(0o700)
        os.chown(folder, self.account.uid, self.account.gid)
        return folder

    def serve(self, socket_folder: Path, log: int) -> subprocess.Popen[bytes]:
        """Start the server.

        Raises:
            DatabaseDownError: It cannot be run.
        """
        arguments = ["postgres", "-D", str(self.data), "-p", str(PORT)]
        for name, value in _settings(socket_folder).items():
            arguments += ["-c", f"{name}={value}"]
        return self.run(arguments, log)


def prepare(home: Path, lock: FileLock, log: int) -> Cluster:
    """Find the cluster of a workspace, or make it.

    Args:
        home: The ``database`` folder of the workspace.
        lock: The server lock, held.
        log: Where PostgreSQL's programs write.

    Raises:
        DatabaseDownError: It cannot be made, or another server uses it.
        OSError: A folder cannot be written.
    """
    account = Account.of_server()
    if account.switched:
        with place.opened():
            copy = place.copied_programs(programs())
            folder, second = place.claim(home)
            place.remove_abandoned()  # last: a workspace that moved has claimed its cluster by now
        cluster = Cluster(folder / "data", copy, account, (lock, second))
        _hand_over(cluster)
    else:
        cluster = Cluster(home / _DATA, programs(), account, (lock,))
    if not cluster.data.exists():
        _make(cluster, home, log)
    _clear_stale_pid(cluster.data)
    return cluster


def refuse_strangers(home: Path) -> None:
    """Refuse a workspace whose database was made by root when we are not, or the other way round.

    Raises:
        DatabaseDownError: It is so.
    """
    root = os.geteuid() == 0
    cluster = home / _DATA
    if root and cluster.exists():
        raise DatabaseDownError(
            f"the database in {cluster} belongs to user {cluster.stat().st_uid}: run as that user, not as root"
        )
    if not root and (home / place.POINTER).exists():
        raise DatabaseDownError(
            f"the database of {home.parent} was made by root: run as root, or remove {home} and publish again"
        )


def processes(data: Path) -> list[int]:
    """The PostgreSQL processes that work in a data folder."""
    return [process.pid for process in _postgres() if _works_in(process, data)]


def keeper_exists(home: Path) -> bool:
    """Whether a keeper of this workspace runs where we can see it."""
    mine = ("meshseek.store.embedded.keeper", str(home))
    return any(set(mine) <= set(process.info["cmdline"] or ()) for process in psutil.process_iter(["cmdline"]))


def _make(cluster: Cluster, home: Path, log: int) -> None:
    for leftover in cluster.data.parent.glob(f"{cluster.data.name}.new-*"):
        shutil.rmtree(leftover, ignore_errors=True)
    draft = cluster.data.with_name(f"{cluster.data.name}.new-{secrets.token_hex(4)}")
    draft.mkdir(0o700)
    if cluster.account.switched:
        os.chown(draft, cluster.account.uid, cluster.account.gid)
    how = ["--sync-method=syncfs"] if sys.platform == "linux" else []
    locale = ["--encoding=UTF8", "--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
    access = ["--auth=trust", "--username=meshseek", "--no-instructions"]
    if cluster.run(["initdb", f"--pgdata={draft}", *how, *locale, *access], log).wait() != 0:
        shutil.rmtree(draft, ignore_errors=True)
        raise DatabaseDownError(last_words(home))
    move_whole(draft, cluster.data)


def _hand_over(cluster: Cluster) -> None:
    """Give a cluster that an earlier Meshseek ran as ``nobody`` to the account that it has now."""
    with contextlib.suppress(FileNotFoundError):
        if cluster.data.stat().st_uid != cluster.account.uid and not processes(cluster.data):
            cluster.account.take(cluster.data)


def _clear_stale_pid(data: Path) -> None:
    # PostgreSQL believes any living process of its user that has the number; we also look where that one works.
    pid_file = data / "postmaster.pid"
    try:
        lines = pid_file.read_text(errors="replace").splitlines()
    except FileNotFoundError:
        return
    written_in = Path(lines[1]) if len(lines) > 1 else data
    if written_in.is_dir() and not written_in.samefile(data):
        raise DatabaseDownError(
            f"{data} was copied while a server used {written_in}: "
            "copy it again after `meshseek db stop`, or remove it and publish again"
        )
    number = int(lines[0]) if lines and lines[0].strip().isdigit() else 0
    if number and not psutil.pid_exists(number):
        return
    users = processes(data)
    if not users and number and _hides(number) and len(lines) > 4 and answers(Path(lines[4]) / SOCKET_NAME):  # noqa: PLR2004
        users = [number]
    if users:
        raise DatabaseTakenError(f"process {users[0]} already serves {data}: stop it, then try again")
    pid_file.unlink()


def _postgres() -> Iterator[psutil.Process]:
    for process in psutil.process_iter(["name"]):
        if (process.info["name"] or "").startswith("postgres"):
            yield process


def _works_in(process: psutil.Process, data: Path) -> bool:
    try:
        return data.samefile(process.cwd())
    except (psutil.Error, OSError):
        return False


def _hides(number: int) -> bool:
    try:
        psutil.Process(number).cwd()
    except psutil.AccessDenied:
        return True
    except (psutil.Error, OSError):
        return False
    return False


def _die_with(parent: int) -> Callable[[], None]:
    def die_with() -> None:
        # The kernel forgets this wish when the user changes, so it is made here, after that.
        if _LIBC is not None:
            _LIBC.prctl(_SET_PDEATHSIG, signal.SIGINT, 0, 0, 0)
            if os.getppid() != parent:
                os._exit(1)

    return die_with


def planned_buffers(memory: int) -> int:
    """Megabytes of ``shared_buffers`` on a machine with so many bytes of memory.

    Pages that are not in them are in the system's memory, which files of codes need as well.
    """
    return min(max(memory // 12 // _MIB, 128), 8192)


def _settings(socket_folder: Path) -> dict[str, str | int]:
    memory = psutil.virtual_memory().total
    buffers = planned_buffers(memory)
    settings: dict[str, str | int] = {
        "listen_addresses": "",
        "unix_socket_directories": str(socket_folder),
        "max_connections": 50,
        "shared_buffers": f"{buffers}MB",
        "effective_cache_size": f"{max(2 * memory // 3 // _MIB, 256)}MB",
        "effective_io_concurrency": 64,
        "maintenance_work_mem": "512MB",
        "dynamic_shared_memory_type": "posix" if _shm_is_roomy() else "mmap",
        "wal_level": "minimal",
        "max_wal_senders": 0,
        "max_wal_size": "4GB",
        "jit": "off",
        "logging_collector": "off",
        "log_destination": "stderr",
        "log_checkpoints": "off",
        "log_line_prefix": "%m [%p] ",
    }
    if sys.platform == "linux":
        settings["recovery_init_sync_method"] = "syncfs"
        settings["io_method"] = "sync"  # most pages are in the system's memory, and others are asked for ahead
    return settings


def _shm_is_roomy() -> bool:
    # A container's /dev/shm has 64 MB, and a parallel index build asks it for all of maintenance_work_mem.
    try:
        found = os.statvfs("/dev/shm")  # noqa: S108 - looked at only
    except OSError:
        return sys.platform == "darwin"
    return found.f_bavail * found.f_frsize >= _ROOMY_SHM
