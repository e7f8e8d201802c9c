"""The index kind ``codes``: widely asked it finds what comparing with everything finds, whatever was published."""

from __future__ import annotations

import errno
import logging
import os
import re
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext, suppress
from dataclasses import replace
from pathlib import Path
from threading import Event
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.crowd import DIM, Crowd, units
from tests.waiting import eventually

from meshseek.errors import DatabaseError
from meshseek.files import FileLock
from meshseek.model import Ranked, ViewSet
from meshseek.pipeline import publish as publishing_stage
from meshseek.pipeline.backup import BackupOptions, backup
from meshseek.pipeline.calibrate import calibrate
from meshseek.pipeline.publish import publish
from meshseek.pipeline.restore import RestoreOptions, restore
from meshseek.reporting import SilentReporter
from meshseek.search.filters import conditions
from meshseek.search.query import Query
from meshseek.store.codes import segment, shared
from meshseek.store.codes.file import CodesFile, DamagedFileError, write_codes
from meshseek.store.postgres import Server
from meshseek.store.queries import query
from meshseek.store.read import codes as codes_in_use
from meshseek.store.read import codes_check
from meshseek.store.read import plan as planning
from meshseek.store.read.codes import CodesInUse
from meshseek.store.read.held import held_version
from meshseek.store.read.library import Library, Request
from meshseek.store.read.published import Breadth, Published, VersionChangedError
from meshseek.store.write import codes as writing
from meshseek.store.write.edition import Edition
from meshseek.workspace.workspace import Workspace

COUNT = 70
WIDE = Breadth(10 * COUNT, 10 * COUNT)
COLUMNS = (None, ("english_embedding", "chinese_embedding"), ("chinese_embedding", "english_embedding"))
FILTERS: tuple[dict[str, Any], ...] = (
    {},
    {"tags": "even"},
    {"tags": ["of seven 3", "no such tag"], "faces": {"not": {"min": 200}}},
    {"category": {"not": "cluster 3"}, "faces": {"max": 400}},
    {"licence": {"not": "CC-BY"}},
    {"creator": "nobody"},
)


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    """A few assets are treated as very many: there are codes of them, in blocks, packed and scanned."""
    monkeypatch.setattr(planning, "VERY_FEW", 0)
    monkeypatch.setattr(planning, "FEW", 0)
    monkeypatch.setattr(writing, "FEWEST", 20)
    monkeypatch.setattr(writing, "BLOCK", 32)
    monkeypatch.setattr(segment, "FEW_CODES", 0)


def crowd_of(seed: int, gone: set[int], changed: set[int]) -> Crowd:
    """A crowd of assets with one to nine views, one of them with 200, without some, and with others for some."""
    crowd = Crowd.of(COUNT, views=9, seed=seed)
    for number, asset in enumerate(crowd.assets):
        if asset.views is not None:
            kept = asset.views.viewpoint_ids[: 1 + number % 9]
            crowd.views[asset.asset_id] = crowd.views[asset.asset_id][: len(kept)]
            crowd.assets[number] = replace(asset, views=replace(asset.views, viewpoint_ids=kept))
    many = next(number for number, asset in enumerate(crowd.assets) if number > seed % COUNT // 2 and asset.views)
    asset = crowd.assets[many]
    views = ViewSet(folder=Path("/nowhere"), viewpoint_ids=tuple(range(200)), fingerprint="made")
    crowd.assets[many] = replace(asset, views=views)
    crowd.views[asset.asset_id] = units(np.random.default_rng(seed).normal(size=(200, DIM)))
    for number in changed:
        asset = crowd.assets[number]
        crowd.assets[number] = replace(asset, attributes={**asset.attributes, "tags": ["new", "even"], "faces": 7})
        for vectors in (crowd.english, crowd.chinese, crowd.views):
            if asset.asset_id in vectors:
                vectors[asset.asset_id] = units(-vectors[asset.asset_id].astype(float))
    for number in sorted(gone, reverse=True):
        name = crowd.assets.pop(number).asset_id
        for vectors in (crowd.english, crowd.chinese, crowd.views):
            vectors.pop(name, None)
    return crowd


def published(crowd: Crowd, folder: Path, server: Server, index_kind: str = "codes") -> None:
    """Write a crowd to a new workspace and publish it."""
    workspace = Workspace(folder)
    crowd.write(workspace)
    publish("crowd", workspace, server, index_kind=index_kind, max_assets=None, reporter=SilentReporter())


def expect_exact(library: Library, version: Published, breadth: Breadth = WIDE) -> None:
    """Every kind of search gives what comparing with everything gives."""
    random = np.random.default_rng(7)
    for filters in FILTERS:
        vector = random.normal(size=DIM).astype(np.float32)
        vector /= np.linalg.norm(vector)
        for columns in COLUMNS:
            wide = Request(limit=2 * COUNT, conditions=conditions(filters), breadth=breadth)
            exact, by_codes = (
                library.nearest_captions(version, vector, columns, request)
                if columns
                else library.nearest_views(version, vector, request)
                for request in (replace(wide, exact=True), wide)
            )
            assert by_codes == exact, (filters, columns)


SOME = st.sets(st.integers(0, COUNT - 1), max_size=6)


@pytest.fixture
def readings(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, list[str]]]:
    """The first edition, and the parts that are left out, each time that codes are read from the database."""
    blocks, readings = CodesInUse._blocks, []

    def noted(
        self: CodesInUse, version: Published, first: int, last: int, without: Sequence[str] = ()
    ) -> Iterator[tuple[str, bytes]]:
        readings.append((first, [*without]))
        return blocks(self, version, first, last, without)

    monkeypatch.setattr(CodesInUse, "_blocks", noted)
    return readings


@pytest.mark.parametrize("index_kind", ["codes", "hnsw"])
@settings(max_examples=2, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=st.lists(st.tuples(SOME, SOME, st.booleans()), min_size=1, max_size=2), seed=st.integers(0, 99))
def test_an_index_finds_what_comparing_with_everything_finds(
    server: Server,
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
    index_kind: str,
    steps: list[tuple[set[int], set[int], bool]],
    seed: int,
) -> None:
    """After any changes in place and publications, for a reader that followed all of them and for a new one."""
    folder = tmp_path_factory.mktemp("codes")
    following = Library(server, "crowd", codes=folder)
    for gone, changed, anew in [(set[int](), set[int](), True), *steps]:
        monkeypatch.setattr(publishing_stage, "UPDATED_SHARE", -1.0 if anew else 10.0)
        published(crowd_of(seed, gone, changed - gone), tmp_path_factory.mktemp("workspace"), server, index_kind)
        fresh = Library(server, "crowd", codes=folder)
        for library in (following, fresh):
            expect_exact(library, library.published())
        fresh.close()
    following.close()


def test_an_asset_may_have_one_view_or_two_hundred(server: Server, tmp_path: Path) -> None:
    """Beside each other, and beside those without any."""
    crowd = Crowd.of(COUNT, views=200)
    for number, asset in enumerate(crowd.assets):
        if asset.views is not None and number % 3:
            crowd.views[asset.asset_id] = crowd.views[asset.asset_id][:1]
            kept = replace(asset.views, viewpoint_ids=asset.views.viewpoint_ids[:1])
            crowd.assets[number] = replace(asset, views=kept)
    published(crowd, tmp_path / "one", server)
    library = Library(server, "crowd", codes=tmp_path / "codes")
    expect_exact(library, library.published())
    library.close()


def test_of_those_that_codes_rank_a_few_are_compared_with_all_of_their_views(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Their scores and viewpoints are the exact ones, and nearly all of the best are among them."""
    monkeypatch.setitem(planning.SPARE, "appearance", 5)
    published(crowd_of(0, set(), set()), tmp_path / "one", server)
    library = Library(server, "crowd")
    version = library.published()
    random = np.random.default_rng(5)
    shared = []
    for _ in range(30):
        vector = units(random.normal(size=DIM)).astype(np.float32)
        told = library.nearest_views(version, vector, Request(limit=5, breadth=WIDE))
        exact = library.nearest_views(version, vector, Request(limit=COUNT, exact=True))
        assert len(told) == 5
        assert [*sorted(told, key=exact.index)] == told
        shared.append(len({each.asset_id for each in told} & {each.asset_id for each in exact[:5]}))
    assert min(shared) >= 4
    assert np.mean(shared) > 4.9
    library.close()


def test_a_machine_with_less_memory_than_codes_of_views_answers_as_well(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """It is told that this is slower; what will be read is asked for before."""
    monkeypatch.setattr(codes_check, "SHARE", 0)
    fetch, fetched = CodesFile.fetch, []

    def counted(self: CodesFile, *asked: Any) -> None:
        fetched.append(asked)
        fetch(self, *asked)

    monkeypatch.setattr(CodesFile, "fetch", counted)
    published(crowd_of(0, set(), set()), tmp_path / "one", server)
    library = Library(server, "crowd", codes=tmp_path / "codes")
    version = library.published()
    library.read_codes(version)
    eventually(lambda: "too much to stay in the memory" in caplog.text)
    library.nearest_views(version, np.ones(DIM, dtype=np.float32), Request(limit=5, breadth=WIDE))
    assert fetched
    expect_exact(library, version)
    library.close()


def test_phrases_are_masks_too(server: Server, tmp_path: Path) -> None:
    """Alone and with filters, many as well as none."""
    published(crowd_of(0, set(), set()), tmp_path / "one", server)
    library = Library(server, "crowd")
    version = library.published()
    vector = np.ones(DIM, dtype=np.float32) / np.float32(np.sqrt(DIM))
    for text, filters in (
        ('"number"', {}),
        ('"number 33"', {}),
        ('"number"', {"tags": "even"}),
        ('"no such words"', {}),
    ):
        asked = (*conditions(filters), *Query(text=text).conditions)
        wide = Request(limit=COUNT, conditions=asked, breadth=WIDE)
        assert library.nearest_views(version, vector, wide) == library.nearest_views(
            version, vector, replace(wide, exact=True)
        )
    library.close()


def the_file(folder: Path) -> Path:
    """The only file of codes."""
    (path,) = folder.glob("*.codes")
    return path


def altered(content: bytes, at: int) -> bytes:
    """The same with another bit at one place."""
    return content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :]


def test_a_file_that_is_not_as_it_was_written_is_made_again(
    server: Server, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Damaged, cut or empty: told in the log, and nobody is answered from it; one that is whole is left as it is."""
    published(crowd_of(0, set(), set()), tmp_path / "one", server)
    folder = tmp_path / "one" / "cache" / "codes"
    whole = the_file(folder).read_bytes()
    for content in (whole, altered(whole, 1), whole[: len(whole) // 2], b"", None):
        if content is None:
            the_file(folder).unlink()
        else:
            the_file(folder).write_bytes(content)
        caplog.clear()
        library = Library(server, "crowd", codes=folder)
        version = library.published()
        with caplog.at_level(logging.INFO, "meshseek"):
            library.read_codes(version)
        assert ("it is made again" in caplog.text) is (content not in {None, whole})
        assert the_file(folder).read_bytes() == whole
        expect_exact(library, version)
        library.close()


def test_codes_of_views_that_are_damaged_are_made_again(
    server: Server, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """They are looked through in the background; the next search after that finds a whole file again."""
    published(crowd_of(0, set(), set()), tmp_path / "one", server)
    folder = tmp_path / "one" / "cache" / "codes"
    whole = the_file(folder).read_bytes()
    with server.connect("crowd") as connection:
        row = connection.execute("SELECT content FROM live.codes WHERE part = 'view/fine'", binary=True).fetchone()
    assert row is not None
    the_file(folder).write_bytes(altered(whole, whole.index(row[0]) + 5))
    library = Library(server, "crowd", codes=folder)
    version = library.published()
    library.read_codes(version)
    eventually(lambda: not [*folder.glob("*.codes")])
    assert "is damaged" in caplog.text
    expect_exact(library, version)
    assert the_file(folder).read_bytes() == whole
    library.close()


def test_a_damaged_file_is_made_again_once(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Whoever sees later than others that the file is damaged which it has opened leaves the new one as it is."""
    published(crowd_of(0, set(), set()), tmp_path / "one", server)
    folder = tmp_path / "one" / "cache" / "codes"
    whole = the_file(folder).read_bytes()
    with server.connect("crowd") as connection:
        row = connection.execute("SELECT content FROM live.codes WHERE part = 'view/fine'", binary=True).fetchone()
    assert row is not None
    the_file(folder).write_bytes(altered(whole, whole.index(row[0]) + 5))
    check, began, may_end = CodesFile.check_views, Event(), Event()

    def slow(self: CodesFile, *, mapped: bool) -> Iterator[int]:
        began.set()
        may_end.wait(30)
        return check(self, mapped=mapped)

    late, early = (Library(server, "crowd", codes=folder) for _ in range(2))
    with monkeypatch.context() as patch:
        patch.setattr(CodesFile, "check_views", slow)
        late.read_codes(late.published())
        assert began.wait(30)
        patch.setattr(CodesFile, "check_views", check)
        early.read_codes(early.published())
        eventually(lambda: not [*folder.glob("*.codes")])
        early.read_codes(early.published())
        made = the_file(folder).stat()
        may_end.set()
        eventually(lambda: caplog.text.count("is damaged") == 2)
        expect_exact(late, late.published())
    assert os.path.samestat(the_file(folder).stat(), made)
    assert the_file(folder).read_bytes() == whole
    for library in (late, early):
        library.close()


def test_a_damaged_file_that_cannot_be_removed_is_done_without(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """It is looked through once, not at each search, and codes are kept in memory."""
    published(crowd_of(0, set(), set()), tmp_path / "one", server)
    folder = tmp_path / "one" / "cache" / "codes"

    def refused(*_: Any, **__: Any) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    def damaged(self: CodesFile, *, mapped: bool) -> Iterator[int]:
        raise DamagedFileError("made up")

    with monkeypatch.context() as patch:
        patch.setattr(CodesFile, "check_views", damaged)
        patch.setattr(Path, "unlink", refused)
        library = Library(server, "crowd", codes=folder)
        library.read_codes(library.published())
        eventually(lambda: library._codes._snapshot is None)
        for _ in range(2):
            expect_exact(library, library.published())
        library.close()
    assert caplog.text.count("is damaged") == 1
    assert caplog.text.count("codes are kept in the memory of this process alone") == 1


@pytest.mark.parametrize("part", ["ids", "centroid/rows", "centroid/fine", "view/fine"])
def test_codes_that_lack_a_block_are_told(server: Server, tmp_path: Path, part: str) -> None:
    """Nobody is answered from them, with a file as without; and what is to be done helps."""
    workspace = Workspace(tmp_path / "one")
    published(crowd_of(0, set(), set()), workspace.folder, server)
    with server.connect("crowd") as connection:
        connection.execute("DELETE FROM live.codes WHERE part = %s AND block = 0", [part])
    vector = np.ones(DIM, dtype=np.float32) / np.float32(np.sqrt(DIM))
    for folder in (None, tmp_path / "codes"):
        library = Library(server, "crowd", codes=folder)
        version = library.published()
        with pytest.raises(DatabaseError, match=r"are cut: '[^']+' does not fit [^\n]+ run 'meshseek publish'"):
            library.nearest_views(version, vector, Request(limit=5, breadth=WIDE))
        library.close()
    for kind in ("exact", "codes"):
        publish("crowd", workspace, server, index_kind=kind, max_assets=None, reporter=SilentReporter())
    library = Library(server, "crowd")
    expect_exact(library, library.published())
    library.close()


def test_large_codes_of_views_are_in_no_process_of_its_own(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Where there is no file of them, PostgreSQL compares all views, as is told once; also after a change in place."""
    monkeypatch.setattr(publishing_stage, "UPDATED_SHARE", 10.0)
    monkeypatch.setattr(codes_in_use, "MOST_PRIVATE", 10)
    published(crowd_of(0, set(), set()), tmp_path / "one", server)
    library = Library(server, "crowd")
    expect_exact(library, library.published())
    published(crowd_of(0, {3}, {4}), tmp_path / "two", server)
    expect_exact(library, library.published())
    _, later = library._codes._later
    assert later is not None
    assert "view/fine" not in later  # nobody would use them
    library.close()
    assert caplog.text.count("are not kept in memory") == 1


def test_large_codes_of_changed_views_are_in_no_process(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Those that fit are used, until there are more; then PostgreSQL compares all views, as is told once."""
    monkeypatch.setattr(publishing_stage, "UPDATED_SHARE", 10.0)
    published(crowd_of(0, set(), set()), tmp_path / "0", server)
    library = Library(server, "crowd", codes=tmp_path / "codes")
    has_views = []
    for step, most in enumerate((1 << 30, 10, 10), 1):
        monkeypatch.setattr(codes_in_use, "MOST_PRIVATE", most)
        published(crowd_of(0, {step}, {step + 10}), tmp_path / f"{step}", server)
        expect_exact(library, library.published())
        snapshot = library._codes._snapshot
        assert snapshot is not None
        has_views.append(len(snapshot._views))
    assert has_views == [2, 0, 0]
    assert caplog.text.count("are not kept in memory") == 1
    library.close()


def test_a_disk_that_has_no_room_for_the_file_is_left_alone(
    server: Server,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    readings: list[tuple[int, list[str]]],
) -> None:
    """That is told in a line, and codes are kept in memory; a publication keeps none of views there."""
    monkeypatch.setattr(shared, "shutil", SimpleNamespace(disk_usage=lambda _: SimpleNamespace(free=1000)))
    published(crowd_of(0, set(), set()), tmp_path / "one", server)
    folder = tmp_path / "one" / "cache" / "codes"
    library = Library(server, "crowd", codes=folder)
    expect_exact(library, library.published())
    library.close()
    assert [without for _, without in readings] == [["view/fine"], []]
    assert not [*folder.glob("*.codes"), *folder.glob("*.coming"), *folder.glob(".*.tmp")]
    assert len(re.findall(r"cannot be written: it needs [\d.]+ GB free, and [\d.]+ are; free some", caplog.text)) == 2


def test_one_process_writes_what_all_open(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The others wait for it, and then find it; but not for one that hangs."""
    published(crowd_of(0, set(), set()), tmp_path / "one", server)
    folder = tmp_path / "codes"
    written: list[Path] = []

    def noted(path: Path, *asked: Any) -> None:
        written.append(path)
        write_codes(path, *asked)

    monkeypatch.setattr(shared, "write_codes", noted)
    libraries = [Library(server, "crowd", codes=folder) for _ in range(4)]
    with ThreadPoolExecutor(4) as threads:
        for _ in threads.map(lambda library: library.read_codes(library.published()), libraries):
            pass
    assert len(written) == 1
    expect_exact(libraries[3], libraries[3].published())

    the_file(folder).unlink()
    hanging = FileLock(folder / f".{server.database_name('crowd')}.lock")
    assert hanging.take()
    monkeypatch.setattr(shared, "WRITING_SECONDS", 0)
    libraries.append(Library(server, "crowd", codes=folder))
    libraries[4].read_codes(libraries[4].published())
    assert len(written) == 2
    hanging.release()
    for library in libraries:
        library.close()


def test_codes_need_no_folder(server: Server, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Where none is given, and where none can be made, a process keeps them to itself."""
    published(crowd_of(0, set(), set()), tmp_path / "one", server)
    (tmp_path / "file").write_bytes(b"")
    for folder in (None, tmp_path / "file" / "codes"):
        library = Library(server, "crowd", codes=folder)
        expect_exact(library, library.published())
        library.close()
    assert caplog.text.count("codes are kept in the memory of this process alone") == 1


def test_codes_of_another_version_are_never_used(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whether it went live before the codes were read, while they were, or after: the search is to be repeated."""
    monkeypatch.setattr(publishing_stage, "UPDATED_SHARE", 10.0)
    published(crowd_of(0, set(), set()), tmp_path / "0", server)
    library = Library(server, "crowd")
    vector = np.ones(DIM, dtype=np.float32) / np.float32(np.sqrt(DIM))
    told = CodesInUse._told

    def ask(version: Published) -> list[Ranked]:
        return library.nearest_views(version, vector, Request(limit=COUNT, breadth=WIDE))

    old = library.published()
    published(crowd_of(0, {1}, set()), tmp_path / "1", server)
    with pytest.raises(VersionChangedError):
        ask(old)

    def overtaken(self: CodesInUse, version: Published) -> Any:
        before = told(self, version)
        published(crowd_of(0, {1}, {2}), tmp_path / "2", server)
        return before

    current = library.published()
    with monkeypatch.context() as patch:
        patch.setattr(CodesInUse, "_told", overtaken)
        with pytest.raises(VersionChangedError):
            ask(current)
    current = library.published()
    assert ask(current)
    published(crowd_of(0, set(), {2}), tmp_path / "3", server)
    with pytest.raises(VersionChangedError):
        ask(current)
    expect_exact(library, library.published())
    library.close()


def test_a_reader_follows_a_change_without_reading_everything(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, readings: list[tuple[int, list[str]]]
) -> None:
    """What was published as a whole stays in memory; only what came since is read."""
    monkeypatch.setattr(publishing_stage, "UPDATED_SHARE", 10.0)
    published(crowd_of(0, set(), set()), tmp_path / "0", server)
    library = Library(server, "crowd")
    library.read_codes(library.published())
    readings.clear()
    for step in (1, 2, 3):
        published(crowd_of(0, {step}, {step + 10}), tmp_path / f"{step}", server)
        library.read_codes(library.published())
    assert [first for first, _ in readings] == [1, 2, 3]
    expect_exact(library, library.published())
    library.close()


def test_the_same_version_that_is_changed_in_another_way_is_read_again(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Published as a whole again it has the same edition 0, but its first change is another."""
    library, identities = Library(server, "crowd"), set()
    for step, changed in enumerate(({4}, {5})):
        monkeypatch.setattr(publishing_stage, "UPDATED_SHARE", -1.0)
        published(crowd_of(0, set(), set()), tmp_path / f"{step}", server)
        monkeypatch.setattr(publishing_stage, "UPDATED_SHARE", 10.0)
        published(crowd_of(0, {step}, changed), tmp_path / f"{step} changed", server)
        expect_exact(library, library.published())
        snapshot = library._codes._snapshot
        assert snapshot is not None
        identities.add((snapshot.base.identity, snapshot.edition))
    assert len(identities) == 1
    library.close()


def test_a_search_with_labels_that_sees_a_change_first_reads_only_what_came_since(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It says that another version is live, and throws away neither edition 0 nor what others have read meanwhile."""
    monkeypatch.setattr(publishing_stage, "UPDATED_SHARE", 10.0)
    published(crowd_of(0, set(), set()), tmp_path / "0", server)
    library = Library(server, "crowd")
    codes, before = library._codes, library.published()
    old = codes.of(before)
    assert old is not None
    vector = np.ones(DIM, dtype=np.float32) / np.float32(np.sqrt(DIM))
    even = Request(limit=COUNT, breadth=WIDE, conditions=conditions({"tags": "even"}))
    published(crowd_of(0, {1}, {11}), tmp_path / "1", server)
    with pytest.raises(VersionChangedError):
        library.nearest_views(before, vector, even)
    after = library.published()
    new = codes.of(after)
    assert new is not None
    assert new is not old
    assert new.base is old.base
    with codes._lock, pytest.raises(VersionChangedError):  # others that read codes keep nobody waiting here
        codes._expect_numbers_of(old)
    assert codes.of(after) is new
    expect_exact(library, after)
    library.close()


@pytest.mark.parametrize("fails", [False, True])
def test_the_file_of_the_live_version_stays_until_another_is_live(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, fails: bool
) -> None:
    """Whoever starts meanwhile opens it, and takes nothing from the coming one, whose file stays if it goes live."""
    published(crowd_of(0, set(), set()), tmp_path / "0", server)
    folder = tmp_path / "0" / "cache" / "codes"
    old, written = the_file(folder), the_file(folder).stat()
    monkeypatch.setattr(publishing_stage, "UPDATED_SHARE", -1.0)
    during: list[Path] = []

    def meanwhile(*arguments: Any) -> Any:
        fresh = Library(server, "crowd", codes=folder)
        fresh.read_codes(fresh.published())
        fresh.close()
        assert os.path.samestat(old.stat(), written)
        during.extend(
            path for path in folder.iterdir() if path not in {old, folder / f".{server.database_name('crowd')}.lock"}
        )
        return 1 / 0 if fails else calibrate(*arguments)

    monkeypatch.setattr(publishing_stage, "calibrate", meanwhile)
    workspace = Workspace(tmp_path / "0")
    crowd_of(0, {1}, {2}).write(workspace)
    with pytest.raises(ZeroDivisionError) if fails else nullcontext():
        publish("crowd", workspace, server, index_kind="codes", max_assets=None, reporter=SilentReporter())
    (new,) = during
    assert the_file(folder) == (old if fails else new.with_suffix(".codes"))
    assert not [*folder.glob("*.coming")]
    assert "codes" not in {thread.name for thread in threading.enumerate()}
    library = Library(server, "crowd", codes=folder)
    expect_exact(library, library.published())
    library.close()


def test_few_vectors_have_no_codes(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """From an asset that has none on; they are compared one by one, also when some are added in place."""
    monkeypatch.setattr(writing, "FEWEST", 10_000)
    monkeypatch.setattr(publishing_stage, "UPDATED_SHARE", 10.0)
    library = Library(server, "crowd")
    for step, gone in enumerate(({*range(1, COUNT)}, {*range(2, COUNT)}, set[int]())):
        crowd = crowd_of(0, gone, set())
        published(crowd, tmp_path / f"{step}", server)
        version = library.published()
        assert version.assets == len(crowd.assets)
        expect_exact(library, version)
    library.close()
    with server.connect("crowd") as connection:
        assert connection.execute("SELECT part FROM live.codes").fetchall() == [("identity",)]


def test_codes_that_cannot_be_written_leave_the_version_as_it_was(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whether it is changed in place or published anew: what was live goes on answering, with its codes."""
    monkeypatch.setattr(publishing_stage, "UPDATED_SHARE", 10.0)
    published(crowd_of(0, set(), set()), tmp_path / "0", server)
    library = Library(server, "crowd")
    before = library.published()
    for method, share in (("change", 10.0), ("write_all", -1.0)):
        with monkeypatch.context() as patch:
            patch.setattr(publishing_stage, "UPDATED_SHARE", share)
            patch.setattr(Edition, "add", lambda *_: 1 / 0)
            with pytest.raises(ZeroDivisionError):
                published(crowd_of(0, {4}, {7}), tmp_path / method, server)
        assert library.published().content == before.content
        expect_exact(library, before)
    published(crowd_of(0, {4}, {7}), tmp_path / "again", server)
    expect_exact(library, library.published())
    library.close()


def test_threads_that_search_meanwhile_mix_no_versions(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each answer is the exact one of the version that it names, while versions are changed and published anew."""
    published(crowd_of(0, set(), set()), tmp_path / "0", server)
    library = Library(server, "crowd", codes=tmp_path / "codes")
    vector = np.ones(DIM, dtype=np.float32) / np.float32(np.sqrt(DIM))
    wide = Request(limit=COUNT, breadth=WIDE, conditions=conditions({"tags": "even"}))
    ended = Event()

    def search() -> list[tuple[str, list[Ranked]]]:
        answers = []
        while not ended.is_set():
            with suppress(VersionChangedError):
                version = library.published()
                answers.append((version.content, library.nearest_views(version, vector, wide)))
        return answers

    expected = {}
    with ThreadPoolExecutor(3) as threads:
        searching = [threads.submit(search) for _ in range(3)]
        try:
            for step, share in enumerate((10.0, -1.0, 10.0)):
                version = library.published()
                expected[version.content] = library.nearest_views(version, vector, replace(wide, exact=True))
                monkeypatch.setattr(publishing_stage, "UPDATED_SHARE", share)
                published(crowd_of(0, {step, step + 20}, {40 + step}), tmp_path / f"{step} later", server)
            version = library.published()
            expected[version.content] = library.nearest_views(version, vector, replace(wide, exact=True))
        finally:
            ended.set()
        answers = [answer for each in searching for answer in each.result()]
    library.close()
    assert len({content for content, _ in answers}) > 1
    for content, answer in answers:
        assert answer == expected[content]


def test_the_same_content_published_again_may_have_other_numbers(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Labels are numbered anew; a reader that did not look meanwhile is told to, and then finds the same."""
    monkeypatch.setattr(publishing_stage, "UPDATED_SHARE", 10.0)
    workspace = Workspace(tmp_path / "0")
    library = Library(server, "crowd")
    last = crowd_of(0, {0, 1, 2}, set())
    published(crowd_of(0, set(range(3, 40)), set()), tmp_path / "first", server)
    published(last, workspace.folder, server)
    version = library.published()
    expect_exact(library, version)
    numbers = library._reader.rows(query("labels_named"), {"fields": ["tags"], "values": ["even"]})

    monkeypatch.setattr(publishing_stage, "UPDATED_SHARE", -1.0)
    for kind in ("exact", "codes"):
        publish("crowd", workspace, server, index_kind=kind, max_assets=None, reporter=SilentReporter())
    assert library._reader.rows(query("labels_named"), {"fields": ["tags"], "values": ["even"]}) != numbers
    assert library.published().content == version.content
    vector = np.ones(DIM, dtype=np.float32) / np.float32(np.sqrt(DIM))
    even = Request(limit=COUNT, breadth=WIDE, conditions=conditions({"tags": "even"}))
    with pytest.raises(VersionChangedError):
        library.nearest_views(version, vector, even)
    expect_exact(library, version)
    library.close()


def test_a_restore_makes_codes_again(server: Server, elsewhere: Server, tmp_path: Path) -> None:
    """They are in no backup, as they come from the vectors that are."""
    published(crowd_of(0, set(), set()), tmp_path / "workspace", server)
    workspace, snapshots = Workspace(tmp_path / "workspace"), tmp_path / "snapshots"
    backup(workspace, server, ["crowd"], snapshots, BackupOptions(), SilentReporter())
    restore(snapshots, tmp_path / "other", lambda: elsewhere, RestoreOptions(), SilentReporter())
    with held_version(server, "crowd") as held:
        assert held is not None
        assert "codes" not in held.columns
    parts = "SELECT part, count(*) FROM live.codes GROUP BY part ORDER BY part"
    with server.connect("crowd") as one, elsewhere.connect("crowd") as other:
        assert other.execute(parts).fetchall() == one.execute(parts).fetchall()
    library = Library(elsewhere, "crowd", codes=tmp_path / "other" / "cache" / "codes")
    expect_exact(library, library.published())
    library.close()
