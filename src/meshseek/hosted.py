"""Hosted services over HTTP: a client that keeps to their limits, waits, retries, and says what is wrong."""

from __future__ import annotations

import contextlib
import json
import math
import os
import random
import time
import weakref
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from meshseek.errors import HostedError, HostedItemError

if TYPE_CHECKING:
    import httpx

ATTEMPTS = 6
LONGEST_WAIT = 60.0
"""Seconds; also the longest ``Retry-After`` that is believed."""
CONNECT_SECONDS = 10.0
ANSWER_SECONDS, FILE_SECONDS = 180.0, 3600.0
SOON_ATTEMPTS, SOON_SECONDS = 2, 15.0
"""For what a search waits for."""
MINUTE = 60.0
MOST_BYTES, MOST_FILE_BYTES = 64_000_000, 4_000_000_000
"""Of an answer, and of the file with the results of a batch."""
_OF_THE_BODY = {"content-encoding", "content-length", "transfer-encoding"}
MESSAGE_CHARACTERS = 200
ASCII_PER_TOKEN, OTHER_PER_TOKEN = 4.0, 1.5

KEY_CODES = {"InvalidApiKey", "invalid_api_key", "AccessDenied", "Unauthorized"}
MONEY_CODES = {"Arrearage", "Throttling.AllocationQuota", "insufficient_quota", "AccessDenied.Unpurchased"}
MODEL_CODES = {"Model.NotExist", "ModelNotFound", "model_not_found"}
ITEM_STATUSES = {400, 413, 422}
RETRY_STATUSES = {408, 409, 425, 429}
SERVER_FAULT = 500
HIDDEN_STATUSES = {"InternalError": 500, "ServiceUnavailable": 503, "Throttling": 429, "InvalidApiKey": 401}
"""DashScope may say with status 200 that it failed; then the code tells."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HostedOptions:
    """Where a service is, and how hard it may be worked."""

    base_url: str
    api_key: str | None = field(default=None, repr=False)
    key_setting: str = "MESHSEEK_DASHSCOPE_API_KEY"
    """The setting that the user gives the key by."""
    url_setting: str = "MESHSEEK_DASHSCOPE_BASE_URL"
    requests_per_minute: int = 600
    tokens_per_minute: int = 600_000
    concurrency: int = 8
    retry_seconds: float = 1.0

    @property
    def host(self) -> str:
        """Name of the service for messages, without the password that its address may hold."""
        return urlsplit(self.base_url).netloc.rpartition("@")[2]


class RateLimiter:
    """Spreads requests and tokens over time; threads may share it. Each wait is granted in the order of asking."""

    def __init__(self, requests_per_minute: int, tokens_per_minute: int) -> None:
        self._rates = (requests_per_minute / MINUTE, tokens_per_minute / MINUTE)
        self._free_at = [0.0, 0.0]
        self._paused_until = 0.0
        self._lock = Lock()

    def acquire(self, tokens: int) -> None:
        """Wait until one request with so many tokens may be sent; a second's worth may be sent at once."""
        with self._lock:
            now = time.monotonic()
            start = max(now, self._paused_until, *self._free_at)
            for number, (amount, rate) in enumerate(zip((1, tokens), self._rates, strict=True)):
                self._free_at[number] = max(self._free_at[number], start - 1.0) + amount / rate
        time.sleep(max(0.0, start - now))

    def pause(self, seconds: float) -> None:
        """Let nobody send for so long: the service asked for it."""
        with self._lock:
            self._paused_until = max(self._paused_until, time.monotonic() + seconds)


class HostedClient:
    """One service. Threads may share it; connections are kept open.

    Args:
        options: Where it is, and how hard it may be worked.

    Raises:
        HostedError: There is no key; from every method: the service refused or cannot be reached. What can be retried
            was retried. :class:`HostedItemError`: it refused what was sent.
    """

    def __init__(self, options: HostedOptions) -> None:
        import httpx  # noqa: PLC0415  # an embedder or translator that is only listed must stay light

        if options.api_key is None:
            raise HostedError(f"{options.host} needs a key; set {options.key_setting}")
        self.options = options
        self._limiter = RateLimiter(options.requests_per_minute, options.tokens_per_minute)
        self._patient, self._soon = (
            httpx.Timeout(seconds, connect=CONNECT_SECONDS) for seconds in (ANSWER_SECONDS, SOON_SECONDS)
        )
        self._http = httpx.Client(
            base_url=options.base_url,
            headers={"Authorization": f"Bearer {options.api_key}"},
            timeout=self._patient,
            limits=httpx.Limits(max_connections=options.concurrency + 1),
        )
        weakref.finalize(self, self._http.close)

    def get(self, path: str, params: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Ask for a JSON object."""
        return self._json(lambda: self._asked("GET", path, params=params), 0, ATTEMPTS)

    def post(
        self, path: str, body: Mapping[str, Any], *, tokens: int = 0, attempts: int = ATTEMPTS, soon: bool = False
    ) -> dict[str, Any]:
        """Send a JSON object and get one.

        Args:
            path: Where to, below the service's address.
            body: What is sent.
            tokens: About what it counts against the limit.
            attempts: How often it is tried.
            soon: Somebody waits: better no answer than a late one.
        """
        timeout = self._soon if soon else self._patient
        tries = min(attempts, SOON_ATTEMPTS) if soon else attempts
        return self._json(lambda: self._asked("POST", path, json=body, timeout=timeout), tokens, tries)

    def upload(self, path: str, file: Path, fields: Mapping[str, str]) -> dict[str, Any]:
        """Send a file as a form."""

        def send() -> httpx.Response:
            with file.open("rb") as content:
                return self._asked("POST", path, data=dict(fields), files={"file": (file.name, content)})

        return self._json(send, 0, ATTEMPTS)

    def download(self, path: str, target: Path) -> bool:
        """Write the answer into a file; true where the service announced its end, so that it cannot have been cut off.

        An answer that ends before its announced length is asked for again.
        """
        part = target.with_name(f"{target.name}.part")

        def fetch() -> httpx.Response:
            with self._http.stream("GET", path) as answer:
                if answer.is_error:
                    return self._read(answer)
                with part.open("wb") as file:
                    for piece in self._pieces(answer, MOST_FILE_BYTES, FILE_SECONDS):
                        file.write(piece)
                    file.flush()
                    os.fsync(file.fileno())
            return answer

        headers = self._retrying(fetch, 0, ATTEMPTS).headers
        part.replace(target)
        return "Content-Length" in headers or "Transfer-Encoding" in headers

    def _asked(self, method: str, path: str, **content: Any) -> httpx.Response:
        """Send a request, and read no more of the answer than is sane."""
        with self._http.stream(method, path, **content) as answer:
            return self._read(answer)

    def _read(self, answer: httpx.Response) -> httpx.Response:
        seconds = answer.request.extensions["timeout"]["read"]  # which httpx counts anew with each piece
        content = b"".join(self._pieces(answer, MOST_BYTES, seconds))
        headers = [(name, value) for name, value in answer.headers.multi_items() if name not in _OF_THE_BODY]
        return type(answer)(answer.status_code, headers=headers, content=content, request=answer.request)

    def _pieces(self, answer: httpx.Response, most: int, seconds: float) -> Iterator[bytes]:
        size, ends = 0, time.monotonic() + seconds
        for piece in answer.iter_bytes():
            size += len(piece)
            if size > most or time.monotonic() > ends:
                bound = f"{most // 1_000_000:,} MB, or for more than {seconds:g} s"
                raise HostedError(f"{self.options.host} sent more than {bound}; check its address")
            yield piece

    def _json(self, send: Callable[[], httpx.Response], tokens: int, attempts: int) -> dict[str, Any]:
        def checked() -> httpx.Response:
            answer = send()
            if not answer.is_error:
                body = answer.json()  # an answer that broke off is asked for again
                if isinstance(body, dict) and body.get("code") and "output" not in body:
                    answer.status_code = HIDDEN_STATUSES.get(_code(body).partition(".")[0], 400)
            return answer

        value: Any = self._retrying(checked, tokens, attempts).json()
        if not isinstance(value, dict):
            raise HostedError(f"{self.options.host} did not answer with a JSON object; check its address")
        return value

    def _retrying(self, send: Callable[[], httpx.Response], tokens: int, attempts: int) -> httpx.Response:
        import httpx  # noqa: PLC0415  # likewise

        failure = HostedError(f"{self.options.host} was not asked")
        for attempt in range(attempts):
            self._limiter.acquire(tokens)
            after = None
            try:
                answer = send()
            except (httpx.TransportError, json.JSONDecodeError, UnicodeDecodeError) as error:
                failure = self._unreachable(error)
            except (httpx.InvalidURL, httpx.HTTPError) as error:
                raise self._unreachable(error) from error
            else:
                if not answer.is_error:
                    return answer
                body = _body(answer)
                failure = self._failure(answer.status_code, body)
                if not _retryable(answer.status_code, _code(body)):
                    raise failure
                after = _retry_after(answer)
            if attempt + 1 < attempts:
                self._wait(attempt, after)
        raise failure

    def _wait(self, attempt: int, after: float | None) -> None:
        if after is not None:
            self._limiter.pause(after)
        longest = min(LONGEST_WAIT, self.options.retry_seconds * 2**attempt)
        time.sleep((after or 0.0) + random.uniform(longest / 2, longest))  # noqa: S311  # spreads clients, keeps no secret

    def _unreachable(self, error: Exception) -> HostedError:
        reason = str(error).partition("\n")[0] or type(error).__name__
        return HostedError(
            f"{self.options.host} cannot be reached ({reason}); check the network and {self.options.url_setting}, "
            "then run again: what is finished is kept",
            retryable=True,
        )

    def _failure(self, status: int, body: Mapping[str, Any]) -> HostedError:
        options, code = self.options, _code(body)
        said = f"{code or status}: {_message(body)}".replace(options.api_key or "\0", "***")
        if code in MONEY_CODES:
            cure = "the account has no balance, quota or right left for it; see to that in its console, then run again"
        elif code in KEY_CODES or status in {401, 403}:
            cure = f"check {options.key_setting}; a key belongs to one region, whose address is {options.url_setting}"
        elif code in MODEL_CODES or status == 404:  # noqa: PLR2004  # not found
            cure = f"check --model, and whether the region of {options.url_setting} has that model"
        elif status in ITEM_STATUSES:
            return HostedItemError(f"{options.host} refused it ({said})")
        else:
            cure = "run again later: what is finished is kept"
        return HostedError(f"{options.host} refused ({said}); {cure}", retryable=_retryable(status, code))


def count_tokens(text: str) -> int:
    """About how many tokens a text has, whatever the model."""
    plain = sum(character.isascii() for character in text)
    return math.ceil(plain / ASCII_PER_TOKEN + (len(text) - plain) / OTHER_PER_TOKEN)


def without_thinking(model: str) -> dict[str, Any]:
    """What tells a chat model not to think first, which it bills; DashScope is told otherwise than one's own engine."""
    if "/" in model:
        return {"chat_template_kwargs": {"enable_thinking": False}}
    return {"enable_thinking": False} if model.startswith("qwen") else {}


def _body(answer: httpx.Response) -> dict[str, Any]:
    with contextlib.suppress(ValueError):
        value = answer.json()
        if isinstance(value, dict):
            # OpenAI's protocol has the same two fields one level deeper.
            return value["error"] if isinstance(value.get("error"), dict) else value
    return {"message": answer.text}


def _code(body: Mapping[str, Any]) -> str:
    return str(body.get("code") or body.get("type") or "")


def _message(body: Mapping[str, Any]) -> str:
    return " ".join(str(body.get("message") or "no reason given").split())[:MESSAGE_CHARACTERS]


def _retryable(status: int, code: str) -> bool:
    return code not in MONEY_CODES and (status in RETRY_STATUSES or status >= SERVER_FAULT)


def _retry_after(answer: httpx.Response) -> float | None:
    try:
        return min(LONGEST_WAIT, max(0.0, float(answer.headers["Retry-After"])))
    except (KeyError, ValueError):
        return None
