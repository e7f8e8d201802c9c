"""What was sent to a batch service and what came of it, on disk: a killed process leaves nothing that is paid twice.

A folder holds each batch's requests and answers, and ``ledger.sqlite3`` with an entry for each batch, which is on
the disk after each step and before the next begins.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

from meshseek.errors import TranslatorError
from meshseek.translators._entries import Entries

LEDGER: Final = "ledger.sqlite3"
OLD_JOURNAL: Final = "journal.jsonl"


@dataclass(slots=True)
class Batch:
    """One file of requests and how far it has come; an entry of the ledger."""

    number: int
    name: str
    """Unique; the service keeps it with the batch, so that it is found again when its id was never heard."""
    keys: frozenset[str]
    """Names of the requests."""
    file_id: str | None = None
    creating: bool = False
    """It may be there at the service, though nobody heard its id."""
    batch_id: str | None = None
    host: str | None = None
    """Where it was created."""
    answer: dict[str, Any] = field(default_factory=dict)
    """What the service said of it when it had ended."""
    shortfalls: int = 0
    """In how many runs its answers came cut off."""
    collected: bool = False


class Ledger:
    """The batches of one way of translating; one process at a time.

    Args:
        folder: Made when something is written.

    Raises:
        TranslatorError: The ledger cannot be read, or was written by another version.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        if (folder / OLD_JOURNAL).exists():
            raise TranslatorError(
                f"{folder} was written by an older Meshseek; remove it: what is under way there is then sent again"
            )
        self._entries = Entries(folder / LEDGER)
        values = (json.loads(entry) for entry in self._entries.read().values())
        batches = [Batch(**{**value, "keys": frozenset(value["keys"])}) for value in values]
        self.batches = {batch.number: batch for batch in sorted(batches, key=lambda batch: batch.number)}

    def input_file(self, batch: Batch) -> Path:
        """The requests of a batch."""
        return self.folder / f"batch-{batch.number:04d}.input.jsonl"

    def answer_files(self, batch: Batch) -> tuple[Path, Path]:
        """Where the answers and the errors of a batch go."""
        return (
            self.folder / f"batch-{batch.number:04d}.output.jsonl",
            self.folder / f"batch-{batch.number:04d}.errors.jsonl",
        )

    def open_batches(self) -> list[Batch]:
        """The batches whose answers are not here yet; one whose requests were removed by hand is given up."""
        return [batch for batch in self.batches.values() if not batch.collected and self.input_file(batch).is_file()]

    def plan(self, lines: Mapping[str, bytes]) -> Batch:
        """Write the requests, by their names, as one more batch."""
        number = max(self.batches, default=0) + 1
        batch = Batch(number, f"meshseek-{uuid4().hex}", frozenset(lines))
        with self.writing():
            write_lines(self.input_file(batch), lines.values())
        self.save(batch)
        self.batches[number] = batch
        return batch

    def save(self, batch: Batch) -> None:
        """Write down how far a batch has come, and wait until that is on the disk."""
        self._entries.write(str(batch.number), json.dumps({**asdict(batch), "keys": sorted(batch.keys)}))

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Keep other processes out.

        Raises:
            TranslatorError: Another process is translating here.
        """
        with self.writing():
            self.folder.mkdir(parents=True, exist_ok=True)
            file = (self.folder / ".lock").open("w")
        with file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise TranslatorError(f"another process translates in {self.folder}; wait until it ends") from error
            yield

    @contextlib.contextmanager
    def writing(self) -> Iterator[None]:
        """Say in one line that the disk refused.

        Raises:
            TranslatorError: Nothing can be written here.
        """
        try:
            yield
        except OSError as error:
            raise TranslatorError(
                f"{self.folder} cannot be written: {error.strerror}; make room and run again"
            ) from error


def write_lines(file: Path, lines: Iterable[bytes]) -> int:
    """Write a file of lines, whole or not at all; returns how many."""
    part = file.with_name(f"{file.name}.part")
    count = 0
    file.parent.mkdir(parents=True, exist_ok=True)
    with part.open("wb") as opened:
        for count, line in enumerate(lines, 1):  # noqa: B007  # the count is the answer
            opened.write(line + b"\n")
        opened.flush()
        os.fsync(opened.fileno())
    part.replace(file)
    return count


def read_lines(file: Path) -> tuple[list[dict[str, Any]], bool]:
    """The objects in a file of answers that have a ``custom_id``, and whether every line could be read."""
    answers: list[dict[str, Any]] = []
    whole = True
    with file.open("rb") as opened:
        for line in opened:
            if not line.strip():
                continue
            try:
                value = json.loads(line)
            except ValueError:
                whole = False
                continue
            if isinstance(value, dict) and isinstance(value.get("custom_id"), str):
                answers.append(value)
    return answers, whole
