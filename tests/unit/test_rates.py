"""How often who may ask: in this process, and counted together in Redis."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import socket
import subprocess
import time
from collections.abc import Coroutine, Iterator
from pathlib import Path
from typing import Any, TypeVar

import pytest
import redis
from tests.conftest import free_port

from meshseek.errors import SettingsError
from meshseek.interfaces.http import rates
from meshseek.interfaces.http.rates import BoundedMemory, Rates

Value = TypeVar("Value")


def run(work: Coroutine[Any, Any, Value]) -> Value:
    """The value of what is awaited."""
    return asyncio.run(work)


def test_a_limit_is_kept_and_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    """So many, then none until the window is over, then so many again; each name and each kind by itself."""
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now)
    counted = Rates("2/minute", "1/second")

    async def asked(number: int, name: str = "a") -> list[int | None]:
        return [await counted.of_key(name) for _ in range(number)]

    assert run(asked(3)) == [None, None, 60]
    assert run(asked(1, "b")) == [None]
    assert run(counted.of_address("a", has_key=True)) is None
    assert run(counted.of_address("a", has_key=True)) == 1
    now += 59.5
    assert run(asked(1)) == [1]
    now += 0.5
    assert run(asked(3)) == [None, None, 60]


def test_a_clock_that_is_put_back_locks_nobody_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """A window is never longer than it is."""
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now)
    counted = Rates("1/minute", None)
    assert run(counted.of_key("a")) is None
    now -= 86_400
    assert run(counted.of_key("a")) is None
    assert run(counted.of_key("a")) == 60


def test_what_is_counted_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Addresses without number take no more memory, share one count, and do not disturb who has a key."""
    monkeypatch.setattr(rates, "MOST_COUNTED", 10)
    counted = Rates("5/minute", "5/minute")

    async def flood() -> tuple[list[int | None], list[int | None]]:
        strangers = [await counted.of_address(str(number), has_key=False) for number in range(1000)]
        friends = [await counted.of_address(str(number), has_key=True) for number in range(10)]
        return strangers, friends

    strangers, friends = run(flood())
    assert [wait is None for wait in strangers] == [True] * 15 + [False] * 985
    assert friends == [None] * 10
    memory = counted._here[False].storage
    assert isinstance(memory, BoundedMemory)
    assert len(memory.storage) == len(memory.expirations) == 11


def test_what_is_over_makes_room(monkeypatch: pytest.MonkeyPatch) -> None:
    """Windows that ended are forgotten when there are too many."""
    monkeypatch.setattr(rates, "MOST_COUNTED", 10)
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now)
    memory = BoundedMemory()

    async def count(names: range) -> int:
        return max([await memory.incr(str(name), 60) for name in names])

    assert run(count(range(20))) == 10
    now += 61
    assert run(count(range(20, 29))) == 1
    assert len(memory.storage) <= 11


@pytest.mark.parametrize("url", ["localhost:6379", "http://localhost", "memory://", "redis://localhost:port", ""])
def test_a_storage_that_is_none(url: str) -> None:
    """It is refused in one line before the service starts."""
    if not url:
        assert Rates("1/minute", None, None)._there is None
        return
    with pytest.raises(SettingsError, match=r"^MESHSEEK_RATE_LIMIT_STORAGE cannot be used; [^\n]*redis://[^\n]*$"):
        Rates("1/minute", None, url)


def test_a_storage_that_is_away_neither_opens_nor_hangs(caplog: pytest.LogCaptureFixture) -> None:
    """Whether nothing listens there, or it takes connections and says nothing: each service counts by itself."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        for port in (free_port(), silent.getsockname()[1]):
            counted = Rates("2/minute", None, f"redis://:secret@127.0.0.1:{port}/0")

            async def asked(counted: Rates = counted) -> list[int | None]:
                waits = [await counted.of_key("a") for _ in range(5)]
                await counted.close()
                return waits

            assert [wait is None for wait in run(asked())] == [True, True, False, False, False]
            assert counted._away_until > time.monotonic()
    assert len(caplog.records) == 2
    assert "each service counts alone" in caplog.text
    assert "secret" not in caplog.text


@pytest.fixture
def redis_url(tmp_path: Path) -> Iterator[str]:
    """A Redis of this test only."""
    program = shutil.which("redis-server")
    if program is None:
        pytest.skip("redis-server is not installed")
    port = free_port()
    process = subprocess.Popen(
        [program, "--port", str(port), "--save", "", "--dir", str(tmp_path)], stdout=subprocess.DEVNULL
    )
    deadline = time.monotonic() + 20
    try:
        with redis.Redis(port=port) as client:
            while True:
                assert time.monotonic() < deadline
                with contextlib.suppress(redis.ConnectionError):
                    client.ping()
                    break
        yield f"redis://127.0.0.1:{port}/0"
    finally:
        process.terminate()
        process.wait(20)


def test_services_count_together(redis_url: str) -> None:
    """What one let in counts for the other as well."""
    services = [Rates("3/minute", "1/minute", redis_url) for _ in range(2)]

    async def asked() -> list[int | None]:
        waits = [await service.of_key("a") for _ in range(2) for service in services]
        for service in services:
            await service.close()
        return waits

    waits = run(asked())
    assert [wait is None for wait in waits] == [True, True, True, False]
    assert 1 <= (waits[-1] or 0) <= 60
