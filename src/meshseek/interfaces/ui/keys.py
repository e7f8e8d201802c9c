"""What the API says of visitors' keys, remembered for some seconds."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from http import HTTPStatus
from typing import Literal

import httpx
from pydantic import BaseModel, ValidationError

from meshseek.interfaces.ui.client import Address, sentence
from meshseek.interfaces.ui.memory import Memory

TIMEOUT = httpx.Timeout(5, connect=3)
MOST_KEYS = 1000
SENDABLE = re.compile(r"[A-Za-z0-9_.~+/=-]{1,200}")
SILENT = "The search service does not answer; it may still be starting."
TOO_OLD = "The search service knows no keys; update it, or start this page with --insecure."


class Access(BaseModel, frozen=True):
    """What the API says to whoever asks."""

    key_needed: bool
    name: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """What is known of a key."""

    verdict: Literal["good", "refused", "unknown", "absent"]
    name: str | None = None
    sentence: str = ""
    """Why it is not good."""


ABSENT = Standing(verdict="absent")
"""Of no key."""


class Keys:
    """Asks the API; one question at a time for each key, however many requests wait for its answer.

    Args:
        api_url: Where the API is.
        transport: How requests are sent; for tests.
    """

    def __init__(self, api_url: str, transport: httpx.AsyncBaseTransport | None = None) -> None:
        address = Address.parse(api_url)
        self._headers = address.headers
        self._http = httpx.AsyncClient(base_url=address.shown, timeout=TIMEOUT, transport=transport, trust_env=False)
        self._needed: Memory[bool] = Memory(1)
        self._standings: Memory[Standing] = Memory(MOST_KEYS)

    async def are_needed(self) -> bool:
        """Whether the API takes keys only; while it does not answer, what it said last, and at first no."""
        return await self._needed.get("", self._ask_whether)

    async def standing(self, key: str, *, anew: bool = False) -> Standing:
        """What is known of a key.

        Args:
            key: As a visitor gave it.
            anew: Ask, whatever is remembered.
        """
        if SENDABLE.fullmatch(key) is None:
            return Standing(verdict="refused", sentence="This is not a key; a key begins with msk_.")
        digest = hashlib.sha256(key.encode()).hexdigest()
        if anew:
            self._standings.forget(digest)
        return await self._standings.get(digest, lambda: self._ask_about(key))

    def forget(self, key: str) -> None:
        """Ask again when the key comes next."""
        self._standings.forget(hashlib.sha256(key.encode()).hexdigest())

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def _ask_whether(self) -> tuple[bool, bool]:
        try:
            answer = await self._http.get("/access", headers=self._headers)
            if answer.status_code == HTTPStatus.NOT_FOUND:
                return False, True  # an API from before there were keys
            if not answer.is_success:
                return False, False
            return Access.model_validate_json(answer.content).key_needed, True
        except (httpx.HTTPError, ValidationError):
            return False, False

    async def _ask_about(self, key: str) -> tuple[Standing, bool]:
        try:
            answer = await self._http.get("/access", headers={"Authorization": f"Bearer {key}"})
        except httpx.HTTPError:
            return _unknown(SILENT)
        if answer.status_code == HTTPStatus.UNAUTHORIZED:
            return Standing(verdict="refused", sentence=_told(answer)), True
        if answer.status_code == HTTPStatus.NOT_FOUND:
            return _unknown(TOO_OLD)
        if not answer.is_success:
            return _unknown(_told(answer))
        try:
            return Standing(verdict="good", name=Access.model_validate_json(answer.content).name), True
        except ValidationError:
            return _unknown(TOO_OLD)


def _unknown(sentence: str) -> tuple[Standing, bool]:
    return Standing(verdict="unknown", sentence=sentence), False


def _told(answer: httpx.Response) -> str:
    try:
        return sentence(str(answer.json()["error"]["message"]))
    except (KeyError, TypeError, ValueError):
        return f"The search service answered with HTTP {answer.status_code}; its log says why."
