"""Which files of the workspace a published version shows."""

from __future__ import annotations

from typing import NamedTuple

from meshseek.errors import NotPublishedError
from meshseek.store.postgres import Server
from meshseek.store.queries import query
from meshseek.store.schema import refuse_newer
from meshseek.store.shards import Shards, live_connections


class FilesInUse(NamedTuple):
    """Names as the published assets have them."""

    models: set[str]
    view_folders: set[str]


def files_in_use(databases: Server | Shards, algorithm: str) -> FilesInUse:
    """The models and folders of views that the live version of an algorithm shows; none where nothing is published.

    Raises:
        DatabaseError: The database cannot be asked, or a shard's part of what is live is not there.
    """
    used = FilesInUse(set(), set())
    try:
        for connecting in live_connections(databases, algorithm):
            with connecting as connection:
                row = connection.execute(query("schema_version")).fetchone()
                refuse_newer(row[0] if row else None, algorithm)
                for model, view_folder in connection.execute(query("files_in_use")):
                    used.models.add(model)
                    used.view_folders.add(view_folder)
    except NotPublishedError:
        pass
    return FilesInUse(used.models - {None}, used.view_folders - {None})
