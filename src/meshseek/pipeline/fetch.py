"""Brings a real library: Debian's ``sweethome3d-furniture``, by the system's apt but without touching the system."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path

from meshseek.errors import FetchError
from meshseek.files import move_whole

PACKAGE = "sweethome3d-furniture"
TIMEOUT_S = 900
"""Seconds for each of apt's steps; the package has 130 MB."""

CONFIGURATION = "apt.conf"
_BY_HAND = "or bring .sh3f files by hand: meshseek import sweethome3d FOLDER"
_INSIDE = Path("usr/share/sweethome3d/furniture")


def fetch_furniture(cache: Path, say: Callable[[str], None]) -> Path:
    """Download the furniture libraries, unless they are there.

    Args:
        cache: Folder that keeps the download; apt's lists and state live in it too, so no root is needed.
        say: Takes progress lines.

    Returns:
        The folder of ``.sh3f`` files.

    Raises:
        FetchError: There is no apt, no network, or no time left.
    """
    finished = cache.absolute() / "furniture"
    if finished.is_dir():
        return finished
    for program in ("apt-get", "dpkg-deb"):
        if shutil.which(program) is None:
            raise FetchError(f"there is no {program} here; run on Debian or Ubuntu, {_BY_HAND}")
    work = cache.absolute() / "furniture.part"
    try:
        options = _own_folders(work)
        _write_configuration(work)
        say("fetch: asking the package servers (apt-get update, in its own folder)")
        _run(["apt-get", *options, "update"], work)
        say(f"fetch: downloading {PACKAGE}, 130 MB")
        _run(["apt-get", *options, "download", PACKAGE], work)
        say("fetch: unpacking")
        packages = sorted(work.glob(f"{PACKAGE}_*.deb"))
        if not packages:
            raise FetchError(f"apt-get download did not fetch {PACKAGE}; run it by hand to see why, {_BY_HAND}")
        unpacked = work / "unpacked"
        shutil.rmtree(unpacked, ignore_errors=True)
        _run(["dpkg-deb", "-x", str(packages[-1]), str(unpacked)], work)
        if not any((unpacked / _INSIDE).glob("*.sh3f")):
            raise FetchError(f"{packages[-1].name} holds no .sh3f file; run again, {_BY_HAND}")
        move_whole(unpacked / _INSIDE, finished)
    except OSError as error:
        raise FetchError(f"cannot write to {work}: {error.strerror}; free some space or fix its permissions") from error
    shutil.rmtree(work, ignore_errors=True)
    return finished


def _own_folders(work: Path) -> list[str]:
    """Options that give apt folders of its own, and an empty list of installed packages."""
    for folder in ("lists/partial", "cache/archives/partial"):
        (work / folder).mkdir(parents=True, exist_ok=True)
    status = work / "status"
    status.touch()
    settings = {
        "Dir::State": work,
        "Dir::State::Lists": work / "lists",
        "Dir::State::status": status,
        "Dir::Cache": work / "cache",
        "Acquire::Retries": 2,
        "Acquire::http::Timeout": 30,
        "Acquire::https::Timeout": 30,
    }
    if os.geteuid() == 0:
        settings["APT::Sandbox::User"] = "root"
    return [part for key, value in settings.items() for part in ("-o", f"{key}={value}")]


def _write_configuration(work: Path) -> None:
    """Write the system's apt configuration without its hooks: they would run as us, and tell others of our download.

    Proxies and the like stay. The file takes the place of all others, as apt reads none of them then.
    """
    lines = _run(["apt-config", "dump"], work, read_configuration=True).splitlines()
    kept = [line for line in lines if "-invoke" not in line.partition(" ")[0].lower()]
    nothing_else = [f'Dir::Etc::{name} "/dev/null";' for name in ("main", "parts")]
    (work / CONFIGURATION).touch(0o600)  # a proxy's address may hold a password
    (work / CONFIGURATION).write_text("\n".join([*kept, *nothing_else, ""]), "utf-8")


def _run(command: Sequence[str], folder: Path, *, read_configuration: bool = False) -> str:
    step = " ".join(word for word in command if word in {"apt-get", "apt-config", "update", "download", "dpkg-deb"})
    environment = {**os.environ, "LC_ALL": "C"}
    if not read_configuration:
        environment["APT_CONFIG"] = str(folder / CONFIGURATION)
    try:
        done = subprocess.run(
            command, cwd=folder, env=environment, capture_output=True, text=True, timeout=TIMEOUT_S, check=True
        )
    except subprocess.TimeoutExpired as error:
        raise FetchError(f"{step} took more than {TIMEOUT_S} s; run again to go on, {_BY_HAND}") from error
    except subprocess.CalledProcessError as error:
        lines = [line for line in error.stderr.splitlines() if line.startswith("E:")] or error.stderr.splitlines()
        reason = lines[0].removeprefix("E: ").rstrip(".") if lines else f"status {error.returncode}"
        raise FetchError(f"{step} failed ({reason}); check the network and run again, {_BY_HAND}") from error
    return done.stdout
