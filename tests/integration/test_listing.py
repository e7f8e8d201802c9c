"""Libraries that are gone, hold traps, or change while they are read."""

from __future__ import annotations

import errno
import logging
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import trimesh
from tests.model_libraries import make_sh3f, png

from meshseek.datasets import Dataset, DatasetOptions
from meshseek.datasets.folder import Folder
from meshseek.datasets.gobjaverse import Gobjaverse
from meshseek.datasets.sweethome3d import Sweethome3d
from meshseek.errors import DatasetError, LibraryGoneError

LAYOUTS: list[type[Dataset]] = [Folder, Gobjaverse, Sweethome3d]


def make_library(layout: type[Dataset], root: Path) -> Path:
    """Write a library of one asset (three for furniture), and name the file that the first is made from."""
    if layout is Sweethome3d:
        root.mkdir()
        return make_sh3f(root / "a.sh3f")
    if layout is Gobjaverse:
        picture = root / "0" / "1" / "00000" / "00000.png"
        picture.parent.mkdir(parents=True)
        picture.write_bytes(png())
        return picture
    root.mkdir()
    trimesh.creation.box().export(root / "a.glb")
    return root / "a.glb"


Refuse = Callable[[Path], None]


@pytest.fixture
def refuse(monkeypatch: pytest.MonkeyPatch) -> Refuse:
    """Give a function that makes the disk refuse to list a folder, as it does for those who may not; root may all."""
    scandir: Callable[..., Any] = os.scandir

    def forbid(folder: Path) -> None:
        def refusing(path: Any = ".") -> Any:
            if os.fspath(path) == str(folder):
                raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(folder))
            return scandir(path)

        def refusing_names(path: Any = ".") -> list[str]:
            return [item.name for item in refusing(path)]

        monkeypatch.setattr(os, "scandir", refusing)
        monkeypatch.setattr(os, "listdir", refusing_names)

    return forbid


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_library_that_is_gone_is_told_from_a_broken_one(
    layout: type[Dataset], tmp_path: Path, refuse: Refuse
) -> None:
    """No folder, an empty one, as the place of a disk that is not mounted, and one that cannot be listed."""
    make_library(layout, tmp_path / "library")
    assert list(layout(DatasetOptions(path=tmp_path / "library")).entries())
    (tmp_path / "empty").mkdir()
    refuse(tmp_path / "library")
    for name, message in (("absent", "there is no"), ("empty", "holds no"), ("library", "cannot list .*Permission")):
        with pytest.raises(LibraryGoneError, match=f"{message}.*; "):
            list(layout(DatasetOptions(path=tmp_path / name)).entries())


def test_broken_libraries_are_not_gone(tmp_path: Path) -> None:
    """What is there but cannot be understood is another error: nothing in it may be taken for removed."""
    captions = tmp_path / "captions.csv"
    captions.write_text("nothing")
    make_library(Folder, tmp_path / "models")
    make_library(Gobjaverse, tmp_path / "renders")
    (tmp_path / "bad.sh3f").write_bytes(b"PK")
    for dataset in (
        Folder(DatasetOptions(path=tmp_path / "models", captions=captions)),
        Gobjaverse(DatasetOptions(path=tmp_path / "renders", captions=captions)),
        Sweethome3d(DatasetOptions(path=tmp_path / "bad.sh3f")),
    ):
        with pytest.raises(DatasetError) as caught:
            list(dataset.entries())
        assert not isinstance(caught.value, LibraryGoneError)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_file_that_changes_while_it_is_read_is_read_again(layout: type[Dataset], tmp_path: Path) -> None:
    """The row keeps the fingerprint from before the reading, so the next listing has another."""
    file = make_library(layout, tmp_path / "library")
    dataset = layout(DatasetOptions(path=tmp_path / "library"))
    entry = next(iter(dataset.entries()))
    if layout is Sweethome3d:
        make_sh3f(file, **{"pack/cube/wood__png": png((1, 2, 3))})
    else:
        new = {Folder: trimesh.creation.icosphere().export(file_type="glb"), Gobjaverse: png(size=(9, 9))}[layout]
        assert isinstance(new, bytes)
        file.write_bytes(new)
    asset = dataset.read(entry, tmp_path / "models")
    assert asset.fingerprint == entry.fingerprint
    assert next(iter(dataset.entries())).fingerprint != entry.fingerprint


def ids(dataset: Dataset) -> list[str]:
    """What is listed."""
    return [entry.asset_id for entry in dataset.entries()]


def test_links_in_circles_end_no_listing(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Files that link to themselves are counted; linked folders, which may go in circles, are told and not followed."""
    root = tmp_path / "library"
    make_library(Folder, root)
    (root / "circle.glb").symlink_to("circle.glb")
    (root / "nowhere.glb").symlink_to("absent.glb")
    (root / "sub").symlink_to(root)
    dataset = Folder(DatasetOptions(path=root))
    with caplog.at_level(logging.WARNING):
        assert ids(dataset) == ["a"]
    assert dataset.unlisted == 0, "a link to nowhere is no asset that may still be there"
    assert "2 files or folders cannot be looked at, for example" in caplog.text
    assert "1 linked folders are not followed; import each by itself" in caplog.text


def test_numbered_links_in_circles_end_no_listing(tmp_path: Path) -> None:
    """Links to themselves among the numbered folders are no assets."""
    make_library(Gobjaverse, tmp_path / "library")
    for circle in (tmp_path / "library" / "2", tmp_path / "library" / "0" / "3"):
        circle.symlink_to(circle.name)
    assert ids(Gobjaverse(DatasetOptions(path=tmp_path / "library"))) == ["0/1"]


def test_a_file_that_vanishes_while_it_is_listed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its listing goes on without it, and says so."""
    root = tmp_path / "library"
    make_library(Folder, root)
    (root / "b.glb").write_bytes(b"")
    walk = os.walk

    def late(*arguments: Any, **options: Any) -> Iterator[Any]:
        for found in walk(*arguments, **options):
            (root / "b.glb").unlink()
            yield found

    monkeypatch.setattr(os, "walk", late)
    dataset = Folder(DatasetOptions(path=root))
    assert ids(dataset) == ["a"]
    assert dataset.unlisted == 0


def test_a_folder_that_cannot_be_listed_is_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, refuse: Refuse
) -> None:
    """The rest is listed, and the listing says that it is not whole."""
    root = tmp_path / "library"
    make_library(Folder, root)
    make_library(Folder, root / "closed")
    dataset = Folder(DatasetOptions(path=root))
    assert (ids(dataset), dataset.unlisted) == (["a", "closed/a"], 0)
    refuse(root / "closed")
    with caplog.at_level(logging.WARNING):
        assert (ids(dataset), dataset.unlisted) == (["a"], 1)
    assert f"1 files or folders cannot be looked at, for example {root / 'closed'}: Permission denied" in caplog.text


def test_a_linked_library_that_leads_nowhere_is_told(tmp_path: Path) -> None:
    """A library file behind a broken link is missed aloud."""
    make_library(Sweethome3d, tmp_path / "library")
    (tmp_path / "library" / "b.sh3f").symlink_to("absent.sh3f")
    with pytest.raises(DatasetError, match=r"b\.sh3f: No such file"):
        ids(Sweethome3d(DatasetOptions(path=tmp_path / "library")))
