"""What a stage could not do, and why: a line of JSON for each asset, beside the stage's table."""

from __future__ import annotations

import json
from pathlib import Path

SKIPPED = "skipped.jsonl"


def skipped_line(asset_id: str, fingerprint: str, reason: str) -> str:
    """A line of the file; the fingerprint says which state of the asset it was."""
    line = {"asset_id": asset_id, "reason": reason, "fingerprint": fingerprint}
    return json.dumps(line, ensure_ascii=False) + "\n"


def skipped_fingerprints(folder: Path) -> dict[str, str]:
    """The state in which each asset was skipped by the last run; a line that cannot be read says nothing."""
    fingerprints: dict[str, str] = {}
    try:
        lines = (folder / SKIPPED).read_text("utf-8", errors="replace").splitlines()
    except OSError:
        return fingerprints
    for line in lines:
        try:
            values = json.loads(line)
            fingerprints[values["asset_id"]] = values["fingerprint"]
        except (ValueError, KeyError, TypeError):
            continue
    return fingerprints
