"""Commands of Meshseek in a process of their own, in which something goes wrong at a chosen moment."""

from __future__ import annotations

import contextlib
import functools
import importlib
import multiprocessing
import os
import resource
import signal
import sys
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerContext
from pathlib import Path
from typing import Any, Literal

import psycopg

import meshseek.embedders
import meshseek.renderers

PLUGINS = Path(__file__).parent / "plugins"
for package in (meshseek.embedders, meshseek.renderers):
    added = str(PLUGINS / package.__name__.rpartition(".")[2])
    if added not in package.__path__:
        package.__path__.append(added)

import meshseek.bootstrap  # noqa: E402  # names of plug-ins are read once
import meshseek.interfaces.cli  # noqa: E402
import meshseek.interfaces.cli.backing_up  # noqa: E402
import meshseek.interfaces.cli.libraries  # noqa: E402
import meshseek.interfaces.cli.searching  # noqa: E402
import meshseek.interfaces.cli.stages  # noqa: E402
import meshseek.interfaces.cli.tuning  # noqa: E402
import meshseek.interfaces.cli.upkeep  # noqa: E402
import meshseek.pipeline.backup  # noqa: E402
import meshseek.pipeline.backup_check  # noqa: E402
import meshseek.pipeline.check  # noqa: E402
import meshseek.pipeline.clean  # noqa: E402
import meshseek.pipeline.embed  # noqa: E402
import meshseek.pipeline.import_assets  # noqa: E402
import meshseek.pipeline.publish  # noqa: E402
import meshseek.pipeline.render  # noqa: E402
import meshseek.pipeline.restore  # noqa: E402
import meshseek.pipeline.update  # noqa: E402
import meshseek.search.tuning  # noqa: E402
import meshseek.store.codes.book  # noqa: E402
import meshseek.store.codes.engine  # noqa: E402  # it takes a moment
import meshseek.store.codes.scan  # noqa: E402
import meshseek.store.codes.segment  # noqa: E402
import meshseek.store.read.plan  # noqa: E402
import meshseek.store.write.codes  # noqa: E402
import meshseek.store.write.publisher  # noqa: E402
import meshseek.translators.openai_batch  # noqa: E402
from meshseek.search.modes import MODES  # noqa: E402
from meshseek.store.codes.book import VALUES  # noqa: E402
from meshseek.store.indexes import INDEXES  # noqa: E402
from tests.chaos import clock, disk  # noqa: E402

for name in ("pandas", "httpx", "rich.progress", "zoneinfo", "encodings.idna"):  # what commands import when they run
    with contextlib.suppress(ImportError):
        importlib.import_module(name)
for family in (meshseek.embedders.EMBEDDERS, meshseek.renderers.RENDERERS, INDEXES, MODES):
    for name in {"toy", "tints", "hnsw", "codes", "exact", *MODES.names} & set(family.names):
        family.load(name)

HUNG_SECONDS = 60.0
STEPS = frozenset({"os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.link", "sqlite3.connect", "shutil.rmtree"})
"""What changes the names of files or opens a ledger, as Python's audit hooks are told of it."""

FORKS: ForkServerContext = multiprocessing.get_context("forkserver")
FORKS.set_forkserver_preload([__name__])

Kind = Literal["none", "kill", "read_only", "memory", "clock", "full"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """What goes wrong in a process, and when."""

    kind: Kind = "none"
    step: int = 0
    """Just before the so manieth file or table is changed, from 1."""
    folder: Path | None = None
    """What turns read-only, or the disk that fills."""
    amount: int = 0
    """Bytes of memory, or pages of disk, that are left; seconds that the clock jumps."""


NOTHING = Fault()


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """Commands, one after the other, with the settings and the fault of their process."""

    commands: Sequence[Sequence[str]]
    settings: Mapping[str, str]
    fault: Fault = NOTHING
    share: float = 0.1
    """Up to so large a part of what is live is changed in place."""


@dataclass(slots=True)
class Ran:
    """What became of a job."""

    exits: list[int] = field(default_factory=list)
    """Of each command that ended."""
    said: list[str] = field(default_factory=list)
    """What each wrote on standard error, or where it ended on standard output."""
    shown: list[str] = field(default_factory=list)
    """Likewise on standard output."""
    steps: int = 0
    seconds: float = 0.0
    hung: bool = False
    killed: bool = False


class Running:
    """A job under way.

    Args:
        job: What is run.
        scratch: A folder for what it writes on its outputs.
    """

    def __init__(self, job: Job, scratch: Path) -> None:
        scratch.mkdir(parents=True, exist_ok=True)
        self._reports, theirs = FORKS.Pipe()
        self._job = job
        self._process = FORKS.Process(target=_run, args=(job, theirs, scratch))
        self._process.start()
        theirs.close()

    def wait_until_ready(self) -> None:
        """Wait until all is imported and the first command is about to begin."""
        self._reports.recv()

    def go(self) -> None:
        """Let it begin."""
        self._reports.send(None)

    def kill(self) -> None:
        """Kill it by ``kill -9``."""
        self._process.kill()

    def joined(self, seconds: float) -> None:
        """Let it run for so long."""
        self._process.join(seconds)

    def ended_or_killed(self, seconds: float) -> Ran:
        """Let it run for so long, then kill it."""
        self._process.join(seconds)
        self._process.kill()
        return self.ended()

    def ended(self, seconds: float = HUNG_SECONDS) -> Ran:
        """Wait until it ends; one that does not is killed."""
        ran = Ran()
        self._process.join(seconds)
        if self._process.exitcode is None:
            ran.hung = True
            self._process.kill()
            self._process.join()
        ran.killed = self._process.exitcode == -signal.SIGKILL
        while self._reports.poll():
            try:
                exit_code, said, shown, ran.steps, ran.seconds = self._reports.recv()
            except (EOFError, OSError):  # the system tells of a killed process either way
                break
            ran.exits.append(exit_code)
            ran.said.append(said)
            ran.shown.append(shown)
        self._reports.close()
        if self._process.exitcode not in {0, -signal.SIGKILL} and len(ran.exits) < len(self._job.commands):
            ran.exits.append(self._process.exitcode or 1)
            ran.said.append(f"the process ended with {self._process.exitcode}")
            ran.shown.append("")
        self._process.close()
        return ran


def run(job: Job, scratch: Path) -> Ran:
    """Run a job to its end."""
    running = Running(job, scratch)
    running.wait_until_ready()
    running.go()
    return running.ended()


def search_few_as_many() -> None:
    """Let this process search and code a few assets as if they were a million."""
    meshseek.store.write.codes.FEWEST = 1
    meshseek.store.codes.segment.FEW_CODES = 0
    meshseek.store.read.plan.VERY_FEW = 0
    learn = meshseek.store.codes.book.Book.learn
    meshseek.store.codes.book.Book.learn = lambda sample, lists: learn(sample.repeat(VALUES, axis=0), lists)  # type: ignore[method-assign]


def _run(job: Job, reports: Connection, scratch: Path) -> None:
    files = [scratch / f"{os.getpid()}.{name}" for name in ("out", "err")]
    for number, file in enumerate(files, 1):
        os.dup2(os.open(file, os.O_RDWR | os.O_CREAT | os.O_APPEND), number)
    for name in [name for name in os.environ if name.startswith("MESHSEEK_")]:
        del os.environ[name]
    os.environ.update(job.settings)
    _without_workers()
    search_few_as_many()
    meshseek.pipeline.publish.UPDATED_SHARE = job.share
    reports.send("ready")
    reports.recv()
    counter = _Counter(job.fault)
    counter.install()
    for arguments in job.commands:
        began = time.perf_counter()
        before = [file.stat().st_size for file in files]
        code = _exit_code(arguments)
        sys.stdout.flush()
        sys.stderr.flush()
        shown, said = (file.read_bytes()[old:].decode() for file, old in zip(files, before, strict=True))
        reports.send((code, said, shown, counter.steps, time.perf_counter() - began))
    for file in files:
        file.unlink()
    os._exit(0)


def _exit_code(arguments: Sequence[str]) -> int:
    try:
        meshseek.interfaces.cli.main(list(arguments), prog_name="meshseek")
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:  # noqa: BLE001  # it is what a user would see
        traceback.print_exc()
    return 1


def _without_workers() -> None:
    """Stages do all of their work in this process: to start others takes longer than the work."""
    from meshseek import settings  # noqa: PLC0415

    read = settings.read_settings

    def read_settings(**given: Any) -> settings.Settings:
        values = read(**given)
        values.__dict__["workers"] = 0
        return values

    settings.read_settings = read_settings


class _Counter:
    """Counts the moments at which files and tables change, and lets the fault happen at its own."""

    def __init__(self, fault: Fault) -> None:
        self.fault = fault
        self.steps = 0
        self._quiet = False

    def install(self) -> None:
        """From now on."""
        if self.fault.kind == "memory":
            used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
            resource.setrlimit(resource.RLIMIT_AS, (used + self.fault.amount, resource.RLIM_INFINITY))
        sys.addaudithook(self._heard)
        for name in ("execute", "copy"):
            setattr(psycopg.Cursor, name, self._counted(getattr(psycopg.Cursor, name)))
        os.fsync = self._counted(os.fsync)

    def _heard(self, event: str, arguments: tuple[Any, ...]) -> None:
        writes = event == "open" and isinstance(arguments[2], int) and arguments[2] & (os.O_WRONLY | os.O_RDWR)
        if writes or event in STEPS:
            self._count()

    def _counted(self, method: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(method)
        def replacement(*args: Any, **options: Any) -> Any:
            self._count()
            return method(*args, **options)

        return replacement

    def _count(self) -> None:
        if self._quiet:
            return
        self.steps += 1
        if self.steps == self.fault.step:
            self._quiet = True
            self._happen()
            self._quiet = False

    def _happen(self) -> None:
        fault = self.fault
        if fault.kind == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        elif fault.kind == "clock":
            clock.jump(fault.amount)
        elif fault.kind == "read_only":
            assert fault.folder is not None
            disk.make_read_only(fault.folder)
        elif fault.kind == "full":
            assert fault.folder is not None
            disk.leave(fault.folder, fault.amount)
