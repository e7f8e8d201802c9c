"""``meshseek collect`` as a user types it, over a small real library."""

from __future__ import annotations

import hashlib
import io
import json
import shutil
import zipfile
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
from PIL import Image
from tests.command_lines import Ended, run_here, run_process
from tests.conftest import ServedLibrary
from tests.sample_library import BARE_ID, ODD_ID

from meshseek.collecting.blender_process import lacking
from meshseek.workspace.workspace import Workspace

FAKE_BLENDER = '''
"""Stands for Blender's module: keeps what it is told, in the place of a .blend."""

import json
from unittest.mock import MagicMock

app = MagicMock(version=(5, 0, 1))
ops, data, context = MagicMock(), MagicMock(), MagicMock()
context.scene.objects = [MagicMock()]
made = MagicMock()


def named(name):
    made.name = name
    return made


def read(filepath):
    with open(filepath, "rb") as file:
        if file.read(4) != b"glTF":
            raise RuntimeError("Error: Bad GLB")


def save(filepath, compress):
    print("Blender says something")
    tags = [call.args[0] for call in made.asset_data.tags.new.call_args_list]
    told = {name: getattr(made.asset_data, name) for name in ("author", "license", "copyright", "description")}
    with open(filepath, "w") as file:
        json.dump({**told, "tags": tags, "marked": made.asset_mark.called}, file)


data.collections.new.side_effect = named
ops.import_scene.gltf.side_effect = read
ops.wm.save_as_mainfile.side_effect = save
'''


def collect(library: ServedLibrary, *arguments: str | Path) -> Ended:
    """Run the command."""
    return run_here(("collect", *map(str, arguments)), library.environment)


def models(library: ServedLibrary) -> dict[str, bytes]:
    """The models of the workspace by asset."""
    workspace = Workspace(library.folder)
    return {asset.asset_id: (workspace.models / str(asset.model)).read_bytes() for asset in workspace.assets()}


@pytest.fixture
def own(library: ServedLibrary, tmp_path: Path) -> ServedLibrary:
    """A copy of the library's workspace that may be changed."""
    folder = tmp_path / "own"
    shutil.copytree(library.folder, folder, ignore=shutil.ignore_patterns("cache", "vectors"))
    return ServedLibrary(folder=folder, environment={"MESHSEEK_WORKSPACE": str(folder)}, asset_ids=library.asset_ids)


@pytest.fixture
def blender(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What stands for Blender's module can be imported, also by other processes."""
    (tmp_path / "python").mkdir()
    (tmp_path / "python" / "bpy.py").write_text(FAKE_BLENDER)
    monkeypatch.syspath_prepend(tmp_path / "python")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "python"))


def test_a_zip_of_chosen_assets(library: ServedLibrary, tmp_path: Path) -> None:
    """Ids from the command line and a file; the models are those of the workspace, and a zip that was there goes."""
    (tmp_path / "more.txt").write_text(f"\ufeff{ODD_ID}\n\n  chair-0001 \n", "utf-8")
    target = tmp_path / "basket.zip"
    target.write_text("what was there")
    ended = collect(library, "chair-0001", "--from", tmp_path / "more.txt", "--out", target)

    assert (ended.returncode, ended.stderr) == (0, "")
    assert ended.stdout == f"collected 2 models in {target}\n"
    content = models(library)
    with zipfile.ZipFile(io.BytesIO(target.read_bytes())) as opened:
        assert opened.testzip() is None
        assert opened.namelist()[:2] == ["ATTRIBUTION.md", "attribution.csv"]
        found = [opened.read(name) for name in opened.namelist()[2:]]
    assert found == [content["chair-0001"], content[ODD_ID]]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["basket.zip", "more.txt"]


def test_a_folder_and_warnings(library: ServedLibrary, tmp_path: Path) -> None:
    """The same as files; what a licence does not say is warned of; as a process it says the same."""
    arguments = ("chair-0001", BARE_ID, "--use", "commercial", "--json", "--out")
    ended = collect(library, *arguments, tmp_path / "basket")

    told = json.loads(ended.stdout)
    assert (told["models"], told["missing"]) == (2, {})
    assert told["warnings"] == [
        "'bare': nothing says that commercial use is allowed: no licence is stated; ask the creator"
    ]
    assert (tmp_path / "basket" / "models" / "bare.glb").read_bytes() == models(library)[BARE_ID]
    assert "Meant use: commercial." in (tmp_path / "basket" / "ATTRIBUTION.md").read_text("utf-8")
    process = run_process(("collect", *arguments, str(tmp_path / "other")), library.environment)
    assert json.loads(process.stdout)["warnings"] == told["warnings"]
    one, other = (
        {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
        for folder in (tmp_path / "basket", tmp_path / "other")
    )
    assert one == other


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "the basket is empty; name at least one asset"),
        (("nope", "no/pe"), "there is no asset 'nope', 'no/pe' in the workspace; take the ids as a search shows them"),
        (("chair-0001", "--blender"), "a library for Blender is a folder; give --out a name without .zip"),
        (("--from", "/nope"), "cannot read /nope: No such file or directory; check the path"),
        (("--from", "/dev/null"), "cannot read /dev/null: it is a pipe, a device or the like; copy a file there"),
    ],
)
def test_mistakes_are_one_line(library: ServedLibrary, tmp_path: Path, arguments: tuple[str, ...], said: str) -> None:
    """Nothing is written then."""
    ended = collect(library, *arguments, "--out", tmp_path / "basket.zip")

    assert (ended.returncode, ended.stdout, ended.stderr) == (1, "", f"meshseek: {said}\n")
    assert not list(tmp_path.iterdir())


def test_what_is_there_stays(library: ServedLibrary, tmp_path: Path) -> None:
    """A folder with something in it is not written to, nor is where there is no folder."""
    (tmp_path / "kept").write_text("kept")
    for target, said in (
        (tmp_path, f"there is something at {tmp_path} already; name a folder that is not there yet"),
        (tmp_path / "kept", f"there is something at {tmp_path / 'kept'} already; name a folder that is not there yet"),
        (tmp_path / "no" / "a.zip", "No such file or directory; check the folder and its permissions"),
    ):
        ended = collect(library, "chair-0001", "--out", target)
        assert ended.returncode == 1
        assert said in ended.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["kept"]


def test_a_model_that_is_missing(own: ServedLibrary, tmp_path: Path) -> None:
    """The others are collected; the files, the output and the exit status say which is not."""
    next((own.folder / "models").glob("bare@*.glb")).unlink()
    ended = collect(own, "chair-0001", BARE_ID, "--out", tmp_path / "basket")

    assert ended.returncode == 1
    assert "collected 1 model in" in ended.stdout
    assert "missing: 'bare': its model is not in the workspace" in ended.stdout
    assert "## MISSING: 1 of 2 models" in (tmp_path / "basket" / "ATTRIBUTION.md").read_text("utf-8")
    assert [path.name for path in (tmp_path / "basket" / "models").iterdir()] == ["chair-0001.glb"]


def test_without_blender_the_folder_has_the_models(library: ServedLibrary, tmp_path: Path) -> None:
    """One line says why there is no more."""
    ended = collect(library, "chair-0001", "--out", tmp_path / "basket", "--blender")

    assert ended.returncode == 0
    assert ended.stdout.splitlines()[1:] == [f"the folder has the models alone: {lacking()}"]
    assert (tmp_path / "basket" / "models" / "chair-0001.glb").is_file()


@pytest.mark.usefixtures("blender")
def test_a_library_for_blender(own: ServedLibrary, tmp_path: Path) -> None:
    """Lists name each file with its digest, and all that is known of each asset; what Blender cannot read is told."""
    next((own.folder / "models").glob("bare@*.glb")).write_bytes(b"no model")
    folder = tmp_path / "library"
    ended = collect(own, ODD_ID, BARE_ID, "--out", folder, "--blender")

    assert ended.returncode == 1
    assert "made 1 .blend files of them" in ended.stdout
    assert "no .blend of 'bare': RuntimeError: Error: Bad GLB" in ended.stdout

    def listed(named: dict[str, str]) -> dict[str, Any]:
        content = (folder / named["url"]).read_bytes()
        assert named["hash"] == f"SHA256:{hashlib.sha256(content).hexdigest()}"
        value: dict[str, Any] = json.loads(content)
        return value

    meta = json.loads((folder / "_asset-library-meta.json").read_bytes())
    assert (meta["name"], meta["contact"]) == ("Meshseek", {"name": "Meshseek"})
    index = listed(meta["api_versions"]["v1"])
    assert (index["schema_version"], index["asset_count"], index["file_count"]) == ("1.0.0", 1, 1)
    page = listed(index["pages"][0])
    (asset,), (file,) = page["assets"], page["files"]
    blend = folder / file["path"]
    assert asset["files"] == [file["path"]]
    assert (file["hash"], file["blender_version"]) == (
        f"SHA256:{hashlib.sha256(blend.read_bytes()).hexdigest()}",
        "5.0",
    )
    told = json.loads(blend.read_text())
    assert told.pop("marked") is True
    assert told == asset["meta"]
    assert (told["author"], told["tags"]) == ("Meshseek", ["seat", "antique"])
    with Image.open(folder / unquote(asset["thumbnail"]["url"])) as picture:
        assert picture.format == "WEBP"
    assert len(list((folder / "thumbnails").iterdir())) == 1
