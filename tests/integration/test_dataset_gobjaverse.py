"""G-Objaverse renders and Cap3D captions in all their layouts, whole and damaged."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.model_libraries import png, read_all

from meshseek.datasets import DatasetOptions
from meshseek.datasets.gobjaverse import Gobjaverse
from meshseek.errors import DatasetError, UnreadableAssetError


@pytest.fixture
def models(tmp_path: Path) -> Path:
    """Where models are put."""
    return tmp_path / "workspace" / "models"


def make_render(folder: Path, *views: int) -> None:
    """Write the pictures of one rendered asset."""
    for view in views:
        (folder / f"{view:05d}").mkdir(parents=True)
        (folder / f"{view:05d}" / f"{view:05d}.png").write_bytes(png())


@pytest.fixture
def renders(tmp_path: Path) -> Path:
    """Four rendered assets in both layouts: 40 views, 3 views, a half-downloaded one, and one without pictures."""
    root = tmp_path / "gobjaverse"
    make_render(root / "0" / "10005", *range(40))
    make_render(root / "0" / "9" / "campos_512_v4", 3, 1, 2)
    make_render(root / "10" / "1", *range(10))
    (root / "10" / "1" / "00005" / "00005.png").write_bytes(b"")
    (root / "10" / "1" / "00001" / "00001.png").unlink()
    (root / "2" / "7").mkdir(parents=True)
    (root / "notes").mkdir()
    return root


IDS = {"0/10005": f"000-142/{'a' * 32}.glb", "0/9": f"000-001/{'b' * 32}.glb", "99/99": f"000-009/{'c' * 32}.glb"}


def test_renders_of_both_layouts(renders: Path, tmp_path: Path, models: Path) -> None:
    """Ids are listed by number; the views of an asset are all pictures that are really there."""
    (tmp_path / "map.json").write_text(json.dumps(IDS))
    dataset = Gobjaverse(DatasetOptions(path=renders, id_map=tmp_path / "map.json"))
    entries = {entry.asset_id: entry for entry in dataset.entries()}
    assert list(entries) == ["0/9", "0/10005", "2/7", "10/1"]
    full, few, half = (dataset.read(entries[name], models) for name in ("0/10005", "0/9", "10/1"))
    assert (full.model, full.attributes) == (IDS["0/10005"], {"objaverse_uid": "a" * 32})
    assert (half.model, half.attributes, half.captions_english) == (None, {}, ())
    assert full.views is not None
    assert full.views.viewpoint_ids == tuple(range(40))
    assert few.views is not None
    assert (few.views.folder, few.views.viewpoint_ids) == (renders / "0/9/campos_512_v4", (1, 2, 3))
    assert half.views is not None
    assert half.views.viewpoint_ids == (0, 2, 3, 4, 6, 7, 8, 9)
    assert [len(asset.views.stamps) // 16 for asset in (full, few, half) if asset.views] == [40, 3, 8]
    with pytest.raises(UnreadableAssetError, match=r"2/7: no picture in .*download it again"):
        dataset.read(entries["2/7"], models)


def test_pictures_behind_links_are_read_where_they_stay_inside(renders: Path, tmp_path: Path, models: Path) -> None:
    """A link to another picture of the library is a view; one that leads out of it, or to a folder, is told."""
    dataset = Gobjaverse(DatasetOptions(path=renders))
    entry = next(entry for entry in dataset.entries() if entry.asset_id == "0/10005")
    folder = renders / "0" / "10005"
    (folder / "00003").rename(folder / "3")
    (folder / "00003").symlink_to("00004")
    (folder / "00003/00003.png").symlink_to("00004.png")
    views = dataset.read(entry, models).views
    assert views is not None
    assert len(views.viewpoint_ids) == 40
    (tmp_path / "secret.png").write_bytes(png())
    for number, target in ((9, tmp_path / "secret.png"), (10, renders)):
        path = folder / f"{number:05d}" / f"{number:05d}.png"
        path.unlink()
        path.symlink_to(target)
        with pytest.raises(UnreadableAssetError, match=rf"^0/10005: cannot read view {number}: "):
            dataset.read(entry, models)
        path.unlink()
    folder.rename(tmp_path / "elsewhere")
    folder.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(UnreadableAssetError, match=r"^0/10005: cannot read its views: it is a link that leads out of"):
        dataset.read(entry, models)


def test_render_fingerprints_follow_pictures_and_captions(renders: Path, tmp_path: Path) -> None:
    """Another picture in place of any, or a new caption, changes the fingerprint of its asset alone."""
    captions = tmp_path / "captions.json"

    def fingerprints() -> dict[str, str]:
        return {entry.asset_id: entry.fingerprint for entry in Gobjaverse(options).entries()}

    options = DatasetOptions(path=renders, captions=captions)
    captions.write_text('{"0/9": "a cup"}')
    before = fingerprints()
    (renders / "0/10005/00003/00003.png").write_bytes(png((1, 1, 1), (9, 9)))
    captions.write_text('{"0/9": "a mug"}')
    after = fingerprints()
    assert {name for name in before if before[name] != after[name]} == {"0/10005", "0/9"}


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("by_id.json", json.dumps({"0/10005": "a red chair, \nold", "0/12": "unknown"})),
        ("by_uid.json", json.dumps({"a" * 32: "a red chair, \nold", "d" * 32: "unknown"})),
        ("cap3d.csv", f'{"d" * 32},unknown\n{"a" * 32},"a red chair, \nold"\n'),
    ],
)
def test_captions_of_renders(renders: Path, tmp_path: Path, models: Path, name: str, text: str) -> None:
    """Captions are found by asset id or through the id map by uid; an asset without one is still an asset."""
    (tmp_path / "map.json").write_text(json.dumps(IDS))
    (tmp_path / name).write_text(text)
    (renders / "2" / "7").rmdir()
    options = DatasetOptions(path=renders, captions=tmp_path / name, id_map=tmp_path / "map.json")
    assets = read_all(Gobjaverse(options), models)
    assert assets["0/10005"].captions_english == ("a red chair, \nold",)
    assert assets["0/9"].captions_english == ()


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        ("c.json", b'{"0/9": "a cup",\n oops}', r"c\.json, line 2, column 2: not valid JSON"),
        ("c.json", b"[1]", "holds JSON, but no object; give one of id to value"),
        ("c.json", b'{"0/9": 5}', "value of '0/9' is not a text"),
        ("c.json", b'{"x": "\xff"}', "UTF-8"),
        ("c.json", b"{}", "no caption for any asset.*id map"),
        ("c.csv", b'u,"ok"\nonly-uid\n', r"c\.csv, line 2: 1 columns"),
        ("c.csv", b'u,"ok\n', "fix the row"),
        ("c.csv", b"u,ok\nv,\xff\n", "save the file as UTF-8"),
        ("c.txt", b"", r"neither \.csv nor \.json"),
        ("absent.csv", None, "check the path"),
        ("absent.json", None, "check the path"),
    ],
)
def test_damaged_captions_are_placed(
    renders: Path, tmp_path: Path, name: str, data: bytes | None, message: str
) -> None:
    """A captions file that cannot be used is an error with its name, the place in it, and a cure."""
    if data is not None:
        (tmp_path / name).write_bytes(data)
    with pytest.raises(DatasetError, match=message):
        list(Gobjaverse(DatasetOptions(path=renders, captions=tmp_path / name)).entries())


def test_damaged_render_folders_and_maps(renders: Path, tmp_path: Path) -> None:
    """A folder without renders, and an id map that is damaged or leaves its folder, are errors with a cure."""
    with pytest.raises(DatasetError, match="downloader"):
        list(Gobjaverse(DatasetOptions(path=tmp_path / "absent")).entries())
    with pytest.raises(DatasetError, match="downloader"):
        list(Gobjaverse(DatasetOptions(path=renders / "notes")).entries())
    with pytest.raises(DatasetError, match="give the folder above it"):
        list(Gobjaverse(DatasetOptions(path=renders / "0")).entries())
    for text, message in [('{"0/9": ', "line 1"), ('{"0/9": "../x.glb"}', "'0/9' is not the relative path")]:
        (tmp_path / "map.json").write_text(text)
        with pytest.raises(DatasetError, match=message):
            list(Gobjaverse(DatasetOptions(path=renders, id_map=tmp_path / "map.json")).entries())
