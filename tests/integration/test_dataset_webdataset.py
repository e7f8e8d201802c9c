"""Libraries in tar files: whole, damaged and hostile, and the stages and the API over pictures that stay in them."""

from __future__ import annotations

import gzip
import io
import json
import os
import subprocess
from functools import partial
from pathlib import Path

import pytest
from PIL import Image
from starlette.testclient import TestClient
from tests.model_libraries import png, read_all
from tests.renders import Renders, counting, embed_renders, to_publish
from tests.stages import Stages
from tests.tars import header, packed, packed_tree, with_odd
from tests.toy import toy_algorithm

from meshseek.bootstrap import Meshseek
from meshseek.datasets import DatasetOptions
from meshseek.datasets.webdataset import Webdataset
from meshseek.errors import DatasetError, LibraryGoneError, NotFoundError, UnreadableAssetError
from meshseek.interfaces.http import create_app
from meshseek.pipeline.check import check
from meshseek.pipeline.import_assets import LibraryOptions
from meshseek.pipeline.sample_assets import make_sample_assets
from meshseek.pipeline.stage import Summary
from meshseek.reporting import SilentReporter
from meshseek.search.service import SearchService
from meshseek.settings import read_settings
from meshseek.store.postgres import Server
from meshseek.untrusted.tars import Tar
from meshseek.workspace.view_files import open_camera, open_view, read_view
from meshseek.workspace.workspace import Workspace


@pytest.fixture
def library(tmp_path: Path) -> Path:
    """An empty folder for tar files."""
    (tmp_path / "library").mkdir()
    return tmp_path / "library"


@pytest.fixture
def stages(workspace: Workspace, server: Server) -> Stages:
    """The stages, on nothing yet."""
    return Stages(workspace, server)


def dataset(library: Path, captions: Path | None = None) -> Webdataset:
    """The library as it is now."""
    return Webdataset(DatasetOptions(path=library, captions=captions))


def picture(kind: str, colour: tuple[int, int, int] = (200, 30, 30)) -> bytes:
    """A small one."""
    buffer = io.BytesIO()
    Image.new("RGB", (8, 8), colour).save(buffer, kind)
    return buffer.getvalue()


def test_everything_that_an_asset_may_have(library: Path, tmp_path: Path) -> None:
    """Views by their numbers in any format, cameras, captions in both languages, attributes and a model."""
    glb = (make_sample_assets(tmp_path / "samples", 1) / "chair-0001.glb").read_bytes()
    camera = json.dumps({"bbox": [[-1, -2, -3], [1, 2, 3]]}).encode()
    members = {
        "./sub/chair.00010.webp": picture("WEBP"),
        "./sub/chair.00002.JPG": picture("JPEG"),
        "./sub/chair.2.json": camera,
        "./sub/chair.0.png": picture("PNG", (30, 200, 30)),
        "./sub/chair.glb": glb,
        "./sub/chair.json": json.dumps({"caption_zh": "红椅子", "license": "CC0", "tags": "a;b"}).encode(),
        "./sub/chair.txt": b"\xef\xbb\xbfa red chair\n",
        "./sub/chair.exr": b"passed over",
        "lamp.png": picture("PNG"),
        "灯.txt": "灯".encode(),
        "灯.0.png": picture("PNG"),
    }
    (library / "a.tar").write_bytes(packed(members))
    assets = read_all(dataset(library), tmp_path / "models")

    assert list(assets) == ["sub/chair", "lamp", "灯"]
    chair = assets["sub/chair"]
    assert (chair.captions_english, chair.captions_chinese) == (("a red chair",), ("红椅子",))
    assert chair.attributes.items() >= {"licence": "CC0", "tags": ["a", "b"]}.items()
    assert chair.attributes["faces"] > 0
    assert (tmp_path / "models/sub/chair.glb").read_bytes() == glb
    assert assets["灯"].captions_chinese == ("灯",)
    views = chair.views
    assert views is not None
    assert views.viewpoint_ids == (0, 2, 10)
    assert len(views.stamps) == 3 * 16
    for number, name in ((0, "0.png"), (2, "00002.JPG"), (10, "00010.webp")):
        with open_view(views.folder, number, library) as file:
            assert file.read() == members[f"./sub/chair.{name}"]
    assert read_view(views.folder, 0, library).getpixel((4, 4)) == (30, 200, 30)
    with open_camera(views.folder, 2, library) as file:
        assert file.read() == camera
    for absent, opened in ((0, open_camera), (1, open_view)):
        with pytest.raises(NotFoundError, match=rf"a\.tar has no (camera of )?view {absent} of this asset"):
            opened(views.folder, absent, library)
    lamp = assets["lamp"].views
    assert lamp is not None
    assert lamp.viewpoint_ids == (0,)


def test_captions_of_a_file_of_their_own(library: Path, tmp_path: Path) -> None:
    """They add to those in the tar, by the assets' ids."""
    (library / "a.tar").write_bytes(packed({"a.0.png": png(), "a.txt": b"one", "b.0.png": png()}))
    captions = tmp_path / "captions.csv"
    captions.write_text("id,caption\na,two\nb,three\nc,nobody\n")
    assets = read_all(dataset(library, captions), tmp_path)
    assert {name: asset.captions_english for name, asset in assets.items()} == {"a": ("one", "two"), "b": ("three",)}


def fingerprints(library: Path) -> dict[str, str]:
    """Of each asset."""
    return {entry.asset_id: entry.fingerprint for entry in dataset(library).entries()}


def test_fingerprints_follow_the_files(library: Path) -> None:
    """A file that changed, or moved in its tar, changes its asset; where a tar has no times, its own time counts."""
    members = {f"{name}.{number}.png": png() for name in "abc" for number in range(2)}
    path = library / "a.tar"
    path.write_bytes(packed(members))
    before = fingerprints(library)
    os.utime(path, (1, 1))
    assert fingerprints(library) == before
    path.write_bytes(packed(members | {"d.0.png": png()}))
    assert fingerprints(library).items() > before.items()
    path.write_bytes(packed(members | {"b.0.png": png() + bytes(600)}))
    after = fingerprints(library)
    assert {name for name in "abc" if before[name] != after[name]} == {"b", "c"}

    path.write_bytes(packed(members, time=0))
    os.utime(path, (1, 1))
    before = fingerprints(library)
    os.utime(path, (2, 2))
    assert not before.items() & fingerprints(library).items()


@pytest.mark.parametrize(
    ("members", "message"),
    [
        ([("a.0.png", b"1"), ("a.00.webp", b"2")], r"'a\.00\.webp' is there twice, or under two suffixes"),
        ([("a.40000.png", b"1")], "view 40000 has a number above 32,767"),
        ([("a.0.png", b"")], r"'a\.0\.png' has 0\.0 MB"),
        ([("a.0.png", bytes(10_000_001))], r"'a\.0\.png' has 10\.0 MB; make it a picture of at most 10 MB"),
        ([(f"a.{number}.png", b"1") for number in range(1001)], "more than 1,000 pictures"),
        ([("a.json", b"[1]")], r"'a\.json' holds JSON, but no object"),
        ([("a.json", b'{"a": ' + b"9" * 5000 + b"}")], r"'a\.json' is no JSON; fix it"),
        ([("a.json", b"[" * 100_000)], r"'a\.json' is no JSON; fix it"),
        ([("a.txt", b"\xff\xfe\xff")], "it is damaged; pack it again"),
        ([("a.txt", bytes(2 << 20))], r"'a\.txt' has 2 MB; shorten it"),
        ([("a.glb", b"no model")], "it is not a GLB file; export it as GLB"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_an_asset_that_cannot_be_read(
    library: Path, tmp_path: Path, members: list[tuple[str, bytes]], message: str
) -> None:
    """It is told in one line that names its tar; the others are read."""
    (library / "a.tar").write_bytes(packed([*members, ("z.0.png", png())]))
    bad, good = dataset(library).entries()
    with pytest.raises(UnreadableAssetError, match=message) as told:
        dataset(library).read(bad, tmp_path)
    assert str(library / "a.tar") in str(told.value)
    assert "\n" not in str(told.value)
    assert dataset(library).read(good, tmp_path).views is not None
    assert not [*tmp_path.glob("*.glb")]


def test_what_is_no_library(library: Path) -> None:
    """No tar, compressed ones, empty ones, and ones that say nothing: each is a line with a cure."""
    with pytest.raises(LibraryGoneError, match=r"holds no assets; give a folder of \.tar files"):
        list(dataset(library).entries())
    with pytest.raises(LibraryGoneError, match="there is no folder"):
        list(dataset(library / "nowhere").entries())
    (library / "b.tar").write_bytes(packed({"README": b"", ".hidden.png": b"", "a.cls": b"1"}))
    with pytest.raises(LibraryGoneError, match="holds no assets"):
        list(dataset(library).entries())
    (library / "a.tar.gz").write_bytes(gzip.compress(packed({"a.0.png": png()})))
    with pytest.raises(DatasetError, match=r"a\.tar\.gz is compressed.*unpack it, for example with 'gunzip'"):
        list(dataset(library).entries())
    (library / "a.tar.gz").rename(library / "a.tar")
    with pytest.raises(DatasetError, match=r"a\.tar: it is compressed, and cannot be read from the middle"):
        list(dataset(library).entries())


def test_a_listing_is_kept_until_its_tar_changes(
    library: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Headers are walked once; what is kept says the same, and where it is damaged it counts for nothing."""
    path = library / "a.tar"
    path.write_bytes(packed({"a.0.png": png(), "a.cls": b"1", "b.0.png": png()}))
    data = Webdataset(DatasetOptions(path=library).beside(tmp_path))
    first = list(data.entries())
    told = caplog.messages.copy()
    with monkeypatch.context() as patch:
        patch.setattr(Tar, "members", None)
        assert list(data.entries()) == first
        assert caplog.messages == [*told, *told]
        (kept,) = (tmp_path / "cache" / "listings").iterdir()
        content = kept.read_bytes()
        for damaged in (b"", content[:-1], content.replace(b'"b"', b'"c"')):
            kept.write_bytes(damaged)
            with pytest.raises(TypeError):
                list(data.entries())
    kept.write_bytes(content)
    path.write_bytes(packed({"a.0.png": png(), "c.0.png": png()}))
    assert [entry.asset_id for entry in data.entries()] == ["a", "c"]

    facts = path.stat()
    path.write_bytes(packed({"a.0.png": png(), "d.0.png": png()}))
    os.utime(path, ns=(0, facts.st_mtime_ns))
    assert [entry.asset_id for entry in data.entries()] == ["a", "d"], "though size and time are what they were"
    *_, last = data.entries()
    path.write_bytes(packed({"a.0.png": png(), "e.0.png": png()}))
    with pytest.raises(UnreadableAssetError, match="the tar changed after it was listed; run 'meshseek update'"):
        data.read(last, tmp_path)


def test_files_of_an_asset_follow_each_other(library: Path) -> None:
    """Where they do not, nothing is taken for a smaller asset: it is an error that says how to pack."""
    (library / "a.tar").write_bytes(packed([("a.0.png", png()), ("b.0.png", png()), ("a.1.png", png())]))
    with pytest.raises(DatasetError, match=r"a\.tar: the files of 'a' do not follow each other; .*tar --sort=name -cf"):
        list(dataset(library).entries())


def test_hostile_members_are_passed_over(library: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Links out of the library and names that lead elsewhere are counted, and the rest is read."""
    odd = [header("a.1.png", kind=b"2", link="/etc/passwd"), header("/etc/passwd.0.png", 3), header("../b.0.png", 3)]
    (library / "a.tar").write_bytes(with_odd(*odd, a__0__png=png(), a__cls=b"1"))
    (tmp_path / "secret.tar").write_bytes(packed({"secret.0.png": png()}))
    (library / "b.tar").symlink_to(tmp_path / "secret.tar")
    os.mkfifo(library / "c.tar")
    (library / "d.tar").write_bytes(packed({"d.0.png": png(), "e.0.png": png()})[:2000])
    data = dataset(library)
    assert [entry.asset_id for entry in data.entries()] == ["a", "d"]
    assert data.unlisted == 3
    told = "\n".join(caplog.messages)
    for line in (
        "1 members are passed over: links, devices and the like",
        "2 members are passed over: named as lying elsewhere",
        "1 members are passed over: neither pictures",
        "b.tar: it is a link that leads out of the library",
        "c.tar: it is a pipe, a device or the like",
        "d.tar: it is cut off; copy it again",
    ):
        assert line in told


def test_the_programs_that_errors_name_help(library: Path, tmp_path: Path) -> None:
    """A tar that was compressed, put together by ``cat``, unsorted or sparse is read after what its error says."""
    one, two = packed({"a.0.png": png(), "a.1.png": png()}), packed({"b.0.png": png()})
    (library / "z.tar.gz").write_bytes(gzip.compress(packed({"z.0.png": png()})))
    (library / "cat.tar").write_bytes(one + two)
    (tmp_path / "one.tar").write_bytes(one)
    (tmp_path / "two.tar").write_bytes(two)
    (library / "unsorted.tar").write_bytes(packed([("c.0.png", png()), ("d.0.png", png()), ("c.1.png", png())]))
    (tmp_path / "sparse").mkdir()
    with (tmp_path / "sparse" / "e.0.png").open("wb") as file:
        file.write(png())
        file.truncate(1 << 20)
    sparse = f"tar --format=gnu -cf {library}/sparse.tar -C {tmp_path}/sparse e.0.png"
    run = partial(subprocess.run, shell=True, check=True, cwd=tmp_path)
    run(sparse.replace("-cf", "--sparse -cf"))
    data = dataset(library)
    with pytest.raises(DatasetError, match="do not follow each other"):
        list(data.entries())

    run(f"tar --concatenate -f one.tar two.tar && mv one.tar {library}/cat.tar")
    run(f"gunzip {library}/z.tar.gz")
    run(f"mkdir all && tar -xf {library}/unsorted.tar -C all && tar --sort=name -cf {library}/unsorted.tar -C all .")
    run(sparse)
    assert sorted(entry.asset_id for entry in data.entries()) == ["a", "b", "c", "d", "e", "z"]
    assert data.unlisted == 0


@pytest.fixture
def renders(tmp_path: Path) -> Renders:
    """Three assets with four pictures each."""
    renders = Renders(tmp_path / "renders")
    for number in range(3):
        renders.put(f"0/{number}", *range(4), seed=number)
    return renders


def bring_in(stages: Stages, library: Path) -> Summary:
    """Import the tar files."""
    return stages.import_dataset(dataset(library), LibraryOptions(name="renders", yes=True))


def test_vectors_are_those_of_the_same_pictures_in_folders(
    renders: Renders, library: Path, stages: Stages, tmp_path: Path
) -> None:
    """Byte for byte; and pictures that move into a tar with their times need not be embedded again."""
    there = Workspace(tmp_path / "folders")
    renders.bring_in(there)
    embed_renders(there, counting())
    packed_tree(renders.path, library / "all.tar")
    bring_in(stages, library)
    embed_renders(stages.workspace, counting())
    assert to_publish(stages.workspace) == to_publish(there)
    assert len(to_publish(there)) == 12

    moved = Stages(there, stages.server)
    assert bring_in(moved, library).done == 3
    embedder = counting()
    assert embed_renders(there, embedder).done == embedder.pictures == 0


def test_a_tar_that_changes_is_told_and_imported_again(renders: Renders, library: Path, stages: Stages) -> None:
    """What was imported is missing until the next import; then only what changed is embedded again."""
    path = packed_tree(renders.path, library / "all.tar")
    assert bring_in(stages, library).done == 3
    assert bring_in(stages, library).already_there == 3
    embed_renders(stages.workspace, counting())
    assert check(stages.workspace, SilentReporter(), verify=False).faults == []

    renders.put("0/1", 2, seed=9)
    renders.put("0/0", 4, seed=9)
    packed_tree(renders.path, path)
    faults = check(stages.workspace, SilentReporter(), verify=False).faults
    assert {(fault.asset_id, fault.kind, fault.path) for fault in faults} == {
        (f"0/{number}", "missing", path) for number in (1, 2)
    }, "what was packed before the change is where it was"
    embedder = counting()
    assert bring_in(stages, library).done == 3
    assert check(stages.workspace, SilentReporter(), verify=False).faults == []
    assert embed_renders(stages.workspace, embedder).done == 2
    assert embedder.pictures == 4 + 1, "all of the asset of which one was replaced, and the one that was added"


def test_a_tar_that_changed_after_the_import(renders: Renders, library: Path, stages: Stages) -> None:
    """Embedding skips its assets with the cure in one line, and that cure works."""
    path = packed_tree(renders.path, library / "all.tar")
    bring_in(stages, library)
    renders.put("0/0", 4, seed=9)
    packed_tree(renders.path, path)
    summary = embed_renders(stages.workspace, counting())
    assert (summary.done, summary.skipped) == (1, 2)
    told = (stages.workspace.vectors_table("toy", "appearance").folder / "skipped.jsonl").read_text()
    assert f"{path} cannot be read: the tar changed after it was imported; run 'meshseek update'" in told

    stages.update()
    assert embed_renders(stages.workspace, counting()).skipped == 0
    path.unlink()
    assert len(check(stages.workspace, SilentReporter(), verify=False).faults) == 3


def test_views_and_cameras_of_the_api(library: Path, stages: Stages, server: Server) -> None:
    """Each as what it is; of a tar that changed, nothing is shown of what is there now."""
    members = {"a.0.png": picture("PNG"), "a.1.webp": picture("WEBP"), "a.2.jpeg": picture("JPEG")}
    members["a.3.png"] = b"<html>"
    (library / "a.tar").write_bytes(packed(members | {"a.0.json": b'{"x": 1}', "a.txt": b"a thing"}))
    bring_in(stages, library)
    embed_renders(stages.workspace, counting(views=1))
    stages.publish()
    meshseek = Meshseek(read_settings(workspace=stages.workspace.folder))
    meshseek.__dict__["search_service"] = SearchService([toy_algorithm(server)])
    with TestClient(create_app(meshseek), "http://localhost") as api:
        for name, kind in (("a.0.png", "png"), ("a.1.webp", "webp"), ("a.2.jpeg", "jpeg")):
            answer = api.get(f"/assets/a/views/{name[2]}?algorithm=toy")
            assert (answer.status_code, answer.headers["content-type"]) == (200, f"image/{kind}")
            assert answer.content == members[name]
        assert api.get("/assets/a/views/3?algorithm=toy").headers["content-type"] == "application/octet-stream"
        assert api.get("/assets/a/views/0/camera?algorithm=toy").json() == {"x": 1}
        (library / "a.tar").write_bytes(packed({"b.0.png": png(), **members}))
        answer = api.get("/assets/a/views/0?algorithm=toy")
        assert answer.status_code == 404
        assert answer.json()["error"]["message"] == "the picture of view 0 of 'a' is missing on the server"
