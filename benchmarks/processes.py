"""The processes and files of a workspace: what they take in memory, and how to make the system forget them."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

import psutil

from meshseek.bootstrap import Meshseek
from meshseek.pipeline.synthetic import ALGORITHM

DROP = Path("/proc/sys/vm/drop_caches")


def resident_gb(meshseek: Meshseek) -> float:
    """Memory of this process and of the workspace's database server, in GB; pages that they share are counted once."""
    home = str(meshseek.workspace.folder.resolve() / "database")
    keepers = [each for each in psutil.process_iter(["cmdline"]) if home in (each.info["cmdline"] or ())]
    servers = [child for keeper in keepers for child in keeper.children(recursive=True)]
    held = 0
    for one in {psutil.Process(), *keepers, *servers}:
        with contextlib.suppress(psutil.NoSuchProcess):
            held += one.memory_full_info().pss
    return held / 1e9


def restart_cold(meshseek: Meshseek, *, whole_machine: bool) -> str:
    """Stop the database server and let the system forget its files and those of codes; it starts when it is asked.

    Args:
        meshseek: Whose server it is, its own; nobody else may use it.
        whole_machine: Forget the files of all programs, which needs root and slows down everybody else.

    Returns:
        How it was done.
    """
    with meshseek.server.connect(ALGORITHM) as connection:
        row = connection.execute("SHOW data_directory").fetchone()
    assert row is not None
    meshseek.embedded.stop()
    os.sync()  # what was not written cannot be forgotten
    if whole_machine:
        DROP.write_text("3")
        return "drop_caches"
    for folder in (Path(row[0]), meshseek.workspace.codes):
        for path in folder.rglob("*"):
            if path.is_file():
                _forget(path)
    return "posix_fadvise on the files of the database and of codes"


def _forget(path: Path) -> None:
    file = os.open(path, os.O_RDONLY)
    try:
        os.posix_fadvise(file, 0, 0, os.POSIX_FADV_DONTNEED)
    finally:
        os.close(file)
