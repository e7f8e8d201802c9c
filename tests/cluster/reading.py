"""Searches that several servers answer, and readers that search all the time, for the tests of replicas."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from meshseek.errors import MeshseekError
from meshseek.search.algorithm import Algorithm
from meshseek.search.answer import Answer
from meshseek.search.query import Query
from meshseek.store.postgres import Server
from meshseek.store.read.library import Library
from meshseek.store.read.reader import Reader
from meshseek.store.read.spread import Spread
from meshseek.workspace.workspace import Workspace
from tests.cluster.postgres import Node
from tests.toy import publish_toys, toy

READERS = 4
WORDS = ("red chair", "green lamp", "a blue bed", "grey sofa")
PATIENCE = 30.0


@dataclass(slots=True)
class Servers:
    """A primary and its replicas, with the toys published."""

    primary: Node
    replicas: list[Node]
    workspace: Workspace
    prefix: str

    def server(self, node: Node) -> Server:
        """As Meshseek asks it."""
        return Server(lambda: node.url, self.prefix)

    def publish(self, max_assets: int | None = None, server: Server | None = None) -> None:
        """Make a version live on the primary, or where another address of it leads."""
        publish_toys(self.workspace, server or self.server(self.primary), max_assets)


@contextmanager
def searching(servers: Servers, primary: Server | None = None) -> Iterator[tuple[Algorithm, Spread]]:
    """An algorithm that is asked of all three, once both replicas are used; the primary may have another address."""
    names = {f"replica {number}": node for number, node in enumerate(servers.replicas, 1)}
    readers = {name: Reader(servers.server(node), "toy") for name, node in names.items()}
    primary = primary or servers.server(servers.primary)
    spread = Spread(Reader(primary, "toy"), readers)
    library = Library(primary, "toy", spread)
    try:
        algorithm = Algorithm("toy", library, lambda space: toy(space.model))
        algorithm.search(Query(text="red chair"))
        until(lambda: all(spread.replicas.values()))
        yield algorithm, spread
    finally:
        library.close()


def until(holds: Callable[[], bool]) -> float:
    """Wait until something holds; tells how long that took."""
    began = time.monotonic()
    while not holds():
        assert time.monotonic() - began < PATIENCE
        time.sleep(0.01)
    return time.monotonic() - began


@dataclass(slots=True)
class Readers:
    """Threads that search all the time."""

    algorithm: Algorithm
    answers: list[tuple[float, str, Answer]] = field(default_factory=list)
    """Each with how long it took, and what was asked."""
    failures: list[tuple[float, MeshseekError]] = field(default_factory=list)
    """Each with when it was."""

    @contextmanager
    def at_work(self) -> Iterator[None]:
        """Within it they search."""
        stopped = threading.Event()
        threads = [threading.Thread(target=self._run, args=(stopped, number)) for number in range(READERS)]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            stopped.set()
            for thread in threads:
                thread.join()

    def _run(self, stopped: threading.Event, number: int) -> None:
        words = WORDS[number % len(WORDS)]
        while not stopped.is_set():
            began = time.monotonic()
            try:
                answer = self.algorithm.search(Query(text=words, top_k=5))
                self.answers.append((time.monotonic() - began, words, answer))
            except MeshseekError as error:
                self.failures.append((time.monotonic(), error))


def shown(answer: Answer) -> list[str]:
    """Ids of what was found."""
    return [hit.asset_id for hit in answer.hits]
