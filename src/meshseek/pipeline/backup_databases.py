"""What is published on its way into a folder of backups, while searches go on and other versions go live."""

from __future__ import annotations

from typing import Any

from meshseek.errors import DatabaseVersionError
from meshseek.pipeline.backup_destination import Destination
from meshseek.store.postgres import Server
from meshseek.store.read.held import CHANGING, HeldVersion, held_version


class DatabasesBackup:
    """Copies published versions out of their databases."""

    def __init__(self, destination: Destination) -> None:
        self._destination = destination
        former = destination.former or {}
        self._former = {database["algorithm"]: database for database in former.get("databases", ())}
        self.new_bytes = 0

    def back_up(self, server: Server, algorithm: str) -> dict[str, Any] | None:
        """What a snapshot says of an algorithm's live version; None where there is none that could be restored."""
        try:
            with held_version(server, algorithm) as held:
                return None if held is None else self._copied(algorithm, held)
        except DatabaseVersionError as error:
            self._destination.reporter.say(f"backup: what is published of '{algorithm}' is left out: {error}")
            return None

    def _copied(self, algorithm: str, held: HeldVersion) -> dict[str, Any]:
        identity, bounds = held.identity, held.bounds()
        former = self._former.get(algorithm, {})
        same = former.get("identity") == identity and not self._destination.verify
        tables: dict[str, Any] = {}
        size = 0
        with self._destination.reporter.bar(f"backup {algorithm}", len(held.columns)) as advance:
            for table, columns in held.columns.items():
                known = former["tables"].get(table) if same and table not in CHANGING else None
                if known is not None and all(map(self._destination.objects.has, known["contents"])):
                    tables[table] = known
                else:
                    kept = [self._destination.add(part) for part in held.parts(table, bounds)]
                    self.new_bytes += sum(content.bytes for content in kept if content.is_new)
                    tables[table] = {
                        "columns": columns,
                        "contents": [content.digest for content in kept],
                        "bytes": sum(content.bytes for content in kept),
                    }
                size += tables[table]["bytes"]
                advance(1)
        description = held.description
        return {
            "algorithm": algorithm,
            "identity": identity,
            "description": description,
            "tables": tables,
            "bytes": size,
        }
