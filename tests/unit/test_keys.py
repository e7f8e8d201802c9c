"""Keys: how they look, how they end, the file that keeps them, and what a running service knows of them."""

from __future__ import annotations

import contextlib
import hmac
import json
import os
import stat
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest
from hypothesis import given
from hypothesis import strategies as some

from meshseek.access import keys_file, ring
from meshseek.access.keys import KEY, SCOPES, Scope, bearer, digest_of, expiry, id_of, is_same, make_key, scopes_up_to
from meshseek.access.keys_file import MOST_BYTES, MOST_KEYS, KeysFile, _parsed
from meshseek.access.ring import USED_NAME, KeyRing, LastUsed
from meshseek.errors import KeysError, NotFoundError, SettingsError, WorkspaceError

NOW = datetime(2026, 11, 26, 12, tzinfo=UTC)


@pytest.fixture(autouse=True)
def _look_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """What changes is noticed with the next request."""
    monkeypatch.setattr(ring, "LOOK_SECONDS", 0.0)


def add(folder: Path, name: str = "bob", scope: Scope = "read", expires: datetime | None = None) -> str:
    """A new key in the file."""
    text, key = make_key(name, scope, expires)
    KeysFile(folder).add(key)
    return text


def test_a_key_is_random_and_only_its_hash_is_kept(tmp_path: Path) -> None:
    """Two keys share nothing; the file, which only its owner may read, does not have the secret."""
    texts = [add(tmp_path, name) for name in ("a", "b")]
    path = tmp_path / "keys.json"

    assert all(KEY.fullmatch(text) and len(text) == 56 for text in texts)
    assert len({text[13:] for text in texts}) == 2
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert not any(text[13:] in path.read_text() for text in texts)
    assert [key.digest for key in KeysFile(tmp_path).read()] == [digest_of(text) for text in texts]
    assert sorted(file.name for file in tmp_path.iterdir()) == [".keys.lock", "keys.json"]


def test_keys_are_compared_in_constant_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """The comparison is the one that was made for it."""
    compared = Mock(wraps=hmac.compare_digest)
    monkeypatch.setattr(hmac, "compare_digest", compared)
    text, key = make_key("bob", "read")

    assert is_same(text, key)
    assert not is_same(f"{text[:-1]}{'a' if text[-1] != 'a' else 'b'}", key)
    assert compared.call_count == 2


def test_each_scope_includes_those_before_it() -> None:
    """A key for everything may do everything."""
    assert [scopes_up_to(scope) for scope in SCOPES] == [("read",), ("read", "write"), ("read", "write", "admin")]


@pytest.mark.parametrize("name", ["", " ", "a b", "-a", "a" * 65, "a\n", "é", "../x"])
def test_a_name_is_a_plain_word(name: str) -> None:
    """It is typed in a shell, and stands in logs and tables."""
    with pytest.raises(SettingsError, match=r"^[^\n]*name[^\n]*$"):
        make_key(name, "read")


@pytest.mark.parametrize(
    ("text", "ends"),
    [
        ("90d", NOW + timedelta(days=90)),
        ("1d", NOW + timedelta(days=1)),
        ("2026-11-26", datetime(2026, 11, 27, tzinfo=UTC)),
        ("2027-01-31", datetime(2027, 2, 1, tzinfo=UTC)),
    ],
)
def test_an_expiry_is_days_or_a_date(text: str, ends: datetime) -> None:
    """A date holds to its end."""
    assert expiry(text, NOW) == ends


@pytest.mark.parametrize(
    "text", ["0d", "-1d", "9999999d", "90", "d", "2026-11-25", "2026-13-01", "9999-12-31", "x" * 99]
)
def test_an_expiry_that_is_none(text: str) -> None:
    """What lies in the past or makes no sense is refused in one line that says what to write."""
    with pytest.raises(SettingsError, match=r"^'[^\n]{1,40}' is no time [^\n]*90d[^\n]*$"):
        expiry(text, NOW)


def test_a_key_comes_after_bearer() -> None:
    """In any letters, with nothing beside it."""
    for header in (b"Bearer abc", b"bearer   abc", b"BEARER abc "):
        assert bearer(header) == "abc"
    for header in (
        b"",
        b"Bearer",
        b"Bearer ",
        b"Basic abc",
        b"Bearer a b",
        b"Bearerabc",
        b"Bearer " + b"a" * 300,
        b"abc",
    ):
        assert bearer(header) is None


@given(some.binary(max_size=400) | some.from_regex(rb"(?i)bearer +[ -~]*"))
def test_any_header_is_a_word_or_nothing(header: bytes) -> None:
    """Whatever is sent gives printable ASCII or None, never an error; so does the look for an id in it."""
    text = bearer(header)
    assert text is None or (text.isascii() and text.isprintable() and " " not in text)
    assert id_of(text or "") is None or KEY.fullmatch(text or "")


@given(some.text(max_size=80) | some.from_regex(KEY))
def test_any_text_is_no_key_of_ours(text: str) -> None:
    """A made-up key is nobody's."""
    assert id_of(text) is None or len(text) == 56
    if text.isascii():
        assert not is_same(text, make_key("bob", "read")[1])


def test_a_key_is_somebodys_until_it_is_revoked(tmp_path: Path) -> None:
    """A running service knows a new key at once, and no longer knows one that was revoked."""
    running = KeyRing(tmp_path)
    assert running.is_empty()
    text = add(tmp_path, scope="write")

    caller = running.caller(text)
    assert caller is not None
    assert (caller.name, caller.scopes, running.is_empty()) == ("bob", ("read", "write"), False)
    for other in ("", "msk_", text[:-1], f"{text}x", text.upper(), make_key("bob", "write")[0]):
        assert running.caller(other) is None
    KeysFile(tmp_path).revoke("bob")
    assert running.caller(text) is None
    assert running.is_empty()


def test_the_file_is_looked_at_within_a_second(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not at each request, and not read unless it changed."""
    monkeypatch.undo()
    assert ring.LOOK_SECONDS < 1
    monkeypatch.setattr(ring, "LOOK_SECONDS", 0.0)
    text = add(tmp_path)
    running = KeyRing(tmp_path)
    assert running.caller(text)

    read = Mock(return_value=())
    monkeypatch.setattr(KeysFile, "read", read)
    assert running.caller(text)
    assert read.call_count == 0
    os.utime(tmp_path / "keys.json", (1, 1))
    assert running.caller(text) is None
    assert read.call_count == 1


def test_a_key_expires(tmp_path: Path) -> None:
    """From that moment on it is nobody's."""
    soon = datetime.now(UTC) + timedelta(days=1)
    text = add(tmp_path, expires=soon)
    (key,) = KeysFile(tmp_path).read()

    assert KeyRing(tmp_path).caller(text)
    assert key.expires == soon
    assert not key.has_expired(soon - timedelta(seconds=1))
    assert key.has_expired(soon)
    over = add(tmp_path, "over", expires=datetime.now(UTC) - timedelta(seconds=1))
    assert KeyRing(tmp_path).caller(over) is None


def test_names_are_used_once_and_keys_are_few(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A second key of a name, one too many, and the revocation of what is not there are each one line."""
    add(tmp_path)
    with pytest.raises(KeysError, match=r"^there is a key 'bob' already; [^\n]*$"):
        add(tmp_path)
    monkeypatch.setattr(keys_file, "MOST_KEYS", 1)
    with pytest.raises(KeysError, match=r"^there are 1 keys, which is the most; [^\n]*$"):
        add(tmp_path, "alice")
    with pytest.raises(NotFoundError, match=r"^there is no key 'alice'; [^\n]*$"):
        KeysFile(tmp_path).revoke("alice")


def test_as_many_keys_as_may_be_fit_in_the_file(tmp_path: Path) -> None:
    """A file that Meshseek wrote is never too large to be read."""
    keys = [make_key(f"{number:04}{'x' * 60}", "admin", NOW)[1] for number in range(MOST_KEYS)]
    KeysFile(tmp_path)._write(keys)

    assert (tmp_path / "keys.json").stat().st_size < MOST_BYTES
    assert len(KeysFile(tmp_path).read()) == MOST_KEYS


def test_no_key_is_lost_where_many_are_made_at_once(tmp_path: Path) -> None:
    """Each process reads what the one before it wrote; who finds the file busy is told, and tries again."""

    def make(number: int) -> None:
        _, key = make_key(f"key{number}", "read")
        for _ in range(10_000):
            with contextlib.suppress(WorkspaceError):
                return KeysFile(tmp_path).add(key)
        raise AssertionError("the file was always busy")

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(make, range(12)))
    assert sorted(key.name for key in KeysFile(tmp_path).read()) == sorted(f"key{number}" for number in range(12))


DAMAGED: list[Any] = [
    b"",
    b"{",
    b"[]",
    b"\xff",
    b"null",
    b"[" * 100_000,
    b" " * (MOST_BYTES + 1),
    {"version": 2, "keys": []},
    {"version": 1},
    {"version": 1, "keys": {"a": 1}},
    {"version": 1, "keys": [{}]},
]


@pytest.mark.parametrize("content", DAMAGED, ids=lambda content: str(content)[:20])
def test_a_damaged_file_lets_nobody_in(tmp_path: Path, content: Any, caplog: pytest.LogCaptureFixture) -> None:
    """Neither the keys that were good, nor anybody as if there were none; one line says so, once; mending it helps."""
    text = add(tmp_path)
    path = tmp_path / "keys.json"
    good = path.read_bytes()
    running = KeyRing(tmp_path)
    assert running.caller(text)
    path.unlink()
    path.write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())

    for _ in range(2):
        with pytest.raises(KeysError, match=r"^[^\n]*keys.json [^\n]*so no key is let in; [^\n]*$"):
            running.caller(text)
        with pytest.raises(KeysError):
            running.is_empty()
    with pytest.raises(KeysError):
        add(tmp_path, "alice")
    assert len(caplog.records) == 1
    path.write_bytes(good)
    assert running.caller(text)


@pytest.mark.parametrize("field", ["id", "name", "scope", "sha256", "created", "expires"])
@pytest.mark.parametrize("value", [1, "x", ["read"], "zz" * 32, "2026-11-26T12:00:00"])
def test_a_damaged_key_lets_nobody_in(tmp_path: Path, field: str, value: Any) -> None:
    """Each field is checked, so that no damaged key is taken for another, or never ends."""
    add(tmp_path)
    path = tmp_path / "keys.json"
    content = json.loads(path.read_text())
    content["keys"][0][field] = value
    path.write_text(json.dumps(content))

    if (field, value) == ("name", "x"):
        assert KeysFile(tmp_path).read()[0].name == "x"
    elif (field, value) == ("name", "zz" * 32):
        assert KeysFile(tmp_path).read()[0].name == value
    else:
        with pytest.raises(KeysError):
            KeysFile(tmp_path).read()


def test_a_key_that_is_there_twice_lets_nobody_in(tmp_path: Path) -> None:
    """Nobody could say which of the two was revoked."""
    add(tmp_path)
    path = tmp_path / "keys.json"
    content = json.loads(path.read_text())
    path.write_text(json.dumps({**content, "keys": content["keys"] * 2}))

    with pytest.raises(KeysError):
        KeysFile(tmp_path).read()


@pytest.mark.parametrize("kind", ["link", "folder", "pipe"])
def test_only_an_ordinary_file_is_read(tmp_path: Path, kind: str) -> None:
    """A link could lead anywhere, and a pipe would never end."""
    path = tmp_path / "keys.json"
    if kind == "link":
        (tmp_path / "other").write_text('{"version": 1, "keys": []}')
        path.symlink_to("other")
    elif kind == "folder":
        path.mkdir()
    else:
        os.mkfifo(path)

    with pytest.raises(KeysError, match=r"cannot be read \([^\n]+\), so no key is let in"):
        KeyRing(tmp_path).is_empty()


_JSON = some.recursive(
    some.none() | some.booleans() | some.integers() | some.floats() | some.text(max_size=20),
    lambda inner: some.lists(inner, max_size=3) | some.dictionaries(some.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
_ROWS = some.fixed_dictionaries(dict.fromkeys(("id", "name", "scope", "sha256", "created", "expires"), _JSON))


@given(
    some.binary(max_size=200)
    | _JSON.map(lambda value: json.dumps(value).encode())
    | some.lists(_ROWS | _JSON, max_size=2).map(lambda rows: json.dumps({"version": 1, "keys": rows}).encode())
)
def test_any_content_is_keys_or_refused(content: bytes) -> None:
    """Whatever a file holds gives well-formed keys, or one of the errors that are taken for damage."""
    try:
        keys = _parsed(content)
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return
    assert all(key.scope in SCOPES and len(key.digest) == 64 for key in keys)


def test_when_keys_were_last_used_is_written_once_a_minute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Several uses are one writing, what other services wrote stays, and it is told by the key's id."""
    text = add(tmp_path)
    running = KeyRing(tmp_path)
    assert not running.used.is_due()
    assert running.caller(text)
    assert running.used.is_due()
    running.used.begin()
    other = LastUsed(tmp_path)
    other.note("abcdefgh")
    other.write()
    running.used.write()

    used = LastUsed(tmp_path).read()
    assert used.keys() == {"abcdefgh", text[4:12]}
    assert all(abs(datetime.now(UTC) - moment) < timedelta(minutes=1) for moment in used.values())
    assert running.caller(text)
    assert not running.used.is_due()
    monkeypatch.setattr(ring, "WRITE_SECONDS", 0.0)
    assert running.used.is_due()


def test_nobody_minds_where_it_cannot_be_written(tmp_path: Path) -> None:
    """A service may run on a workspace that is read-only, or is gone, or whose times are damaged."""
    used = LastUsed(tmp_path / "gone")
    used.note("abcdefgh")
    used.write()
    for content in (b"[", b"[]", b'{"a": 1}', b'{"a": "x"}', b"\xff", b'{"a": "0001-01-01T00:00:00+20:00"}'):
        (tmp_path / USED_NAME).write_bytes(content)
        assert LastUsed(tmp_path).read() == {}
