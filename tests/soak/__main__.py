"""``make soak``: ten minutes of searches under faults; prints what came of them, and writes ``build/soak.json``."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from tests.soak.run import soak


def main() -> None:
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__, allow_abbrev=False)
    parser.add_argument("--seconds", type=float, default=600)
    parser.add_argument("--clients", type=int, default=32)
    parser.add_argument("--json", type=Path, default=Path("build/soak.json"), help="write the figures to this file")
    arguments = parser.parse_args()
    outcome = soak(arguments.seconds, arguments.clients, lambda text: print(text, flush=True))  # noqa: T201
    figures = outcome.figures()
    arguments.json.parent.mkdir(exist_ok=True)
    arguments.json.write_text(json.dumps({**figures, "faults": outcome.faults()[:100]}, indent=1))
    for name, value in figures.items():
        print(f"{name:40} {value}")  # noqa: T201
    for fault in outcome.faults()[:20]:
        print(f"WRONG: {fault}")  # noqa: T201
    sys.exit(bool(outcome.faults()))


if __name__ == "__main__":
    main()
