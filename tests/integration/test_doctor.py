"""``meshseek doctor``: each examination finds what is really wrong, and names a cure that exists."""

from __future__ import annotations

import io
import json
import os
import re
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest
from click.testing import CliRunner, Result
from tests.conftest import free_port
from tests.http_service import JsonHandler, serving_json

from meshseek.bootstrap import Meshseek
from meshseek.doctor import install, machine, permissions, ports, services
from meshseek.doctor.examination import examine, look_at
from meshseek.doctor.findings import Finding
from meshseek.errors import WorkspaceError
from meshseek.interfaces.cli import main
from meshseek.model import Space
from meshseek.settings import Settings, read_settings
from meshseek.store.postgres import Server
from meshseek.store.read.facts import read_facts
from meshseek.workspace.workspace import Workspace

WORKS = {"install", "python", "packages", "locale", "clock", "memory", "disk", "workspace", "database", "ports"}


def found(looks: Iterator[Finding], state: str) -> list[str]:
    """What is in a state, with its cure."""
    findings = list(looks)
    for finding in findings:
        assert "\n" not in str(finding)
        assert bool(finding.cure) == (finding.state != "ok")
        for name in re.findall(r"MESHSEEK_([A-Z_]+)", finding.cure):
            assert name.lower() in Settings.model_fields
    return [f"{finding.text}; {finding.cure}" for finding in findings if finding.state == state]


def distribution(folder: Path, name: str, version: str, *lines: str) -> None:
    """What an installed package says of itself."""
    about = folder / f"{name}-{version}.dist-info"
    about.mkdir()
    (about / "METADATA").write_text(
        "\n".join(["Metadata-Version: 2.1", f"Name: {name}", f"Version: {version}", *lines])
    )


@pytest.fixture
def first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder in which packages are found first."""
    monkeypatch.syspath_prepend(str(tmp_path))
    return tmp_path


def test_all_is_well(conninfo: str, tmp_path: Path) -> None:
    """On a machine where all is there nothing is found, and everything was looked at."""
    workspace = Workspace(tmp_path)
    (tmp_path / "libraries").mkdir()
    meshseek = Meshseek(read_settings(workspace=workspace.folder, database_url=conninfo, host="127.0.0.1"))
    findings = examine(meshseek, {"--api-port": free_port(), "--ui-port": free_port()})

    assert [str(finding) for finding in findings if finding.state != "ok"] == []
    assert {finding.about for finding in findings} == WORKS | {"pgvector"}


def test_packages_that_do_not_fit(first: Path) -> None:
    """One that is too old, one that is missing, and the Python."""
    needs = [f"Requires-Dist: {need}" for need in ("anyio<4,>=3", "no-such-thing", "never; extra == 'never'")]
    distribution(first, "meshseek", "0.0.1", "Requires-Python: >=99", *needs)
    python, anyio, missing = found(install.look_at_install(), "problem")

    assert "is not >=99" in python
    assert re.match(r"anyio is 4\.\S+, and <4,>=3 is needed; run: pip install \"anyio<4,>=3\"", anyio)
    assert missing == 'no-such-thing is missing, and any version is needed; run: pip install "no-such-thing"'
    assert found(install.look_at_install(), "warning")[0].startswith("the package says 0.0.1, and its code")


def test_a_terminal_without_chinese(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is printed there would fail."""
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(io.BytesIO(), encoding="latin-1"))

    assert "PYTHONUTF8=1" in found(install.look_at_locale(), "warning")[0]


def test_little_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On the disk and in memory, where more is wanted than any machine has."""
    for name, state in (("LITTLE", "warning"), ("LEAST", "problem")):
        monkeypatch.setattr(machine, f"{name}_DISK", 1e18)
        monkeypatch.setattr(machine, f"{name}_MEMORY", 1e18)
        assert (
            "GB are free for the workspace" in found(machine.look_at_disk(tmp_path / "a" / "b", "workspace"), state)[0]
        )
        assert "GB of memory are free" in found(machine.look_at_memory(), state)[0]


def test_a_clock_that_is_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a file that was written in its future, and of the time when this was made."""
    (tmp_path / "file").touch()
    assert found(machine.look_at_clock(tmp_path), "warning") == []
    os.utime(tmp_path / "file", (time.time() + 10_000,) * 2)
    assert "but a file of the workspace is of" in found(machine.look_at_clock(tmp_path), "warning")[0]

    monkeypatch.setattr(machine, "MADE", time.time() + 1000)
    assert "before this version was made" in found(machine.look_at_clock(tmp_path), "problem")[0]


def test_a_workspace_that_cannot_be_written(tmp_path: Path) -> None:
    """One that is not there is only told; where nothing can be written, that is a problem even to root."""
    assert "there is none in" in found(permissions.look_at_permissions(tmp_path / "nowhere"), "warning")[0]
    assert "cannot be written" in found(permissions.look_at_permissions(Path("/proc/self")), "problem")[0]


@pytest.mark.parametrize("name", ["database_url", "shards", "read_database_urls"])
def test_addresses_of_databases_are_secrets(tmp_path: Path, name: str) -> None:
    """They may hold passwords, however many of them a setting lists."""
    settings = tmp_path / "meshseek.toml"
    settings.write_text(f'{name} = "postgresql://me:hunter2@one/postgres"')
    settings.chmod(0o644)
    (problem,) = found(permissions.look_at_permissions(tmp_path), "problem")
    assert problem.startswith(f"others can read {settings}, which holds secrets")


def test_secrets_that_others_can_read(tmp_path: Path) -> None:
    """The keys always, the settings where they hold one; the cure is carried out, and then all is well."""
    keys, settings = tmp_path / "keys.json", tmp_path / "meshseek.toml"
    keys.write_text("{}")
    keys.chmod(0o644)
    settings.write_text("workers = 1\n")
    settings.chmod(0o644)
    (only,) = found(permissions.look_at_permissions(tmp_path), "problem")
    settings.write_text('dashscope_api_key = "sk"\n')
    both = found(permissions.look_at_permissions(tmp_path), "problem")

    assert only.startswith(f"others can read {keys}, which holds secrets; run: chmod 600")
    assert len(both) == 2
    for problem in both:
        subprocess.run(problem.partition("run: ")[2], shell=True, check=True)
    assert found(permissions.look_at_permissions(tmp_path), "problem") == []


def test_ports_that_are_taken(tmp_path: Path) -> None:
    """By another program, which is told; and by Meshseek itself, which is as it should be."""
    pages = {"/live": b'{"status":"live"}', "/sign-in": b"<title>Meshseek</title>"}

    class Living(JsonHandler):
        def do_GET(self) -> None:  # noqa: N802  # the name that http.server calls
            content = pages.get(self.path, b"")
            self.send_response(200 if content else 303)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

    with socket.create_server(("127.0.0.1", 0)) as other, pytest.MonkeyPatch.context() as patch:
        patch.setattr(ports, "ANSWER_SECONDS", 0.2)  # it says nothing at all
        port = other.getsockname()[1]
        assert "give another --ui-port" in found(ports.look_at_ports("127.0.0.1", {"--ui-port": port}), "warning")[0]
    with serving_json(Living, None) as url:
        port = int(url.rpartition(":")[2])
        for option in ("--api-port", "--ui-port"):
            assert found(ports.look_at_ports("127.0.0.1", {option: port}), "ok")[0].startswith("Meshseek serves at")


def test_a_port_of_ipv6_is_asked_as_such(monkeypatch: pytest.MonkeyPatch) -> None:
    """In an address, it stands in brackets."""
    asked: list[str] = []

    def stream(_: str, url: str, **__: Any) -> httpx.Response:
        asked.append(url)
        raise httpx.ConnectError("nobody is there")

    monkeypatch.setattr(httpx, "stream", stream)
    for host in ("::1", "::", "0.0.0.0", "localhost"):
        assert not ports._is_ours(host, 8000, "--api-port")
    assert asked == [f"http://{name}:8000/live" for name in ("[::1]", "[::1]", "127.0.0.1", "localhost")]


def workspace_with(folder: Path, algorithm: str, model: str) -> Workspace:
    """A workspace in which an algorithm was embedded with a model; no vector is left of it."""
    workspace = Workspace(folder)
    space = Space(embedder=algorithm, model=model, revision="1", dim=8, preprocessing="none")
    table = workspace.vectors_table(algorithm, "appearance", space)
    table.folder.mkdir(parents=True)
    table.keep_shards([])
    (folder / "libraries").mkdir(exist_ok=True)
    return workspace


def test_models_that_are_not_here(tmp_path: Path) -> None:
    """Weights that nobody has fetched, and a hosted model without a key."""
    workspace_with(tmp_path, "siglip", "nobody/nothing")
    workspace_with(tmp_path, "qwen", "qwen3-vl-embedding")
    workspace_with(tmp_path, "lite", "usem3+efficientnet-lite0")
    looks = services.look_at_models(Meshseek(read_settings(workspace=tmp_path)))
    hosted, weights = sorted(found(looks, "problem"))

    assert hosted == "'qwen3-vl-embedding' is hosted; set MESHSEEK_DASHSCOPE_API_KEY"
    assert weights.startswith("there are no weights of 'nobody/nothing'")
    assert "hf download nobody/nothing" in weights


def test_a_database_that_is_not_there(tmp_path: Path) -> None:
    """One line with the setting's name, without the password."""
    url = f"postgresql://me:hunter2@127.0.0.1:{free_port()}/postgres"
    meshseek = Meshseek(read_settings(workspace=tmp_path, database_url=url))
    (problem,) = found(services.look_at_database(meshseek), "problem")

    assert "the database cannot be reached" in problem
    assert problem.endswith("start it or check MESHSEEK_DATABASE_URL")
    assert "hunter2" not in problem


@pytest.mark.parametrize("name", ["database_url", "shards", "read_database_urls"])
def test_an_address_that_is_none(tmp_path: Path, name: str) -> None:
    """It is found like anything else, and the rest is looked at; its password is not shown."""
    meshseek = Meshseek(read_settings(workspace=tmp_path, **{name: "postgresql://me:hunter2@[nowhere"}))
    Workspace(tmp_path).folder.joinpath("libraries").mkdir()
    (problem,) = found(services.look_at_database(meshseek), "problem")
    assert problem.startswith(f"MESHSEEK_{name.upper()} is no address of a database; ")
    assert "hunter2" not in problem


@pytest.fixture
def odd_server(conninfo: str) -> Iterator[str]:
    """The address of a database whose server seems old, full, and not in UTF-8."""
    name = f"odd_{os.getpid()}"
    with psycopg.connect(conninfo, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name} ENCODING SQL_ASCII LOCALE 'C' TEMPLATE template0".encode())
        odd = psycopg.conninfo.make_conninfo(conninfo, dbname=name)
        with psycopg.connect(odd, autocommit=True) as inside:
            inside.execute("CREATE SCHEMA odd")
            inside.execute(
                "CREATE VIEW odd.pg_available_extensions AS SELECT 'vector' AS name, '0.8.3' AS default_version"
            )
            inside.execute(
                "CREATE VIEW odd.pg_stat_activity AS SELECT 'client backend' AS backend_type "
                "FROM generate_series(1, current_setting('max_connections')::int)"
            )
        yield psycopg.conninfo.make_conninfo(odd, options="-csearch_path=odd,pg_catalog")
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())


def test_a_server_that_does_not_fit(odd_server: str, tmp_path: Path) -> None:
    """A pgvector that loses data, text that has no Chinese, and no room for our connections."""
    meshseek = Meshseek(read_settings(workspace=tmp_path, database_url=odd_server))
    findings = list(services.look_at_database(meshseek))
    problems, warnings = found(iter(findings), "problem"), found(iter(findings), "warning")

    assert "pgvector 0.8.3, which can lose data; install 0.8.4 or newer" in problems[0]
    assert problems[1].startswith("its text is in SQL_ASCII, not in UTF8")
    assert re.match(r"-?\d+ more connections can be made, and up to \d+ are needed; raise max_connections", warnings[0])


def test_what_is_embedded_but_not_published(conninfo: str, server: Server, tmp_path: Path) -> None:
    """Nothing at all, and what another version of Meshseek published; the command is named."""
    workspace_with(tmp_path, "siglip", "x")
    prefix = server.database_name("").removesuffix("_embeddings")
    meshseek = Meshseek(read_settings(workspace=tmp_path, database_url=conninfo, database_prefix=prefix))
    (nothing,) = found(services.look_at_database(meshseek), "warning")
    server.create_database("siglip")
    with server.connect("siglip") as connection:
        connection.execute("CREATE SCHEMA live")
        connection.execute("CREATE TABLE live.spaces (schema_version int)")
        connection.execute("INSERT INTO live.spaces VALUES (1)")
    (other,) = found(services.look_at_database(meshseek), "problem")
    facts = read_facts(server)

    assert "run 'meshseek publish" in nothing
    assert (
        other
        == "'siglip' was published by another version of Meshseek; run 'meshseek publish --algorithm siglip' again"
    )
    assert (facts.encoding, facts.free_connections > 0, Path(facts.folder or "").is_dir()) == ("UTF8", True, True)


def test_an_examination_that_hangs_or_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither keeps the others; each is itself a problem with a cure, and what it had found before counts."""
    never = threading.Event()

    def hang() -> Iterator[Finding]:
        yield Finding("ports", "ok", "one was free")
        never.wait(60)

    def fail() -> Iterator[Finding]:
        raise ZeroDivisionError("an odd\nmessage")
        yield

    def refuse() -> Iterator[Finding]:
        raise WorkspaceError("it is damaged; run 'meshseek check'")
        yield

    looks: dict[str, Any] = {
        "ports": hang,
        "models": fail,
        "clock": refuse,
        "disk": lambda: [Finding("disk", "ok", "x")],
    }
    findings = look_at(looks, 0.3)
    never.set()

    assert [str(finding) for finding in findings] == [
        "ok       ports        one was free",
        "problem  ports        this took more than 0.3 s; check MESHSEEK_HOST",
        "problem  models       this cannot be looked at (an odd); check the disk that MESHSEEK_MODEL_DIR is on",
        "problem  clock        it is damaged; run 'meshseek check'",
        "ok       disk         x",
    ]


def doctor(*arguments: str) -> Result:
    """Run the command in this process."""
    return CliRunner().invoke(main, ["doctor", *arguments])


def test_what_the_page_of_operating_says(conninfo: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its commands run, and the table names everything that is looked at."""
    text = (Path(__file__).parents[2] / "docs" / "operating.md").read_text("utf-8")
    section = text.partition("## Is everything there?")[2].partition("\n## ")[0]
    monkeypatch.setenv("MESHSEEK_DATABASE_URL", conninfo)
    monkeypatch.setenv("MESHSEEK_WORKSPACE", str(tmp_path))
    commands = re.findall(r"^meshseek (.+)$", section, re.MULTILINE)
    named = {word.strip() for row in re.findall(r"^\| (.+?) \|", section, re.MULTILINE) for word in row.split(",")}

    assert len(commands) == 2
    for command in commands:
        ended = CliRunner().invoke(main, command.split())
        assert ended.exit_code in {0, 1}, ended.output
        assert "ok" in ended.stdout
    assert named >= WORKS | {"pgvector", "models", "published", "permissions"}


def test_the_command(conninfo: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Lines for people, JSON for programs; the status is 1 if there is a problem, and not for a warning."""
    options = ["--api-port", str(free_port()), "--ui-port", str(free_port())]
    monkeypatch.setenv("MESHSEEK_DATABASE_URL", conninfo)
    well = doctor("--workspace", str(tmp_path), "--json", *options)
    (tmp_path / "keys.json").touch(0o644)
    bad = doctor("--workspace", str(tmp_path), *options)
    monkeypatch.setenv("MESHSEEK_WORKERS", "none")
    unreadable = doctor("--workspace", str(tmp_path), *options)

    assert (well.exit_code, bad.exit_code, unreadable.exit_code) == (0, 1, 1)
    assert {finding["about"] for finding in json.loads(well.stdout)} >= WORKS
    assert "problem  permissions  others can read" in bad.stdout
    assert unreadable.stdout.startswith("problem  settings     setting MESHSEEK_WORKERS")
