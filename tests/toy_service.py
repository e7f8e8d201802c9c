"""``meshseek serve`` over published toys, as a process: the function of the command, with another embedder."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from meshseek.bootstrap import Meshseek
from meshseek.interfaces.cli.serving import serve
from meshseek.interfaces.http import stopping
from meshseek.search.service import SearchService
from meshseek.settings import read_settings
from tests.conftest import free_port
from tests.toy import toy_algorithm


def main() -> None:
    """Serve as the argument says, as JSON."""
    given = json.loads(sys.argv[1])
    stopping.CLOSING_SECONDS = given.pop("closing_seconds", 10.0)  # type: ignore[misc]  # so that a test need not wait
    port = given.pop("port")
    meshseek = Meshseek(read_settings(**given))
    meshseek.__dict__["search_service"] = SearchService([toy_algorithm(meshseek.server)])
    serve(meshseek, port, None)


@contextmanager
def serving_toys(log: Path, **given: Any) -> Iterator[tuple[subprocess.Popen[bytes], str]]:
    """Run it; the values are the process and the address.

    Args:
        log: Where its output goes.
        given: Settings.
    """
    port = free_port()
    words = json.dumps({"port": port, **given}, default=str)
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.toy_service", words],
            cwd=Path(__file__).parents[1],
            env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        yield process, f"http://127.0.0.1:{port}"
    finally:
        process.kill()
        process.wait(30)


if __name__ == "__main__":
    main()
