"""Small files of the workspace that are lost, altered or left by a process that was killed."""

from __future__ import annotations

import errno
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.living import ALGORITHM, CAPTIONS, LibraryFolder, LivingParts, contents

from meshseek.errors import WorkspaceError
from meshseek.files import FileLock
from meshseek.pipeline.check import check
from meshseek.pipeline.publish import publish
from meshseek.pipeline.standing import is_embedded, standings
from meshseek.reporting import SilentReporter
from meshseek.store.postgres import Server
from meshseek.workspace import libraries
from meshseek.workspace.workspace import Workspace

DRAFT = ".0123456789abcdef.tmp"


@pytest.fixture
def parts(workspace: Workspace, server: Server, tmp_path: Path) -> LivingParts:
    """Two libraries of two assets each, brought through every stage with quick parts."""
    parts = LivingParts(workspace, server)
    for name in ("first", "second"):
        folder = LibraryFolder(tmp_path / name)
        for number, model in enumerate(("chair", "table"), 1):
            folder.put(model, number)
            folder.describe(model, CAPTIONS[number + 1])
        parts.bring_in(folder.path)
    parts.update()
    return parts


def damaged(parts: LivingParts) -> list[Path]:
    """What a check finds among tables, records, listings and options."""
    return sorted(check(parts.workspace, SilentReporter(), verify=True).damaged)


def published(parts: LivingParts) -> object:
    """All that is live."""
    with parts.server.connect(ALGORITHM) as connection:
        return contents(connection)


def publish_alone(parts: LivingParts) -> None:
    """Publish what is there."""
    publish(ALGORITHM, parts.workspace, parts.server, max_assets=None, reporter=SilentReporter())


def flip(path: Path, place: int = 70) -> None:
    """Turn over a bit."""
    content = bytearray(path.read_bytes())
    content[place] ^= 1
    path.write_bytes(content)


LOSE = [Path.unlink, flip, lambda path: path.write_bytes(b"")]


@pytest.mark.parametrize("lose", LOSE)
def test_a_lost_record_is_known_from_its_copy(parts: LivingParts, lose: Callable[[Path], object]) -> None:
    """Its libraries, what was forgotten of them and all ids stay; it is told, and an update writes it again."""
    libraries = parts.workspace.libraries
    libraries.forget(["chair"])
    before = libraries.all()
    record = libraries.folder / "first" / "library.json"
    lose(record)
    assert (libraries.all(), damaged(parts)) == (before, [record])
    parts.clean()
    parts.update()
    assert damaged(parts) == []
    assert {asset.asset_id for asset in parts.workspace.assets()} == {"table", "second/chair", "second/table"}


@pytest.mark.parametrize("lose", LOSE)
def test_a_lost_listing_takes_no_asset_away(parts: LivingParts, lose: Callable[[Path], object]) -> None:
    """It is told with its cure, and until that is done nothing is published without its assets."""
    before = published(parts)
    listing = parts.workspace.libraries.folder / "first" / "listing.parquet"
    lose(listing)
    assert damaged(parts) == [listing]
    with pytest.raises(WorkspaceError, match=r"^[^\n]*listing\.parquet is missing or damaged; run 'meshseek update'"):
        publish_alone(parts)
    parts.update()
    assert (damaged(parts), published(parts)) == ([], before)


@pytest.mark.parametrize("file", ["listing.parquet", "library.json"])
def test_files_of_two_libraries_cannot_be_mistaken(parts: LivingParts, file: str) -> None:
    """Each says whose it is."""
    one, other = (parts.workspace.libraries.folder / name / file for name in ("first", "second"))
    before, content = parts.workspace.libraries.all(), one.read_bytes()
    one.write_bytes(other.read_bytes())
    other.write_bytes(content)
    assert damaged(parts) == [one, other]
    assert parts.workspace.libraries.all() == before


@pytest.mark.parametrize("table", ["assets", "rendered", "captions_zh", "vectors/toy/caption_english"])
def test_a_lost_manifest_takes_no_row_away(parts: LivingParts, table: str) -> None:
    """Shards without a manifest are told of; nothing is published without them, and an update makes them again."""
    before = published(parts)
    manifest = parts.workspace.folder / table / "manifest.json"
    manifest.unlink()
    assert damaged(parts) == [manifest]
    with pytest.raises(WorkspaceError, match=r"^[^\n]*manifest\.json is missing; run [^\n]*$"):
        publish_alone(parts)
    parts.update()
    assert (damaged(parts), published(parts)) == ([], before)


@pytest.mark.parametrize("source", ["caption_english", "appearance"])
def test_vectors_that_were_removed_are_made_again(parts: LivingParts, source: str) -> None:
    """A folder of vectors that somebody removed, as the cure of a damaged manifest says, is work for an update."""
    before = published(parts)
    shutil.rmtree(parts.workspace.folder / "vectors" / ALGORITHM / source)
    assert not is_embedded(parts.workspace, ALGORITHM)
    assert standings(parts.workspace, [ALGORITHM])["first"].waiting == {f"embed {ALGORITHM}": 2}
    parts.update()
    assert published(parts) == before


def test_manifests_of_two_tables_cannot_be_mistaken(parts: LivingParts) -> None:
    """Nor is one believed of which a number was altered."""
    rendered, assets = (parts.workspace.folder / name / "manifest.json" for name in ("rendered", "assets"))
    content = rendered.read_bytes()
    rendered.write_bytes(assets.read_bytes())
    with pytest.raises(WorkspaceError, match=r"^[^\n]*is damaged or of another version[^\n]*remove"):
        parts.update()
    rendered.write_bytes(content.replace(b'"rows": 4', b'"rows": 5'))
    with pytest.raises(WorkspaceError, match=r"^[^\n]*its checksum differs[^\n]*remove"):
        parts.update()


def test_options_of_two_stages_cannot_be_mistaken(workspace: Workspace) -> None:
    """Nor are altered ones believed."""
    workspace.remembered.keep("render", {"views": 4})
    workspace.remembered.keep("publish", {"index": "hnsw"}, "toy")
    render, publication = (workspace.folder / "remembered" / name for name in ("render.json", "publish-toy.json"))
    assert workspace.remembered.get("render") == {"views": 4}
    content = render.read_bytes()
    for other in (publication.read_bytes(), content.replace(b"4", b"5"), content.replace(b"checksum", b"checksun")):
        render.write_bytes(other)
        assert workspace.remembered.damaged() == [render]
        with pytest.raises(WorkspaceError, match=r"^[^\n]*render\.json is damaged; remove it, and name the options"):
            workspace.remembered.get("render")


def test_forgetting_goes_on_where_it_was_killed(parts: LivingParts) -> None:
    """Assets of two libraries, of which the first had been done."""
    parts.workspace.libraries.forget(["chair"])
    parts.workspace.libraries.forget(["chair", "second/chair"])
    assert [asset.asset_id for asset in parts.workspace.assets()] == ["table", "second/table"]


def test_forgetting_on_a_full_disk(parts: LivingParts, monkeypatch: pytest.MonkeyPatch) -> None:
    """It says so in one line, nothing is forgotten, and it can be done when there is room."""

    def full(path: Path, content: bytes) -> None:
        raise OSError(errno.ENOSPC, "No space left on device", str(path))

    with monkeypatch.context() as patched:
        patched.setattr(libraries, "write_whole", full)
        with pytest.raises(WorkspaceError, match=r"^the disk that holds [^\n]* is full; free some space"):
            parts.workspace.libraries.forget(["chair"])
    assert [asset.asset_id for asset in parts.workspace.assets()] == ["chair", "table", "second/chair", "second/table"]
    parts.workspace.libraries.forget(["chair"])
    assert [asset.asset_id for asset in parts.workspace.assets()] == ["table", "second/chair", "second/table"]


def test_what_killed_processes_left_is_cleaned(parts: LivingParts) -> None:
    """Drafts that nobody writes any longer, and folders of libraries that are none, whatever they hold."""
    folder = parts.workspace.folder
    left = [folder / "remembered" / DRAFT, folder / "libraries" / "first" / DRAFT, folder / "libraries" / DRAFT]
    left += [folder / "libraries" / ".forgotten-0123456789abcdef" / "listing.parquet"]
    for path in left:
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"half")
    in_use = folder / "remembered" / ".fedcba9876543210.tmp"
    lock = FileLock(in_use)
    assert lock.take()
    parts.clean()
    assert [path for path in left if path.exists()] == []
    assert in_use.exists()
    assert not left[-1].parent.exists()
    assert [library.name for library in parts.workspace.libraries.all()] == ["first", "second"]
    lock.release()
