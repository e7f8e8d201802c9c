"""Asks a chat model caption by caption, several at a time; for small sets, and for Qwen's translation models."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from functools import cached_property
from itertools import islice
from typing import Final

from meshseek.errors import HostedError, HostedItemError, MeshseekError, TranslatorError
from meshseek.hosted import HostedClient, HostedOptions, count_tokens
from meshseek.model import Estimate
from meshseek.translators import Translation, Translator, TranslatorOptions
from meshseek.translators._cleaning import Cleaned, as_it_is, is_english, needs_translation, unwrapped
from meshseek.translators._entries import Entries
from meshseek.translators._prompt import Prompt, key_of, read_completion, read_terms

DEFAULT_MODEL: Final = "qwen-mt-flash"
TRIES: Final = 3
"""How often a caption is asked for before it is given up."""
REFUSED: Final = 20
"""So many refused captions before the first answer: more would be refused too."""
QUERY_LONGEST: Final = 10
"""English has more letters than Chinese: so many times as many, and some to spare, are no translation."""
QUERY_SPARE: Final = 50
QUERY_SYSTEM: Final = (
    "Translate this search query for 3D models from Chinese into English. Answer with the translation alone."
)


class OpenaiChat(Translator):
    """Any service with OpenAI's chat protocol. What was answered is kept on disk as it comes."""

    def __init__(self, options: TranslatorOptions) -> None:
        super().__init__(options)
        self._prompt = Prompt(options.model or DEFAULT_MODEL, read_terms(options.terms))
        self._refused: float = 0

    def estimate(self, texts: Sequence[str]) -> Estimate:
        """What the texts cost that were not answered yet."""
        known = self._known()
        left = [text for text in texts if needs_translation(text) and key_of(text) not in known]
        return self._prompt.estimate(left, self._hosted, requests=len(left))

    def translate(self, texts: Sequence[str]) -> Iterator[Translation]:
        """Translate distinct texts, each as soon as its answer is there.

        Raises:
            TranslatorError: The answers cannot be kept.
            HostedError: The service cannot go on.
        """
        known = self._known()
        left = []
        for text in texts:
            if not needs_translation(text):
                yield as_it_is(text)
            elif chinese := known.get(key_of(text)):
                yield Translation(text=text, chinese=chinese)
            else:
                left.append(text)
        if left:
            yield from self._asked(left)

    def _asked(self, texts: Sequence[str]) -> Iterator[Translation]:
        """Keep as many requests under way as are allowed; after a failure take what is under way, and stop."""
        upcoming = iter(texts)
        running: dict[Future[Cleaned], str] = {}
        failures: list[MeshseekError] = []
        client = self._client
        with ThreadPoolExecutor(self._hosted.concurrency) as pool:
            try:
                while True:
                    if not failures:
                        # Twice what runs at once: no thread waits for a caption, and a failure leaves few to call off.
                        some = islice(upcoming, 2 * self._hosted.concurrency - len(running))
                        running |= {pool.submit(self._ask, client, text): text for text in some}
                    if not running:
                        break
                    for future in wait(running, return_when=FIRST_COMPLETED).done:
                        text = running.pop(future)
                        try:
                            answer = future.result()
                        except MeshseekError as error:
                            failures.append(error)
                            running = {asked: text for asked, text in running.items() if not asked.cancel()}
                        else:
                            yield Translation(text=text, chinese=answer.chinese, reason=answer.reason)
            finally:
                for future in running:
                    future.cancel()
        if failures:
            raise failures[0]

    def _ask(self, client: HostedClient, text: str) -> Cleaned:
        """Ask until the answer is a translation, a few times; it is kept at once, since it is paid for."""
        answer = Cleaned(None, "was not asked")
        for attempt in range(TRIES):
            body = self._prompt.body(text, again=attempt > 0)
            try:
                value = client.post("chat/completions", body, tokens=2 * count_tokens(text))
            except HostedItemError as error:
                self._count_refused(error)
                return Cleaned(None, str(error))
            self._refused = -math.inf  # something was answered: what is refused from now on is the caption's fault
            answer = read_completion(text, value)
            if answer.chinese:
                if self._entries is not None:
                    self._entries.write(key_of(text), answer.chinese)
                return answer
        return answer

    def _count_refused(self, error: HostedItemError) -> None:
        """Stop where the service refuses everything: the request is wrong, not the caption."""
        self._refused += 1
        if self._refused >= REFUSED:
            raise HostedError(f"{error}; it refused all of the first {REFUSED} captions: check --model") from error

    def to_english(self, text: str) -> str | None:
        """A Chinese search query in English, in one line; None where that fails, for whatever reason."""
        body = self._prompt.body(text)
        if "translation_options" in body:
            body["translation_options"] = {"source_lang": "Chinese", "target_lang": "English"}
        else:
            body["messages"][0]["content"] = QUERY_SYSTEM
        try:
            value = self._client.post("chat/completions", body, soon=True)
            english = unwrapped(value["choices"][0]["message"]["content"])
        except (HostedError, KeyError, IndexError, TypeError):
            return None
        return english if is_english(english) and len(english) <= QUERY_LONGEST * len(text) + QUERY_SPARE else None

    @property
    def _hosted(self) -> HostedOptions:
        if self.options.hosted is None:
            raise TranslatorError("a chat model needs a service; set MESHSEEK_DASHSCOPE_API_KEY")
        return self.options.hosted

    @cached_property
    def _client(self) -> HostedClient:
        return HostedClient(self._hosted)

    @cached_property
    def _entries(self) -> Entries | None:
        """Chinese by the caption's key, as far as it was answered before."""
        return Entries(self.options.folder / f"{self._prompt.fingerprint}.sqlite3") if self.options.folder else None

    def _known(self) -> dict[str, str]:
        return self._entries.read() if self._entries else {}
