"""The short form of ``make chaos``: each victim and each fault once, in processes and a workspace of their own."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from tests.chaos.campaign import NEEDS_MOUNTS, SHORT

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    """What has come of each scenario, by its name."""
    file = tmp_path_factory.mktemp("chaos") / "short.json"
    command = [sys.executable, "-m", "tests.chaos", "--short", "--json", str(file)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert file.is_file(), done.stderr[-3000:]
    return {f"{row['fault']}/{row['victim']}": row for row in json.loads(file.read_text())["rows"]}


@pytest.mark.parametrize("name", SHORT)
def test_nothing_is_lost_doubled_or_left(rows: dict[str, dict[str, Any]], name: str) -> None:
    """After a fault and its cure all is as if nothing had been; readers saw the version before or the one after."""
    if name not in rows:
        assert name.partition("/")[0] in NEEDS_MOUNTS
        pytest.skip("only root can mount a disk")
    assert rows[name]["tried"] == 1
    assert rows[name]["failures"] == []
