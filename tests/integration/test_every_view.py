"""How many views of an asset are embedded: only what is missing, and what is published is what scratch gives."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import psycopg
import pytest
import torch
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from PIL import Image
from tests.checkpoints import write_siglip
from tests.renders import Counting, CountingEight, Joint, Renders, counting, embed_renders, state_of, to_publish
from tests.stages import Stages
from transformers import AutoModel, SiglipImageProcessorPil

from meshseek.embedders import EmbedderOptions
from meshseek.embedders.siglip import Siglip
from meshseek.errors import EmbedderError
from meshseek.model import Asset, ViewCount, ViewSet
from meshseek.pipeline import update as updating
from meshseek.pipeline.embed import embed
from meshseek.pipeline.library_state import LibraryState
from meshseek.pipeline.publish import publish
from meshseek.pipeline.stage import Task
from meshseek.pipeline.standing import is_embedded, standings
from meshseek.pipeline.synthetic import LibrarySize, make_library
from meshseek.pipeline.update import UpdateOptions, plan
from meshseek.pipeline.vector_files import VectorFiles
from meshseek.pipeline.view_reading import ViewWork
from meshseek.pipeline.view_vectors import embed_views, view_tasks
from meshseek.reporting import SilentReporter
from meshseek.store.postgres import Server
from meshseek.viewpoints import evenly
from meshseek.workspace.halves import from_column
from meshseek.workspace.tables import asset_row
from meshseek.workspace.view_rows import held_views
from meshseek.workspace.workspace import Workspace

TOLERANCE = 1e-3
"""Of halves."""
FORTY = tuple(range(40))
EIGHT = (2, 7, 12, 17, 22, 27, 32, 37)


@pytest.fixture
def renders(tmp_path: Path) -> Renders:
    """Two assets, of 12 views and of one."""
    renders = Renders(tmp_path / "renders")
    renders.put("0/1", *range(12))
    renders.put("0/2", 0)
    return renders


@torch.inference_mode()
def reference(folder: Path, files: Sequence[Path]) -> np.ndarray:
    """What SigLIP's own library computes of pictures."""
    images = [Image.open(file).convert("RGB") for file in files]
    inputs: Any = SiglipImageProcessorPil.from_pretrained(folder)(images=images, return_tensors="pt")
    features = AutoModel.from_pretrained(folder).get_image_features(**inputs).pooler_output.numpy()
    return np.asarray(features / np.linalg.norm(features, axis=1, keepdims=True))


def test_siglip_has_a_vector_of_every_view(renders: Renders, workspace: Workspace, tmp_path: Path) -> None:
    """Of a tree with 12 viewpoints they are 12 an asset, each the reference's."""
    renders.bring_in(workspace)
    embedder = Siglip(EmbedderOptions(model_dir=write_siglip(tmp_path / "siglip"), device="cpu"))
    embed(embedder, "siglip", workspace, max_assets=None, reporter=SilentReporter())

    table = workspace.vectors_table("siglip", "appearance")
    assert {name: held.viewpoints for name, held in held_views(table).items()} == {"0/1": tuple(range(12)), "0/2": (0,)}
    (rows,) = table.tables()
    keys = zip(rows["asset_id"].to_pylist(), rows["viewpoint_id"].to_pylist(), strict=True)
    expected = reference(tmp_path / "siglip", [renders.file(*key) for key in keys])
    assert np.abs(from_column(rows).astype(np.float32) - expected).max() < TOLERANCE


def test_only_missing_views_are_embedded(renders: Renders, workspace: Workspace, server: Server) -> None:
    """More views later cost only those that are missing, fewer cost nothing, and just the chosen ones are published."""
    renders.bring_in(workspace)
    cost: list[int] = []
    for count in (4, 6, "all", 4, 6, 1):
        embedder = counting(views=count)
        summary = embed_renders(workspace, embedder)
        assert summary.done == (1 if embedder.pictures else 0) + (count == 4 and not cost)
        cost.append(embedder.pictures)
        publish("toy", workspace, server, index_kind="exact", max_assets=None, reporter=SilentReporter())
        expected = {("0/1", viewpoint) for viewpoint in evenly(range(12), count)} | {("0/2", 0)}
        assert published_views(server) == expected
    new = len({*evenly(range(12), 6)} - {*evenly(range(12), 4)})
    rest = 12 - len({*evenly(range(12), 6), *evenly(range(12), 4)})
    assert cost == [5, new, rest, 0, 0, 0]
    assert standings(workspace, ["toy"])["renders"].waiting == {}


def published_views(server: Server) -> set[tuple[str, int]]:
    """Asset and viewpoint of each vector of the live version; every asset has a centroid."""
    with psycopg.connect(server.conninfo("toy")) as connection:
        views = connection.execute("SELECT asset_id, viewpoint_id FROM live.image_embeddings").fetchall()
        centroids = connection.execute("SELECT asset_id FROM live.asset_centroids").fetchall()
    assert {name for name, _ in views} == {name for (name,) in centroids}
    return {(name, viewpoint) for name, viewpoint in views}


def test_a_changed_picture_renews_its_asset(renders: Renders, workspace: Workspace) -> None:
    """Until then none of its vectors is published; where nobody chose the picture, nothing is renewed."""
    renders.bring_in(workspace)
    embed_renders(workspace, counting(views=4))
    chosen = evenly(range(12), 4)
    renders.put("0/1", next(number for number in range(12) if number not in chosen), seed=1)
    renders.bring_in(workspace)
    embedder = counting(views=4)
    assert embed_renders(workspace, embedder).done == embedder.pictures == 0
    assert {viewpoint for name, viewpoint in to_publish(workspace) if name == "0/1"} == set(chosen)

    renders.put("0/1", chosen[1], seed=1)
    renders.bring_in(workspace)
    assert {name for name, _ in to_publish(workspace)} == {"0/2"}
    assert standings(workspace, ["toy"])["renders"].outdated == {"embed toy": 1}
    embed_renders(workspace, embedder)
    assert embedder.pictures == 4
    assert len(to_publish(workspace)) == 5


def test_views_added_later_are_embedded_alone(renders: Renders, workspace: Workspace) -> None:
    """Their asset goes on being published with those that it had; one may have two hundred."""
    renders.bring_in(workspace)
    embed_renders(workspace, counting())
    renders.put("0/2", *range(1, 200))
    renders.bring_in(workspace)
    assert len(to_publish(workspace)) == 13
    assert standings(workspace, ["toy"])["renders"].waiting == {"embed toy": 1}
    embedder = counting()
    embed_renders(workspace, embedder)
    assert (embedder.pictures, len(to_publish(workspace))) == (199, 212)


def test_one_vector_says_which_views_it_is_of(renders: Renders, workspace: Workspace) -> None:
    """Another number of views is another vector, one of the same views is not made again; too many are told."""
    renders.bring_in(workspace)
    embedder = counting(Joint)
    embed_renders(workspace, embedder)
    assert embedder.pictures == 9
    held = held_views(workspace.vectors_table("toy", "appearance"))
    assert held["0/1"].viewpoints == evenly(range(12), 8)
    assert held["0/1"].fingerprint.endswith("#0,2,3,5,6,8,9,11")
    renders.put("0/1", 12)  # the eight are others now
    renders.bring_in(workspace)
    assert to_publish(workspace).keys() == {("0/1", None), ("0/2", None)}, "until there is another"
    fewer = counting(Joint, 4)
    assert embed_renders(workspace, fewer).done == 1
    assert embed_renders(workspace, fewer).done == 0
    assert fewer.pictures == 4
    for count in ("all", 9):
        with pytest.raises(
            EmbedderError, match="'toy-64' makes one vector of at most 8 views; give --views 8, or fewer"
        ):
            embed_renders(workspace, counting(Joint, count))


def test_too_many_views_are_told(renders: Renders, workspace: Workspace) -> None:
    """An asset with more than a thousand pictures, or one whose number is too large to be stored, is skipped."""
    for number in range(1001):
        file = renders.file("0/3", number)
        file.parent.mkdir(parents=True)
        file.write_bytes(b"x")
    renders.put("0/4", 40_000)
    assert renders.bring_in(workspace).skipped == 2
    lines = (workspace.assets_table().folder / "skipped.jsonl").read_text().splitlines()
    reasons = {line["asset_id"]: line["reason"] for line in map(json.loads, lines)}
    assert reasons == {
        "0/3": "0/3: more than 1,000 pictures; move some elsewhere",
        "0/4": "0/4: view 40000 has a number above 32,767; rename its folder and pictures",
    }


def test_a_trial_chooses_for_no_other_asset(renders: Renders, workspace: Workspace) -> None:
    """Its number of views is not remembered, so nothing that was published goes; a choice for all says what goes."""
    renders.bring_in(workspace)
    said: list[str] = []
    chosen: ViewCount | None = None
    reporter = SilentReporter()
    reporter.say = said.append  # type: ignore[method-assign, assignment]

    def run(views: ViewCount | None, max_assets: int | None) -> int:
        embed(counting(views=views), "toy", workspace, max_assets=max_assets, reporter=reporter)
        told = sum("embed views: " in line and "skipped" not in line for line in said)
        said.clear()
        return told

    assert (run(3, 1), workspace.view_count("toy")) == (1, None)
    for chosen in (None, "all"):
        assert (run(chosen, None), workspace.view_count("toy"), workspace.chosen_views("toy")) == (0, "all", chosen)
        assert (run(2, 1), workspace.view_count("toy"), workspace.chosen_views("toy")) == (1, "all", chosen)
        assert (run("all", 1), workspace.chosen_views("toy")) == (0, chosen)
        assert len(to_publish(workspace)) == 13
    for views, told in ((2, 1), (2, 0), (4, 0), (1, 1)):
        assert (run(views, None), workspace.view_count("toy")) == (told, views)
    assert len(to_publish(workspace)) == 2


@pytest.mark.parametrize("kind", [Counting, Joint])
def test_assets_without_views_are_told_at_once(renders: Renders, workspace: Workspace, kind: type[Counting]) -> None:
    """They do not wait for pictures that are still to be read: of a million without any, they would all wait."""
    renders.bring_in(workspace)
    embedder = counting(kind)
    tasks = list(view_tasks(embedder, workspace, None, {}))
    bare: Task[ViewWork | None] = Task(asset_id="0/0", fingerprint="", payload=None)
    renders.remove("0/1", 9)
    read: list[Image.Image] = []

    def prepare(image: Image.Image) -> Image.Image:
        read.append(image)
        return image

    embedder.image_preparer = lambda: prepare  # type: ignore[method-assign]

    outcomes = embed_views(embedder, 0, workspace.vectors_table("toy", "appearance", embedder.space), [bare, *tasks])
    assert (next(outcomes).skipped, read) == ("has no views; run 'meshseek render'", [])
    assert [(outcome.asset_id, len(outcome.rows)) for outcome in outcomes] == [("0/1", 0), ("0/2", 1)]


def test_made_up_assets_have_any_number_of_views(workspace: Workspace) -> None:
    """From the fewest to the most; an asset's vectors are of just the views that it has."""
    size = LibrarySize(assets=60, views=6, fewest_views=0, dim=4)
    make_library(size, workspace, SilentReporter())
    held = held_views(workspace.vectors_table("synthetic", "appearance"))
    views = {asset.asset_id: asset.views.viewpoint_ids for asset in workspace.assets() if asset.views}
    assert {name: own.viewpoints for name, own in held.items()} == views
    assert {*map(len, views.values())} == {1, 2, 3, 4, 5, 6}
    assert 0 < len(views) < size.assets
    state = LibraryState.read(workspace, VectorFiles.open(workspace, "synthetic"), None)
    assert state.counts["views"] == sum(map(len, views.values()))
    assert LibrarySize(assets=1, views=1000, dim=4).lot == 65


def earlier_import(renders: Renders, workspace: Workspace, *asset_ids: str) -> None:
    """Put assets into a workspace as a Meshseek did that took eight pictures of each."""
    rows = []
    for asset_id in asset_ids:
        ids = EIGHT
        stats = {number: renders.file(asset_id, number).stat() for number in ids}
        facts = [(number, f"{number:05d}", own.st_size, own.st_mtime_ns) for number, own in stats.items()]
        made = hashlib.sha256(json.dumps([facts]).encode()).hexdigest()[:32]
        views = ViewSet(folder=renders.path / asset_id, viewpoint_ids=ids, fingerprint=made)
        rows.append(asset_row(Asset(asset_id=asset_id, fingerprint="earlier", views=views)))
    workspace.assets_table().append(rows)


@pytest.mark.parametrize(("kind", "cost", "shown"), [(CountingEight, 0, 16), (Counting, 2 * 32, 2 * 40), (Joint, 0, 2)])
def test_what_was_embedded_of_eight_pictures_stays(
    workspace: Workspace, tmp_path: Path, kind: type[Counting], cost: int, shown: int
) -> None:
    """An older Meshseek took eight: what takes eight has all, what takes every view needs the others, nothing twice."""
    renders = Renders(tmp_path / "renders")
    for asset_id in ("0/1", "0/2"):
        renders.put(asset_id, *FORTY)
    earlier_import(renders, workspace, "0/1", "0/2")
    embed_renders(workspace, counting(kind))
    forget_choices(workspace)
    before = to_publish(workspace)

    renders.bring_in(workspace)
    assert [asset.views.viewpoint_ids for asset in workspace.assets() if asset.views] == [FORTY, FORTY]
    assert to_publish(workspace) == before
    embedder = counting(kind)
    embed_renders(workspace, embedder)
    assert (embedder.pictures, len(to_publish(workspace))) == (cost, shown)
    assert before.items() <= to_publish(workspace).items()


def forget_choices(workspace: Workspace) -> None:
    """Make of what is remembered, and of vectors, what an older Meshseek wrote."""
    remembered = workspace.remembered.get("embed", "toy")
    del remembered["views"], remembered["chosen"], remembered["together"]
    workspace.remembered.keep("embed", remembered, "toy")
    table = workspace.vectors_table("toy", "appearance")
    (part,) = table.tables()
    rows = [{**row, "fingerprint": row["fingerprint"].partition("#")[0]} for row in part.to_pylist()]
    table.append(rows)


def test_another_choice_renews_vectors_that_do_not_say_what_they_are_of(workspace: Workspace, tmp_path: Path) -> None:
    """An older Meshseek made them of eight. Until all are made anew, if it takes several runs, they wait."""
    renders = Renders(tmp_path / "renders")
    renders.put("0/1", *FORTY)
    renders.put("0/2", *FORTY)
    renders.put("0/3", 0)  # one is one, whatever the choice
    renders.bring_in(workspace)
    embed_renders(workspace, counting(Joint))
    forget_choices(workspace)
    assert standings(workspace, ["toy"])["renders"].waiting == {}

    embedder = counting(Joint, 4)
    embedder.embed_together = interrupted  # type: ignore[method-assign]
    with pytest.raises(KeyboardInterrupt):
        embed_renders(workspace, embedder)
    assert standings(workspace, ["toy"])["renders"].waiting == {"embed toy": 2}
    assert not is_embedded(workspace, "toy")
    assert embed_renders(workspace, counting(Joint, 4)).done == 2
    assert standings(workspace, ["toy"])["renders"].waiting == {}
    assert is_embedded(workspace, "toy")


def interrupted(views: Sequence[Sequence[Any]]) -> np.ndarray:
    """Somebody stops it before its first vector."""
    raise KeyboardInterrupt


def test_many_views_that_nobody_chose_wait_for_an_agreement(
    renders: Renders, workspace: Workspace, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After an upgrade all views are due: status and dry run count them, and update embeds so many only if told."""
    renders.bring_in(workspace)
    embed_renders(workspace, counting(views=8))
    forget_choices(workspace)
    stages = Stages(workspace, server)
    assert standings(workspace, ["toy"])["renders"].waiting == {"embed toy": 1}
    planned = plan(stages, UpdateOptions(algorithms=["toy"], workers=0))
    assert planned["renders"]["embed toy"] == 1

    monkeypatch.setattr(updating, "MANY", 0)
    (note,) = stages.update().notes
    assert note.startswith("toy: nothing is embedded; give --yes to embed all views of each asset, which 1 assets lack")
    assert len(to_publish(workspace)) == 9
    assert not stages.update(yes=True).notes
    assert len(to_publish(workspace)) == 13
    assert not stages.update().notes


ASSETS = st.sampled_from(["0/1", "0/2"])
NUMBERS = st.integers(0, 4)
CHANGES = st.one_of(
    st.tuples(st.just("put"), ASSETS, NUMBERS, st.integers(0, 1)),
    st.tuples(st.just("remove"), ASSETS, NUMBERS),
    st.tuples(st.just("choose"), st.sampled_from([1, 2, 3, 4, "all"])),
    st.tuples(st.sampled_from(["import", "embed", "update"])),
)


@pytest.mark.parametrize("kind", [Counting, Joint])
@settings(
    max_examples=8,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(changes=st.lists(CHANGES, max_size=8))
@example(changes=[("put", "0/1", 1, 1), ("import",), ("embed",)])
def test_published_views_equal_those_from_scratch(
    tmp_path_factory: pytest.TempPathFactory, kind: type[Counting], changes: list[tuple[Any, ...]]
) -> None:
    """Whatever is added, changed, removed and chosen: what is published in the end is what a new workspace gives.

    On the way nothing is published that was made from another picture than the last import has seen.
    """
    home = tmp_path_factory.mktemp("life")
    renders, workspace, count = Renders(home / "renders"), Workspace(home / "workspace"), 8
    renders.put("0/1", 0, 1, 2)
    chosen: ViewCount = count
    for change, *values in [("update",), *changes, ("update",)]:
        if change == "put":
            renders.put(values[0], values[1], seed=values[2])
        elif change == "remove":
            renders.remove(values[0], values[1])
        elif change == "choose":
            chosen = 8 if kind is Joint and values[0] == "all" else values[0]
        if change in {"import", "update"} and renders.pictures:
            renders.bring_in(workspace)
            expect_current(renders, workspace, kind)
        if change in {"embed", "update"}:
            embed_renders(workspace, counting(kind, chosen))
    if not renders.pictures:
        return
    expect_current(renders, workspace, kind)
    again = counting(kind, chosen)
    embed_renders(workspace, again)
    assert again.pictures == 0
    scratch = Workspace(home / "scratch")
    renders.bring_in(scratch)
    embed_renders(scratch, counting(kind, chosen))
    assert to_publish(workspace) == to_publish(scratch)
    assert state_of(workspace).digests.tolist() == state_of(scratch).digests.tolist()


def expect_current(renders: Renders, workspace: Workspace, kind: type[Counting]) -> None:
    """Each vector that would be published is that of a picture as it is now."""
    if not workspace.embedded_sources("toy"):
        return
    held = held_views(workspace.vectors_table("toy", "appearance"))
    for (asset_id, viewpoint), vector in to_publish(workspace).items():
        viewpoints = held[asset_id].viewpoints if viewpoint is None else (viewpoint,)
        assert viewpoints is not None
        images = [Image.open(renders.file(asset_id, number)).convert("RGB") for number in viewpoints]
        embedder = counting(kind)
        expected = embedder.embed_together([images]) if viewpoint is None else embedder.embed_images(images)
        assert vector == expected[0].astype("<f2").tobytes()
