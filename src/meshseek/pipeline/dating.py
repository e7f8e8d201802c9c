"""Notes when each asset was first imported."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TypeVar

from meshseek.pipeline.stage import Outcome, Task, Work
from meshseek.workspace.shards import ShardFolder
from meshseek.workspace.tables import ADDED

T = TypeVar("T")


def dated(work: Work[T], table: ShardFolder) -> Work[T]:
    """Work whose rows say when their assets were first imported: now, or when the table says.

    An asset that an older Meshseek imported stays without a date when it is imported again: that is not known.

    Args:
        work: Imports assets.
        table: The imported assets.
    """

    def dating(tasks: Sequence[Task[T]]) -> Iterator[Outcome]:
        wanted = {task.asset_id for task in tasks}
        earlier: dict[str, int | None] = {}
        for part in table.tables(wanted, ["asset_id", ADDED]):
            known = zip(part["asset_id"].to_pylist(), part[ADDED].to_pylist(), strict=True)
            earlier |= {asset_id: added for asset_id, added in known if asset_id in wanted}
        now = int(time.time())
        for outcome in work(tasks):
            added = earlier.get(outcome.asset_id, now)
            yield replace(outcome, rows=[{**row, ADDED: added} for row in outcome.rows])

    return dating
