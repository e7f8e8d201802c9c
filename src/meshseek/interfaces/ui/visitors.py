"""Who is asking, and which files of the page are theirs."""

from __future__ import annotations

import hashlib
import hmac
import os
import re
import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import Any

EVERYBODY = "everybody"
"""The room of visitors who need no key."""
_SESSION = re.compile(r"[A-Za-z0-9]{1,64}")
_UPLOAD = re.compile(r"[0-9a-f]{32}/picture(?:\.[a-z]{3,4})?")


@dataclass(slots=True, kw_only=True)
class Visitor:
    """Who sent one request."""

    room: str = EVERYBODY
    """Files and sessions are kept apart by it: one for each key."""
    key: str | None = None
    """Sent to the API with whatever is asked for this visitor; None where none is needed."""
    name: str | None = None
    """What the API calls the key."""
    is_refused: bool = False
    """Whether the API has said meanwhile that the key is no good any longer."""

    def refuse(self) -> None:
        """Note that the API does not take the key."""
        self.is_refused = True

    def session(self, given: Any) -> str | None:
        """What Gradio knows a visitor's open page by, so that nobody can name another's; None where it has no name."""
        if not isinstance(given, str) or _SESSION.fullmatch(given) is None:
            return None
        return f"{self.room}-{given}"


class Rooms:
    """The page's private folder, with a room for each key in what is shown and in what was uploaded.

    Args:
        folder: Nothing else may be in it.
    """

    def __init__(self, folder: Path) -> None:
        self.shown = folder / "shown"
        self.uploads = folder / "uploads"
        for path in (self.shown, self.uploads):
            path.mkdir(exist_ok=True)
        self._secret = secrets.token_bytes(32)

    def visitor(self, key: str, name: str | None) -> Visitor:
        """Whoever has a key; rooms cannot be guessed without it."""
        room = hmac.new(self._secret, key.encode(), hashlib.sha256).hexdigest()[:32]
        return Visitor(room=room, key=key, name=name)

    def shown_to(self, visitor: Visitor, path: str) -> Path | None:
        """The file at a path that a visitor names; None where it is not theirs, or not there."""
        return self._inside(path, self.shown / visitor.room) or self.uploaded_by(visitor, path)

    def uploaded_by(self, visitor: Visitor, path: str) -> Path | None:
        """Likewise, among their uploads."""
        return self._inside(path, self.uploads / visitor.room)

    def upload(self, visitor: Visitor, name: str) -> Path | None:
        """The file of their upload by the name that addresses give it; None where it is gone, or was never there."""
        if _UPLOAD.fullmatch(name) is None:
            return None
        return self.uploaded_by(visitor, str(self.uploads / visitor.room / name))

    @staticmethod
    def _inside(path: str, room: Path) -> Path | None:
        """A plain path in a room; one with a scheme, ``..`` or a link in it is none."""
        file = Path(path)
        if os.path.normpath(path) != path or not file.is_relative_to(room):
            return None
        try:
            return file if file.is_file() and not file.is_symlink() else None
        except OSError:  # longer than names may be
            return None
