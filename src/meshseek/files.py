"""Files that appear whole or not at all."""

from __future__ import annotations

import errno
import os
import secrets
from pathlib import Path

from meshseek.errors import WorkspaceError


def write_whole(path: Path, content: bytes | memoryview) -> None:
    """Write a file so that readers see the old content or the new one, even if the machine stops meanwhile.

    Raises:
        OSError: It cannot be written.
    """
    draft = path.with_name(f".{secrets.token_hex(8)}.tmp")
    try:
        with draft.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise


def disk_error(error: OSError, place: Path) -> WorkspaceError:
    """Say in one line why a file could not be written, and what to do."""
    if error.errno in {errno.ENOSPC, errno.EDQUOT}:
        return WorkspaceError(f"the disk that holds {place} is full; free some space and run the same command again")
    return WorkspaceError(f"cannot write to {place}: {error.strerror or error}; check the folder and its permissions")
