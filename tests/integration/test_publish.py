"""Publishing: what goes in, the switch between versions, and what happens when it is interrupted."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tests.crowd import SPACE, Crowd
from tests.toy import NewerToy, embed_toys, import_toys, publish_toys, toy, toy_algorithm
from tests.waiting import eventually

from meshseek.errors import DatabaseError, MeshseekError, NotFoundError, SpaceMismatchError, WorkspaceError
from meshseek.images import read_image
from meshseek.pipeline.publish import publish
from meshseek.pipeline.stage import Summary
from meshseek.reporting import SilentReporter
from meshseek.search.algorithm import Algorithm
from meshseek.search.answer import Answer
from meshseek.search.modes import MODES
from meshseek.search.query import Query
from meshseek.store.postgres import Server
from meshseek.store.read.library import Library
from meshseek.store.write.publisher import publishing
from meshseek.workspace.tables import asset_row
from meshseek.workspace.workspace import Workspace

ROOT = Path(__file__).parents[2]
COUNTS = {"assets": 40, "english_captions": 40, "chinese_captions": 32, "views": 120}


@pytest.fixture
def algorithm(server: Server) -> Iterator[Algorithm]:
    """The toys as they are published, open for searching."""
    opened = toy_algorithm(server)
    yield opened
    opened.library.close()


def schemas(server: Server, name: str = "toy") -> set[str]:
    """The schemas of ours in a database."""
    with server.connect(name) as connection:
        rows = connection.execute(
            "SELECT nspname FROM pg_namespace WHERE nspname !~ '^(pg_|information_schema|public)'"
        )
        return {row[0] for row in rows.fetchall()}


def counted(summary: Summary) -> tuple[int, int]:
    """Done and already there."""
    return summary.done, summary.already_there


def test_everything_is_loaded(toys: Workspace, server: Server, algorithm: Algorithm) -> None:
    """The counts are those of the library, and its description is kept."""
    summary = publish_toys(toys, server)

    assert (counted(summary), summary.details) == ((40, 0), COUNTS)
    published = algorithm.library.published()
    assert published.space == toy().space
    assert (published.assets, published.english_captions, published.chinese_captions, published.views) == (
        40,
        40,
        32,
        120,
    )
    with server.connect("toy") as connection:
        counts = "SELECT (SELECT count(*) FROM {0}text_embeddings), (SELECT count(*) FROM {0}asset_centroids)"
        assert connection.execute(counts.format("live.").encode()).fetchone() == (40, 40)
    assert schemas(server) == {"live"}


def test_what_is_stored_are_the_embedders_vectors(published_toys: Workspace, server: Server) -> None:
    """Captions and views to half precision, and the normalised mean of the views with their spread."""
    asset = list(published_toys.assets())[7]
    assert asset.views is not None
    pictures = [read_image(asset.views.folder / f"{n:05d}" / f"{n:05d}.png") for n in asset.views.viewpoint_ids]
    views = toy().embed_images(pictures)
    mean = views.mean(axis=0)
    with server.connect("toy") as connection:

        def stored(statement: str) -> list[np.ndarray]:
            rows = connection.execute(statement.encode(), [asset.asset_id]).fetchall()
            return [np.array(row[0].strip("[]").split(","), dtype=float) for row in rows]

        captions = "SELECT {}::text FROM live.text_embeddings WHERE asset_id = %s"
        english, chinese = (stored(captions.format(f"{name}_embedding"))[0] for name in ("english", "chinese"))
        found = stored("SELECT embedding::text FROM live.image_embeddings WHERE asset_id = %s ORDER BY viewpoint_id")
        (centroid,) = stored("SELECT centroid::text FROM live.asset_centroids WHERE asset_id = %s")
        spread = connection.execute("SELECT spread FROM live.asset_centroids WHERE asset_id = %s", [asset.asset_id])
        assert spread.fetchone() == (pytest.approx(1 - np.linalg.norm(mean), abs=1e-3),)

    assert english == pytest.approx(toy().embed_texts(asset.captions_english, role="document")[0], abs=1e-3)
    assert chinese == pytest.approx(toy().embed_texts(asset.captions_chinese, role="document")[0], abs=1e-3)
    assert np.array(found) == pytest.approx(views, abs=1e-3)
    assert centroid == pytest.approx(mean / np.linalg.norm(mean), abs=1e-3)


def test_what_is_published_is_not_published_again(
    published_toys: Workspace, server: Server, algorithm: Algorithm
) -> None:
    """The same content is left as it is; a new caption, a new asset or another number of assets is published."""
    before = algorithm.library.published()
    assert counted(publish_toys(published_toys, server)) == (0, 40)
    assert algorithm.library.published() == before

    (asset, *_) = import_toys(published_toys, 41, "new")
    embed_toys(published_toys)
    assert counted(publish_toys(published_toys, server)) == (41, 0)
    assert algorithm.library.asset(asset.asset_id).captions_english == asset.captions_english
    assert counted(publish_toys(published_toys, server, max_assets=10)) == (10, 0)


def test_what_is_derived_otherwise_is_published_anew(
    published_toys: Workspace, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A Meshseek that makes other labels or words of the same assets leaves none of the old ones."""
    for module in ("publish", "library_state"):
        monkeypatch.setattr(f"meshseek.pipeline.{module}.DERIVED", 0)
    assert counted(publish_toys(published_toys, server)) == (40, 0)
    assert counted(publish_toys(published_toys, server)) == (0, 40)


def test_only_so_many_assets(toys: Workspace, server: Server, algorithm: Algorithm) -> None:
    """``max_assets`` leaves out the rest with their vectors."""
    summary = publish_toys(toys, server, max_assets=10)

    assert summary.details == {"assets": 10, "english_captions": 10, "chinese_captions": 8, "views": 30}
    expected = {asset.asset_id for asset in toys.assets(10)}
    for target in ("appearance", "caption", "both"):
        hits = algorithm.search(Query(text="chair", target=target, top_k=200)).hits
        assert {hit.asset_id for hit in hits} == expected


def test_assets_without_captions_or_views_are_kept(workspace: Workspace, server: Server, algorithm: Algorithm) -> None:
    """They can be looked up, and are found by what they have."""
    crowd = Crowd.of(30)
    crowd.publish(workspace, server)
    library = Library(server, "crowd")
    published = library.published()
    bare = next(a for a in crowd.assets if not (a.captions_english or a.captions_chinese or a.views))

    assert (published.assets, published.english_captions, published.views) == (
        30,
        len(crowd.english),
        4 * len(crowd.views),
    )
    assert library.asset(bare.asset_id).asset_id == bare.asset_id
    library.close()


def test_what_an_asset_no_longer_has_is_not_published(toys: Workspace, server: Server, algorithm: Algorithm) -> None:
    """The vector of a caption that is gone stays out, though its shard is still there."""
    row = asset_row(next(toys.assets()))
    toys.assets_table().append([{**row, "captions_english": [], "fingerprint": "changed"}])
    embed_toys(toys)

    assert publish_toys(toys, server).details["english_captions"] == 39


def test_vectors_of_an_older_caption_stay_out(toys: Workspace, server: Server, algorithm: Algorithm) -> None:
    """A caption that changed after it was embedded is not ranked by its old vector; how many such is told."""
    row = asset_row(next(toys.assets()))
    toys.assets_table().append([{**row, "captions_english": ["something else"], "fingerprint": "changed"}])

    details = publish_toys(toys, server).details
    assert (details["outdated translate"], details["outdated embed"]) == (1, 1)
    assert algorithm.library.published().english_captions == 39


def test_odd_characters_are_published(workspace: Workspace, server: Server, algorithm: Algorithm) -> None:
    """Quotes, tabs, backslashes, emoji, and what no database can store do not stop the others."""
    odd = "\\N a\tb\nc 'd' \"e\" {f} 🪑 椅子 \x00 \ud83e"
    asset = import_toys(workspace, 3)[0]
    changed = replace(
        asset,
        captions_english=(odd,),
        attributes={"category": "x\x00y\ud83e \\u0000", "n": [1, {"\x00k": float("nan")}]},
    )
    workspace.assets_table().append([asset_row(changed)])
    embed_toys(workspace)

    assert publish_toys(workspace, server).details["assets"] == 3
    found = algorithm.library.asset(asset.asset_id)
    assert found.captions_english == ("\\N a\tb\nc 'd' \"e\" {f} 🪑 椅子  ",)
    assert found.attributes == {"category": "xy \\u0000", "n": [1, {"k": None}]}


def test_nothing_embedded_says_what_to_run(workspace: Workspace, server: Server) -> None:
    """The command that is missing is named, and no database is made."""
    import_toys(workspace, 1)
    with pytest.raises(WorkspaceError, match="run 'meshseek embed --algorithm toy' first"):
        publish_toys(workspace, server)


@pytest.mark.parametrize("value", [np.nan, 0.0, np.inf, 0.5])
def test_vectors_that_are_no_unit_vectors_are_refused(workspace: Workspace, server: Server, value: float) -> None:
    """NaN, zeros and wrong lengths are named with their folder, and the live version stays."""
    crowd = Crowd.of(20)
    crowd.publish(workspace, server)
    library = Library(server, "crowd")
    before = library.published()
    name, views = next(iter(crowd.views.items()))
    vector = np.full_like(views[0], value).tobytes()
    rows = [{"asset_id": name, "viewpoint_id": 10, "fingerprint": "made", "vector": vector}]
    workspace.vectors_table("crowd", "appearance", SPACE).append(rows)

    with pytest.raises(WorkspaceError, match=rf"appearance has vectors that are no unit vectors, first of '{name}'"):
        publish("crowd", workspace, server, index_kind="exact", max_assets=None, reporter=SilentReporter())
    assert library.published() == before
    assert library.asset(name).asset_id == name
    library.close()


def test_captions_and_views_of_different_spaces_are_refused(workspace: Workspace, server: Server) -> None:
    """Both spaces are in the message."""
    crowd = Crowd.of(20)
    crowd.write(workspace)
    folder = workspace.folder / "vectors" / "crowd" / "appearance"
    shutil.rmtree(folder)
    row = {
        "asset_id": "a",
        "viewpoint_id": 1,
        "fingerprint": "made",
        "vector": next(iter(crowd.english.values())).tobytes(),
    }
    workspace.vectors_table("crowd", "appearance", replace(SPACE, revision="2")).append([row])
    with pytest.raises(SpaceMismatchError, match=r"caption_english: crowd:random@1 .*appearance: crowd:random@2 "):
        publish("crowd", workspace, server, max_assets=None, reporter=SilentReporter())


def test_another_model_does_not_write_among_the_vectors(toys: Workspace) -> None:
    """Embedding with another space is refused with both named, and the vectors stay."""
    with pytest.raises(SpaceMismatchError, match=r"toy-64@1 .*the embedder gives toy:toy-64@2 "):
        embed_toys(toys, NewerToy(toy().options))
    assert [summary.already_there for summary in embed_toys(toys)] == [40, 32, 40]


def test_a_query_is_not_embedded_in_another_space(published_toys: Workspace, server: Server) -> None:
    """The published space and the one that is here are both named; health says the same."""
    algorithm = Algorithm("toy", Library(server, "toy"), lambda space: NewerToy(toy(space.model).options))
    message = r"published with toy:toy-64@1 .* the embedder here is toy:toy-64@2 "
    with pytest.raises(SpaceMismatchError, match=message):
        algorithm.search(Query(text="chair"))
    eventually(lambda: "the embedder here is toy:toy-64@2" in algorithm.health())
    algorithm.library.close()


Shown = list[tuple[str, float, str | None]]


def shown(answer: Answer) -> Shown:
    """What tells one version's answer from another's."""
    return [(hit.asset_id, round(hit.score, 4), hit.caption_english) for hit in answer.hits]


def answers(algorithm: Algorithm) -> dict[str, Shown]:
    """What the live version answers."""
    texts = {name: "chair" if name == "words" else "red chair 红色" for name in MODES.names}
    found = {name: shown(algorithm.search(Query(text=text, target=name))) for name, text in texts.items()}
    similar = algorithm.similar("toys/003", "appearance", 5).hits
    return {**found, "similar": [(hit.asset_id, round(hit.score, 4), hit.caption_english) for hit in similar]}


@pytest.mark.parametrize("other_model", ["toy-64", "toy-96"])
def test_readers_never_notice_the_switch(
    tmp_path: Path, server: Server, algorithm: Algorithm, other_model: str
) -> None:
    """While versions are published in turn every answer is wholly of one, in each mode, and none is an error."""
    versions = [Workspace(tmp_path / "one"), Workspace(tmp_path / "other")]
    import_toys(versions[0], 40)
    import_toys(versions[1], 37, "changed")
    expected: list[dict[str, Shown]] = []
    for version, model in zip(versions, ("toy-64", other_model), strict=True):
        embed_toys(version, toy(model))
        publish_toys(version, server)
        expected.append(answers(algorithm))
    assert all(expected[0][name] != expected[1][name] for name in expected[0])

    stop = threading.Event()
    seen: Counter[tuple[str, str]] = Counter()

    def read() -> None:
        while not stop.is_set():
            try:
                seen.update((name, _version(answer, name, expected)) for name, answer in answers(algorithm).items())
            except MeshseekError as error:
                seen[str(error), "error"] += 1

    threads = [threading.Thread(target=read) for _ in range(3)]
    for thread in threads:
        thread.start()
    try:
        for _ in range(2):
            for version in versions:
                assert counted(publish_toys(version, server)) == (len(list(version.assets())), 0)
    finally:
        stop.set()
        for thread in threads:
            thread.join()

    assert {*seen} == {(name, version) for name in expected[0] for version in ("one", "other")}
    assert schemas(server) == {"live"}


@pytest.mark.parametrize("target", ["caption", "both"])
@pytest.mark.parametrize("step", ["nearest_captions", "with_words", "likeness", "shown"])
def test_a_switch_between_two_steps_of_a_search_is_not_noticed(
    tmp_path: Path, server: Server, monkeypatch: pytest.MonkeyPatch, target: str, step: str
) -> None:
    """Whatever has been asked already, the answer is wholly of one version, though their vectors differ in length."""
    versions = [Workspace(tmp_path / "one"), Workspace(tmp_path / "other")]
    import_toys(versions[0], 40)
    import_toys(versions[1], 37, "changed")
    expected = []
    fresh = [Algorithm("toy", Library(server, "toy"), lambda space: toy(space.model)) for _ in range(3)]
    query = Query(text="red chair 红色", target=target, explain=True)
    for version, model, algorithm in zip(versions, ("toy-64", "toy-96"), fresh, strict=False):
        embed_toys(version, toy(model))
        publish_toys(version, server)
        expected.append(algorithm.search(query).hits)
        algorithm.library.close()
    publish_toys(versions[0], server)

    asked = getattr(Library, step)
    switched: list[str] = []

    def switching(library: Library, *arguments: object) -> object:
        found = asked(library, *arguments)
        if not switched and library is fresh[2].library:
            switched.append(step)
            publish_toys(versions[1], server)
        return found

    fresh[2].library.published()
    monkeypatch.setattr(Library, step, switching)
    hits = fresh[2].search(query).hits
    fresh[2].library.close()
    assert [(hit.asset_id, hit.caption_english) for hit in hits] in [
        [(hit.asset_id, hit.caption_english) for hit in of] for of in expected
    ]
    assert bool(switched) is (step != "with_words" or target == "both")


def _version(answer: Shown, name: str, expected: list[dict[str, Shown]]) -> str:
    one, other = (version[name] for version in expected)
    return "one" if answer == one else "other" if answer == other else "mixed"


def test_a_publication_may_follow_at_once(server: Server) -> None:
    """When one has ended, its lock is free already, though the server may still be ending its session."""
    space = toy().space
    with publishing(server, "toy", space, SilentReporter()):
        pass
    held = b"""SELECT count(*) FROM pg_locks JOIN pg_database ON oid = database
               WHERE locktype = 'advisory' AND datname = current_database()"""
    with server.connect("toy") as watching:
        for _ in range(100):
            with publishing(server, "toy", space, SilentReporter()):
                assert watching.execute(held).fetchone() == (1,)
            assert watching.execute(held).fetchone() == (0,)


def test_a_second_publication_at_once_says_so(toys: Workspace, server: Server, tmp_path: Path) -> None:
    """From the same workspace or from another one, whoever comes second is told, and loses nothing."""
    other = Workspace(tmp_path / "other")
    import_toys(other, 5)
    embed_toys(other)
    with (
        publishing(server, "toy", toy().space, SilentReporter()),
        pytest.raises(DatabaseError, match="another process is publishing 'toy'"),
    ):
        publish_toys(other, server)
    with toys.lock("publish-toy"), pytest.raises(WorkspaceError, match="another process runs 'publish-toy'"):
        publish_toys(toys, server)

    assert counted(publish_toys(other, server)) == (5, 0)


def test_first_publications_at_once(server: Server, tmp_path: Path) -> None:
    """On an empty server, one of several wins and the others publish after it or are told; none fails otherwise."""
    workspaces = [Workspace(tmp_path / str(number)) for number in range(4)]
    for number, workspace in enumerate(workspaces, 2):
        import_toys(workspace, number)
        embed_toys(workspace)
    ended: list[str] = []

    def run(workspace: Workspace) -> None:
        try:
            publish_toys(workspace, server)
            ended.append("published")
        except DatabaseError as error:
            ended.append(str(error))

    threads = [threading.Thread(target=run, args=[workspace]) for workspace in workspaces]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert "published" in ended
    assert {*ended} <= {"published", "another process is publishing 'toy'; wait until it ends"}
    assert schemas(server) == {"live"}


KILLED = """
import os, sys, time
from pathlib import Path
from meshseek.reporting import SilentReporter
from meshseek.pipeline.publish import publish
from meshseek.store.write import publisher
from meshseek.store.postgres import Server
from meshseek.workspace.workspace import Workspace

def die(*_, **__):
    os.kill(os.getpid(), 9)

def after(function):
    def both(*arguments, **named):
        function(*arguments, **named)
        die()
    return both

Publisher, Loader = publisher.Publisher, publisher.Loader
{patch}
server = Server(lambda: sys.argv[1], sys.argv[2])
publish("toy", Workspace(Path(sys.argv[3])), server, max_assets=None, reporter=SilentReporter())
"""
MOMENTS = {
    "in the load": "Loader.load_views = die",
    "before the indexes": "Loader.load_centroids = after(Loader.load_centroids)",
    "before the switch": "Publisher.switch = die",
    "after the switch": "Publisher.switch = after(Publisher.switch)",
    "in the switch": textwrap.dedent("""
        query = publisher.query
        publisher.query = lambda name, **f: die() if name == "drop_schema" and f["schema"] is publisher.RETIRED and (
            sys._getframe(1).f_code.co_name == "switch") else query(name, **f)
        """),
    "in a long statement": textwrap.dedent("""
        import threading
        def wait(self, **_):
            threading.Timer(0.5, die).start()
            self.connection.execute("SELECT pg_sleep(600)")
        Publisher.switch = wait
        """),
}


CHANGING = {
    "before anything": ("Loader.load_labels = die", False),
    "in the load": ("Loader.load_views = die", False),
    "at the end": ("Publisher._described = after(Publisher._described)", False),
    "when it is done": ("Publisher._analyze = die", True),
}


def publish_and_die(patch: str, conninfo: str, server: Server, workspace: Workspace) -> None:
    """Publish in a process that kills itself."""
    arguments = [conninfo, server.database_name("").removesuffix("_embeddings"), str(workspace.folder)]
    command = [sys.executable, "-c", KILLED.format(patch=patch), *arguments]
    ended = subprocess.run(command, env={**os.environ, "PYTHONPATH": f"{ROOT / 'src'}{os.pathsep}{ROOT}"}, check=False)
    assert ended.returncode == -signal.SIGKILL


@pytest.mark.parametrize("moment", CHANGING)
def test_killed_while_changing_in_place(
    published_toys: Workspace, server: Server, conninfo: str, algorithm: Algorithm, moment: str
) -> None:
    """After kill -9 the old version answers, or the new one where the change was done; publishing again ends so."""
    patch, done = CHANGING[moment]
    old = answers(algorithm)
    row = asset_row(next(published_toys.assets()))
    published_toys.assets_table().append([{**row, "captions_english": ["red chair again"], "fingerprint": "changed"}])
    embed_toys(published_toys)
    publish_and_die(patch, conninfo, server, published_toys)
    assert (answers(algorithm) == old) is not done

    assert counted(_publish_when_free(published_toys, server)) == ((0, 40) if done else (1, 39))
    assert algorithm.library.asset(row["asset_id"]).captions_english == ("red chair again",)
    assert answers(algorithm) != old
    assert schemas(server) == {"live"}


@pytest.mark.parametrize("moment", MOMENTS)
def test_killed_while_publishing(
    published_toys: Workspace, server: Server, conninfo: str, algorithm: Algorithm, moment: str, tmp_path: Path
) -> None:
    """After kill -9 one whole version answers, and publishing again ends with the new one and nothing left over."""
    old = answers(algorithm)
    new = Workspace(tmp_path / "new")
    import_toys(new, 30, "changed")
    embed_toys(new)
    publish_and_die(MOMENTS[moment], conninfo, server, new)
    switched = moment in {"after the switch", "in the switch"}
    assert (answers(algorithm) == old) is not switched

    summary = _publish_when_free(new, server)
    assert counted(summary) == ((0, 30) if switched else (30, 0))
    assert algorithm.library.published().assets == 30

    def is_clean_after_another() -> bool:  # the server may not have noticed yet that the killed process is gone
        publish_toys(new, server)
        return schemas(server) == {"live"}

    eventually(is_clean_after_another)


def _publish_when_free(workspace: Workspace, server: Server) -> Summary:
    """Publish as soon as the server has noticed that the killed process is gone."""
    deadline = time.monotonic() + 15
    while True:
        try:
            return publish_toys(workspace, server)
        except DatabaseError as error:
            if "another process is publishing" not in str(error) or time.monotonic() > deadline:
                raise
            time.sleep(0.1)


def test_an_asset_that_was_not_published_is_not_found(published_toys: Workspace, algorithm: Algorithm) -> None:
    """Similar assets of an unknown one are an error that names it."""
    with pytest.raises(NotFoundError, match="toys/999"):
        algorithm.similar("toys/999", "caption", 3)
