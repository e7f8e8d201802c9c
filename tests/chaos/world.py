"""Two libraries, a workspace over them and its database, at each point from which a stage begins."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg
from psycopg.conninfo import make_conninfo

from meshseek.errors import DatabaseError
from meshseek.store.embedded.server import EmbeddedServer
from meshseek.store.postgres import Server
from meshseek.workspace.workspace import Workspace
from tests.batch_service import Service
from tests.chaos import disk
from tests.chaos.child import NOTHING, Fault, Job, Ran, run
from tests.chaos.model import SIDE, VIEWS, Facts, facts_of
from tests.living import BLANK, BROKEN, CAPTIONS, Caption, Contents, LibraryFolder, contents

DATABASE = "toy_embeddings"
ROOMY = 16_384
"""Pages of the disk that holds libraries and workspace: 64 MiB."""
DISK_OF_DATABASE = 1024
"""Megabytes."""
KEPT = "database"
"""The part of the workspace that the running server has."""
FORGOTTEN = ("chair", "second/lamp")


@dataclass(slots=True)
class World:
    """Where everything happens.

    Args:
        root: An empty folder.
        has_mounts: Whether disks of our own can be mounted.
    """

    root: Path
    has_mounts: bool
    service: Service
    prepared: dict[str, dict[str, Any]] = field(default_factory=dict)
    """What the service had at each point."""
    libraries: dict[str, LibraryFolder] = field(default_factory=dict)
    database_disk: Path | None = None
    """Where the database is on a disk of its own."""
    _embedded: EmbeddedServer = field(init=False)

    def __post_init__(self) -> None:
        if self.has_mounts:
            disk.mount_disk(self.home, ROOMY * 4 // 1024)
        self.home.mkdir(exist_ok=True)
        self.libraries = {name: LibraryFolder(self.home / name) for name in ("first", "second")}
        self._embedded = EmbeddedServer(self.folder)

    @property
    def home(self) -> Path:
        """Libraries and workspace."""
        return self.root / "home"

    @property
    def folder(self) -> Path:
        """The workspace's."""
        return self.home / "workspace"

    @property
    def scratch(self) -> Path:
        """What is no part of it."""
        return self.root / "scratch"

    @property
    def workspace(self) -> Workspace:
        """To look into."""
        return Workspace(self.folder)

    @property
    def settings(self) -> dict[str, str]:
        """Of every command."""
        return {
            "MESHSEEK_WORKSPACE": str(self.folder),
            "MESHSEEK_OPENAI_BASE_URL": self.service.url,
            "MESHSEEK_OPENAI_API_KEY": self.service.key,
            "MESHSEEK_BATCH_POLL_SECONDS": "0.005",
            "MESHSEEK_RETRY_SECONDS": "0.002",
            "MESHSEEK_REQUESTS_PER_MINUTE": "600000",
            "MESHSEEK_TOKENS_PER_MINUTE": "600000000",
        }

    def job(self, commands: Sequence[Sequence[str]], fault: Fault = NOTHING, share: float = 0.1) -> Job:
        """Commands with this world's settings."""
        return Job(commands=commands, settings=self.settings, fault=fault, share=share)

    def run(self, *commands: Sequence[str], share: float = 0.1) -> Ran:
        """Run commands that nothing disturbs, and that must end well."""
        ran = run(self.job(commands, share=share), self.scratch)
        assert set(ran.exits) == {0}, ran.said
        return ran

    def conninfo(self, database: str = DATABASE) -> str:
        """Of a database of the workspace's server, which is started where it does not run."""
        return make_conninfo(self._embedded.acquire(), dbname=database)

    @property
    def server(self) -> Server:
        """The workspace's."""
        return Server(self._embedded.acquire)

    def stop_server(self) -> None:
        """Let go of the server and wait until it is gone."""
        with suppress(DatabaseError):  # it does not run
            self._embedded.stop()

    def published(self) -> Contents:
        """Every table of what is live; nothing where nothing is."""
        try:
            with psycopg.connect(self.conninfo(), autocommit=True) as connection:
                return contents(connection)
        except (psycopg.errors.UndefinedTable, psycopg.errors.InvalidSchemaName):
            return {}

    def schemas(self) -> set[str]:
        """Of the algorithm's database, besides the system's."""
        with psycopg.connect(self.conninfo(), autocommit=True) as connection:
            names = connection.execute("SELECT nspname FROM pg_namespace WHERE nspname !~ '^pg_|information_schema'")
            return {name for (name,) in names.fetchall()}

    def keep(self, point: str) -> None:
        """Remember all as it is now."""
        target = self.root / "points" / point
        shutil.rmtree(target, ignore_errors=True)
        shutil.copytree(self.home, target, ignore=lambda folder, _: [KEPT] if folder == str(self.folder) else [])
        self.prepared[point] = {name: getattr(self.service, name).copy() for name in ("files", "batches", "paid")}
        self._copy_database(f"point_{point}", DATABASE)

    def bring_back(self, point: str) -> None:
        """Make all as it was."""
        source = self.root / "points" / point
        if self.has_mounts:
            disk.make_writable(self.folder)
            disk.resize_disk(self.home, ROOMY)
        for part in (*self.home.glob("*"), *self.folder.glob("*")):
            if part.name not in {KEPT, self.folder.name}:
                _remove(part)
        shutil.copytree(source, self.home, dirs_exist_ok=True)
        for name, value in self.prepared[point].items():
            setattr(self.service, name, value.copy())
        self._copy_database(DATABASE, f"point_{point}")

    def forget_database(self, name: str) -> None:
        """Drop a database, where it is there."""
        with psycopg.connect(self.conninfo("postgres"), autocommit=True) as connection:
            connection.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)".encode())

    def _copy_database(self, target: str, source: str) -> None:
        with psycopg.connect(self.conninfo("postgres"), autocommit=True) as connection:
            connection.execute(f"DROP DATABASE IF EXISTS {target} WITH (FORCE)".encode())
            connection.execute(f"CREATE DATABASE {target} TEMPLATE {source}".encode())
            if target == DATABASE:
                connection.execute(f"ALTER DATABASE {target} SET search_path = live, public".encode())

    def facts(self, forgotten: Sequence[str] = (), library: str | None = None) -> Facts:
        """What must be published, by the model."""
        return facts_of({name: own for name, own in self.libraries.items() if name != library}, forgotten)

    def files(self) -> set[str]:
        """Names of the workspace's files; parts of tables are one, and files of codes, whose names differ, numbers."""
        paths = (path for path in self.folder.rglob("*") if KEPT not in path.relative_to(self.folder).parts)
        names = (path.relative_to(self.folder) for path in paths if not path.is_dir())
        told = {str(name.parent / "part" if name.name.startswith("part-") else name) for name in names}
        codes = sorted(name for name in told if name.endswith(".codes"))
        return told.difference(codes) | {f"codes {number}" for number in range(len(codes))}

    @property
    def codes(self) -> list[Path]:
        """Files of codes that searching processes share."""
        return sorted(self.workspace.codes.glob("*.codes"))

    def data_folder(self) -> Path:
        """The files of the workspace's database."""
        pointer = self.folder / KEPT / "cluster-place"
        if pointer.is_file():
            return Path(pointer.read_text().strip()) / "data"
        return next((self.folder / KEPT).glob("*/PG_VERSION")).parent

    def put_database_on_a_disk(self) -> None:
        """Move the server's files to a disk of our own."""
        if not (self.has_mounts and (self.folder / KEPT / "cluster-place").is_file()):
            return
        data = self.data_folder()
        self.stop_server()
        aside = data.with_name("data.aside")
        data.rename(aside)
        state = aside.stat()
        disk.mount_disk(data, DISK_OF_DATABASE)
        subprocess.run(["cp", "-a", f"{aside}/.", str(data)], check=True)
        os.chown(data, state.st_uid, state.st_gid)
        data.chmod(0o700)
        shutil.rmtree(aside)
        self.database_disk = data

    def close(self) -> None:
        """Stop the server and take everything away."""
        with suppress(Exception):
            self.stop_server()
        disk.make_writable(self.folder)
        disk.make_writable(self.home)
        if self.database_disk is not None:
            disk.make_writable(self.database_disk)
            shutil.rmtree(self.database_disk.parent, ignore_errors=True)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def first_state(world: World) -> None:
    """Libraries as they are before anything has changed."""
    first, second = world.libraries["first"], world.libraries["second"]
    for name, number in {"chair": 0, "red_table": 1, "sets/bed": 2, "lamp": BLANK, "old": 3}.items():
        first.put(name, number)
    for name, number in {"lamp": 2, "sofa": 0, "broken": BROKEN}.items():
        second.put(name, number)
    first.describe("chair", CAPTIONS[1])
    first.describe("red_table", CAPTIONS[3])
    first.describe("old", Caption("an old stool", None))
    second.describe("lamp", CAPTIONS[2])
    second.describe("sofa", Caption("a green sofa", None, "seat"))


def second_state(world: World) -> None:
    """A model was replaced, one in place, one came, one left, one got another name; captions were edited."""
    first, second = world.libraries["first"], world.libraries["second"]
    first.put("chair", 3)
    first.put("red_table", 2, in_place=True)
    first.put("new", 1)
    first.describe("new", Caption("a new grey bench", None, "bench"))
    first.rename("old", "older")
    first.describe("older", Caption("an old stool", None))
    first.describe("sets/bed", Caption("a wide bed", "宽床"))
    second.delete("broken")
    second.put("stool", 3)
    second.describe("stool", Caption("a blue stool", None))
    second.describe("lamp", Caption("a tall lamp", None, "light"))


IMPORTS = {
    name: ["import", "folder", "{home}/" + name, "--captions", "{home}/" + f"{name}.json", "--library", name]
    for name in ("first", "second")
}
RENDER = ["render", "--renderer", "tints", "--views", str(VIEWS), "--size", str(SIDE)]
TRANSLATE = ["translate", "--translator", "openai_batch", "--yes"]
EMBED = ["embed", "--algorithm", "toy"]
INDEX = os.environ.get("CHAOS_INDEX", "codes")
"""The kind that all is published with; ``CHAOS_INDEX=hnsw make chaos`` for graphs."""
PUBLISH = ["publish", "--algorithm", "toy", "--index", INDEX]
UPDATE = ["update", "--algorithm", "toy", "--yes"]


def filled(command: Sequence[str], world: World) -> list[str]:
    """A command with this world's paths."""
    return [part.format(home=world.home) for part in command]


POINTS: dict[str, Sequence[Sequence[str]]] = {
    "changed": [],
    "imported": [[*IMPORTS["first"], "--yes"], [*IMPORTS["second"], "--yes"]],
    "rendered": [RENDER],
    "translated": [TRANSLATE],
    "embedded": [EMBED],
    "published": [PUBLISH],
}
"""What leads from each point to the next; the first is a published workspace whose libraries have changed since."""


@contextmanager
def prepared_world(root: Path, service: Service, *, has_mounts: bool) -> Iterator[World]:
    """A world with all of its points."""
    world = World(root, has_mounts, service)
    try:
        first_state(world)
        world.run(*(filled(command, world) for command in IMPORTS.values()))
        world.conninfo("postgres")
        world.put_database_on_a_disk()
        world.run(RENDER, TRANSLATE, EMBED, PUBLISH)
        second_state(world)
        for point, commands in POINTS.items():
            if commands:
                world.run(*(filled(command, world) for command in commands))
            world.keep(point)
        world.run(UPDATE, ["clean"])
        world.keep("settled")
        world.run(["backup", str(world.home / "backup")])
        world.keep("backed_up")
        yield world
    finally:
        world.close()
