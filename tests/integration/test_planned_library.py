"""What ``meshseek plan`` says of an imported library, beside what is really there after its stages."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import psycopg
import pytest
from tests.command_lines import run_here

from meshseek.bootstrap import Meshseek
from meshseek.datasets import DatasetOptions
from meshseek.datasets.folder import Folder
from meshseek.embedders.synthetic import model_name
from meshseek.errors import WorkspaceError
from meshseek.model import ViewCount
from meshseek.pipeline.import_assets import import_assets
from meshseek.pipeline.planning.algorithms import facts_of
from meshseek.pipeline.planning.amounts import imported
from meshseek.pipeline.planning.held import held_by
from meshseek.pipeline.planning.machine import Machine
from meshseek.pipeline.planning.plan import Plan, make_plan
from meshseek.pipeline.publish import publish
from meshseek.pipeline.sample_assets import make_sample_assets
from meshseek.pipeline.synthetic import ALGORITHM, LibrarySize, make_library
from meshseek.reporting import SilentReporter
from meshseek.settings import read_settings
from meshseek.store import indexes
from meshseek.store.postgres import Server
from meshseek.store.read.live_index import live_index
from meshseek.workspace.workspace import Workspace

ASSETS, VIEWS, DIM = 2000, 4, 128
MACHINE = Machine(cores=2, memory=16_000_000_000, disk=None, gpu=False, is_this=False)
GRAPHS = {
    "graph of english captions": "text_embeddings_english_embedding",
    "graph of centroids": "asset_centroids_centroid",
}
SIZES = """
SELECT c.relname, CASE c.relkind WHEN 'i' THEN pg_relation_size(c.oid) ELSE pg_total_relation_size(c.oid) END
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = 'live' AND c.relkind IN ('r', 'i')
"""


def planned(workspace: Workspace, index_kind: str, views: int | None = None) -> Plan:
    """The plan of what is imported."""
    facts = facts_of(ALGORITHM, None, DIM, gpu=False)
    return make_plan(imported(workspace, facts, views, rendering=8), facts, MACHINE, index_kind)


def command(*arguments: str) -> dict[str, Any]:
    """What a command says as JSON."""
    ended = run_here([*arguments, "--json"])
    assert ended.returncode == 0, ended.stderr
    value: dict[str, Any] = json.loads(ended.stdout)
    return value


@pytest.fixture
def made(workspace: Workspace) -> Workspace:
    """A library as its stages would have left it."""
    make_library(LibrarySize(assets=ASSETS, views=VIEWS, dim=DIM), workspace, SilentReporter())
    return workspace


def test_a_library_takes_what_was_planned(made: Workspace, server: Server) -> None:
    """Vectors on the disk, and each table and graph of the database, within a quarter."""
    plan = planned(made, "hnsw")
    publish(ALGORITHM, made, server, max_assets=None, reporter=SilentReporter())
    with server.connect(ALGORITHM) as connection:
        sizes: dict[str, int] = dict(connection.execute(SIZES).fetchall())
    graphs = {name: sizes.pop(index) for name, index in GRAPHS.items()}
    real = {name: sizes[name] for name in ("assets", "asset_words", "listed", "image_embeddings")}
    for table, graph in (("text_embeddings", "english captions"), ("asset_centroids", "centroids")):
        real[table] = sizes[table] - graphs[f"graph of {graph}"]  # told beside it

    assert (plan.amounts.assets, plan.amounts.pictures, plan.amounts.english) == (ASSETS, ASSETS * VIEWS, ASSETS)
    told = plan.storage.database
    assert told.keys() == {**real, **graphs}.keys()
    for name, size in {**real, **graphs}.items():
        assert told[name] == pytest.approx(size, rel=0.25), name
    folders = {"vectors of views": "appearance", "vectors of captions": "caption_english"}
    for name, folder in folders.items():
        assert plan.storage.workspace[name] == pytest.approx(
            _bytes(made.folder / "vectors" / ALGORITHM / folder), rel=0.25
        )


def test_codes_take_what_was_planned(made: Workspace, server: Server) -> None:
    """Within a quarter, on the disk; in memory they are all that each search reads."""
    plan = planned(made, "codes")
    publish(ALGORITHM, made, server, index_kind="codes", max_assets=None, reporter=SilentReporter())
    with server.connect(ALGORITHM) as connection:
        sizes: dict[str, int] = dict(connection.execute(SIZES).fetchall())
        row = connection.execute("SELECT sum(length(content)) FROM live.codes").fetchone()

    assert plan.storage.database["codes"] == pytest.approx(sizes["codes"], rel=0.25)
    files = [path.stat().st_size for path in made.codes.glob("*.codes")]
    assert [plan.storage.workspace["file of codes"]] == pytest.approx(files, rel=0.25)
    assert plan.storage.workspace["assets"] == _bytes(made.folder / "assets")
    assert plan.storage.needed == pytest.approx(float(row[0] if row else 0), rel=0.25)
    assert (plan.storage.graphs, plan.build_memory) == ({}, 0)
    assert "publish: codes" in plan.seconds


def test_what_is_live_stays_when_another_kind_is_the_default(
    made: Workspace, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A library that is not published gets what suits its size; what was asked for counts most."""
    meshseek = Meshseek(read_settings(workspace=made.folder))
    monkeypatch.setitem(meshseek.__dict__, "server", server)
    monkeypatch.setattr(indexes, "LARGE", ASSETS)
    assert (live_index(server, ALGORITHM), meshseek.usual_index(ALGORITHM)) == (None, "codes")
    publish(ALGORITHM, made, server, index_kind="exact", max_assets=None, reporter=SilentReporter())
    assert (live_index(server, ALGORITHM), meshseek.usual_index(ALGORITHM)) == ("exact", "exact")
    made.remembered.keep("publish", {"index": "hnsw"}, ALGORITHM)
    assert meshseek.usual_index(ALGORITHM) == "hnsw"


def test_the_views_that_were_chosen_are_planned(made: Workspace) -> None:
    """As many as 'embed --views' was last told, unless fewer or more are asked for; never more than there are."""
    for chosen, asked, views in ((2, None, 2), ("all", None, VIEWS), (3, 2, 2), (2, 4, 4), (2, 40, VIEWS)):
        made.remembered.keep("embed", {"views": chosen}, ALGORITHM)
        assert planned(made, "codes", asked).amounts.views == views * ASSETS


@pytest.mark.parametrize(
    ("algorithm", "chosen", "most"),
    [
        ("siglip", None, None),
        ("siglip", 3, 3),
        ("lite", None, 8),
        ("lite", 40, 40),
        ("lite", "all", None),
        ("qwen", None, 8),
        ("qwen", 3, 3),
        ("qwen", 40, 8),
        ("qwen", "all", 8),
    ],
)
def test_only_a_vector_of_all_views_has_a_limit(algorithm: str, chosen: ViewCount | None, most: int | None) -> None:
    """Otherwise the number is a default: who asks for more gets more."""
    assert facts_of(algorithm, None, None, gpu=False).most(chosen) == most


def test_fewer_views_are_planned_where_fewer_are_taken(made: Workspace) -> None:
    """Of assets with more; and an index kind without graphs has none to build."""
    plan = planned(made, "exact", views=4)

    assert (plan.amounts.pictures, plan.amounts.views) == (4 * ASSETS, 4 * ASSETS)
    assert (plan.storage.graphs, plan.build_memory) == ({}, 0)
    assert not any("graph" in name for name in plan.storage.database)


def test_the_vectors_that_are_there_say_the_model(made: Workspace) -> None:
    """And their length, unless another model or length is asked about."""

    def asked(*options: str) -> tuple[str, int]:
        told = command("plan", "--algorithm", ALGORITHM, "--workspace", str(made.folder), *options)
        return told["model"], told["dim"]

    assert asked() == asked("--model", model_name(0, 0.95)) == (model_name(0, 0.95), DIM)
    assert asked("--dim", "64") == (model_name(0, 0.95), 64)
    assert asked("--model", model_name(1, 0.95), "--dim", "32") == (model_name(1, 0.95), 32)
    assert asked("--assets", "10") == (model_name(0, 0.95), 768)


def test_only_what_is_planned_counts_as_there(made: Workspace) -> None:
    """On a full disk nothing more is needed for what is published; for another algorithm, or on another disk, it is."""
    amounts = imported(made, facts_of(ALGORITHM, None, DIM, gpu=False), None, rendering=8)
    full = replace(MACHINE, disk=100_000)

    def notes(algorithm: str) -> list[str]:
        held = held_by(made, algorithm, amounts, f"{algorithm}_embeddings")
        return [*make_plan(amounts, facts_of(ALGORITHM, None, DIM, gpu=False), full, "hnsw", held=held).notes]

    assert ["more are needed" in note for note in notes(ALGORITHM)] == [True]
    _sparse(made.folder / "database" / "cluster" / "base" / "16384" / "16385", planned(made, "hnsw").database_bytes)
    assert ["more are needed" in note for note in notes(ALGORITHM)] == [True]  # what is there is another's
    made.remembered.keep("publish", {"index": "hnsw"}, ALGORITHM)
    assert ["second version" in note for note in notes(ALGORITHM)] == [True]
    assert ["more are needed" in note for note in notes("lite")] == [True]

    _sparse(made.folder / "vectors" / "lite" / "appearance" / "part-00000-0.parquet", 500_000_000_000)
    where = ("--workspace", str(made.folder))
    for asked in (("--assets", "1000000", "--views", "40", "--disk", "10"), ("--disk", "0.001")):
        told = command("plan", "--algorithm", ALGORITHM, *where, *asked)["notes"]
        assert any("free some or use another" in note for note in told)


def test_what_is_imported_but_not_rendered_is_rendered_first(workspace: Workspace, tmp_path: Path) -> None:
    """An asset without pictures gets as many as the last rendering made; models are counted as they are."""
    dataset = Folder(DatasetOptions(path=make_sample_assets(tmp_path / "models", 3)))
    import_assets(dataset, workspace, workers=0, max_assets=None, reporter=SilentReporter())
    amounts = imported(workspace, facts_of("lite", None, None, gpu=False), None, rendering=5)
    plan = make_plan(amounts, facts_of("lite", None, None, gpu=False), MACHINE, "hnsw")

    assert amounts.rendered == amounts.pictures == 15
    assert plan.seconds["render"] == pytest.approx(15 * 0.5 / 2)
    assert plan.storage.workspace["views"] > 0
    assert plan.storage.workspace["models"] == sum(path.stat().st_size for path in workspace.models.rglob("*.glb"))


def test_captions_that_are_imported_are_not_described(made: Workspace) -> None:
    """An option that would change nothing is refused."""
    ended = run_here(["plan", "--chinese", "--workspace", str(made.folder)])

    assert ended.returncode == 1
    assert "leave out --chinese, or give --assets" in ended.stderr.splitlines()[-1]


def test_what_left_or_was_replaced_is_not_planned(workspace: Workspace, tmp_path: Path) -> None:
    """Neither as an asset, nor its pictures and captions that were made; nor does it choose the kind of index."""
    models = make_sample_assets(tmp_path / "models", 6)
    facts = facts_of("lite", None, None, gpu=False)

    def import_all() -> None:
        dataset = Folder(DatasetOptions(path=models))
        import_assets(dataset, workspace, workers=0, max_assets=None, reporter=SilentReporter())

    import_all()
    ids = [asset.asset_id for asset in workspace.assets()]
    row = {"fingerprint": "made", "folder": "views/x", "viewpoint_ids": [0], "sizes": [1], "checksum": ""}
    for _ in range(2):
        workspace.rendered_table().append([{"asset_id": asset_id, **row} for asset_id in ids[:5]])
    first, second, *_ = sorted(models.rglob("*.glb"))
    second.write_bytes(first.read_bytes())
    first.unlink()
    import_all()
    left = {asset.asset_id for asset in workspace.assets()}
    amounts = imported(workspace, facts, None, rendering=8)

    assert (len(left), len(workspace.assets_table()), workspace.asset_count()) == (5, 7, 5)
    assert (amounts.assets, amounts.kept) == (5, 5 * 8)
    assert amounts.rendered == 8 * len(left - {*ids[:5]})
    assert amounts.model_bytes == sum(path.stat().st_size for path in models.rglob("*.glb"))
    workspace.libraries.forget(left)
    with pytest.raises(WorkspaceError, match="holds no assets"):
        imported(workspace, facts, None, rendering=8)


def _sparse(path: Path, size: int) -> None:
    path.parent.mkdir(parents=True)
    with path.open("wb") as file:
        file.truncate(size)


def _bytes(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.glob("part-*.parquet"))


def test_the_plan_asks_no_database(made: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    """It can be asked before there is any."""
    monkeypatch.setattr(psycopg, "connect", lambda *_, **__: pytest.fail("asked"))

    assert planned(made, "hnsw").database_bytes > 0
