"""How many searches are let in, and what an index build is planned with."""

from __future__ import annotations

import threading
import time

import pytest

from meshseek.errors import BusyError
from meshseek.search import admission
from meshseek.search.admission import Admission
from meshseek.store.indexes import INDEXES
from meshseek.store.write.index_build import LEAST_MEMORY, plan_build


def test_a_few_run_some_wait_and_the_rest_are_turned_away() -> None:
    """With one inside and one at the door the third is refused at once, and the second gets in."""
    door = Admission(running=1, waiting=1)
    inside, leave, entered = threading.Event(), threading.Event(), threading.Event()

    def first() -> None:
        with door.admitted():
            inside.set()
            leave.wait(10)

    def second() -> None:
        with door.admitted():
            entered.set()

    threads = [threading.Thread(target=first), threading.Thread(target=second)]
    threads[0].start()
    assert inside.wait(10)
    threads[1].start()
    deadline = time.monotonic() + 10
    while door._places._value:
        assert time.monotonic() < deadline, "the second never came to the door"
        time.sleep(0.001)
    with pytest.raises(BusyError, match="try again in a second"), door.admitted():
        pass
    assert not entered.is_set()
    leave.set()
    for thread in threads:
        thread.join()
    assert entered.is_set()
    with door.admitted():
        pass


def test_none_waits_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    """What waits for a turn that does not come is told to come back, and leaves its place."""
    monkeypatch.setattr(admission, "WAIT_SECONDS", 0.01)
    door = Admission(running=1, waiting=1)
    with door.admitted():
        for _ in range(3):
            with pytest.raises(BusyError, match="take too long"), door.admitted():
                pass
    assert door.refused == 3
    with door.admitted():
        pass


def test_a_search_that_fails_leaves_its_place() -> None:
    """Otherwise the door would close for good."""
    door = Admission(running=1, waiting=0)
    for _ in range(3):
        with pytest.raises(RuntimeError), door.admitted():
            raise RuntimeError
    with door.admitted():
        pass


def test_a_build_gets_what_it_needs_or_what_is_there() -> None:
    """Memory for the whole graph where there is so much, else all that is free, told as slower; a worker a core."""
    node = INDEXES.load("hnsw")().node(768)
    plenty = plan_build(1_000_000, 768, node, free=1 << 40, cores=4)
    little = plan_build(1_000_000, 768, node, free=1 << 29, cores=1)

    assert plenty.needed == 1_000_000 * node.memory <= plenty.memory
    assert (plenty.workers, little.workers) == (3, 0)
    assert little.memory == 1 << 29
    assert little.seconds > 4 * plenty.seconds
    assert "so it is slower" in str(little)
    assert "so it is slower" not in str(plenty)
    assert plan_build(0, 768, node, free=0, cores=1).memory == LEAST_MEMORY


@pytest.mark.parametrize(
    ("kind", "memory", "disk"), [("hnsw", 2836, 2120), ("hnsw_binary", 1396, 600), ("exact", 0, 0)]
)
def test_a_build_is_planned_for_its_kind(kind: str, memory: int, disk: int) -> None:
    """Bytes a vector of 768 dimensions: within a fifth of what was measured on the disk, and told apart from memory."""
    plan = plan_build(1 << 20, 768, INDEXES.load(kind)().node(768), free=1 << 40, cores=1)

    assert plan.needed >> 20 == memory
    assert disk <= plan.disk >> 20 <= 1.2 * disk
    assert f"{memory:,} MB of memory, {plan.disk >> 20:,} MB of disk" in str(plan)
