"""Backups: what comes back is what was there, whatever runs meanwhile, and whatever happens to the backup."""

from __future__ import annotations

import stat
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from tests.backups import backed_up, files, restored, tables
from tests.living import ALGORITHM
from tests.toy import publish_toys, toy_algorithm

from meshseek.errors import BackupError, ConfirmationNeededError, InputError
from meshseek.images import read_image
from meshseek.pipeline.backup import BackupOptions, backup
from meshseek.pipeline.backup_check import check_backups, list_snapshots
from meshseek.pipeline.publish import publish
from meshseek.pipeline.synthetic import LibrarySize, make_library
from meshseek.reporting import SilentReporter
from meshseek.search.query import Query
from meshseek.store.postgres import Server
from meshseek.store.read.published import Tuning
from meshseek.workspace.workspace import Workspace

REPORTER = SilentReporter()
SMALL = 300
"""Bytes."""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where backups go."""
    return tmp_path / "backups"


def answers(workspace: Workspace, server: Server) -> list[Any]:
    """What searches of every kind find, and why."""
    picture = read_image(workspace.folder / "pictures" / "007" / "00000" / "00000.png")
    shown: dict[str, Any] = {"explain": True, "top_k": 40}
    queries = [
        Query(text="a red chair", **shown),
        Query(text="红色的椅子", **shown),
        Query(text="green lamp", cross_modal=True, **shown),
        Query(image=picture, **shown),
        Query(image=picture, cross_modal=True, **shown),
        Query(text="chair", filters={"category": "chair", "creator": "maker 1"}, **shown),
        Query(text='"grey sofa"', target="words", **shown),
        Query(text="bed", exact=True, min_relevance="fair", **shown),
    ]
    algorithm = toy_algorithm(server)
    try:
        found = [algorithm.search(query) for query in queries]
        return [algorithm.library.published(), *((answer.hits, answer.nothing_close) for answer in found)]
    finally:
        algorithm.library.close()


def tuned(server: Server) -> None:
    """Keep a tuning beside the live version."""
    tuning = Tuning(
        target="caption",
        kind="text",
        goal=0.95,
        lost_goal=0.0,
        ef=77,
        candidates=33,
        recall=0.96,
        recall_at_least=0.9,
        share_lost=0.001,
        lost_at_most=0.01,
        worst=0.4,
        p50_ms=1.25,
        queries=10,
        tuned_at=datetime(2026, 5, 4, 3, 2, 1, tzinfo=UTC),
    )
    algorithm = toy_algorithm(server)
    algorithm.library.keep_tunings(algorithm.library.published(), [tuning])
    algorithm.library.close()


def test_what_is_restored_elsewhere_answers_the_same(
    published_toys: Workspace, server: Server, elsewhere: Server, folder: Path, tmp_path: Path
) -> None:
    """Another folder, other databases: files, modes, tables, tunings, the version's name and all answers."""
    tuned(server)
    keys = published_toys.folder / "keys.json"
    keys.write_text("{}")
    keys.chmod(0o600)
    (published_toys.folder / "meshseek.toml").write_text("workers = 1\n")
    backed_up(published_toys, server, folder)

    other = restored(folder, tmp_path / "other", elsewhere)

    assert files(other) == files(published_toys)
    assert stat.S_IMODE((other.folder / "keys.json").stat().st_mode) == 0o600
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert tables(elsewhere) == tables(server)
    assert answers(other, elsewhere) == answers(published_toys, server)
    assert publish_toys(published_toys, elsewhere).done == 0


def test_a_second_snapshot_copies_what_is_new(published_toys: Workspace, server: Server, folder: Path) -> None:
    """Nothing where nothing changed, and of a changed publication the parts with other rows."""
    first = backed_up(published_toys, server, folder)
    again = backed_up(published_toys, server, folder)
    verified = backed_up(published_toys, server, folder, verify=True)
    (published_toys.folder / "new.txt").write_text("new")
    tuned(server)
    changed = backed_up(published_toys, server, folder)

    assert 0 < first.details["new bytes"] <= first.details["bytes"]
    assert (again.done, again.details["new bytes"]) == (0, 0)
    assert (verified.done, verified.details["new bytes"]) == (0, 0)
    assert (changed.done, 0 < changed.details["new bytes"] < SMALL) == (1, True)


def test_a_change_of_one_asset_is_in_one_part(server: Server, tmp_path: Path) -> None:
    """Parts begin and end at the same assets, so what comes or goes changes no others."""
    workspace = Workspace(tmp_path / "crowd")
    make_library(LibrarySize(assets=700, views=1, dim=8), workspace, REPORTER)
    publish("synthetic", workspace, server, index_kind="exact", max_assets=None, reporter=REPORTER)
    before = tables(server, "synthetic")
    with server.connect("synthetic") as connection:
        connection.execute("UPDATE live.assets SET digest = 'x' WHERE asset_id = 'synthetic-00000350'")
        connection.execute("DELETE FROM live.image_embeddings WHERE asset_id = 'synthetic-00000350'")

    after = tables(server, "synthetic")

    assert len(before["assets"]) > 1
    for table, parts in before.items():
        different = sum(one != other for one, other in zip(parts, after[table], strict=True))
        assert different == (table in {"assets", "image_embeddings"})


def test_only_the_last_snapshots_are_kept(
    published_toys: Workspace, server: Server, folder: Path, tmp_path: Path
) -> None:
    """Older ones go with the contents that only they had; those that stay are whole."""
    odd = published_toys.folder / "odd.txt"
    for text in ("first", "second", "third"):
        odd.write_text(text)
        backed_up(published_toys, server, folder)
    odd.write_text("fourth")
    summary = backed_up(published_toys, server, folder, keep=2)

    assert summary.details["snapshots removed"] == 2
    assert [int(each["snapshot"][:6]) for each in list_snapshots(folder)] == [3, 4]
    assert check_backups(folder, REPORTER).faults == {}
    kept = {path.read_bytes() for path in (folder / "objects").glob("??/*") if path.stat().st_size < SMALL}
    assert kept & {b"first", b"second", b"third", b"fourth"} == {b"third", b"fourth"}
    assert (restored(folder, tmp_path / "third", server, snapshot="3").folder / "odd.txt").read_text() == "third"


def test_what_is_damaged_is_told_and_mended(
    published_toys: Workspace, server: Server, elsewhere: Server, folder: Path, tmp_path: Path
) -> None:
    """Whatever a content is of: a check sees it, a restore refuses it, and another reading of everything mends it."""
    backed_up(published_toys, server, folder)
    contents = sorted((folder / "objects").glob("??/*"), key=lambda path: path.stat().st_size)
    for path in (contents[len(contents) // 2], contents[-1], contents[-3]):
        sound = path.read_bytes()
        path.write_bytes(sound[:-1] + bytes([sound[-1] ^ 1]))

        assert len(check_backups(folder, REPORTER).faults) == 1
        with pytest.raises(BackupError, match="damaged"):
            restored(folder, tmp_path / path.name, elsewhere)
        backed_up(published_toys, server, folder, verify=True, keep=1)
        assert check_backups(folder, REPORTER).faults == {}
        assert path.read_bytes() == sound


def test_a_shard_that_is_damaged_is_told_and_nothing_is_removed(toys: Workspace, server: Server, folder: Path) -> None:
    """What the backup cannot have whole must not push out what it had."""
    backed_up(toys, server, folder)
    (shard,) = (toys.folder / "assets").glob("part-*.parquet")
    shard.write_bytes(shard.read_bytes()[:-1])

    summary = backed_up(toys, server, folder, keep=1)

    assert (summary.details["damaged"], len(list_snapshots(folder))) == (1, 2)


def test_nothing_is_overwritten_unasked(
    published_toys: Workspace, server: Server, folder: Path, tmp_path: Path
) -> None:
    """A workspace with something in it, and another live version, stay as they are; with yes, aside and replaced."""
    backed_up(published_toys, server, folder)
    original = tables(server)
    with server.connect(ALGORITHM) as connection:
        connection.execute("UPDATE live.spaces SET content = 'another'")
    target = tmp_path / "target"
    target.mkdir()
    (target / "mine.txt").write_text("mine")

    with pytest.raises(ConfirmationNeededError, match="is not empty"):
        restored(folder, target, server)
    assert [path.name for path in target.iterdir()] == ["mine.txt"]
    with pytest.raises(ConfirmationNeededError, match="another version of 'toy' is live"):
        restored(folder, tmp_path / "empty", server)

    restored(folder, target, server, yes=True)
    assert (tmp_path / "target.before-restore-1" / "mine.txt").read_text() == "mine"
    assert files(Workspace(target)) == files(published_toys)
    assert tables(server) == original


def test_settings_that_are_there_stay(toys: Workspace, server: Server, folder: Path, tmp_path: Path) -> None:
    """Whoever restores elsewhere says there first where the database is."""
    (toys.folder / "meshseek.toml").write_text("workers = 1\n")
    backed_up(toys, server, folder)
    target = tmp_path / "target"
    target.mkdir()
    (target / "meshseek.toml").write_text("workers = 2\n")

    restored(folder, target, server)

    assert (target / "meshseek.toml").read_text() == "workers = 2\n"


@pytest.mark.parametrize("where", ["workspace/backups", ".", "workspace"])
def test_a_backup_is_outside_of_its_workspace(toys: Workspace, server: Server, tmp_path: Path, where: str) -> None:
    """Else it would hold itself."""
    with pytest.raises(BackupError, match="in each other"):
        backed_up(toys, server, tmp_path / where)


def test_another_folder_is_no_backup(toys: Workspace, server: Server, tmp_path: Path) -> None:
    """Nothing is written among other files, and nothing restored from them."""
    other = tmp_path / "other"
    other.mkdir()
    (other / "mine.txt").write_text("mine")

    with pytest.raises(BackupError, match="something else"):
        backed_up(toys, server, other)
    with pytest.raises(BackupError, match="holds no backups"):
        restored(other, tmp_path / "target", server)
    with pytest.raises(BackupError, match="holds no backups"):
        list_snapshots(tmp_path / "nowhere")
    assert [path.name for path in other.iterdir()] == ["mine.txt"]


def test_an_unknown_snapshot_is_told(toys: Workspace, server: Server, folder: Path, tmp_path: Path) -> None:
    """With the command that lists those that are there."""
    backed_up(toys, server, folder)

    with pytest.raises(InputError, match=r"no snapshot '7' in .*--list"):
        restored(folder, tmp_path / "target", server, snapshot="7")


def test_links_are_told_and_a_large_folder_on_another_disk_is_followed(
    toys: Workspace, server: Server, folder: Path, tmp_path: Path
) -> None:
    """No link of a hostile or careless hand is taken for a file; a folder of ours that was put elsewhere is one."""
    (tmp_path / "disk").mkdir()
    (tmp_path / "disk" / "a.glb").write_bytes(b"model")
    (toys.folder / "models").symlink_to(tmp_path / "disk")
    (toys.folder / "passwd").symlink_to("/etc/passwd")
    said: list[str] = []
    reporter = SilentReporter()
    reporter.say = said.append  # type: ignore[method-assign, assignment]

    backup(toys, server, [], folder, BackupOptions(), reporter)
    target = restored(folder, tmp_path / "target", server).folder

    assert said == ["backup: 1 of the workspace are neither files nor folders, and left out: passwd"]
    assert (target / "models" / "a.glb").read_bytes() == b"model"
    assert not (target / "passwd").exists()
