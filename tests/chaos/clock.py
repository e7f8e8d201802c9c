"""A clock that jumps, for the process that asks for it."""

from __future__ import annotations

import datetime as dt
import time
from typing import Self

import meshseek.pipeline.import_assets
import meshseek.search.tuning
import meshseek.store.write.publisher

_READERS = (meshseek.pipeline.import_assets, meshseek.search.tuning, meshseek.store.write.publisher)
"""The modules that read the time of day."""


def jump(seconds: int) -> None:
    """Let every reading of the time of day in this process differ by so much from now on."""

    class Jumped(dt.datetime):
        @classmethod
        def now(cls, tz: dt.tzinfo | None = None) -> Self:
            return super().now(tz) + dt.timedelta(seconds=seconds)

    for module in _READERS:
        module.datetime = Jumped  # type: ignore[attr-defined]
    true = time.time
    time.time = lambda: true() + seconds
