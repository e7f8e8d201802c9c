"""assimp's own test models, from Debian: each is shown or told in one plain line."""

from __future__ import annotations

import re
import subprocess
from collections import Counter
from pathlib import Path

import pytest
from scripts.model_collection import Try

from meshseek.datasets import DatasetOptions, Entry
from meshseek.datasets.folder import Folder
from meshseek.pipeline.stage import Task
from meshseek.pipeline.workers import Workers, in_processes

PACKAGE = "assimp-testmodels"
INSIDE = re.compile(r"Traceback|Error\b|Exception|<class|NoneType|\.py\b|\n")
LEAST = {"fbx": 12, "dae": 18, "obj": 12, "glb": 3, "gltf": 20, "ply": 3, "stl": 4, "off": 1}
"""So many of each format are rendered at least; the others are broken on purpose, have no faces, or are glTF 1.0."""


@pytest.fixture(scope="module")
def collection(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The models, fetched by Debian's own tools; where that is not possible, nothing is tested."""
    folder = tmp_path_factory.mktemp("assimp")
    for command in (["apt-get", "download", PACKAGE], ["dpkg-deb", "-x", "PACKAGE", "models"]):
        found = [str(path) for path in folder.glob("*.deb")][:1] or ["?"]
        try:
            named = [found[0] if part == "PACKAGE" else part for part in command]
            done = subprocess.run(named, cwd=folder, capture_output=True, text=True, timeout=300, check=False)
        except (OSError, subprocess.TimeoutExpired) as error:
            pytest.skip(f"cannot fetch {PACKAGE}: {error}")
        if done.returncode:
            pytest.skip(f"cannot fetch {PACKAGE}: {done.stderr.strip()[-200:]}")
    return folder / "models"


def test_each_model_is_shown_or_told_in_one_line(collection: Path) -> None:
    """None crashes, hangs, or ends in words of the inside."""
    dataset = Folder(DatasetOptions(path=collection))
    tasks: list[Task[Entry]] = [
        Task(asset_id=entry.asset_id, fingerprint=entry.file, payload=entry) for entry in dataset.entries()
    ]
    rendered: Counter[str] = Counter()
    work = in_processes(Workers(2, seconds=60, memory=4 << 30), Try(dataset))
    for task, outcome in zip(tasks, work(tasks), strict=True):
        if outcome.skipped is None:
            rendered[Path(task.fingerprint).suffix.lower()[1:]] += 1
        else:
            assert "its process was killed" not in outcome.skipped, task.asset_id
            assert not INSIDE.search(outcome.skipped), outcome.skipped
    assert {kind: count for kind, count in LEAST.items() if rendered[kind] < count} == {}, rendered
