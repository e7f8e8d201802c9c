"""What access costs each request: hosts, keys, limits and the deadline; and what bounding connections costs.

Both are measured with and without, in turns, in one run. Without arguments: ``python benchmarks/access.py``.
"""

from __future__ import annotations

import asyncio
import http.client
import socket
import statistics
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import uvicorn
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message

from meshseek.access.keys import make_key
from meshseek.access.keys_file import KeysFile
from meshseek.access.ring import KeyRing
from meshseek.interfaces.http.deadline import Deadline
from meshseek.interfaces.http.gate import Access, Gate
from meshseek.interfaces.http.hosts import Hosts
from meshseek.interfaces.http.protocol import BoundedProtocol
from meshseek.interfaces.http.rates import Rates
from meshseek.settings import read_settings

REQUESTS = 1000
ROUNDS = 15
APP = JSONResponse({"status": "ready"})


def guarded(folder: Path) -> ASGIApp:
    """The application behind everything that asks who may use it, as the API has it."""
    gate = Gate(read_settings(workspace=folder), KeyRing(folder))
    rates = Rates("1000000000/day", "1000000000/day")  # so that nothing is refused, and everything is counted
    return Hosts(Access(Deadline(APP, 30.0), gate=gate, rates=rates))


def request(key: str) -> dict[str, Any]:
    """A request as a browser would send it, from another machine."""
    names = ("host", "user-agent", "accept", "accept-encoding", "connection", "content-type", "content-length")
    values = ("192.168.1.5:8000", "Mozilla/5.0 (X11; Linux x86_64)", "*/*", "gzip, deflate", "keep-alive")
    headers = [*zip(names, (*values, "application/json", "24"), strict=True), ("authorization", f"Bearer {key}")]
    return {
        "type": "http",
        "method": "POST",
        "path": "/search/text",
        "headers": [(name.encode(), value.encode()) for name, value in headers],
        "server": ("192.168.1.5", 8000),
        "client": ("192.168.1.9", 50000),
    }


async def milliseconds(app: ASGIApp, scope: dict[str, Any]) -> float:
    """Of the processor for one request, over many: nothing waits, and other programs do not count."""
    statuses = set()

    async def send(message: Message) -> None:
        statuses.add(message.get("status", 200))

    async def receive() -> Message:
        return {"type": "http.request", "body": b"", "more_body": False}

    started = time.process_time()
    for _ in range(REQUESTS):
        await app({**scope, "headers": list(scope["headers"]), "state": {}}, receive, send)
    assert statuses == {200}
    return 1000 * (time.process_time() - started) / REQUESTS


@contextmanager
def served(protocol: Any) -> Iterator[http.client.HTTPConnection]:
    """A connection to a server of this process."""
    server = uvicorn.Server(uvicorn.Config(APP, http=protocol, lifespan="off", log_level="error"))
    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
        thread.start()
        connection = http.client.HTTPConnection(*listening.getsockname())
        try:
            yield connection
        finally:
            connection.close()
            server.should_exit = True
            thread.join()


def latency(connection: http.client.HTTPConnection) -> float:
    """Median milliseconds of a request over a socket."""
    times = []
    for _ in range(REQUESTS):
        started = time.perf_counter()
        connection.request("GET", "/")
        connection.getresponse().read()
        times.append(time.perf_counter() - started)
    return 1000 * statistics.median(times)


def told(name: str, values: list[float]) -> None:
    """One line: the median of all rounds, and the best and worst of them."""
    print(f"{name:<32}{statistics.median(values):8.3f} ms   ({min(values):.3f} to {max(values):.3f})")


def main() -> None:
    """Measure, and print."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for number in range(100):
            key, kept = make_key(f"key{number}", "read")
            KeysFile(folder).add(kept)
        access: dict[str, list[float]] = {"without": [], "with": []}

        async def measure() -> None:
            apps: dict[str, ASGIApp] = {"without": APP, "with": guarded(folder)}
            for _ in range(ROUNDS):
                for name, app in apps.items():
                    access[name].append(await milliseconds(app, request(key)))

        asyncio.run(measure())
    for name, values in access.items():
        told(f"a request {name} access", values)
    cost = statistics.median(access["with"]) - statistics.median(access["without"])
    print(f"{'access costs':<32}{cost:8.3f} ms")

    protocols: dict[str, Any] = {"httptools": "httptools", "h11": "h11", "h11 with bounds": BoundedProtocol}
    spoken: dict[str, list[float]] = {name: [] for name in protocols}
    for _ in range(ROUNDS // 3):
        for name, protocol in protocols.items():
            with served(protocol) as connection:
                spoken[name].append(latency(connection))
    for name, values in spoken.items():
        told(f"a request over {name}", values)


if __name__ == "__main__":
    main()
