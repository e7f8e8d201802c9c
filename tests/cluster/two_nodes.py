"""Stages on a Ray cluster of two nodes: the same rows as in one process, whoever dies. Run by ``make test-cluster``."""

from __future__ import annotations

import shlex
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from ray.cluster_utils import Cluster

from meshseek.datasets import DATASETS, DatasetOptions
from meshseek.embedders import EmbedderOptions
from meshseek.embedders.siglip import Siglip
from meshseek.errors import EngineError
from meshseek.pipeline import embed as embedding
from meshseek.pipeline import view_vectors
from meshseek.pipeline.embed import embed
from meshseek.pipeline.engines import EngineOptions
from meshseek.pipeline.engines import ray as engine
from meshseek.pipeline.engines.ray import Ray
from meshseek.pipeline.import_assets import import_assets
from meshseek.pipeline.sample_assets import make_sample_assets
from meshseek.pipeline.stage import Summary
from meshseek.pipeline.units import units_folder
from meshseek.pipeline.workers import Workers
from meshseek.reporting import SilentReporter
from meshseek.workspace.shards import UNITS, ShardFolder
from meshseek.workspace.workspace import Workspace
from tests.checkpoints import write_siglip
from tests.command_lines import run_together
from tests.conftest import drop_databases
from tests.renders import Renders
from tests.tars import packed_tree

pytestmark = pytest.mark.filterwarnings(  # Ray's own defaults and sockets warn
    "ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::ResourceWarning"
)
ROOT = Path(__file__).parents[2]
ASSETS, VIEWS = 60, 4
UNIT = 40
"""Pictures, so that there are six units."""


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    """Two nodes of one processor each, every one with its own daemons."""
    node: dict[str, Any] = {"num_cpus": 1, "object_store_memory": 100 << 20}
    quick = {"health_check_initial_delay_ms": 0, "health_check_period_ms": 300, "health_check_failure_threshold": 3}
    cluster = Cluster(
        initialize_head=True, head_node_args={**node, "include_dashboard": False, "_system_config": quick}
    )
    cluster.add_node(**node)
    try:
        yield cluster
    finally:
        cluster.shutdown()


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small checkpoint of SigLIP."""
    return write_siglip(tmp_path_factory.mktemp("model") / "siglip")


@pytest.fixture
def renders(tmp_path: Path) -> Renders:
    """A tree of pictures."""
    renders = Renders(tmp_path / "renders")
    for number in range(ASSETS):
        renders.put(f"{number // 10}/{number}", *range(VIEWS), seed=number)
    return renders


@pytest.fixture(autouse=True)
def small_units(monkeypatch: pytest.MonkeyPatch) -> None:
    """Several units of few assets."""
    monkeypatch.setattr(view_vectors, "VIEW_UNIT", UNIT)
    monkeypatch.setattr(embedding, "CAPTION_UNIT", UNIT)


def workers(cluster: Cluster | None, address: str | None = None) -> Workers:
    """Those of a cluster."""
    return Workers(1, engine=Ray(EngineOptions(address=address or (cluster and cluster.address))))


def run(workspace: Workspace, model: Path, workers: Workers | int) -> Summary:
    """Embed; gives what became of the views."""
    embedder = Siglip(EmbedderOptions(model_dir=model, device="cpu"))
    return embed(embedder, "siglip", workspace, max_assets=None, reporter=SilentReporter(), workers=workers)[-1]


def rows(table: ShardFolder) -> dict[tuple[str, int | None], tuple[str, bytes]]:
    """Fingerprint and vector of each asset and viewpoint."""
    return {
        (row["asset_id"], row["viewpoint_id"]): (row["fingerprint"], bytes(row["vector"]))
        for part in table.tables()
        for row in part.to_pylist()
    }


def test_a_node_that_dies_costs_one_unit(
    cluster: Cluster, renders: Renders, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Byte for byte the vectors of this process, none lost, and no more than one shard made twice."""
    here, there = Workspace(tmp_path / "here"), Workspace(tmp_path / "there")
    for workspace in (here, there):
        renders.bring_in(workspace)
    assert run(here, model, 1).done == ASSETS
    folder = there.folder / "vectors/siglip/appearance"
    doomed = cluster.add_node(num_cpus=1, object_store_memory=100 << 20)
    tries: list[int] = []
    made = units_folder

    @contextmanager
    def counted(table: ShardFolder) -> Iterator[Path]:
        with made(table) as units:
            yield units
            tries.extend(path.stat().st_size for path in units.glob("*.tries"))

    def kill() -> None:
        while not tries and not [*folder.glob(f"{UNITS}/*/*.json")]:
            time.sleep(0.01)
        cluster.remove_node(doomed, allow_graceful=False)

    monkeypatch.setattr(f"{engine.__name__}.units_folder", counted)
    killer = threading.Thread(target=kill, daemon=True)
    killer.start()
    summary = run(there, model, workers(cluster))
    killer.join()
    assert (summary.done, summary.skipped) == (ASSETS, 0)
    ours, theirs = (rows(workspace.vectors_table("siglip", "appearance")) for workspace in (here, there))
    assert ours == theirs
    assert len(theirs) == ASSETS * VIEWS
    units = ASSETS * VIEWS // UNIT
    assert len(tries) == units
    assert sum(tries) <= units + 1
    assert not (folder / UNITS).exists()
    assert run(there, model, workers(cluster)).already_there == ASSETS


def test_pictures_in_a_tar_are_read_by_workers(cluster: Cluster, renders: Renders, model: Path, tmp_path: Path) -> None:
    """The same vectors as from folders, read here."""
    here, there = Workspace(tmp_path / "here"), Workspace(tmp_path / "there")
    renders.bring_in(here)
    (tmp_path / "tars").mkdir()
    packed_tree(renders.path, tmp_path / "tars" / "all.tar")
    tars = DATASETS.load("webdataset")(DatasetOptions(path=tmp_path / "tars"))
    import_assets(tars, there, workers=0, max_assets=None, reporter=SilentReporter())
    assert run(here, model, 1).done == run(there, model, workers(cluster)).done == ASSETS
    ours, theirs = (rows(workspace.vectors_table("siglip", "appearance")) for workspace in (here, there))
    assert ours == theirs


def test_no_cluster_is_told(renders: Renders, model: Path, tmp_path: Path) -> None:
    """In one line, with the cure."""
    workspace = Workspace(tmp_path / "workspace")
    renders.bring_in(workspace)
    with pytest.raises(
        EngineError, match=r"no Ray cluster answers at 127\.0\.0\.1:1 .*; start one with 'ray start --head'"
    ):
        run(workspace, model, workers(None, "127.0.0.1:1"))


def test_the_commands_of_the_page_on_scaling_run(cluster: Cluster, model: Path, tmp_path: Path, conninfo: str) -> None:
    """On this cluster, with a small library and a small model: rendered, embedded and published."""
    make_sample_assets(tmp_path / "models", 8)
    environment = {"PYTHONPATH": str(ROOT), "MESHSEEK_DATABASE_URL": conninfo, "MESHSEEK_DATABASE_PREFIX": "scaled_"}
    shared = {"head:6379": cluster.address, "/shared/workspace": "workspace", "/shared/weights": str(model)}
    page = (ROOT / "docs" / "scaling.md").read_text("utf-8")
    lines = [line for line in page.splitlines() if line.startswith("meshseek ") and "--engine ray" in line]
    assert [line.split()[1] for line in lines] == ["render", "embed", "update"]
    for told, here in shared.items():
        lines = [line.replace(told, here) for line in lines]
    try:
        typed = ["import folder models", *(line.removeprefix("meshseek ") for line in lines)]
        ended = run_together([shlex.split(line) for line in typed], environment, tmp_path)
    finally:
        drop_databases(conninfo, "scaled_")
    assert [one.returncode for one in ended] == [0, 0, 0, 0], ended
    _, rendered, embedded, updated = ended
    assert rendered.stdout.startswith("render: 8 done, 0 skipped")
    assert "embed views: 8 done, 0 skipped" in embedded.stdout
    assert "publish siglip: 8 done" in updated.stdout
    assert all("Traceback" not in one.stderr and "core_worker" not in one.stderr for one in ended)
