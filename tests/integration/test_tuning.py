"""Tuning an index, synthetic libraries, and what low likeness of views asks for."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import numpy as np
import pytest
from click.testing import CliRunner
from numpy.typing import NDArray
from tests.conftest import drop_databases

from meshseek.errors import DatabaseError, NotPublishedError, WorkspaceError
from meshseek.interfaces.cli import main
from meshseek.interfaces.cli.tuning import tuning_as_text
from meshseek.model import Ranked
from meshseek.pipeline.planning import resident
from meshseek.pipeline.publish import publish
from meshseek.pipeline.synthetic import ALGORITHM, LibrarySize, make_library
from meshseek.reporting import SilentReporter
from meshseek.search import tuning as tuning_module
from meshseek.search.filters import conditions
from meshseek.search.ladder import OF_CODES, OF_GRAPHS, Ladder
from meshseek.search.modes import MODES
from meshseek.search.question import Question
from meshseek.search.tuning import Goal, Tuner, Tuners
from meshseek.store import indexes
from meshseek.store.codes import segment
from meshseek.store.postgres import Server
from meshseek.store.read import plan as planning
from meshseek.store.read.library import Library, Request
from meshseek.store.read.published import UNTUNED, Breadth, Tuning
from meshseek.workspace.workspace import Workspace


def made(folder: Path, server: Server, likeness: float, index_kind: str = "hnsw", assets: int = 2000) -> Library:
    """A published synthetic library of assets with four views."""
    workspace = Workspace(folder)
    make_library(LibrarySize(assets=assets, views=4, dim=64, likeness=likeness), workspace, SilentReporter())
    publish(ALGORITHM, workspace, server, index_kind=index_kind, max_assets=None, reporter=SilentReporter())
    return Library(server, ALGORITHM)


LIKE, UNLIKE = 0.95, 0.5


@pytest.fixture(scope="module")
def servers(conninfo: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[float, Server]]:
    """Where a library with views that are alike is published, and one with views that are not; graphs take time."""
    prefix = f"tuning_{uuid4().hex[:12]}_"
    servers = {likeness: Server(lambda: conninfo, f"{prefix}{name}_") for name, likeness in enumerate((LIKE, UNLIKE))}
    for likeness, server in servers.items():
        made(tmp_path_factory.mktemp("library"), server, likeness).close()
    yield servers
    drop_databases(conninfo, prefix)


@pytest.fixture(params=[LIKE, UNLIKE])
def shared_server(request: pytest.FixtureRequest, servers: dict[float, Server]) -> Server:
    """Either; what is published there stays as it is, but for what is noted beside it."""
    return servers[request.param]


@pytest.fixture
def library(shared_server: Server) -> Iterator[Library]:
    """Views that are alike, and views that are not."""
    opened = Library(shared_server, ALGORITHM)
    yield opened
    opened.close()


def tuned(library: Library, count: int, goal: Goal) -> list[Tuning]:
    """What is found for each target and kind of query."""
    tuners = Tuners(library, library.published(), count)
    assert sum(tuners.compare()) == len(tuners)
    return [tuner.tune(goal) for tuner in tuners]


@pytest.fixture
def large(monkeypatch: pytest.MonkeyPatch) -> None:
    """2,000 assets count as a large library, whose graphs are asked."""
    monkeypatch.setattr(planning, "VERY_FEW", 0)


@pytest.mark.usefixtures("large")
def test_the_tuned_index_finds_what_an_exact_search_finds(library: Library) -> None:
    """At the goal on the sampled queries, kept beside the version, and near it on queries that were not sampled."""
    found = tuned(library, 40, Goal(0.99))
    library.keep_tunings(library.published(), found)
    assert {(tuning.target, tuning.kind) for tuning in found} == {
        (target, kind) for target in ("caption", "appearance") for kind in ("text", "image")
    }
    assert all(tuning.recall >= 0.99 and tuning.ef in OF_GRAPHS.efs and tuning.is_reached for tuning in found)
    assert {(tuning.share_lost, tuning.queries) for tuning in found} == {(0, 40)}

    published = library.published()
    kept = {(tuning.target, tuning.kind): tuning.breadth for tuning in published.tunings}
    assert kept == {(tuning.target, tuning.kind): tuning.breadth for tuning in found}
    breadth = published.breadth("appearance", "image")
    assert breadth == next(t.breadth for t in found if (t.target, t.kind) == ("appearance", "image"))
    shares = []
    for vector in np.random.default_rng(1).permutation(library.sample("image", 400))[:60]:
        exact = library.nearest_views(published, vector, Request(limit=10, exact=True))
        hits = library.nearest_views(published, vector, Request(limit=10, breadth=breadth))
        shares.append(len({hit.asset_id for hit in exact} & {hit.asset_id for hit in hits}) / 10)
    assert np.mean(shares) >= 0.97


@pytest.mark.usefixtures("large")
def test_codes_are_tuned_as_well(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By steps of their own, which look at more codes than a graph has nodes kept."""
    monkeypatch.setattr(segment, "FEW_CODES", 0)
    monkeypatch.setattr(tuning_module, "TIMED", 10)
    library = made(tmp_path / "library", server, UNLIKE, "codes", assets=1200)
    found = tuned(library, 20, Goal(0.99))
    assert all(tuning.is_reached and tuning.ef in OF_CODES.efs for tuning in found)
    monkeypatch.setattr(tuning_module, "ladder_of", lambda _: Ladder((1,), (1,), (Breadth(1, 1), Breadth(3000, 1000))))
    (tuner, *_) = others = list(unclimbed(library))
    kept = {(each.target, each.kind): each.tune(Goal(1.0)) for each in others}
    assert tuner.steps == 1
    assert kept["appearance", "text"].ef == 3000, "not bounded by what pgvector allows"
    library.keep_tunings(library.published(), list(kept.values()))
    assert library.published().breadth("appearance", "text").for_depth(10) == Breadth(3000, 1000)
    library.close()


def unclimbed(library: Library) -> Iterator[Tuner]:
    """Tuners that know the exact answers and have asked nothing."""
    tuners = Tuners(library, library.published(), 20)
    assert sum(tuners.compare()) == len(tuners)
    return iter(tuners)


@pytest.mark.usefixtures("large")
def test_a_lossy_index_is_told_as_such(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where no breadth reaches the goal that is told, and how many queries are lost."""
    short = Ladder((40, 60), (40, 60), (Breadth(40, 40), Breadth(60, 60)))
    monkeypatch.setattr(tuning_module, "ladder_of", lambda _: short)
    library = made(tmp_path / "library", server, LIKE, assets=600)
    put_half_out_of_reach(server)
    found = {(each.target, each.kind): each for each in tuned(library, 60, Goal(0.99))}
    lost = found["appearance", "image"]
    assert not lost.is_reached
    assert lost.share_lost > 0.2
    assert lost.lost_at_most > lost.share_lost
    assert lost.worst < 0.5
    assert lost.recall_at_least < lost.recall < 0.9
    assert "not reached" in tuning_as_text(lost)
    assert found["caption", "text"].is_reached
    library.close()


def put_half_out_of_reach(server: Server) -> None:
    """Every other asset is where no search of the graph looks for it; its views are what they were."""
    with server.connect(ALGORITHM) as connection:
        connection.execute(
            "UPDATE live.asset_centroids SET centroid = centroid - centroid - centroid WHERE hashtext(asset_id) % 2 = 0"
        )


def note_questions(tuner: Tuner, asked: list[bytes], monkeypatch: pytest.MonkeyPatch) -> None:
    """Write down every query that a tuner asks."""
    ask = tuner._ask

    def noting(vector: NDArray[np.float32], breadth: Breadth) -> list[Ranked]:
        asked.append(vector.tobytes())
        return ask(vector, breadth)

    monkeypatch.setattr(tuner, "_ask", noting)


def test_the_tail_has_a_goal_of_its_own(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A mean that is reached does not excuse a query that is lost, unless so many may be; each is timed once."""
    monkeypatch.setattr(tuning_module, "TIMED", 10)
    library = made(tmp_path / "library", server, LIKE, assets=60)
    tuners = Tuners(library, library.published(), 50)
    assert sum(tuners.compare()) == len(tuners)
    asked: list[bytes] = []
    (tuner, *_) = tuners
    tuner._exact = [*tuner._exact[:49], [Ranked(asset_id=f"nowhere {n}", score=2) for n in range(10)]]
    note_questions(tuner, asked, monkeypatch)

    assert not tuner.tune(Goal(0.9)).is_reached
    allowed = tuner.tune(Goal(0.9, 0.02))
    assert allowed.is_reached
    assert (allowed.share_lost, allowed.worst, allowed.recall) == (0.02, 0, 0.98)

    compared = {vector.tobytes() for vector in tuner._queries.compared}
    timed = [vector for vector in asked if vector not in compared]
    assert len(timed) == len(set(timed)) > 10
    library.close()


def test_a_breadth_that_cannot_reach_the_goal_is_left_at_once(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only the queries that were missed before are asked, and none after the first that is lost."""
    library = made(tmp_path / "library", server, LIKE, assets=60)
    tuners = Tuners(library, library.published(), 50)
    assert sum(tuners.compare()) == len(tuners)
    asked: list[bytes] = []
    (tuner, *_) = tuners
    tuner._exact = [*tuner._exact[:30], [Ranked(asset_id="nowhere", score=2)], *tuner._exact[31:]]
    note_questions(tuner, asked, monkeypatch)
    assert len(tuner._all(Breadth(40, 40))) == 50
    for ef, goal in ((60, Goal(0.99)), (80, Goal(0.9)), (100, Goal(0.9, 0.02))):
        asked.clear()
        assert tuner._is_enough(Breadth(ef, 40), goal) == (goal.lost > 0)
        assert asked == [tuner._queries.compared[30].tobytes()]
    library.close()


@pytest.mark.usefixtures("large")
def test_views_that_are_less_alike_need_more_candidates(servers: dict[float, Server]) -> None:
    """The fewest candidates, which are enough for like views, miss more where views differ."""
    recalls = []
    for likeness in (LIKE, UNLIKE):
        library = Library(servers[likeness], ALGORITHM)
        published = library.published()
        shares = []
        for vector in library.sample("text", 60):
            exact = library.nearest_views(published, vector, Request(limit=10, exact=True))
            hits = library.nearest_views(published, vector, Request(limit=10, breadth=Breadth(400, 20)))
            shares.append(len({hit.asset_id for hit in exact} & {hit.asset_id for hit in hits}) / 10)
        recalls.append(np.mean(shares))
        library.close()
    assert recalls[0] > recalls[1] + 0.05


@pytest.mark.parametrize("target", ["caption", "appearance"])
def test_filters_that_go_with_the_content_lose_nothing(
    library: Library, shared_server: Server, target: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the index a filter far from what is asked for finds what comparing all that pass finds, and as many."""
    mode, breadth = MODES.load(target)(), Breadth(100, 40)
    for tag in ("corner 1.0%", "corner 10.0%", "corner 50.0%", "random 10.0%"):
        rankings = []
        for few in (10_000, 0):
            monkeypatch.setattr(planning, "VERY_FEW", few)
            monkeypatch.setattr(planning, "FEW", few)
            asked = Library(shared_server, ALGORITHM)
            request = Request(limit=10, conditions=conditions({"tags": tag}), breadth=breadth)
            questions = [Question.of(asked.published(), vector, "english") for vector in library.sample("text", 20)]
            rankings.append([{hit.asset_id for hit in mode.rank(asked, question, request)} for question in questions])
            asked.close()
        assert {len(found) for found in rankings[1]} == {10}, tag
        shares = [len(exact & found) / 10 for exact, found in zip(*rankings, strict=True)]
        assert np.mean(shares) >= 0.99, tag


def test_tunings_of_another_version_are_not_kept(server: Server, tmp_path: Path) -> None:
    """What was measured before a new version went live is refused; what was kept is handed on."""
    library = made(tmp_path / "one", server, LIKE, assets=200)
    published = library.published()
    (found, *_) = tuned(library, 10, Goal(0.9))
    library.keep_tunings(published, [found])
    workspace = Workspace(tmp_path / "two")
    make_library(LibrarySize(assets=300, views=4, dim=64), workspace, SilentReporter())
    publish(ALGORITHM, workspace, server, max_assets=None, reporter=SilentReporter())
    with pytest.raises(DatabaseError, match="another version was published"):
        library.keep_tunings(published, [found])
    assert [tuning.goal for tuning in library.published().tunings] == [pytest.approx(0.9)]
    assert library.published().breadth("appearance", "image") == UNTUNED
    library.close()


def test_there_is_nothing_to_tune_without_an_index(server: Server, tmp_path: Path) -> None:
    """The message says how to publish one."""
    library = made(tmp_path / "exact", server, LIKE, "exact", assets=60)
    with pytest.raises(NotPublishedError, match="publish with --index codes or hnsw"):
        Tuners(library, library.published(), 10)
    library.close()


def test_a_library_is_not_made_over_another(tmp_path: Path) -> None:
    """What is in the workspace stays."""
    size = LibrarySize(assets=10, views=2, dim=16)
    make_library(size, Workspace(tmp_path), SilentReporter())
    with pytest.raises(WorkspaceError, match="holds assets already"):
        make_library(size, Workspace(tmp_path), SilentReporter())


def test_the_same_seed_is_the_same_library(tmp_path: Path) -> None:
    """And another one is another."""
    digests = []
    for folder, seed in (("a", 1), ("b", 1), ("c", 2)):
        workspace = Workspace(tmp_path / folder)
        make_library(LibrarySize(assets=10, views=2, dim=16, seed=seed), workspace, SilentReporter())
        digests.append(workspace.vectors_table(ALGORITHM, "appearance").digest)
    assert digests[0] == digests[1] != digests[2]


def test_as_a_user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Make, publish, tune, search by words, by a phrase and by an id, and read the status, by the commands alone."""
    told = []

    def run(*arguments: str) -> str:
        ended = CliRunner().invoke(main, [*arguments, "--workspace", str(tmp_path)])
        assert ended.exit_code == 0, ended.output
        told.append(ended.stderr)
        return ended.stdout

    run("bench", "make", "--assets", "200", "--views", "4", "--dim", "32")
    monkeypatch.setattr(resident, "OTHERS", 1e15)
    run("publish", "--algorithm", ALGORITHM)
    assert "0.0 GB of memory are left for that: they will be slower, and as right" in told[-1]
    monkeypatch.setattr(indexes, "LARGE", 200)
    assert "0 done" in run("publish", "--algorithm", ALGORITHM)
    assert "the index stays 'hnsw'; a new library of this size would get '--index codes'" in told[-1]
    tuned = json.loads(run("tune", "--algorithm", ALGORITHM, "--queries", "10", "--recall", "0.95", "--json"))
    assert {row["recall"] >= 0.95 for row in tuned} == {True}
    assert {(row["share_lost"], row["queries"]) for row in tuned} == {(0, 10)}
    status = run("status")
    assert status.count("recall@10") == status.count("below .5: 0 % (<= 2") == 4

    def found(text: str, *options: str) -> list[dict[str, object]]:
        shown = run("search", text, "--algorithm", ALGORITHM, "--json", *options)
        results: list[dict[str, object]] = json.loads(shown)["results"]
        return results

    first = found("synthetic-00000007", "--cross-modal")[0]
    assert first["asset_id"] == "synthetic-00000007"
    noun = str(first["caption_en"]).split()[1]
    assert all(noun in str(hit["caption_en"]) for hit in found(f'"{noun} number"', "--target", "words"))
    assert all(noun in str(hit["caption_en"]) for hit in found(f'something "{noun}"', "--top-k", "3"))
    assert found("number 7", "--target", "words")[0]["asset_id"] == "synthetic-00000007"
    assert found("a thing", "--filter", f"category!={noun}", "--filter", "faces=..100000")


def test_more_than_the_goal_is_asked_for() -> None:
    """Half of what may be missed, and a little more than half of the answer to each query; or the goal as it is."""
    assert Goal(0.9).is_reached([0.9, 1.0, 1.0, 0.9])
    assert not Goal(0.9).is_reached([0.9, 0.9, 1.0, 0.9])
    assert Goal(0.9, more=False).is_reached([0.9, 0.9, 1.0, 0.9])
    assert Goal(0.5, 0.25).is_reached([0.5, 1.0, 1.0, 0.6])
    assert not Goal(0.5).is_reached([0.5, 1.0, 1.0, 0.6])
    assert Goal(0.5, more=False).is_reached([0.5, 1.0, 1.0, 0.6])
