"""Clients: those that ask and check, and those that are slow, or hang up."""

from __future__ import annotations

import contextlib
import json
import random
import socket
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException
from urllib.parse import quote

from meshseek.pipeline.synthetic import ALGORITHM
from tests.soak.model import QUESTIONS, Model, body

DEADLINE = 32.0
"""Seconds in which every request must have its answer: those of the API, and a margin for a busy machine."""
DOCUMENTED = {200, 503}
HEADERS = {"Content-Type": "application/json"}


@dataclass(slots=True)
class Record:
    """What the clients saw; they share it."""

    statuses: Counter[int | str] = field(default_factory=Counter)
    milliseconds: list[float] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    late: list[str] = field(default_factory=list)
    undocumented: list[str] = field(default_factory=list)
    cut: list[float] = field(default_factory=list)
    """When a connection was refused or broke."""
    good: list[float] = field(default_factory=list)
    """When a search was answered."""


class Clients:
    """Threads that ask until they are told to stop.

    Args:
        port: Of the API.
        model: What is right.
        count: How many ask at a time.
    """

    def __init__(self, port: int, model: Model, count: int) -> None:
        self.record = Record()
        self._port = port
        self._model = model
        self._over = threading.Event()
        bad = max(1, count // 8)
        work = [*[self._ask] * count, *[self._send_slowly] * bad, *[self._read_slowly] * bad, *[self._hang_up] * bad]
        self._threads = [threading.Thread(target=one, args=[number], daemon=True) for number, one in enumerate(work)]

    def start(self) -> None:
        """Begin."""
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """End, and wait for what is under way."""
        self._over.set()
        for thread in self._threads:
            thread.join(DEADLINE + 10)
            if thread.is_alive():
                self.record.late.append("a client never had its answer")

    def _ask(self, seed: int) -> None:
        chance = random.Random(seed)
        connection = HTTPConnection("127.0.0.1", self._port, timeout=DEADLINE + 5)
        while not self._over.is_set():
            began = time.monotonic()
            try:
                self._ask_one(connection, chance)
            except (HTTPException, OSError) as error:
                connection.close()
                if time.monotonic() - began > DEADLINE:
                    self.record.late.append(f"no answer in {DEADLINE:.0f} s ({error!r})")
                self.record.statuses["no connection"] += 1
                self.record.cut.append(time.monotonic())
                self._over.wait(0.1)
            if time.monotonic() - began > DEADLINE:
                self.record.late.append(f"{time.monotonic() - began:.1f} s")
        connection.close()

    def _ask_one(self, connection: HTTPConnection, chance: random.Random) -> None:
        number, exact, kind = chance.randrange(QUESTIONS), chance.random() < 0.5, chance.random()
        began = time.monotonic()
        asset = quote(chance.choice(self._model.asset_ids))
        if kind < 0.8:
            connection.request("POST", "/search/text", json.dumps(body(number, exact=exact)), HEADERS)
        else:
            paths = (f"/assets/{asset}", f"/assets/{asset}/similar?algorithm={ALGORITHM}", "/health")
            connection.request("GET", paths[int(kind * 1000) % 3])
        answer = connection.getresponse()
        content = answer.read()
        record = self.record
        record.milliseconds.append(1000 * (time.monotonic() - began))
        record.statuses[answer.status] += 1
        if answer.status not in DOCUMENTED:
            record.undocumented.append(f"HTTP {answer.status}: {content[:200]!r}")
        elif answer.status == 200 and kind < 0.8:
            record.good.append(time.monotonic())
            fault = self._model.fault(number, exact, content)
            if fault:
                record.wrong.append(fault)

    def _send_slowly(self, _: int) -> None:
        while not self._over.wait(0.5):
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self._port), 5) as to:
                to.sendall(b"POST /search/text HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n")
                to.sendall(b'Content-Length: 1000\r\n\r\n{"query": "')
                for _ in range(50):
                    to.sendall(b"a")
                    if self._over.wait(0.2):
                        break

    def _read_slowly(self, _: int) -> None:
        while not self._over.wait(0.5):
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self._port), 5) as to:
                to.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
                to.sendall(b"GET /docs HTTP/1.1\r\nHost: localhost\r\n\r\n" * 20)
                for _ in range(50):
                    if not to.recv(64) or self._over.wait(0.2):
                        break

    def _hang_up(self, seed: int) -> None:
        chance = random.Random(seed)
        content = json.dumps(body(0, exact=True)).encode()
        head = b"POST /search/text HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        request = head + f"Content-Length: {len(content)}\r\n\r\n".encode() + content
        while not self._over.wait(0.1):
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self._port), 5) as to:
                to.sendall(request[: chance.choice([10, len(head), len(request) - 5, len(request)])])
