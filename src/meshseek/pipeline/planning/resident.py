"""What must be in memory for searches to be fast, and the one line that says so where it is not."""

from __future__ import annotations

from collections.abc import Mapping

from meshseek.pipeline.planning.algorithms import Facts
from meshseek.pipeline.planning.amounts import Amounts
from meshseek.pipeline.planning.storage import storage_of

GB = 1e9
OTHERS = 1.5e9
"""Bytes that a service, its page, PostgreSQL's processes and the system take beside what is searched."""


def memory_note(needed: float, memory: float, model: float | None) -> str | None:
    """What to say of a machine that has less memory than searches read; None where it has enough.

    Args:
        needed: Bytes that searches read.
        memory: Bytes of the machine.
        model: Bytes of the model that embeds queries; None where that is not known.
    """
    room = max(0.0, memory - OTHERS - (model or 0))
    if needed <= room:
        return None
    return (
        f"searches read {needed / GB:,.1f} GB, and {room / GB:,.1f} GB of memory are left for that: they will be "
        "slower, and as right"
    )


def published_note(counts: Mapping[str, int], facts: Facts, index_kind: str, memory: float) -> str | None:
    """The same of what was just published.

    Args:
        counts: Of ``assets``, ``views``, ``english_captions`` and ``chinese_captions``.
        facts: Of the algorithm.
        index_kind: What the library is asked by.
        memory: Bytes of the machine.
    """
    assets, views = counts["assets"], counts["views"]
    amounts = Amounts(
        assets=assets,
        with_views=min(assets, views),
        rendered=0,
        kept=0,
        model_bytes=0,
        viewpoints=views,
        pictures=views,
        views=views,
        english=counts["english_captions"],
        chinese=counts["chinese_captions"],
        untranslated=0,
    )
    return memory_note(storage_of(amounts, facts, index_kind).needed, memory, facts.memory)
