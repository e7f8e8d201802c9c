"""Brings the batches of a ledger through a service: upload, create, watch, download."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any, Final

from meshseek.errors import HostedError, TranslatorError
from meshseek.hosted import HostedClient, HostedOptions
from meshseek.translators import TranslatorOptions
from meshseek.translators._ledger import Batch, Ledger, read_lines

ENDED: Final = {"completed", "failed", "expired", "cancelled"}
WINDOW: Final = "24h"
PATIENCE: Final = 8
"""So many rounds in a row in which nothing got on; then it stops, and goes on where it was the next time."""
DOWNLOADS: Final = 5
SHORTFALLS: Final = 3
"""In so many runs answers may come cut off; then those that came are taken."""
PAGE: Final = 100
REMEMBERED: Final = ("status", "output_file_id", "error_file_id", "request_counts", "errors")
"""What is kept of the service's description of a batch."""
FAILED_BATCHES: Final = 2
"""So many batches that the service refused whole: more would be refused too."""


class BatchService:
    """One service and the ledger of what it was sent.

    Raises:
        HostedError: From every method: the service cannot go on.
        TranslatorError: The ledger cannot be written, or batches fail again and again.
    """

    def __init__(self, hosted: HostedOptions, ledger: Ledger, endpoint: str, options: TranslatorOptions) -> None:
        self._client = HostedClient(hosted)
        self._ledger = ledger
        self._endpoint = endpoint
        self._options = options
        self._host = hosted.host
        self._retry_seconds = hosted.retry_seconds
        self._heard = False
        self._patience = 1  # a service that was never heard has a wrong address rather than a bad moment
        self._silent = 0
        self._refused = 0
        self._told = ""

    def collect(self) -> Iterator[Batch]:
        """Bring every open batch one step further; gives those whose answers have come. Waits between the rounds."""
        came = False
        self._heard = False
        failures: list[HostedError] = []
        for batch in self._ledger.open_batches():
            if failures and (batch.batch_id is None or not self._heard):
                continue  # too many batches under way, or nobody there: ask no more for now
            try:
                with self._ledger.writing():
                    self._advance(batch)
            except HostedError as error:
                if not error.retryable:
                    raise
                failures.append(error)
            if batch.collected:
                came = True
                self._count_refused(batch)
                yield batch
        self._count_silent(failures)
        if not came:
            self._tell_progress()
            time.sleep(self._options.poll_seconds)

    def tell(self, answered: int, texts: int) -> None:
        """Say how far it is, if that changed."""
        done = sum(batch.collected for batch in self._ledger.batches.values())
        self._say(f"{done} of {len(self._ledger.batches)} batches done, {answered:,} of {texts:,} captions answered")

    def _count_silent(self, failures: list[HostedError]) -> None:
        if self._heard:
            self._patience = PATIENCE
        goes_on = self._heard and any(batch.batch_id for batch in self._ledger.open_batches())
        if not failures or goes_on:
            self._silent = 0
            return
        self._silent += 1
        if self._silent >= self._patience:
            raise failures[0]
        self._say(str(failures[0]))

    def _tell_progress(self) -> None:
        counts = [batch.answer.get("request_counts") or {} for batch in self._ledger.open_batches()]
        done = sum(int(count.get("completed") or 0) for count in counts)
        total = sum(len(batch.keys) for batch in self._ledger.open_batches())
        self._say(f"{len(counts)} batches under way, {done:,} of their {total:,} captions done")

    def _say(self, line: str) -> None:
        if line != self._told:
            self._told = line
            self._options.say(line)

    def _advance(self, batch: Batch) -> None:
        if batch.batch_id is None:
            self._create(batch)
        try:
            self._ask(batch)
            if batch.answer.get("status") in ENDED:
                self._download(batch)
                batch.collected, batch.checksums = True, self._ledger.checksums(batch)
                self._ledger.save(batch)
        except HostedError as error:
            if error.retryable:
                raise
            raise HostedError(
                f"{error}; batch {batch.batch_id} was sent to {batch.host}, and only a key of the same account "
                f"collects it; remove {self._ledger.input_file(batch)} to give its answers up"
            ) from error

    def _ask(self, batch: Batch) -> None:
        before = batch.answer.get("status")
        answer = self._answered(self._client.get(f"batches/{batch.batch_id}"))
        batch.answer = {name: answer.get(name) for name in REMEMBERED}
        if batch.answer["status"] in ENDED and batch.answer["status"] != before:
            self._ledger.save(batch)

    def _answered(self, answer: dict[str, Any]) -> dict[str, Any]:
        self._heard = True
        return answer

    def _create(self, batch: Batch) -> None:
        """Create it once. When the answer is not heard, the next round looks for it before asking again."""
        batch_id = self._find(batch) if batch.creating else None
        if batch_id is None:
            if batch.file_id is None:
                file = self._client.upload("files", self._ledger.input_file(batch), {"purpose": "batch"})
                batch.file_id = self._id(file)
            batch.creating = True
            self._ledger.save(batch)
            batch_id = self._requested(batch)
        batch.batch_id, batch.host = batch_id, self._host
        self._ledger.save(batch)

    def _requested(self, batch: Batch) -> str:
        request = {
            "input_file_id": batch.file_id,
            "endpoint": self._endpoint,
            "completion_window": WINDOW,
            "metadata": {"ds_name": batch.name},
        }
        try:
            # Never again blindly: it may be there although its answer was lost.
            return self._id(self._client.post("batches", request, attempts=1))
        except HostedError as error:
            if not error.retryable:
                # Refused, perhaps because the service no longer has the file: the next run uploads it again.
                batch.file_id = None
                self._ledger.save(batch)
            raise

    def _id(self, answer: dict[str, Any]) -> str:
        if not answer.get("id"):
            said = "answered without an id; check its address, then run again: what is finished is kept"
            raise HostedError(f"{self._host} {said}", retryable=True)
        return str(self._answered(answer)["id"])

    def _find(self, batch: Batch) -> str | None:
        """The id of a batch that was created though nobody heard of it."""
        seen: set[str] = set()
        after: dict[str, str] = {}
        while True:
            page = self._answered(self._client.get("batches", {"limit": PAGE, **after}))
            entries: list[dict[str, Any]] = page.get("data") or []
            for entry in entries:
                named = (entry.get("metadata") or {}).get("ds_name") == batch.name
                if named or (batch.file_id is not None and entry.get("input_file_id") == batch.file_id):
                    return str(entry["id"])
            if not page.get("has_more") or not entries or str(entries[-1]["id"]) in seen:
                return None
            after = {"after": str(entries[-1]["id"])}
            seen.add(after["after"])

    def _download(self, batch: Batch) -> None:
        """Fetch the answers until as many are there as the service counted: they are paid for.

        A service may count answers that it does not have. When its files came whole and stay short, they are taken as
        they are, and what is missing is asked for in another batch. Files that come cut off are left for a later run,
        though not for ever.
        """
        for attempt in range(DOWNLOADS):
            if attempt:
                time.sleep(self._retry_seconds * 2**attempt)
                self._ask(batch)
            answered, whole = self._fetch(batch)
            due = _due(batch)
            if answered >= due if due else whole:
                return
        batch.shortfalls += 1
        self._ledger.save(batch)
        if whole or batch.shortfalls >= SHORTFALLS:
            return
        raise TranslatorError(
            f"the answers of batch {batch.batch_id} came incomplete {DOWNLOADS} times ({answered:,} of {due:,}); "
            "they are paid for and kept by the service: run again later"
        )

    def _fetch(self, batch: Batch) -> tuple[int, bool]:
        """How many requests the files of answers speak of, and whether these are there and came whole."""
        names: set[str] = set()
        whole: list[bool] = []
        for kind, file in zip(("output_file_id", "error_file_id"), self._ledger.answer_files(batch), strict=True):
            if file_id := batch.answer.get(kind):
                announced = self._client.download(f"files/{file_id}/content", file)
                lines, readable = read_lines(file)
                names.update(line["custom_id"] for line in lines)
                whole.append(announced and readable)
        # Files that should be there may be named a little later than the batch has ended.
        return len(names & batch.keys), all(whole) and (bool(whole) or not _due(batch))

    def _count_refused(self, batch: Batch) -> None:
        if batch.answer.get("status") != "failed":
            return
        self._refused += 1
        if self._refused >= FAILED_BATCHES:
            raise TranslatorError(f"the service refused {self._refused} batches ({_errors(batch)}); check --model")


def _due(batch: Batch) -> int:
    """How many answers there must be; 0 where the service does not say."""
    counts = batch.answer.get("request_counts") or {}
    due = int(counts.get("completed") or 0)
    if batch.answer.get("status") == "completed" and batch.answer.get("error_file_id"):
        due += int(counts.get("failed") or 0)
    return due


def _errors(batch: Batch) -> str:
    errors = batch.answer.get("errors")
    entries = errors.get("data") if isinstance(errors, dict) else errors
    if isinstance(entries, list) and entries and isinstance(entries[0], dict):
        return f"{entries[0].get('code')}: {' '.join(str(entries[0].get('message')).split())}"
    return "no reason given"
