"""Looks through the codes of views in a file while searches go on, which also brings them into memory."""

from __future__ import annotations

import logging
from collections.abc import Callable
from threading import Event, Thread
from typing import TYPE_CHECKING

import psutil

from meshseek.store.codes.file import CodesFile, DamagedFileError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

log = logging.getLogger(__name__)

SHARE = 0.5
"""Of the memory of the machine: what is larger does not stay in it, beside the database and all else."""


class BackgroundCheck:
    """Compares the codes of views with their checksums, once, in a thread.

    Until it has come to its end, a code that is damaged can make a search miss an asset, and nothing worse: whatever a
    search shows was compared by PostgreSQL.

    Args:
        file: Is read.
        row: Bytes of a code.
    """

    def __init__(self, file: CodesFile, row: int) -> None:
        self._file = file
        self._row = row
        self._stopped = Event()
        self._is_in_memory = False
        self._thread: Thread | None = None

    def start(self, damaged: Callable[[str], None]) -> None:
        """Begin, once; ``damaged`` is told what is wrong, if anything is."""
        self._thread = Thread(target=self._check, args=(damaged,), name="codes", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Leave it, soon."""
        self._stopped.set()

    def join(self) -> None:
        """Wait until it has ended."""
        if self._thread:
            self._thread.join()

    def ahead(self, starts: NDArray[np.int64], ends: NDArray[np.int64]) -> None:
        """Let the system read some codes at the same time, unless all of them are in memory.

        Args:
            starts: Rows where pieces begin.
            ends: Rows where they end.
        """
        if not self._is_in_memory:
            self._file.fetch(self._row, starts, ends)

    def _check(self, damaged: Callable[[str], None]) -> None:
        size = self._file.view_bytes
        stays = size < SHARE * psutil.virtual_memory().total
        try:
            for _ in self._file.check_views(mapped=stays):
                if self._stopped.is_set():
                    return
        except (OSError, DamagedFileError) as error:
            damaged(str(error))
            return
        self._is_in_memory = stays
        if not stays:
            log.warning(
                "the codes of views take %.1f GB, too much to stay in the memory of this machine:"
                " searches for views are slower, and as right",
                size / 1e9,
            )
