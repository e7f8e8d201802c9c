"""One record of a log as one line: bounded, and whatever strangers send, never like another record."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any, Final

from pythonjsonlogger.json import JsonFormatter

from meshseek.interfaces.http.hiding import Hiding
from meshseek.untrusted.text import on_one_line

LONGEST: Final = 8_000
"""Characters of a message, which a stranger's request may be part of."""
LONGEST_TRACEBACK: Final = 16_000
IN_MESSAGE: Final = ("method", "route", "status")
"""Fields of a request that its message tells already."""

_PLAIN = re.compile(r"[\w./:{}()*-]+", re.ASCII)


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


class TextLines(logging.Formatter):
    """For people: time, level, who says it, what, the figures of a request, and its id."""

    def __init__(self, secrets: Iterable[str]) -> None:
        super().__init__()
        self._hide = Hiding(secrets)

    def format(self, record: logging.LogRecord) -> str:
        """The line; a traceback follows in lines that are set in, so that none of them looks like a record."""
        moment = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        fields = getattr(record, "fields", None) or {}
        words = [moment.replace("+00:00", "Z"), f"{record.levelname:<7}", f"{record.name}:"]
        words.append(on_one_line(self._hide(_short(record.getMessage()))))
        words += [f"{name}={_word(value)}" for name, value in fields.items() if name not in IN_MESSAGE]
        if (number := getattr(record, "request_id", None)) is not None:
            words.append(f"request={number}")
        lines = [" ".join(words)]
        if record.exc_info:
            traceback = self._hide(_end(self.formatException(record.exc_info)))
            lines += [f"    {on_one_line(line)}" for line in traceback.split("\n")]
        return "\n".join(lines)


def _word(value: object) -> str:
    text = on_one_line(str(value))
    return text if _PLAIN.fullmatch(text) else json.dumps(text, ensure_ascii=False)


class JsonLines(JsonFormatter):
    """For programs: the same as one JSON object a line, in ASCII."""

    def __init__(self, secrets: Iterable[str]) -> None:
        renamed = {"levelname": "level", "name": "logger", "exc_info": "traceback"}
        names = ["levelname", "name", "message", "request_id"]
        super().__init__(names, rename_fields=renamed, timestamp="time", json_ensure_ascii=True)
        self._hide = Hiding(secrets)

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
