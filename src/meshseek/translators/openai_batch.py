"""Translates by a batch service, at half the price: DashScope's, or any with OpenAI's Batch API.

Whatever happens, a batch is sent once, and an answer that was paid for is taken.
"""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar, Final

from meshseek.errors import TranslatorError
from meshseek.hosted import HostedOptions
from meshseek.model import Estimate
from meshseek.translators import Translation, Translator, TranslatorOptions
from meshseek.translators._batches import BatchService
from meshseek.translators._cleaning import Cleaned, as_it_is, needs_translation
from meshseek.translators._ledger import Batch, Ledger, read_lines, write_lines
from meshseek.translators._prompt import Prompt, key_of, read_completion, read_terms

DEFAULT_MODEL: Final = "qwen-flash"
ENDPOINT: Final = "/v1/chat/completions"
TRIES: Final = 3
"""So many batches that were completed without a good answer, and a caption is given up."""
MISSES: Final = 8
"""So many batches that ended without a word of it (expired, cancelled): not the caption's fault."""
BATCH_PRICE: Final = 0.5


@dataclass(frozen=True, slots=True)
class Limits:
    """What a service takes in one file."""

    lines: int = 50_000
    size: int = 480_000_000
    line: int = 6_000_000
    """Bytes."""


class OpenaiBatch(Translator):
    """Sends captions in files, waits for them, and asks again for what came back wrong."""

    limits: ClassVar[Limits] = Limits()

    def __init__(self, options: TranslatorOptions) -> None:
        super().__init__(options)
        self._prompt = Prompt(options.model or DEFAULT_MODEL, read_terms(options.terms))

    def estimate(self, texts: Sequence[str]) -> Estimate:
        """What the texts cost that are neither answered nor under way."""
        ledger = self._ledger()
        sent = _good(ledger, texts).keys() | {key for batch in ledger.open_batches() for key in batch.keys}
        left = [text for text in texts if needs_translation(text) and key_of(text) not in sent]
        requests = math.ceil(len(left) / self.limits.lines)
        estimate = self._prompt.estimate(left, self._hosted, share=BATCH_PRICE, requests=requests)
        return replace(estimate, seconds=self.options.poll_seconds if left else 0.0)  # at least: it may take a day

    def translate(self, texts: Sequence[str]) -> Iterator[Translation]:
        """Translate distinct texts; each is answered once its batch is done.

        Raises:
            TranslatorError: The folder cannot be written, or batches fail again and again.
            HostedError: The service cannot go on. What was sent stays sent, and is collected the next time.
        """
        ledger = self._ledger()
        with ledger.locked():
            ledger = self._ledger()  # as the process before left it
            yield from self._translated(texts, ledger)

    def _translated(self, texts: Sequence[str], ledger: Ledger) -> Iterator[Translation]:
        wanted: dict[str, str] = {}
        for text in texts:
            if needs_translation(text):
                wanted[key_of(text)] = text
            else:
                yield as_it_is(text)
        yield from self._taken(wanted, _good(ledger, texts))
        if wanted:
            yield from self._sent(wanted, ledger)

    def _sent(self, wanted: dict[str, str], ledger: Ledger) -> Iterator[Translation]:
        """Send what is wanted, by key, until it is answered or given up."""
        total = len(wanted)
        reasons: dict[str, str] = {}
        tries: Counter[str] = Counter()
        misses: Counter[str] = Counter()
        service = BatchService(self._hosted, ledger, ENDPOINT, self.options)
        while wanted:
            under_way = {key for batch in ledger.open_batches() for key in batch.keys}
            given_up = {key for key in wanted if tries[key] >= TRIES or misses[key] >= MISSES}
            not_now = under_way | given_up
            left = {key: text for key, text in wanted.items() if key not in not_now}
            too_long = self._plan(left, ledger, tries)
            reasons |= too_long
            tries.update(dict.fromkeys(too_long, TRIES))
            if not any(batch.keys & wanted.keys() for batch in ledger.open_batches()):
                break
            for batch in service.collect():
                answers = _answers(ledger, batch, wanted)
                completed = batch.answer.get("status") == "completed"
                tries.update(batch.keys if completed else answers.keys())
                misses.update(batch.keys - answers.keys())
                reasons |= _reasons(batch, answers)
                yield from self._taken(wanted, _chinese(answers))
                service.tell(total - len(wanted), total)
        for key, text in wanted.items():
            yield Translation(text=text, chinese=None, reason=reasons.get(key, "was not answered"))

    @staticmethod
    def _taken(wanted: dict[str, str], good: Mapping[str, str]) -> Iterator[Translation]:
        """The translations of wanted texts, which are wanted no more."""
        for key in good.keys() & wanted.keys():
            yield Translation(text=wanted.pop(key), chinese=good[key])

    def _plan(self, texts: Mapping[str, str], ledger: Ledger, tries: Mapping[str, int]) -> dict[str, str]:
        """Divide texts into batches within the limits; returns why some are in none."""
        refused: dict[str, str] = {}
        lines: dict[str, bytes] = {}
        size = 0
        for key, text in texts.items():
            line = self._line(key, text, again=bool(tries[key]))
            if len(line) >= self.limits.line:
                refused[key] = f"is longer than the {self.limits.line:,} bytes that the service takes"
                continue
            if lines and (len(lines) >= self.limits.lines or size + len(line) >= self.limits.size):
                ledger.plan(lines)
                lines, size = {}, 0
            lines[key] = line
            size += len(line) + 1
        if lines:
            ledger.plan(lines)
        return refused

    def _line(self, key: str, text: str, *, again: bool = False) -> bytes:
        request = {"custom_id": key, "method": "POST", "url": ENDPOINT, "body": self._prompt.body(text, again=again)}
        return json.dumps(request, ensure_ascii=False).encode()

    def write_requests(self, texts: Sequence[str], file: Path) -> int:
        """Write all requests into one file, as ``vllm run-batch`` reads it; returns how many."""
        wanted = (text for text in texts if needs_translation(text))
        try:
            return write_lines(file, (self._line(key_of(text), text) for text in wanted))
        except OSError as error:
            raise TranslatorError(
                f"{file} cannot be written: {error.strerror}; choose another path or make room"
            ) from error

    def read_answers(self, texts: Sequence[str], file: Path) -> Iterator[Translation]:
        """Read the answers of such an engine."""
        try:
            answers = _read_all([file], {key_of(text): text for text in texts})
        except OSError as error:
            raise TranslatorError(
                f"{file} cannot be read: {error.strerror}; check the path and its permissions"
            ) from error
        if not answers and any(map(needs_translation, texts)):
            raise TranslatorError(f"{file} answers none of the captions; give the engine's output for this library")
        for text in texts:
            if not needs_translation(text):
                yield as_it_is(text)
                continue
            answer = answers.get(key_of(text)) or Cleaned(None, f"is not in {file}")
            yield Translation(text=text, chinese=answer.chinese, reason=answer.reason)

    def _ledger(self) -> Ledger:
        if self.options.folder is None:
            raise TranslatorError("a batch needs a folder for its ledger; give a workspace")
        return Ledger(self.options.folder / self._prompt.fingerprint)

    @property
    def _hosted(self) -> HostedOptions:
        if self.options.hosted is None:
            raise TranslatorError("a batch needs a service; set MESHSEEK_DASHSCOPE_API_KEY")
        return self.options.hosted


def _chinese(answers: Mapping[str, Cleaned]) -> dict[str, str]:
    return {key: answer.chinese for key, answer in answers.items() if answer.chinese}


def _reasons(batch: Batch, answers: Mapping[str, Cleaned]) -> dict[str, str]:
    """Why some texts of a batch have no translation."""
    status = batch.answer.get("status")
    reasons = dict.fromkeys(batch.keys - answers.keys(), f"batch {batch.batch_id} {status} without an answer for it")
    return reasons | {key: answer.reason for key, answer in answers.items() if answer.reason}


def _good(ledger: Ledger, texts: Iterable[str]) -> dict[str, str]:
    """The translations that earlier batches brought, by key."""
    wanted = {key_of(text): text for text in texts}
    good: dict[str, str] = {}
    for batch in ledger.batches.values():
        if batch.collected:
            good |= _chinese(_answers(ledger, batch, wanted))
    return good


def _answers(ledger: Ledger, batch: Batch, wanted: Mapping[str, str]) -> dict[str, Cleaned]:
    """What became of the wanted texts in one batch; those it does not speak of are left out."""
    return _read_all((file for file in ledger.answer_files(batch) if file.is_file()), wanted)


def _read_all(files: Iterable[Path], wanted: Mapping[str, str]) -> dict[str, Cleaned]:
    """What became of the wanted texts in some files of answers; of several answers a good one is taken."""
    answers: dict[str, Cleaned] = {}
    for file in files:
        lines, _ = read_lines(file)
        for line in lines:
            key = line["custom_id"]
            if key in wanted and not (key in answers and answers[key].chinese):
                answers[key] = _read(line, wanted[key])
    return answers


def _read(line: Mapping[str, Any], text: str) -> Cleaned:
    response, error = line.get("response"), line.get("error")
    if isinstance(response, dict) and response.get("status_code", 200) == 200:  # noqa: PLR2004  # HTTP's own number
        return read_completion(text, response.get("body"))
    if not isinstance(error, dict) and isinstance(response, dict):
        body = response.get("body")
        error = body.get("error", body) if isinstance(body, dict) else None
    said = error if isinstance(error, dict) else {}
    message = " ".join(str(said.get("message")).split())
    return Cleaned(None, f"the service refused it ({said.get('code')}: {message})")
