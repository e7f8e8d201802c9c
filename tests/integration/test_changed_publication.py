"""A publication that changes the live version in place leaves what one from scratch would."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests import living
from tests.crowd import Crowd, units
from tests.living import Contents

from meshseek.pipeline import publish as publishing_stage
from meshseek.pipeline.library_state import LeftOut, LibraryState
from meshseek.pipeline.publish import publish
from meshseek.pipeline.stage import Summary
from meshseek.pipeline.wanted import WantedBuilder
from meshseek.reporting import SilentReporter
from meshseek.store.postgres import Server
from meshseek.store.read.library import Library
from meshseek.store.write.labels import LabelBook
from meshseek.workspace.by_asset import ByAsset
from meshseek.workspace.workspace import Workspace

COUNT = 60


def contents(server: Server) -> Contents:
    """All that is live."""
    with server.connect("crowd") as connection:
        return living.contents(connection)


@pytest.fixture
def servers(conninfo: str, server: Server) -> tuple[Server, Server]:
    """Two places to publish to."""
    return server, Server(lambda: conninfo, f"{server.database_name('').removesuffix('_embeddings')}other_")


def crowd_without(gone: set[int], changed: set[int]) -> Crowd:
    """The crowd without some assets, and with new captions and views for others."""
    crowd = Crowd.of(COUNT)
    names = [asset.asset_id for asset in crowd.assets]
    for number in changed:
        asset = crowd.assets[number]
        attributes = {**asset.attributes, "category": "new", "faces": 7}
        crowd.assets[number] = replace(
            asset, captions_english=("another 椅子",), attributes=attributes, fingerprint="changed"
        )
        crowd.english[asset.asset_id] = (
            units(-crowd.english[asset.asset_id].astype(float))
            if (asset.asset_id in crowd.english)
            else next(iter(crowd.english.values()))
        )
    for name in (names[number] for number in gone):
        for vectors in (crowd.english, crowd.chinese, crowd.views):
            vectors.pop(name, None)
    crowd.assets = [asset for number, asset in enumerate(crowd.assets) if number not in gone]
    return crowd


def published(crowd: Crowd, folder: Path, server: Server) -> Summary:
    """Write a crowd to a new workspace and publish it."""
    workspace = Workspace(folder)
    crowd.write(workspace)
    return publish("crowd", workspace, server, max_assets=None, reporter=SilentReporter())


SOME = st.sets(st.integers(0, COUNT - 1), max_size=5)


@settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(gone=SOME, changed=SOME)
def test_a_change_in_place_equals_a_publication_from_scratch(
    servers: tuple[Server, Server],
    tmp_path_factory: pytest.TempPathFactory,
    gone: set[int],
    changed: set[int],
) -> None:
    """Whatever is taken out, changed, and put back: the tables are those of a new publication."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(publishing_stage, "UPDATED_SHARE", 1.0)
        versions = [crowd_without(set(), set()), crowd_without(gone, changed - gone), crowd_without(set(), set())]
        for version in versions:
            published(version, tmp_path_factory.mktemp("one"), servers[0])
            patch.setattr(publishing_stage, "UPDATED_SHARE", -1.0)
            published(version, tmp_path_factory.mktemp("other"), servers[1])
            patch.setattr(publishing_stage, "UPDATED_SHARE", 1.0)
            assert contents(servers[0]) == contents(servers[1])


def test_little_is_changed_in_place_and_much_is_built_anew(server: Server, tmp_path: Path) -> None:
    """One asset of sixty is one row of work; a third of them is a new version. Either way the counts are right."""
    assert published(crowd_without(set(), set()), tmp_path / "1", server).done == COUNT
    summary = published(crowd_without({4}, {7}), tmp_path / "2", server)
    assert (summary.done, summary.already_there, summary.details["assets"]) == (1, COUNT - 2, COUNT - 1)
    assert published(crowd_without(set(range(20)), set()), tmp_path / "3", server).done == COUNT - 20


@pytest.mark.parametrize(("changed", "new", "gone"), [(9, 0, 0), (10, 0, 0), (3, 3, 4), (11, 0, 0), (4, 4, 3)])
def test_a_tenth_counts_each_asset_once(changed: int, new: int, gone: int) -> None:
    """Of a hundred assets ten may be changed, new or gone; one that is loaded anew is one, not one gone and one new."""
    live = {f"{number}": 1 for number in range(100)}
    wanted = {**dict(list(live.items())[gone:]), **{f"{99 - number}": 2 for number in range(changed)}}
    wanted |= {f"more {number}": 2 for number in range(new)}
    rows: ByAsset[int] = ByAsset(pa.array(list(wanted)), int)
    digests = np.array(list(wanted.values()), dtype=np.uint64)
    state = LibraryState(rows, digests, {}, {}, LeftOut(), WantedBuilder().wanted(rows), LabelBook())
    told = [(asset_id, f"{digest:016x}") for asset_id, digest in live.items()]
    parts = [told[:60], told[60:]]
    changes = state.changes(parts, 0.1 * len(live))

    assert (changes is not None) is (changed + new + gone <= 10)
    if changes is not None:
        assert (int(changes.new.sum()), len(changes.gone)) == (changed + new, changed + gone)
    assert state.is_published(parts) is (changed + new + gone == 0)


def test_what_is_live_is_told_from_what_is_not() -> None:
    """The same assets with the same digests, however they come; one less or more, or one that was changed, is not."""
    rows: ByAsset[int] = ByAsset(pa.array(["a", "b"]), int)
    digests = np.array([1, 2], dtype=np.uint64)
    state = LibraryState(rows, digests, {}, {}, LeftOut(), WantedBuilder().wanted(rows), LabelBook())
    one, two, other = ("a", f"{1:016x}"), ("b", f"{2:016x}"), ("b", f"{3:016x}")

    assert state.is_published([[two], [one]])
    assert not any(state.is_published(parts) for parts in ([[one]], [[one, other]], [[one, two], [("c", two[1])]], []))


def test_much_that_changes_little_by_little_is_built_anew(server: Server, tmp_path: Path) -> None:
    """Six of sixty in three steps are a tenth; one more, and all is published anew and counted from nothing."""
    library = Library(server, "crowd")
    steps: list[tuple[set[int], set[int], int]] = [
        (set(), set(), COUNT),
        (set(), {1, 2}, 2),
        (set(), {1, 2, 4, 5, 6}, 3),
        ({3}, {1, 2, 4, 5, 6}, 0),
        ({3}, {1, 2, 4, 5, 6, 7}, COUNT - 1),
        ({3}, {1, 2, 4, 5, 6, 7, 8, 9, 10, 11, 12}, 5),
    ]
    calibrations = []
    for number, (gone, changed, done) in enumerate(steps):
        assert published(crowd_without(gone, changed), tmp_path / f"{number}", server).done == done, number
        live = library.published()
        calibrations.append((live.thresholds, live.trust, live.found))
        assert live.thresholds
        assert live.assets == COUNT - len(gone)
    library.close()
    assert calibrations[0] == calibrations[1] == calibrations[2] == calibrations[3] != calibrations[4]
    assert calibrations[4] == calibrations[5]


def crowd_with_chinese(count: int) -> Crowd:
    """The crowd, where only so many assets have Chinese captions."""
    crowd = Crowd.of(COUNT)
    kept = set(list(crowd.chinese)[:count])
    crowd.chinese = {name: vector for name, vector in crowd.chinese.items() if name in kept}
    crowd.assets = [a if a.asset_id in kept else replace(a, captions_chinese=()) for a in crowd.assets]
    return crowd


def test_the_first_chinese_captions_get_their_graph(servers: tuple[Server, Server], tmp_path: Path) -> None:
    """A few translated assets are little, yet without an index on them every Chinese query would read all captions."""
    for number, (count, done) in enumerate([(0, COUNT), (3, COUNT), (4, 1), (0, COUNT)]):
        assert published(crowd_with_chinese(count), tmp_path / f"{number}", servers[0]).done == done
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(publishing_stage, "UPDATED_SHARE", -1.0)
            published(crowd_with_chinese(count), tmp_path / f"{number} anew", servers[1])
        found = contents(servers[0])
        assert found == contents(servers[1])
        assert ("text_embeddings_chinese_embedding" in str(found["indexes"])) is (count > 0)


def test_a_change_that_fails_leaves_the_version_as_it_was(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Readers see the old assets, and publishing again ends with the new ones."""
    published(crowd_without(set(), set()), tmp_path / "1", server)
    before = contents(server)
    monkeypatch.setattr("meshseek.store.write.loading.Loader.load_centroids", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        published(crowd_without({4}, {7}), tmp_path / "2", server)
    assert contents(server) == before

    monkeypatch.undo()
    assert published(crowd_without({4}, {7}), tmp_path / "3", server).done == 1
    library = Library(server, "crowd")
    assert library.published().assets == COUNT - 1
    library.close()
