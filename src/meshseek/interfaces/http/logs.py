"""The log of a service: one line a record, as text or JSON, bounded, without secrets and without foreign lines."""

from __future__ import annotations

import json
import logging
import os
import re
import sys
import time
from collections.abc import Iterable
from datetime import UTC, datetime
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import Any, Final
from urllib.parse import unquote, urlsplit

from pydantic import SecretStr
from pythonjsonlogger.json import JsonFormatter

from meshseek.errors import SettingsError
from meshseek.interfaces.http.request_ids import request_id
from meshseek.settings import Settings

LONGEST: Final = 8_000
"""Characters of a message, which a stranger's request may be part of."""
LONGEST_TRACEBACK: Final = 16_000
FILE_BYTES: Final = 20_000_000
FILES: Final = 5
"""Log files at most: the one that is written, and the last full ones."""
SAY_AGAIN_SECONDS: Final = 60.0
"""How often it is said that the log file cannot be written."""
SHORTEST_SECRET: Final = 6
"""Characters. A password of fewer would black out ordinary words; it is still left out where it stands in a URL."""
HIDDEN: Final = "***"
IN_MESSAGE: Final = ("method", "route", "status")
"""Fields of a request that its message tells already."""

_USER_INFO = re.compile(r"(\b[a-z][a-z0-9+.-]{0,30}://)[^/\s\"'@]+(?=@)", re.IGNORECASE)
_KEYS = re.compile(
    r"(msk_[A-Za-z0-9]{8}_)[\w-]+|((?:password|passwd|api_key|bearer)[=: ] ?)[^\s\"',;&]+", re.IGNORECASE
)
_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
"""What ends a line, moves a cursor, or turns the direction of writing."""
_PLAIN = re.compile(r"[\w./:{}()*-]+", re.ASCII)


def write_logs(settings: Settings) -> None:
    """Let this process write its log as the settings say; for a process that serves and does nothing else.

    Raises:
        SettingsError: The log file cannot be written.
    """
    handler: logging.Handler = logging.StreamHandler()
    if settings.log_file is not None:
        handler = _file(settings.log_file)
    make = _Json if settings.log_format == "json" else _Text
    handler.setFormatter(make(_secrets(settings)))
    handler.addFilter(_with_request_id)
    root = logging.getLogger()
    for known in root.handlers:
        known.close()
    root.handlers[:] = [handler]
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


def _secrets(settings: Settings) -> list[str]:
    """What must never be seen, in each form it may have."""
    found: set[str] = set()
    for value in settings.model_dump().values():
        text = value.get_secret_value() if isinstance(value, SecretStr) else value
        if not isinstance(text, str):
            continue
        if isinstance(value, SecretStr) and "://" not in text:
            found.add(text)
        elif "://" in text:
            found |= {part for part in _user_info(text) if part}
    forms = {form for text in found for form in (text, unquote(text), json.dumps(unquote(text))[1:-1])}
    return sorted((form for form in forms if len(form) >= SHORTEST_SECRET), key=len, reverse=True)


def _user_info(url: str) -> Iterable[str | None]:
    try:
        return [urlsplit(url).password]
    except ValueError:  # not even the address is one; the regular expressions see what looks like user info
        return []


class _Hiding:
    """Leaves secrets out of a line.

    Args:
        secrets: Those that are known.
    """

    def __init__(self, secrets: Iterable[str]) -> None:
        words = [re.escape(secret) for secret in secrets]
        self._known = re.compile("|".join(words)) if words else None

    def __call__(self, text: str) -> str:
        if self._known is not None:
            text = self._known.sub(HIDDEN, text)
        text = _USER_INFO.sub(rf"\1{HIDDEN}", text)
        return _KEYS.sub(lambda match: f"{match[1] or match[2]}{HIDDEN}", text)


def printable(text: str) -> str:
    """A text that stays on its line, whoever wrote it; what cannot be shown is written as its number."""
    return _UNPRINTABLE.sub(lambda match: f"\\u{ord(match[0]):04x}", text)


def _short(text: str) -> str:
    """The beginning of a long text, up to a space, so that no half of a secret is left."""
    if len(text) <= LONGEST:
        return text
    start = text[:LONGEST].rpartition(" ")[0] or text[:1]
    return f"{start} ... ({len(text) - len(start)} more characters)"


def _end(traceback: str) -> str:
    """The last lines of a long traceback, which name the error."""
    if len(traceback) <= LONGEST_TRACEBACK:
        return traceback
    return "...\n" + traceback[-LONGEST_TRACEBACK:].partition("\n")[2]


class _Text(logging.Formatter):
    """For people: time, level, who says it, what, the figures of a request, and its id."""

    def __init__(self, secrets: Iterable[str]) -> None:
        super().__init__()
        self._hide = _Hiding(secrets)

    def format(self, record: logging.LogRecord) -> str:
        """The line; a traceback follows in lines that are set in, so that none of them looks like a record."""
        moment = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        fields = getattr(record, "fields", None) or {}
        words = [moment.replace("+00:00", "Z"), f"{record.levelname:<7}", f"{record.name}:"]
        words.append(printable(self._hide(_short(record.getMessage()))))
        words += [f"{name}={_word(value)}" for name, value in fields.items() if name not in IN_MESSAGE]
        if (number := getattr(record, "request_id", None)) is not None:
            words.append(f"request={number}")
        lines = [" ".join(words)]
        if record.exc_info:
            traceback = self._hide(_end(self.formatException(record.exc_info)))
            lines += [f"    {printable(line)}" for line in traceback.split("\n")]
        return "\n".join(lines)


def _word(value: object) -> str:
    text = printable(str(value))
    return text if _PLAIN.fullmatch(text) else json.dumps(text, ensure_ascii=False)


class _Json(JsonFormatter):
    """For programs: the same as one JSON object a line, in ASCII."""

    def __init__(self, secrets: Iterable[str]) -> None:
        renamed = {"levelname": "level", "name": "logger", "exc_info": "traceback"}
        names = ["levelname", "name", "message", "request_id"]
        super().__init__(names, rename_fields=renamed, timestamp="time", json_ensure_ascii=True)
        self._hide = _Hiding(secrets)

    def process_log_record(self, log_data: dict[str, Any]) -> dict[str, Any]:
        """Time first, figures of a request beside the rest, and nothing without bounds."""
        log_data.pop("color_message", None)
        log_data.pop("taskName", None)
        fields = log_data.pop("fields", None) or {}
        told = {"time": log_data.pop("time"), **log_data, **fields}
        told["message"] = self._hide(_short(str(told["message"])))
        if "traceback" in told:
            told["traceback"] = self._hide(_end(str(told["traceback"])))
        return {name: value for name, value in told.items() if value is not None}
