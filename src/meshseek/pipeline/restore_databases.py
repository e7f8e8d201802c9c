"""The published versions of a snapshot on their way into databases."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from meshseek.errors import ConfirmationNeededError
from meshseek.model import Space
from meshseek.reporting import Reporter
from meshseek.store.postgres import Server
from meshseek.store.read.held import live_identity
from meshseek.store.schema import CURRENT
from meshseek.store.write.publisher import publishing
from meshseek.workspace.backup_folder import BackupFolder, Snapshot

SPACE = ("embedder", "model", "revision", "dim", "preprocessing")


def expect_free(server: Server, snapshot: Snapshot, *, replace: bool) -> None:
    """Refuse to replace a live version, unless somebody has agreed.

    Raises:
        ConfirmationNeededError: Another one is live.
        DatabaseError: The database cannot be asked.
    """
    for database in snapshot["databases"]:
        algorithm = database["algorithm"]
        live = live_identity(server, algorithm)
        if live not in (None, database["identity"]) and not replace:
            raise ConfirmationNeededError(
                f"another version of '{algorithm}' is live in {server.shown_conninfo(algorithm)}; give --yes to "
                "replace it, or set MESHSEEK_DATABASE_PREFIX or MESHSEEK_DATABASE_URL to restore elsewhere"
            )


def restore_database(server: Server, database: Mapping[str, Any], backups: BackupFolder, reporter: Reporter) -> bool:
    """Make a version live as it was; returns whether it is now."""
    algorithm, description = database["algorithm"], database["description"]
    if description["schema_version"] != CURRENT:
        reporter.say(
            f"restore: '{algorithm}' was published by an older Meshseek, whose tables this one does not read; "
            f"run 'meshseek publish --algorithm {algorithm}'"
        )
        return False
    if live_identity(server, algorithm) == database["identity"]:
        return True
    space = Space(**{name: description[name] for name in SPACE})
    chinese = description["chinese_captions"]
    captions = description["assets"]  # at most
    sizes = {
        "assets": description["assets"],
        "vectors": captions + description["english_captions"] + chinese + description["views"],
        "views": description["views"],
        "graph_vectors": (2 + (chinese > 0)) * captions,
    }
    index_kind = description["index_kind"]
    with publishing(server, algorithm, space, reporter) as publisher:
        with (
            publisher.loading(**sizes, index_kind=index_kind) as loader,
            reporter.bar(f"restore {algorithm}", len(database["tables"])) as advance,
        ):
            for name, table in database["tables"].items():
                loader.load_copied(name, table["columns"], map(backups.objects.read, table["contents"]))
                advance(1)
        publisher.adopt(index_kind, chinese=chinese > 0)
    return True
