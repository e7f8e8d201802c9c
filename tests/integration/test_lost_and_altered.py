"""Small files of the workspace that are lost, altered or left by a process that was killed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from tests.stages import ALGORITHM, Stages

from meshseek.errors import WorkspaceError
from meshseek.files import FileLock
from meshseek.pipeline.check import check
from meshseek.pipeline.clean import clean
from meshseek.reporting import SilentReporter

DRAFT = ".0123456789abcdef.tmp"


def clean_up(stages: Stages) -> None:
    """Delete what nobody needs."""
    clean(stages.workspace, stages.server, [ALGORITHM], dry_run=False)


def damaged(stages: Stages) -> list[Path]:
    """What a check finds among tables, records and listings."""
    return check(stages.workspace, SilentReporter(), verify=True).damaged


def flip(path: Path, what: bytes) -> None:
    """Turn over the lowest bit of the first byte of something in a file."""
    content = path.read_bytes()
    place = content.index(what)
    path.write_bytes(content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :])


@pytest.mark.parametrize(
    "lose", [Path.unlink, lambda path: flip(path, b"glb_folder"), lambda path: path.write_bytes(b"")]
)
def test_a_lost_record_is_known_from_its_copy(stages: Stages, lose: Callable[[Path], object]) -> None:
    """Its libraries, what was forgotten of them and all ids stay; it is told, and an update writes it again."""
    libraries = stages.workspace.libraries
    first = stages.ids()[0]
    libraries.forget([first])
    before = libraries.all()
    (record,) = libraries.folder.glob("*/library.json")
    lose(record)
    assert (libraries.all(), damaged(stages)) == (before, [record])
    clean_up(stages)
    stages.update()
    assert damaged(stages) == []
    assert set(stages.searchable()) == set(stages.ids()) != {first}


@pytest.mark.parametrize(
    "lose", [Path.unlink, lambda path: flip(path, path.read_bytes()[60:80]), lambda path: path.write_bytes(b"")]
)
def test_a_lost_listing_takes_no_asset_away(stages: Stages, lose: Callable[[Path], object]) -> None:
    """It is told with its cure, and until that is done nothing is published without its assets."""
    before = stages.searchable()
    (listing,) = stages.workspace.libraries.folder.glob("*/listing.parquet")
    lose(listing)
    assert damaged(stages) == [listing]
    with pytest.raises(WorkspaceError, match=r"^[^\n]*listing\.parquet is missing or damaged; run 'meshseek update'"):
        stages.publish()
    stages.update()
    assert (damaged(stages), stages.searchable()) == ([], before)


def test_listings_of_two_libraries_cannot_be_mistaken(stages: Stages, samples: Path) -> None:
    """Each says whose it is."""
    stages.import_folder(samples, "second")
    one, other = sorted(stages.workspace.libraries.folder.glob("*/listing.parquet"))
    content = one.read_bytes()
    one.write_bytes(other.read_bytes())
    other.write_bytes(content)
    assert sorted(damaged(stages)) == [one, other]


@pytest.mark.parametrize("table", ["assets", "rendered", "captions_zh", "vectors/toy/caption_english"])
def test_a_lost_manifest_takes_no_row_away(stages: Stages, table: str) -> None:
    """Shards without a manifest are told of; nothing is published without them, and an update makes them again."""
    before, vectors = stages.searchable(), stages.vectors("english")
    manifest = stages.workspace.folder / table / "manifest.json"
    manifest.unlink()
    assert damaged(stages) == [manifest]
    with pytest.raises(WorkspaceError, match=r"^[^\n]*manifest\.json is missing; run [^\n]*$"):
        stages.publish()
    stages.update()
    assert damaged(stages) == []
    assert (stages.searchable(), stages.vectors("english")) == (before, vectors)


def test_manifests_of_two_tables_cannot_be_mistaken(stages: Stages) -> None:
    """Nor is one believed of which a number was altered."""
    rendered, assets = (stages.workspace.folder / name / "manifest.json" for name in ("rendered", "assets"))
    content = rendered.read_bytes()
    rendered.write_bytes(assets.read_bytes())
    with pytest.raises(WorkspaceError, match=r"^[^\n]*is damaged or of another version[^\n]*remove"):
        stages.render()
    rendered.write_bytes(content.replace(b'"rows": 6', b'"rows": 7'))
    with pytest.raises(WorkspaceError, match=r"^[^\n]*its checksum differs[^\n]*remove"):
        stages.render()


def test_forgetting_goes_on_where_it_was_killed(stages: Stages, samples: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Assets of two libraries, of which the first had been done."""
    stages.import_folder(samples, "second")
    libraries, ids = stages.workspace.libraries, stages.ids()
    wanted = [ids[0], next(asset_id for asset_id in ids if asset_id.startswith("second/"))]
    libraries.forget(wanted[:1])
    libraries.forget(wanted)
    assert set(stages.ids()) == set(ids) - set(wanted)


def test_what_killed_processes_left_is_cleaned(stages: Stages, samples: Path) -> None:
    """Drafts that nobody writes any longer, and folders of libraries that are none, whatever they hold."""
    folder = stages.workspace.folder
    library = next((folder / "libraries").glob("*/"))
    left = [folder / "remembered" / DRAFT, library / DRAFT, folder / "libraries" / DRAFT]
    left += [folder / "libraries" / ".forgotten-0123456789abcdef" / "listing.parquet"]
    left[-1].parent.mkdir()
    for path in left:
        path.write_bytes(b"half")
    in_use = folder / "remembered" / ".fedcba9876543210.tmp"
    lock = FileLock(in_use)
    assert lock.take()
    clean_up(stages)
    assert [path for path in left if path.exists()] == []
    assert in_use.exists()
    assert not left[-1].parent.exists()
    assert stages.workspace.libraries.all()
    lock.release()
