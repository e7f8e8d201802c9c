"""Whether the workspace can be written, and others are kept from its secrets."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from meshseek.doctor.findings import Finding

SECRETS: Final = ("key", "password", "database_url", "read_database_urls", "shards", "rate_limit_storage")
"""What a line of settings begins or ends with that holds a secret."""
MOST_BYTES: Final = 1_000_000


def look_at_permissions(workspace: Path) -> Iterator[Finding]:
    """Whether the workspace can be written, and others are kept from its secrets."""
    if not workspace.exists():
        cure = "run 'meshseek import DATASET PATH' to make it, or set MESHSEEK_WORKSPACE to one"
        yield Finding("workspace", "warning", f"there is none in {workspace}", cure)
        return
    trial = workspace / f".doctor-{os.getpid()}"
    try:
        trial.write_bytes(b"x")
        trial.unlink()
    except OSError as error:
        reason = (error.strerror or "it refuses").lower()
        cure = "make yourself its owner with 'chown -R', or set MESHSEEK_WORKSPACE to another folder"
        yield Finding("workspace", "problem", f"{workspace} cannot be written ({reason})", cure)
    else:
        yield Finding("workspace", "ok", f"{workspace} can be written")
    for name in ("keys.json", "meshseek.toml"):
        yield from _look_at_secret(workspace / name)


def _look_at_secret(path: Path) -> Iterator[Finding]:
    try:
        about = path.lstat()
        holds_secret = path.name != "meshseek.toml" or _holds_secret(path)
    except FileNotFoundError:
        return
    except OSError as error:
        reason = (error.strerror or "it refuses").lower()
        yield Finding("permissions", "problem", f"{path} cannot be read ({reason})", f"run: chmod 600 '{path}'")
        return
    if holds_secret and stat.S_IMODE(about.st_mode) & 0o077:
        text = f"others can read {path}, which holds secrets"
        yield Finding("permissions", "problem", text, f"run: chmod 600 '{path}'")
    else:
        yield Finding("permissions", "ok", f"{path.name} is private" if holds_secret else f"{path.name} has no secret")


def _holds_secret(path: Path) -> bool:
    with path.open("rb") as file:
        text = file.read(MOST_BYTES).decode(errors="replace")
    names = (line.partition("=")[0].strip().lower() for line in text.splitlines() if "=" in line)
    return any(name.startswith(SECRETS) or name.endswith(SECRETS) for name in names)
