"""Whom PostgreSQL runs as; it refuses to run as root, and whoever shares its account may do anything to it."""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from meshseek.errors import DatabaseDownError

NAME = "meshseek-db"
_SECONDS = 30
_CURE = f"run `useradd --system {NAME}`, run Meshseek as an ordinary user, or set MESHSEEK_DATABASE_URL"


@dataclass(frozen=True)
class Account:
    """A user and its group."""

    uid: int
    gid: int
    switched: bool
    """Whether it is another than this process's own."""

    @classmethod
    def of_server(cls) -> Account:
        """This process's own account; where that is root, the system user ``meshseek-db``, made where it is missing.

        ``nobody`` would not do: its other processes could read the data, and connect.

        Raises:
            DatabaseDownError: There is no such user, and none can be made.
        """
        if os.geteuid() != 0:
            return cls(os.geteuid(), os.getegid(), switched=False)
        known = _known() or _made()
        if known.uid == 0:
            raise DatabaseDownError(f"the user '{NAME}' is root, and PostgreSQL does not run as root: give it a uid")
        return known

    def take(self, folder: Path) -> None:
        """Make a folder and all that its owner has in it this account's.

        The former owner may still be at work in it, so neither a link in the place of a folder nor a second name of a
        file that is somebody else's leads outside. The folder itself goes last: until then it is to be done again.

        Raises:
            OSError: It cannot be done.
        """
        former = folder.stat(follow_symlinks=False).st_uid
        for _, folders, files, here in os.fwalk(folder):
            for name in (*folders, *files):
                if os.stat(name, dir_fd=here, follow_symlinks=False).st_uid == former:
                    os.chown(name, self.uid, self.gid, dir_fd=here, follow_symlinks=False)
        os.chown(folder, self.uid, self.gid, follow_symlinks=False)


def _known() -> Account | None:
    with contextlib.suppress(KeyError):
        entry = pwd.getpwnam(NAME)
        return Account(entry.pw_uid, entry.pw_gid, switched=True)
    return None


def _made() -> Account:
    program = shutil.which("useradd", path=f"{os.defpath}:/usr/sbin:/sbin")
    reason = "there is no useradd"
    if program is not None:
        options = ["--system", "--user-group", "--no-create-home", "--shell", "/usr/sbin/nologin"]
        try:
            done = subprocess.run(
                [program, *options, NAME], capture_output=True, text=True, check=False, timeout=_SECONDS
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            reason = getattr(error, "strerror", None) or "useradd does not end"
        else:
            reason = done.stderr.strip().partition("\n")[0] or f"useradd ended with {done.returncode}"
    account = _known()  # another process may have been first
    if account is None:
        raise DatabaseDownError(
            f"PostgreSQL does not run as root, and the system user '{NAME}' cannot be made ({reason}): {_CURE}"
        )
    return account
