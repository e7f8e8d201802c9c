"""Tables that ``meshseek plan`` made are what it prints."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.docs.plans import check_tables

DOCS = Path(__file__).parents[2] / "docs"


@pytest.mark.parametrize(("page", "rows"), [("scaling.md", 6), ("how-to/objaverse.md", 3)])
def test_a_table_is_what_its_commands_print(page: str, rows: int, tmp_path: Path) -> None:
    """Cell by cell: each column is a line of the plan, each row a command."""
    assert check_tables(DOCS / page, tmp_path) == rows
