"""What a stage could not do, and why: a line of JSON for each asset, beside the stage's table."""

from __future__ import annotations

import json
from collections.abc import Container
from contextlib import suppress
from pathlib import Path

SKIPPED = "skipped.jsonl"
LEFT_OUT = "left_out.jsonl"
"""Likewise, what of an asset was too long to be kept; the rest of it was."""
MOST_BYTES = 4 << 20
"""Of a list that are read to tell its reasons."""


def skipped_line(asset_id: str, fingerprint: str, reason: str) -> str:
    """A line of the file; the fingerprint says which state of the asset it was."""
    line = {"asset_id": asset_id, "reason": reason, "fingerprint": fingerprint}
    return json.dumps(line, ensure_ascii=False) + "\n"


def lines_of_others(folder: Path, asset_ids: Container[str], name: str = SKIPPED) -> str:
    """The lines that earlier runs wrote about other assets than these: of other libraries, or beyond ``max-assets``."""
    try:
        lines = (folder / name).read_text("utf-8", errors="replace").splitlines(keepends=True)
    except OSError:
        return ""
    return "".join(line for line in lines if (fields := _fields(line)) and fields[0] not in asset_ids)


def skipped_fingerprints(folder: Path) -> dict[str, str]:
    """The state in which each asset was skipped by the last run; a line that cannot be read says nothing."""
    try:
        lines = (folder / SKIPPED).read_text("utf-8", errors="replace").splitlines()
    except OSError:
        return {}
    return dict(fields for line in lines if (fields := _fields(line)))


def reasons_of(folder: Path) -> dict[str, tuple[int, str]]:
    """How many assets a stage could not do, by reason, and one of them; of a long list the first lines tell."""
    found: dict[str, tuple[int, str]] = {}
    try:
        with (folder / SKIPPED).open("rb") as file:
            lines = file.read(MOST_BYTES).decode(errors="replace").splitlines()
    except OSError:
        return {}
    for line in lines:
        with suppress(ValueError, KeyError, TypeError):
            values = json.loads(line)
            reason, asset_id = str(values["reason"]), str(values["asset_id"])
            count, example = found.get(reason, (0, asset_id))
            found[reason] = (count + 1, example)
    return found


def _fields(line: str) -> tuple[str, str] | None:
    """Id and fingerprint; None where the line is damaged, or an older Meshseek wrote it."""
    try:
        values = json.loads(line)
        return values["asset_id"], values["fingerprint"]
    except (ValueError, KeyError, TypeError):
        return None
