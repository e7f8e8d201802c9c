"""What was sent to a batch service and what came of it, on disk: a killed process leaves nothing that is paid twice.

A folder holds each batch's requests and answers, and ``ledger.sqlite3`` with an entry for each batch, which is on
the disk after each step and before the next begins.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

from meshseek.errors import TranslatorError
from meshseek.sealed import sealed, unsealed
from meshseek.translators._entries import Entries, damaged

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
    checksums: list[str] = field(default_factory=list)
    """Of the files of its answers, as they came; none where an older Meshseek collected it."""


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
        batches = [self._read(entry) for entry in self._entries.read().values()]
        self.batches = {batch.number: batch for batch in sorted(batches, key=lambda batch: batch.number)}

    def _read(self, entry: str) -> Batch:
        try:
            value = unsealed(entry.encode())
            batch = Batch(**{**value, "keys": frozenset(value["keys"])})
            kinds = {"number": int, "name": str, "checksums": list}
            if not all(isinstance(getattr(batch, name), kind) for name, kind in kinds.items()):
                raise TypeError("a field is of another kind")  # noqa: TRY301  # told as all others
        except (ValueError, TypeError, KeyError) as error:
            raise damaged(self.folder / LEDGER, "an entry is not as it was written") from error
        if batch.checksums and batch.checksums != self.checksums(batch):
            batch.collected = False  # its answers were altered here; the service still has them
        return batch

    def checksums(self, batch: Batch) -> list[str]:
        """Of the files of a batch's answers; empty for one that is not there."""
        return [_checksum(file) for file in self.answer_files(batch)]

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
        entry = sealed({**asdict(batch), "keys": sorted(batch.keys)})
        self._entries.write(str(batch.number), entry.decode())

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


def _checksum(file: Path) -> str:
    try:
        with file.open("rb") as opened:
            return hashlib.file_digest(opened, "sha256").hexdigest()
    except OSError:
        return ""


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
            except (ValueError, RecursionError):
                whole = False
                continue
            if isinstance(value, dict) and isinstance(value.get("custom_id"), str):
                answers.append(value)
    return answers, whole
