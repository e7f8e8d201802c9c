"""Whether what is published is what would be published now, with the settings that a command or a service has."""

from __future__ import annotations

from meshseek.bootstrap import Meshseek


def is_outdated(meshseek: Meshseek, algorithm: str) -> bool:
    """Whether something else is published of an algorithm.

    Raises:
        WorkspaceError: The vectors are damaged.
        DatabaseError: The database cannot be reached or refuses.
    """
    from meshseek.pipeline import publish  # noqa: PLC0415  # searches need no pipeline

    index, first = meshseek.usual_index(algorithm), meshseek.settings.max_assets
    return publish.is_outdated(algorithm, meshseek.workspace, meshseek.databases, index_kind=index, max_assets=first)
