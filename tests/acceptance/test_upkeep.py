"""A library that is changed by hand, and the commands that keep a workspace right, as a user types them."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import uuid4

import pytest
from tests.command_lines import Ended, run_here, run_process
from tests.conftest import drop_databases

from meshseek.pipeline.sample_assets import make_sample_assets
from meshseek.workspace.workspace import Workspace

Command = Callable[..., Ended]
PATIENCE = 90


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder of twelve models with captions."""
    made = make_sample_assets(tmp_path / "made", 12)
    return made.rename(tmp_path / "furniture")


@pytest.fixture
def environment(tmp_path: Path, conninfo: str) -> Iterator[dict[str, str]]:
    """Settings of a workspace of its own."""
    prefix = f"upkeep_{uuid4().hex[:12]}_"
    yield {
        "MESHSEEK_WORKSPACE": str(tmp_path / "workspace"),
        "MESHSEEK_DATABASE_URL": conninfo,
        "MESHSEEK_DATABASE_PREFIX": prefix,
        "MESHSEEK_WORKERS": "1",
    }
    drop_databases(conninfo, prefix)


@pytest.fixture
def command(environment: dict[str, str], folder: Path) -> Command:
    """Runs commands in that workspace, whose library is imported."""

    def run(*arguments: str) -> Ended:
        return run_here(arguments, environment)

    ended = run("import", "folder", str(folder), "--captions", str(folder / "captions.csv"), "--library", "furniture")
    assert ended.returncode == 0, ended.stderr
    ended = run("render", "--views", "2", "--size", "32")
    assert ended.returncode == 0, ended.stderr
    return run


def best(command: Command, words: str) -> str:
    """Id of the first result."""
    ended = command("search", words, "--json")
    assert ended.returncode == 0, ended.stderr
    asset_id: str = json.loads(ended.stdout)["results"][0]["asset_id"]
    return asset_id


def test_a_folder_that_is_changed_by_hand_in_five_ways(
    command: Command, environment: dict[str, str], folder: Path
) -> None:
    """Replaced, added, deleted, renamed and described anew: one command brings the search to what the folder is now."""
    assert command("update").returncode == 0
    assert best(command, "sofa") == "sofa-0001"

    shutil.copyfile(folder / "cup-0001.glb", folder / "chair-0001.glb")
    shutil.copyfile(folder / "desk-0001.glb", folder / "harpsichord.glb")
    (folder / "bed-0001.glb").unlink()
    (folder / "sofa-0001.glb").rename(folder / "couch.glb")
    captions = folder / "captions.csv"
    text = captions.read_text("utf-8").replace("sofa-0001,", "couch,").replace("a blue bowl", "a porcelain tureen")
    captions.write_text(text + "harpsichord,a harpsichord,一架羽管键琴,Harpsichord,Music,,Meshseek,CC0-1.0\n", "utf-8")

    planned = json.loads(command("update", "--dry-run", "--json").stdout)
    assert (planned["furniture"]["import"], planned["furniture"]["leave"]) == (4, 2)
    assert best(command, "sofa") == "sofa-0001"
    ended = command("update")
    assert ended.returncode == 0, ended.stderr
    header, row = ended.stdout.splitlines()[:2]
    assert header.split() == ["library", "before", "now", "imported", "left", "skipped"]
    assert row.split() == ["furniture", "12", "12", "4", "2", "0"]
    assert best(command, "harpsichord") == "harpsichord"
    views = Path(environment["MESHSEEK_WORKSPACE"], "views", "harpsichord").glob("@*/*/*.png")
    assert len(list(views)) == 2, "rendered as the others were"
    assert best(command, "porcelain tureen") == "bowl-0001"
    assert best(command, "a turquoise sofa") == "couch"
    ids = {
        hit["asset_id"] for hit in json.loads(command("search", "thing", "--top-k", "50", "--json").stdout)["results"]
    }
    assert ids == {path.stem for path in folder.glob("*.glb")}

    checked = command("check", "--verify")
    assert (checked.returncode, checked.stdout.splitlines()[-1]) == (
        0,
        "everything is there, as it was written, and nothing is outdated",
    )
    freed = command("clean")
    assert "freed" in freed.stdout
    assert command("check", "--verify").returncode == 0
    assert json.loads(command("update", "--json").stdout)["stages"][-1]["done"] == 0


def test_what_is_lost_is_told_and_repaired(command: Command, environment: dict[str, str]) -> None:
    """Check ends with 1 and names the files; with --repair it ends with 0, and they are back."""
    command("update")
    workspace = Path(environment["MESHSEEK_WORKSPACE"])
    model = next(workspace.glob("models/cup-0001@*"))
    view = next(workspace.glob("views/desk-0001/@*/00001/00001.png"))
    model.unlink()
    view.write_bytes(b"not a picture")

    told = command("check")
    assert told.returncode == 1
    assert told.stdout.splitlines() == [
        f"missing: {model}",
        f"altered: {view}",
        "run 'meshseek check --repair' to repair this",
    ]
    assert command("check", "--repair").returncode == 0
    assert model.stat().st_size > 0
    assert view.read_bytes().startswith(b"\x89PNG")


def test_forgetting(command: Command) -> None:
    """An asset, an unknown one, a library, and nothing at all."""
    command("update")
    assert command("forget", "sofa-0001", "bed-0001").stdout.startswith("forgot 2 assets")
    assert command("check").stdout.splitlines()[0] == "outdated: what is published of 'lite'"
    unknown = command("forget", "nobody")
    assert (unknown.returncode, unknown.stderr) == (
        1,
        "meshseek: there is no asset 'nobody' in this workspace; nothing was forgotten, check the id\n",
    )
    assert command("forget").returncode == 2
    assert command("forget", "--library", "nowhere").stderr.endswith("the libraries are: furniture\n")
    (listed,) = json.loads(command("libraries", "--json").stdout)
    assert (listed["name"], listed["assets"], listed["forgotten"]) == ("furniture", 10, 2)

    assert command("forget", "--library", "furniture").stdout.startswith("forgot 10 assets")
    assert command("libraries").stdout == "no library was imported; run 'meshseek import DATASET PATH'\n"
    assert command("update").returncode == 0
    assert json.loads(command("search", "sofa", "--json").stdout)["results"] == []


def test_a_check_without_the_database_still_tells_of_the_files(command: Command, environment: dict[str, str]) -> None:
    """What is missing is said, and so is what cannot be told."""
    command("update")
    next(Path(environment["MESHSEEK_WORKSPACE"]).glob("models/cup-0001@*")).unlink()
    away = {**environment, "MESHSEEK_DATABASE_URL": "postgresql://nobody@127.0.0.1:9/postgres"}
    told = run_here(["check"], away)

    assert told.returncode == 1
    assert told.stdout.startswith("missing: ")
    assert "what is published and what is orphaned cannot be told" in told.stderr


def test_two_updates_at_once(command: Command, environment: dict[str, str]) -> None:
    """The second is told so in one line, and changes nothing."""
    workspace = Workspace(Path(environment["MESHSEEK_WORKSPACE"]))
    with workspace.lock("update"):
        ended = command("update")
    assert (ended.returncode, ended.stderr) == (
        1,
        f"meshseek: another process runs 'update' in {workspace.folder}; wait until it ends\n",
    )


def test_watching(command: Command, environment: dict[str, str], folder: Path) -> None:
    """A file that is added while update watches is found soon after, without another command."""
    program = [sys.executable, "-m", "meshseek", "update", "--watch"]
    process = subprocess.Popen(
        program,
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # Where tests run as a job in the background, their shell has them ignore Ctrl-C.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509  # it starts no thread
    )
    try:
        assert process.stderr is not None
        line = next(line for line in process.stderr if line.startswith("watching") or process.poll() is not None)
        assert str(folder) in line
        shutil.copyfile(folder / "desk-0001.glb", folder / "harpsichord.glb")
        with (folder / "captions.csv").open("a", encoding="utf-8") as file:
            file.write("harpsichord,a harpsichord,,Harpsichord,Music,,Meshseek,CC0-1.0\n")
        deadline = time.monotonic() + PATIENCE
        while best(command, "harpsichord") != "harpsichord":
            assert time.monotonic() < deadline
            time.sleep(0.5)
    finally:
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=60)
    assert process.returncode == 0


@pytest.mark.parametrize(
    "arguments",
    [
        *(["search", "chair"], ["status"], ["libraries"], ["update"], ["check"], ["clean"], ["render"], ["translate"]),
        *(["embed"], ["publish"], ["serve"], ["tune"], ["forget", "a"], ["db", "start"]),
    ],
    ids=" ".join,
)
def test_a_mistyped_workspace_makes_nothing(tmp_path: Path, arguments: list[str]) -> None:
    """One line says that there is none; no folder and no database is made; one of the commands is run as a process."""
    folder = tmp_path / "mistyped"
    run = run_process if arguments[0] == "search" else run_here
    ended = run([*arguments, "--workspace", str(folder)])
    cure = "check --workspace, or run 'meshseek import DATASET PATH' to make one"

    assert (ended.returncode, ended.stderr) == (1, f"meshseek: there is no workspace {folder}; {cure}\n")
    assert not folder.exists()


def test_a_folder_that_is_no_workspace_gets_no_database(tmp_path: Path) -> None:
    """Any other folder is as good as none, also with a database server of the user's own for what writes files."""
    (tmp_path / "letter.txt").write_text("Dear Ann")
    for arguments, environment in (
        (["search", "chair"], {}),
        (["check"], {}),
        (["render"], {"MESHSEEK_DATABASE_URL": "postgresql://nobody@127.0.0.1:9/postgres"}),
    ):
        ended = run_here([*arguments, "--workspace", str(tmp_path)], environment)
        assert (ended.returncode, ended.stderr.partition(";")[0]) == (1, f"meshseek: there is no workspace {tmp_path}")
    assert [path.name for path in tmp_path.iterdir()] == ["letter.txt"]


def test_a_workspace_that_may_only_be_read(folder: Path, tmp_path: Path) -> None:
    """Each command that writes says so in one line."""
    workspace = tmp_path / "workspace"
    (workspace / "assets").mkdir(parents=True)
    workspace.chmod(0o555)
    # Root may write everywhere, unless it is told that it may not.
    allowed = ["setpriv", "--bounding-set=-dac_override,-dac_read_search"] if os.getuid() == 0 else []
    for arguments in (["import", "folder", str(folder)], ["render"], ["update"], ["clean"]):
        ended = subprocess.run(
            [*allowed, sys.executable, "-m", "meshseek", *arguments, "--workspace", str(workspace)],
            capture_output=True,
            text=True,
            check=False,
        )
        assert ended.returncode == 1
        (line,) = ended.stderr.splitlines()
        assert "Permission denied; check the folder and its permissions" in line
