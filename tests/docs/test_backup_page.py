"""The page on operating: what it says of backups, restores and upgrades runs as it stands there."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest
from click.testing import CliRunner
from tests.conftest import ServedLibrary, drop_databases
from tests.sample_library import SIZE, VIEWS

from meshseek.interfaces.cli import main
from meshseek.workspace.workspace import Workspace

PAGE = Path(__file__).parents[2] / "docs" / "operating.md"
SHELL_BLOCK = re.compile(r"^```sh\n(.*?)^```", re.MULTILINE | re.DOTALL)
DONE = re.compile(r": (\d+) done")


@pytest.fixture
def elsewhere_prefix(conninfo: str) -> Iterator[str]:
    """Of databases on another machine."""
    prefix = f"restored_{uuid4().hex[:12]}_"
    yield prefix
    drop_databases(conninfo, prefix)


def commands(heading: str) -> list[str]:
    """Of one section."""
    section = PAGE.read_text("utf-8").partition(f"## {heading}\n")[2].partition("\n## ")[0]
    return [line for block in SHELL_BLOCK.findall(section) for line in block.splitlines() if line]


def test_backup_restore_and_upgrade(library: ServedLibrary, elsewhere_prefix: str, tmp_path: Path) -> None:
    """Each command succeeds; what was restored is sound and needs no update, and its search finds the same."""
    target = tmp_path / "target"
    there = {**library.environment, "MESHSEEK_WORKSPACE": str(target), "MESHSEEK_DATABASE_PREFIX": elsewhere_prefix}

    def run(command: str, environment: dict[str, str]) -> str:
        placed = command.replace("/backups/", f"{tmp_path}/").replace("/srv/meshseek/workspace", str(target))
        told = CliRunner().invoke(main, shlex.split(placed)[1:], env=environment)
        assert told.exit_code == 0, (command, told.output)
        return told.stdout

    said = {command: run(command, library.environment) for command in commands("Back up and restore")[:4]}
    said |= {command: run(command, there) for command in commands("Back up and restore")[4:]}
    Workspace(target).remembered.keep("render", {"views": VIEWS, "size": SIZE})  # the commands would have noted it
    upgraded = [run(command, there) for command in commands("Upgrade")]

    assert list(said)[4].startswith("meshseek restore")
    assert "everything is there, as it was written, and nothing is outdated" in list(said.values())[-1]
    assert "0 files new" in said["meshseek backup /backups/meshseek --verify"]
    assert {*DONE.findall(upgraded[-1])} == {"0"}
    found, restored = (
        json.loads(run("meshseek search --json chair", environment))["results"]
        for environment in (library.environment, there)
    )
    paths = dict.fromkeys(("model_path", "thumbnail_path"))
    assert [each | paths for each in found] == [each | paths for each in restored] != []
