"""A library on shards, without servers: what is asked of which part, what is merged, and what is refused."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import copy_context
from functools import partial
from pathlib import Path
from threading import Event

import numpy as np
import pytest

from meshseek.bootstrap import Meshseek
from meshseek.deadlines import set_deadline
from meshseek.errors import DatabaseDownError, DatabaseError, NotPublishedError, SettingsError, TooSlowError
from meshseek.model import Ranked
from meshseek.settings import read_settings
from meshseek.store.postgres import Server
from meshseek.store.read.fan_out import PartFailedError, ask_all
from meshseek.store.read.library import Library
from meshseek.store.read.live_shards import BegunAnewError, LiveShards
from meshseek.store.read.merging import MergedExact, merged_lists, merged_rankings
from meshseek.store.read.plan import Plan
from meshseek.store.read.published import VersionChangedError
from meshseek.store.read.shard_asker import ShardAsker
from meshseek.store.read.shard_version import ShardVersion
from meshseek.store.read.sharded import ShardedLibrary
from meshseek.store.shards import LiveRow, Shards, shard_of

DERIVED = {"sample", "likeness", "last_known", "known"}
"""What is made of the others."""
SHARDS = "postgresql://me:secret@one/postgres, postgresql://me:secret@two:5433/postgres"  # pragma: allowlist secret
DATABASE = "postgresql://me:secret@one/postgres"  # pragma: allowlist secret


class Losing:
    """Gives a version of three parts that nobody can ask; one of them is left out from some time on.

    Args:
        number: Of that one.
        after: Times that all are given before.
    """

    def __init__(self, number: int, after: int) -> None:
        server = Server(lambda: "postgresql://127.0.0.1:1/postgres")
        self.version = ShardVersion(None, [Library(server, "toy") for _ in range(3)])
        self._number, self._left = number, after

    @contextmanager
    def taken(self) -> Iterator[tuple[ShardVersion, Sequence[int]]]:
        """All parts, or all but one."""
        self._left -= 1
        yield self.version, [number for number in range(3) if self._left >= 0 or number != self._number]

    def look(self) -> None:
        """Nothing else is live."""

    def failed(self, version: ShardVersion, number: int, error: DatabaseError) -> Exception:
        """What is asked is to be asked anew."""
        assert version is self.version, (number, error)
        return BegunAnewError()

    def down(self, number: int) -> DatabaseError:
        """It is named."""
        return DatabaseDownError(f"shard {number + 1} of 3 does not answer")

    def open_now(self) -> ShardVersion | None:
        """The only one."""
        return self.version

    def states(self) -> dict[str, bool]:
        """Of nobody."""
        return {}

    def close(self) -> None:
        """Nothing was opened."""


def test_everything_that_a_library_can_is_asked_of_all_shards() -> None:
    """A method that one server answers and shards do not know would ask nobody."""
    public = {name for kind in Library.__mro__ for name in vars(kind) if kind is not object and name[0] != "_"}
    assert public - {*vars(ShardedLibrary)} == DERIVED


def test_every_asset_lies_on_one_shard() -> None:
    """By a hash that is the same in every process and version of ours, and spreads evenly."""
    ids = [f"things/{number:05d}" for number in range(30_000)]
    counts = [sum(shard_of(asset_id, 3) == number for asset_id in ids) for number in range(3)]
    assert min(counts) > 9_700
    assert [shard_of(asset_id, 1000) for asset_id in ("a", "toys/000", "椅子", "\ud800")] == [343, 656, 722, 464]


def test_rankings_are_merged_as_one_server_orders_them() -> None:
    """Those that are named first, then by score, equal ones by id."""
    first = [Ranked(asset_id="z", score=0.1, is_named=True), Ranked(asset_id="b", score=0.9)]
    second = [Ranked(asset_id="a", score=0.9), Ranked(asset_id="c", score=0.5)]
    assert [ranked.asset_id for ranked in merged_rankings([first, second], 3)] == ["z", "a", "b"]
    assert merged_lists([{"x": ["b"]}, {"x": ["a"], "y": ["c"]}]) == {"x": ["a", "b"], "y": ["c"]}


@pytest.mark.parametrize("count", [10, 60, 1000])
def test_a_part_is_asked_for_all_that_it_may_have(count: int) -> None:
    """Of the best of all, in thousands of libraries; a single server is asked for all of them."""
    whole = Plan(query="views_two_stage", ef=4 * count, candidates=count, compared=count, enough=count)
    plan = whole.on_one_of(3)
    most = np.random.default_rng(0).binomial(count, 1 / 3, size=10_000).max()
    assert most <= plan.candidates < max(count, 11)
    assert plan.enough == plan.compared == plan.candidates <= plan.ef
    assert whole.on_one_of(1) == whole


def test_a_part_that_fails_is_told_by_its_number() -> None:
    """Whatever the others say."""

    def fail() -> int:
        raise ValueError("broken")

    with ThreadPoolExecutor(2) as executor, pytest.raises(PartFailedError) as failed:
        ask_all([executor] * 5, {0: lambda: 1, 4: fail})
    assert failed.value.number == 4
    assert isinstance(failed.value.__cause__, ValueError)


def test_a_part_that_is_late_is_not_waited_for() -> None:
    """No longer than somebody waits for the answer."""

    def ask() -> None:
        set_deadline(0.05)
        with pytest.raises(PartFailedError) as failed:
            ask_all([executor] * 2, {0: lambda: None, 1: lambda: time.sleep(1)})
        assert failed.value.number == 1
        assert isinstance(failed.value.__cause__, TooSlowError)

    with ThreadPoolExecutor(2) as executor:
        copy_context().run(ask)


def test_shards_are_settings(tmp_path: Path) -> None:
    """Separated by commas; they take the place of one server and its replicas, and their passwords are not shown."""
    settings = read_settings(workspace=tmp_path, shards=SHARDS)
    meshseek = Meshseek(settings)
    assert isinstance(meshseek.databases, Shards)
    assert meshseek.databases.called(1) == "shard 2 of 2 (two:5433)"
    assert "secret" not in repr(settings)
    assert settings.has_named_servers
    assert not read_settings(workspace=tmp_path).has_named_servers
    (tmp_path / "meshseek.toml").write_text('shards = ["postgresql://one,two/postgres", "postgresql://three/postgres"]')
    listed = Meshseek(read_settings(workspace=tmp_path)).databases
    assert isinstance(listed, Shards)
    assert listed.called(0) == "shard 1 of 2 (one,two:5432)"
    (tmp_path / "meshseek.toml").unlink()
    with pytest.raises(SettingsError, match="this knows one database server, and MESHSEEK_SHARDS names several"):
        _ = meshseek.server
    for other in ("database_url", "read_database_urls"):
        with pytest.raises(SettingsError, match=f"MESHSEEK_SHARDS .*MESHSEEK_{other.upper()} as well"):
            read_settings(workspace=tmp_path, shards=SHARDS, **{other: DATABASE})


def test_an_address_that_is_none_is_told(tmp_path: Path) -> None:
    """At once, without what it says."""
    meshseek = Meshseek(read_settings(workspace=tmp_path, shards=f"{DATABASE}, postgresql://me:secret@[nowhere"))
    with pytest.raises(DatabaseError, match=r"^MESHSEEK_SHARDS is no address of a database; write [^!]*$") as error:
        _ = meshseek.databases
    assert "secret" not in str(error.value)


def test_names_that_postgresql_would_cut_off_are_refused() -> None:
    """Two databases might become one."""
    shards = Shards([Server(lambda: DATABASE, "p" * 40)])
    with pytest.raises(DatabaseError, match="give a shorter MESHSEEK_DATABASE_PREFIX"):
        shards.version(LiveRow("0" * 12, 1), "siglip")


@pytest.mark.parametrize("after", [0, 1])
def test_an_asset_of_a_shard_that_is_not_asked_is_not_read(after: int) -> None:
    """Whether it was let go before, or just now; that is told, and the asset is not said to be missing."""
    library = ShardedLibrary(Losing(0, after), "toy", 3)
    lost = next(name for name in map(str, range(100)) if shard_of(name, 3) == 0)
    with pytest.raises(DatabaseDownError, match="shard 1 of 3 does not answer"):
        library.asset(lost)


def test_what_measures_needs_the_whole_library() -> None:
    """Nothing is measured, and no judgement looked up, in what some of the shards have."""
    library = ShardedLibrary(Losing(0, 0), "toy", 3)
    for ask in (library.known_as, library.with_uids):
        with pytest.raises(DatabaseDownError, match="shard 1 of 3 does not answer"):
            ask(["chair"])


def test_each_shard_hears_how_many_are_asked() -> None:
    """Fewer that are asked tell more each, so that a deep page of a partial answer is as full as any."""
    for after, count in ((1, 3), (0, 2)):
        assert ShardAsker(Losing(0, after), 3).ranked(lambda _, among: among) == [count] * count


def test_a_part_that_nobody_waits_for_is_not_asked() -> None:
    """What waits for a thread of a late part is given up where another one has failed."""
    late, asked = Event(), Event()
    with ThreadPoolExecutor(1) as first, ThreadPoolExecutor(1) as second:
        second.submit(late.wait)
        with pytest.raises(PartFailedError):
            ask_all([first, second], {0: lambda: 1 / 0, 1: asked.set})
        late.set()
    assert not asked.is_set()


def test_what_was_closed_says_so() -> None:
    """Whoever asks a library that is closed hears that the service stops, and of no shard."""
    shards = Shards([Server(lambda: "postgresql://127.0.0.1:1/postgres")] * 2)
    for source in (Losing(0, 9), LiveShards(shards, "toy", None)):
        library = ShardedLibrary(source, "toy", 2)
        library.close()
        with pytest.raises(DatabaseDownError, match=r"^its connections are closed, for the service is stopping; "):
            library.known_as(["chair"])


def test_a_shard_is_not_up_before_anything_is_open() -> None:
    """Nobody has asked it."""
    source = LiveShards(Shards([Server(lambda: "postgresql://127.0.0.1:1/postgres")] * 2), "toy", None)
    assert source.states() == {"shard 1": False, "shard 2": False}


class Dropped:
    """The exact answers of a part whose version was given back."""

    def by(self, *_: object) -> Iterator[int]:
        """Its database is not there any more."""
        yield 1
        raise NotPublishedError("nothing is published")


def test_exact_answers_of_a_version_that_is_gone_are_begun_anew() -> None:
    """As on one server, where another version has gone live meanwhile."""
    source = Losing(0, 9)
    exact = MergedExact([Dropped()], 10, partial(source.failed, source.version))
    with pytest.raises(VersionChangedError):
        list(exact.by("caption", ("english_embedding", "chinese_embedding"), []))
