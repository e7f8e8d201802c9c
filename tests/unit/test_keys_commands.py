"""``meshseek keys``, and ``meshseek serve`` where others could reach it."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from meshseek.access.keys import KEY
from meshseek.access.keys_file import MOST_KEYS, KeysFile
from meshseek.access.ring import KeyRing
from meshseek.bootstrap import Meshseek
from meshseek.errors import KeysError, ServiceError
from meshseek.images import MAX_IMAGE_BYTES, MAX_IMAGE_PIXELS
from meshseek.interfaces.cli import main
from meshseek.interfaces.cli.serving import check_keys, without_secrets
from meshseek.interfaces.http.protocol import BODY_SECONDS, HEAD_SECONDS, MOST_HEAD_BYTES, MOST_HEADERS, STALL_SECONDS
from meshseek.interfaces.http.rates import FAILURES, MOST_COUNTED
from meshseek.interfaces.http.schemas import FIELD_BYTES
from meshseek.search.algorithm import WAITING
from meshseek.settings import read_settings
from meshseek.store.postgres import POOL_SIZE


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """An empty workspace."""
    (tmp_path / "libraries").mkdir()
    return tmp_path


def run(folder: Path, *words: str) -> Result:
    """What a command says."""
    return CliRunner().invoke(main, [*words, "--workspace", str(folder)])


def test_a_key_is_made_shown_listed_and_revoked(folder: Path) -> None:
    """It stands alone on standard output, once; afterwards only its name and its dates are shown."""
    made = run(folder, "keys", "add", "bob")
    text = made.stdout.strip()
    assert KEY.fullmatch(text)
    assert made.stderr == "keep it now: it is not shown again\n"
    caller = KeyRing(folder).caller(text)
    assert caller is not None
    assert (caller.name, caller.scopes) == ("bob", ("read",))
    assert run(folder, "keys", "add", "alice", "--scope", "admin", "--expires", "90d").exit_code == 0

    ring = KeyRing(folder)
    ring.caller(text)
    ring.used.write()
    table = run(folder, "keys", "list").stdout
    assert [line.split()[:2] for line in table.splitlines()] == [["name", "scope"], ["bob", "read"], ["alice", "admin"]]
    assert table.splitlines()[1].endswith("never")
    assert text[13:] not in table
    bob, alice = json.loads(run(folder, "keys", "list", "--json").stdout)
    assert bob.keys() == {"name", "scope", "created", "last_used", "expires"}
    assert (bob["last_used"] is not None, alice["last_used"], bob["expires"]) == (True, None, None)
    assert alice["expires"] > alice["created"]

    assert run(folder, "keys", "revoke", "bob").stdout == "revoked 'bob'\n"
    assert KeyRing(folder).caller(text) is None
    assert json.loads(run(folder, "keys", "revoke", "alice", "--json").stdout) == {"revoked": "alice"}
    assert "run 'meshseek keys add NAME'" in run(folder, "keys", "list").stdout
    assert json.loads(run(folder, "keys", "list", "--json").stdout) == []


def test_a_key_as_json(folder: Path) -> None:
    """For programs that make keys."""
    made = run(folder, "keys", "add", "bob", "--scope", "write", "--expires", "2999-01-31", "--json")
    told = json.loads(made.stdout)
    assert KEY.fullmatch(told["key"])
    assert (told["name"], told["scope"], told["expires"]) == ("bob", "write", "2999-02-01T00:00:00+00:00")
    assert made.stderr == ""


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["add", "a b"], "a key's name has"),
        (["add", "bob", "--expires", "soon"], "is no time in the future"),
        (["revoke", "bob"], "there is no key 'bob'"),
    ],
)
def test_a_mistake_is_one_line(folder: Path, words: list[str], told: str) -> None:
    """With exit status 1, and nothing on standard output."""
    ended = run(folder, "keys", *words)
    assert (ended.exit_code, ended.stdout) == (1, "")
    assert ended.stderr.count("\n") == 1
    assert told in ended.stderr
    assert run(folder, "keys", "add", "bob", "--scope", "all").exit_code == 2


def test_no_workspace_is_made_by_mistake(tmp_path: Path) -> None:
    """A folder that is none gets no keys."""
    for words in (["add", "bob"], ["list"], ["revoke", "bob"]):
        ended = run(tmp_path / "none", "keys", *words)
        assert ended.exit_code == 1
        assert "there is no workspace" in ended.stderr
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.5", "meshseek.example"])
def test_others_are_let_in_only_with_keys(folder: Path, host: str) -> None:
    """Where they could reach the service, it does not start, and says what to do."""

    def check(**settings: Any) -> None:
        check_keys(Meshseek(read_settings(workspace=folder, host=host, **settings)))

    ended = run(folder, "serve", "--host", host)
    assert (ended.exit_code, ended.stderr.count("\n")) == (1, 1)
    assert "'meshseek keys add NAME'" in ended.stderr
    assert "--insecure" in ended.stderr
    with pytest.raises(ServiceError):
        check()
    check(insecure=True)
    run(folder, "keys", "add", "bob")
    check()
    (folder / "keys.json").write_text("{")
    with pytest.raises(KeysError):
        check()


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "::1", "127.0.0.5"])
def test_this_machine_needs_no_key(folder: Path, host: str) -> None:
    """Nor a file of keys that can be read."""
    (folder / "keys.json").write_text("{")
    check_keys(Meshseek(read_settings(workspace=folder, host=host)))
    with pytest.raises(KeysError):
        KeysFile(folder).read()


def test_the_page_on_security_is_true(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its commands run, one after the other, and its bounds are those of the code."""
    page = (Path(__file__).parents[2] / "docs" / "security.md").read_text("utf-8")
    monkeypatch.chdir(folder.parent)
    commands = re.findall(r"^meshseek (keys .*)$", page, re.MULTILINE)
    assert [words.split()[1] for words in commands] == ["add", "add", "list", "revoke"]
    for words in commands:
        ended = run(folder, *words.split())
        assert ended.exit_code == 0, ended.stderr
    assert [key.name for key in KeysFile(folder).read()] == ["alice"]

    settings = read_settings(workspace=folder)
    rows = dict(re.findall(r"^\| ([^|]+) \| ([^|]+) \|", page, re.MULTILINE))
    for bound, told in {
        "headers of a request": f"{MOST_HEADERS}, and {MOST_HEAD_BYTES // 1024} kB",
        "time for all headers to arrive": f"{HEAD_SECONDS:g} s",
        "time for the body to arrive": f"{BODY_SECONDS:g} s",
        "body of a text search": f"{FIELD_BYTES // 1000} kB",
        "body of an image search": f"{MAX_IMAGE_BYTES // 1_000_000} MB, and {FIELD_BYTES // 1000} kB",
        "pixels of a picture": f"{MAX_IMAGE_PIXELS // 1_000_000} million",
        "time until the answer begins": f"{settings.request_seconds:g} s, then 503",
        "one statement in the database": f"{settings.statement_seconds:g} s",
        "searches of an algorithm at a time": f"{POOL_SIZE}, and {WAITING} that wait",
        "time for a client to take the next 64 kB of an answer": f"{STALL_SECONDS:g} s",
        "connections at a time": f"{settings.max_connections}; then 503",
        "requests with one key": f"{_number(settings.rate_limit)} a minute",
        "requests from one address of another machine": f"{_number(settings.rate_limit_address)} a minute",
        "keys that are no good, from one address": f"{_number(FAILURES)} a minute",
        "addresses that are counted one by one": f"{MOST_COUNTED:,}, an IPv6 network",
        "keys": f"{MOST_KEYS:,}",
    }.items():
        assert told in rows[bound], bound


def _number(rate: str | None) -> str:
    number, _, each = (rate or "").partition("/")
    assert each == "minute"
    return f"{int(number):,}"


def test_the_page_is_told_no_secret() -> None:
    """Neither ours nor those of PostgreSQL's client, of a collector of traces, and of whatever else the shell knows."""
    secrets = ("MESHSEEK_DATABASE_URL", "meshseek_host", "PGPASSWORD", "OTEL_EXPORTER_OTLP_HEADERS", "HF_TOKEN")
    more = ("OPENAI_API_KEY", "AWS_SECRET_ACCESS_KEY", "GOOGLE_APPLICATION_CREDENTIALS", "SMTP_PASS", "https_proxy")
    kept = dict.fromkeys(("PATH", "HOME", "TMPDIR", "LANG", "PYTHONPATH", "FORWARDED_ALLOW_IPS"), "x")
    assert without_secrets({**dict.fromkeys((*secrets, *more), "x"), **kept}) == kept
