"""A running Meshseek, asked over HTTP: bounded answers, retries where nothing is done twice, one kind of error."""

from __future__ import annotations

import base64
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from copy import copy
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, Self, TypeVar

import httpx
from pydantic import BaseModel, ValidationError

from meshseek.access.keys import KEY
from meshseek.client.refusals import NOT_UNDERSTOOD, TIMEOUT, TOO_LARGE, UNREACHABLE, refusal
from meshseek.errors import ApiError, InputError, SettingsError
from meshseek.files import whole_file

CONNECT_SECONDS: Final = 5.0
MOST_BYTES: Final = 64_000_000
"""Of one answer that is held in memory."""
BUSY: Final = frozenset({HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.TOO_MANY_REQUESTS})
LONGEST_WAIT: Final = 10.0
"""Seconds. A service that is busy says when to come back, and is waited for at most so long each time."""
CLOSED: Final = "this client is closed; make another one, or ask inside its 'with' block"
NO_ADDRESS: Final = "the API's address is not valid; give one such as http://127.0.0.1:8000"
SAFE: Final = frozenset({"GET", "HEAD"})
Model = TypeVar("Model", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class Address:
    """Where the API is, and what its address tells beside."""

    shown: str
    """Without a name and password; such are for whoever set the address, not for visitors and logs."""
    headers: Mapping[str, str]
    """What the name and password are sent as."""

    @classmethod
    def parse(cls, api_url: str) -> Self:
        """Take an address apart.

        Raises:
            SettingsError: It is none.
        """
        try:
            url = httpx.URL(api_url.strip().rstrip("/"))
        except httpx.InvalidURL as error:
            raise SettingsError(NO_ADDRESS) from error
        if not url.userinfo:
            return cls(str(url), MappingProxyType({}))
        credentials = base64.b64encode(f"{url.username}:{url.password}".encode()).decode()
        return cls(str(url.copy_with(userinfo=b"")), MappingProxyType({"Authorization": f"Basic {credentials}"}))


class Connection:
    """Asks one service; safe to share between threads.

    Args:
        url: Where it is; a name and password in it are sent, and never shown.
        key: As ``meshseek keys add`` shows it, where the service needs one.
        seconds: How long it may be silent.
        retries: How often it is asked again while it says that it is busy.
        transport: How requests are sent.

    Raises:
        InputError: The address or the key is none.
    """

    def __init__(
        self,
        url: str,
        key: str | None = None,
        *,
        seconds: float = 60.0,
        retries: int = 3,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        address = Address.parse(url)
        parts = httpx.URL(address.shown)
        if parts.scheme not in {"http", "https"} or not parts.host:
            raise InputError(NO_ADDRESS)
        self.url = address.shown
        self._retries = retries
        timeout = httpx.Timeout(seconds, connect=min(seconds, CONNECT_SECONDS))
        self._http = httpx.Client(base_url=self.url, timeout=timeout, transport=transport)
        self._headers: Mapping[str, str] = address.headers if key is None else _bearer(key)

    def with_key(self, key: str) -> Self:
        """The same connections, with another key in place of what was sent so far.

        Raises:
            InputError: It is none.
        """
        other = copy(self)
        vars(other).update(_headers=_bearer(key))
        return other

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def asked(self, kind: type[Model], method: str, path: str, **content: Any) -> Model:
        """An answer as a value.

        Args:
            kind: Of the value.
            method: Of HTTP.
            path: Below the API's address.
            content: ``params``, ``json``, ``data`` or ``files`` as httpx takes them.

        Raises:
            ApiError: There is none.
        """
        return self.parsed(kind, self.read(method, path, **content))

    def parsed(self, kind: type[Model], body: bytes) -> Model:
        """A value of what was read.

        Raises:
            ApiError: It is none.
        """
        try:
            return kind.model_validate_json(body)
        except ValidationError as error:
            raise self.not_understood() from error

    def read(
        self, method: str, path: str, *, most: int | None = None, also: int | None = None, **content: Any
    ) -> bytes:
        """The bytes of a good answer; what is busy is asked again.

        Args:
            method: Of HTTP.
            path: Below the API's address.
            most: Bytes that it may have; :data:`MOST_BYTES` where nothing is said.
            also: A status that is good here, too.
            content: As for :meth:`asked`.

        Raises:
            ApiError: It is refused or too large, or nothing answers.
        """
        with self._streamed(method, path, **content) as answer:
            body = self._body(answer, most or MOST_BYTES)
            if answer.is_success or answer.status_code == also:
                return body
            raise self._refusal(answer, body)

    def save(self, method: str, path: str, file: Path, *, most: int, **content: Any) -> Mapping[str, str]:
        """Write a good answer to a file, which is whole or as it was; returns the answer's headers.

        Args:
            method: Of HTTP.
            path: Below the API's address.
            file: Where to.
            most: Bytes that it may have.
            content: As for :meth:`asked`.

        Raises:
            ApiError: There is none, or it is too large.
            InputError: The file cannot be written.
        """
        try:
            with self._streamed(method, path, **content) as answer:
                if not answer.is_success:
                    raise self._refusal(answer, self._body(answer, MOST_BYTES))
                with whole_file(file) as draft, draft.open("wb") as target:
                    for chunk in self._chunks(answer, most):
                        target.write(chunk)
                return answer.headers
        except OSError as error:
            raise InputError(f"cannot write {file}: {error.strerror or error}; choose another place") from error

    def not_understood(self) -> ApiError:
        """What is said where the answer is none of a Meshseek, or of another version."""
        text = f"{self.url} does not answer as a Meshseek does; check the address, and update both sides"
        return ApiError(text, code=NOT_UNDERSTOOD)

    @contextmanager
    def _streamed(self, method: str, path: str, **content: Any) -> Iterator[httpx.Response]:
        """An answer that has begun."""
        if not path.startswith("/") or path.startswith("//"):  # a whole address would take the key elsewhere
            raise self.not_understood()
        try:
            answer = self._begun(method, path, content)
            try:
                yield answer
            finally:
                answer.close()
        except httpx.TimeoutException as error:
            if isinstance(error, httpx.ConnectTimeout):
                raise self._away() from error
            raise ApiError(f"Meshseek at {self.url} takes too long; try again in a moment", code=TIMEOUT) from error
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise self._away() from error

    def _begun(self, method: str, path: str, content: Mapping[str, Any]) -> httpx.Response:
        """Ask, and ask again: what is busy has done nothing, and reading twice does no harm."""
        broken = method in SAFE
        left = self._retries
        while True:
            request = self._http.build_request(method, path, headers=self._headers, **content)
            try:
                answer = self._http.send(request, stream=True)
            except RuntimeError as error:
                if not self._http.is_closed:
                    raise
                raise InputError(CLOSED) from error
            except (httpx.RemoteProtocolError, httpx.ReadError, httpx.WriteError):
                if not broken or not left:  # a connection that was kept may have been closed meanwhile
                    raise
                broken = False
                continue
            wait = answer.headers.get("retry-after")
            if answer.status_code not in BUSY or wait is None or not left:
                return answer
            answer.close()
            left -= 1
            time.sleep(_seconds(wait))

    def _refusal(self, answer: httpx.Response, body: bytes) -> ApiError:
        return refusal(self.url, answer.status_code, body, has_key=bool(self._headers))

    def _body(self, answer: httpx.Response, most: int) -> bytes:
        return b"".join(self._chunks(answer, most))

    def _chunks(self, answer: httpx.Response, most: int) -> Iterator[bytes]:
        size = 0
        for chunk in answer.iter_bytes():
            size += len(chunk)
            if size > most:
                raise ApiError(f"the answer has more than {most:,} bytes; allow more, or ask for less", code=TOO_LARGE)
            yield chunk

    def _away(self) -> ApiError:
        return ApiError(f"Meshseek at {self.url} does not answer; run 'meshseek serve' there", code=UNREACHABLE)


def _bearer(key: str) -> Mapping[str, str]:
    if KEY.fullmatch(key) is None:
        raise InputError("the key is none of Meshseek's; give one as 'meshseek keys add NAME' shows it")
    return MappingProxyType({"Authorization": f"Bearer {key}"})


def _seconds(asked: str) -> float:
    """What is not a plain number of seconds waits one."""
    return min(float(asked), LONGEST_WAIT) if asked.isascii() and asked.isdigit() else 1.0
