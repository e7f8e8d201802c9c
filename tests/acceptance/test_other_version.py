"""A new Meshseek with other tables beside an old one: both are real programs over the same workspace."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import httpx
import pytest
from tests.conftest import drop_databases, serving, wait_until_ready
from tests.source_copy import ROOT, copied_source

SEARCH = {"query": "wooden chair", "algorithm": "synthetic", "cross_modal": True, "top_k": 3}
CURE = "meshseek publish --algorithm synthetic"
REFUSED = f"'synthetic' was published by another version of Meshseek; run '{CURE}' again"

Environment = dict[str, str]


@pytest.fixture
def old(tmp_path: Path) -> Path:
    """The source of a Meshseek whose tables have another number, and one of them another name."""
    package = copied_source(tmp_path / "old")
    store = package / "store"
    for path in (store / "schema.sql", store / "queries.sql", store / "write" / "publisher.py"):
        path.write_text(path.read_text().replace("asset_words", "words_of_assets"))
    number = (store / "schema.py").read_text()
    (store / "schema.py").write_text(number.replace("CURRENT = ", "CURRENT = -1000 + "))
    return package.parent


@pytest.fixture
def environments(conninfo: str, tmp_path: Path, old: Path) -> Iterator[tuple[Environment, Environment]]:
    """What the programs of the old and of the new Meshseek are given; the old one has a library published."""
    prefix = f"update_{uuid4().hex[:8]}_"
    shared = {
        "MESHSEEK_WORKSPACE": str(tmp_path / "workspace"),
        "MESHSEEK_DATABASE_URL": conninfo,
        "MESHSEEK_DATABASE_PREFIX": prefix,
    }
    before, after = ({**shared, "PYTHONPATH": str(source)} for source in (old, ROOT / "src"))
    assert meshseek("bench make --assets 300 --views 3 --dim 32 --workspace", shared["MESHSEEK_WORKSPACE"], before)
    assert meshseek("publish --algorithm synthetic", None, before)
    yield before, after
    drop_databases(conninfo, prefix)


def meshseek(command: str, argument: str | None, environment: Environment) -> str:
    """What a program says, its errors included."""
    words = [sys.executable, "-m", "meshseek", *command.split(), *([argument] if argument else [])]
    ended = subprocess.run(words, env={**os.environ, **environment}, capture_output=True, text=True, check=False)
    return ended.stdout + ended.stderr


def search(url: str) -> httpx.Response:
    """Ask a service."""
    return httpx.post(f"{url}/search/text", json=SEARCH, timeout=30)


def test_nothing_pauses_where_the_new_version_is_published_beside_the_old(
    environments: tuple[Environment, Environment], tmp_path: Path
) -> None:
    """As the how-to says: under another prefix, with both services answering until the old one is stopped."""
    before, after = environments
    after = {**after, "MESHSEEK_DATABASE_PREFIX": after["MESHSEEK_DATABASE_PREFIX"] + "next_"}
    statuses: list[int] = []
    ended = threading.Event()

    def ask(url: str) -> None:
        while not ended.wait(0.05):
            statuses.append(search(url).status_code)

    with serving(before, tmp_path / "old.log") as old_url:
        wait_until_ready(old_url)
        asking = threading.Thread(target=ask, args=[old_url])
        asking.start()
        try:
            meshseek("publish --algorithm synthetic", None, after)
            with serving(after, tmp_path / "new.log") as new_url:
                wait_until_ready(new_url)
                answers = [search(url).json()["results"] for url in (old_url, new_url)]
        finally:
            ended.set()
            asking.join()
    assert answers[0] == answers[1] != []
    assert {*statuses} == {200}


def test_the_cure_that_a_reader_names_cures(environments: tuple[Environment, Environment], tmp_path: Path) -> None:
    """The new version refuses, says what to run, and answers after it; then the old service refuses, until it ends."""
    before, after = environments
    asked = "search --algorithm synthetic --cross-modal"
    found = meshseek(asked, "wooden chair", before)
    assert REFUSED in meshseek(asked, "wooden chair", after)
    assert REFUSED in meshseek("status", None, after)

    with serving(before, tmp_path / "old.log") as old_url:
        wait_until_ready(old_url)
        assert meshseek(CURE.removeprefix("meshseek "), None, after)
        refused = search(old_url)
    assert refused.status_code == 503
    assert "'synthetic' was published by a newer Meshseek" in refused.json()["error"]["message"]
    assert [line for line in meshseek(asked, "wooden chair", after).splitlines() if "synthetic-" in line] == [
        line for line in found.splitlines() if "synthetic-" in line
    ]
