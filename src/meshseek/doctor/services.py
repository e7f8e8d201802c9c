"""Whether the database answers with what it should, and models are there."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from meshseek.bootstrap import Meshseek
from meshseek.doctor.findings import Finding
from meshseek.doctor.machine import look_at_disk
from meshseek.errors import DatabaseVersionError, MeshseekError, NotPublishedError
from meshseek.store.postgres import LOOKUPS, POOL_SIZE
from meshseek.store.read.facts import ServerFacts, read_facts
from meshseek.store.read.opening import open_library
from meshseek.store.shards import Shards

MORE_CONNECTIONS: Final = 5
"""For what stages and people connect for, beside the service."""


def look_at_database(meshseek: Meshseek) -> Iterator[Finding]:
    """Whether it is reached, of the right kind, roomy, and has what was embedded."""
    settings = meshseek.settings
    if not settings.has_named_servers and not meshseek.workspace.is_there:
        yield Finding("database", "ok", "it is made with the workspace")
        return
    try:
        databases, names = meshseek.databases, meshseek.search_service.names
    except MeshseekError as error:
        yield Finding.of_error("database", error)
        return
    is_there = True
    for number, server in enumerate(databases.servers if isinstance(databases, Shards) else [databases]):
        name = databases.called(number) if isinstance(databases, Shards) else ""
        try:
            facts = read_facts(server)
        except MeshseekError as error:
            yield Finding.of_error("database", MeshseekError(f"{name}: {error}") if name else error)
            is_there = False
        else:
            yield from _look_at_facts(facts, name, len(names))
    if is_there:
        yield from _look_at_published(meshseek, names)


def _look_at_facts(facts: ServerFacts, name: str, algorithms: int) -> Iterator[Finding]:
    """Whether a server is of the right kind, and roomy."""
    yield Finding("database", "ok", f"PostgreSQL {facts.version} answers{f' as {name}' if name else ''}")
    try:
        facts.check_pgvector()
        yield Finding("pgvector", "ok", f"pgvector {facts.pgvector}")
    except DatabaseVersionError as error:
        yield Finding.of_error("pgvector", error)
    if facts.encoding != "UTF8":
        cure = "make the server's cluster anew with: initdb --encoding=UTF8"
        yield Finding("database", "problem", f"its text is in {facts.encoding}, not in UTF8", cure)
    needed = algorithms * (POOL_SIZE + LOOKUPS) + MORE_CONNECTIONS
    if facts.free_connections < needed:
        cure = "raise max_connections in its postgresql.conf"
        text = f"{facts.free_connections} more connections can be made, and up to {needed} are needed"
        yield Finding("database", "warning", text, cure)
    if facts.folder is not None and Path(facts.folder).is_dir():
        yield from look_at_disk(Path(facts.folder), "database")


def _look_at_published(meshseek: Meshseek, names: list[str]) -> Iterator[Finding]:
    embedded = meshseek.workspace.algorithms()
    for name in names:
        library = open_library(meshseek.databases, name)
        try:
            published = library.published()
            moment = published.published_at.isoformat(sep=" ", timespec="minutes")
            text = f"'{name}' with {published.assets:,} assets, {moment}"
            yield Finding("published", "ok", text)
        except NotPublishedError as error:
            if name in embedded:
                yield Finding.of_error("published", error, "warning")
        except MeshseekError as error:
            yield Finding.of_error("published", error)
        finally:
            library.close()


def look_at_models(meshseek: Meshseek) -> Iterator[Finding]:
    """Whether what each algorithm was embedded with can be loaded; nothing large is, and nothing is fetched."""
    for name in meshseek.workspace.algorithms():
        try:
            lacking = meshseek.lacking(name)
        except MeshseekError as error:
            yield Finding.of_error("models", error)
            continue
        if lacking is None:
            yield Finding("models", "ok", f"that of '{name}' is here")
        else:
            yield Finding.of_error("models", MeshseekError(lacking))
