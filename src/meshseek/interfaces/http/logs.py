"""The log of a service: where it is written, how much of it, and by whom."""

from __future__ import annotations

import logging
import os
import sys
import time
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import Any, Final

from meshseek.errors import SettingsError
from meshseek.interfaces.http.hiding import secrets_of
from meshseek.interfaces.http.log_lines import JsonLines, TextLines
from meshseek.interfaces.http.log_queue import PatientHandler
from meshseek.interfaces.http.request_ids import request_id
from meshseek.settings import Settings

FILE_BYTES: Final = 20_000_000
FILES: Final = 5
"""Log files at most: the one that is written, and the last full ones."""
SAY_AGAIN_SECONDS: Final = 60.0
"""How often it is said that the log file cannot be written."""


def write_logs(settings: Settings) -> None:
    """Let this process write its log as the settings say; for a process that serves and does nothing else.

    Raises:
        SettingsError: The log file cannot be written.
    """
    handler: logging.Handler = logging.StreamHandler()
    if settings.log_file is not None:
        handler = _file(settings.log_file)
    make = JsonLines if settings.log_format == "json" else TextLines
    handler.setFormatter(make(secrets_of(settings)))
    patient = PatientHandler(handler)
    patient.addFilter(_with_request_id)
    root = logging.getLogger()
    for known in root.handlers:
        known.close()
    root.handlers[:] = [patient]
    # The information of other libraries is left out: HTTP clients write whole addresses, with what they hold.
    root.setLevel(logging.WARNING)
    logging.getLogger("meshseek").setLevel(settings.log_level.upper())
    for name in ("uvicorn", "uvicorn.error", "uvicorn.access"):
        logger = logging.getLogger(name)
        logger.handlers.clear()
        logger.propagate = True
        logger.disabled = name == "uvicorn.access"  # our line tells more, and has no query string
    logging.captureWarnings(capture=True)


def _file(path: Path) -> logging.Handler:
    try:
        return _LogFile(path, maxBytes=FILE_BYTES, backupCount=FILES - 1, encoding="utf-8", errors="backslashreplace")
    except OSError as error:
        raise SettingsError(
            f"setting MESHSEEK_LOG_FILE: {path} cannot be written ({error.strerror}); make its folder writable"
        ) from error


class _LogFile(RotatingFileHandler):
    """A file that only its user and group read; a full disk is told on stderr now and then, and ends nothing."""

    _said = float("-inf")

    def _open(self) -> Any:
        return open(  # the handler closes it
            self.baseFilename, self.mode, encoding=self.encoding, errors=self.errors, opener=_opener
        )

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802  # the name that logging has
        """Say that the log goes on elsewhere."""
        del record
        now = time.monotonic()
        if now - self._said > SAY_AGAIN_SECONDS and sys.stderr is not None:
            self._said = now
            sys.stderr.write(f"meshseek: {self.baseFilename} cannot be written; make room there\n")


def _opener(path: str, flags: int) -> int:
    return os.open(path, flags, 0o640)


def _with_request_id(record: logging.LogRecord) -> bool:
    record.request_id = request_id.get()
    return True
