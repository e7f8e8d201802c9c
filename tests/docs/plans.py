"""Tables of the documentation that ``meshseek plan`` made: each row beside the command above the table."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

from tests.command_lines import run_here

SECTION = re.compile(r"^```sh\n((?:meshseek plan [^\n]*\n)+)```\n\n(\|.*?\n)(?:\n|\Z)", re.MULTILINE | re.DOTALL)
LABEL = 36
"""Characters of a line of the plan before its figure."""
NOTHING = "-"


def planned_tables(page: Path) -> Iterator[tuple[list[str], list[list[str]]]]:
    """Commands and the cells of the table below them, its head first."""
    for block, table in SECTION.findall(page.read_text("utf-8")):
        rows = [[cell.strip() for cell in line.strip().strip("|").split("|")] for line in table.splitlines()]
        yield block.splitlines(), [rows[0], *rows[2:]]


def figures(command: str, folder: Path) -> dict[str, str]:
    """What a plan prints, by label."""
    ended = run_here(shlex.split(command)[1:], cwd=folder)
    assert ended.returncode == 0, ended.stderr
    return {line[:LABEL].strip(): line[LABEL:].strip() for line in ended.stdout.splitlines() if line[LABEL:].strip()}


def check_tables(page: Path, folder: Path) -> int:
    """See that each cell under a label is what the row's command prints; returns how many rows there are."""
    count = 0
    for commands, (head, *rows) in planned_tables(page):
        assert len(commands) == len(rows)
        for command, row in zip(commands, rows, strict=True):
            told = figures(command, folder)
            shown = {label: cell for label, cell in zip(head, row, strict=True) if label}
            assert shown == {label: told.get(label, NOTHING) for label in shown}, command
            count += 1
    return count
