"""Looks at everything, each thing in a thread of its own, so that none can keep or end the others."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Mapping
from threading import Thread
from typing import Final

from meshseek.bootstrap import Meshseek
from meshseek.doctor.findings import Finding
from meshseek.doctor.install import look_at_install, look_at_locale
from meshseek.doctor.machine import look_at_clock, look_at_disk, look_at_memory
from meshseek.doctor.permissions import look_at_permissions
from meshseek.doctor.ports import look_at_ports
from meshseek.doctor.services import look_at_database, look_at_models
from meshseek.errors import MeshseekError

SECONDS: Final = 30.0
"""How long all of it may take."""
CLOSING_SECONDS: Final = 5.0
CURES: Final = {
    "database": "see the log in the workspace's folder 'database', or check MESHSEEK_DATABASE_URL",
    "models": "check the disk that MESHSEEK_MODEL_DIR is on",
    "ports": "check MESHSEEK_HOST",
}
"""What to look at where an examination itself does not end, or cannot be made."""

log = logging.getLogger(__name__)

Look = Callable[[], Iterable[Finding]]


def examine(meshseek: Meshseek, ports: Mapping[str, int], seconds: float | None = None) -> list[Finding]:
    """Look at everything; it ends in bounded time, and raises nothing.

    Args:
        meshseek: What is looked at.
        ports: Where services would listen, by the option that chooses another.
        seconds: To take at most; None for the usual.
    """
    folder, host = meshseek.settings.workspace, meshseek.settings.host
    findings = look_at(
        {
            "install": look_at_install,
            "locale": look_at_locale,
            "clock": lambda: look_at_clock(folder),
            "memory": look_at_memory,
            "disk": lambda: look_at_disk(folder, "workspace"),
            "permissions": lambda: look_at_permissions(folder),
            "database": lambda: look_at_database(meshseek),
            "models": lambda: look_at_models(meshseek),
            "ports": lambda: look_at_ports(host, dict(ports)),
        },
        SECONDS if seconds is None else seconds,
    )
    # In a thread: what hangs may hold a lock that closing needs, and the process ends anyway.
    closing = Thread(target=meshseek.close, name="doctor closes", daemon=True)
    closing.start()
    closing.join(CLOSING_SECONDS)
    return findings


def examine_without_settings(error: MeshseekError) -> list[Finding]:
    """Look at what depends on no setting, where these cannot be read.

    Args:
        error: Why.
    """
    found = look_at({"install": look_at_install, "locale": look_at_locale, "memory": look_at_memory}, SECONDS)
    text, cure = str(error), "correct it, or take it out; docs/settings.md has all settings"
    return [Finding("settings", "problem", text, cure), *found]


def look_at(looks: Mapping[str, Look], seconds: float) -> list[Finding]:
    """Carry out several examinations side by side.

    Args:
        looks: By what they are about.
        seconds: For all of them.
    """
    found: dict[str, list[Finding]] = {about: [] for about in looks}
    threads = {
        about: Thread(target=_look, args=(about, look, found[about]), name=f"doctor {about}", daemon=True)
        for about, look in looks.items()
    }
    until = time.monotonic() + seconds
    for thread in threads.values():
        thread.start()
    findings: list[Finding] = []
    for about, thread in threads.items():
        thread.join(max(0.0, until - time.monotonic()))
        findings += list(found[about])
        if thread.is_alive():
            findings.append(Finding(about, "problem", f"this took more than {seconds:g} s", _cure(about)))
    return findings


def _look(about: str, look: Look, found: list[Finding]) -> None:
    try:
        for finding in look():
            found.append(finding)  # noqa: PERF402  # one after the other: what was found before a failure counts
    except MeshseekError as error:
        found.append(Finding.of_error(about, error))
    except Exception as error:  # an examination that fails is itself a finding
        log.debug("the examination of %s failed", about, exc_info=True)
        words = (str(error).strip().splitlines() or ["without a word"])[0]
        found.append(Finding(about, "problem", f"this cannot be looked at ({words})", _cure(about)))


def _cure(about: str) -> str:
    return CURES.get(about, "check the machine with: dmesg, df and free")
