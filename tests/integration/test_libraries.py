"""Several libraries in one workspace, and what leaves them."""

from __future__ import annotations

import errno
import os
import shutil
from pathlib import Path
from uuid import uuid4

import pytest
from PIL import Image
from tests.conftest import drop_databases
from tests.stages import Stages

from meshseek.bootstrap import Meshseek
from meshseek.datasets import DATASETS, Dataset, DatasetOptions
from meshseek.datasets.folder import Folder
from meshseek.errors import ConfirmationNeededError, DatasetError, InputError, WorkspaceError
from meshseek.files import write_whole
from meshseek.pipeline.clean import clean
from meshseek.pipeline.import_assets import LibraryOptions, import_assets
from meshseek.pipeline.standing import standings
from meshseek.pipeline.update import UpdateOptions, update
from meshseek.reporting import SilentReporter
from meshseek.settings import read_settings
from meshseek.store.postgres import Server
from meshseek.workspace.workspace import Workspace


@pytest.fixture
def stages(workspace: Workspace, server: Server) -> Stages:
    """The stages in an empty workspace."""
    return Stages(workspace, server)


def library(folder: Path, samples: Path, **models: str) -> Path:
    """A folder of models: the name of each file, and the sample that it is."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, sample in models.items():
        shutil.copyfile(samples / f"{sample}-0001.glb", folder / f"{name}.glb")
    return folder


def test_two_folders_with_the_same_file_are_two_libraries(stages: Stages, samples: Path, tmp_path: Path) -> None:
    """Neither replaces the other: the second library's ids begin with its name, and each tells its library."""
    stages.import_folder(library(tmp_path / "a", samples, thing="chair", other="cup"))
    stages.import_folder(library(tmp_path / "b", samples, thing="table"))
    stages.update()

    assert {name: row["attributes"]["library"] for name, row in stages.searchable().items()} == {
        "thing": "folder-a",
        "other": "folder-a",
        "folder-b/thing": "folder-b",
    }
    models = {
        asset.asset_id: (stages.workspace.models / str(asset.model)).read_bytes() for asset in stages.workspace.assets()
    }
    assert models["thing"] == (tmp_path / "a" / "thing.glb").read_bytes()
    assert models["folder-b/thing"] == (tmp_path / "b" / "thing.glb").read_bytes()


def test_the_same_folder_is_the_same_library(stages: Stages, samples: Path, tmp_path: Path) -> None:
    """A library is known again by its dataset and folder, and keeps the name it was given."""
    folder = library(tmp_path / "a", samples, thing="chair")
    stages.import_folder(folder, "mine")
    library(folder, samples, more="cup")

    assert stages.import_folder(folder).done == 1
    assert [(known.name, known.prefix) for known in stages.workspace.libraries.all()] == [("mine", "")]
    assert stages.workspace.libraries.named("MINE").imported_at is not None


def test_a_library_that_moved(stages: Stages, samples: Path, tmp_path: Path) -> None:
    """Imported under its name from another folder, it is the same library; what is as it was is not read again."""
    stages.import_folder(library(tmp_path / "a", samples, thing="chair", other="cup"), "mine")
    (tmp_path / "a").rename(tmp_path / "b")

    assert stages.import_folder(tmp_path / "b", "mine").already_there == 2
    assert [known.path for known in stages.workspace.libraries.all()] == [str(tmp_path / "b")]


def test_names(stages: Stages, samples: Path, tmp_path: Path) -> None:
    """Names without a choice differ; one that cannot be a folder is refused with what can."""
    for folder in ("one/models", "two/models", "three/models"):
        stages.import_folder(library(tmp_path / folder, samples, thing="chair"))
    names = ["folder-models", "folder-models-2", "folder-models-3"]
    assert [known.name for known in stages.workspace.libraries.all()] == names

    for name in ("", "..", "a/b", ".hidden", "a" * 121, "椅" * 41):
        with pytest.raises(InputError, match="cannot name a library; use up to 120 bytes of letters, digits"):
            stages.import_folder(library(tmp_path / "four", samples, thing="chair"), name)


def test_an_id_of_another_library_is_skipped(stages: Stages, samples: Path, tmp_path: Path) -> None:
    """Where the first library's own ids begin with the second's name, nothing is overwritten; the cure works."""
    first = library(tmp_path / "first", samples, thing="chair")
    library(first / "b", samples, thing="cup")
    stages.import_folder(first)
    second = library(tmp_path / "second", samples, thing="table", other="sofa")
    assert stages.import_folder(second, "b").skipped == 1
    reasons = (stages.workspace.assets_table().folder / "skipped.jsonl").read_text()
    assert "library 'folder-first' has an asset of this id; rename this one" in reasons
    assert stages.ids() == ["b/thing", "thing", "b/other"]
    assert stages.import_folder(first).already_there == 2

    (second / "thing.glb").rename(second / "same.glb")
    assert stages.import_folder(second).skipped == 0
    assert stages.ids() == ["b/thing", "thing", "b/other", "b/same"]


def test_what_was_given_once_is_kept(samples: Path, tmp_path: Path) -> None:
    """Imported again without its captions file, a library still has its captions; another file can be given."""
    meshseek = Meshseek(read_settings(workspace=tmp_path / "workspace"))
    captions = samples / "captions.csv"
    first = meshseek.dataset_like_before("folder", DatasetOptions(path=samples, captions=captions), None)
    import_assets(first, meshseek.workspace, workers=0, max_assets=None, reporter=SilentReporter())
    again = meshseek.dataset_like_before("folder", DatasetOptions(path=samples), None)
    assert again.options.captions == captions
    summary = import_assets(again, meshseek.workspace, workers=0, max_assets=None, reporter=SilentReporter())
    assert summary.already_there == 6

    other = shutil.copyfile(captions, tmp_path / "other.csv")
    options = DatasetOptions(path=samples, captions=other)
    assert meshseek.dataset_like_before("folder", options, None).options.captions == other


def test_another_folder_for_a_few_assets(stages: Stages, samples: Path, tmp_path: Path) -> None:
    """A library's name given to another folder is no way around being asked, though only a few are wanted."""
    stages.import_folder(library(tmp_path / "a", samples, a="chair", b="cup"), "mine")
    stages.max_assets = 1
    with pytest.raises(ConfirmationNeededError):
        stages.import_folder(library(tmp_path / "b", samples, c="sofa", d="table"), "mine")
    assert stages.ids() == ["a", "b"]


def test_what_left_its_folder_leaves_the_search(stages: Stages, samples: Path, tmp_path: Path) -> None:
    """A deleted model is out of the workspace at the next import, and out of the database at the next publication."""
    names = dict(zip("abcdef", ("chair", "cup", "sofa", "table", "chair", "cup"), strict=True))
    folder = library(tmp_path / "a", samples, **names)
    stages.import_folder(folder)
    stages.update()
    (folder / "a.glb").unlink()

    summary = stages.import_folder(folder)
    assert summary.details == {"left the library": 1}
    assert stages.ids() == ["b", "c", "d", "e", "f"]
    assert set(stages.searchable()) == set("abcdef")
    stages.publish()
    assert set(stages.searchable()) == set("bcdef")
    assert stages.vectors() == set("bcdef")


def test_when_much_would_leave_somebody_has_to_agree(stages: Stages, samples: Path, tmp_path: Path) -> None:
    """More than a fifth: nothing is changed, and the cure that is named takes them out."""
    folder = library(tmp_path / "a", samples, a="chair", b="cup", c="sofa", d="table")
    stages.import_folder(folder)
    (folder / "a.glb").unlink()
    with pytest.raises(ConfirmationNeededError, match=r"1 of the 4 assets of library 'folder-a' .* give --yes"):
        stages.import_folder(folder)
    assert stages.ids() == ["a", "b", "c", "d"]

    stages.import_folder(folder, yes=True)
    assert stages.ids() == ["b", "c", "d"]


def test_a_vanished_folder_takes_nothing_along(stages: Stages, samples: Path, tmp_path: Path) -> None:
    """An unmounted disk is no empty library: update says so, goes on with the others, and --yes takes it out."""
    for name in ("a", "b"):
        stages.import_folder(library(tmp_path / name, samples, thing="chair"))
    stages.update()
    (tmp_path / "a").rename(tmp_path / "elsewhere")
    library(tmp_path / "b", samples, more="cup")

    updated = stages.update()
    assert updated.failed
    assert "or give --yes to take all assets of library 'folder-a' out of the workspace" in updated.notes[0]
    assert set(stages.searchable()) == {"thing", "folder-b/thing", "folder-b/more"}

    assert not stages.update(yes=True).failed
    assert set(stages.searchable()) == {"folder-b/thing", "folder-b/more"}


def test_a_first_import_of_nothing_makes_no_library(stages: Stages, tmp_path: Path) -> None:
    """A mistyped folder leaves no trace."""
    with pytest.raises(DatasetError, match="there is no folder"):
        stages.import_folder(tmp_path / "mistyped", yes=True)
    assert not stages.workspace.libraries.are_known


def test_forgotten_assets_stay_out_until_recalled(stages: Stages, samples: Path, tmp_path: Path) -> None:
    """Neither update nor import brings a forgotten asset back, ``recall`` does; an unknown id changes nothing."""
    folder = library(tmp_path / "a", samples, a="chair", b="cup", c="sofa")
    stages.import_folder(folder)
    libraries = stages.workspace.libraries
    with pytest.raises(InputError, match="there is no asset 'nobody' in this workspace; nothing was forgotten"):
        libraries.forget(["a", "nobody"])
    assert stages.ids() == ["a", "b", "c"]

    libraries.forget(["a"])
    stages.update()
    assert set(stages.searchable()) == {"b", "c"}

    stages.import_folder(folder, recall=True)
    stages.update()
    assert set(stages.searchable()) == {"a", "b", "c"}


def test_a_forgotten_library_is_gone(stages: Stages, samples: Path, tmp_path: Path) -> None:
    """Its assets leave the search; imported again it is a new library."""
    for name in ("a", "b"):
        stages.import_folder(library(tmp_path / name, samples, thing="chair"))
    stages.update()
    stages.workspace.libraries.remove(stages.workspace.libraries.named("folder-a"))
    stages.update()
    assert set(stages.searchable()) == {"folder-b/thing"}

    stages.import_folder(tmp_path / "a")
    stages.update()
    assert set(stages.searchable()) == {"folder-b/thing", "folder-a/thing"}


def test_the_first_so_many_of_each_library(stages: Stages, samples: Path, tmp_path: Path) -> None:
    """``max-assets`` counts in each library, in every stage; what follows is left as it is."""
    for name in ("a", "b"):
        stages.import_folder(library(tmp_path / name, samples, x="chair", y="cup", z="sofa"))
    stages.max_assets = 2
    first = {"x", "y", "folder-b/x", "folder-b/y"}
    assert {asset.asset_id for asset in stages.workspace.assets(2)} == first
    assert stages.render().done == 4
    assert [summary.done + summary.skipped for summary in stages.embed()] == [4, 4, 4]
    stages.publish()
    assert set(stages.searchable()) == first

    stages.import_folder(tmp_path / "a")
    assert len(stages.ids()) == 6


def test_the_order_is_that_of_the_library(stages: Stages, samples: Path, tmp_path: Path) -> None:
    """An asset that was read again is still the first of its library."""
    folder = library(tmp_path / "a", samples, x="chair", y="cup", z="sofa")
    stages.import_folder(folder)
    library(folder, samples, x="table")
    stages.import_folder(folder)

    assert {asset.asset_id for asset in stages.workspace.assets(1)} == {"x"}


@pytest.fixture
def old(stages: Stages, samples: Path, tmp_path: Path) -> Stages:
    """A workspace that an older Meshseek made: assets, and no record of libraries."""
    stages.import_folder(library(tmp_path / "a", samples, x="chair", y="cup"))
    shutil.rmtree(stages.workspace.libraries.folder)
    return stages


def test_an_older_workspace_keeps_its_ids(old: Stages, samples: Path, tmp_path: Path) -> None:
    """Its library is known again by its assets, and nothing is read twice."""
    assert old.ids() == ["x", "y"]
    library(tmp_path / "a", samples, z="sofa")

    summary = old.import_folder(tmp_path / "a")
    assert (summary.done, summary.already_there) == (1, 2)
    assert old.ids() == ["x", "y", "z"]


def test_another_library_in_an_older_workspace(old: Stages, samples: Path, tmp_path: Path) -> None:
    """What was there keeps its ids under a name of its own; update tells how to say where it came from."""
    old.import_folder(library(tmp_path / "b", samples, z="sofa"))
    assert old.ids() == ["x", "y", "folder-b/z"]
    (note,) = old.update().notes
    assert "run 'meshseek import DATASET PATH --library earlier-import' once" in note

    old.import_folder(tmp_path / "a", "earlier-import")
    assert old.update().notes == []
    assert sorted(old.searchable()) == ["folder-b/z", "x", "y"]


def test_a_clock_that_was_set_back(stages: Stages, samples: Path, tmp_path: Path) -> None:
    """A file with an older time and other content is another file."""
    folder = library(tmp_path / "a", samples, x="chair")
    stages.import_folder(folder)
    library(folder, samples, x="table")
    os.utime(folder / "x.glb", (1_000_000_000, 1_000_000_000))

    assert stages.import_folder(folder).done == 1
    (asset,) = stages.workspace.assets()
    assert (stages.workspace.models / str(asset.model)).read_bytes() == (folder / "x.glb").read_bytes()


def test_a_file_that_is_written_in_place_does_not_change_what_is_shown(
    stages: Stages, samples: Path, tmp_path: Path
) -> None:
    """What is published goes on showing its own model until the next publication."""
    folder = library(tmp_path / "a", samples, x="chair")
    stages.import_folder(folder)
    stages.update()
    with (folder / "x.glb").open("r+b") as file:
        file.write((samples / "cup-0001.glb").read_bytes())
        file.truncate()

    shown = stages.workspace.models / stages.searchable()["x"]["model"]
    assert shown.read_bytes() == (samples / "chair-0001.glb").read_bytes()
    stages.update()
    shown = stages.workspace.models / stages.searchable()["x"]["model"]
    assert shown.read_bytes() == (samples / "cup-0001.glb").read_bytes()


def test_a_record_that_no_copy_is_left_of_is_named_with_its_cure(stages: Stages, samples: Path, tmp_path: Path) -> None:
    """One line says what to remove; after that, an import brings everything back."""
    folder = library(tmp_path / "a", samples, x="chair")
    stages.import_folder(folder)
    kept = stages.workspace.libraries.folder / "folder-a"
    for file in ("library.json", "listing.parquet"):
        (kept / file).write_bytes(b"{")
    with pytest.raises(WorkspaceError, match=r"library\.json is damaged; remove "):
        stages.update()

    shutil.rmtree(kept)
    stages.import_folder(folder)
    stages.update()
    assert set(stages.searchable()) == {"x"}


def test_a_library_without_record_and_whole_listing_is_no_library_that_was_forgotten(
    stages: Stages, samples: Path, tmp_path: Path
) -> None:
    """It is told of; else its assets would leave without a word, and cleaning would delete their files."""
    stages.import_folder(library(tmp_path / "a", samples, x="chair"))
    kept = stages.workspace.libraries.folder / "folder-a"
    (kept / "library.json").unlink()
    (kept / "listing.parquet").write_bytes(b"{")
    models = sorted(stages.workspace.models.rglob("*.glb"))
    with pytest.raises(WorkspaceError, match=r"listing\.parquet is damaged; remove the folder"):
        clean(stages.workspace, stages.server, [], dry_run=False)
    assert sorted(stages.workspace.models.rglob("*.glb")) == models != []


def test_a_link_to_nowhere_keeps_nothing_in_the_library(stages: Stages, samples: Path, tmp_path: Path) -> None:
    """What is deleted leaves, though something else in the folder cannot be opened."""
    folder = library(tmp_path / "a", samples, a="chair", b="cup", c="sofa", d="table", e="chair")
    (folder / "readme.txt").symlink_to(tmp_path / "nowhere")
    (folder / "circle.glb").symlink_to(folder / "circle.glb")
    stages.import_folder(folder)
    (folder / "a.glb").unlink()
    stages.import_folder(folder)

    assert stages.ids() == ["b", "c", "d", "e"]


def test_a_workspace_inside_of_its_library(stages: Stages, samples: Path, tmp_path: Path) -> None:
    """The workspace's own models are no part of the library, however often it is imported."""
    folder = library(tmp_path, samples, a="chair", b="cup")
    assert stages.workspace.folder.is_relative_to(folder)
    options = DatasetOptions(path=folder).beside(stages.workspace.folder)
    shutil.rmtree(samples)
    for _ in range(2):
        stages.import_dataset(Folder(options), LibraryOptions())
        assert stages.ids() == ["a", "b"]
    with_settings = Meshseek(read_settings(workspace=stages.workspace.folder))
    assert with_settings.dataset("folder", DatasetOptions(path=folder)).options == options


def test_one_folder_by_two_paths(stages: Stages, samples: Path, tmp_path: Path) -> None:
    """Dots in a path name no other library."""
    folder = library(tmp_path / "a", samples, a="chair")
    stages.import_folder(folder)
    stages.import_folder(folder / ".." / "a")

    assert [known.path for known in stages.workspace.libraries.all()] == [str(folder)]


def test_each_library_remembers_what_it_could_not_read(stages: Stages, samples: Path, tmp_path: Path) -> None:
    """An import of one library forgets nothing of the other's skipped assets."""
    for name in ("a", "b"):
        stages.import_folder(library(tmp_path / name, samples, good="chair", bad="cup"))
        (tmp_path / name / "bad.glb").write_bytes(b"broken")
    for _ in range(2):
        stages.update(yes=True)
        assert {name: standing.skipped for name, standing in standings(stages.workspace, ["toy"]).items()} == {
            "folder-a": {"import": 1},
            "folder-b": {"import": 1},
        }
    library(tmp_path / "a", samples, bad="cup")
    stages.update()
    assert [standing.skipped for standing in standings(stages.workspace, ["toy"]).values()] == [{}, {"import": 1}]


def test_an_older_workspace_whose_first_record_was_not_written(
    old: Stages, samples: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the disk is full before the record is there, everything still counts."""

    def full(path: Path, content: bytes | memoryview) -> None:
        if path.name == "library.json":
            raise OSError(errno.ENOSPC, "No space left on device")
        write_whole(path, content)

    monkeypatch.setattr("meshseek.workspace.libraries.write_whole", full)
    with pytest.raises(WorkspaceError, match="is full"):
        old.import_folder(tmp_path / "a")
    monkeypatch.undo()
    assert old.ids() == ["x", "y"]
    assert old.import_folder(tmp_path / "a").already_there == 2
    assert old.ids() == ["x", "y"]


def test_captions_in_a_language_that_comes_later(samples: Path, tmp_path: Path, conninfo: str) -> None:
    """Update embeds what the algorithm was told to, also where no asset had such a caption at first."""
    folder = library(tmp_path / "models", samples, chair="chair")
    prefix = f"later_{uuid4().hex[:12]}_"
    settings = read_settings(workspace=tmp_path / "workspace", database_url=conninfo, database_prefix=prefix, workers=1)
    meshseek = Meshseek(settings)
    options = UpdateOptions(algorithms=["lite"], workers=0)
    dataset = meshseek.dataset("folder", DatasetOptions(path=folder))
    import_assets(dataset, meshseek.workspace, workers=0, max_assets=None, reporter=SilentReporter())
    try:
        update(meshseek, options, SilentReporter())
        assert meshseek.workspace.embedded_sources("lite") == ("caption_english", "appearance")
        library(folder, samples, 红色木椅子="cup")
        update(meshseek, options, SilentReporter())
        assert "caption_chinese" in meshseek.workspace.embedded_sources("lite")
        assert meshseek.search_service.algorithm("lite").library.published().chinese_captions == 1
    finally:
        meshseek.close()
        drop_databases(conninfo, prefix)


def test_update_takes_as_many_as_were_imported(stages: Stages, samples: Path, tmp_path: Path) -> None:
    """A library of which the first two were wanted stays one of two, until all are asked for."""
    folder = library(tmp_path / "a", samples, a="chair", b="cup", c="sofa")
    stages.max_assets = 2
    stages.import_folder(folder)
    stages.max_assets = None
    stages.update()
    assert set(stages.searchable()) == {"a", "b"}

    stages.import_folder(folder)
    stages.update()
    assert set(stages.searchable()) == {"a", "b", "c"}


def test_a_rendered_library_that_moved(stages: Stages, tmp_path: Path) -> None:
    """Pictures that came with a dataset are found where it is now."""

    def opened(folder: Path) -> Dataset:
        return DATASETS.load("gobjaverse")(DatasetOptions(path=folder))

    view = tmp_path / "old" / "0" / "7" / "00000" / "00000.png"
    view.parent.mkdir(parents=True)
    Image.new("RGB", (8, 8)).save(view)
    stages.import_dataset(opened(tmp_path / "old"), LibraryOptions(name="renders"))
    (tmp_path / "old").rename(tmp_path / "new")
    stages.import_dataset(opened(tmp_path / "new"), LibraryOptions(name="renders"))

    (asset,) = stages.workspace.assets()
    assert asset.views is not None
    assert asset.views.folder.is_relative_to(tmp_path / "new")


def test_a_workspace_in_a_library_that_is_reached_by_a_link(samples: Path, tmp_path: Path) -> None:
    """The workspace is passed over by whatever path the library is named."""
    folder = library(tmp_path / "models", samples, a="chair")
    (tmp_path / "link").symlink_to(folder)
    meshseek = Meshseek(read_settings(workspace=folder / "workspace"))
    for _ in range(2):
        dataset = meshseek.dataset("folder", DatasetOptions(path=tmp_path / "link"))
        summary = import_assets(dataset, meshseek.workspace, workers=0, max_assets=None, reporter=SilentReporter())
        assert summary.done + summary.already_there == 1
