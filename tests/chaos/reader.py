"""Somebody who searches all the time, in a process of their own, and keeps every answer that differs from the last."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from meshseek.errors import DatabaseDownError, MeshseekError
from meshseek.search.query import Query
from meshseek.store.embedded.server import EmbeddedServer
from meshseek.store.postgres import Server
from meshseek.workspace.workspace import Workspace
from tests.chaos.child import FORKS, search_few_as_many
from tests.toy import toy_algorithm

PAUSE = 0.01
"""Between two rounds, so that the victim gets on."""
Answer = tuple[Any, ...]
QUERIES: Sequence[Mapping[str, Any]] = [
    {"text": "a red chair", "target": "caption"},
    {"text": "stool", "target": "both"},
    {"text": "宽床", "target": "both"},
    {"text": "lamp", "target": "words"},
    {"text": "a blue stool", "target": "appearance"},
]


@dataclass(slots=True)
class Heard:
    """What was answered."""

    answers: list[list[Answer]] = field(default_factory=lambda: [[] for _ in QUERIES])
    """To each query, one after the other, without those that were as the one before."""
    count: int = 0
    errors: list[str] = field(default_factory=list)
    """Other than that the database is not there."""

    def problems(self, versions: Sequence[Sequence[Answer]]) -> list[str]:
        """Answers that no version gives, and versions that came back after they had gone.

        Args:
            versions: The answers of each version to each query, the earliest version first.
        """
        wrong = list(self.errors)
        for number, answers in enumerate(self.answers):
            allowed = [version[number] for version in versions]
            strange = [answer for answer in answers if answer not in allowed]
            wrong += [f"no version answers query {number} by {answer}" for answer in strange]
            order = [len(allowed) - 1 - allowed[::-1].index(answer) for answer in answers if answer in allowed]
            if order != sorted(order) and len(set(map(str, allowed))) == len(allowed):
                wrong.append(f"query {number} saw an earlier version again")
        return wrong


class Reader:
    """The process, ready to begin again and again."""

    def __init__(self) -> None:
        self._pipe, theirs = FORKS.Pipe()
        self._process = FORKS.Process(target=_serve, args=(theirs,), daemon=True)
        self._process.start()
        theirs.close()

    def begin(self, folder: Path) -> None:
        """Search from now on; the first answers are there when this returns."""
        self._pipe.send(folder)
        self._pipe.recv()

    def end(self) -> Heard:
        """What was answered since then; each query was asked once more after this was called."""
        self._pipe.send("end")
        heard: Heard = self._pipe.recv()
        return heard

    def once(self, folder: Path) -> list[Answer]:
        """The answers of what is live now."""
        self.begin(folder)
        heard = self.end()
        assert not heard.errors, heard.errors
        return [answers[-1] for answers in heard.answers]

    def close(self) -> None:
        """End it."""
        self._process.kill()
        self._process.join()


def _serve(pipe: Connection) -> None:
    search_few_as_many()
    while True:
        folder = pipe.recv()
        embedded = EmbeddedServer(folder)
        algorithm = toy_algorithm(Server(embedded.acquire), Workspace(folder).codes)
        heard = Heard()
        _ask_all(algorithm, heard)
        pipe.send("begun")
        while not pipe.poll(PAUSE):
            _ask_all(algorithm, heard)
        pipe.recv()
        _ask_all(algorithm, heard)
        algorithm.library.close()
        embedded.release()
        pipe.send(heard)


def _ask_all(algorithm: Any, heard: Heard) -> None:
    for number, query in enumerate(QUERIES):
        try:
            found = algorithm.search(Query(**query))
        except DatabaseDownError:
            continue
        except MeshseekError as error:
            heard.errors.append(f"{query}: {error}")
            continue
        heard.count += 1
        answer = tuple(
            (hit.asset_id, round(hit.score, 3), hit.viewpoint_id, hit.caption_english, hit.caption_chinese, hit.version)
            for hit in found.hits
        )
        if not heard.answers[number] or heard.answers[number][-1] != answer:
            heard.answers[number].append(answer)
