"""Tars on storage that speaks S3, over real HTTP: read by ranges, and told in one line where that fails."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.renders import Renders, counting, embed_renders, to_publish
from tests.s3_service import Storage, s3_storage
from tests.stages import Stages
from tests.tars import packed, packed_tree

from meshseek.datasets import DatasetOptions
from meshseek.datasets.webdataset import Webdataset
from meshseek.errors import DatasetError, NotFoundError
from meshseek.model import ViewSet
from meshseek.pipeline.check import check
from meshseek.pipeline.import_assets import LibraryOptions
from meshseek.pipeline.sample_assets import make_sample_assets
from meshseek.pipeline.stage import Summary
from meshseek.reporting import SilentReporter
from meshseek.store.postgres import Server
from meshseek.untrusted import remote
from meshseek.workspace.view_files import open_view
from meshseek.workspace.workspace import Workspace

ADDRESS = "s3://bucket/some renders/all.tar"
KEY = ADDRESS.removeprefix("s3://")


@pytest.fixture
def storage(monkeypatch: pytest.MonkeyPatch) -> Iterator[Storage]:
    """A storage that our process is told of, as it would be of any."""
    with s3_storage() as storage:
        told = {"ENDPOINT_URL": storage.url, "ACCESS_KEY_ID": "us", "SECRET_ACCESS_KEY": "secret", "REGION": "here"}
        for name, value in told.items():
            monkeypatch.setenv(f"AWS_{name}", value)
        monkeypatch.setattr(remote, "SILENT_SECONDS", 1.0)
        yield storage
        remote._storage.cache_clear()


@pytest.fixture
def library(tmp_path: Path) -> Path:
    """A folder that names the tar."""
    folder = tmp_path / "library"
    folder.mkdir()
    (folder / "renders.urls").write_text(f"# ours\n\n{ADDRESS}\n")
    return folder


@pytest.fixture
def stages(workspace: Workspace, server: Server) -> Stages:
    """The stages, on nothing yet."""
    return Stages(workspace, server)


def bring_in(stages: Stages, library: Path) -> Summary:
    """Import what the folder names."""
    options = DatasetOptions(path=library).beside(stages.workspace.folder)
    return stages.import_dataset(Webdataset(options), LibraryOptions(name="renders"))


def test_pictures_are_read_by_their_ranges(storage: Storage, library: Path, stages: Stages, tmp_path: Path) -> None:
    """The vectors are those of the same pictures in folders; each is one request, and a listing is kept."""
    renders, here = Renders(tmp_path / "renders"), Workspace(tmp_path / "here")
    for number in range(3):
        renders.put(f"0/{number}", *range(4), seed=number)
    renders.bring_in(here)
    embed_renders(here, counting())
    storage.files[KEY] = packed_tree(renders.path, tmp_path / "all.tar").read_bytes()
    assert bring_in(stages, library).done == 3
    storage.asked.clear()
    embed_renders(stages.workspace, counting())
    assert len(storage.asked) == 12
    assert to_publish(stages.workspace) == to_publish(here)

    storage.asked.clear()
    assert bring_in(stages, library).already_there == 3
    assert check(stages.workspace, SilentReporter(), verify=False).faults == []
    assert storage.asked == []


def views_of(stages: Stages) -> ViewSet:
    """Of the first asset."""
    views = next(iter(stages.workspace.assets())).views
    assert views is not None
    return views


def test_models_and_captions_come_from_storage(storage: Storage, library: Path, stages: Stages, tmp_path: Path) -> None:
    """A model is copied into the workspace whole."""
    glb = (make_sample_assets(tmp_path / "samples", 1) / "chair-0001.glb").read_bytes()
    storage.files[KEY] = packed({"a.0.png": b"1", "a.glb": glb, "a.txt": b"a chair"})
    assert bring_in(stages, library).done == 1
    (asset,) = stages.workspace.assets()
    assert asset.captions_english == ("a chair",)
    assert (stages.workspace.models / str(asset.model)).read_bytes() == glb


def test_storage_that_fails_is_told(storage: Storage, library: Path, stages: Stages) -> None:
    """Gone, refusing, silent or with another file: one line each, and no asset counts as gone."""
    storage.files[KEY] = packed({"a.0.png": b"1", "b.0.png": b"2"})
    bring_in(stages, library)
    views = views_of(stages)

    def message() -> str:
        with pytest.raises(NotFoundError) as error:
            open_view(views.folder, 0, views.root)
        assert str(error.value).startswith(f"{ADDRESS} cannot be read: ")
        assert "\n" not in str(error.value)
        return str(error.value)

    storage.fails = "refuses"
    assert "ACCESS_DENIED" in message()
    storage.fails = "silent"
    assert "check its address, your AWS_* variables, and that the storage answers" in message()
    storage.fails = ""
    storage.files[KEY] = packed({"c.0.png": b"3", "b.0.png": b"2"})
    assert "the tar changed after it was imported; run 'meshseek update'" in message()
    del storage.files[KEY]
    assert "there is no such file on the storage" in message()
    os.environ["AWS_ENDPOINT_URL"] = "http://127.0.0.1:9"
    assert "NETWORK_CONNECTION" in message()

    with pytest.raises(DatasetError, match=r"^cannot read s3://bucket/some renders/all\.tar: its storage says: "):
        bring_in(stages, library)
    assert len(list(stages.workspace.assets())) == 2


@pytest.mark.parametrize(
    "line", ["/etc/passwd", "http://localhost/a.tar", "s3://bucket/a.tar.gz", f"s3://{'a' * 2000}.tar"]
)
def test_other_addresses_are_refused(library: Path, line: str) -> None:
    """A list names tars on storage, and nothing else."""
    (library / "more.urls").write_text(f"{line}\n")
    with pytest.raises(DatasetError, match=r"more\.urls, line 1: no address of a tar; write it as s3://"):
        list(Webdataset(DatasetOptions(path=library)).entries())
