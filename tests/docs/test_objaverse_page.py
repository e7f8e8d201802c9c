"""From Objaverse to a served cluster: its commands run, on a made-up tree of the same layout with small checkpoints."""

from __future__ import annotations

import importlib
import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.batch_service import Service, batch_service
from tests.checkpoints import write_siglip
from tests.command_lines import run_here
from tests.conftest import drop_databases
from tests.docs.test_docs import HOW_TO, SERVES, commands, follow
from tests.qwen_checkpoint import write_qwen

PAGE = HOW_TO / "objaverse.md"
ASSETS, VIEWS = 6, 4
NAMES = {
    "tree": "gobjaverse_280k",
    "id_map.json": "gobjaverse_280k_index_to_objaverse.json",
    "captions.csv": "Cap3D_automated_Objaverse_full.csv",
}
SIGLIP, QWEN = "google/siglip2-base-patch16-256", "Qwen/Qwen3-VL-Embedding-2B"
NUMBERED = re.compile(r"\s*\d+")
SMALLER = {" --engine ray --address head:6379": "", "meshseek tune": "meshseek tune --queries 20"}
"""Ray has tests of its own, on two nodes."""


@pytest.fixture
def downloaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What the first step leaves: renders, captions and the id map under their own names, and weights."""
    monkeypatch.syspath_prepend(Path(__file__).parents[2] / "benchmarks")
    trees = importlib.import_module("gobjaverse_tree")
    trees.make_tree(trees.TreeSize(assets=ASSETS, views=VIEWS, known=ASSETS, pictures=8), tmp_path)
    for made, name in NAMES.items():
        (tmp_path / made).rename(tmp_path / name)
    write_siglip(tmp_path / "weights" / SIGLIP)
    write_qwen(tmp_path / "weights" / QWEN)
    return tmp_path


@pytest.fixture
def service() -> Iterator[Service]:
    """That translates."""
    with batch_service() as running:
        yield running


@pytest.fixture
def environment(conninfo: str, service: Service) -> Iterator[dict[str, str]]:
    """The settings that the page exports, with one server for all three, and a service that is quick."""
    yield {
        "MESHSEEK_DATABASE_URL": conninfo,
        "MESHSEEK_READ_DATABASE_URLS": conninfo,
        "MESHSEEK_DATABASE_PREFIX": "objaverse_",
        "MESHSEEK_DASHSCOPE_API_KEY": service.key,
        "MESHSEEK_DASHSCOPE_BASE_URL": service.url.removesuffix("/compatible-mode/v1"),
        "MESHSEEK_BATCH_POLL_SECONDS": "0.02",
    }
    drop_databases(conninfo, "objaverse_")


def test_objaverse(downloaded: Path, environment: dict[str, str]) -> None:
    """One command after the other leaves both algorithms published, with captions in Chinese, and an answer of each."""
    found = []
    for command in commands(PAGE):
        if not command.startswith("meshseek ") or command.startswith((*SERVES, "meshseek plan")):
            continue
        for told, done in SMALLER.items():
            command = command.replace(told, done)  # noqa: PLW2901  # as it is run
        ended = follow(command, downloaded, **environment)
        if command.startswith("meshseek search"):
            found.append({line.split()[2] for line in ended.stdout.splitlines() if NUMBERED.match(line)})

    assert [len(ids) for ids in found] == [ASSETS, ASSETS]
    status = json.loads(run_here(["status", "--json"], environment, downloaded).stdout)
    assert status["stages"]["imported"] == status["stages"]["chinese captions"] == ASSETS
    assert status["vectors"]["siglip"]["appearance"] == ASSETS * VIEWS
    assert status["vectors"]["qwen"]["caption_chinese"] > 0
