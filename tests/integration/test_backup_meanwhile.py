"""Backups while stages run and versions go live, and backups and restores that are killed or find no room."""

from __future__ import annotations

import os
import random
import shutil
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from tests.backups import backed_up, copied, files, restored, tables
from tests.conftest import drop_databases
from tests.living import ALGORITHM, CAPTIONS, Command, LibraryFolder, LivingParts, contents
from tests.toy import publish_toys, toy

from meshseek.errors import WorkspaceError
from meshseek.pipeline import backup as backup_stage
from meshseek.pipeline.backup_check import check_backups, list_snapshots
from meshseek.pipeline.check import check
from meshseek.pipeline.embed import embed
from meshseek.pipeline.import_assets import LibraryOptions, import_assets
from meshseek.pipeline.render import render
from meshseek.pipeline.translate import translate
from meshseek.reporting import SilentReporter
from meshseek.store.postgres import Server
from meshseek.store.read.files_in_use import files_in_use
from meshseek.store.read.held import HeldVersion, held_version
from meshseek.store.write.publisher import published_content, published_digests
from meshseek.workspace.format import expect_usable
from meshseek.workspace.objects import Kept, Objects
from meshseek.workspace.workspace import Workspace

REPORTER = SilentReporter()
STEPS = (1, 4, 9, 17, 26, 40)
"""Just before which change of files or tables a process is killed."""
SEEDS = int(os.environ.get("LIVES", "2"))


def assets(workspace: Workspace) -> dict[str, str]:
    """The assets of a workspace as they are, with their fingerprints."""
    return {asset.asset_id: asset.fingerprint for asset in workspace.assets()}


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
        self.published[content] = published_digests(self.parts.server, ALGORITHM)


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
        patch.setattr(backup_stage, "held_version", held)
        backed_up(life.parts.workspace, server, tmp_path / "backups")
    other = LivingParts(restored(tmp_path / "backups", tmp_path / "other", elsewhere), elsewhere)

    assert life.steps.total() > 1
    assert assets(other.workspace) in life.states
    report = check(other.workspace, REPORTER, verify=True)
    assert (report.faults, report.damaged) == ([], [])
    content, _ = published_content(elsewhere, ALGORITHM)
    assert published_digests(elsewhere, ALGORITHM) == life.published[str(content)]
    used = files_in_use(elsewhere, ALGORITHM)
    assert all((other.workspace.models / model).is_file() for model in used.models)
    assert all((other.workspace.folder / views).is_dir() for views in used.view_folders)
    life.parts.update()
    other.update()
    with server.connect(ALGORITHM) as one, elsewhere.connect(ALGORITHM) as another:
        assert contents(another) == contents(one)


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


@pytest.mark.parametrize("step", STEPS)
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


@pytest.mark.parametrize("step", STEPS)
def test_a_killed_restore_goes_on(
    step: int, backed_up_life: tuple[Path, str], conninfo: str, tmp_path: Path, elsewhere: Server
) -> None:
    """Until it has ended nothing opens the workspace; run again, it ends with all that was there."""
    life, prefix = backed_up_life
    folder, target = tmp_path / "backups", tmp_path / "target"
    backed_up(Workspace(life / "workspace"), Server(lambda: conninfo, prefix), folder)
    command = Command("restore_from", target, conninfo, elsewhere.database_name("")[: -len("_embeddings")], (folder,))

    assert command.killed(step)
    if target.exists():
        with pytest.raises(WorkspaceError, match="has not ended"):
            expect_usable(target)
    assert not command.killed(1000)

    expect_usable(target)
    assert files(Workspace(target)) == files(Workspace(life / "workspace"))
    assert tables(elsewhere) == tables(Server(lambda: conninfo, prefix))
