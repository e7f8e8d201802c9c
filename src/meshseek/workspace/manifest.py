"""The manifest of a table on disk: which shards count, and what holds for all of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from meshseek.errors import WorkspaceError
from meshseek.files import write_whole
from meshseek.sealed import sealed, unsealed

MANIFEST = "manifest.json"
FORMAT = 2
"""Of what is written: vectors are bytes."""
READABLE = (1, FORMAT)
"""In the first format vectors were lists of numbers; a table that was added to since has shards of both."""


def write_manifest(folder: Path, header: dict[str, Any], shards: list[dict[str, Any]]) -> None:
    """Make just these shards count.

    Raises:
        OSError: The folder cannot be written.
    """
    manifest = {"format": FORMAT, "table": folder.name, "header": header, "shards": shards}
    write_whole(folder / MANIFEST, sealed(manifest))


def is_missing(folder: Path) -> bool:
    """Whether there are shards and no manifest, so that none counts: it was lost, or the first writing was killed."""
    return not (folder / MANIFEST).is_file() and any(folder.glob("part-*.parquet"))


def read_manifest(folder: Path, content: bytes | None = None) -> dict[str, Any] | None:
    """Read a table's manifest; None where nothing was written yet.

    Args:
        folder: The table's.
        content: That of the manifest, where it has been read already.

    Raises:
        WorkspaceError: It is damaged or of another format.
    """
    path = folder / MANIFEST
    try:
        manifest = unsealed(path.read_bytes() if content is None else content)
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        message = f"{path} cannot be read ({error}); remove the folder {folder} and run its stage again"
        raise WorkspaceError(message) from error
    number = manifest.get("format")
    if isinstance(number, int) and number > FORMAT:
        raise WorkspaceError(
            f"{path} was written by a newer Meshseek (format {number}; this one reads {FORMAT}): upgrade this one"
        )
    is_sound = isinstance(manifest.get("header"), dict) and _are_shards(manifest.get("shards"))
    is_another = number not in READABLE or manifest.get("table", folder.name) != folder.name
    if is_another or not is_sound:
        raise WorkspaceError(
            f"{path} is damaged or of another version of Meshseek; remove {folder} and run its stage again"
        )
    return manifest


def _are_shards(value: Any) -> bool:
    """Whether it lists shards, each a file of this folder."""
    kinds = {"file": str, "rows": int, "sha256": str}
    return isinstance(value, list) and all(
        isinstance(shard, dict)
        and all(isinstance(shard.get(name), kind) for name, kind in kinds.items())
        and shard["file"].startswith("part-")
        and "/" not in shard["file"]
        and "\0" not in shard["file"]
        for shard in value
    )
