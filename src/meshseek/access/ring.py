"""The keys as a running service knows them: looked up fast, read again when their file changes."""

from __future__ import annotations

import json
import logging
import os
import time
from datetime import UTC, datetime
from pathlib import Path
from threading import Lock

from meshseek.access.keys import Caller, Key, id_of, is_same, scopes_up_to
from meshseek.access.keys_file import MOST_KEYS, KeysFile, read_small, write_private
from meshseek.errors import KeysError

USED_NAME = "keys-used.json"
LOOK_SECONDS = 0.25
"""How old what is known of the file may be."""
WRITE_SECONDS = 60.0
MOST_USED_BYTES = 100_000

log = logging.getLogger(__name__)

_State = tuple[int, int, int, int]


class KeyRing:
    """The keys of a workspace. Threads may share it.

    Args:
        folder: The workspace's.
    """

    def __init__(self, folder: Path) -> None:
        self._file = KeysFile(folder)
        self._looked = float("-inf")
        self._state: _State | None = None
        self._keys: dict[str, Key] = {}
        self._failure: KeysError | None = None
        self._lock = Lock()
        self.used = LastUsed(folder)

    def is_empty(self) -> bool:
        """Whether there is no key at all.

        Raises:
            KeysError: The file is damaged.
        """
        return not self._current()

    def caller(self, text: str) -> Caller | None:
        """Whose key a text is; None where it is nobody's, has expired, or was revoked.

        Raises:
            KeysError: The file is damaged.
        """
        keys = self._current()
        key = keys.get(id_of(text) or "")
        if key is None or not is_same(text, key) or key.has_expired(datetime.now(UTC)):
            return None
        self.used.note(key.id)
        return Caller(name=key.name, scopes=scopes_up_to(key.scope), key_id=key.id)

    def _current(self) -> dict[str, Key]:
        with self._lock:
            now = time.monotonic()
            if now - self._looked >= LOOK_SECONDS:
                self._looked = now
                state = _state(self._file.path)
                if state != self._state or self._failure is not None:
                    self._state = state
                    self._read()
            if self._failure is not None:
                raise KeysError(str(self._failure))
            return self._keys

    def _read(self) -> None:
        try:
            self._keys = {key.id: key for key in self._file.read()}
            self._failure = None
        except KeysError as error:
            if self._failure is None:
                log.error("%s", error)  # noqa: TRY400  # one line, no trace
            self._keys, self._failure = {}, error


class LastUsed:
    """When each key was last used, to a minute; forgotten where the workspace cannot be written.

    Args:
        folder: The workspace's.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / USED_NAME
        self._times: dict[str, float] = {}
        self._begun = float("-inf")

    def note(self, key_id: str) -> None:
        """A key was used now."""
        self._times[key_id] = time.time()

    def is_due(self) -> bool:
        """Whether there is something to write, and a minute has passed since the last time."""
        return bool(self._times) and time.monotonic() - self._begun >= WRITE_SECONDS

    def begin(self) -> None:
        """The next time is in a minute, however this one ends."""
        self._begun = time.monotonic()

    def write(self) -> None:
        """Keep the times on the disk, beside those that other services wrote; a failure is no one's concern."""
        noted, self._times = self._times, {}
        if not noted:
            return
        times = {**self.read(), **{key_id: datetime.fromtimestamp(used, UTC) for key_id, used in dict(noted).items()}}
        latest = sorted(times.items(), key=lambda item: item[1])[-MOST_KEYS:]
        content = {key_id: used.isoformat(timespec="seconds") for key_id, used in latest}
        try:
            write_private(self._path, json.dumps(content).encode())
        except OSError as error:
            log.debug("when keys were used cannot be written: %s", error)

    def read(self) -> dict[str, datetime]:
        """The times on the disk, by the key's id; none where there are none that can be read."""
        try:
            value = json.loads(read_small(self._path, MOST_USED_BYTES) or b"{}")
            return {str(key_id): datetime.fromisoformat(used).astimezone(UTC) for key_id, used in value.items()}
        except (KeysError, ValueError, TypeError, AttributeError, RecursionError, OverflowError):
            return {}


def _state(path: Path) -> _State | None:
    """Changes whenever the file does: it is always replaced, never written in place."""
    try:
        known = os.lstat(path)
    except OSError:
        return None
    return known.st_ino, known.st_size, known.st_mtime_ns, known.st_ctime_ns
