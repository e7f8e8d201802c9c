"""The file of a workspace's keys: small, private, and whole."""

from __future__ import annotations

import contextlib
import json
import os
import stat
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from meshseek.access.keys import KEY, NAME, SCOPES, Key
from meshseek.errors import KeysError, NotFoundError, WorkspaceError
from meshseek.files import disk_error, locked, whole_file

FILE_NAME = "keys.json"
VERSION = 1
MOST_KEYS = 1000
MOST_BYTES = 1_000_000
"""Three times what so many keys take."""


class KeysFile:
    """The keys of one workspace.

    Args:
        folder: The workspace's.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / FILE_NAME

    def read(self) -> tuple[Key, ...]:
        """All keys, in the order in which they were made; none where there is no file.

        Raises:
            KeysError: The file is damaged or cannot be read; nobody may come in then.
        """
        content = read_small(self.path, MOST_BYTES)
        if content is None:
            return ()
        try:
            return _parsed(content)
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
            raise self._damaged() from error

    def add(self, key: Key) -> None:
        """Remember one more.

        Raises:
            KeysError: The file is damaged, there are too many already, or there is one of this name.
            WorkspaceError: It cannot be written.
        """
        with self._changing():
            kept = self.read()
            if any(other.name == key.name for other in kept):
                raise KeysError(f"there is a key '{key.name}' already; choose another name, or revoke that one first")
            if len(kept) >= MOST_KEYS:
                raise KeysError(f"there are {MOST_KEYS:,} keys, which is the most; revoke those that nobody needs")
            self._write((*kept, key))

    def revoke(self, name: str) -> Key:
        """Forget one; services notice within a second.

        Raises:
            NotFoundError: There is none of this name.
            KeysError: The file is damaged.
            WorkspaceError: It cannot be written.
        """
        with self._changing():
            kept = self.read()
            gone = next((key for key in kept if key.name == name), None)
            if gone is None:
                raise NotFoundError(f"there is no key '{name}'; 'meshseek keys list' shows those that there are")
            self._write(tuple(key for key in kept if key is not gone))
            return gone

    def _changing(self) -> contextlib.AbstractContextManager[None]:
        busy = WorkspaceError("another process changes the keys; run the same command again")
        return locked(self.path.with_name(".keys.lock"), busy)

    def _write(self, keys: Sequence[Key]) -> None:
        content = {"version": VERSION, "keys": [_as_json(key) for key in keys]}
        try:
            write_private(self.path, json.dumps(content, indent=1).encode())
        except OSError as error:
            raise disk_error(error, self.path) from error

    def _damaged(self) -> KeysError:
        return KeysError(
            f"{self.path} is damaged, so no key is let in; restore it from a backup, or delete it and make new keys"
        )


def read_small(path: Path, most: int) -> bytes | None:
    """The content of a file that is no link and no device; None where there is no file.

    Raises:
        KeysError: It cannot be read, or is larger than ``most`` bytes.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            is_file = stat.S_ISREG(os.fstat(descriptor).st_mode)
            if is_file:
                with open(descriptor, "rb", closefd=False) as file:
                    content = file.read(most + 1)
        finally:
            os.close(descriptor)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise _unreadable(path, error.strerror or str(error)) from error
    if not is_file:
        raise _unreadable(path, "it is no ordinary file")
    if len(content) > most:
        raise _unreadable(path, f"it has more than {most:,} bytes")
    return content


def write_private(path: Path, content: bytes) -> None:
    """Write a file that only its owner may read, whole or not at all.

    Raises:
        OSError: It cannot be written.
    """
    with whole_file(path, 0o600) as draft:
        draft.write_bytes(content)


def _unreadable(path: Path, why: str) -> KeysError:
    return KeysError(f"{path} cannot be read ({why}), so no key is let in; mend that, or delete it and make new keys")


def _as_json(key: Key) -> dict[str, Any]:
    return {
        "id": key.id,
        "name": key.name,
        "scope": key.scope,
        "sha256": key.digest,
        "created": key.created.isoformat(),
        "expires": key.expires.isoformat() if key.expires else None,
    }


def _parsed(content: bytes) -> tuple[Key, ...]:
    value = json.loads(content)
    if value["version"] != VERSION or len(value["keys"]) > MOST_KEYS:
        raise ValueError
    keys = tuple(map(_key, value["keys"]))
    if len({key.name for key in keys}) < len(keys) or len({key.id for key in keys}) < len(keys):
        raise ValueError
    return keys


def _key(row: dict[str, Any]) -> Key:
    expires = row["expires"]
    key = Key(
        id=row["id"],
        name=row["name"],
        scope=row["scope"],
        digest=row["sha256"],
        created=_moment(row["created"]),
        expires=None if expires is None else _moment(expires),
    )
    has_form = KEY.fullmatch(f"msk_{key.id}_{'x' * 43}") and NAME.fullmatch(key.name) and key.scope in SCOPES
    if not has_form or len(bytes.fromhex(key.digest)) != 32 or len(key.digest) != 64:  # noqa: PLR2004  # SHA-256's
        raise ValueError
    return key


def _moment(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError
    return moment
