"""Whatever happens to libraries and to our processes: after an update, all is as if it had been made from scratch."""

from __future__ import annotations

import hashlib
import os
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import psycopg
import pytest
from hypothesis import HealthCheck, Phase, event, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from tests.conftest import drop_databases
from tests.living import (
    ALGORITHM,
    BLANK,
    BROKEN,
    CAPTIONS,
    FACES,
    MODELS,
    VIEWS,
    Caption,
    Command,
    Contents,
    LibraryFolder,
    LivingParts,
    contents,
    tint,
)

from meshseek.errors import WorkspaceError
from meshseek.pipeline import publish as publishing_stage
from meshseek.pipeline.check import check
from meshseek.pipeline.clean import all_tables, find_garbage
from meshseek.reporting import SilentReporter
from meshseek.store.postgres import Server
from meshseek.workspace.workspace import Workspace

NIGHTLY = "LIVES" in os.environ
"""Many new lives, and a failing one is made as short as can be; else few, and the same each time."""
LIVES = int(os.environ.get("LIVES", "14"))
LENGTH = 12
LAST_STEP = 130
"""An update with much to do changes files and tables about so often."""
REPORTER = SilentReporter()
NAMES = st.sampled_from(("chair", "red_table", "sets/bed", "lamp"))
NUMBERS = st.integers(0, len(MODELS) - 1)
SOME_MODELS = st.dictionaries(NAMES, NUMBERS, min_size=2)
PICK = st.integers(0, 99)
LIBRARIES = st.sampled_from(("first", "second"))


class Shown(NamedTuple):
    """What is published of an asset."""

    model: str | None
    """SHA-256 of its file."""
    english: tuple[str, ...]
    chinese: tuple[str, ...]
    faces: int
    category: str | None
    library: str
    views: int


@dataclass(frozen=True, slots=True)
class Database:
    """A place to publish to, with a connection that looks on."""

    conninfo: str
    prefix: str
    connection: psycopg.Connection[tuple[Any, ...]]

    @property
    def server(self) -> Server:
        """To publish to."""
        return Server(lambda: self.conninfo, self.prefix)

    def empty(self) -> None:
        """Publish nothing."""
        for schema in ("live", "incoming", "retired"):
            self.connection.execute(f"DROP SCHEMA IF EXISTS {schema} CASCADE".encode())

    def rows(self) -> list[tuple[Any, ...]]:
        """Id, model, folder of views, their numbers, captions and attributes of each published asset."""
        try:
            return self.connection.execute(
                "SELECT asset_id, model, view_folder, viewpoint_ids, captions_english, captions_chinese, attributes "
                "FROM live.assets ORDER BY asset_id"
            ).fetchall()
        except psycopg.errors.UndefinedTable:
            return []

    def wait_for_others(self) -> None:
        """Wait until the server has seen that a process is gone."""
        others = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
        while self.connection.execute(others).fetchone() != (0,):
            time.sleep(0.005)


class Life(RuleBasedStateMachine):
    """Two libraries, one workspace, and a model of what must be there."""

    def __init__(self, home: Path, living: Database, scratch: Database) -> None:
        super().__init__()
        shutil.rmtree(home, ignore_errors=True)
        self.home, self.database, self.scratch = home, living, scratch
        self.folders = {name: LibraryFolder(home / name) for name in ("first", "second")}
        self.workspace = Workspace(home / "workspace")
        self.parts = LivingParts(self.workspace, living.server)
        self.forgotten: set[str] = set()
        self.lost: set[Path] = set()
        """Files that the live version names and that are gone or altered, by no doing of ours."""
        self.digests: dict[Path, bytes] = {}
        """Of each file that any live version named."""
        for database in (living, scratch):
            database.empty()

    @initialize(first=SOME_MODELS, second=SOME_MODELS)
    def begin(self, first: dict[str, int], second: dict[str, int]) -> None:
        """Two folders with models; the first one can be searched."""
        for library, models in (("first", first), ("second", second)):
            for name, number in models.items():
                self.folders[library].put(name, number)
        self.parts.bring_in(self.folders["first"].path)
        self.parts.update()

    @rule(library=LIBRARIES, models=SOME_MODELS, in_place=st.booleans(), older=st.booleans())
    def put(self, library: str, models: dict[str, int], *, in_place: bool, older: bool) -> None:
        """Models are added or replaced."""
        for name, number in models.items():
            self.folders[library].put(name, number, in_place=in_place, older=older)

    @rule(library=LIBRARIES, which=PICK, number=NUMBERS, in_place=st.booleans(), older=st.booleans())
    def replace(self, library: str, which: int, number: int, *, in_place: bool, older: bool) -> None:
        """A model is replaced."""
        if names := sorted(self.folders[library].models):
            self.folders[library].put(names[which % len(names)], number, in_place=in_place, older=older)

    @rule(library=LIBRARIES, which=PICK, version=st.integers(0, 3))
    def restore(self, library: str, which: int, version: int) -> None:
        """A model that was replaced or deleted comes back from a backup, with its old time."""
        if names := self.folders[library].ever:
            self.folders[library].restore(names[which % len(names)], version)

    @rule(library=LIBRARIES, which=PICK, name=NAMES)
    def rename(self, library: str, which: int, name: str) -> None:
        """A model gets another name, or two are swapped."""
        if names := sorted(self.folders[library].models):
            self.folders[library].rename(names[which % len(names)], name)

    @rule(library=LIBRARIES, which=PICK)
    def delete(self, library: str, which: int) -> None:
        """A model is deleted."""
        if names := sorted(self.folders[library].models):
            self.folders[library].delete(names[which % len(names)])

    @rule(library=LIBRARIES, name=NAMES, caption=st.sampled_from(CAPTIONS))
    def describe(self, library: str, name: str, caption: Caption | None) -> None:
        """The captions file is edited."""
        self.folders[library].describe(name, caption)

    @precondition(lambda self: self.folders["second"].models and "second" not in self.known)
    @rule(step=st.none() | st.integers(1, 50))
    def bring_in_second(self, step: int | None) -> None:
        """A second library is imported, perhaps by a process that is killed."""
        if step is None:
            self.parts.bring_in(self.folders["second"].path)
        else:
            self.kill("bring_in", step, self.folders["second"].path)

    @precondition(lambda self: "second" in self.known)
    @rule()
    def forget_second(self) -> None:
        """The user wants the second library out of the workspace."""
        self.workspace.libraries.remove(self.workspace.libraries.named("second"))
        self.forgotten = {asset_id for asset_id in self.forgotten if not asset_id.startswith("second/")}

    @rule(which=PICK)
    def forget(self, which: int) -> None:
        """The user wants an asset out of the workspace."""
        listed = sorted(self.workspace.libraries.current())
        if listed:
            asset_id = listed[which % len(listed)]
            self.workspace.libraries.forget([asset_id])
            self.forgotten.add(asset_id)

    @rule(which=PICK, cut_off=st.booleans())
    def lose(self, which: int, *, cut_off: bool) -> None:
        """A file of the workspace is lost or cut off: a model, a view, or a part of a table."""
        parts = [table.folder / shard["file"] for table in all_tables(self.workspace) for shard in table.shards]
        files = [path for path in [*parts, *self.made_files()] if path.is_file()]
        if not files:
            return
        path = files[which % len(files)]
        content = path.read_bytes()
        path.unlink()
        self.lost.add(path)
        if cut_off:
            path.write_bytes(content[: len(content) // 2])

    @precondition(lambda self: not self.is_damaged)
    @rule(which=PICK)
    def repair(self, which: int) -> None:
        """A model or a view gets another content of the same size, and the workspace is verified and repaired."""
        if files := list(self.made_files()):
            path = files[which % len(files)]
            path.write_bytes(bytes(255 - byte for byte in path.read_bytes()))
        self.parts.repair()
        self.lost.clear()
        self.expect_what_scratch_gives()

    @rule()
    def update(self) -> None:
        """Everything is brought up to date."""
        updated = self.parts.update()
        assert not updated.notes or not all(self.folders[name].models for name in self.known)
        self.lost.clear()
        self.expect_what_scratch_gives()

    @rule(step=st.integers(1, LAST_STEP), cleaned=st.booleans())
    def update_killed(self, step: int, *, cleaned: bool) -> None:
        """An update is killed, and perhaps the workspace cleaned before the next one."""
        self.kill("update", step)
        if cleaned and not self.is_damaged:
            self.parts.clean()

    @rule(step=st.none() | st.integers(1, 20))
    def clean(self, step: int | None) -> None:
        """What nobody needs is deleted; where it cannot be told what that is, nothing."""
        if self.is_damaged:
            with pytest.raises(WorkspaceError):
                self.parts.clean()
        elif step is None:
            self.parts.clean()
            assert not find_garbage(self.workspace, self.database.server, [ALGORITHM]).files
        else:
            self.kill("clean", step)

    @invariant()
    def live_files_are_there(self) -> None:
        """Whatever was done: the files of the live version are there, and what they were when it was published."""
        for asset_id, model, folder, viewpoints, *_ in self.database.rows():
            for path in (self.workspace.models / model, *self.view_files(folder, viewpoints)):
                if path not in self.lost:
                    digest = hashlib.sha256(path.read_bytes()).digest()
                    assert self.digests.setdefault(path, digest) == digest, asset_id

    def teardown(self) -> None:
        """The end is an update, and another one has nothing to do."""
        self.update()
        again = self.parts.update()
        assert {summary.stage: summary.done for summary in again.summaries if summary.done} == {}

    @property
    def known(self) -> list[str]:
        """The libraries of the workspace."""
        return [library.name for library in self.workspace.libraries.all()]

    @property
    def is_damaged(self) -> bool:
        """Whether a part of a table is lost."""
        return any(table.damaged() for table in all_tables(self.workspace))

    def made_files(self) -> Iterator[Path]:
        """The models and views in the workspace, in an order that does not depend on what they hold."""
        for folder in (self.workspace.models, self.workspace.views):
            yield from sorted(path for path in folder.rglob("*") if path.is_file())

    def view_files(self, folder: str, viewpoints: list[int]) -> list[Path]:
        """The pictures of an asset as it was published."""
        return [self.workspace.folder / folder / f"{number:05d}" / f"{number:05d}.png" for number in viewpoints]

    def kill(self, name: str, step: int, *arguments: Any) -> None:
        """Run a command that is killed before it changes files or tables for the given time."""
        place = (self.workspace.folder, self.database.conninfo, self.database.prefix)
        was_killed = Command(name, *place, arguments).killed(step)
        event(f"{name} was killed" if was_killed else f"{name} ended before it was to be killed")
        self.database.wait_for_others()

    def expect_what_scratch_gives(self) -> None:
        """The live version is as the model says and as a new workspace gives it; its files are whole."""
        shown, expected = self.shown(self.database.rows()), self.expected()
        report = check(self.workspace, REPORTER, verify=True)
        assert report.is_sound, report.as_json()
        if any(asset.english or asset.chinese or asset.views for asset in expected.values()):
            assert shown == expected
            assert contents(self.database.connection) == self.from_scratch()
        else:  # what has no vectors is published beside what has or had some
            assert shown in ({}, expected)

    def expected(self) -> dict[str, Shown]:
        """What must be searchable, by the model."""
        assets: dict[str, Shown] = {}
        for library in self.known:
            folder = self.folders[library]
            for name, number in folder.models.items():
                if number == BROKEN:
                    continue
                caption = folder.captions.get(name, Caption(None, None))
                assets[f"second/{name}" if library == "second" else name] = Shown(
                    model=hashlib.sha256(MODELS[number]).hexdigest(),
                    english=(caption.english,) if caption.english else (),
                    chinese=(caption.chinese,) if caption.chinese else (),
                    faces=FACES[number],
                    category=caption.category,
                    library=library,
                    views=0 if number == BLANK else VIEWS,
                )
        return {asset_id: shown for asset_id, shown in assets.items() if asset_id not in self.forgotten}

    def shown(self, rows: list[tuple[Any, ...]]) -> dict[str, Shown]:
        """What is published, with its files; the pictures are those of the model."""
        shown = {}
        for asset_id, model, folder, viewpoints, english, chinese, attributes in rows:
            content = (self.workspace.models / model).read_bytes()
            pictures = [path.read_bytes() for path in self.view_files(folder, viewpoints)]
            assert pictures == [tint(content, number) for number in viewpoints]
            digest = hashlib.sha256(content).hexdigest()
            labels = (attributes["faces"], attributes.get("category"), attributes["library"])
            shown[asset_id] = Shown(digest, tuple(english), tuple(chinese), *labels, len(viewpoints))
        return shown

    def from_scratch(self) -> Contents:
        """What is published of the same libraries by a new workspace."""
        workspace = Workspace(self.home / "scratch")
        shutil.rmtree(workspace.folder, ignore_errors=True)
        for library in self.workspace.libraries.all():
            workspace.libraries.save(replace(library, imported_at=None), {})
        self.scratch.empty()
        LivingParts(workspace, self.scratch.server).update()
        return contents(self.scratch.connection)


@pytest.fixture(scope="module")
def databases(conninfo: str) -> Iterator[tuple[Database, Database]]:
    """Two places to publish to, for all sequences: to make databases takes longer than to empty them."""
    prefix = f"living_{os.getpid()}_"
    made = []
    for kind in ("life", "scratch"):
        server = Server(lambda: conninfo, f"{prefix}{kind}_")
        server.create_database(ALGORITHM)
        connection = psycopg.connect(server.conninfo(ALGORITHM), autocommit=True)
        made.append(Database(conninfo, f"{prefix}{kind}_", connection))
    yield made[0], made[1]
    for database in made:
        database.connection.close()
    drop_databases(conninfo, prefix)


@pytest.mark.parametrize("share", [0.1, 1.0], ids=["anew", "in place"])
def test_an_updated_workspace_equals_one_from_scratch(
    databases: tuple[Database, Database], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, share: float
) -> None:
    """Added, replaced, renamed, deleted, lost, forgotten, killed: what is searchable is what the libraries hold now."""
    monkeypatch.setattr(publishing_stage, "UPDATED_SHARE", share)
    run_state_machine_as_test(
        partial(Life, tmp_path / "life", *databases),  # type: ignore[arg-type]  # whatever makes a machine will do
        settings=settings(
            max_examples=LIVES // 2,
            stateful_step_count=LENGTH,
            derandomize=not NIGHTLY,
            phases=[Phase.generate, Phase.shrink] if NIGHTLY else [Phase.generate],
            print_blob=NIGHTLY,
            deadline=None,  # the machine may be busy
            suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],  # a life takes a second or two
        ),
    )
