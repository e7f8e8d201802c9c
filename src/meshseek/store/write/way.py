"""Gives way: the server's process that loads and builds stands behind those that answer searches."""

from __future__ import annotations

import contextlib
import os

import psutil

from meshseek.store.postgres import Connection

NICENESS, LEAST = 10, 19
"""So much is added, up to the least that there is. Beside a process of 0 it then gets a tenth of a processor that both
want, and all of one that nobody else wants."""


def give_way(connection: Connection) -> bool:
    """Let other processes of this machine go before the one that serves a connection, where it is ours to say.

    Another machine's process, or another user's, is left as it is; so is one that merely has the same number.

    Returns:
        Whether it gives way.
    """
    if not connection.info.host.startswith(("/", "@")):
        return False
    with contextlib.suppress(psutil.Error, OSError):
        process = psutil.Process(connection.info.backend_pid)
        if _serves(process, connection.info.dbname):
            usual = os.getpriority(os.PRIO_PROCESS, process.pid)
            os.setpriority(os.PRIO_PROCESS, process.pid, min(LEAST, usual + NICENESS))
            return True
    return False


def _serves(process: psutil.Process, database: str) -> bool:
    """Whether a process is PostgreSQL's and says that it works on a database."""
    title = " ".join(process.cmdline())
    return title.startswith("postgres") and f" {database} " in title
