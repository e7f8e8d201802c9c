"""Libraries that were made to harm: what leads out of them, waits, bursts, or says too much of itself."""

from __future__ import annotations

import json
import os
import random
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient
from tests.model_libraries import CATALOGUE, CUBE, make_sh3f, png
from tests.stages import Stages
from tests.toy import embed_toys, publish_toys, toy_algorithm, toy_assets

from meshseek.bootstrap import Meshseek
from meshseek.datasets import DATASETS, DatasetOptions
from meshseek.errors import DatasetError
from meshseek.interfaces.cli.options import show
from meshseek.interfaces.http import create_app
from meshseek.model import Asset
from meshseek.pipeline.bounds import MOST_TEXT_BYTES, cleaned, id_fault, within_bounds
from meshseek.pipeline.import_assets import LibraryOptions, import_assets
from meshseek.pipeline.workers import Workers
from meshseek.reporting import SilentReporter
from meshseek.search.service import SearchService
from meshseek.settings import read_settings
from meshseek.store.postgres import Server
from meshseek.workspace.tables import asset_row
from meshseek.workspace.workspace import Workspace

SECRET = "my password"


@pytest.fixture
def stages(workspace: Workspace, server: Server) -> Stages:
    """The stages, on nothing yet."""
    return Stages(workspace, server)


@pytest.fixture
def library(tmp_path: Path) -> Path:
    """A folder with one sound model."""
    folder = tmp_path / "library"
    folder.mkdir()
    (folder / "cube.obj").write_text(CUBE)
    return folder


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    """A folder that nobody named, with a file in each form."""
    folder = tmp_path / "private"
    folder.mkdir()
    (folder / "secret.obj").write_text(CUBE)
    (folder / "secret.png").write_bytes(png())
    (folder / "secret.json").write_text(json.dumps({"secret": SECRET}))
    return folder


def skipped(stages: Stages, stage: str = "assets", name: str = "skipped.jsonl") -> dict[str, str]:
    """What a stage could not do, and why, by asset."""
    path = stages.workspace.folder / stage / name
    rows = [json.loads(line) for line in path.read_text("utf-8").splitlines()] if path.exists() else []
    return {row["asset_id"]: row["reason"] for row in rows}


def test_models_that_are_elsewhere_are_not_imported(
    stages: Stages, library: Path, secret: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A link out of the library is an asset that is skipped and says why; pipes are passed over and counted."""
    (library / "link.obj").symlink_to(secret / "secret.obj")
    (library / "same.obj").symlink_to("cube.obj")
    (library / "circle.obj").symlink_to("circle.obj")
    os.mkfifo(library / "pipe.obj")
    summary = stages.import_folder(library)
    assert (summary.done, summary.skipped) == (2, 1)
    assert "leads out of the library; copy the file itself there" in skipped(stages)["link"]
    assert "1 pipes, devices and the like are passed over" in caplog.text


def test_textures_that_are_elsewhere_are_missing(stages: Stages, library: Path, secret: Path) -> None:
    """The model is there, without the picture that a link of the library would have brought."""
    (library / "cube.mtl").write_text("newmtl paint\nmap_Kd wood.png\n")
    (library / "wood.png").symlink_to(secret / "secret.png")
    stages.import_folder(library)
    (model,) = stages.workspace.models.rglob("*.glb")
    assert b"image/png" not in model.read_bytes()


def test_a_library_behind_a_link_is_imported(stages: Stages, library: Path, tmp_path: Path) -> None:
    """Where the user keeps a library is the user's own matter."""
    (tmp_path / "way").symlink_to(library)
    assert stages.import_folder(tmp_path / "way").done == 1


def test_views_that_are_elsewhere_are_not_imported(stages: Stages, tmp_path: Path, secret: Path) -> None:
    """Neither a picture, nor the folder of an asset, may be a link out of the library."""
    renders = tmp_path / "renders"
    for asset_id in ("0/1", "0/2", "0/3"):
        (renders / asset_id / "00000").mkdir(parents=True)
        (renders / asset_id / "00000" / "00000.png").write_bytes(png())
    (renders / "0/2/00000/00000.png").unlink()
    (renders / "0/2/00000/00000.png").symlink_to(secret / "secret.png")
    (renders / "0/3").rename(secret / "3")
    (renders / "0/3").symlink_to(secret / "3")
    dataset = DATASETS.load("gobjaverse")(DatasetOptions(path=renders))
    summary = stages.import_dataset(dataset, LibraryOptions())
    assert (summary.done, summary.skipped) == (1, 2)
    assert all("leads out of the library" in reason for reason in skipped(stages).values())


@pytest.fixture
def api(workspace: Workspace, server: Server) -> Iterator[TestClient]:
    """The API over two toys with models."""
    assets = list(toy_assets(workspace.folder / "pictures", 2))
    workspace.assets_table().append([asset_row(asset) for asset in assets])
    embed_toys(workspace)
    publish_toys(workspace, server)
    (workspace.models / "toys").mkdir(parents=True)
    for asset in assets:
        (workspace.models / str(asset.model)).write_bytes(b"glTF" + asset.asset_id.encode())
        (workspace.folder / f"pictures/{asset.asset_id[-3:]}/00000/00000.json").write_text("{}")
    meshseek = Meshseek(read_settings(workspace=workspace.folder))
    meshseek.__dict__["search_service"] = SearchService([toy_algorithm(server)])
    with TestClient(create_app(meshseek), base_url="http://localhost", raise_server_exceptions=False) as client:
        yield client


SECRETS = {".glb": "secret.obj", ".png": "secret.png", ".json": "secret.json"}
PATHS = {
    "model": ("/assets/toys/000/model", "models/toys/000.glb"),
    "view": ("/assets/toys/000/views/0", "pictures/000/00000/00000.png"),
    "camera": ("/assets/toys/000/views/0/camera", "pictures/000/00000/00000.json"),
}


def test_nothing_elsewhere_is_served(api: TestClient, workspace: Workspace, secret: Path) -> None:
    """What took the place of a model, a picture or a camera since it was published is missing; nothing hangs."""
    for address, name in PATHS.values():
        path = workspace.folder / name
        whole = path.read_bytes()
        assert api.get(address).content == whole
        assert api.get(address, headers={"Range": "bytes=1-1"}).content == whole[1:2]
        path.unlink()
        for replace in (lambda p: p.symlink_to(secret / SECRETS[p.suffix]), os.mkfifo, Path.mkdir):
            replace(path)
            answer = api.get(address)
            assert answer.status_code == 404, address
            assert SECRET not in answer.text
            assert str(workspace.folder) not in answer.text
            path.rmdir() if path.is_dir() else path.unlink()
        path.write_bytes(whole)
        assert api.get(address).content == whole
        path.parent.rename(secret / path.parent.name)
        path.parent.symlink_to(secret / path.parent.name)
        assert api.get(address).status_code == 404, address
        path.parent.unlink()
        (secret / path.parent.name).rename(path.parent)


LONG: dict[str, dict[str, Any]] = {
    "tag": {"caption": "a red cube", "tags": ["t" * 3000, "red"]},
    "caption": {"caption": ["w" * 1_000_000, "a red cube"]},
    "chinese": {"caption": "a red cube", "caption_zh": "红" * 400_000},
    "many": {"caption": [f"cube {n}" for n in range(1000)], "tags": [f"tag {n}" for n in range(1000)]},
    "attributes": {"caption": "a red cube"} | {f"a{n}": n for n in range(1000)},
    "names": {"caption": "a red cube", "n" * 3000: 1, "category": "图" * 1000, "deep": [[[[[[[[[[[[1]]]]]]]]]]]]},
    "large": {"caption": "a red cube", "notes": "n" * 100_000, "category": {"x": "y" * 5000}},
}


def test_long_values_are_left_out_and_the_assets_are_searchable(stages: Stages, library: Path) -> None:
    """Each asset is published with the rest of what it says; what is left out is listed and counted."""
    for name in LONG:
        (library / f"{name}.obj").write_text(CUBE)
    (library / "captions.json").write_text(json.dumps(LONG))
    dataset = DATASETS.load("folder")(DatasetOptions(path=library, captions=library / "captions.json"))
    summary = stages.import_dataset(dataset, LibraryOptions())
    assert (summary.done, summary.skipped) == (8, 0)
    left_out = skipped(stages, name="left_out.jsonl")
    assert summary.details["values left out"] >= len(left_out)
    assert set(left_out) == set(LONG)
    assert left_out["tag"] == "tags of 3,000 bytes"
    assert left_out["caption"] == "English caption of 1,000,000 bytes"
    stages.embed()
    assert stages.publish().done == 8
    found = stages.searchable()
    assert found["caption"]["english"] == ["a red cube"]
    assert found["tag"]["attributes"]["tags"] == ["red"]
    assert found["chinese"]["chinese"] == []
    assert len(found["many"]["attributes"]["tags"]) == 200


def test_an_id_that_is_too_long_keeps_only_its_own_asset_out(stages: Stages, library: Path) -> None:
    """It is skipped with its reason."""
    deep = library.joinpath(*["d" * 200] * 6)
    deep.mkdir(parents=True)
    (deep / "cube.obj").write_text(CUBE)
    summary = stages.import_folder(library)
    assert (summary.done, summary.skipped) == (1, 1)
    (reason,) = skipped(stages).values()
    assert reason == "its id has 1,210 bytes; rename it, so that it has at most 1,000"
    assert id_fault("a\u202eb") == "its id holds characters that nobody sees; rename it"


def test_what_an_older_meshseek_imported_blocks_no_publication(stages: Stages, library: Path) -> None:
    """Values and ids that no database takes are left out, and the message names an asset."""
    stages.import_folder(library)
    stages.workspace.libraries.folder.rename(stages.workspace.folder / "gone")  # as before libraries were told apart
    older = [
        Asset(asset_id="long", fingerprint="1", captions_english=("w " * 600_000,), attributes={"tags": ["t" * 4000]}),
        Asset(asset_id="i" * 3500, fingerprint="1", captions_english=("a cube",)),
    ]
    stages.workspace.assets_table().append([asset_row(asset) for asset in older])
    stages.embed()
    summary = stages.publish()
    assert summary.details["only in part"] == 2
    assert set(stages.searchable()) == {"cube", "long"}
    (told,) = [line for line in stages.said if line.startswith("publish:") and "too long" in line]
    assert "'long' (without its tags of 4,000 bytes)" in told


def _words(kind: str, size: int) -> str:
    """Texts of so many bytes that make a database's own form of them as large as can be."""
    pick = random.Random(kind)
    letters = "abcdefghijklmnopqrstuvwxyz0123456789"
    makers: dict[str, Callable[[], str]] = {
        "short words": lambda: "".join(pick.choices(letters, k=3)) + " ",
        "compounds": lambda: "-".join("".join(pick.choices(letters, k=2)) for _ in range(4)) + " ",
        "addresses": lambda: f"{''.join(pick.choices(letters, k=3))}.com/{''.join(pick.choices(letters, k=3))} ",
        "characters": lambda: chr(pick.randrange(0x4E00, 0x9FA5)),
        "lone characters": lambda: chr(pick.randrange(0x4E00, 0x9FA5)) + " ",
        "other letters": lambda: "".join(chr(pick.randrange(0x430, 0x44F)) for _ in range(3)) + " ",
    }
    text = ""
    while len(text.encode()) < size:
        text += "".join(makers[kind]() for _ in range(100))
    return text.encode()[:size].decode(errors="ignore")


KINDS = ["short words", "compounds", "addresses", "characters", "lone characters", "other letters"]


def test_the_bounds_are_what_the_database_bears(stages: Stages) -> None:
    """As many words of the worst kinds as an asset may have can be published, and every label and id of full length."""
    assets = []
    for number, kind in enumerate(KINDS):
        text = _words(kind, MOST_TEXT_BYTES)
        captions = [text[start : start + 3000] for start in range(0, len(text), 3000)]
        tags = [pick.to_bytes(1000, "big").hex()[:2000] for pick in (random.Random(number).getrandbits(7999),)]
        asset = Asset(
            asset_id=random.Random(kind).randbytes(500).hex(),
            fingerprint="1",
            captions_english=tuple(captions),
            attributes={"tags": tags, "category": "图" * 600},
        )
        kept, _ = within_bounds(asset)
        assert sum(len(caption.encode()) for caption in kept.captions_english) > MOST_TEXT_BYTES - 15_000
        assets.append(cleaned(kept))
    stages.workspace.assets_table().append([asset_row(asset) for asset in assets])
    stages.embed()
    assert stages.publish().done == len(KINDS)


def test_control_characters_are_gone_after_the_import(stages: Stages, library: Path) -> None:
    """Captions, names and tags are words only."""
    (library / "captions.json").write_text(
        json.dumps(
            {"cube": {"caption": "a\x1b[2J red\u202e cube\0\ud800", "name": "x\x9b31m", "tags": ["a\nb", "\x07"]}}
        )
    )
    dataset = DATASETS.load("folder")(DatasetOptions(path=library, captions=library / "captions.json"))
    stages.import_dataset(dataset, LibraryOptions())
    (asset,) = stages.workspace.assets()
    assert asset.captions_english == ("a red cube",)
    assert (asset.attributes["name"], asset.attributes["tags"]) == ("x", ["a b", ""])


@pytest.mark.parametrize("as_json", [True, False])
def test_a_terminal_obeys_no_asset(as_json: bool, capsys: pytest.CaptureFixture[str]) -> None:  # noqa: FBT001
    """Whatever was imported by an older Meshseek is shown, and not carried out."""
    text = "red\x1b]0;owned\x07 \x9b2J chair\u202e"
    show({"caption": text}, as_json=as_json, text=text)
    shown = capsys.readouterr().out
    assert not set(shown) & {"\x1b", "\x07", "\x9b", "\u202e"}
    assert "\\u001b]0;owned\\u0007" in shown
    if as_json:
        assert json.loads(shown)["caption"] == text


def test_a_bomb_in_a_library_is_told_before_it_bursts(tmp_path: Path) -> None:
    """A model, or a catalogue, that unpacks from little to much stops the import, and names its library."""
    for name in ("pack/cube/cube.obj", "PluginFurnitureCatalog.properties"):
        path = make_sh3f(tmp_path / "bomb.sh3f")
        with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr(
                name.replace("cube.obj", "other.obj").replace("Catalog.", "Catalog_zh_CN.x."), bytes(50 << 20)
            )
        with pytest.raises(
            DatasetError, match=r"bomb\.sh3f: its member '.*' unpacks from 0\.1 MB to 52 MB; take it out"
        ):
            list(DATASETS.load("sweethome3d")(DatasetOptions(path=tmp_path)).entries())


def test_a_large_catalogue_is_not_read(tmp_path: Path) -> None:
    """It is read in the main process, so it has a bound of its own."""
    text = CATALOGUE.encode("latin-1") + b"".join(b"k%d=%d\n" % (n, n) for n in range(1_300_000))
    make_sh3f(tmp_path / "large.sh3f", PluginFurnitureCatalog__properties=text)
    with pytest.raises(
        DatasetError, match=r"large\.sh3f: 'PluginFurnitureCatalog\.properties' unpacks to 2\d MB; reduce"
    ):
        list(DATASETS.load("sweethome3d")(DatasetOptions(path=tmp_path)).entries())


def test_furniture_that_is_elsewhere_or_a_pipe_is_told(tmp_path: Path, secret: Path) -> None:
    """A folder of libraries leads nowhere else, and nothing waits."""
    make_sh3f(secret / "a.sh3f")
    folder = tmp_path / "furniture"
    folder.mkdir()
    (folder / "a.sh3f").symlink_to(secret / "a.sh3f")
    dataset = DATASETS.load("sweethome3d")(DatasetOptions(path=folder))
    with pytest.raises(DatasetError, match=r"a\.sh3f: it is a link that leads out of the library"):
        list(dataset.entries())
    (folder / "a.sh3f").unlink()
    os.mkfifo(folder / "a.sh3f")
    with pytest.raises(DatasetError, match=r"a\.sh3f: it is a pipe"):
        list(dataset.entries())
    (folder / "a.sh3f").unlink()
    assert list(DATASETS.load("sweethome3d")(DatasetOptions(path=secret / "a.sh3f")).entries())


def test_an_item_of_an_absurd_number_is_no_item(tmp_path: Path) -> None:
    """Numbers of thousands of digits are not even read."""
    make_sh3f(
        tmp_path / "a.sh3f", PluginFurnitureCatalog__properties=CATALOGUE.encode("latin-1") + b"name#" + b"9" * 9000
    )
    assert len(list(DATASETS.load("sweethome3d")(DatasetOptions(path=tmp_path)).entries())) == 3


def test_an_endless_face_is_skipped_in_time(workspace: Workspace, library: Path) -> None:
    """A face line of 10 MB, which would take hours, costs its deadline and only its own asset."""
    corners = "".join(f"v {n} {n * 7919 % 10007} 0\n" for n in range(250))
    face = "f " + " ".join(str(1 + n) for n in range(250)) + "\n"
    (library / "endless.obj").write_text(corners + face * 12_000)
    assert (library / "endless.obj").stat().st_size > 10_000_000
    dataset = DATASETS.load("folder")(DatasetOptions(path=library))
    bounds = Workers(2, seconds=2)
    summary = import_assets(dataset, workspace, workers=bounds, max_assets=None, reporter=SilentReporter())
    assert (summary.done, summary.skipped) == (1, 1)
    assert "longer than 2 seconds; reduce it" in skipped(Stages(workspace, None))["endless"]  # type: ignore[arg-type]
    assert not (workspace.models / ".drafts").exists()


@pytest.mark.parametrize("which", ["folder", "captions"])
def test_what_cannot_be_recorded_is_told(which: str, workspace: Workspace, library: Path, tmp_path: Path) -> None:
    """Names that are no UTF-8, of the folder and of the files that come with it; nothing has begun then."""
    odd = tmp_path / os.fsdecode(b"odd\xff")
    captions = None
    if which == "folder":
        library = library.rename(odd)
    else:
        captions = odd
        captions.write_text("{}")
    dataset = DATASETS.load("folder")(DatasetOptions(path=library, captions=captions))
    with pytest.raises(DatasetError, match=r"odd is named with characters that nobody sees; rename it"):
        import_assets(dataset, workspace, workers=0, max_assets=None, reporter=SilentReporter())
    assert not len(workspace.assets_table())
