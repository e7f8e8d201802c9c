"""Backups while stages run, versions go live, somebody cleans, and a ledger is written."""

from __future__ import annotations

import contextlib
import os
import random
import sqlite3
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from queue import Queue
from typing import Any

import pytest
from tests.backups import backed_up, copied, restored, tables
from tests.living import ALGORITHM, CAPTIONS, LibraryFolder, LivingParts, contents
from tests.toy import publish_toys, toy

from meshseek.errors import WorkspaceError
from meshseek.pipeline import backup_databases, backup_files
from meshseek.pipeline.backup import BackupOptions, backup
from meshseek.pipeline.check import check
from meshseek.pipeline.embed import embed
from meshseek.pipeline.import_assets import LibraryOptions, import_assets
from meshseek.pipeline.render import render
from meshseek.pipeline.translate import translate
from meshseek.reporting import SilentReporter
from meshseek.store.postgres import Server
from meshseek.store.read.files_in_use import files_in_use
from meshseek.store.read.held import HeldVersion, held_version
from meshseek.store.write.live import published_content, published_digests
from meshseek.translators._entries import Entries
from meshseek.workspace.belongings import Table, read_table
from meshseek.workspace.objects import Kept, Objects
from meshseek.workspace.workspace import Workspace

REPORTER = SilentReporter()
SEEDS = int(os.environ.get("LIVES", "2"))


def assets(workspace: Workspace) -> dict[str, str]:
    """The assets of a workspace as they are, with their fingerprints."""
    return {asset.asset_id: asset.fingerprint for asset in workspace.assets()}


def digests(server: Server) -> dict[str, str]:
    """What each published asset was made from."""
    return {asset_id: digest for part in published_digests(server, ALGORITHM) for asset_id, digest in part}


class Life:
    """A workspace whose library changes, whose stages run, and that is cleaned, in an order that a seed decides."""

    def __init__(self, seed: int, parts: LivingParts, folder: Path) -> None:
        self.random = random.Random(seed)
        self.parts = parts
        self.library = LibraryFolder(folder)
        self.is_held = False
        """Whether a version is held just now: a publication would wait for the end of that."""
        self.published: dict[str, dict[str, str]] = {}
        """What each asset of a version was made from, by the version's content."""
        self.states: list[dict[str, str]] = []
        """The assets that the workspace had, with their fingerprints."""
        self.steps: Counter[str] = Counter()
        for number in range(4):
            self.library.put(f"model{number}", number)
        parts.bring_in(folder)
        self.update()
        self.states.append(assets(parts.workspace))

    def step(self) -> None:
        """Something happens."""
        kind = self.random.choice(("stages", "update", "clean"))
        self.steps[kind] += 1
        if kind == "clean":
            with pytest.raises(WorkspaceError, match="another process runs 'backup'"):
                self.parts.clean()
        else:
            self.change()
            if kind == "stages" or self.is_held:
                self.make()
            else:
                self.update()
        self.states.append(assets(self.parts.workspace))

    def change(self) -> None:
        """A model is another one, goes or comes, or is described otherwise."""
        name = f"model{self.random.randrange(6)}"
        if name in self.library.models and len(self.library.models) > 2 and self.random.random() < 0.3:
            self.library.delete(name)
        else:
            self.library.put(name, self.random.randrange(4))
            self.library.describe(name, self.random.choice(CAPTIONS))

    def make(self) -> None:
        """All stages but the last."""
        workspace = self.parts.workspace
        options: dict[str, Any] = {"max_assets": None, "reporter": REPORTER}
        (library,) = workspace.libraries.all()
        wanted = LibraryOptions(name=library.name, yes=True)
        import_assets(self.parts.dataset_of(library), workspace, workers=0, library=wanted, **options)
        render(self.parts.usual_renderer(), workspace, workers=0, **options)
        translate(self.parts.usual_translator(), workspace, **options)
        embed(toy(), ALGORITHM, workspace, **options)

    def update(self) -> None:
        """All stages."""
        self.parts.update()
        content, _ = published_content(self.parts.server, ALGORITHM)
        assert content is not None
        self.published[content] = digests(self.parts.server)


@pytest.mark.parametrize("seed", range(SEEDS))
def test_a_backup_is_of_one_moment_whatever_runs_meanwhile(
    seed: int, server: Server, elsewhere: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is restored is whole, is live as one version was, and becomes by an update what the workspace became."""
    life = Life(seed, LivingParts(Workspace(tmp_path / "workspace"), server), tmp_path / "library")
    add = Objects.add

    def step_and_add(*args: Any, **options: Any) -> Kept:
        if life.random.random() < 0.1:
            life.step()
        return add(*args, **options)

    @contextmanager
    def held(*args: Any) -> Iterator[HeldVersion | None]:
        with held_version(*args) as version:
            life.is_held = True
            yield version
        life.is_held = False

    with monkeypatch.context() as patch:
        patch.setattr(Objects, "add", step_and_add)
        patch.setattr(backup_databases, "held_version", held)
        backed_up(life.parts.workspace, server, tmp_path / "backups")
    other = LivingParts(restored(tmp_path / "backups", tmp_path / "other", elsewhere), elsewhere)

    assert life.steps.total() > 1
    assert assets(other.workspace) in life.states
    report = check(other.workspace, REPORTER, verify=True)
    assert (report.faults, report.damaged) == ([], [])
    content, _ = published_content(elsewhere, ALGORITHM)
    assert digests(elsewhere) == life.published[str(content)]
    used = files_in_use(elsewhere, ALGORITHM)
    assert all((other.workspace.models / model).is_file() for model in used.models)
    assert all((other.workspace.folder / views).is_dir() for views in used.view_folders)
    life.parts.update()
    other.update()
    with server.connect(ALGORITHM) as one, elsewhere.connect(ALGORITHM) as another:
        assert contents(another) == contents(one)


def test_listings_and_tables_are_of_one_moment(
    server: Server, elsewhere: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An import that ends between them would leave assets whose rows are not those that their library lists."""
    life = Life(0, LivingParts(Workspace(tmp_path / "workspace"), server), tmp_path / "library")

    def change_and_read(workspace: Workspace, folder: str) -> Table | None:
        if not life.steps:
            life.steps["change"] += 1
            for number in range(4):
                life.library.put(f"model{number}", (number + 1) % 4)
            life.make()
        return read_table(workspace, folder)

    monkeypatch.setattr(backup_files, "read_table", change_and_read)
    backed_up(life.parts.workspace, server, tmp_path / "backups")

    found = assets(restored(tmp_path / "backups", tmp_path / "other", elsewhere))
    assert found == assets(life.parts.workspace) != life.states[0]


def test_another_version_may_go_live_while_one_is_copied(published_toys: Workspace, server: Server) -> None:
    """Searches see the new one at once; the copy has the one that it began with; the publication then ends."""
    before = tables(server)
    with ThreadPoolExecutor(1) as pool:
        with held_version(server, ALGORITHM) as held:
            assert held is not None
            publication = pool.submit(publish_toys, published_toys, server, 20)
            while published_content(server, ALGORITHM)[1] != 20:
                assert not publication.done(), "it drops what is held"
            after = copied(held)
        publication.result()

    assert after == before


def test_a_cleaning_is_waited_for(toys: Workspace, server: Server, tmp_path: Path) -> None:
    """What it deletes is not to be half copied; the backup says what it waits for, and goes on by itself."""
    said: Queue[str] = Queue()
    reporter = SilentReporter()
    reporter.say = said.put  # type: ignore[method-assign, assignment]
    with ThreadPoolExecutor(1) as pool:
        with toys.lock("backup"):
            made = pool.submit(backup, toys, server, [], tmp_path / "backups", BackupOptions(), reporter)
            assert "waiting for 'clean'" in said.get(timeout=60)
            assert not made.done()
        assert made.result().details["snapshot"].startswith("000001-")


def test_a_ledger_is_copied_between_its_steps(toys: Workspace, server: Server, tmp_path: Path) -> None:
    """A step that is half written while it is copied is not in the snapshot, and those before it are."""
    file = toys.folder / "translations" / "openai_batch" / "ledger.sqlite3"
    Entries(file).write("1", "sent")
    with contextlib.closing(sqlite3.connect(file)) as writer:
        writer.execute("PRAGMA cache_spill = 1")
        writer.execute("INSERT OR REPLACE INTO entries VALUES ('2', 'half')")
        backed_up(toys, server, tmp_path / "backups")

    target = restored(tmp_path / "backups", tmp_path / "target", server).folder
    assert Entries(target / file.relative_to(toys.folder)).read() == {"1": "sent"}
