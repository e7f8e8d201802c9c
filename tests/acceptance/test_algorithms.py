"""Several algorithms side by side: each is embedded by command in its own database, and answers every kind of query."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import numpy as np
import psycopg
import pytest
from tests.checkpoints import write_siglip
from tests.command_lines import run_here
from tests.conftest import ServedLibrary, drop_databases, serving, wait_until_ready
from tests.hosted_service import hosted_service
from tests.qwen_checkpoint import write_qwen

from meshseek.bootstrap import Meshseek
from meshseek.embedders import Embedder
from meshseek.images import read_image
from meshseek.search.combinations import MODE
from meshseek.settings import read_settings
from meshseek.workspace.tables import Source
from meshseek.workspace.workspace import Workspace

TEXTS = {"english": "a small red chair", "chinese": "红色的小椅子"}
TARGETS: dict[str, dict[str, Any]] = {
    "inner": {"cross_modal": False},
    "cross": {"cross_modal": True},
    "both": {"target": "both"},
    "as it is": {},
}
TOP = 10
SCORE_TOLERANCE = 2e-3
"""Half precision, in the files and in the database."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """A library that several algorithms search."""

    url: str
    folder: Path
    environment: dict[str, str]
    picture: Path


def meshseek(environment: dict[str, str], *arguments: str) -> Any:
    """Run a command to its end; the value is what it prints as JSON."""
    ended = run_here([*arguments, "--json"], environment)
    assert ended.returncode == 0, ended.stderr
    return json.loads(ended.stdout)


@pytest.fixture(scope="module")
def served(library: ServedLibrary, conninfo: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """The sample library with lite, and with tiny checkpoints of SigLIP and Qwen in folders of their own."""
    folder = tmp_path_factory.mktemp("several") / "workspace"
    shutil.copytree(library.folder, folder)
    prefix = f"several_{uuid4().hex[:12]}_"
    environment = {**library.environment, "MESHSEEK_WORKSPACE": str(folder), "MESHSEEK_DATABASE_PREFIX": prefix}
    models = tmp_path_factory.mktemp("models")
    for algorithm, model in (
        ("siglip", write_siglip(models / "tiny-siglip")),
        ("qwen", write_qwen(models / "tiny-qwen")),
    ):
        summaries = meshseek(environment, "embed", "--algorithm", algorithm, "--model-dir", str(model))
        assert {summary["stage"] for summary in summaries} >= {"embed English captions", "embed views"}
    for algorithm in ("lite", "siglip", "qwen"):
        assert meshseek(environment, "publish", "--algorithm", algorithm)["done"] == len(library.asset_ids)
    picture = next((folder / "views" / "chair-0002").glob("@*/00001/00001.png"))
    with serving(environment, tmp_path_factory.mktemp("api") / "log") as url:
        wait_until_ready(url)
        yield Served(url=url, folder=folder, environment=environment, picture=picture)
    drop_databases(conninfo, prefix)


@pytest.fixture(scope="module")
def ready(served: Served) -> Served:
    """The same, as soon as every algorithm is loaded."""
    health: dict[str, str] = {}
    while set(health.values()) != {"ready"}:
        health = httpx.get(f"{served.url}/health", timeout=60).json()["algorithms"]
        assert set(health.values()) <= {"ready", "loading"}, health
    return served


def search(served: Served, kind: str, algorithm: str, **options: Any) -> dict[str, Any]:
    """Search by HTTP with the text of a language, or with the picture."""
    fields = {"algorithm": algorithm, "top_k": TOP, **options}
    if kind == "image":
        with served.picture.open("rb") as file:
            form = {name: str(value).lower() if isinstance(value, bool) else value for name, value in fields.items()}
            answer = httpx.post(f"{served.url}/search/image", data=form, files={"file": file}, timeout=60)
    else:
        answer = httpx.post(f"{served.url}/search/text", json={"query": TEXTS[kind], **fields}, timeout=60)
    assert answer.status_code == 200, answer.text
    value: dict[str, Any] = answer.json()
    return value


@pytest.mark.parametrize("algorithm", ["lite", "siglip", "qwen"])
@pytest.mark.parametrize("kind", ["english", "chinese", "image"])
@pytest.mark.parametrize("way", TARGETS)
def test_every_combination_answers(ready: Served, algorithm: str, kind: str, way: str) -> None:
    """Ten distinct assets of the library, best first; views are named where single views were compared."""
    answer = search(ready, kind, algorithm, diverse=False, **TARGETS[way])

    ids = [result["asset_id"] for result in answer["results"]]
    scores = [result["score"] for result in answer["results"]]
    assert len(set(ids)) == len(ids) == TOP
    assert scores == sorted(scores, reverse=True)
    assert len(set(scores)) > 1
    assert (answer["algorithm"], answer["query_type"]) == (algorithm, kind)
    views = {result["viewpoint_id"] for result in answer["results"]}
    compares_views = (kind == "image") != (way == "cross")
    assert {result["relevance"] for result in answer["results"]} <= {"strong", "fair", "weak"}
    target = TARGETS[way].get("target") or MODE[kind, TARGETS[way].get("cross_modal")]  # type: ignore[index]
    assert answer["target"] == target
    if target != "both":
        assert (views == {None}) == (not compares_views or algorithm == "qwen")
    assert all(result["thumbnail_url"] for result in answer["results"])


def test_algorithms_differ(ready: Served) -> None:
    """No two algorithms rank alike: each answers from its own database."""
    rankings = {
        name: tuple(result["asset_id"] for result in search(ready, "english", name, cross_modal=True)["results"])
        for name in ("lite", "siglip", "qwen")
    }
    assert len(set(rankings.values())) == 3


@pytest.mark.parametrize("algorithm", ["siglip", "qwen"])
@pytest.mark.parametrize("kind", ["english", "chinese", "image"])
@pytest.mark.parametrize("way", ["inner", "cross"])
def test_results_are_those_of_the_vectors_on_disk(ready: Served, algorithm: str, kind: str, way: str) -> None:
    """The exact search gives the ids and cosines that comparing with every vector file gives."""
    compares_views = (kind == "image") != (way == "cross")
    source: Source = "appearance" if compares_views else "caption_english"
    if kind == "chinese" and not compares_views and algorithm == "qwen":
        source = "caption_chinese"
    expected = best_cosines(ready.folder, algorithm, source, query_vector(ready, algorithm, kind))

    found = search(ready, kind, algorithm, exact=True, **TARGETS[way])["results"]

    assert [result["score"] for result in found] == pytest.approx(
        sorted(expected.values(), reverse=True)[:TOP], abs=SCORE_TOLERANCE
    )
    for result in found:
        assert result["score"] == pytest.approx(expected[result["asset_id"]], abs=SCORE_TOLERANCE)


def query_vector(served: Served, algorithm: str, kind: str) -> np.ndarray:
    """The query's vector by the embedder of the published space."""
    embedder = EMBEDDERS_LOADED.get(algorithm)
    if embedder is None:
        meshseek = Meshseek(read_settings(workspace=served.folder))
        space = meshseek.workspace.vectors_table(algorithm, "appearance").header["space"]
        embedder = EMBEDDERS_LOADED[algorithm] = meshseek.embedder(algorithm, space["model"], space["dim"])
    if kind == "image":
        vector: np.ndarray = embedder.embed_images([read_image(served.picture)])[0]
    else:
        vector = embedder.embed_texts([TEXTS[kind]], role="query")[0]
    return vector


EMBEDDERS_LOADED: dict[str, Embedder] = {}


def best_cosines(folder: Path, algorithm: str, source: Source, vector: np.ndarray) -> dict[str, float]:
    """Each asset's best cosine with a vector, by reading the vector files; English ones stand in for Chinese ones."""
    best: dict[str, float] = {}
    sources: list[Source] = ["caption_chinese", "caption_english"] if source == "caption_chinese" else [source]
    for own in sources:
        found: dict[str, float] = {}
        for table in Workspace(folder).vectors_table(algorithm, own).tables():
            for asset_id, row in zip(table["asset_id"].to_pylist(), table["vector"].to_pylist(), strict=True):
                cosine = float(np.frombuffer(row, "<f2").astype(np.float32) @ vector)
                found[asset_id] = max(cosine, found.get(asset_id, -1.0))
        best = {**found, **best}
    return best


def test_lite_means_what_it_finds(ready: Served) -> None:
    """With real semantics, every way to ask for a chair finds chairs first."""
    for kind, way in (("english", "inner"), ("chinese", "inner"), ("image", "inner"), ("image", "both")):
        first = search(ready, kind, "lite", **TARGETS[way])["results"][0]
        assert "chair" in (first["caption_en"] or ""), (kind, way, first)


def test_each_has_its_own_database(ready: Served, conninfo: str) -> None:
    """One database for each algorithm, with the shape that the algorithm gives its vectors."""
    views = {}
    for name in ("lite", "siglip", "qwen"):
        database = f"{ready.environment['MESHSEEK_DATABASE_PREFIX']}{name}_embeddings"
        with psycopg.connect(conninfo, dbname=database) as connection:
            row = connection.execute(
                "SELECT count(*), count(viewpoint_id), (SELECT count(chinese_embedding) FROM live.text_embeddings) > 0"
                " FROM live.image_embeddings"
            ).fetchone()
        views[name] = row
    assets = 22
    assert views == {
        "lite": (3 * assets, 3 * assets, True),
        "siglip": (3 * assets, 3 * assets, False),
        "qwen": (assets, 0, True),
    }


def test_a_hosted_model_is_searchable_too(ready: Served, conninfo: str, tmp_path: Path) -> None:
    """The same commands with a key embed by the hosted service: a price first, then vectors, then answers."""
    folder = tmp_path / "workspace"
    shutil.copytree(ready.folder, folder, ignore=shutil.ignore_patterns("qwen", "remembered"))
    prefix = f"hosted_{uuid4().hex[:12]}_"
    with hosted_service() as service:
        environment = {
            **ready.environment,
            "MESHSEEK_WORKSPACE": str(folder),
            "MESHSEEK_DATABASE_PREFIX": prefix,
            "MESHSEEK_DASHSCOPE_API_KEY": service.key,
            "MESHSEEK_DASHSCOPE_BASE_URL": service.url,
            "MESHSEEK_REQUESTS_PER_MINUTE": "60000",
            "MESHSEEK_TOKENS_PER_MINUTE": "60000000",
        }
        embed = ("embed", "--algorithm", "qwen", "--model", "qwen3-vl-embedding")
        price = meshseek(environment, *embed, "--dry-run")
        assert price["paid"]
        assert price["price"] > 0
        assert not service.requests
        meshseek(environment, *embed, "--yes")
        paid = len(service.requests)
        assert meshseek(environment, *embed, "--dry-run")["items"] == 0
        meshseek(environment, *embed, "--yes")
        assert len(service.requests) == paid
        meshseek(environment, "publish", "--algorithm", "qwen")

        answer = meshseek(environment, "search", TEXTS["chinese"], "--algorithm", "qwen", "--target", "both")

    assert len(answer["results"]) == TOP
    drop_databases(conninfo, prefix)
