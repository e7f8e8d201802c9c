"""Keys: how they look, what is remembered of them, and what they allow."""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
import string
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal, get_args

from meshseek.errors import SettingsError

Scope = Literal["read", "write", "admin"]
SCOPES: tuple[Scope, ...] = get_args(Scope)
"""Each one includes those before it: search, see and download; what costs; metrics and details."""

KEY = re.compile(r"msk_([a-z0-9]{8})_[A-Za-z0-9_-]{43}")
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,63}")
SECRET_BYTES = 32
MOST_HEADER_BYTES = 256
"""More than any ``Authorization`` header with a key has."""
_LETTERS = string.ascii_lowercase + string.digits
_BEARER = re.compile(rb"bearer +([!-~]+) *", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """What is remembered of a key; the key itself is not."""

    id: str
    name: str
    scope: Scope
    digest: str
    """SHA-256 of the whole key, in hexadecimal digits."""
    created: datetime
    expires: datetime | None = None

    def has_expired(self, now: datetime) -> bool:
        """Whether its time is over."""
        return self.expires is not None and self.expires <= now


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """Who asks, and what they may do."""

    name: str | None
    """Of the key; None where none is needed, or none was given."""
    scopes: tuple[Scope, ...] = ()
    key_id: str | None = None

    def may(self, scope: Scope) -> bool:
        """Whether a scope is theirs."""
        return scope in self.scopes


ANYBODY = Caller(name=None, scopes=SCOPES)
"""Whoever asks where no key is needed."""
NOBODY = Caller(name=None)


def scopes_up_to(scope: Scope) -> tuple[Scope, ...]:
    """A scope and those that it includes."""
    return SCOPES[: SCOPES.index(scope) + 1]


def make_key(name: str, scope: Scope, expires: datetime | None = None) -> tuple[str, Key]:
    """Make a key; the secret in it has 256 random bits.

    Raises:
        SettingsError: The name cannot be one.
    """
    if NAME.fullmatch(name) is None:
        raise SettingsError(
            "a key's name has 1 to 64 letters, digits or . _ @ -, and begins with a letter or a digit; choose another"
        )
    key_id = "".join(secrets.choice(_LETTERS) for _ in range(8))
    text = f"msk_{key_id}_{secrets.token_urlsafe(SECRET_BYTES)}"
    created = datetime.now(UTC).replace(microsecond=0)
    return text, Key(id=key_id, name=name, scope=scope, digest=digest_of(text), created=created, expires=expires)


def digest_of(text: str) -> str:
    """What is kept of a key.

    A plain SHA-256 is enough: slow hashes protect passwords, which can be guessed. Nobody guesses 256 random bits,
    however fast each try is, and a slow hash would cost every request what it costs an attacker.
    """
    return hashlib.sha256(text.encode("ascii")).hexdigest()


def id_of(text: str) -> str | None:
    """The id in a key; None where the text cannot be a key."""
    match = KEY.fullmatch(text)
    return match[1] if match else None


def is_same(text: str, key: Key) -> bool:
    """Whether a text is this key; it takes as long however much of it is right."""
    return hmac.compare_digest(digest_of(text), key.digest)


def bearer(header: bytes) -> str | None:
    """The key in an ``Authorization`` header; None where it is of another kind, too long, or none at all."""
    if len(header) > MOST_HEADER_BYTES:
        return None
    match = _BEARER.fullmatch(header)
    return match[1].decode("ascii") if match else None


def expiry(text: str, now: datetime | None = None) -> datetime:
    """When a key ends: after so many days (``90d``), or with a day (``2027-01-31``, UTC).

    Raises:
        SettingsError: It is neither, or in the past, or beyond the year 9999.
    """
    now = now or datetime.now(UTC)
    wrong = SettingsError(f"'{text[:40]}' is no time in the future; write days as in 90d, or a date as in 2027-01-31")
    try:
        if days := re.fullmatch(r"([0-9]{1,7})d", text):
            ends = now.replace(microsecond=0) + timedelta(days=int(days[1]))
        else:
            ends = datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=UTC) + timedelta(days=1)
    except (ValueError, OverflowError) as error:
        raise wrong from error
    if ends <= now:
        raise wrong
    return ends
